"""Absolute values, maxima and cases, where signs decide them."""

from typing import TYPE_CHECKING

from sympy import Abs, Basic, Expr, Integer, Max, Mul, Piecewise, false, sympify, true
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Not, Or

if TYPE_CHECKING:
    from mini_ddpm.symbolic.normal import Normal, Scope


def size(normal: "Normal", expr: Expr, scope: "Scope") -> Expr:
    """|f|, factor by factor."""
    inside = normal.of(expr.args[0], scope)
    if normal.generators.is_zero(inside):
        return Integer(0)
    found = [(factor, k, normal.generators.weak_sign(factor)) for factor, k in normal.factors(inside)]
    return Mul(*((factor * sign[0] if sign else normal.size(factor)) ** k for factor, k, sign in found))


def sign(normal: "Normal", expr: Expr, scope: "Scope") -> Expr:
    """1 or -1, if it is known to be one of them."""
    found = normal.sign(expr.args[0], scope)
    return Integer(found[0]) if found and found[1] else normal.opaque(expr, scope)


def largest(normal: "Normal", expr: Expr, scope: "Scope") -> Expr:
    """The maximum, or minimum, without what another one is beyond for certain."""
    turn = 1 if isinstance(expr, Max) else -1
    left = list(expr.args)
    for one in expr.args:
        others = [other for other in left if other != one]
        if any((s := normal.sign(turn * (other - one), scope)) is not None and s[0] >= 0 for other in others):
            left = others
    if len(left) == 2:
        a, b = left
        return (normal.of(a, scope) + normal.of(b, scope) + turn * normal.of(Abs(a - b), scope)) / 2
    return normal.of(left[0], scope) if len(left) == 1 else normal.opaque(expr.func(*left), scope)


def piecewise(normal: "Normal", expr: Piecewise, scope: "Scope") -> Expr:
    """The case that holds, where it is known; otherwise the cases that may."""
    possible = []
    for value, condition in expr.args:
        holds = truth(normal, condition, scope)
        if holds is not False:
            possible.append((value, true if holds else condition))
        if holds:
            break
    if possible and possible[0][1] == true:
        return normal.of(possible[0][0], scope)
    if (found := _kink(normal, possible, scope)) is not None:
        return found
    key = (Piecewise, *((normal.key(value, scope), condition) for value, condition in possible))
    return normal.generators.name(key, Piecewise(*possible, evaluate=False))


def _kink(normal: "Normal", cases: list, scope: "Scope") -> Expr | None:
    """a where g > 0, else b, if a - b is g times something of one sign: (a + b + |a - b|) / 2, or with minus."""
    if len(cases) != 2 or cases[1][1] != true or not isinstance(cases[0][1], Relational):
        return None
    (a, condition), (b, _) = cases
    if condition.rel_op in ("==", "!="):
        return None
    g = normal.of(condition.gts - condition.lts, scope)
    first, second = normal.of(a, scope), normal.of(b, scope)
    if normal.generators.is_zero(g) or (found := normal.generators.weak_sign((first - second) / g)) is None:
        return None
    if not normal.generators.sign(normal.generators.ratio((first - second) / g)[1]):  # where g is 0, a must be b
        return None
    return (first + second + found[0] * normal.of(Abs(a - b), scope)) / 2


def truth(normal: "Normal", condition: Basic, scope: "Scope") -> bool | None:
    """Whether a condition holds; None if it is not known."""
    condition = sympify(condition)
    if condition in (true, false):
        return bool(condition)
    if isinstance(condition, (And, Or)):
        parts = [truth(normal, part, scope) for part in condition.args]
        decides = isinstance(condition, Or)
        return decides if decides in parts else None if None in parts else not decides
    if isinstance(condition, Not):
        inner = truth(normal, condition.args[0], scope)
        return None if inner is None else not inner
    if not isinstance(condition, Relational):
        return None
    return _compare(condition.rel_op, normal.sign(condition.lhs - condition.rhs, scope))


def _compare(relation: str, sign: tuple[int, bool] | None) -> bool | None:
    """What the sign of the difference says of a relation."""
    if sign is None:
        return None
    value, strict = sign
    if value == 0 or not strict:
        known = {">=": 1, "<": 1, "<=": -1, ">": -1}.get(relation)
        if value == 0:
            return relation in ("==", "<=", ">=")
        return (relation in ("<=", ">=")) if known == value else None
    return {"==": False, "!=": True, ">": value > 0, ">=": value > 0, "<": value < 0, "<=": value < 0}[relation]
