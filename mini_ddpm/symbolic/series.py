"""Sums and products that have a form of their own: powers, geometric series, logarithms, and sums of sums."""

from typing import TYPE_CHECKING

from sympy import Add, Expr, Integer, Product, Sum, Symbol, apart, bernoulli, binomial, exp

if TYPE_CHECKING:
    from mini_ddpm.symbolic.normal import Normal, Scope

Ends = tuple[Symbol, Expr, Expr, "Scope"]  # the index, its first and last value, and where the sum stands


def total(normal: "Normal", h: Expr, origin: Expr, ends: Ends) -> Expr | None:
    """The sum of h, which is not empty for certain or empty by one; None if it has no form of its own."""
    k, first, last, scope = ends
    if origin.free_symbols == {k} and origin.is_polynomial(k):
        return normal.of(_faulhaber(origin, k, first, last), scope)
    if origin.free_symbols == {k} and (parts := _apart(origin, k)):
        return Add(*(normal.of(Sum(part, (k, first, last)), scope) for part in parts))
    if h in normal.logs and normal.generators.sign(normal.logs[h]) == 1:  # the logarithm of the product
        inside = normal.generators.meaning(normal.logs[h])
        return normal.log_of_all(normal.of(Product(inside, (k, first, last)), scope))
    return _geometric(normal, h, ends) or _by_parts(normal, origin, ends)


def product(normal: "Normal", h: Expr, ends: Ends) -> Expr | None:
    """The product of h; None if it has no form of its own."""
    k, first, last, scope = ends
    if (exponent := normal.exponent_of(h)) is not None:
        return normal.exp_of(normal.of(Sum(normal.generators.meaning(exponent), (k, first, last)), scope))
    if h in normal.generators.relations:
        n, base = normal.generators.relations[h]
        if normal.generators.sign(base) == 1:
            inside = normal.of(Product(normal.generators.meaning(base), (k, first, last)), scope)
            return normal.fraction_power(inside, Integer(1) / n)
    return None


def _faulhaber(f: Expr, k: Symbol, first: Expr, last: Expr) -> Expr:
    """The sum of a polynomial in k."""
    result = Integer(0)
    for (p,), c in f.as_poly(k).terms():
        for n, sign in ((last, 1), (first - 1, -1)):
            terms = (binomial(p + 1, j) * bernoulli(j, 1) * n ** (p + 1 - j) for j in range(p + 1))
            result += sign * c * Add(*terms) / (p + 1)
    return result


def _apart(origin: Expr, k: Symbol) -> tuple[Expr, ...]:
    """Partial fractions of a rational function of k alone, if there are several."""
    if not origin.is_rational_function(k):
        return ()
    parts = Add.make_args(apart(origin, k))
    return parts if len(parts) > 1 else ()


def _geometric(normal: "Normal", h: Expr, ends: Ends) -> Expr | None:
    """The sum of r**k."""
    k, first, last, scope = ends
    base, sign = (h.base, h.exp) if h.is_Pow else (h, Integer(1))
    index = normal.of(k, scope)
    if base in normal.powers and normal.powers[base][1] == index:
        r = normal.generators.meaning(normal.powers[base][0]) ** sign
    elif (exponent := normal.exponent_of(base)) is not None:
        rate = normal.generators.canonical(exponent / index)
        if any(normal.depends(g, [k]) for g in rate.free_symbols):
            return None
        r = exp(sign * normal.generators.meaning(rate))
    else:
        return None
    return normal.of((r ** (last + 1) - r**first) / (r - 1), scope)


def _by_parts(normal: "Normal", origin: Expr, ends: Ends) -> Expr | None:
    """The sum of g(k) F(k), F itself a sum: the one of two forms that stands first in the alphabet."""
    from mini_ddpm.symbolic.indefinite import PLACE, Indefinite

    k, first, last, scope = ends
    for node in sorted(origin.atoms(Indefinite), key=str):
        f, multiplied = normal.sums.kinds[int(node.args[0])]
        g = origin / node
        if multiplied or node.args[1] != k or g.has(Indefinite):
            continue
        if g == 1 or str(f) < str(g.xreplace({k: PLACE})):
            g_number = normal.sums.number(g.xreplace({k: PLACE}), False)
            at_end = [Indefinite(g_number, n) * node.func(node.args[0], n) for n in (last, first - 1)]
            if g == 1:
                at_end = [n * node.func(node.args[0], n) for n in (last, first - 1)]
            rest = (k - 1 if g == 1 else Indefinite(g_number, k - 1)) * f.xreplace({PLACE: k})
            return normal.of(at_end[0] - at_end[1], scope) - normal.of(Sum(rest, (k, first, last)), scope)
    return None
