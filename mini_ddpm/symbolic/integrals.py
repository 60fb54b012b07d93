"""Integrals of what has a known one: polynomials between ends, and times a Gaussian or an exponential."""

from typing import TYPE_CHECKING

from sympy import Add, Expr, Integral, Mul, Poly, exp, expand, factorial, oo, pi, sqrt

from mini_ddpm.symbolic import binders
from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.generators import NoForm

if TYPE_CHECKING:
    from mini_ddpm.symbolic.normal import Normal, Scope


def integral(normal: "Normal", expr: Integral, scope: "Scope") -> Expr:
    """Of a polynomial times a Gaussian over the line, or times exp(-r x) from 0 on; of a polynomial between ends."""
    if len(expr.limits) != 1 or len(expr.limits[0]) != 3:
        raise NoForm
    x, *ends = expr.limits[0]
    f = normal.theory.unfold_some(expr.function)
    binders.check_seen(normal, f, x, scope)
    if ends == [-oo, oo]:
        return Add(*(_gaussian_integral(normal, term, x, scope) for term in Add.make_args(expand(f, power_exp=False))))
    if ends == [0, oo]:
        return Add(
            *(_exponential_integral(normal, term, x, scope) for term in Add.make_args(expand(f, power_exp=False)))
        )
    if not f.is_polynomial(x) or any(end.is_infinite for end in ends):
        raise NoForm
    found = Poly(f, x).integrate().as_expr()
    return normal.of(found.xreplace({x: ends[1]}) - found.xreplace({x: ends[0]}), scope)


def _gaussian_integral(normal: "Normal", f: Expr, x: Expr, scope: "Scope") -> Expr:
    """The integral of g(x) exp(-a x^2 + b x + c), by E g(x) for x ~ N(b / 2a, 1 / 2a)."""
    powers = [part for part in Mul.make_args(f) if isinstance(part, exp)]
    exponent = Poly(expand(Add(*(part.args[0] for part in powers))), x)
    if exponent.degree() != 2:
        raise NoForm
    a, b, c = -exponent.coeff_monomial(x**2), exponent.coeff_monomial(x), exponent.coeff_monomial(1)
    if normal.sign(a, scope) != (1, True):
        raise NoForm
    rest = Mul(*(part for part in Mul.make_args(f) if part not in powers))
    if any(power.has(x) for power in rest.atoms(exp)):  # or this would go round
        raise NoForm
    weight = sqrt(pi / a) * exp(c + b**2 / (4 * a))
    return normal.of(weight, scope) * normal.of(Expectation(rest, x, b / (2 * a), 1 / (2 * a)), scope)


def _exponential_integral(normal: "Normal", f: Expr, x: Expr, scope: "Scope") -> Expr:
    """The integral of g(x) exp(-r x + c) from 0 on: k! / r^(k + 1) for x^k."""
    powers = [part for part in Mul.make_args(f) if isinstance(part, exp)]
    exponent = Poly(expand(Add(*(part.args[0] for part in powers))), x)
    rest = Mul(*(part for part in Mul.make_args(f) if part not in powers))
    rate = -exponent.coeff_monomial(x)
    if exponent.degree() != 1 or not rest.is_polynomial(x) or normal.sign(rate, scope) != (1, True):
        raise NoForm
    weight = exp(exponent.coeff_monomial(1))
    return normal.of(weight * Add(*(c * factorial(k) / rate ** (k + 1) for (k,), c in Poly(rest, x).terms())), scope)
