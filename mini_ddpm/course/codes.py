"""What a chain pays above the true cost of its data, exactly, for notebook 11: data on a line, the best Gaussian step.

The true step back, q(x_s | x_t), is known for a mixture of Gaussians. The best Gaussian in its place has its mean and
its variance at every x_t; what that costs is the divergence of the two. Entropies and divergences are in bits.
"""

import math

import torch
from torch import Tensor

from mini_ddpm.course.toys import Mixture
from mini_ddpm.diffusion import posterior_variance, step_beta
from mini_ddpm.schedules import NoiseSchedule

GRID = torch.linspace(-8, 8, 6401, dtype=torch.float64)
BITS = 1 / math.log(2)


def _on_a_line(weights: list[float], means: list[float], variance: float) -> Mixture:
    columns = torch.tensor(means, dtype=torch.float64)[:, None]
    return Mixture(torch.tensor(weights, dtype=torch.float64), columns, variance)


ONE_BELL = _on_a_line([1.0], [0.0], 0.04)
TWO_CLUSTERS = _on_a_line([0.5, 0.5], [-0.5, 0.5], 0.01)


def entropy(data: Mixture, alpha_bar_t: Tensor) -> Tensor:
    """Of x_t, as a density: ()."""
    density = data.density(GRID[:, None], float(alpha_bar_t))
    return -torch.trapezoid(torch.xlogy(density, density), GRID) * BITS


def of_bell(variance: Tensor) -> Tensor:
    """The entropy of a Gaussian."""
    return (2 * math.pi * math.e * variance).log() / 2 * BITS


def spread(data: Mixture, x_t: Tensor, alpha_bar_t: Tensor) -> Tensor:
    """The variance of x_0 at x_t (n,), for data of one dimension: (n,)."""
    joint = data._log_joint(x_t[:, None], alpha_bar_t)
    share, a = torch.softmax(joint, dim=1), alpha_bar_t
    whole = a * data.variance + 1 - a
    means = data.means.T + a.sqrt() * data.variance / whole * (x_t[:, None] - a.sqrt() * data.means.T)
    mean = (share * means).sum(dim=1, keepdim=True)
    return data.variance * (1 - a) / whole + (share * (means - mean) ** 2).sum(dim=1)


def step_variance(data: Mixture, x_t: Tensor, alpha_bar_t: Tensor, alpha_bar_s: Tensor) -> Tensor:
    """The variance of the true step back from x_t (n,): what one who knows x_0 does not know, and x_0 itself. (n,)."""
    of_x_0 = alpha_bar_s.sqrt() * step_beta(alpha_bar_t, alpha_bar_s) / (1 - alpha_bar_t)
    return posterior_variance(alpha_bar_t, alpha_bar_s) + of_x_0**2 * spread(data, x_t, alpha_bar_t)


def step_back(data: Mixture, x_t: float, alpha_bar_t: Tensor, alpha_bar_s: Tensor) -> tuple[Tensor, Tensor]:
    """The true step back from one x_t, and the best Gaussian in its place: two densities over GRID."""
    before = data.density(GRID[:, None], float(alpha_bar_s))
    away = x_t - (alpha_bar_t / alpha_bar_s).sqrt() * GRID
    true = before * (-(away**2) / 2 / step_beta(alpha_bar_t, alpha_bar_s)).exp()
    true = true / torch.trapezoid(true, GRID)
    mean = torch.trapezoid(true * GRID, GRID)
    bell = (-((GRID - mean) ** 2) / 2 / torch.trapezoid(true * (GRID - mean) ** 2, GRID)).exp()
    return true, bell / torch.trapezoid(bell, GRID)


def lost(data: Mixture, schedule: NoiseSchedule) -> Tensor:
    """The mean divergence of the true step back from the best Gaussian, for the steps from t = 1..T: (T,) bits."""
    bars = schedule.alpha_bar
    entropies = torch.stack([entropy(data, bar) for bar in bars])  # of x_0, ..., x_T
    found = []
    for t in range(1, schedule.T + 1):
        density = data.density(GRID[:, None], float(bars[t]))
        bell = torch.trapezoid(density * of_bell(step_variance(data, GRID, bars[t], bars[t - 1])), GRID)
        true = entropies[t - 1] + of_bell(step_beta(bars[t], bars[t - 1])) - entropies[t]  # of x_s, if x_t is known
        found.append(bell - true)
    return torch.stack(found)


def water_filling(variances: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Rate and mean squared error of the best code for Gaussian data with these variances along its axes, (n,).

    Each of `levels` (m,) is the error that is let stand in an axis; an axis with less variance is not sent at all.
    Both are means over the n axes, (m,): bits, and squares. Source: Shannon; Cover and Thomas, section 10.3.3.
    """
    kept = torch.minimum(variances, levels[:, None])  # (m, n)
    rate = torch.where(variances > levels[:, None], (variances / kept).log() / 2, 0.0).mean(dim=1)
    return rate * BITS, kept.mean(dim=1)


def gaussian_code(
    known: tuple[Tensor, Tensor], tried: tuple[Tensor, Tensor], levels: Tensor, each: bool = False
) -> tuple[Tensor, Tensor]:
    """Rate in bits, and error in grey levels, of the best code that knows a mean for each label, and covariances.

    Args:
        known, tried: images (n, D), float64, and their labels (n,). Means, and the axes of the covariance, are those of
            `known`; the variances along these axes are measured on `tried`.
        each: a covariance for each label, in the place of one for all.
    """
    (images, labels), (others, theirs) = known, tried
    means = torch.stack([images[labels == label].mean(dim=0) for label in range(int(labels.max()) + 1)])
    around, beyond = images - means[labels], others - means[theirs]
    rate = error = torch.zeros(len(levels), dtype=torch.float64)
    for label in range(len(means)) if each else [None]:
        mine, yours = (slice(None) if label is None else of == label for of in (labels, theirs))
        axes = torch.linalg.eigh(around[mine].T @ around[mine]).eigenvectors
        variances = (beyond[yours] @ axes).square().mean(dim=0)
        bits, squares = water_filling(variances, levels)
        share = len(beyond[yours]) / len(beyond)
        rate, error = rate + share * bits, error + share * squares
    return rate, 127.5 * error.sqrt()
