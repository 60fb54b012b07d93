"""Two lines in every world, until one shows that they differ."""

from typing import TYPE_CHECKING

from sympy import Expr

from mini_ddpm.symbolic.agreement import holds, pair
from mini_ddpm.symbolic.interpreter import Interpreter
from mini_ddpm.symbolic.worlds import MOST, NoValue, Unchecked

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory

INEQUALITY = 60  # worlds in which an inequality is tried
MISSING = 6  # worlds without a value, after which a line is given up unless others had one
WORK, FEWEST = 8_000, 5  # evaluations of what is summed or integrated, after which so many worlds are enough


def compare(
    theory: "Theory", old: Expr, new: Expr, relation: str, most: int | None
) -> tuple[list[Interpreter], tuple | None]:
    """The worlds tried, and the first in which the step fails, with both values."""
    tried: list[Interpreter] = []
    skipped, work, last = 0, 0, ""
    for there in theory.interpreters([old, new], most or (MOST if relation == "=" else INEQUALITY)):
        try:
            a, b, slack = pair(there, old, new)
        except NoValue as error:
            skipped, last = skipped + 1, str(error)
            if skipped > MISSING + 2 * len(tried):
                break
            continue
        if not holds(a, b, slack, relation):
            return tried, (there, a, b)
        tried.append(there)
        work += there.terms
        if work > WORK and len(tried) >= FEWEST:  # means of means: fewer worlds must do
            break
    if len(tried) < 3 or skipped > 2 * len(tried):
        raise Unchecked(last or f"the assumptions leave too few cases: {theory.conditions}. Assume less")
    return tried, None
