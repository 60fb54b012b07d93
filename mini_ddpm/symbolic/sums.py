"""One normal form for sums and products with symbolic limits.

A sum from a to b is F(b) - F(a - 1), where F is an unknown "indefinite sum" with F(n) - F(n - 1) = f(n).
Written that way, shifting an index, taking terms out and telescoping all become ordinary cancellation.
A product is the same with ratios.
"""

from itertools import count

from sympy import (
    Add,
    Basic,
    Dummy,
    Expr,
    Function,
    Indexed,
    Integer,
    Mul,
    Product,
    Sum,
    Symbol,
    Tuple,
    expand,
    expand_log,
)
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.function import AppliedUndef


def normal_form(expr: Expr) -> Expr:
    """Replace every sum and product over one index by differences and ratios of indefinite ones."""
    return expr.replace(Product, _product).replace(Sum, _sum)


def _sum(f: Expr, *limits: Tuple) -> Expr:
    if len(limits) != 1:
        return Sum(f, *limits)
    ((i, a, b),) = limits
    total = Integer(0)
    for term in Add.make_args(expand(expand_log(f))):
        constant, g = term.as_independent(i, as_Add=False)
        if g == 1:
            total += constant * (b - a + 1)
            continue
        g, shift = _aligned(g, i)
        total += constant * (_indefinite_sum(g, i, b + shift) - _indefinite_sum(g, i, a - 1 + shift))
    return total


def _product(f: Expr, *limits: Tuple) -> Expr:
    if len(limits) != 1:
        return Product(f, *limits)
    ((i, a, b),) = limits
    total = Integer(1)
    for factor in Mul.make_args(f):
        g, power = (factor.base, factor.exp) if factor.is_Pow and not factor.exp.has(i) else (factor, Integer(1))
        if not g.has(i):
            total *= factor ** (b - a + 1)
            continue
        g, shift = _aligned(g, i)
        total *= (_indefinite_product(g, i, b + shift) / _indefinite_product(g, i, a - 1 + shift)) ** power
    return total


def _aligned(g: Expr, i: Symbol) -> tuple[Expr, int]:
    """Shift the index so that its smallest offset in g is 0: f(i - 1) f(i) becomes f(i) f(i + 1), shift -1."""
    places = [
        place for atom in g.atoms(Indexed, Function) for place in atom.args if isinstance(place, Expr) and place.has(i)
    ]
    shift = min((_offset(place)[1] for place in places if _offset(place)[0] == i), default=0)
    return g.xreplace({i: i - shift}), shift


def _offset(n: Expr) -> tuple[Expr, int]:
    """Split T - 1 into T and -1."""
    number, rest = n.as_coeff_Add()
    return (rest, int(number)) if number.is_Integer else (n, 0)


def _indefinite_sum(g: Expr, i: Symbol, n: Expr) -> Expr:
    start, k = _offset(n)
    beyond = [g.xreplace({i: start + r}) for r in range(1, k + 1)]
    short = [g.xreplace({i: start - r}) for r in range(-k)]
    return _unknown("F", g, i, positive=None)(start) + Add(*beyond) - Add(*short)


def _indefinite_product(g: Expr, i: Symbol, n: Expr) -> Expr:
    start, k = _offset(n)
    beyond = [g.xreplace({i: start + r}) for r in range(1, k + 1)]
    short = [g.xreplace({i: start - r}) for r in range(-k)]
    return _unknown("G", g, i, positive=g.is_positive)(start) * Mul(*beyond) / Mul(*short)


def _unknown(letter: str, g: Expr, i: Symbol, positive: bool | None) -> type[AppliedUndef]:
    """A function named after its summand, so that equal summands share it."""
    summand = g.xreplace({i: Symbol("_", integer=True)})
    return Function(f"{letter}[{summand}]", real=True, positive=positive)


def written_out(expr: Expr) -> Expr:
    """Every sum and product between integers as its terms; none if the first index is above the last."""
    while (longer := expr.replace(_is_finite_sum, _terms)) != expr:
        expr = longer
    return expr


def _is_finite_sum(node: Basic) -> bool:
    return isinstance(node, (Sum, Product)) and all(end.is_Integer for end in node.limits[-1][1:])


def _terms(node: Sum | Product) -> Expr:
    *inner, (index, first, last) = node.limits
    term = node.func(node.function, *inner) if inner else node.function
    terms = [term.xreplace({index: Integer(k)}) for k in range(first, last + 1)]
    return Add(*terms) if isinstance(node, Sum) else Mul(*terms)


def rename_bound(expr: Expr, taken: frozenset[str] = frozenset()) -> Expr:
    """Give bound indices names of their own: t may be bound in a sum and free beside it, or in a sum around it."""
    return expr.replace(lambda node: isinstance(node, ExprWithLimits), lambda node: _renamed(node, taken))


def _renamed(node: ExprWithLimits, taken: frozenset[str]) -> ExprWithLimits:
    outside = {index: Dummy() for index in node.variables if index in node.free_symbols}  # as t in Sum(f(t), (t, 1, t))
    taken = taken | {symbol.name for symbol in node.atoms(Symbol) - set(node.variables)}
    free_names = (name for k in count() if (name := f"_{k}") not in taken)
    inside = {index: Symbol(name) for index, name in zip(node.variables, free_names, strict=False)}
    return node.subs(outside).xreplace(inside).xreplace({dummy: index for index, dummy in outside.items()})
