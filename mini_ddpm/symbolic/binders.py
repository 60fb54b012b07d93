"""Means over Gaussians, and derivatives: worked out where nothing can hide their variable."""

from typing import TYPE_CHECKING

from sympy import Add, Derivative, Dummy, Expr, Indexed, Integer, Integral, Poly, Symbol, factorial2
from sympy.concrete.expr_with_limits import ExprWithLimits

from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.generators import NoForm
from mini_ddpm.symbolic.worlds import Unchecked

if TYPE_CHECKING:
    from mini_ddpm.symbolic.normal import Normal, Scope


def mean(normal: "Normal", expr: Expectation, scope: "Scope") -> Expr:
    """E f(x) for x = m + z: by the moments of z where f is a polynomial or an exponential in it, else as it is."""
    f, x, m, v = expr.args
    f = normal.theory.unfold_some(f)
    check_seen(normal, f, x, scope)
    if (sign := normal.sign(v, scope)) is None or sign[0] < 0:
        raise NoForm
    z = Dummy("zeta", real=True)  # the deviation from the mean
    inside = normal.of(f.xreplace({x: m + z}), scope)
    zeta, variance = normal.of(z, scope), normal.of(v, scope)
    numerator, denominator = normal.generators.ratio(inside)
    if _has(normal, denominator, z):
        return _as_it_is(normal, inside, Integer(1), z, variance)
    groups: dict[Expr, list] = {}
    for (k,), c in Poly(numerator, zeta).terms():
        for term in Add.make_args(c.expand()):
            factors = [g for g in term.free_symbols if normal.generators.depends(g, [z])]
            without, part = term.as_independent(*factors, as_Add=False) if factors else (term, Integer(1))
            groups.setdefault(part, []).append((k, without))
    total = Add(*(_moments(normal, part, terms, zeta, z, variance) for part, terms in groups.items()))
    return total / denominator


def _moments(normal: "Normal", part: Expr, terms: list, zeta: Expr, z: Expr, variance: Expr) -> Expr:
    """The sum of c E[z^k part]."""
    if part == 1:
        return Add(*(c * _moment(k, variance) for k, c in terms))
    slope = _slope(normal, part, zeta, z)
    if slope is None:
        return Add(*(_as_it_is(normal, part * zeta**k, c, z, variance) for k, c in terms))
    shifted = Poly(Add(*(c * (zeta + slope * variance) ** k for k, c in terms)), zeta)
    tilt = normal.exp_of(slope**2 * variance / 2)
    return tilt * Add(*(c * _moment(k, variance) for (k,), c in shifted.terms()))


def _moment(k: int, variance: Expr) -> Expr:
    """E z^k for z ~ N(0, variance)."""
    return variance ** (k // 2) * factorial2(k - 1) if k % 2 == 0 else Integer(0)


def _slope(normal: "Normal", part: Expr, zeta: Expr, z: Expr) -> Expr | None:
    """c if the part is exp(c z) with c free of z; else None."""
    slope = Integer(0)
    for g, power in part.as_powers_dict().items():
        exponent = normal.exponent_of(g)
        if exponent is None:
            return None
        rate = normal.generators.canonical(exponent / zeta)
        if _has(normal, rate, z):
            return None
        slope += power * rate
    return slope


def _as_it_is(normal: "Normal", inside: Expr, c: Expr, z: Expr, variance: Expr) -> Expr:
    """c times a mean that stays a mean."""
    origin = normal.generators.meaning(normal.generators.canonical(inside))
    depth = sum(symbol.name.startswith("_z") for symbol in origin.atoms(Symbol))
    place = Symbol(f"_z{depth}", real=True)
    origin = origin.xreplace({z: place})
    key = ("mean", origin, normal.generators.canonical(variance))
    return c * normal.generators.name(key, Expectation(origin, place, 0, normal.generators.meaning(variance)))


def _has(normal: "Normal", expr: Expr, z: Expr) -> bool:
    return any(normal.generators.depends(g, [z]) for g in expr.free_symbols)


def _worked_out(normal: "Normal", node: Expectation, scope: "Scope") -> Expr:
    """A mean of a polynomial."""
    check_seen(normal, node.args[0], node.args[1], scope)
    try:
        return node.doit()
    except Unchecked:
        raise NoForm from None


def derivative(normal: "Normal", expr: Derivative, scope: "Scope") -> Expr:
    """Worked out by SymPy, unless something in it may hide the variable."""
    f = normal.theory.unfold_some(expr.expr)
    for variable, _ in expr.variable_count:
        check_seen(normal, f, variable, scope)
    f = f.replace(lambda node: isinstance(node, Expectation), lambda node: _worked_out(normal, node, scope))
    if f.has(Integral):
        raise NoForm
    found = Derivative(f, *expr.variable_count).doit()
    return normal.opaque(found, scope) if isinstance(found, Derivative) else normal.of(found, scope)


def check_seen(normal: "Normal", f: Expr, x: Expr, scope: "Scope") -> None:
    """All of f that may be x must be written as x: x[j] may be x[i], and so may a term of a sum over j.

    Raises:
        NoForm: that is not certain.
    """
    if any(one.unfold(node, lambda i: True) is not None for one in normal.theory.definitions for node in f.atoms()):
        raise NoForm  # definitions that have no end
    if not isinstance(x, Indexed):
        if f.atoms(ExprWithLimits) and any(x in node.variables for node in f.atoms(ExprWithLimits)):
            raise NoForm
        return
    bound = {v: node.limits for node in f.atoms(ExprWithLimits) for v in node.variables}
    for other in f.atoms(Indexed):
        if other.base != x.base or other == x:
            continue
        forms = scope.forms
        for v in other.free_symbols & bound.keys():
            forms += tuple(form for w, *ends in bound[v] if len(ends) == 2 for form in (w - ends[0], ends[1] - w))
        pairs = zip(other.indices, x.indices, strict=False)
        if not any(normal.conditions.apart(a, b, forms) for a, b in pairs):
            raise NoForm


__all__ = ["derivative", "mean"]
