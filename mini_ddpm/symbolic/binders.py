"""Means over Gaussians, and derivatives: worked out where nothing can hide their variable."""

from typing import TYPE_CHECKING

from sympy import (
    Add,
    Derivative,
    Dummy,
    Expr,
    Function,
    Heaviside,
    Indexed,
    Integer,
    Integral,
    MatrixExpr,
    Piecewise,
    Poly,
    Product,
    Subs,
    Sum,
    Symbol,
    Tuple,
    ceiling,
    exp,
    factorial2,
    floor,
    oo,
    sign,
    sqrt,
)
from sympy.concrete.expr_with_limits import ExprWithLimits

from mini_ddpm.symbolic import integrals
from mini_ddpm.symbolic.conditions import bound_in
from mini_ddpm.symbolic.definitions import composite, family
from mini_ddpm.symbolic.gaussian import Expectation, normal_density
from mini_ddpm.symbolic.generators import NoForm
from mini_ddpm.symbolic.worlds import Unchecked

if TYPE_CHECKING:
    from mini_ddpm.symbolic.normal import Normal, Scope


JUMPS = (Piecewise, sign, floor, ceiling, Heaviside)  # a mean of these changes where their derivative is 0


def mean(normal: "Normal", expr: Expectation, scope: "Scope") -> Expr:
    """E f(x) for x = m + z: by the moments of z where f is a polynomial or an exponential in it, else as it is."""
    f, x, m, v = expr.args
    f = normal.theory.unfold_some(f)
    check_seen(normal, f, x, scope)
    f = f.replace(lambda node: isinstance(node, Derivative), lambda node: _differentiated(normal, node, scope))
    if any(x in node.variables for node in f.atoms(Derivative)):
        raise NoForm
    if (sign := normal.sign(v, scope)) is None or sign[0] < 0:
        raise NoForm
    if any(power.args[0].is_polynomial(x) and Poly(power.args[0], x).degree() > 1 for power in f.atoms(exp)):
        return integrals.integral(normal, Integral(f * normal_density(x, m, v), (x, -oo, oo)), scope)
    z = Dummy("zeta", real=True)  # standard normal
    inside = normal.of(f.xreplace({x: m + sqrt(v) * z}), scope)
    zeta = normal.of(z, scope)
    numerator, denominator = normal.generators.ratio(inside)
    if _has(normal, denominator, z):
        return _as_it_is(normal, inside, Integer(1), z)
    groups: dict[Expr, list] = {}
    for (k,), c in Poly(numerator, zeta).terms():
        for term in Add.make_args(c.expand()):
            factors = [g for g in term.free_symbols if normal.depends(g, [z])]
            without, part = term.as_independent(*factors, as_Add=False) if factors else (term, Integer(1))
            groups.setdefault(part, []).append((k, without))
    return Add(*(_moments(normal, part, terms, zeta, z) for part, terms in groups.items())) / denominator


def _moments(normal: "Normal", part: Expr, terms: list, zeta: Expr, z: Expr) -> Expr:
    """The sum of c E[z^k part]."""
    if part == 1:
        return Add(*(c * _moment(k) for k, c in terms))
    slope = _slope(normal, part, zeta, z)
    if slope is None:
        return Add(*(_as_it_is(normal, part * zeta**k, c, z) for k, c in terms))
    shifted = Poly(Add(*(c * (zeta + slope) ** k for k, c in terms)), zeta)
    return normal.exp_of(slope**2 / 2) * Add(*(c * _moment(k) for (k,), c in shifted.terms()))


def _moment(k: int) -> Expr:
    """E z^k for z ~ N(0, 1)."""
    return Integer(factorial2(k - 1)) if k % 2 == 0 else Integer(0)


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


def _as_it_is(normal: "Normal", inside: Expr, c: Expr, z: Expr) -> Expr:
    """c times a mean that stays a mean."""
    origin = normal.generators.meaning(normal.generators.canonical(inside))
    if normal.hides(origin, z):
        raise NoForm
    depth = sum(symbol.name.startswith("_z") for symbol in origin.atoms(Symbol))
    place = Symbol(f"_z{depth}", real=True)
    origin = origin.xreplace({z: place})
    return c * normal.generators.name(("mean", origin), Expectation(origin, place))


def _has(normal: "Normal", expr: Expr, z: Expr) -> bool:
    return any(normal.depends(g, [z]) for g in expr.free_symbols)


def derivative(normal: "Normal", expr: Derivative, scope: "Scope") -> Expr:
    """Worked out by SymPy, unless something in it may hide the variable."""
    f = normal.theory.unfold_some(expr.expr)
    if f.has(Integral):
        raise NoForm
    f = f.replace(lambda node: isinstance(node, Expectation), lambda node: _polynomial(normal, node, scope))
    means = {node: Function(f"_mean{k}", real=True)(*expr.variables) for k, node in enumerate(_means(f))}
    for node, place in means.items():
        if len(expr.variables) > 1 or Tuple(*node.args[1:]).has(*expr.variables) or node.args[0].has(*JUMPS):
            raise NoForm
        f = f.xreplace({node: place})
    found = _differentiated(normal, Derivative(f, *expr.variable_count), scope)
    for node, place in means.items():  # the derivative of a mean is the mean of the derivative
        g, *rest = node.args
        x = expr.variables[0]
        slope = Expectation(_differentiated(normal, Derivative(g, x), scope), *rest)
        found = found.xreplace({_at_point(Derivative(place, x)): slope, place: node})
    return normal.of(found, scope)


def _polynomial(normal: "Normal", node: Expectation, scope: "Scope") -> Expr:
    """A mean worked out, if it is that of a polynomial."""
    check_seen(normal, node.args[0], node.args[1], scope)
    if node.has(Sum, Product):
        return node
    try:
        return node.doit()
    except Unchecked:
        return node


def _means(f: Expr) -> list[Expectation]:
    """The means that can't be worked out as polynomials, but for those inside of others."""
    if isinstance(f, Expectation):
        return [f]
    return list(dict.fromkeys(node for part in f.args for node in _means(part)))


def _differentiated(normal: "Normal", node: Derivative, scope: "Scope") -> Expr:
    """A derivative worked out; of an unknown function, one that stands at a point."""
    if node.atoms(MatrixExpr):
        raise NoForm
    for variable in node.variables:
        check_seen(normal, node.expr, variable, scope)
    found = node.doit(deep=False)  # SymPy's own sums follow another convention where they are empty
    return found.replace(lambda inner: isinstance(inner, Derivative), _at_point)


def _at_point(node: Derivative) -> Expr:
    """f'(y) as the derivative of f(_xi) at _xi = y."""
    x, place = node.variables[0], Symbol("_xi", real=True)
    if isinstance(x, Dummy) or x == place or not x.is_Symbol or {*node.variables} != {x}:  # at a point already
        return node
    return Subs(node.xreplace({x: place}), place, x)


def substituted(normal: "Normal", expr: Subs, scope: "Scope") -> Expr:
    """The derivative of an unknown function at a point, to which SymPy may go in two steps."""
    at = dict(zip(expr.variables, expr.point, strict=True))
    if expr.has(Sum, Product) or any(normal.theory.hides(expr.expr, variable) for variable in at):
        raise NoForm
    if not isinstance(expr.expr, Derivative) or expr.expr.variables[0] not in at:
        return normal.of(expr.doit(), scope)
    place = expr.expr.variables[0]
    point = at.pop(place)
    while point in at:
        point = at.pop(point)
    if at:
        return normal.of(expr.doit(), scope)
    inner = expr.expr.xreplace({place: Symbol("_xi", real=True)})
    return normal.generators.name(("at", inner, normal.key(point, scope)), expr)


def check_seen(normal: "Normal", f: Expr, x: Expr, scope: "Scope") -> None:
    """All of f that may be x must be written as x: x[j] may be x[i], and so may a term of a sum over j.

    Raises:
        NoForm: that is not certain.
    """
    if any(str(family(x)) in normal.theory.reach(node) for node in _left_to_unfold(normal, f)):
        raise NoForm
    for node in f.atoms(ExprWithLimits, Expectation, Subs):  # inside of these, x may be another one
        inner = node.args[1:2] if isinstance(node, Expectation) else node.variables
        if node.has(x) and x.free_symbols & {*inner}:
            raise NoForm
    if not isinstance(x, Indexed):
        return
    bound = bound_in(f)
    for other in f.atoms(Indexed):
        if other.base != x.base or other == x:
            continue
        pairs = [(*bound.of(a), b) for a, b in zip(other.indices, x.indices, strict=False)]
        if not any(normal.conditions.apart(a, b, scope.forms + forms) for a, forms, b in pairs):
            raise NoForm(other)


def _left_to_unfold(normal: "Normal", f: Expr) -> list[Expr]:
    """What is still defined by something else, as its definition has no end."""

    def defined(node: Expr) -> bool:
        return any(
            one.unfold(node, lambda i, least: not i.is_nonpositive) is not None for one in normal.theory.definitions
        )

    return [node for node in composite(f) | f.atoms(Symbol) if defined(node)]
