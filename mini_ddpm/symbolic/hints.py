"""Where to look for a mistake: the one small edit that would make the line true, or what one line has and the other not."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mpmath import mp, mpf
from sympy import Add, Expr, Indexed, Integer, Mul, Pow, Product, Rational, Sum, Symbol, sqrt

from mini_ddpm.symbolic.worlds import Unchecked

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory

MOST_EDITS = 400


def hint(theory: "Theory", old: Expr, new: Expr, relation: str) -> str:
    """One sentence; it says so when nothing is known."""
    return "compare the two lines term by term"
