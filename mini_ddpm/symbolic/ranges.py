"""Assumptions on quantities, as the prover uses them: a quantity between numbers, a polynomial that is not negative."""

from collections.abc import Iterable

from sympy import Expr, Indexed, Integer, Symbol
from sympy.core.relational import Relational

from mini_ddpm.symbolic.generators import Generators


class Ranges:
    """Lower and upper ends of quantities, (number, strict), and the conditions that are no such ends."""

    def __init__(self, conditions: Iterable[Relational]) -> None:
        self.lower: dict[Expr, tuple[Expr, bool]] = {}
        self.upper: dict[Expr, tuple[Expr, bool]] = {}
        self.others: list[Expr] = []  # not negative
        for condition in conditions:
            if condition.rel_op == "==":
                self.others += [condition.lhs - condition.rhs, condition.rhs - condition.lhs]
                continue
            small, large, strict = _sides(condition)
            if _is_leaf(large) and small.is_Rational:
                self.lower[large] = max(self.lower.get(large, (small, strict)), (small, strict))
            elif _is_leaf(small) and large.is_Rational:
                self.upper[small] = min(self.upper.get(small, (large, strict)), (large, strict))
            else:
                self.others.append(large - small)

    def note(self, leaf: Expr, g: Expr, generators: Generators) -> None:
        """Let the range of a leaf be seen in its generator."""
        low, high = self.lower.get(leaf), self.upper.get(leaf)
        if low is None and leaf.is_nonnegative:
            low = Integer(0), bool(leaf.is_positive)
        if high is not None:
            closed = low is not None and not low[1]
            generators.between(g, low[0] if low else None, high[0], high[1], closed)
        elif low is not None and (low[0] != 0 or not leaf.is_nonnegative):
            generators.between(g, low[0], None, low[1])


def _sides(condition: Relational) -> tuple[Expr, Expr, bool]:
    """The smaller side, the larger one, and whether they can't be equal."""
    return condition.lts, condition.gts, condition.rel_op in ("<", ">")


def _is_leaf(expr: Expr) -> bool:
    return isinstance(expr, (Symbol, Indexed)) and not expr.is_integer
