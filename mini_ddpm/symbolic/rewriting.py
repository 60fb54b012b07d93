"""Facts used in a line: their left sides become their right sides, wherever what they say is certain to hold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sympy import Basic, Derivative, Dummy, Expr, Subs, Symbol
from sympy.concrete.expr_with_limits import ExprWithLimits

from mini_ddpm.symbolic.conditions import rules
from mini_ddpm.symbolic.definitions import family
from mini_ddpm.symbolic.gaussian import Expectation

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory


Pairs = list[tuple[Expr, Expr, frozenset[Symbol]]]  # left and right sides, and indices for which alone it is known


def replaced(theory: "Theory", expr: Expr, facts: Sequence) -> Expr:
    """The expression with the facts used once, from the outside in."""
    return _inside(theory, expr, [(fact.lhs, fact.rhs, fact.fixed) for fact in facts], ())


def _inside(theory: "Theory", expr: Basic, pairs: Pairs, forms: tuple[Expr, ...]) -> Basic:
    for lhs, rhs, _ in pairs:
        if expr == lhs:
            return rhs
        alike = (expr.is_Add and lhs.is_Add) or (expr.is_Mul and lhs.is_Mul)
        if alike and not expr.has(ExprWithLimits, Expectation, Derivative, Subs):
            expr = expr.subs(lhs, rhs)
    if not expr.args:
        return expr
    if isinstance(expr, ExprWithLimits):
        return _bound(theory, expr, pairs, forms)
    if isinstance(expr, (Expectation, Derivative, Subs)) and _assumed_of(theory, expr, pairs):
        return expr
    return expr.func(*(_inside(theory, part, pairs, forms) for part in expr.args))


def _assumed_of(theory: "Theory", expr: Expr, pairs: Pairs) -> bool:
    """Whether something is assumed of the variable, or hides it in a fact, which may not hold for all of its values."""
    variables = expr.args[1:2] if isinstance(expr, Expectation) else expr.variables
    if any(theory.hides(lhs - rhs, variable) for lhs, rhs, _ in pairs for variable in variables):
        return True
    assumed = frozenset().union(*map(theory.reach, theory.conditions.of_quantities()))
    return not assumed.isdisjoint(str(family(variable)) for variable in variables)


def _bound(theory: "Theory", expr: ExprWithLimits, pairs: Pairs, forms: tuple[Expr, ...]) -> Expr:
    """Under a sum over t, a fact about t is used if it holds for every t of the sum."""
    names = {v: Dummy(v.name, integer=v.is_integer) for v in expr.variables}
    for v, *ends in expr.limits:
        if v.is_integer and len(ends) == 2:
            forms += (names[v] - ends[0].xreplace(names), ends[1].xreplace(names) - names[v])
    usable = []
    for lhs, rhs, fixed in pairs:
        used = (lhs - rhs).free_symbols & names.keys()
        hidden = any(theory.hides(lhs - rhs, v) for v in names)
        if not used & fixed and not hidden and all(_holds_for(theory, lhs - rhs, v, names, forms) for v in used):
            usable.append((lhs.xreplace(names), rhs.xreplace(names), fixed))
    f = _inside(theory, expr.function.xreplace(names), usable, forms)
    return expr.func(f.xreplace({dummy: v for v, dummy in names.items()}), *expr.limits)


def _holds_for(theory: "Theory", fact: Expr, v: Symbol, names: dict, forms: tuple[Expr, ...]) -> bool:
    """Whether the conventions and assumptions under which a fact was checked hold for every value of v here."""
    indices = {s for s in fact.free_symbols if isinstance(s, Symbol) and s.is_integer}
    needed = [form for form in [*rules(indices), *theory.conditions.of_indices()] if v in form.free_symbols]
    if v.is_positive:
        needed.append(v - 1)
    if not v.is_integer or any(v in condition.free_symbols for condition in theory.conditions.of_quantities()):
        return False
    return all(bool(theory.conditions.least(form.xreplace(names), forms) >= 0) for form in needed)
