"""Sums and products with symbolic ends.

A sum from a to b is F(b) - F(a - 1), where F is an unknown function with F(n) - F(n - 1) = f(n): shifting an index,
taking terms out and telescoping become cancellation. That holds if b >= a - 1; otherwise the sum is empty and 0,
whatever F says, so it is used only where b >= a - 1 is certain. A product is the same with ratios.
"""

from typing import TYPE_CHECKING
from zlib import crc32

from sympy import Add, Expr, Function, Indexed, Integer, Mul, Product, Sum, Symbol
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.function import AppliedUndef

from mini_ddpm.symbolic import series
from mini_ddpm.symbolic.definitions import apart
from mini_ddpm.symbolic.generators import NoForm

if TYPE_CHECKING:
    from mini_ddpm.symbolic.normal import Normal, Scope

WRITTEN_OUT = 12  # terms of a sum between numbers
PLACE = Symbol("_", integer=True)


class Indefinite(Function):
    """F(number, n): the unknown function of the summand, or factor, of that number in the table."""

    is_extended_real = True


class Table:
    """Summands and factors, as expressions in PLACE; equal ones have one number."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[Expr, bool], int] = {}
        self.kinds: list[tuple[Expr, bool]] = []

    def number(self, f: Expr, multiplied: bool) -> int:
        """The number of a summand or factor."""
        if (f, multiplied) not in self.numbers:
            self.numbers[f, multiplied] = len(self.kinds)
            self.kinds.append((f, multiplied))
        return self.numbers[f, multiplied]


def total(normal: "Normal", expr: Sum, scope: "Scope") -> Expr:
    """A sum, summand by summand."""
    return _over(normal, expr, scope, multiplied=False)


def product(normal: "Normal", expr: Product, scope: "Scope") -> Expr:
    """A product, factor by factor."""
    return _over(normal, expr, scope, multiplied=True)


def _over(normal: "Normal", expr: Expr, scope: "Scope", multiplied: bool) -> Expr:
    *inner, (index, first, last) = expr.limits
    f = expr.func(expr.function, *inner) if inner else expr.function
    if any(index in node.variables for node in f.atoms(ExprWithLimits)):
        f = apart(f, {index})
    if normal.theory.hides(f, index):
        raise NoForm
    first, last = first.expand(), last.expand()
    neutral = Integer(1 if multiplied else 0)
    if not (first.is_integer and last.is_integer):
        raise NoForm
    if normal.conditions.at_least(first - 1, last, scope.forms):
        return neutral
    if (last - first).is_Integer and last - first < WRITTEN_OUT:
        terms = [normal.of(f.xreplace({index: first + k}), scope) for k in range(int(last - first) + 1)]
        return (Mul if multiplied else Add)(*terms)
    around = crc32(str(scope.forms).encode())  # what is known of k depends on the sums around it
    k = Symbol(f"_{around}:{first}:{last}", integer=True)  # one name for one place, in every round
    inside = scope._replace(forms=(*scope.forms, k - first, last - k))
    g = normal.of(f.xreplace({index: k}), inside)
    certain = normal.conditions.at_least(last + 1, first, scope.forms)
    parts = _factors(normal, g) if multiplied else _summands(normal, g, k)
    found = [(c, _part(normal, h, k, first, last, scope, certain, multiplied)) for c, h in parts]
    return Mul(*(part**c for c, part in found)) if multiplied else Add(*(c * part for c, part in found))


def _summands(normal: "Normal", g: Expr, k: Symbol) -> list[tuple[Expr, Expr]]:
    """Coefficients without k, and summands with it."""
    numerator, denominator = normal.generators.ratio(g)
    below, rest = _divided(normal, denominator, k)
    groups: dict[Expr, Expr] = {}
    for term in Add.make_args(numerator.expand()):
        c, h = _divided(normal, term, k)
        groups[h] = groups.get(h, 0) + c
    return [(c / below, h / rest) for h, c in groups.items()]


def _divided(normal: "Normal", expr: Expr, k: Symbol) -> tuple[Expr, Expr]:
    """A product in two: without k and with it."""
    without, with_k = Integer(1), Integer(1)
    constant, factors = normal.generators.factors(expr)
    for base, power in factors:
        if any(normal.depends(g, [k]) for g in base.free_symbols):
            with_k *= base**power
        else:
            without *= base**power
    return constant * without, with_k


def _factors(normal: "Normal", g: Expr) -> list[tuple[Expr, Expr]]:
    """Powers, and factors."""
    return [(Integer(power), base) for base, power in normal.signed(g)]


def _part(
    normal: "Normal", h: Expr, k: Symbol, first: Expr, last: Expr, scope: "Scope", certain: bool, multiplied: bool
) -> Expr:
    """The sum or product of one part."""
    origin = normal.generators.meaning(h)
    if normal.hides(origin, k):
        raise NoForm
    if not origin.has(k):
        count = last - first + 1
        if not certain:
            return _opaque(normal, origin, (k, first, last), multiplied)
        size = normal.of(count, scope)
        return _to_the(normal, h, count, scope) if multiplied else h * size
    if not certain:
        return _opaque(normal, origin, (k, first, last), multiplied)
    ends = k, first, last, scope
    if (found := series.product(normal, h, ends) if multiplied else series.total(normal, h, origin, ends)) is not None:
        return found
    constant, origin = (Integer(1), origin) if multiplied else origin.as_independent(k, as_Add=False)
    turned = _turned(origin, k, first, last)
    whole = turned.replace(lambda n: n.is_Mul, lambda n: _absorbed(normal, n, k))
    aligned, shift = _aligned(whole, k)
    number = normal.sums.number(aligned.xreplace({k: PLACE}), multiplied)
    upper, lower = (normal.of(Indefinite(number, n), scope) for n in (last + shift, first - 1 + shift))
    return upper / lower if multiplied else normal.of(constant, scope) * (upper - lower)


def _to_the(normal: "Normal", h: Expr, count: Expr, scope: "Scope") -> Expr:
    if (found := normal.generators.weak_sign(h)) is not None and found[0] > 0:
        return normal.power_of(h, normal.of(count, scope))
    return normal.whole_power(h, normal.of(count, scope))


def _opaque(normal: "Normal", f: Expr, limits: tuple[Symbol, Expr, Expr], multiplied: bool) -> Expr:
    """A sum that may be empty, taken as it is."""
    k, first, last = limits
    kind = Product if multiplied else Sum
    depth = sum(symbol.name.startswith("_in") for symbol in f.atoms(Symbol))  # f may have such sums inside
    place = Symbol(f"_in{depth}", integer=True)
    f = f.xreplace({k: place})
    return normal.generators.name((kind, f, first, last), kind(f, (place, first, last)))


def at(normal: "Normal", expr: Indefinite, scope: "Scope") -> Expr:
    """F(n): its value at the symbolic part of n, and the terms from there to n."""
    number, n = int(expr.args[0]), expr.args[1].expand()
    f, multiplied = normal.sums.kinds[number]
    if multiplied:
        return normal.products.value(normal, f, PLACE, n, scope)
    start, steps = _offset(n)
    unknown = Indefinite(number, start)
    g = normal.generators.name(unknown, unknown)
    terms = [normal.of(f.xreplace({PLACE: start + r}), scope) for r in _between(steps)]
    return g + Add(*terms) if steps > 0 else g - Add(*terms)


def _between(steps: int) -> range:
    """The distances of the terms between a start and a point that many steps from it."""
    return range(1, steps + 1) if steps > 0 else range(steps + 1, 1)


def _offset(n: Expr) -> tuple[Expr, int]:
    """T - 1 is T and -1; a number is 0 and itself."""
    number, rest = n.as_coeff_Add()
    if not number.is_Integer or abs(number) > WRITTEN_OUT:
        return n, 0
    return rest, int(number)


def _absorbed(normal: "Normal", f: Expr, k: Symbol) -> Expr:
    """P(k) without its last factor is P(k - 1), and with the next one P(k + 1)."""
    for node in sorted(f.atoms(Indefinite), key=str):
        last, multiplied = normal.sums.kinds[int(node.args[0])]
        start, steps = _offset(node.args[1].expand())
        power = f.as_powers_dict().get(node)
        if not multiplied or start != k or not power:
            continue
        for place, sign, to in ((k + steps, -1, steps - 1), (k + steps + 1, 1, steps + 1)):
            factor = last.xreplace({PLACE: place}) ** (sign * power)
            powers = f.as_powers_dict()
            if all(powers.get(base) == exponent for base, exponent in factor.as_powers_dict().items()):
                return _absorbed(normal, (f / factor).xreplace({node: node.func(node.args[0], k + to)}), k)
    return f


def _aligned(f: Expr, k: Symbol) -> tuple[Expr, int]:
    """Shift the index so that its smallest offset is 0: f(k - 1) f(k) becomes f(k) f(k + 1), shift -1."""
    shift = min(_offsets(f, k), default=0)
    return f.xreplace({k: k - shift}), shift


def _offsets(node: Expr, k: Symbol) -> list[int]:
    """The whole numbers that are added to k, wherever it stands."""
    if node == k:
        return [0]
    if node.is_Add and _offset(node)[0] == k:
        return [_offset(node)[1]]
    return [offset for part in node.args for offset in _offsets(part, k)]


def _turned(f: Expr, k: Symbol, first: Expr, last: Expr) -> Expr:
    """A sum of f(t - k) is one of f(k), counted from the other end."""
    places = [place for node in f.atoms(Indexed, AppliedUndef, Indefinite) for place in node.args if place.has(k)]
    if places and all(place.is_integer and place.coeff(k) == -1 for place in places):
        return f.xreplace({k: first + last - k}).replace(lambda n: n.is_Add and n.is_integer, lambda n: n.expand())
    return f
