"""Induction over an index: a claim, its base, and the step from n - 1 to n, each of them shown."""

from collections.abc import Sequence

from mpmath import mp
from sympy import Expr, Symbol

from mini_ddpm.symbolic import display
from mini_ddpm.symbolic.agreement import DIGITS
from mini_ddpm.symbolic.conditions import rules
from mini_ddpm.symbolic.derivation import Derivation, Verdict
from mini_ddpm.symbolic.facts import Fact, expression
from mini_ddpm.symbolic.theory import Theory


class Induction(Derivation):
    """Prove lhs = rhs for every n: for the smallest one, and for n if it holds for n - 1.

        claim = Induction(theory, f(t), 1 - alpha_bar[t], over=t)
        claim.step(alpha[t] * f(t - 1) + beta[t], because="definition")
        claim.step(alpha[t] * (1 - alpha_bar[t - 1]) + beta[t], using=[claim.hypothesis])
        claim.fact()

    The steps begin with lhs and end with rhs. `hypothesis` is the claim for n - 1 and may be used in them alone.

    Raises:
        WrongStep: the claim is false, or its base.
        ValueError: n - 1 may be outside of what is assumed.
    """

    def __init__(self, theory: Theory, lhs: Expr, rhs: Expr, over: Symbol, using: Sequence[Fact] = ()) -> None:
        lhs, rhs = expression(lhs), expression(rhs)
        theory.refute(lhs, rhs)
        first = _first(theory, over, (lhs - rhs).free_symbols)
        if any(over in fixed for *_, fixed in theory.register.values()):
            raise ValueError(f"{over} is the index of another induction here: take another one")
        self.outer, self.rhs, self.over = theory, rhs, over
        self.base = Derivation(theory, lhs.subs(over, first)).step(rhs.subs(over, first), "the base", using)
        inner = theory.where(over >= first + 1)
        self.hypothesis = Fact.__new__(Fact)
        self.hypothesis.fixed = frozenset([over])
        self.hypothesis._enter(inner, lhs.subs(over, over - 1), rhs.subs(over, over - 1), "the hypothesis", "proved")
        super().__init__(inner, lhs)

    def fact(self) -> Fact:
        """The claim, for other derivations to use."""
        if self.last != self.rhs:
            raise ValueError(f"the step ends with {self.last}, not yet with {self.rhs}")
        if self.refused or any(line.relation != "=" or line.error for line in self.lines):
            raise ValueError("there is no fact: a line was refused, or is no equality")
        lines = [*self.lines, *self.base.lines]
        for line in lines:
            self._check_value(line.expr)
        known = all(line.mark != "checked" and self.theory.has_value(line.expr) for line in lines)
        fact = Fact.__new__(Fact)
        fact.fixed = frozenset().union(*(one.fixed for one in (*self.base.used, *self.used))) - {self.over}
        return fact._enter(self.outer, self.lhs, self.rhs, "by induction", "proved" if known else "checked")

    def _check_value(self, expr: Expr) -> None:
        """A line of an induction has a value for every n, or the chain from one n to the next is broken."""
        for there in self.theory.interpreters([self.lhs, expr]):
            with mp.workdps(DIGITS):
                there(expr)

    def verdicts(self) -> list[Verdict]:
        """Those of the base and of the step."""
        return [*self.base.verdicts(), *super().verdicts()]

    def rows(self) -> list[display.Row]:
        """Claim, base and step."""
        n, given = self.over, len(self.outer.assumed)
        assumed, step = super().rows()[:given], super().rows()[given:]
        claim = [display.Row("", self.lhs), display.Row("=", self.rhs, f"claim, for every {n}")]
        step[0] = step[0]._replace(because=f"the step, from {n} - 1 to {n}")
        return [*assumed, *claim, *self.base.rows()[given:], *step]


def _first(theory: Theory, over: Symbol, symbols: set) -> Expr:
    """The smallest value of an index, if all that is assumed of it holds for n - 1, too, where that is not smaller."""
    first = theory.conditions.least(over)
    if not first.is_Integer:
        raise ValueError(f"{over} has no smallest value: assume one, as {over} >= 0")
    indices = {one for one in symbols | {over} if isinstance(one, Symbol) and one.is_integer}
    bounds = [*rules(indices), *theory.conditions.of_indices()]
    others = [form for form in bounds if form.free_symbols - {over} and form.coeff(over) > 0]
    quantities = [one for one in theory.conditions.of_quantities() if over in one.free_symbols]
    if others or quantities:
        raise ValueError(f"{[*others, *quantities][0]} is assumed of {over} and may fail for {over} - 1")
    return first
