"""The way of a student through a derivation: each line compared with the one before it, or with the last true one."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from sympy import Expr

from mini_ddpm.labs.slips import forgotten
from mini_ddpm.symbolic import Derivation, Fact, Unchecked, cells
from mini_ddpm.symbolic.complaints import Refusal
from mini_ddpm.symbolic.derivation import Line, OnlyConstants
from mini_ddpm.symbolic.reading import UnknownName

if TYPE_CHECKING:
    from mini_ddpm.labs.lines import Lines


class Said(NamedTuple):
    """What is said of a line: "right", "wrong", "given", or "unread" if it could not be compared; and its points."""

    source: str
    verdict: str
    points: float
    words: str


class _At(NamedTuple):
    """Where a derivation stands: how many goals are reached, if its line is true, and if all wrong lines are slips.

    Goals that a wrong line had are `owed` to the next right one if they are no merit of the slip, else `easy`.
    """

    line: Expr
    reached: int = 0
    true: bool = True
    slips: bool = True
    owed: tuple[int, ...] = ()
    easy: tuple[int, ...] = ()


class Walk:
    """One way through a derivation, line after line."""

    def __init__(self, task: "Lines") -> None:
        self.task = task
        self.at = self.base = _At(task.start)  # the line before, and the last one that is true
        self.earned: set[int] = set()
        self.said: list[Said] = []
        self.stands_in: int | None = None  # the line that is paid for the answer, and follows from a slip
        self.price = 0  # of the slip, if that line would have earned all that is left
        self.signs = False  # whether "=" stood for "~" already
        self.wrong = 0  # the last line that is wrong, counted from 1

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
        sign = isinstance(line.error, OnlyConstants)
        if line.error is not None and not (sign and self.signs):
            return self._wrong(row, before, now, line, told, goals)
        owed = [k for k in before.owed if self.task.has(k, line.written)] if not goals else []
        if not before.true and line.expr == before.line:
            owed = []  # a wrong line said again
        came_back, old = before is not self.at, before.owed if not (goals or owed) else ()
        self.at = now._replace(owed=old)
        self.base = self.at if now.true else self.base
        said = self._right(row, before, line, goals or owed, came_back, counts or not self.task.answers(line.written))
        return said._replace(words="; ".join(filter(None, [said.words, str(line.error) * sign])))

    def _wrong(self, row: str, before: _At, now: _At, line: Line, told: Exception | None, goals: Sequence[int]) -> Said:
        """A wrong line: those after it may follow from it. "=" for "~" is said, and costs a form, once."""
        forms = [k for k in goals if self.task.goals[k] is not self.task.answer]
        if isinstance(line.error, OnlyConstants):
            self.signs = True
            self.at = now._replace(owed=(*before.owed, *forms))
            self.base = self.at if now.true else self.base
            return Said(row, "wrong", 0, str(line.error))
        slip, words, mended = self._slip(before, line, bool(forms))
        owed = [k for k in forms if mended is not None and self.task.has(k, mended)]
        self.at = now._replace(
            true=False,
            slips=before.slips and slip,
            owed=(*before.owed, *owed) if slip else (),
            easy=tuple(k for k in forms if k not in owed) if slip else (),
        )
        self.wrong = len(self.said) + 1
        compared = "the line before" if before.true else "your last true line"
        return Said(row, "wrong", 0, _told(told, compared, words * before.true))

    def _slip(self, before: _At, line: Line, forms: bool) -> tuple[bool, str, Expr | None]:
        """Whether one small edit makes a wrong line true; where to look, if the checker does not say; and that line."""
        known = False
        if (refusal := _refusal(line.error)) is not None and refusal.repaired is not None:
            known = True
            if not (refusal.place and forms):
                return True, "", None if refusal.place else refusal.repaired
        up_to = self.task.up_to if line.relation == "~" else None
        words, mended = forgotten(self.task.theory, before.line, line.written, up_to)
        return known or mended is not None, words, mended

    def _read(self, row: str) -> tuple[cells.Parsed, list[Fact]]:
        try:
            parsed = cells.read_row(row, self.task.names)
        except ValueError as error:
            if not isinstance(error, UnknownName):
                raise
            known = ", ".join(self.task.names)
            raise ValueError(f"{error.args[1]}: there is no such name here. You may use {known}") from None
        allowed = ("=",) if self.task.up_to is None else ("=", "~")
        if parsed.relation not in allowed:
            raise ValueError(f"a line begins with {' or '.join(allowed)}")
        if strange := [name for name in parsed.using if name not in self.task.using]:
            raise ValueError(f"[{strange[0]}] is no fact that may be used here")
        return parsed, [self.task.using[name] for name in parsed.using]

    def _compared(self, parsed: cells.Parsed, using: list[Fact]) -> tuple[_At, Line, Exception | None]:
        """The line after the one before it or, if that fails, after the last true one; and where it began.

        If both fail the last thing is why it does not follow from the last true one: a hint to a wrong line misleads.
        The answer may be true although a wrong line stands before it.
        """
        found: list[tuple[_At, Line]] = []
        for before in (self.at, self.base):
            step = Derivation(self.task.theory, before.line, up_to=self.task.up_to)
            written = parsed.written, parsed.source
            step.try_step(parsed.expr, parsed.because, using, parsed.relation or "=", written)
            found.append((before, step.lines[-1]))
            if before is self.base or (step.lines[-1].error is None and not self.task.answers(parsed.written)):
                break
        good = [one for one in reversed(found) if one[1].error is None]
        near = [one for one in found if isinstance(one[1].error, OnlyConstants)]
        return *(good or near or found)[0], found[-1][1].error

    CAME_BACK = (
        "this follows from your last true line, not from the wrong one before it, so the cell's own box shows a cross"
    )
    NO_SLIP = "a wrong line before it is more than a slip, so the answer does not count"
    STANDS_IN = (
        "it has the form of the answer and follows from your line before; that one is wrong, so this is not the answer "
        "itself, but after a slip it counts"
    )
    REPLACED = "it follows from your line before, which is wrong; the answer itself stands below"
    EASY = 'this line has the form "{}" by the slip in a line before, so that is not paid: mend that line'

    def _right(self, row: str, before: _At, line: Line, goals: Sequence[int], came_back: bool, counts: bool) -> Said:
        new, last = [k for k in goals if k not in self.earned], len(self.task.goals) - 1
        if before.true and last in goals and self.stands_in is not None:  # the answer itself, after one of a slip
            old = self.said[self.stands_in]
            self.said[self.stands_in] = old._replace(
                points=old.points - self.task.answer.points + self.price, words=self.REPLACED
            )
            self.stands_in, new = None, [*(k for k in new if k != last), last]
        self.earned.update(goals)
        words = [self.task.goals[k].words for k in new if before.true or k != last]
        easy = [
            self.task.goals[k].words for k in before.easy if k not in self.earned and self.task.has(k, line.written)
        ]
        if before.true:
            about = self.CAME_BACK if came_back else ""
        elif last in new:
            about, self.stands_in = self.STANDS_IN, len(self.said)
        else:
            about = "; ".join(["this follows from your line before", *map(self.EASY.format, easy)])
        about = about if counts else f"{about}; {self.NO_SLIP}"
        points = sum(self.task.goals[k].points for k in new)
        if self.stands_in == len(self.said) and len(self.earned) == len(self.task.goals):
            self.price, about = 1, f"{about}; the slip costs a point"
            points -= self.price
        return Said(row, "right", points, "; ".join(filter(None, [" and ".join(words), about])))

    SLIPPED = (
        "what follows from line {0} does not have the answer's form; if that is because of the slip there, mend "
        "line {0}"
    )

    def lacks(self) -> str:
        """What is not the answer yet, as a sentence."""
        if not self.at.true and self.at.slips and self.said[-1].verdict == "right":
            return self.SLIPPED.format(self.wrong)
        none = self.base.line == self.task.start
        return self.task.lacks(self.base.line) if not none or not self.earned else ""


def _refusal(error: Exception | None) -> Refusal | None:
    """What the checker says of a line."""
    return error.args[0] if error is not None and isinstance(error.args[0], Refusal) else None


def _told(error: Exception | None, compared: str, factor: str) -> str:
    """Both numbers, the case, and where to look."""
    if (refusal := _refusal(error)) is None:
        return str(error or "")
    before, here = refusal.values
    hint = factor or refusal.hint
    case = re.sub(r"^world \d+:\s+", "", refusal.world)
    what = f"{refusal.place} in {compared}" if refusal.place else compared
    rows = [
        f"{what} is {before}, and in this one {here}" if refusal.place else f"{what} is {before}, and this one {here}"
    ]
    rows[0] += f", for example with {case}"
    return "\n".join([*rows, *[f"look at: {hint}"] * bool(hint)])
