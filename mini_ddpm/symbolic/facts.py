"""Facts, which derivations may use, and the mark of a step."""

from collections.abc import Sequence
from functools import partial

from sympy import Dummy, Expr, Float, N, Rational, Symbol, sympify

from mini_ddpm.symbolic import apart, display
from mini_ddpm.symbolic.constants import change, other_name
from mini_ddpm.symbolic.theory import Theory
from mini_ddpm.symbolic.worlds import Unchecked


class Fact:
    """An equation that other derivations of its theory may use, compared in every world first; displayed with its mark.

    Its mark is the weakest of its own and of those it was made from. It is not known for other values of the indices
    in `fixed`: those of an induction's hypothesis.

    Raises:
        WrongStep: the two sides differ.
        Unchecked: a side has no value.
    """

    fixed: frozenset = frozenset()

    def __init__(self, theory: Theory, lhs: Expr, rhs: Expr, because: str = "", using: Sequence["Fact"] = ()) -> None:
        lhs, rhs = expression(lhs), expression(rhs)
        self._enter(theory, lhs, rhs, because, mark_of(theory, lhs, rhs, "=", using), using)

    def _enter(
        self, theory: Theory, lhs: Expr, rhs: Expr, because: str, mark: str, using: Sequence["Fact"] = ()
    ) -> "Fact":
        self.lhs, self.rhs, self.because, self.mark = lhs, rhs, because, mark
        self.fixed = self.fixed.union(*(fact.fixed for fact in using))
        theory.enter(self)
        return self

    def _repr_latex_(self) -> str:
        return display.latex([display.Row("", self.lhs), display.Row("=", self.rhs, self.because, self.mark)])

    def __repr__(self) -> str:
        return f"{self.lhs} = {self.rhs}  [{self.mark}] {self.because}".rstrip()


def mark_of(
    theory: Theory, old: Expr, new: Expr, relation: str, using: Sequence[Fact], up_to: Expr | None = None
) -> str:
    """The mark of a step: see `Theory.mark`; "~" compares up to what does not depend on `up_to`."""
    if isinstance(using, Fact) or not all(isinstance(fact, Fact) for fact in using):
        raise TypeError("using takes a list of facts: Fact(theory, lhs, rhs), or the fact() of a derivation")
    theory.check_facts(using)
    if relation != "~":
        return theory.mark(old, new, relation, using)
    both, before, here = _doubled(theory, old, new, up_to)
    both.complain = partial(apart.refusal, theory, old, new, up_to)
    return both.mark(before, here, "=", using)


def only_constants(theory: Theory, old: Expr, new: Expr, up_to: Expr) -> bool:
    """Whether two lines differ, in every world, by what does not depend on `up_to`."""
    try:
        both, before, here = _doubled(theory, old, new, up_to)
        return not both.disagreement(before, here)
    except Unchecked:
        return False


def _doubled(theory: Theory, old: Expr, new: Expr, up_to: Expr) -> tuple[Theory, Expr, Expr]:
    """Both lines as what they change by, and the theory that knows the other name of `up_to`."""
    other = other_name(up_to)
    both = theory.where(*(one.xreplace({up_to: other}) for one in theory.assumed if one.has(up_to)))
    return both, change(both, old, up_to), change(both, new, up_to)


def expression(line: Expr) -> Expr:
    """A line, with exact numbers."""
    if isinstance(line, str):
        raise TypeError(f"a line is an expression, not a string: a string {line!r} cannot be compared with anything")
    line = sympify(line)
    if not isinstance(line, Expr):
        raise TypeError(f"a line is an expression, not {line!r}: compare two sides by starting from one of them")
    free = {s for s in line.free_symbols if isinstance(s, Symbol)}
    if odd := [str(s) for s in free if isinstance(s, Dummy) or "[" in s.name]:
        raise Unchecked(f"{min(odd)} could be taken for another quantity: make it a Symbol with a name of its own")
    if odd := [str(s) for s in line.atoms(Symbol) if s.name.startswith("_") and not isinstance(s, Dummy)]:
        raise Unchecked(f"{min(odd)}: names that begin with _ are the checker's own, so give it another one")
    exact = {number: Rational(number) for number in line.atoms(Float)}  # 1/2 is a float to Python, and exact
    if rounded := [number for number, value in exact.items() if value.q > 64]:
        raise Unchecked(f"{N(rounded[0], 6)} is rounded: write the number exactly, as in y/10 or Rational(1, 10)")
    return line.xreplace(exact)
