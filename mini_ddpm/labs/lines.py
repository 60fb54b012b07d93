"""Derivations marked line by line.

A derivation has *goals* on its way, forms that a line should have ("one mean is left"), and an *answer*, the form of
the last line. A line is right if the checker accepts it after the line before it. A right line earns the points of the
furthest goal that it is the first to reach, and of the goal before that one if it has both forms at once. The answer's
line earns the answer's points alone: a jump to it shows nothing else. What is already reached earns nothing again.

After a wrong line the next one is compared with it, as the student went on from it; or with the last true line, if the
student came back to that. Goals on the way then count as ever. What a wrong line has itself is earned by the next right
line if that has no further form, the wrong line is a slip (one small edit away from a true one), and that true line has
the form, too: so nobody gains by a slip. The answer counts if it is true, or if every wrong line was a slip; a point
less if otherwise nothing would be lost. If both come, the true one is called the answer.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sympy import Expr

from mini_ddpm.labs.forms import Answer, Goal
from mini_ddpm.labs.walk import Said, Walk
from mini_ddpm.symbolic import Fact, Theory, cells
from mini_ddpm.symbolic.answers import Unfinished, check_form

ALONE = ", on a line of its own"  # a form that the answer has, too


class Marked(NamedTuple):
    """What is said of all lines, the goals that no line has earned, what the last true line lacks, and what it has."""

    lines: list[Said]
    missed: list[Goal | Answer]
    unfinished: str
    passed: Sequence[Goal | Answer] = ()

    @property
    def points(self) -> float:
        """Of all lines."""
        return sum(line.points for line in self.lines)

    def __str__(self) -> str:
        rows = []
        for k, line in enumerate(self.lines, 1):
            head = f"line {k}  {line.verdict:6} {f'+{line.points:g}' if line.points else '':4} {line.source}"
            rows += [head.rstrip(), *(f"        {words}" for words in line.words.splitlines())]
        rows += [f"not reached ({one.points:g}): {one.words}{ALONE * (one in self.passed)}" for one in self.missed]
        rows += [self.unfinished] * bool(self.unfinished)
        return "\n".join(rows)


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
        theory.letters.update(names)  # the box under a derivation knows these names, too

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
        walk = Walk(self)
        for k, row in enumerate(rows):
            walk.said.append(walk.first(row) if k == 0 and not cells.RELATION.match(row) else walk.go(row))
        missed = [goal for k, goal in enumerate(self.goals) if k not in walk.earned]
        unpaid = self.answer in missed and len(walk.said) > 1
        passed = [goal for goal in missed if not unpaid and goal.has(walk.at.line)]
        return Marked(walk.said, missed, walk.lacks() if unpaid else "", passed)

    def reaches(self, line: Expr, reached: int, answer: bool = True) -> list[int]:
        """The last goal after those that are reached whose form a line has, and the one before it if it has both.

        The answer's form counts as one only if `answer` is true.
        """
        goals = range(reached, len(self.goals) - (not answer))
        last = next((k for k in reversed(goals) if self.has(k, line)), None)
        if last is None or (self.goals[last] is self.answer and (self.answer.alone or not reached)):
            return [] if last is None else [last]
        return [k for k in (last - 1, last) if k >= reached and self.has(k, line)]

    def answers(self, line: Expr) -> bool:
        """Whether a line has the answer's form."""
        return not self._unfinished(line)

    def lacks(self, line: Expr) -> str:
        """What the last true line has not, as a sentence."""
        if line == self.start:
            return "so far no line of yours is both true and new"
        why = self._unfinished(line)
        lacks = f"; it lacks: {re.sub('^the answer[:,] ', '', why)}" if why == self.answer.words else f": {why}"
        return f"your last true line is not the answer yet{lacks}" if why else ""

    def has(self, k: int, line: Expr) -> bool:
        """Whether a line has the form of a goal."""
        return self.answers(line) if self.goals[k] is self.answer else bool(self.goals[k].has(line))

    def _unfinished(self, line: Expr) -> str:
        """What keeps a line from having the answer's form."""
        answer = self.answer
        try:
            # names that the teacher defined are the answer's words, so they are not looked through
            check_form(Theory(), self.start, line, answer.without, answer.only)
        except Unfinished as error:
            return str(error)
        return "" if answer.has(line) else answer.words
