"""Samplers, right and wrong in the usual ways, for the exercises of notebook 08."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mini_ddpm.course import p08
from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.diffusion import Diffusion, predict_x_0
from mini_ddpm.losses import Model
from mini_ddpm.sampling import Step, ddim_step, times
from mini_ddpm.schedules import NoiseSchedule, cosine_betas


class StepFunction(Implement):
    """A step function. First x_s is compared; if that is right, what else its `Step` holds."""

    def outcome(self, function: Callable, case: tuple) -> Tensor:
        """x_s, of a `Step` or alone."""

        def x_s(*arguments: Any) -> Tensor:
            state = function(*arguments)
            return state.x_t if isinstance(state, Step) else state

        return super().outcome(x_s, case)

    def fault(self, answer: Callable) -> str | None:
        """The first case that differs, in x_s, then in the time, then in the guess."""
        if words := super().fault(answer):
            return words
        for name, (*given, s) in self.cases.items():
            with torch.no_grad():
                state, right = answer(*given, s), self.answer(*given, s)
            if not isinstance(state, Step):
                return (
                    f"{name}: x_s is right. Return it in a `Step(s, x_s, x_0)`, not alone: `sample` asks for all three."
                )
            if state.t != s:
                return f"{name}: x_s is right. `Step` begins with the time it has gone to, {s}; yours with {state.t}."
            if not torch.allclose(state.x_0, right.x_0, atol=self.within):
                return f"{name}: x_s is right, and the `x_0` of your `Step` is not the guess that it was made with."
        return None


# --- DDIM -----------------------------------------------------------------------------------------------------


def ddim(x_0: Tensor, x_t: Tensor, a_t: Tensor, a_s: Tensor, eta: float, z: Tensor) -> Tensor:
    eps = (x_t - a_t.sqrt() * x_0) / (1 - a_t).sqrt()
    variance = eta**2 * beta_tilde(a_t, a_s)
    return a_s.sqrt() * x_0 + (1 - a_s - variance).sqrt() * eps + variance.sqrt() * z


def beta_tilde(a_t: Tensor, a_s: Tensor) -> Tensor:
    return (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)


def mixed(x_0: Tensor, x_t: Tensor, a_t: Tensor, a_s: Tensor, old: Tensor, fresh: Tensor, z: Tensor) -> Tensor:
    eps = (x_t - a_t.sqrt() * x_0) / (1 - a_t).sqrt()
    return a_s.sqrt() * x_0 + old * eps + fresh * z


def no_room(x_0: Tensor, x_t: Tensor, a_t: Tensor, a_s: Tensor, eta: float, z: Tensor) -> Tensor:
    return mixed(x_0, x_t, a_t, a_s, (1 - a_s).sqrt(), eta * beta_tilde(a_t, a_s).sqrt(), z)


def eta_not_squared(x_0: Tensor, x_t: Tensor, a_t: Tensor, a_s: Tensor, eta: float, z: Tensor) -> Tensor:
    variance = eta * beta_tilde(a_t, a_s)
    return mixed(x_0, x_t, a_t, a_s, (1 - a_s - variance).sqrt(), variance.sqrt(), z)


def beta(x_0: Tensor, x_t: Tensor, a_t: Tensor, a_s: Tensor, eta: float, z: Tensor) -> Tensor:
    variance = eta**2 * (1 - a_t / a_s)
    return mixed(x_0, x_t, a_t, a_s, (1 - a_s - variance).clamp(min=0).sqrt(), variance.sqrt(), z)


def variance_for_deviation(x_0: Tensor, x_t: Tensor, a_t: Tensor, a_s: Tensor, eta: float, z: Tensor) -> Tensor:
    variance = eta**2 * beta_tilde(a_t, a_s)
    return mixed(x_0, x_t, a_t, a_s, (1 - a_s - variance).sqrt(), variance, z)


def x_t_for_noise(x_0: Tensor, x_t: Tensor, a_t: Tensor, a_s: Tensor, eta: float, z: Tensor) -> Tensor:
    variance = eta**2 * beta_tilde(a_t, a_s)
    return a_s.sqrt() * x_0 + (1 - a_s - variance).sqrt() * x_t + variance.sqrt() * z


def fixed(seed: int) -> Tensor:
    return torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SCHEDULE = NoiseSchedule.from_betas(cosine_betas(1000))
DDIM_CASES = {
    f"t = {now}, s = {then}, eta = {eta}": (
        fixed(0).clamp(-1, 1),
        fixed(1),
        SCHEDULE.at(now),
        SCHEDULE.at(then),
        eta,
        fixed(2),
    )
    for now, then, eta in ((800, 600, 0.0), (800, 600, 1.0), (400, 300, 0.5), (40, 0, 1.0))
}


# --- Heun -----------------------------------------------------------------------------------------------------


def second_alone(diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int) -> Step:
    guess = ddim_step(diffusion, model, x_t, t, s)
    if s == 0:
        return guess
    again = diffusion.predict(model, guess.x_t, times(x_t, s)).x_0
    return guess._replace(x_t=p08.towards(diffusion, x_t, again, t, s))


def from_the_guess(diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int) -> Step:
    guess = ddim_step(diffusion, model, x_t, t, s)
    if s == 0:
        return guess
    x_0 = (guess.x_0 + diffusion.predict(model, guess.x_t, times(x_t, s)).x_0) / 2
    return guess._replace(x_t=p08.towards(diffusion, guess.x_t, x_0, t, s))


def same_time(diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int) -> Step:
    guess = ddim_step(diffusion, model, x_t, t, s)
    if s == 0:
        return guess
    x_0 = (guess.x_0 + diffusion.predict(model, guess.x_t, times(x_t, t)).x_0) / 2
    return guess._replace(x_t=p08.towards(diffusion, x_t, x_0, t, s))


def peaked(x_t: Tensor, t: Tensor) -> Tensor:
    """A stand-in for a network: the best guess for images of -1 and +1."""
    a = SCHEDULE.at(t).to(x_t.dtype)
    return torch.tanh(a.sqrt() * x_t / (1 - a))


PROCESS = Diffusion(SCHEDULE, predict_x_0)


# --- guidance on an interval ----------------------------------------------------------------------------------


def guided(with_label: Tensor, without: Tensor, t: Tensor, scale: float, low: int, high: int) -> Tensor:
    inside = ((low < t) & (t <= high)).reshape(-1, 1, 1, 1)
    return torch.where(inside, without + scale * (with_label - without), with_label)


def no_label_outside(with_label: Tensor, without: Tensor, t: Tensor, scale: float, low: int, high: int) -> Tensor:
    inside = ((low < t) & (t <= high)).reshape(-1, 1, 1, 1)
    return torch.where(inside, without + scale * (with_label - without), without)


def from_the_label(with_label: Tensor, without: Tensor, t: Tensor, scale: float, low: int, high: int) -> Tensor:
    inside = ((low < t) & (t <= high)).reshape(-1, 1, 1, 1)
    return torch.where(inside, with_label + scale * (with_label - without), with_label)


def turned_inside_out(with_label: Tensor, without: Tensor, t: Tensor, scale: float, low: int, high: int) -> Tensor:
    outside = ((t <= low) | (high < t)).reshape(-1, 1, 1, 1)
    return torch.where(outside, without + scale * (with_label - without), with_label)


def first_decides(with_label: Tensor, without: Tensor, t: Tensor, scale: float, low: int, high: int) -> Tensor:
    return without + scale * (with_label - without) if low < int(t[0]) <= high else with_label


ANSWERS = fixed(3), fixed(4)
