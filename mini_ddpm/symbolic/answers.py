"""The form that an answer must have: a closed form, say, in these symbols alone."""

from collections.abc import Sequence

from sympy import (
    Basic,
    Derivative,
    Expr,
    Indexed,
    IndexedBase,
    Integral,
    MatrixSymbol,
    Product,
    Subs,
    Sum,
    Symbol,
    nan,
    oo,
    zoo,
)
from sympy.core.function import AppliedUndef

from mini_ddpm.symbolic.definitions import composite, family
from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.theory import Theory
from mini_ddpm.symbolic.worlds import WrongStep

UNFINISHED = (Integral, Expectation, Derivative, Subs)  # what an answer has worked out
NAMES = {Sum: "a sum", Product: "a product", Integral: "an integral", Derivative: "a derivative"}


class Unfinished(WrongStep):
    """True, but not in the form that was asked for."""


def check_form(
    theory: Theory, question: Expr, answer: Expr, without: Sequence = (), only: Sequence | None = None
) -> None:
    """Hold an answer to a form.

    Args:
        without: what may not stand in it: kinds as Sum, families as x or alpha_bar, quantities as x[0].
        only: the quantities and families that may; indices always may.

    Raises:
        Unfinished: it restates the question, or has what it should not have.
    """
    if answer.as_dummy() == question.as_dummy():
        raise Unfinished("this restates the question")
    kinds = [one for one in without if isinstance(one, type) and not issubclass(one, AppliedUndef)]
    for kind in (*UNFINISHED, *kinds):
        if node := next(iter(sorted(theory.unfold_some(answer).atoms(kind), key=str)), None):
            raise Unfinished(f"{NAMES.get(kind, kind.__name__)} is still to be worked out: {node}")
    if answer.has(oo, -oo, zoo, nan):
        raise Unfinished(f"{answer} is not finite")
    for one in quantities(_named_otherwise(theory, answer)):
        if any(_is_of(one, other) for other in without if other not in kinds):
            raise Unfinished(f"{one} should not be in the answer")
        if only is not None and not any(_is_of(one, other) for other in only):
            raise Unfinished(f"{one} should not be in the answer, only {', '.join(map(str, only))}")


def _named_otherwise(theory: Theory, answer: Expr) -> Expr:
    """The answer without names that stand for what should not be in it."""
    plain = {one.lhs: one.rhs for one in theory.definitions if isinstance(one.lhs, Symbol)}
    for _ in plain:
        answer = answer.xreplace(plain)
    return answer


def quantities(expr: Expr) -> list[Expr]:
    """Indexed quantities, functions and symbols of an expression, but for indices and bases."""
    found = composite(expr)
    labels = {label for node in found if isinstance(node, Indexed) for label in node.base.free_symbols}
    bare = {s for s in expr.free_symbols if isinstance(s, Symbol) and not s.is_integer and s not in labels}
    return sorted(found | bare | expr.atoms(MatrixSymbol), key=str)


def _is_of(one: Expr, other: Basic) -> bool:
    """Whether a quantity is this one, or of this family."""
    return one == other or family(one) == other or (isinstance(other, IndexedBase) and family(one) == other)
