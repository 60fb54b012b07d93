"""Chains of checked equations, and facts that later chains may use."""

from collections.abc import Sequence
from typing import NamedTuple

from sympy import Expr

from mini_ddpm.symbolic import display
from mini_ddpm.symbolic.complaints import Refusal
from mini_ddpm.symbolic.definitions import family
from mini_ddpm.symbolic.facts import Fact, expression, mark_of, only_constants
from mini_ddpm.symbolic.theory import Theory
from mini_ddpm.symbolic.worlds import Unchecked, WrongStep

ACCEPTED = ("proved", "checked", "")
RELATIONS = ("=", "<=", ">=", "~")


class OnlyConstants(WrongStep):
    """A line that would be true if it began with "~"."""


class Line(NamedTuple):
    """One line: its `relation` to the line before, the `expr`, the reason, and its mark.

    A mark is "proved", "checked", "refused" (it is false), "unchecked" (it can't be compared), or "" for the first
    line. `written` is the line as its author wrote it, and `source` as text; `error` says why it was not accepted.
    """

    relation: str
    expr: Expr
    because: str
    mark: str
    written: Expr
    source: str
    error: WrongStep | Unchecked | None = None


class Verdict(NamedTuple):
    """What is said of a line: the line, its mark, the author's reason, and where to look if it was not accepted."""

    line: str
    mark: str
    because: str
    hint: str


class Derivation:
    """A chain of lines, each compared with the one before it.

        Derivation(theory, start).step(line, because="why").step(...)
        Derivation(theory, lhs, first_line, because="why").step(...)

    With two expressions, the first line claims `lhs = first_line`, which is compared too. A filled box marks
    a line that was proved from the facts it uses, an empty one a line that holds in every world tried. After "~" a line
    equals the one before but for what does not depend on the variable `up_to`.

    Raises (here and in `step`):
        WrongStep: the line differs from the one before, repeats it, or follows a refused one.
        Unchecked: the line has no value; the message says what is missing.
    """

    def __init__(
        self,
        theory: Theory,
        lhs: Expr,
        first: Expr | None = None,
        because: str = "",
        using: Sequence[Fact] = (),
        up_to: Expr | None = None,
    ) -> None:
        self.theory, self.lhs, self.up_to, self.refused = theory, expression(lhs), up_to, False
        self.used: list[Fact] = []
        self.began = list(theory.definitions)
        self.lines = [Line("=", self.lhs, because if first is None else "", "", self.lhs, str(self.lhs))]
        if first is not None:
            self.step(first, because, using)

    def step(self, new: Expr, because: str = "", using: Sequence[Fact] = (), relation: str = "=") -> "Derivation":
        """Add a line; `relation` is "=", "<=", ">=" or "~". Returns the derivation, for the next step."""
        if self.refused:
            raise WrongStep("the step before this one was refused: start the derivation again and mend that step first")
        self.try_step(new, because, using, relation)
        if (error := self.lines[-1].error) is not None:
            self.lines.pop()
            raise error
        return self

    def try_step(
        self,
        new: Expr,
        because: str = "",
        using: Sequence[Fact] = (),
        relation: str = "=",
        written: tuple[Expr, str] | None = None,
    ) -> "Derivation":
        """Add a line even if it is refused; the next one is compared with it, so that a grader can go on."""
        new, old = expression(new), self.lines[-1].expr
        self._check_relation(relation)
        self._check_definitions()
        error: WrongStep | Unchecked | None = None
        try:
            mark = "proved" if new == old else mark_of(self.theory, old, new, relation, using, self.up_to)
            self.used += using
            because = f"{because} (the same to SymPy)".strip() if new == old else because
        except (WrongStep, Unchecked) as refused:
            self.refused, error = True, refused
            could = relation == "=" and self.up_to is not None and isinstance(refused, WrongStep)
            if could and only_constants(self.theory, old, new, self.up_to):
                error = OnlyConstants(f"true but for terms without {self.up_to}: begin such a line with ~")
            mark = "refused" if isinstance(refused, WrongStep) else "unchecked"
        self.lines.append(Line(relation, new, because, mark, *(written or (new, str(new))), error))
        return self

    def _check_definitions(self) -> None:
        """What stands in the lines may not have got a meaning since they were checked."""
        old = [(one.lhs, one.rhs) for one in self.began]
        for one in self.theory.definitions:
            named = str(family(one.lhs))
            if (one.lhs, one.rhs) not in old and any(named in self.theory.reach(line.expr) for line in self.lines):
                raise ValueError(f"{one.lhs} was defined after this derivation began: start the derivation again")

    def _check_relation(self, relation: str) -> None:
        if relation not in RELATIONS:
            raise ValueError(f"the relation must be one of {', '.join(RELATIONS)}, not {relation!r}")
        if relation == "~" and self.up_to is None:
            raise ValueError("up to what? Derivation(theory, line, up_to=x), or %%derive theory -> name up to x")
        if {relation, *(line.relation for line in self.lines)} >= {"<=", ">="}:
            raise ValueError("a chain goes up or down, not both: <= after >= says nothing of its two ends")

    def answer(
        self,
        new: Expr,
        because: str = "",
        using: Sequence[Fact] = (),
        without: Sequence = (),
        only: Sequence | None = None,
    ) -> "Derivation":
        """Add the last line of an exercise, which must be worked out, and have the form that `check_form` describes.

        Raises:
            Unfinished: it is true, but has another form.
        """
        from mini_ddpm.symbolic.answers import check_form

        self.step(new, because, using)
        try:
            check_form(self.theory, self.lhs, self.last, without, only)
        except WrongStep:
            self.refused = True
            raise
        return self

    @property
    def last(self) -> Expr:
        """The expression on the last line."""
        return self.lines[-1].expr

    def verdicts(self) -> list[Verdict]:
        """What is said of every line after the first, as data."""
        return [Verdict(line.source, line.mark, line.because, _hint(line.error)) for line in self.lines[1:]]

    def fact(self) -> Fact:
        """first = last, for other derivations to use; only if every line is an equality."""
        self._check_definitions()
        if any(line.relation != "=" for line in self.lines):
            raise ValueError("a chain with an inequality, or with constants left out, is not an equation")
        if self.refused or len(self.lines) < 2 or any(line.error for line in self.lines):
            raise ValueError("there is no fact yet: the derivation has no line after its first, or one was refused")
        mark = self.mark(self.lhs, self.last)
        return Fact.__new__(Fact)._enter(self.theory, self.lhs, self.last, "derived above", mark, self.used)

    def mark(self, first: Expr, last: Expr) -> str:
        """What first = last is worth: the weakest mark, if lines between can't be without a value; compared anew if so.

        Raises:
            WrongStep: the two differ, where a line between them has no value.
        """
        if any(line.mark == "checked" for line in self.lines):
            return "checked"
        if all(self.theory.has_value(line.expr) for line in self.lines[1:-1]):
            return "proved"
        return self.theory.mark(first, last, "=", self.used)

    def rows(self) -> list[display.Row]:
        """The lines, to be shown."""
        first, *rest = self.lines
        given = [display.Row("assuming", one) for one in self.theory.assumed]
        shown = [display.Row(line.relation, line.written, line.because, line.mark, line.error) for line in rest]
        return [*given, display.Row("", first.written, first.because), *shown]

    def _repr_latex_(self) -> str:
        return display.latex(self.rows())

    def _repr_html_(self) -> str | None:
        """Only where a line was refused, to fold its case away; otherwise LaTeX will do."""
        return display.html(self.rows()) if any(line.error for line in self.lines) else None

    def __repr__(self) -> str:
        rows = [f"  {line.relation:2} {line.expr}  [{line.mark}] {line.because}".rstrip() for line in self.lines[1:]]
        given = [f"assuming {', '.join(map(str, self.theory.assumed))}"] if self.theory.assumed else []
        return "\n".join([*given, str(self.lhs), *rows])

    def __str__(self) -> str:
        """The lines as they were written, for those who read them as text."""
        first, *rest = self.lines
        rows = [f"  {line.relation:2} {line.source}  [{line.mark}] {line.because}".rstrip() for line in rest]
        given = [f"assuming {', '.join(map(str, self.theory.assumed))}"] if self.theory.assumed else []
        return "\n".join([*given, first.source, *rows])


def attempt(theory: Theory, before: Expr, after: Expr, using: Sequence[Fact] = ()) -> None:
    """Print whether `after` may follow `before`: for exercises, and to see what the checker says to a mistake."""
    try:
        derivation = Derivation(theory, before).step(after, using=using)
    except (WrongStep, Unchecked) as error:
        print(f"refused, {type(error).__name__}: {error}")
        return
    same = derivation.last == derivation.lhs
    print(
        f"accepted: to SymPy both lines are {after}"
        if same
        else f"accepted, {derivation.lines[-1].mark}: {before} = {after}"
    )


def _hint(error: WrongStep | Unchecked | None) -> str:
    if error is None:
        return ""
    refusal = error.args[0]
    return refusal.hint if isinstance(refusal, Refusal) else str(refusal)
