"""What to say of two lines that differ by more than what does not depend on a variable: in which of its powers."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sympy import Dummy, Expr, factorial

from mini_ddpm.symbolic import complaints
from mini_ddpm.symbolic.search import ERRORS
from mini_ddpm.symbolic.worlds import WrongStep

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory

HIGHEST = 4  # power that is looked at


def refusal(theory: "Theory", old: Expr, new: Expr, x: Expr, both: "Theory", *doubled: Any) -> complaints.Refusal:
    """What stands before a power of x in one line and in the other; `doubled` are the lines as what they change by."""
    said: complaints.Refusal | None = None
    try:
        pairs = list(zip(_factors(theory, old, x), _factors(theory, new, x), strict=True))
        differ = [k for k, pair in enumerate(pairs) if theory.disagreement(*pair)]
        said = replace(_refused(theory, *pairs[differ[-1]]), place=f"what stands before {x ** (differ[-1] + 1)}")
        if len(differ) == 1:
            return said
    except ERRORS:  # it is no polynomial in x
        pass
    whole = complaints.refusal(both, *doubled)
    hint = whole.hint.replace(str(doubled[1]), "this line")
    hint = "" if f"{x}'" in hint else hint
    if said is None:
        return replace(whole, place=f"what changes with {x}", hint=hint)
    return replace(said, hint=hint, repaired=whole.repaired)


def _refused(theory: "Theory", old: Expr, new: Expr) -> complaints.Refusal:
    try:
        theory.refute(old, new)
    except WrongStep as error:
        return error.args[0]
    raise ValueError("they agree")


def _factors(theory: "Theory", line: Expr, x: Expr) -> list[Expr]:
    """What stands before x, x**2, ... in a line that is a polynomial in x."""
    y = Dummy(real=True)
    line = (theory.unfold_some(line) if theory.hides(line, x) else line).xreplace({x: y})
    if not line.is_polynomial(y):
        raise ValueError("no polynomial")
    return [line.diff(y, k).xreplace({y: 0 * y}).doit() / factorial(k) for k in range(1, HIGHEST + 1)]
