"""What is positive may not be defined by something that is not: SymPy uses a sign wherever the name stands."""

from contextlib import suppress
from typing import TYPE_CHECKING

import mpmath
from mpmath import mp
from sympy import Expr, Symbol

from mini_ddpm.symbolic import existence
from mini_ddpm.symbolic.agreement import DIGITS
from mini_ddpm.symbolic.definitions import Definition
from mini_ddpm.symbolic.environment import NOTHING
from mini_ddpm.symbolic.worlds import NoValue, Unchecked, is_fraction

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory

KNOWN: dict[tuple, Expr] = {}  # definitions, the last one found positive, and what they rest on -> from where on
EARLIER = (0, -1, -2, -30)  # indices for which a definition for t = 1, 2, ... may be asked


def check(theory: "Theory", new: Definition) -> None:
    """Refuse a definition of what is positive that is not proved to be; it holds from 1 on only, if it must.

    Raises:
        ValueError: it has another sign in a world, or nothing proves its sign.
    """
    if not (new.lhs.is_positive or new.lhs.is_nonnegative):
        return
    rests_on = type(theory), theory.conditions, *theory.given.items(), *((d.lhs, d.rhs) for d in theory.definitions)
    if rests_on in KNOWN:
        new.first = KNOWN[rests_on]
        return
    for place in new.parameters:
        if not place.is_integer and not (place.is_positive is None and place.is_nonnegative is None):
            raise ValueError(f"{new.lhs} := ... would hold for every number, not for {place} of one sign: make it real")
    if str(new.lhs) == "alpha_bar[0]" and new.rhs != 1:
        raise ValueError(f"alpha_bar[0] is 1, and may be {new.rhs} for another name only")
    _try(theory, new)
    strict = bool(new.lhs.is_positive)
    below_1 = [1 - new.rhs] if is_fraction(new.lhs) and str(new.lhs) != "alpha_bar[0]" else []  # which is 1
    if not all(existence.has_sign(theory, expr, strict) for expr in (new.rhs, *below_1)):
        wanted = "between 0 and 1" if below_1 else "positive" if strict else "not negative"
        raise ValueError(
            f"{new.lhs} is {wanted}, and nothing proves that {new.rhs} is: assume what makes it so with "
            f"theory.assume(...), or make {new.lhs} real"
        )
    KNOWN[rests_on] = new.first


def _try(theory: "Theory", new: Definition) -> None:
    """Numbers for it, and for indices before 1, where it is left open if it is not positive."""
    indices = [dummy for place, dummy in new.parameters.items() if place.is_integer and place.is_positive]
    for there in theory.interpreters([new.lhs, new.rhs]):
        with suppress(NoValue, Unchecked), mp.workdps(DIGITS):
            if _wrong(new.lhs, value := there(new.rhs)):
                raise ValueError(f"{new.lhs} is positive, and {new.rhs} may be {mpmath.nstr(value, 4)}")
        for n in EARLIER if len(indices) == 1 == len(new.places) else ():
            with suppress(NoValue, Unchecked), mp.workdps(DIGITS):
                if _wrong(new.lhs, there(new.body, NOTHING.binding({indices[0]: mpmath.mpf(n)}))):
                    new.first = max(new.first, 1)


def _wrong(lhs: Expr | Symbol, value: mpmath.mpf) -> bool:
    return value < 0 or (bool(lhs.is_positive) and not value)
