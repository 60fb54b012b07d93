"""Exact answers: data for which the best possible network is known in closed form."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from mini_ddpm.diffusion import Diffusion, like


def gaussian_denoiser(diffusion: Diffusion, mean: float, variance: float) -> Callable[[Tensor, Tensor], Tensor]:
    """The optimal network for pixels that are independent N(mean, variance), in the process's own target.

    E[x_0 | x_t] for jointly Gaussian x_0 and x_t, and from it the target that belongs to it.
    """

    def model(x_t: Tensor, t: Tensor) -> Tensor:
        alpha_bar_t = diffusion.schedule.at(t)
        gain = like(variance * alpha_bar_t.sqrt() / (variance * alpha_bar_t + 1 - alpha_bar_t), x_t)
        x_0 = mean + gain * (x_t - like(alpha_bar_t.sqrt(), x_t) * mean)
        eps = (x_t - like(alpha_bar_t.sqrt(), x_t) * x_0) / like((1 - alpha_bar_t).sqrt(), x_t)
        return diffusion.parameterization.target(x_0, eps, alpha_bar_t)

    return model


def single_image_denoiser(diffusion: Diffusion, image: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """The optimal network for a data set of one image (C, H, W)."""

    def model(x_t: Tensor, t: Tensor) -> Tensor:
        alpha_bar_t = diffusion.schedule.at(t)
        x_0 = image.expand_as(x_t)
        eps = (x_t - like(alpha_bar_t.sqrt(), x_t) * x_0) / like((1 - alpha_bar_t).sqrt(), x_t)
        return diffusion.parameterization.target(x_0, eps, alpha_bar_t)

    return model


def gaussian_chain_variance(diffusion: Diffusion, data_variance: float) -> float:
    """Variance of the last x of an ancestral chain with the optimal denoiser for N(0, data_variance), exactly.

    Every step is linear in x_t, so variances follow a scalar recursion; no noise enters at s = 0.
    """
    total = torch.tensor(1.0, dtype=torch.float64)  # x_T ~ N(0, 1)
    times = diffusion.timesteps
    for t, s in pairwise(times):
        a_t, a_s = diffusion.schedule.at(t), diffusion.schedule.at(s)
        beta = 1 - a_t / a_s
        gain = data_variance * a_t.sqrt() / (data_variance * a_t + 1 - a_t)  # of x_0 on x_t
        slope = a_s.sqrt() * beta / (1 - a_t) * gain + (1 - beta).sqrt() * (1 - a_s) / (1 - a_t)
        noise = diffusion.p_log_variance(t, s).exp() if s else 0.0
        total = slope**2 * total + noise
    return float(total)
