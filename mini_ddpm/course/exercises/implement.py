"""Exercises in which one writes a part of a diffusion model, as a function of tensors."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from mini_ddpm.course.exercises.kinds import Exercise


def _tried(function: Callable, case: tuple) -> Tensor:
    torch.manual_seed(0)  # a function that draws noise draws the same as the other one
    with torch.no_grad():
        return torch.as_tensor(function(*case))


class Implement(Exercise):
    """A function, tried on `cases`, their names and arguments: it must give what `answer` gives, up to `within`."""

    kind = "implement"

    def __init__(
        self,
        statement: str,
        answer: Callable,
        why: str,
        hints: Sequence[str],
        mistakes: Sequence[tuple[Callable, str]] = (),
        *,
        cases: Mapping[str, tuple],
        within: float = 1e-4,
    ) -> None:
        super().__init__(statement, answer, why, hints, mistakes)
        self.cases, self.within = cases, within

    def outcome(self, function: Callable, case: tuple) -> Tensor:
        """What comes of a function in a case: what it returns."""
        return _tried(function, case)

    def fault(self, answer: Callable) -> str | None:
        """The first case that differs, and by how much; or what the function raised."""
        if not callable(answer):
            return "Give the function itself: its name, with no brackets after it."
        for name, case in self.cases.items():
            right = self.outcome(self.answer, case)
            try:
                given = self.outcome(answer, case)
            except Exception as error:  # a learner's code may raise anything, and is told what
                return f"{name}: {type(error).__name__}: {error}"
            if given.shape != right.shape:
                return f"{name}: the shape is {tuple(given.shape)}, not {tuple(right.shape)}."
            off = float((given.double() - right.double()).abs().max())  # True is 1
            if not off <= self.within:
                return f"{name}: off by up to {off:.2g}; the right numbers reach {float(right.abs().max()):.2g}."
        return None

    def same(self, mistake: Callable, answer: Callable) -> bool:
        """The same numbers in every case."""
        for case in self.cases.values():
            one, other = (self.outcome(one, case).double() for one in (mistake, answer))  # of any precision
            if one.shape != other.shape or not torch.allclose(one, other, atol=self.within):
                return False
        return True
