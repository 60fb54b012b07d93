"""The kinds of exercises: each knows how to tell a right answer from a wrong one."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from sympy import Expr

from mini_ddpm.symbolic import Derivation, Theory, Unchecked, WrongStep
from mini_ddpm.symbolic.answers import Unfinished
from mini_ddpm.symbolic.complaints import Refusal


class Reply(NamedTuple):
    """What is said to an answer; true if it is right."""

    right: bool
    words: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return f"{'Right' if self.right else 'Not yet'}. {self.words}".rstrip()


class Exercise(ABC):
    """What all kinds have.

    Args:
        statement: what is asked, in Markdown.
        answer: a right answer.
        why: the solution in words, in Markdown.
        hints: from a nudge to nearly the answer.
        mistakes: wrong answers that people give, each with what it shows.
    """

    kind: str

    def __init__(
        self, statement: str, answer: Any, why: str, hints: Sequence[str], mistakes: Sequence[tuple[Any, str]] = ()
    ) -> None:
        self.statement, self.answer, self.why = statement, answer, why
        self.hints, self.mistakes = tuple(hints), tuple(mistakes)
        self.number, self.shown = "", 0

    def numbered(self, number: str) -> "Exercise":
        """This one under its number, with all hints ahead."""
        mine = copy.copy(self)
        mine.number, mine.shown = number, 0
        return mine

    def check(self, *answers: Any) -> Reply:
        """Whether an answer, one thing or several, is right; of a wrong one, what it shows."""
        answer = answers[0] if len(answers) == 1 else answers
        words = self.fault(answer)
        if words is None:
            return Reply(True, self.praise(answer))
        known = next((diagnosis for mistake, diagnosis in self.mistakes if self._is(mistake, answer)), "")
        return Reply(False, known or words)

    def _is(self, mistake: Any, answer: Any) -> bool:
        try:
            return self.same(mistake, answer)
        except Exception:  # what is no answer at all is no known mistake
            return False

    @abstractmethod
    def fault(self, answer: Any) -> str | None:
        """What is wrong with an answer; None if it is right."""

    @abstractmethod
    def same(self, mistake: Any, answer: Any) -> bool:
        """Whether an answer is this mistake."""

    def praise(self, answer: Any) -> str:
        """What to add to "Right"."""
        return ""

    def hint(self) -> str:
        """One hint more."""
        self.shown = min(self.shown + 1, len(self.hints))
        left = len(self.hints) - self.shown
        return f"Hint {self.shown} of {len(self.hints)}: {self.hints[self.shown - 1]}" + (
            "" if left else "  (The next is q.solution().)"
        )

    def solution(self) -> "Solution":
        """The answer, and why."""
        return Solution(self.number, self.why)

    def _repr_markdown_(self) -> str:
        return f"**Exercise {self.number}** ({self.kind}). {self.statement}"

    def __repr__(self) -> str:
        return f"Exercise {self.number} ({self.kind})"


class Solution(NamedTuple):
    """The text of a solution."""

    number: str
    why: str

    def _repr_markdown_(self) -> str:
        return f"**Solution {self.number}.** {self.why}"

    def __repr__(self) -> str:
        return f"Solution {self.number}: {self.why}"


def _told(why: object) -> str:
    """The complaint of the checker, in few words."""
    if not isinstance(why, Refusal):
        return f"{str(why)[:1].upper()}{str(why)[1:]}"
    asked, yours = why.values
    return f"In one case the right answer is {asked}, and yours {yours}." + (
        f" Look at: {why.hint}" if why.hint else ""
    )


class Derive(Exercise):
    """Another form of an expression, held to a form: `without` and `only` as in `Derivation.answer`."""

    kind = "derive"

    def __init__(
        self,
        statement: str,
        answer: Expr,
        why: str,
        hints: Sequence[str],
        mistakes: Sequence[tuple[Expr, str]] = (),
        *,
        theory: Theory,
        question: Expr,
        using: Sequence = (),
        without: Sequence = (),
        only: Sequence | None = None,
    ) -> None:
        super().__init__(statement, answer, why, hints, mistakes)
        self.theory, self.question, self.using = theory, question, using
        self.without, self.only = without, only
        self.mark = ""  # of the last right answer

    def _answered(self, answer: Expr) -> Derivation:
        asked = Derivation(self.theory, self.question)
        return asked.answer(answer, using=self.using, without=self.without, only=self.only)

    def fault(self, answer: Expr) -> str | None:
        """What the checker says; what is true and has another form is told so."""
        try:
            self.mark = self._answered(answer).lines[-1].mark
        except Unfinished as error:
            return f"That is true, but {error}."
        except (WrongStep, Unchecked, TypeError) as error:
            return _told(error.args[0])
        return None

    def same(self, mistake: Expr, answer: Expr) -> bool:
        """Equal in every world."""
        try:
            return not self.theory.disagreement(mistake, answer)
        except (WrongStep, Unchecked):
            return False

    def praise(self, answer: Expr) -> str:
        """How well it is known."""
        return f"The checker has {self.mark} it."


class Predict(Exercise):
    """A number, or several, guessed before they are computed; `within` says how near is near enough."""

    kind = "predict"

    def __init__(
        self,
        statement: str,
        answer: float | Sequence[float],
        why: str,
        hints: Sequence[str],
        mistakes: Sequence[tuple[float | Sequence[float], str]] = (),
        *,
        within: float,
    ) -> None:
        super().__init__(statement, answer, why, hints, mistakes)
        self.within = within

    def fault(self, answer: float | Sequence[float]) -> str | None:
        """Too small, too large, or not as many numbers as were asked for."""
        right = _several(self.answer)
        try:
            given = _several(answer)
        except (TypeError, ValueError):
            given = []
        if len(given) != len(right):
            return f"Give {len(right)} numbers." if len(right) > 1 else "Give one number."
        off = [k for k, (one, true) in enumerate(zip(given, right, strict=True)) if not abs(one - true) <= self.within]
        if not off:
            return None
        which = f"Number {off[0] + 1} is" if len(right) > 1 else "That is"
        return f"{which} too {'large' if given[off[0]] > right[off[0]] else 'small'}."

    def same(self, mistake: float | Sequence[float], answer: float | Sequence[float]) -> bool:
        """As near as a right answer must be."""
        a, b = _several(mistake), _several(answer)
        return len(a) == len(b) and all(abs(one - other) <= self.within for one, other in zip(a, b, strict=True))

    def praise(self, answer: float | Sequence[float]) -> str:
        """The exact number."""
        return f"Exactly: {', '.join(map(_told_number, _several(self.answer)))}."


def _several(answer: float | Sequence[float]) -> list[float]:
    """The numbers of an answer, one or more: of a tuple, a list, an array or a tensor, too."""
    found: Any = answer.tolist() if hasattr(answer, "tolist") else answer
    return [float(number) for number in (found if isinstance(found, (list, tuple)) else [found])]


def _told_number(number: float) -> str:
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:.4g}"


class Choose(Exercise):
    """Which of several: a line of a program with a fault, say. Every wrong choice is a mistake with its diagnosis."""

    kind = "choose"

    def fault(self, answer: object) -> str | None:
        """A choice that was not there, or the wrong one."""
        if self.same(self.answer, answer):
            return None
        choices = [str(choice) for choice in (self.answer, *(mistake for mistake, _ in self.mistakes))]
        return f"Choose one of {', '.join(sorted(choices, key=lambda choice: (len(choice), choice)))}."

    def same(self, mistake: object, answer: object) -> bool:
        """The same choice; a letter may be small or large."""
        return str(mistake).upper() == str(answer).strip().upper()


class Debug(Choose):
    """Which line is wrong?"""

    kind = "debug"
