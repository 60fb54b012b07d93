"""Points of a task, item by item, each with what was seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mini_ddpm.labs.answers import NoAnswer, derived
from mini_ddpm.labs.lines import Lines


class Marks:
    """The points so far. As the last line of a test it is the number that nbgrader takes for the task."""

    def __init__(self) -> None:
        self.total = 0.0

    @contextmanager
    def award(self, points: float, words: str) -> Iterator[None]:
        """Give points, or none at all, if the block ends well, and say so. An `assert` in it says what was wrong."""
        try:
            yield
        except Exception as error:  # whatever a student's answer may lead to
            print(f"{f'0 of {points:g}' if points else 'no':8} {words}: {error or 'it is not so'}")
        else:
            self.total += points
            print(f"{f'{points:g} of {points:g}' if points else 'yes':8} {words}")

    def lines(self, name: str, task: Lines) -> None:
        """Mark the derivation of that name, and say of each line: right, wrong, or not reached."""
        try:
            text = derived(name)
        except NoAnswer as error:
            print(error)
            text = ""
        said = task.mark(text)
        print(said)
        self.total += said.points

    def __repr__(self) -> str:
        return f"{self.total:g}"


def near(given: Any, right: Any, within: float, what: str = "it") -> None:
    """Assert that numbers are near the right ones, without telling these; a tuple stands for several things.

    Raises:
        AssertionError: they are too large, too small, off, or not as many as there should be.
    """
    if isinstance(right, tuple):
        assert isinstance(given, (list, np.ndarray)), f"{what} should be {len(right)} things"
        assert len(given) == len(right), f"{what} should be {len(right)} things, not {len(given)}"
        for k, (one, other) in enumerate(zip(given, right, strict=True), 1):
            near(one, other, within, f"number {k}")
        return
    try:
        given = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise AssertionError(f"{what} is no number") from None
    right = np.asarray(right, dtype=float)
    assert given.shape == right.shape, f"{what} has the shape {given.shape}, not {right.shape}"
    off = np.abs(given - right)
    if right.ndim:
        assert np.all(off <= within), f"{what} is off by up to {off.max():.2g}"
    else:
        assert off <= within, f"{what}, {given:.4g}, is too {'large' if given > right else 'small'}"
