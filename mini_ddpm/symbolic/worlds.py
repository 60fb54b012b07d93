"""Worlds: integers for the indices of a line, and numbers for its quantities, made from hashes of their names.

The same on every machine. Worlds meet the ends (t = 1, T = 1, d = 1, s = t - 1, i = j) and something large, sizes
of real schedules, values near the ends of a range, and equal values for different quantities.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod

from mpmath import mp, mpf
from sympy import Expr, Indexed, Symbol, lambdify

from mini_ddpm.symbolic.conditions import Conditions, rules

INTEGERS = (1, 2, 3, 4, 5, 8, 12, 25)  # that an index can be; 0 and -2 too, if it need not be positive
FRACTIONS = ("alpha", "beta", "alpha_bar")  # indexed quantities between 0 and 1
REGIMES = (
    "middle",
    "schedule",
    "wide",
    "equal",
    "small",
    "zero",
    "large",
    "middle",
    "fine",
    "equal",
    "mixed",
    "zero",
    "same",
    "wide",
)
MOST_CASES = 20_000
MOST = 18  # worlds in which an equality is tried


class WrongStep(AssertionError):  # noqa: N818 - as learners meet it
    """A line that does not follow from the line before it."""


class Unchecked(RuntimeError):  # noqa: N818 - as learners meet it
    """A line that could not be compared, and so is not shown."""


class NoValue(Unchecked):
    """A line has no value here: it divides by zero, say."""


@dataclass(frozen=True)
class World:
    """One case: its `number`, the integers that its `indices` are, and the `regime` of its quantities."""

    number: int
    indices: dict[str, int]
    regime: str
    salt: int = 0

    def value(self, leaf: Expr, name: str) -> mpf:
        """The number that stands for a quantity without a definition; `name` has numbers for indices."""
        return _value(leaf, name, self.number, self.regime, self.salt, mp.prec)


@lru_cache(50_000)
def _value(leaf: Expr, name: str, number: int, regime: str, salt: int, precision: int) -> mpf:
    share, sign = _hashes(name, number, salt)
    if is_fraction(leaf):
        return mpf(1) if name == "alpha_bar[0]" else _fraction(str(leaf.base), share, regime)
    of_any_sign = not (leaf.is_nonnegative or leaf.is_nonpositive)
    if regime == "same":
        return mpf(7) / 10 if of_any_sign else _size(share, "small") * (-1 if leaf.is_nonpositive else 1)
    if (
        regime == "zero"
        and (_hashes(name, 0, 0)[1] + number // 6) % 2
        and not (leaf.is_positive or leaf.is_negative or leaf.is_nonzero)
    ):
        return mpf(0)
    size = _size(share, regime)
    return -size if leaf.is_nonpositive or (of_any_sign and sign and regime != "equal") else size


def _hashes(name: str, number: int, salt: int) -> tuple[mpf, int]:
    """A share in [0, 1) and a bit."""
    digest = hashlib.sha256(f"{name}|{number}|{salt}".encode()).digest()
    return mpf(int.from_bytes(digest[:6], "big")) / 2**48, digest[6] % 2


def _size(share: mpf, regime: str) -> mpf:
    """How large a quantity is, apart from its sign."""
    low, high = {"small": (-4, -1), "large": (0, 2), "wide": (-4, 4), "mixed": (-2, 2), "fine": (-8, 0)}.get(
        regime, (-1, mpf("0.6"))
    )
    if regime == "equal":  # so that different quantities may be equal, and may be 1
        return (mpf(1), mpf(7) / 10, mpf(1) / 50)[int(3 * share)]
    return mp.power(10, low + (high - low) * share)


def _fraction(family: str, share: mpf, regime: str) -> mpf:
    """A number between 0 and 1, not near 1 only or near 0 only."""
    if regime in ("schedule", "zero"):  # as in DDPM: beta from 0.0001 to 0.02
        beta = mpf("0.0001") + mpf("0.0199") * share
        kind = {"alpha": 1 - beta, "beta": beta}
        return kind.get(family, mp.power(10, mpf("-4.4") * share))
    if regime == "equal":
        return mpf(1 + int(3 * share)) / 4
    tiny = mp.power(10, -1 - (8 if regime == "fine" else 4) * share)
    if regime in ("small", "large"):
        return tiny if regime == "small" else 1 - tiny
    if regime in ("fine", "wide", "mixed"):
        return tiny if int(share * 10**6) % 2 else 1 - tiny
    return (5 + 90 * share) / 101


def is_fraction(leaf: Expr) -> bool:
    """Whether it is one of the course's alpha, beta, alpha_bar."""
    return isinstance(leaf, Indexed) and str(leaf.base) in FRACTIONS and bool(leaf.is_positive)


# --- indices -------------------------------------------------------------------------------------------


def worlds(
    indices: set[Symbol], conditions: Conditions, given: dict[str, tuple[int, ...]], most: int = MOST, other: int = 6
) -> Iterator[World]:
    """Worlds in which all ends of the indices' ranges, an `other` integer, and all regimes occur, at least `most`.

    Raises:
        Unchecked: no integers keep to the conditions.
    """
    cases = _cases(frozenset(indices), conditions, tuple(sorted(given.items())), other)
    if not cases:
        raise Unchecked(
            f"there is no case to try: {conditions} can't hold for small integers. Assume less, or give indices"
        )
    for k in range(max(most, len(cases))):
        regime = REGIMES[(k + k // len(REGIMES)) % len(REGIMES)]
        yield World(k, cases[k % len(cases)], regime)


@lru_cache(500)
def _cases(
    indices: frozenset[Symbol], conditions: Conditions, given: tuple[tuple[str, tuple[int, ...]], ...], other: int
) -> list[dict[str, int]]:
    """Few assignments that keep to the conditions and meet every end, from small to large."""
    symbols = sorted(indices, key=str)
    limits = [form for form in [*conditions.of_indices(), *rules(set(symbols))] if form.free_symbols <= indices]
    tests = [lambdify(symbols, form >= 0, "math") for form in limits if form.free_symbols]
    known = dict(given)
    choices = [known.get(symbol.name, _candidates(symbol, other)) for symbol in symbols]
    while prod(map(len, choices)) > MOST_CASES:  # the ends are kept
        longest = max(range(len(choices)), key=lambda k: len(choices[k]))
        choices[longest] = choices[longest][:3] + choices[longest][4:]
    possible = [case for case in product(*choices) if all(test(*case) for test in tests)]
    typical = min(possible, key=lambda case: sum(abs(value - 3) for value in case), default=())
    found = [typical] if possible else []  # to be shown where it will do
    wanted = set().union(*map(_ends, possible)) - _ends(typical)
    while wanted:
        best = max(possible, key=lambda case: (len(_ends(case) & wanted), -sum(case)))
        found.append(best)
        wanted -= _ends(best)
    names = [symbol.name for symbol in symbols]
    return [dict(zip(names, case, strict=True)) for case in found or possible]


def _ends(case: tuple[int, ...]) -> set[tuple[int, ...]]:
    """What a case shows: each value, and how near any two indices are."""
    near = {(k, m, max(-2, min(2, case[k] - case[m]))) for k in range(len(case)) for m in range(k)}
    return near | set(enumerate(case))


def _candidates(index: Symbol, other: int) -> tuple[int, ...]:
    """What an index can be; `other` is another integer for every line, so that none is never tried."""
    least = () if index.is_positive else (0,) if index.is_nonnegative else (-2, 0)
    return (*least, *INTEGERS, other)


def other_integer(text: str) -> int:
    """One that is not among the usual ones, from 6 to 40, by the text of a line."""
    left = [n for n in range(6, 41) if n not in INTEGERS]
    return left[hashlib.sha256(text.encode()).digest()[0] % len(left)]
