"""Exercises that ask for a function, tried on numbers and lists: in a browser, too, where there is no NumPy."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from mini_ddpm.course.exercises.kinds import Exercise


def numbers(value: Any) -> tuple[tuple[int, ...], list[float]]:
    """The shape and the numbers of a number, of lists in lists, or of an array of any library."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(value, (list, tuple)):
        return (), [float(value)]
    shapes, found = zip(*map(numbers, value), strict=True) if value else ((), ())
    if len(set(shapes)) > 1:
        raise ValueError("lists of several lengths")
    return (len(value), *(shapes[0] if shapes else ())), [number for some in found for number in some]


def near(one: Any, other: Any, within: float) -> bool:
    """Whether both have one shape and the same numbers, up to a share or a distance; nan is near nan."""
    (shape, mine), (asked, yours) = numbers(one), numbers(other)
    return shape == asked and all(
        math.isclose(a, b, rel_tol=within, abs_tol=within) or (math.isnan(a) and math.isnan(b))
        for a, b in zip(mine, yours, strict=True)
    )


def _short(value: Any) -> str:
    shape, found = numbers(value)
    told = ", ".join(f"{number:.4g}" for number in found[:6]) + (", ..." if len(found) > 6 else "")
    return f"({told})" if shape else told


class Compute(Exercise):
    """A function, tried on `cases`, tuples of arguments: it must give what `answer` gives, up to `within`."""

    kind = "compute"

    def __init__(
        self,
        statement: str,
        answer: Callable,
        why: str,
        hints: Sequence[str],
        mistakes: Sequence[tuple[Callable, str]] = (),
        *,
        cases: Sequence[tuple],
        within: float = 1e-9,
    ) -> None:
        super().__init__(statement, answer, why, hints, mistakes)
        self.cases, self.within = cases, within

    def fault(self, answer: Callable) -> str | None:
        """The first case that differs, or what the function raised."""
        if not callable(answer):
            return "Give the function itself: its name, with no brackets after it."
        for case in self.cases:
            shown = ", ".join(map(str, case))
            right = self.answer(*case)
            try:
                result = answer(*case)
            except Exception as error:  # a learner's code may raise anything, and is told what
                return f"For ({shown}) it raises {type(error).__name__}: {error}"
            if result is None:
                return f"For ({shown}) it returns nothing: a `return` is missing, or is never reached."
            try:
                numbers(result)
            except Exception:  # a text, say, or a list of lists of several lengths
                return f"For ({shown}) it returns a {type(result).__name__} that is no number, not {_short(right)}."
            if not near(result, right, self.within):
                return f"For ({shown}) it gives {_short(result)}, not {_short(right)}."
        return None

    def same(self, mistake: Callable, answer: Callable) -> bool:
        """The same values in every case."""
        try:
            return all(near(mistake(*case), answer(*case), 1e-8) for case in self.cases)
        except Exception:
            return False
