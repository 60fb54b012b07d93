"""What a refusal says: both lines, the case in which they differ, and where to look."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import mpmath
from mpmath import mpf
from sympy import Expr

from mini_ddpm.symbolic import hints

if TYPE_CHECKING:
    from mini_ddpm.symbolic.interpreter import Interpreter
    from mini_ddpm.symbolic.theory import Theory

WORDS = {"=": "equals", "<=": "is at most", ">=": "is at least"}


def complaint(theory: "Theory", old: Expr, new: Expr, relation: str, there: "Interpreter", a: mpf, b: mpf) -> str:
    """The message of a WrongStep."""
    case = {**there.world.indices, **there.leaves}
    named = {name: value if isinstance(value, int) else mpmath.nstr(value, 4) for name, value in case.items()}
    world = ", ".join(f"{name} = {value}" for name, value in sorted(named.items(), key=_order(there)))
    look = hints.hint(theory, old, new, relation).words
    return (
        f"it is not true that the line before {WORDS[relation]} this one\n"
        f"  before:   {old}\n"
        f"  here:     {new}\n"
        f"  world {there.world.number}:  {world or 'no symbols'}\n"
        f"  values:   {mpmath.nstr(a, 8)} before, {mpmath.nstr(b, 8)} here\n" + (f"  look at:  {look}" if look else "")
    ).rstrip()


def _order(there: "Interpreter") -> Callable[[tuple[str, object]], tuple[bool, str]]:
    """Indices first, then by name."""
    return lambda item: (item[0] not in there.world.indices, item[0])


def same_outcome(tried: Sequence["Interpreter"]) -> str | None:
    """A kinked function that went the same way in every world: its other side has not been seen."""
    seen: dict[str, set] = {}
    for there in tried:
        for name, found in there.outcomes.items():
            seen.setdefault(name, set()).update(str(way) for way in found if way or isinstance(way, int))
    return next((name for name, found in sorted(seen.items()) if len(found) == 1), None)
