"""Whether two numbers agree, up to rounding."""

from typing import TYPE_CHECKING

from mpmath import mp, mpf
from sympy import Expr

from mini_ddpm.symbolic.worlds import NoValue

if TYPE_CHECKING:
    from mini_ddpm.symbolic.interpreter import Interpreter

DIGITS = 40  # of every number; then again with more, to see how many of them are right
MORE = 16


def pair(there: "Interpreter", old: Expr, new: Expr) -> tuple[mpf, mpf, mpf]:
    """Both values, and how much of their difference may be rounding."""
    with mp.workdps(DIGITS):
        a, b = there(old), there(new)
    if there.approximate:
        return a, b, there.approximate * max(abs(a), abs(b)) + mpf(10) ** -22
    with mp.workdps(DIGITS + MORE):
        finer = there(old), there(new)
        slack = 1000 * (abs(finer[0] - a) + abs(finer[1] - b)) + mpf(10) ** -(DIGITS - 5) * max(abs(a), abs(b))
        unseen = slack < abs(a - b) < mpf(10) ** -(DIGITS - 5) * there.largest  # what cancels may hide it
        if unseen or slack > max(1, abs(a), abs(b)) / 10**6:
            raise NoValue(f"too few digits are known in world {there.world.number}: does a side divide by zero?")
    return a, b, slack


def holds(a: mpf, b: mpf, slack: mpf, relation: str) -> bool:
    """Compare two numbers, up to rounding."""
    with mp.workdps(DIGITS + MORE):
        return {"=": abs(a - b) <= slack, "<=": a - b <= slack, ">=": b - a <= slack}[relation]
