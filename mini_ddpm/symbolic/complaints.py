"""What a refusal says: both lines, the case in which they differ, and where to look."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mpmath
from mpmath import mpf
from sympy import Expr

from mini_ddpm.symbolic import hints

if TYPE_CHECKING:
    from mini_ddpm.symbolic.interpreter import Interpreter
    from mini_ddpm.symbolic.theory import Theory

WORDS = {"=": "equals", "<=": "is at most", ">=": "is at least"}


@dataclass(frozen=True)
class Refusal:
    """Why a step is wrong: both lines, their `values` in a `world`, and a `hint` or nothing; str() is the message.

    `repaired` is the line with one small edit, if there is one that makes it true. `place` says in words what of the
    two lines is compared, if these are not the whole lines.
    """

    before: Expr
    here: Expr
    relation: str
    world: str
    values: tuple[str, str]
    hint: str
    repaired: Expr | None = None
    place: str = ""

    def __str__(self) -> str:
        what = f"the two lines differ by something that depends on the variable, in {self.place}"
        return (
            f"{what if self.place else f'it is not true that the line before {WORDS[self.relation]} this one'}\n"
            f"  before:   {self.before}\n"
            f"  here:     {self.here}\n"
            f"  {self.world}\n"
            f"  values:   {self.values[0]} before, {self.values[1]} here\n"
            + (f"  look at:  {self.hint}" if self.hint else "")
        ).rstrip()


def refusal(theory: "Theory", old: Expr, new: Expr, relation: str, there: "Interpreter", a: mpf, b: mpf) -> Refusal:
    """What to say of two lines that are a and b in a world."""
    case = {**there.world.indices, **there.leaves}
    named = {name: value if isinstance(value, int) else mpmath.nstr(value, 4) for name, value in case.items()}
    hint = hints.hint(theory, old, new, relation)
    world = ", ".join(f"{name} = {value}" for name, value in sorted(named.items(), key=_order(there)))
    return Refusal(
        old,
        new,
        relation,
        f"world {there.world.number}:  {world or 'no symbols'}",
        _apart(a, b),
        hint.words,
        hint.repaired,
    )


def _apart(a: mpf, b: mpf) -> tuple[str, str]:
    """Both numbers, with no more digits than tell them apart."""
    few, many = ((mpmath.nstr(a, digits), mpmath.nstr(b, digits)) for digits in (4, 8))
    return few if few[0] != few[1] else many


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
