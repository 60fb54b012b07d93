"""Whether a line has a value for certain: nothing in it divides by 0 or takes a root or logarithm that is none.

Two lines are equal wherever both have a value, so a chain says that its ends are equal only if what stands between them
has one, too.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from sympy import (
    Abs,
    Add,
    Dummy,
    Expr,
    Indexed,
    IndexedBase,
    Max,
    Min,
    Mul,
    Number,
    PolynomialError,
    Pow,
    Product,
    Sum,
    Symbol,
    Tuple,
    exp,
    log,
    preorder_traversal,
)
from sympy.core.function import AppliedUndef
from sympy.core.numbers import NumberSymbol

from mini_ddpm.symbolic.conditions import bound_in
from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.generators import NoForm
from mini_ddpm.symbolic.normal import EVERYWHERE, Normal, Scope
from mini_ddpm.symbolic.products import Products

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory

ALWAYS: tuple[type, ...] = (Add, Mul, Pow, exp, log, Symbol, Indexed, IndexedBase, Number, NumberSymbol, Sum, Product)
ALWAYS += (Abs, Max, Min, Tuple, Expectation, AppliedUndef)  # an unknown function has values everywhere


def has_value(theory: "Theory", expr: Expr) -> bool:
    """True if a line has a value for certain; False says nothing."""
    expr = theory.unfold_some(expr)
    if not all(isinstance(node, ALWAYS) for node in preorder_traversal(expr)):
        return False
    if any(node.args[0].has(exp) for node in expr.atoms(Expectation)):  # does it exist?
        return False
    bound = bound_in(expr)
    needs = [(need, *bound.of(part)) for need, part in _needs(expr)]
    return _is_found(
        theory, lambda normal: all(_is_met(n, normal.sign(part, Scope(forms))) for n, part, forms in needs)
    )


def has_sign(theory: "Theory", expr: Expr, strict: bool) -> bool:
    """True if a line is positive for certain wherever it has a value, or, unless `strict`, 0."""
    expr = theory.unfold_some(expr).replace(
        lambda node: isinstance(node, Sum) and _is_positive(theory, node), lambda node: Dummy("sum", positive=True)
    )
    return _is_found(theory, lambda n: _is_met("positive" if strict else "not negative", n.sign(expr, EVERYWHERE)))


def _is_positive(theory: "Theory", node: Sum) -> bool:
    """Whether all terms of a sum are positive, and there is one."""
    (_, first, last), *outer = node.limits
    return not outer and bool(node.function.is_positive) and theory.conditions.at_least(last, first)


def _is_found(theory: "Theory", asks: Callable[[Normal], bool]) -> bool:
    """Whether normal forms answer with yes, in one of the rounds in which the ends of products are found."""
    plan: dict = {}
    for _ in range(4):  # as the prover does
        normal = Normal(theory, Products(plan))
        with suppress(NoForm, PolynomialError, RecursionError):
            if asks(normal):
                return True
        if normal.products.complete:
            break
        plan = normal.products.next_plan(normal)
    return False


def _needs(expr: Expr) -> Iterator[tuple[str, Expr]]:
    """What must be "not zero", "not negative", or "positive"."""
    for node in expr.atoms(Pow, log):
        if isinstance(node, log):
            yield "positive", node.args[0]
        elif node.exp.is_Integer and node.exp < 0:
            yield "not zero", node.base
        elif not node.exp.is_Integer:
            yield ("not negative" if node.exp.is_positive else "positive"), node.base


def _is_met(need: str, sign: tuple[int, bool] | None) -> bool:
    if sign is None:
        return False
    value, strict = sign
    return {"not zero": strict and value != 0, "not negative": value >= 0, "positive": strict and value > 0}[need]
