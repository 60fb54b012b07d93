"""A theory: definitions, assumptions, and the comparison of two lines under them."""

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from mpmath import mp, mpf
from sympy import Derivative, Expr, Symbol, count_ops
from sympy.concrete.expr_with_limits import ExprWithLimits

from mini_ddpm.symbolic import comparison, existence, positivity, prover
from mini_ddpm.symbolic.agreement import DIGITS
from mini_ddpm.symbolic.complaints import Refusal, refusal, same_outcome
from mini_ddpm.symbolic.conditions import Assumption, Bound, Conditions, bound_in
from mini_ddpm.symbolic.definitions import Definition, composite, family
from mini_ddpm.symbolic.edits import Slips
from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.interpreter import Interpreter
from mini_ddpm.symbolic.matrices import sizes
from mini_ddpm.symbolic.worlds import MOST, Unchecked, WrongStep

LARGEST = 2_000  # operations of a line in which definitions are unfolded further
Rules = dict[type, Callable]  # kind of expression -> its normal form


class Theory(Slips):
    """The definitions and assumptions under which lines are compared.

    Trusted are these, SymPy's normal forms, and the conventions: alpha and beta lie between 0 and 1, alpha_bar too, but
    alpha_bar[0] is 1; 1 <= t <= T, 1 <= s < t, 1 <= i <= d; an empty sum is 0, an empty product 1.

    Args:
        indices: the integers to try for an index, by name; a few small ones and a large one by default.
    """

    def __init__(self, indices: dict[str, Sequence[int]] | None = None) -> None:
        self.definitions: list[Definition] = []
        self.conditions = Conditions()
        self.assumed: tuple[Assumption, ...] = ()  # to be shown
        self.register: dict[int, tuple] = {}  # the facts of this theory, as they were checked
        self.kept: list = []
        self.usable: set[int] | None = None  # of a locked theory: the facts that may be used
        self._reach: dict[Expr, frozenset[str]] = {}
        self._unfolded: dict[tuple[Expr, Conditions], Expr] = {}
        self.letters: dict[str, Any] = {}  # what a task's lines may be written with, if one says so
        self.given = {name: tuple(dict.fromkeys(values)) for name, values in (indices or {}).items()}
        for name, values in self.given.items():
            if len(values) < 2 or not all(isinstance(value, int) for value in values):
                raise ValueError(f"the index {name} needs several integers to try, not {list(values)}")

    complain: Callable[..., Refusal] = staticmethod(refusal)

    @property
    def rules(self) -> Rules:
        """Further rules of normal forms; none here."""
        return {}

    # --- what holds

    def define(self, lhs: Expr, rhs: Expr) -> Definition:
        """Add `lhs := rhs`. Symbols among the indices or arguments of lhs are parameters: alpha_bar[t] defines all."""
        new = Definition(lhs, rhs)
        for old in self.definitions:
            if (old.lhs, old.rhs) == (new.lhs, new.rhs):  # said again, as when a cell is run twice
                return old
        self._open("definitions")
        self.definitions = [copy.copy(old) for old in self.definitions]  # those of other cases stay as they are
        for old in self.definitions:
            new.after(old)
        if any(old.covers(lhs) or new.covers(old.lhs) for old in self.definitions):
            raise ValueError(f"{lhs} is defined already: start a new Theory to define it otherwise")
        if any(str(family(lhs)) in self.reach(one[0] - one[1]) for one in self.register.values()):
            raise ValueError(f"facts about {family(lhs)} are known already: define it before them")
        self.definitions.append(new)
        for old in self.definitions:
            old.after(new)
        self._reach, self._unfolded = {}, {}
        try:
            positivity.check(self, new)
        except ValueError:
            self.definitions.remove(new)
            raise
        self.definitions.sort(key=lambda one: sum(place.is_Symbol for place in one.places))  # f(0) before f(t)
        return new

    def assume(self, *conditions: Assumption) -> None:
        """Take for granted, and show, T >= 2 or rho < 1, or what a matrix is, as Q.positive_definite(S)."""
        self._open("assumptions")
        self.conditions = self.conditions.with_(*conditions)
        self.assumed += conditions

    def where(self, *conditions: Assumption) -> "Theory":
        """This theory where more is assumed: a case of a proof."""
        rest = copy.copy(self)
        rest.conditions = self.conditions.with_(*conditions)
        rest.register, rest.kept = dict(self.register), list(self.kept)  # what is known in a case stays there
        return rest

    def lock(self, using: Sequence = ()) -> None:
        """Allow no more definitions and assumptions, and no facts but those in `using`: for exercises."""
        self._open("facts")
        self.usable = {id(fact) for fact in using}

    def _open(self, what: str) -> None:
        if self.usable is not None:
            raise ValueError(f"this theory is locked: no further {what}")

    def enter(self, fact: Any) -> None:
        """Remember a fact as it was checked; of a locked theory, what follows in it may be used in it."""
        self.register[id(fact)] = fact.lhs, fact.rhs, fact.mark, fact.fixed
        self.kept.append(fact)  # or another object might get its id
        if self.usable is not None:
            self.usable = {*self.usable, id(fact)}

    def has_value(self, expr: Expr) -> bool:
        """Whether a line has a value always, for certain."""
        return existence.has_value(self, expr)

    def check_facts(self, facts: Sequence) -> None:
        """Facts must be of this theory, as they were checked, and allowed.

        Raises:
            ValueError: one is not.
        """
        for fact in facts:
            if self.register.get(id(fact)) != (fact.lhs, fact.rhs, fact.mark, fact.fixed):
                raise ValueError(f"{fact.lhs} = {fact.rhs} was not checked in this theory: make it a Fact of this one")
            if self.usable is not None and id(fact) not in self.usable:
                raise ValueError(f"{fact.lhs} = {fact.rhs} may not be used here: the theory is locked")

    def meaning(self, symbol: Symbol) -> Expr | None:
        """What a symbol is defined to be."""
        return next((one.rhs for one in self.definitions if one.lhs == symbol), None)

    def definition_of(self, node: Expr, values: Sequence) -> tuple[Expr, dict] | None:
        """The right side for an indexed quantity or function at numbers, and the numbers of its parameters."""
        for one in self.definitions:
            if (bound := one.bind(node, values)) is not None:
                return one.body, bound
        return None

    def check_free(self, variable: Expr) -> None:
        """A variable of a sum, mean, integral or derivative may not be defined."""
        if any(one.unfold(variable, lambda place, least: True) is not None for one in self.definitions):
            raise Unchecked(f"{variable} is defined, so it can't be the variable of a sum or mean here: rename it")

    def unfold(self, expr: Expr, also: tuple[Expr, ...] = ()) -> Expr:
        """Replace what is defined, once; where an index must be 1 or more, only if it is for certain."""
        if not any(one.stands_in(expr) for one in self.definitions):
            return expr
        for node in expr.atoms(Derivative, ExprWithLimits, Expectation):
            for variable in node.args[1:2] if isinstance(node, Expectation) else node.variables:
                self.check_free(variable)
        for one in self.definitions:
            sure = partial(self._at_least, bound=bound_in(expr), also=also)
            expr = expr.replace(
                lambda node, one=one, sure=sure: one.unfold(node, sure) is not None,
                lambda node, one=one: one.unfold(node, lambda i, least: True),
            )
        return expr

    def _at_least(self, index: Expr, least: Expr, bound: Bound, also: tuple[Expr, ...]) -> bool:
        renamed, forms = bound.of(index)
        return self.conditions.at_least(renamed, least, also + forms)

    def unfold_some(self, expr: Expr, rounds: int = 12) -> Expr:
        """Replace definitions until none applies, or often enough (a recursion has no end)."""
        key = expr, self.conditions
        if key not in self._unfolded:
            for _ in range(rounds):
                before, expr = expr, self.unfold(expr)
                if expr == before or count_ops(expr) > LARGEST:  # a recursion that names itself twice
                    break
            self._unfolded[key] = expr
        return self._unfolded[key]

    def reach(self, expr: Expr) -> frozenset[str]:
        """The names that an expression may depend on, through definitions too."""
        if expr not in self._reach:
            found: set[str] = set()
            new = {expr}
            while new:
                names = {str(family(node)) for e in new for node in e.free_symbols | sizes(e) | composite(e)}
                new = {one.body for one in self.definitions if str(family(one.lhs)) in names - found}
                found |= names
            self._reach[expr] = frozenset(found)
        return self._reach[expr]

    def hides(self, expr: Expr, variable: Expr) -> bool:
        """Whether a variable stands in what the quantities of an expression are defined by, where it can't be seen."""
        reached, name = self.reach(expr), str(family(variable))
        return any(str(family(one.lhs)) in reached and name in self.reach(one.body) for one in self.definitions)

    # --- comparing

    def interpreters(self, lines: Sequence[Expr], most: int = MOST) -> Iterator[Interpreter]:
        """The worlds in which lines are compared; those that break an assumption are left out."""
        return comparison.interpreters(self, lines, most)

    def evaluate(self, expr: Expr, world: int = 0) -> mpf:
        """The number that an expression stands for in a world."""
        with mp.workdps(DIGITS):
            return list(self.interpreters([expr]))[world](expr)

    def refute(self, old: Expr, new: Expr, relation: str = "=", most: int | None = None) -> list[Interpreter]:
        """Try `old relation new` in every world, and return the worlds.

        Raises:
            WrongStep: it fails in one.
            Unchecked: a side has no value.
        """
        tried, failed = comparison.compare(self, old, new, relation, most)
        if failed is not None:
            raise WrongStep(self.complain(self, old, new, relation, *failed))
        return tried

    def disagreement(self, old: Expr, new: Expr, relation: str = "=", most: int | None = None) -> bool:
        """Whether `old relation new` fails in some world."""
        return comparison.compare(self, old, new, relation, most)[1] is not None

    def mark(self, old: Expr, new: Expr, relation: str, facts: Sequence) -> str:
        """Refute a step or mark it: "proved" from facts that are proved, or "checked".

        Raises:
            WrongStep, Unchecked: it is refuted, or can't be compared.
        """
        tried = self.refute(old, new, relation)
        for used in self._enough(facts):
            if self.prove(old, new, used, relation):
                return "checked" if any(fact.mark == "checked" for fact in used) else "proved"
        if (one_sided := same_outcome(tried)) is not None:
            raise Unchecked(
                f"{one_sided} went the same way in every world, and nothing proves that it must: "
                f"write the case that you mean, or assume it with theory.assume(...)"
            )
        return "checked"

    def _enough(self, facts: Sequence) -> Iterator[Sequence]:
        """Which facts to try: the proved ones first, so that a mark is not weaker than it must be."""
        proved = [fact for fact in facts if fact.mark == "proved"]
        yield proved
        if len(proved) < len(facts):
            yield facts

    def prove(self, old: Expr, new: Expr, facts: Sequence = (), relation: str = "=") -> bool:
        """Whether the difference of two lines is zero (or of one sign) in normal form, given facts."""
        return prover.proves(self, old, new, facts, relation)
