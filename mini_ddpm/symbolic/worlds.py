"""Worlds: numbers for the quantities of a line, and what two lines' numbers say about each other."""

import hashlib

import mpmath
from sympy import (
    Dummy,
    Expr,
    Float,
    Indexed,
    IndexedBase,
    Integral,
    N,
    Rational,
    Symbol,
    Tuple,
    exp,
    lambdify,
    nsimplify,
    sqrt,
)
from sympy.core.function import AppliedUndef

WORLDS = 6  # sets of indices; each is tried twice, with other numbers
TRIED = 2 * WORLDS
DIGITS = 30
RELATIVE, ABSOLUTE = Float("1e-20", DIGITS), Float("1e-26", DIGITS)  # tolerances
SMALL, LARGE = 4, 5  # the worlds of extreme values, so that a clipped value differs from an unclipped one
INDICES = {  # the integers that stand for symbolic indices, world by world: 1 <= s < t <= T
    "T": (4, 5, 4, 6, 5, 4),
    "t": (2, 3, 4, 3, 2, 4),
    "s": (1, 2, 3, 1, 1, 2),
    "d": (4, 3, 2, 5, 3, 6),  # coordinates have nothing to do with times: 1 <= i <= d
    "i": (3, 1, 2, 4, 1, 5),
}
FRACTIONS = ("alpha", "beta", "alpha_bar")  # indexed quantities between 0 and 1


class WrongStep(AssertionError):  # noqa: N818 - as learners meet it
    """A line that is not equal to the line before it."""


class Unchecked(RuntimeError):  # noqa: N818 - as learners meet it
    """A line that could not be compared, and so is not shown."""


def holds(a: Float, b: Float, relation: str) -> bool:
    """Compare two numbers, up to the rounding of the last digits."""
    slack = RELATIVE * max(abs(a), abs(b)) + ABSOLUTE
    return {"=": abs(a - b) < slack, "<=": a < b + slack, ">=": a > b - slack}[relation]


def number_hint(pairs: list[tuple[Float, Float]]) -> str:
    """What kind of mistake would explain the numbers?"""
    if all(holds(a, -b, "=") for a, b in pairs):
        return "a sign: the two are opposite in every world"
    ratios = [b / a for a, b in pairs if a and b]  # to SymPy, 0.0 != 0
    if len(ratios) == len(pairs) and all(holds(r, ratios[0], "=") for r in ratios):
        return f"a constant factor: here / before = {_neat(ratios[0])} in every world"
    if all(holds(a - b, pairs[0][0] - pairs[0][1], "=") for a, b in pairs):
        return f"a constant: here - before = {_neat(pairs[0][1] - pairs[0][0])} in every world"
    if all(holds(a, b**2, "=") for a, b in pairs):
        return "a square root too many: here, squared, is the line before"
    if all(holds(a**2, b, "=") for a, b in pairs):
        return "a square too many: the line before, squared, is this one"
    return ""


def _neat(number: Float) -> Expr:
    """2*pi for 6.28..., and six digits of what has no short name."""
    exact = nsimplify(number, tolerance=1e-15)
    return exact if len(str(exact)) < 15 else N(number, 6)


def quadrature(f: Expr, *limits: Tuple) -> Float:
    """An integral over one variable, between numbers or infinities."""
    variable, *ends = limits[0]
    if len(limits) > 1 or len(ends) != 2 or (f.free_symbols | Tuple(*ends).free_symbols) - {variable}:
        raise Unchecked(f"only an integral over one variable, with both limits, has a value: {Integral(f, *limits)}")
    with mpmath.workdps(DIGITS + 5):
        integrand = lambdify(variable, N(f, DIGITS + 10), "mpmath")  # N: constants are not worked out at every point
        points = [lambdify((), point, "mpmath")() for point in (ends[0], *_between(f, variable, *ends), ends[1])]
        try:
            number, error = mpmath.quad(integrand, points, error=True, maxdegree=10)
        except ZeroDivisionError:
            raise Unchecked(f"{f} has no value somewhere between {ends[0]} and {ends[1]}") from None
        # an error of 1 stands for any above it: the integral diverges
        if not isinstance(number, mpmath.mpf) or error >= 1 or error > abs(number) * 1e-18 + 1e-22:
            raise Unchecked(f"the integral of {f} is not known to {DIGITS} digits: does it converge?")
        return Float(mpmath.nstr(number, DIGITS), DIGITS)


def _between(f: Expr, variable: Symbol, first: Expr, last: Expr) -> list[Expr]:
    """Where to cut an interval: around Gaussians, which may be narrow; or anywhere, so that two halves can't cancel."""
    cuts = set()
    for power in f.atoms(exp):
        exponent = power.args[0].as_poly(variable)
        if exponent and exponent.degree() == 2 and exponent.LC().is_negative:
            a, b, _ = exponent.all_coeffs()
            cuts |= {-b / (2 * a) + side * 10 / sqrt(-2 * a) for side in (-1, 1)}
    return sorted(cut for cut in cuts or {Rational(3, 7)} if first < cut < last)


def free_indices(expr: Expr) -> set[Symbol]:
    """The integer symbols that are not bound by a sum or a product."""
    return {symbol for symbol in expr.free_symbols if symbol.is_integer and isinstance(symbol, Symbol)}


def primitives(expr: Expr) -> list[Expr]:
    """Indexed quantities, undefined functions and bare symbols, in a fixed order."""
    composite = expr.atoms(Indexed) | expr.atoms(AppliedUndef)
    rest = expr.xreplace({atom: Dummy(integer=True) for atom in composite})
    if bases := rest.atoms(IndexedBase):
        raise Unchecked(f"{min(bases, key=str)} needs an index, as in {min(bases, key=str)}[t]")
    inside = set().union(*(Tuple(*atom.args).atoms(Symbol) for atom in expr.atoms(AppliedUndef)))
    bare = {symbol for symbol in rest.free_symbols | inside if isinstance(symbol, Symbol) and not symbol.is_integer}
    return sorted(composite | bare, key=str)


def leaf_values(expr: Expr, world: int) -> dict[Expr, Rational]:
    """A value for every primitive quantity; equal ones for a function of equal numbers, however they are written."""
    values: dict[Expr, Rational] = {}
    for leaf in sorted(primitives(expr), key=lambda leaf: (isinstance(leaf, AppliedUndef), len(str(leaf)))):
        name = leaf
        if isinstance(leaf, AppliedUndef):
            name = leaf.func(*(N(argument.xreplace(values), 15) for argument in leaf.args))
        values[leaf] = _value(leaf, str(name), world)
    return values


def _value(leaf: Expr, name: str, world: int) -> Rational:
    """A rational made from a printed name: between 0 and 1 for a fraction, positive or of any sign."""
    if not (leaf.is_extended_real or isinstance(leaf, AppliedUndef)):
        kind, maker = (leaf.base, "IndexedBase") if isinstance(leaf, Indexed) else (leaf, "Symbol")
        raise Unchecked(
            f"{leaf} has no value: make it {maker}('{kind}', real=True) or positive=True, "
            f"or define it with theory.define({leaf}, ...)"
        )
    digest = int(hashlib.sha256(f"{name}|{world}".encode()).hexdigest()[:8], 16)
    kind = world % WORLDS
    if world >= WORLDS and kind in (SMALL, LARGE):  # not all small or all large at once
        kind = (SMALL, LARGE)[digest // 100_000 % 2]
    if is_fraction(leaf):
        middle = Rational(digest % 89 + 5, 101)
        return {SMALL: middle / 5000, LARGE: 1 - middle / 5000}.get(kind, middle)
    size = Rational(digest % 389 + 20, 97) * {SMALL: Rational(1, 20), LARGE: 20}.get(kind, 1)
    if leaf.is_nonnegative or leaf.is_nonpositive:
        return size if leaf.is_nonnegative else -size
    first = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
    return size * (-1) ** (first + world if world < 2 else digest // 1000)  # every name has both signs


def is_fraction(leaf: Expr) -> bool:
    return isinstance(leaf, Indexed) and str(leaf.base) in FRACTIONS and leaf.is_positive
