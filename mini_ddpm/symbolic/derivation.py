"""Chains of checked equations, and facts that later chains may use."""

from collections.abc import Sequence
from typing import NamedTuple

from sympy import Expr, Float, N, Rational, sympify

from mini_ddpm.symbolic.printing import aligned, escaped, tex
from mini_ddpm.symbolic.theory import Theory
from mini_ddpm.symbolic.worlds import Unchecked, WrongStep

MARKS = {"proved": r"\;\blacksquare", "checked": r"\;\square", "": ""}
LONG = 100  # characters of LaTeX
SIGNS = {"=": "=", "<=": r"\le", ">=": r"\ge"}


class Fact:
    """An equation that other derivations of its theory may use, compared in every world first; displayed with its mark.

    Its mark is the weakest of its own and of those it was made from.

    Raises:
        WrongStep: the two sides differ.
        Unchecked: a side has no value.
    """

    def __init__(self, theory: Theory, lhs: Expr, rhs: Expr, because: str = "", using: Sequence["Fact"] = ()) -> None:
        lhs, rhs = _expression(lhs), _expression(rhs)
        self._enter(theory, lhs, rhs, because, _mark(theory, lhs, rhs, "=", using))

    def _enter(self, theory: Theory, lhs: Expr, rhs: Expr, because: str, mark: str) -> "Fact":
        self.lhs, self.rhs, self.because, self.mark = lhs, rhs, because, mark
        theory.register[id(self)] = lhs, rhs, mark
        theory.kept.append(self)  # or another object might get its id
        return self

    def _repr_latex_(self) -> str:
        return aligned([_row(tex(self.lhs), Line("=", self.rhs, self.because, self.mark))])

    def __repr__(self) -> str:
        return f"{self.lhs} = {self.rhs}  [{self.mark}] {self.because}".rstrip()


class Line(NamedTuple):
    """One line: its `relation` to the line before, the `expr`, the reason, and "proved", "checked" or ""."""

    relation: str
    expr: Expr
    because: str
    mark: str


class Derivation:
    """A chain of lines, each compared with the one before it.

        Derivation(theory, start).step(line, because="why").step(...)
        Derivation(theory, lhs, first_line, because="why").step(...)

    With two expressions, the first line claims `lhs = first_line`, which is compared too. A filled box marks
    a line that was proved from the facts it uses, an empty one a line that holds in every world tried.

    Raises (here and in `step`):
        WrongStep: the line differs from the one before, repeats it, or follows a refused one.
        Unchecked: the line has no value; the message says what is missing.
    """

    def __init__(
        self, theory: Theory, lhs: Expr, first: Expr | None = None, because: str = "", using: Sequence[Fact] = ()
    ) -> None:
        self.theory, self.lhs, self.refused = theory, _expression(lhs), False
        self.lines = [Line("=", self.lhs, because if first is None else "", "")]
        if first is not None:
            self.step(first, because, using)

    def step(self, new: Expr, because: str = "", using: Sequence[Fact] = (), relation: str = "=") -> "Derivation":
        """Add a line; `relation` is "=", "<=" or ">=". Returns the derivation, for the next step."""
        new, old = _expression(new), self.lines[-1].expr
        if self.refused:
            raise WrongStep("the step before this one was refused: start the derivation again and mend that step first")
        if relation not in SIGNS:
            raise ValueError(f"the relation must be one of {', '.join(SIGNS)}, not {relation!r}")
        if {relation, *(line.relation for line in self.lines)} >= {"<=", ">="}:
            raise ValueError("a chain goes up or down, not both: <= after >= says nothing of its two ends")
        try:
            same = new == old
            because = f"{because} (the same to SymPy)".strip() if same else because
            mark = "proved" if same else _mark(self.theory, old, new, relation, using)
        except (WrongStep, Unchecked):
            self.refused = True
            raise
        self.lines.append(Line(relation, new, because, mark))
        return self

    @property
    def last(self) -> Expr:
        """The expression on the last line."""
        return self.lines[-1].expr

    def fact(self) -> Fact:
        """first = last, for other derivations to use; only if every line is an equality."""
        if any(line.relation != "=" for line in self.lines):
            raise ValueError("a chain with an inequality is not an equation")
        if self.refused or len(self.lines) < 2:
            raise ValueError("there is no fact yet: the derivation has no line after its first, or one was refused")
        marks = {line.mark for line in self.lines[1:]}
        mark = "checked" if "checked" in marks else "proved"
        return Fact.__new__(Fact)._enter(self.theory, self.lhs, self.last, "derived above", mark)

    def _repr_latex_(self) -> str:
        first, *rest = self.lines
        if not rest:
            return f"$${tex(first.expr)}$$"
        left = tex(self.lhs)
        given = [rf"&\text{{assuming }}{', '.join(map(tex, self.theory.assumed))}"] if self.theory.assumed else []
        if len(left) > LONG:  # on a line of its own
            return aligned([*given, f"&{left}", *(_row("", line) for line in rest)])
        return aligned([*given, _row(left, rest[0]), *(_row("", line) for line in rest[1:])])

    def __repr__(self) -> str:
        rows = [f"  {line.relation:2} {line.expr}  [{line.mark}] {line.because}".rstrip() for line in self.lines[1:]]
        given = [f"assuming {', '.join(map(str, self.theory.assumed))}"] if self.theory.assumed else []
        return "\n".join([*given, str(self.lhs), *rows])


def attempt(theory: Theory, before: Expr, after: Expr, using: Sequence[Fact] = ()) -> None:
    """Print whether `after` may follow `before`: for exercises, and to see what the checker says to a mistake."""
    try:
        if _expression(before) == _expression(after):
            print(f"accepted: to SymPy both lines are {after}")
            return
        derivation = Derivation(theory, before).step(after, using=using)
    except (WrongStep, Unchecked) as error:
        print(f"refused, {type(error).__name__}: {error}")
    else:
        print(f"accepted, {derivation.lines[-1].mark}: {before} = {after}")


def _mark(theory: Theory, old: Expr, new: Expr, relation: str, using: Sequence[Fact]) -> str:
    if isinstance(using, Fact) or not all(isinstance(fact, Fact) for fact in using):
        raise TypeError("using takes a list of facts: Fact(theory, lhs, rhs), or the fact() of a derivation")
    theory.check_facts(using)
    return theory.mark(old, new, relation, using)


def _row(lhs: str, line: Line) -> str:
    reason = rf" &&\text{{{escaped(line.because)}}}" if line.because else " &&"
    return f"{lhs} &{SIGNS[line.relation]} {tex(line.expr)}{reason} {MARKS[line.mark]}"


def _expression(line: Expr) -> Expr:
    if isinstance(line, str):
        raise TypeError(f"a line is an expression, not a string: a string {line!r} cannot be compared with anything")
    line = sympify(line)
    if not isinstance(line, Expr):
        raise TypeError(f"a line is an expression, not {line!r}: compare two sides by starting from one of them")
    exact = {number: Rational(number) for number in line.atoms(Float)}  # 1/2 is a float to Python, and exact
    if rounded := [number for number, value in exact.items() if value.q > 64]:
        raise Unchecked(f"{N(rounded[0], 6)} is rounded: write the number exactly, as in y/10 or Rational(1, 10)")
    return line.xreplace(exact)
