"""Whether one line follows from another by normal forms; no time limits, so always the same answer."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from sympy import Expr, Integer, PolynomialError, Product, Symbol
from sympy.concrete.expr_with_limits import ExprWithLimits

from mini_ddpm.symbolic.generators import NoForm
from mini_ddpm.symbolic.normal import Normal
from mini_ddpm.symbolic.products import Products
from mini_ddpm.symbolic.rewriting import replaced

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory

ROUNDS = 4  # in which the ends of products are found


def proves(theory: "Theory", old: Expr, new: Expr, facts: Sequence, relation: str = "=") -> bool:
    """True if `old relation new` follows; False says nothing."""
    try:
        return _follows(theory, old, new, facts, relation) or any(
            _follows(rest, old, new, facts, relation)
            and _follows(theory, _at(theory, old, first), _at(theory, new, first), facts, relation)
            for first, rest in _cases(theory, old, new)
        )
    except IndexError:  # SymPy's word for an entry outside of a matrix
        return False


def _follows(theory: "Theory", old: Expr, new: Expr, facts: Sequence, relation: str) -> bool:
    return any(_holds(theory, first, second, relation) for first, second in _views(theory, old, new, facts))


def _cases(theory: "Theory", old: Expr, new: Expr) -> Iterator[tuple[dict, "Theory"]]:
    """An index at its smallest, and the theory where it is larger: x[t - 1] may be x[0] at t = 1 only."""
    indices = {s for s in old.free_symbols | new.free_symbols if isinstance(s, Symbol) and s.is_integer}
    for index in sorted(indices, key=str):
        least = theory.conditions.least(index)
        if least.is_Integer:
            yield {index: least}, theory.where(index >= least + 1)


def _at(theory: "Theory", line: Expr, case: dict) -> Expr:
    """A line at an index; products that are empty there become 1 first, as SymPy may take an empty one for 0."""

    def empty(node: Expr) -> bool:
        ends = [end.subs(case) for _, *limits in getattr(node, "limits", ()) for end in limits]
        free = node.free_symbols >= case.keys()  # not an index that is bound around it
        return isinstance(node, Product) and free and len(ends) == 2 and bool((ends[1] - ends[0]).is_negative)

    line = theory.unfold_some(line)
    if any(case.keys() & {*node.variables} for node in line.atoms(ExprWithLimits)):
        return line.subs(case)
    return line.replace(empty, lambda node: Integer(1)).subs(case)


def _views(theory: "Theory", old: Expr, new: Expr, facts: Sequence) -> Iterator[tuple[Expr, Expr]]:
    """The two lines as they are; with facts used; unfolded."""
    yield old, new
    if facts:
        old, new = replaced(theory, old, facts), replaced(theory, new, facts)
        yield old, new
        old, new = replaced(theory, theory.unfold(old), facts), replaced(theory, theory.unfold(new), facts)
        yield old, new
    unfolded = theory.unfold_some(old), theory.unfold_some(new)
    if unfolded != (old, new):
        yield unfolded
    if facts:
        yield replaced(theory, unfolded[0], facts), replaced(theory, unfolded[1], facts)


def _holds(theory: "Theory", old: Expr, new: Expr, relation: str) -> bool:
    plan: dict = {}
    for _ in range(ROUNDS):
        normal = Normal(theory, Products(plan))
        with suppress(NoForm, PolynomialError, RecursionError):
            difference = normal.of(old) - normal.of(new)
            if relation == "=" and normal.generators.is_zero(difference):
                return True
            if relation != "=" and normal.products.complete:
                sign = normal.generators.weak_sign(difference)
                return sign is not None and sign[0] in (0, 1 if relation == ">=" else -1)
        if normal.products.complete:
            break
        plan = normal.products.next_plan(normal)
    return False
