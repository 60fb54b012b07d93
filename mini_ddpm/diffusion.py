"""The diffusion process: noising, its exact posterior, and what a network can predict.

Every function takes `alpha_bar_t` (and `alpha_bar_s` for an earlier time s < t), never an index, so a
chain that skips steps needs no other code. Coefficients arrive in float64 and are cast where they meet
an image.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from mini_ddpm.checks import check_chain
from mini_ddpm.schedules import NoiseSchedule


def like(coefficient: Tensor, x: Tensor) -> Tensor:
    """Cast a float64 coefficient to the dtype, then the device, of the image it multiplies."""
    if not x.is_floating_point():  # the coefficient would become 0
        raise ValueError(f"images must be floats in [-1, 1], not {x.dtype}: data.to_model makes them")
    return coefficient.to(x.dtype).to(x.device)


def q_sample(x_0: Tensor, eps: Tensor, alpha_bar_t: Tensor) -> Tensor:
    """Draw `x_t ~ q(x_t | x_0)` by mixing the image with standard normal noise.

    Args:
        x_0, eps: (B, C, H, W) image in [-1, 1] and noise of the same shape.
        alpha_bar_t: () or (B, 1, 1, 1) float64.

    Returns:
        (B, C, H, W). Source: DDPM, Eq. 4.
    """
    return like(alpha_bar_t.sqrt(), x_0) * x_0 + like((1 - alpha_bar_t).sqrt(), x_0) * eps


def step_beta(alpha_bar_t: Tensor, alpha_bar_s: Tensor) -> Tensor:
    """Variance that the forward process adds between times s and t: `1 - alpha_bar_t / alpha_bar_s`."""
    return 1 - alpha_bar_t / alpha_bar_s


def posterior_variance(alpha_bar_t: Tensor, alpha_bar_s: Tensor) -> Tensor:
    """`beta_tilde`, the variance of q(x_s | x_t, x_0); 0 at s = 0. Source: DDPM, Eq. 7, for any s < t."""
    return (1 - alpha_bar_s) / (1 - alpha_bar_t) * step_beta(alpha_bar_t, alpha_bar_s)


def q_posterior(x_0: Tensor, x_t: Tensor, alpha_bar_t: Tensor, alpha_bar_s: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of `q(x_s | x_t, x_0)`, the Gaussian that one reverse step imitates.

    Args:
        x_0, x_t: (B, C, H, W).
        alpha_bar_t, alpha_bar_s: () or (B, 1, 1, 1) float64, with s < t.

    Returns:
        mean (B, C, H, W), and variance in the shape and dtype of `alpha_bar_t`.

    Source: DDPM, Eq. 6 and 7, written for any pair s < t instead of s = t - 1.
    """
    beta = step_beta(alpha_bar_t, alpha_bar_s)
    from_x_0 = alpha_bar_s.sqrt() * beta / (1 - alpha_bar_t)
    from_x_t = (1 - beta).sqrt() * (1 - alpha_bar_s) / (1 - alpha_bar_t)
    mean = like(from_x_0, x_0) * x_0 + like(from_x_t, x_t) * x_t  # Eq. 7, DDPM
    return mean, posterior_variance(alpha_bar_t, alpha_bar_s)


# --- what the network predicts ------------------------------------------------------------------------


class Parameterization(NamedTuple):
    """What the network is asked for, and how to read x_0 out of its answer.

    Attributes:
        target: (x_0, eps, alpha_bar_t) -> what the network should output.
        to_x_0: (x_t, output, alpha_bar_t) -> the x_0 which that output stands for.
    """

    target: Callable[[Tensor, Tensor, Tensor], Tensor]
    to_x_0: Callable[[Tensor, Tensor, Tensor], Tensor]


def _x_0_from_eps(x_t: Tensor, eps: Tensor, alpha_bar_t: Tensor) -> Tensor:
    signal, noise = like(alpha_bar_t.sqrt(), x_t), like((1 - alpha_bar_t).sqrt(), x_t)
    return (x_t - noise * eps) / signal  # Eq. 4, DDPM, solved for x_0


def _velocity(x_0: Tensor, eps: Tensor, alpha_bar_t: Tensor) -> Tensor:
    return like(alpha_bar_t.sqrt(), x_0) * eps - like((1 - alpha_bar_t).sqrt(), x_0) * x_0


def _x_0_from_velocity(x_t: Tensor, v: Tensor, alpha_bar_t: Tensor) -> Tensor:
    return like(alpha_bar_t.sqrt(), x_t) * x_t - like((1 - alpha_bar_t).sqrt(), x_t) * v


predict_eps = Parameterization(target=lambda x_0, eps, alpha_bar_t: eps, to_x_0=_x_0_from_eps)
predict_x_0 = Parameterization(target=lambda x_0, eps, alpha_bar_t: x_0, to_x_0=lambda x_t, x_0, alpha_bar_t: x_0)
predict_v = Parameterization(target=_velocity, to_x_0=_x_0_from_velocity)  # 2202.00512, appendix D


def eps_from_x_0(x_t: Tensor, x_0: Tensor, alpha_bar_t: Tensor) -> Tensor:
    """The noise that turns x_0 into x_t: DDPM, Eq. 4, solved for eps. (B, C, H, W)."""
    return (x_t - like(alpha_bar_t.sqrt(), x_t) * x_0) / like((1 - alpha_bar_t).sqrt(), x_t)


# --- the variance of a reverse step ------------------------------------------------------------------

# (alpha_bar_t, alpha_bar_s, floor, rho) -> log variance. `rho` is the network's extra output, or None.
# At s = 0 beta_tilde is 0 and has no logarithm: there, `floor` takes its place.
Variance = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]


def fixed_small(alpha_bar_t: Tensor, alpha_bar_s: Tensor, floor: Tensor, rho: Tensor | None = None) -> Tensor:
    """`log beta_tilde`: exact if the data were a single point. Source: DDPM, section 3.2."""
    return torch.where(alpha_bar_s == 1, floor, posterior_variance(alpha_bar_t, alpha_bar_s)).log()


def fixed_large(alpha_bar_t: Tensor, alpha_bar_s: Tensor, floor: Tensor, rho: Tensor | None = None) -> Tensor:
    """`log beta`: exact if the data were N(0, I). Source: DDPM, section 3.2."""
    return torch.where(alpha_bar_s == 1, floor, step_beta(alpha_bar_t, alpha_bar_s)).log()


def learned_range(alpha_bar_t: Tensor, alpha_bar_s: Tensor, floor: Tensor, rho: Tensor | None = None) -> Tensor:
    """Between the two, where the network says: `f log beta + (1 - f) log beta_tilde`, f = (rho + 1) / 2.

    `rho` is (B, C, H, W), so the result is too. A fresh network outputs 0 and sits in the middle.
    Source: Improved DDPM, Eq. 15, with f for its v; the map from rho is the published code's.
    """
    if rho is None:
        raise ValueError("learned variance needs a network with variance channels (learned_variance=True)")
    f = (rho + 1) / 2
    log_beta = like(step_beta(alpha_bar_t, alpha_bar_s).log(), f)
    log_beta_tilde = like(fixed_small(alpha_bar_t, alpha_bar_s, floor), f)
    return f * log_beta + (1 - f) * log_beta_tilde


# --- one reverse process ------------------------------------------------------------------------------


class Prediction(NamedTuple):
    """What a network's output says about one time: `x_0` (B, C, H, W), and `rho` of that shape or None."""

    x_0: Tensor
    rho: Tensor | None


class Even(list[int]):
    """Evenly spaced times: the chain of a process that was given none of its own."""


@dataclass(frozen=True)
class Diffusion:
    """A schedule and the choices that turn a network into a reverse process.

    Attributes:
        schedule: the noise schedule.
        parameterization: what the network predicts.
        variance: log variance of a reverse step.
        clip: predicted x_0 is clamped to [-clip, clip] *before* it enters a mean; None for no clamp.
        steps: number of reverse steps of the chain; None keeps all T.
        timesteps: the chain's n+1 times from T down to 0: evenly spaced and rounded, or your own instead of `steps`.
            (Improved DDPM, section 4, spaces n times evenly from T to 1, and jumps from 1 to 0 at the end.)

    Raises:
        ValueError: there is no such clip or number of steps, or your own times don't fall from T to 0.
    """

    schedule: NoiseSchedule
    parameterization: Parameterization = predict_eps
    variance: Variance = fixed_large
    clip: float | None = 1.0
    steps: int | None = None
    timesteps: list[int] = field(default_factory=Even, repr=False, hash=False)

    def __post_init__(self) -> None:
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip must be above 0, or None, not {self.clip}")
        T, n = self.schedule.T, self.schedule.T if self.steps is None else self.steps
        if not (isinstance(n, int) and 1 <= n <= T):
            raise ValueError(f"steps must be between 1 and T={T}, and whole, not {n}")
        if isinstance(self.timesteps, Even):
            object.__setattr__(self, "timesteps", Even(round(T * i / n) for i in range(n, -1, -1)))
        elif self.steps is not None:
            raise ValueError("a chain has steps or timesteps of its own, not both: leave one out")
        else:
            check_chain(self.timesteps, T)

    @cached_property
    def floor(self) -> Tensor:
        """Stands for beta_tilde at s = 0, where that is 0: beta_tilde one step earlier. () float64.

        A chain of a single step has no earlier one and takes its beta.
        """
        *_, t, s = self.timesteps if len(self.timesteps) == 2 else self.timesteps[:-1]
        alpha_bar_t, alpha_bar_s = self.schedule.at(t), self.schedule.at(s)
        return posterior_variance(alpha_bar_t, alpha_bar_s) if s > 0 else step_beta(alpha_bar_t, alpha_bar_s)

    def predict(self, model: Callable[[Tensor, Tensor], Tensor], x_t: Tensor, t: Tensor) -> Prediction:
        """Run the network at times t (B,) and read x_0 (clamped) and rho out of its output."""
        output = model(x_t, t).to(x_t.dtype)
        C = x_t.shape[1]
        x_0 = self.parameterization.to_x_0(x_t, output[:, :C], self.schedule.at(t))
        rho = output[:, C:] if output.shape[1] > C else None
        return Prediction(x_0 if self.clip is None else x_0.clamp(-self.clip, self.clip), rho)

    def p_log_variance(self, t: Tensor | int, s: Tensor | int, rho: Tensor | None = None) -> Tensor:
        """Log variance of p(x_s | x_t) under the chosen `variance`. float64, or rho's dtype if learned."""
        return self.variance(self.schedule.at(t), self.schedule.at(s), self.floor, rho)

    def to(self, device: torch.device) -> "Diffusion":
        """The same process with its tables on `device`."""
        return replace(self, schedule=self.schedule.to(device))
