"""Derivations marked line by line.

A derivation has *goals* on its way, forms that a line should have ("one mean is left"), and an *answer*, the form of
the last line. A line is right if the checker accepts it after the line before it. A right line earns the points of the
furthest goal that it is the first to reach, and of the goal before that one if it has both forms at once. The answer's
line earns the answer's points alone: a jump to it shows nothing else. What is already reached earns nothing again.

After a wrong line the next one is compared with it, as the student went on from it; or with the last true line, if the
student came back to that. Goals on the way then count as ever. The answer counts if it is true, or if every wrong line
was a slip: one small edit away from a true one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sympy import Expr

from mini_ddpm.symbolic import Derivation, Expectation, Fact, Theory, Unchecked, WrongStep, cells
from mini_ddpm.symbolic.answers import Unfinished, check_form
from mini_ddpm.symbolic.complaints import Refusal
from mini_ddpm.symbolic.derivation import Line


class Goal(NamedTuple):
    """A form on the way: its points, what it is in words, and whether a line, as it was written, has it."""

    points: float
    words: str
    has: Callable[[Expr], bool]


class Answer(NamedTuple):
    """The form of the last line: `only` and `without` as in `Derivation.answer`, and `has` as in a goal."""

    points: float
    words: str
    only: Sequence | None = None
    without: Sequence = ()
    has: Callable[[Expr], bool] = lambda line: True


class Said(NamedTuple):
    """What is said of a line: "right", "wrong", "given", or "unread" if it could not be compared; and its points."""

    source: str
    verdict: str
    points: float
    words: str


class Marked(NamedTuple):
    """What is said of all lines, the goals that no line has earned, and what the last true line lacks."""

    lines: list[Said]
    missed: list[Goal | Answer]
    unfinished: str

    @property
    def points(self) -> float:
        """Of all lines."""
        return sum(line.points for line in self.lines)

    def __str__(self) -> str:
        rows = []
        for k, line in enumerate(self.lines, 1):
            head = f"line {k}  {line.verdict:6} {f'+{line.points:g}' if line.points else '':4} {line.source}"
            rows += [head.rstrip(), *(f"        {words}" for words in line.words.splitlines())]
        rows += [f"not reached ({goal.points:g}): {goal.words}" for goal in self.missed]
        rows += [f"the last true line is no answer yet: {self.unfinished}"] * bool(self.unfinished)
        return "\n".join(rows)


class _At(NamedTuple):
    """Where a derivation stands: how many goals are reached, if its line is true, and if all wrong lines are slips."""

    line: Expr
    reached: int = 0
    true: bool = True
    slips: bool = True


class Lines:
    """A derivation to be marked, with what may be used for it.

    Args:
        theory: definitions and assumptions.
        start: the first line, which is given.
        names: what a line may be written with. Nothing else is known.
        goals: forms on the way, in order.
        answer: the form of the last line.
        using: facts, by the names that a line gives them in brackets.
        up_to: what "~" leaves constants of; without it every line begins with "=".
    """

    def __init__(
        self,
        theory: Theory,
        start: str,
        names: Mapping[str, Any],
        goals: Sequence[Goal],
        answer: Answer,
        using: Mapping[str, Fact] | None = None,
        up_to: Expr | None = None,
    ) -> None:
        self.theory, self.names, self.using, self.up_to = theory, dict(names), dict(using or {}), up_to
        self.start = cells.read_row(start, self.names).expr
        self.answer = answer
        self.goals: tuple[Goal | Answer, ...] = (*goals, answer)
        self._known: dict[str, Marked] = {}

    @property
    def points(self) -> float:
        """Of all goals."""
        return sum(goal.points for goal in self.goals)

    def mark(self, text: str) -> Marked:
        """Mark the lines of a `%%derive` cell. The same text gets the same words, and is checked once."""
        if text not in self._known:
            self._known[text] = self._mark(text)
        return self._known[text]

    def _mark(self, text: str) -> Marked:
        rows = cells.rows(text)
        walk = _Walk(self)
        said = [
            walk.first(row) if k == 0 and not cells.RELATION.match(row) else walk.go(row) for k, row in enumerate(rows)
        ]
        missed = [goal for k, goal in enumerate(self.goals) if k not in walk.earned]
        unpaid = self.answer in missed and len(said) > 1
        return Marked(said, missed, self._unfinished(walk.base.line) if unpaid else "")

    def reaches(self, line: Expr, reached: int) -> list[int]:
        """The last goal after those that are reached whose form a line has, and the one before it if it has both."""
        last = next((k for k in reversed(range(reached, len(self.goals))) if self._has(self.goals[k], line)), None)
        if last is None or self.goals[last] is self.answer:
            return [] if last is None else [last]
        return [k for k in (last - 1, last) if k >= reached and self._has(self.goals[k], line)]

    def _has(self, goal: Goal | Answer, line: Expr) -> bool:
        return not self._unfinished(line) if goal is self.answer else bool(goal.has(line))

    def _unfinished(self, line: Expr) -> str:
        """What keeps a line from having the answer's form."""
        answer = self.answer
        try:
            # names that the teacher defined are the answer's words, so they are not looked through
            check_form(Theory(), self.start, line, answer.without, answer.only)
        except Unfinished as error:
            return str(error)
        return "" if answer.has(line) else answer.words


class _Walk:
    """One way through a derivation, line after line."""

    def __init__(self, task: Lines) -> None:
        self.task = task
        self.at = self.base = _At(task.start)  # the line before, and the last one that is true
        self.earned: set[int] = set()

    def first(self, row: str) -> Said:
        """The line that is given; the task's own is taken whatever stands there."""
        try:
            same = cells.read_row(row, self.task.names).expr == self.task.start
        except ValueError:
            same = False
        return Said(row, "given", 0, "" if same else "this is not the line that was given: that one is taken")

    def go(self, row: str) -> Said:
        """A line, and what is said of it."""
        try:
            parsed, using = self._read(row)
            before, line = self._compared(parsed, using)
            if isinstance(line.error, Unchecked):
                raise line.error
            goals = self.task.reaches(line.written, before.reached)
        except Exception as error:  # whatever the checker, or a form, can't work with
            return Said(row, "unread", 0, f"left out: {error or type(error).__name__}")
        now = before._replace(line=line.expr, reached=goals[-1] + 1 if goals else before.reached)
        if line.error is not None:
            forgot = self._forgot_terms(parsed, using)
            self.at = now._replace(true=False, slips=before.slips and (forgot or _slip(line.error)))
            return Said(row, "wrong", 0, self.TERMS.format(self.task.up_to) if forgot else _told(line.error))
        came_back = before is not self.at
        self.at = now
        self.base = now if now.true else self.base
        return self._right(row, before, goals, came_back)

    def _read(self, row: str) -> tuple[cells.Parsed, list[Fact]]:
        parsed = cells.read_row(row, self.task.names)
        allowed = ("=",) if self.task.up_to is None else ("=", "~")
        if parsed.relation not in allowed:
            raise ValueError(f"a line begins with {' or '.join(allowed)}")
        if unknown := [name for name in parsed.using if name not in self.task.using]:
            raise ValueError(f"[{unknown[0]}] is no fact that may be used here")
        return parsed, [self.task.using[name] for name in parsed.using]

    def _compared(self, parsed: cells.Parsed, using: list[Fact]) -> tuple[_At, Line]:
        """The line after the one before it or, if that fails, after the last true one; and where it began."""
        found: list[tuple[_At, Line]] = []
        for before in (self.at, self.base):
            step = Derivation(self.task.theory, before.line, up_to=self.task.up_to)
            written = parsed.written, parsed.source
            step.try_step(parsed.expr, parsed.because, using, parsed.relation or "=", written)
            found.append((before, step.lines[-1]))
            if step.lines[-1].error is None or before is self.base:
                break
        return found[-1] if found[-1][1].error is None else found[0]

    CAME_BACK = (
        "this follows from your last true line, not from the wrong one before it, so the cell's own box shows a cross"
    )
    TERMS = "true but for terms without {}: begin such a line with ~"

    def _forgot_terms(self, parsed: cells.Parsed, using: list[Fact]) -> bool:
        """Whether a line that begins with "=" would be true with "~", where that is allowed."""
        if self.task.up_to is None or parsed.relation != "=":
            return False
        return self._compared(parsed._replace(relation="~"), using)[1].error is None

    def _right(self, row: str, before: _At, goals: Sequence[int], came_back: bool) -> Said:
        words = self.CAME_BACK if came_back else "" if before.true else "this follows from your line before"
        new = [self.task.goals[k] for k in goals if k not in self.earned]
        if new == [self.task.answer] and not (before.true or before.slips):
            return Said(
                row, "right", 0, f"{words}, but a wrong line before it is more than a slip: the answer does not count"
            )
        self.earned.update(goals)
        said = [" and ".join(goal.words for goal in new), words]
        return Said(row, "right", sum(goal.points for goal in new), "; ".join(filter(None, said)))


def _slip(error: WrongStep) -> bool:
    """Whether one small edit would make the line true."""
    refusal = _refusal(error)
    return refusal is not None and refusal.repaired is not None


def _refusal(error: WrongStep) -> Refusal | None:
    """What the checker says of a line; of one that begins with "~" it stands in the error before."""
    said = [one.args[0] for one in (error, error.__context__) if isinstance(one, WrongStep)]
    return next((one for one in said if isinstance(one, Refusal)), None)


def _told(error: WrongStep) -> str:
    """Both numbers, the case, and where to look."""
    refusal = error.args[0]
    if not isinstance(refusal, Refusal):
        return str(refusal)
    before, here = refusal.values
    where = f"\nlook at: {refusal.hint}" if refusal.hint else ""
    return f"the line before is {before}, and this one {here}, in {refusal.world}{where}"


def means(line: Expr) -> int:
    """How many means are left in a line whose variable stands in what they are of."""
    return sum(one.args[0].has(one.args[1]) for one in line.atoms(Expectation))
