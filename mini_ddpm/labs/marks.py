"""Points of a task, item by item, each with what was seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mini_ddpm.labs.answers import NoAnswer, at_home, changed, derived, leave_no_names
from mini_ddpm.labs.lines import Lines


class Marks:
    """The points so far. As the last line of a test it is the number that nbgrader takes for the task.

    A student's own notebook says it in words: there a 0 under right answers would only mean that all points of the task
    are given by tests that are hidden until it is graded.

    Args:
        of: all points of the task, with those of hidden tests.
    """

    def __init__(self, of: float) -> None:
        self.of, self.total = of, 0.0
        self.seen = 0.0  # the points that the tests so far could have given
        self.failed = 0
        leave_no_names()

    @contextmanager
    def award(self, points: float, words: str) -> Iterator[None]:
        """Give points, or none at all, if the block ends well, and say so. An `assert` in it says what was wrong."""
        self.seen += points
        try:
            yield
        except Exception as error:  # whatever a student's answer may lead to
            self.failed += 1
            print(f"{f'0 of {points:g}' if points else 'no':8} {words}: {str(error) or 'it is not so'}")
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
        print(changed(task), end="")
        self.seen += task.points
        self.total += said.points

    def __repr__(self) -> str:
        return f"{self.total:g}"

    def _repr_markdown_(self) -> str | None:
        """What a student's own notebook shows; feedback, which knows all tests, keeps to the number."""
        if not at_home():
            return None
        hidden = self.of - self.seen
        here = f"**{self.total:g} of {self.seen:g} points**" if self.seen else "they give no points"
        if not hidden:
            return f"{here}. There are no other tests of this task."
        passed = "Not all tests here are passed" if self.failed else "All tests here are passed"
        more = f"{hidden:g} more" if self.seen else f"{hidden:g}"
        return f"{passed}: {here}. Tests worth {more} follow when your lab is graded; you don't see them."


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
        worst = np.unravel_index(np.argmax(np.where(np.isnan(off), np.inf, off)), off.shape)
        place = ", ".join(str(int(k) + 1) for k in worst)
        found = f"its entry {place} is {given[worst]:.4g}, off by {off[worst]:.2g}"
        assert np.all(off <= within), found if what == "it" else f"{what}: {found}"
    else:
        name = "" if what == "it" else f"{what}, "
        assert off <= within, f"{name}{given:.4g}{name and ','} is too {'large' if given > right else 'small'}"


def between(given: Any, low: float, high: float, what: str) -> None:
    """Assert that a number, or each of several, is at least `low` and at most `high`, and say which is not."""
    for one in np.ravel(np.asarray(given, dtype=float)):
        assert low <= one <= high, f"{what} is {one:.4g}"
