"""Forms that lines of a derivation may have, and what they are worth."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sympy import Expr

from mini_ddpm.symbolic import Expectation


class Goal(NamedTuple):
    """A form on the way: its points, what it is in words, and whether a line, as it was written, has it."""

    points: float
    words: str
    has: Callable[[Expr], bool]


class Answer(NamedTuple):
    """The form of the last line: `only` and `without` as in `Derivation.answer`, and `has` as in a goal.

    `alone` says whether its line earns its points alone, or those of the form before it, too, if that can be seen in no
    line between: then any right line that has a form must come before it.
    """

    points: float
    words: str
    only: Sequence | None = None
    without: Sequence = ()
    has: Callable[[Expr], bool] = lambda line: True
    alone: bool = True


def means(line: Expr) -> int:
    """How many means are left in a line whose variable stands in what they are of."""
    return sum(one.args[0].has(one.args[1]) for one in line.atoms(Expectation))


def nested(line: Expr) -> bool:
    """Whether a mean stands inside another one. None does in a sum of means, each over one variable."""
    return any(one.args[0].has(one.args[1]) and means(one.args[0]) for one in line.atoms(Expectation))
