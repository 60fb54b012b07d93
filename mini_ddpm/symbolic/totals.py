"""What binds a variable, as numbers: sums and products term by term, means and integrals by quadrature, derivatives."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import mpmath
from mpmath import mp, mpf
from sympy import Derivative, Expr, Indexed, Integral, Pow, Subs, Sum, Tuple, exp
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.function import Application

from mini_ddpm.symbolic import matrices, quadrature
from mini_ddpm.symbolic.functions import is_kinked, turning
from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.worlds import NoValue, Unchecked

if TYPE_CHECKING:
    from mini_ddpm.symbolic.environment import Env
    from mini_ddpm.symbolic.interpreter import Interpreter

QUADRATURE, DIFFERENCES = mpf(10) ** -15, mpf(10) ** -11  # relative errors: of integrals, of derivatives of such
MOST_TERMS = 300_000  # of all sums of a line together


def total(there: "Interpreter", expr: Expr, env: "Env") -> mpf:
    """A sum or product over ranges of integers."""
    terms = list(_terms(there, expr, expr.limits, env))
    return mpmath.fsum(terms) if isinstance(expr, Sum) else mpmath.fprod(terms)


def _terms(there: "Interpreter", expr: Expr, limits: Tuple, env: "Env") -> Iterator[mpf]:
    if not limits:
        there.terms += 1
        if there.terms > MOST_TERMS:
            raise Unchecked(f"the sums have more than {MOST_TERMS:,} terms: {expr}. Give smaller Theory(indices=...)")
        yield there(expr.function, env)
        return
    variable, *ends = limits[-1]
    if len(ends) != 2:
        raise Unchecked(f"{expr} has no value: the sum needs both ends, as in Sum(f, (s, 1, t))")
    if any(end.is_infinite for end in ends):
        raise Unchecked(f"{expr} has no value here: an infinite sum is not evaluated. Sum to an index such as T")
    there.theory.check_free(variable)
    for k in range(there.integer(ends[0], env), there.integer(ends[1], env) + 1):
        if k:  # a sum from 0 on is usual, whatever its index
            _keeps(variable, mpf(k))
        yield from _terms(there, expr, limits[:-1], env.binding({variable: mpf(k)}))


def along(there: "Interpreter", f: Expr, variable: Expr, env: "Env") -> quadrature.Function:
    """f as a function of one variable, which may be a symbol or an indexed quantity."""
    there.theory.check_free(variable)
    key = _key(there, variable, env)

    def value_at(value: mpf) -> mpf:
        there.terms += 1
        return there(f, env.binding({key: value}))

    return value_at


def _key(there: "Interpreter", variable: Expr, env: "Env") -> object:
    """Under what a variable is bound: itself, or the printed name of an indexed quantity."""
    if not isinstance(variable, Indexed):
        return variable
    return f"{variable.base}[{', '.join(str(there.integer(index, env)) for index in variable.indices)}]"


def _keeps(variable: Expr, *values: mpf) -> None:
    """A variable that is assumed to be positive, say, takes no other values: SymPy has used that already."""
    low, high = min(values), max(values)
    if (
        (variable.is_positive and low <= 0)
        or (variable.is_nonnegative and low < 0)
        or (variable.is_nonpositive and high > 0)
    ):
        raise Unchecked(
            f"{variable} is assumed to have one sign, but takes values of the other here: make it real=True"
        )


def mean(there: "Interpreter", expr: Expectation, env: "Env") -> mpf:
    """The mean over a Gaussian."""
    f, variable, center, variance = expr.args
    if variable.is_Matrix:
        return matrices.mean(there, expr, env)
    center, square = there(center, env), there(variance, env)
    if square < 0:
        number = there.world.number
        raise Unchecked(
            f"the variance {variance} is {mpmath.nstr(square, 5)}, below 0, in world {number}: "
            f"assume {variance} > 0 with theory.assume(...), or make its symbols positive=True"
        )
    _keeps(variable, mpf("-inf"), mpf("inf"))
    g = along(there, f, variable, env)
    try:
        return quadrature.gaussian_mean(g, center, mp.sqrt(square), _shape(there, f, variable, env))
    except quadrature.Diverges:
        raise NoValue(
            f"the mean of {f} over {variable} is not known well enough: does it exist? "
            f"Take it of an f that grows less fast, or of one part at a time"
        ) from None


def integral(there: "Interpreter", expr: Integral, env: "Env") -> mpf:
    """A definite integral over one variable."""
    if len(expr.limits) != 1 or len(expr.limits[0]) != 3:
        raise Unchecked(
            f"only an integral over one variable, with both limits, has a value: write one inside of another: {expr}"
        )
    variable, *ends = expr.limits[0]
    low, high = (
        mpf("inf" if end.is_extended_positive else "-inf") if end.is_infinite else there(end, env) for end in ends
    )
    f = expr.function
    if variable.is_positive is not True or low != 0:  # at one point nothing changes
        _keeps(variable, low, high)
    try:
        return quadrature.integral(along(there, f, variable, env), low, high, _shape(there, f, variable, env))
    except quadrature.Diverges:
        raise NoValue(
            f"the integral of {f} is not known well enough: does it converge? Try other limits, or one part at a time"
        ) from None


def _shape(there: "Interpreter", f: Expr, variable: Expr, env: "Env") -> quadrature.Shape:
    """Where a function may be narrow or have kinks."""
    there.approximate = max(there.approximate, QUADRATURE)
    f = there.theory.unfold_some(f)
    bound = {v for node in f.atoms(ExprWithLimits) for v in node.variables}
    nodes = [node for node in f.atoms(Application, Pow) if not node.has(*bound)]
    lines = [argument for node in nodes if is_kinked(node) for argument in turning(node)]
    return quadrature.Shape(
        [along(there, exponent, variable, env) for exponent in _exponents(nodes)],
        [along(there, line, variable, env) for line in lines],
        _turns(there, along(there, f, variable, env)) if any(map(is_kinked, f.atoms(Application))) else None,
    )


def _exponents(nodes: list[Expr]) -> list[Expr]:
    """Of exponentials, and of powers of a constant with a varying exponent: Gaussians, as SymPy may write them."""
    powers = [node.exp for node in nodes if node.is_Pow and node.base.is_number and not node.exp.is_number]
    return powers + [node.args[0] for node in nodes if isinstance(node, exp)]


def _turns(there: "Interpreter", g: quadrature.Function) -> Callable[[mpf], str]:
    """x -> which way each kinked function inside of g goes there."""

    def turns(x: mpf) -> str:
        outcomes, there.outcomes = there.outcomes, {}
        try:
            g(x)
            return str(sorted((name, sorted(map(str, found))) for name, found in there.outcomes.items()))
        finally:
            for name, found in there.outcomes.items():
                outcomes.setdefault(name, set()).update(found)
            there.outcomes = outcomes

    return turns


def derivative(there: "Interpreter", expr: Derivative, env: "Env") -> mpf:
    """A derivative at a point, the last variable first."""
    f, *inner, (variable, order) = expr.args
    if inner:
        f = expr.func(f, *inner)
    if variable.is_integer:
        raise Unchecked(
            f"{expr} has no value: Can't calculate derivative wrt {variable}, an integer. "
            f"Write a difference, or take a real symbol"
        )
    g, at = along(there, f, variable, env), there(variable, env)
    there.approximate = max(there.approximate, QUADRATURE)
    if there.theory.unfold_some(f).has(Expectation, Integral):  # which are known to some digits only
        there.approximate = max(there.approximate, DIFFERENCES)
        try:
            return quadrature.derivative(g, at, int(order))
        except quadrature.Diverges:
            raise NoValue(f"the derivative of {f} by {variable} is not known well enough") from None
    return mpmath.diff(g, at, int(order))


def substituted(there: "Interpreter", expr: Subs, env: "Env") -> mpf:
    """An expression at a point."""
    values = [there(point, env) for point in expr.point]
    for variable, value in zip(expr.variables, values, strict=True):
        _keeps(variable, value)
    keys = [_key(there, variable, env) for variable in expr.variables]
    return there(expr.expr, env.binding(dict(zip(keys, values, strict=True))))
