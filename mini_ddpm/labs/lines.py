"""Derivations marked line by line.

A derivation has *goals* on its way, forms that a line should have ("one mean is left"), and an *answer*, the form of
the last line. A line is right if the checker accepts it after the line before it. A right line earns the points of the
furthest goal that it is the first to reach, and of the goal before that one if it has both forms at once. The answer's
line earns the answer's points alone: a jump to it shows nothing else. What is already reached earns nothing again.

After a wrong line the next one is compared with it, as the student went on from it; or with the last true line, if the
student came back to that. Goals on the way then count as ever. The answer counts if it is true, or if every wrong line
was a slip: one small edit away from a true one. If both come, the true one is called the answer.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sympy import Expr

from mini_ddpm.labs.forms import Answer, Goal
from mini_ddpm.labs.slips import forgotten
from mini_ddpm.symbolic import Derivation, Fact, Theory, Unchecked, WrongStep, cells
from mini_ddpm.symbolic.answers import Unfinished, check_form
from mini_ddpm.symbolic.complaints import Refusal
from mini_ddpm.symbolic.derivation import Line


class Said(NamedTuple):
    """What is said of a line: "right", "wrong", "given", or "unread" if it could not be compared; and its points."""

    source: str
    verdict: str
    points: float
    words: str


class Marked(NamedTuple):
    """What is said of all lines, the goals that no line has earned, and a sentence on what the last true line lacks."""

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
        rows += [self.unfinished] * bool(self.unfinished)
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
        for k, row in enumerate(rows):
            walk.said.append(walk.first(row) if k == 0 and not cells.RELATION.match(row) else walk.go(row))
        missed = [goal for k, goal in enumerate(self.goals) if k not in walk.earned]
        unpaid = self.answer in missed and len(walk.said) > 1
        return Marked(walk.said, missed, self._lacks(walk.base.line) if unpaid else "")

    def reaches(self, line: Expr, reached: int, answer: bool = True) -> list[int]:
        """The last goal after those that are reached whose form a line has, and the one before it if it has both.

        The answer's form counts as one only if `answer` is true.
        """
        goals = range(reached, len(self.goals) - (not answer))
        last = next((k for k in reversed(goals) if self._has(self.goals[k], line)), None)
        if last is None or self.goals[last] is self.answer:
            return [] if last is None else [last]
        return [k for k in (last - 1, last) if k >= reached and self._has(self.goals[k], line)]

    def answers(self, line: Expr) -> bool:
        """Whether a line has the answer's form."""
        return not self._unfinished(line)

    def _lacks(self, line: Expr) -> str:
        """What the last true line has not, as a sentence."""
        if line == self.start:
            return "so far no line of yours is both true and new"
        why = self._unfinished(line)
        lacks = f"; it lacks: {re.sub('^the answer[:,] ', '', why)}" if why == self.answer.words else f": {why}"
        return f"your last true line is not the answer yet{lacks}" if why else ""

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
        self.said: list[Said] = []
        self.stands_in: int | None = None  # the line that is paid for the answer, and follows from a slip

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
            before, line, told = self._compared(parsed, using)
            if isinstance(line.error, Unchecked):
                raise line.error
            counts = line.error is not None or before.true or before.slips
            goals = self.task.reaches(line.written, before.reached, counts)
        except Exception as error:  # whatever the checker, or a form, can't work with
            return Said(row, "unread", 0, f"left out: {error or type(error).__name__}")
        now = before._replace(line=line.expr, reached=goals[-1] + 1 if goals else before.reached)
        if line.error is not None:
            forgot = self._forgot_terms(parsed, using)
            factor = "" if forgot or _slip(line.error) else self._factor(before, line)
            self.at = now._replace(true=False, slips=before.slips and bool(forgot or factor or _slip(line.error)))
            words = _told(told, "the line before" if before.true else "your last true line", factor * before.true)
            return Said(row, "wrong", 0, self.TERMS.format(self.task.up_to) if forgot else words)
        came_back = before is not self.at
        self.at = now
        self.base = now if now.true else self.base
        return self._right(row, before, goals, came_back, counts or not self.task.answers(line.written))

    def _read(self, row: str) -> tuple[cells.Parsed, list[Fact]]:
        try:
            parsed = cells.read_row(row, self.task.names)
        except ValueError as error:
            if (unknown := re.match(r"(\w+) in .*: what is that\?", str(error), re.DOTALL)) is None:
                raise
            known = ", ".join(self.task.names)
            raise ValueError(f"{unknown[1]}: there is no such name here. You may use {known}") from None
        allowed = ("=",) if self.task.up_to is None else ("=", "~")
        if parsed.relation not in allowed:
            raise ValueError(f"a line begins with {' or '.join(allowed)}")
        if strange := [name for name in parsed.using if name not in self.task.using]:
            raise ValueError(f"[{strange[0]}] is no fact that may be used here")
        return parsed, [self.task.using[name] for name in parsed.using]

    def _factor(self, before: _At, line: Line) -> str:
        """What to look at if one factor was forgotten."""
        return forgotten(self.task.theory, before.line, line.expr) if line.relation == "=" else ""

    def _compared(self, parsed: cells.Parsed, using: list[Fact]) -> tuple[_At, Line, Exception | None]:
        """The line after the one before it or, if that fails, after the last true one; and where it began.

        If both fail the last thing is why it does not follow from the last true one: a hint to a wrong line misleads.
        """
        found: list[tuple[_At, Line]] = []
        for before in (self.at, self.base):
            step = Derivation(self.task.theory, before.line, up_to=self.task.up_to)
            written = parsed.written, parsed.source
            step.try_step(parsed.expr, parsed.because, using, parsed.relation or "=", written)
            found.append((before, step.lines[-1]))
            if step.lines[-1].error is None or before is self.base:
                break
        chosen = found[-1] if found[-1][1].error is None else found[0]
        return *chosen, found[-1][1].error

    CAME_BACK = (
        "this follows from your last true line, not from the wrong one before it, so the cell's own box shows a cross"
    )
    TERMS = "true but for terms without {}: begin such a line with ~"

    def _forgot_terms(self, parsed: cells.Parsed, using: list[Fact]) -> bool:
        """Whether a line that begins with "=" would be true with "~", where that is allowed."""
        if self.task.up_to is None or parsed.relation != "=":
            return False
        return self._compared(parsed._replace(relation="~"), using)[1].error is None

    NO_SLIP = "a wrong line before it is more than a slip, so the answer does not count"
    STANDS_IN = (
        "it has the form of the answer and follows from your line before; that one is wrong, so this is not the answer "
        "itself, but a slip costs its own line alone"
    )
    REPLACED = "it follows from your line before, which is wrong; the answer itself stands below"

    def _right(self, row: str, before: _At, goals: Sequence[int], came_back: bool, counts: bool) -> Said:
        new, last = [k for k in goals if k not in self.earned], len(self.task.goals) - 1
        if before.true and last in goals and self.stands_in is not None:  # the answer itself, after one of a slip
            old = self.said[self.stands_in]
            self.said[self.stands_in] = old._replace(points=old.points - self.task.answer.points, words=self.REPLACED)
            self.stands_in, new = None, [last]
        self.earned.update(goals)
        words = [self.task.goals[k].words for k in new]
        if before.true:
            about = self.CAME_BACK if came_back else ""
        elif new == [last]:
            words, about, self.stands_in = [], self.STANDS_IN, len(self.said)
        else:
            about = "this follows from your line before"
        about = about if counts else f"{about}; {self.NO_SLIP}"
        points = sum(self.task.goals[k].points for k in new)
        return Said(row, "right", points, "; ".join(filter(None, [" and ".join(words), about])))


def _slip(error: WrongStep) -> bool:
    """Whether one small edit would make the line true."""
    refusal = _refusal(error)
    return refusal is not None and refusal.repaired is not None


def _refusal(error: WrongStep) -> Refusal | None:
    """What the checker says of a line; of one that begins with "~" it stands in the error before."""
    said = [one.args[0] for one in (error, error.__context__) if isinstance(one, WrongStep)]
    return next((one for one in said if isinstance(one, Refusal)), None)


def _told(error: Exception | None, compared: str, factor: str) -> str:
    """Both numbers, the case, and where to look."""
    refusal = error.args[0] if error is not None else ""
    if not isinstance(refusal, Refusal):
        return str(refusal)
    before, here = refusal.values
    hint = factor or refusal.hint
    case = re.sub(r"^world \d+:\s+", "", refusal.world)
    return f"{compared} is {before}, and this one {here}, for example with {case}" + (
        f"\nlook at: {hint}" if hint else ""
    )
