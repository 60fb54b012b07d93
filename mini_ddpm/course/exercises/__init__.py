"""Exercises: what is asked, hints that lead there, and a check that knows the usual mistakes.

    q = exercise("04.2")   # shows the question
    q.check(...)           # says whether an answer is right, and what a wrong one shows
    q.hint()               # one hint more at every call
    q.solution()

Each notebook has a module here, `n04` for 04, with its `EXERCISES`.
"""

from importlib import import_module

from mini_ddpm.course.exercises.compute import Compute
from mini_ddpm.course.exercises.kinds import Choose, Derive, Exercise, Predict, Reply

__all__ = ["Choose", "Compute", "Derive", "Exercise", "Predict", "Reply", "exercise"]


def exercise(number: str) -> Exercise:
    """The exercise of that number, as "04.2": the second one of notebook 04.

    Raises:
        ValueError: there is none.
    """
    notebook, _, place = number.partition(".")
    try:
        found: tuple[Exercise, ...] = import_module(f"{__name__}.n{notebook}").EXERCISES
    except ModuleNotFoundError:
        found = ()
    if not place.isdecimal() or not 1 <= int(place) <= len(found):
        last = f"{notebook} has 1 to {len(found)}" if found else 'try "04.1"'
        raise ValueError(f"there is no exercise {number}: {last}")
    return found[int(place) - 1].numbered(number)
