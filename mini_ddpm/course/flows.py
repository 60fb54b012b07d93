"""Walks without dice on the two peaks, for notebook 15: there a walk's end, and what no player can know, are exact.

A point of the walk is u = x_0 + r eps, that is x_t / sqrt(alpha_bar_t), and its clock is r, noise over signal, the
root of 1 / SNR. EDM (2206.00364) writes x and sigma for the two.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.schedules import NoiseSchedule

Noise = Callable[[Tensor, Tensor], Tensor]  # (u, r) -> the best guess of the noise
Stepper = Callable[[Noise, Tensor, Tensor, Tensor], Tensor]  # (noise, u, r, nearer) -> u at the smaller ratio `nearer`
GRID = torch.linspace(-8, 8, 801, dtype=torch.float64)


def edm_ratios(n: int, largest: float = 80.0, smallest: float = 0.002, rho: float = 7.0) -> Tensor:
    """The ratios r of n steps, falling, the last one 0: (n+1,) float64. Source: EDM, Eq. 5."""
    i = torch.arange(n, dtype=torch.float64) / max(n - 1, 1)
    ends = largest ** (1 / rho), smallest ** (1 / rho)
    return torch.cat([(ends[0] + i * (ends[1] - ends[0])) ** rho, torch.zeros(1, dtype=torch.float64)])


def chain(ratios: Tensor) -> NoiseSchedule:
    """The same steps as a schedule of the package's: step t of n has the t-th smallest ratio."""
    return NoiseSchedule(1 / (1 + ratios.flip(0) ** 2))


def heun(noise: Noise, u: Tensor, r: Tensor, nearer: Tensor) -> Tensor:
    """Two calls a step, but one in the last, where there is no noise to ask for. Source: EDM, Algorithm 1."""
    first = noise(u, r)
    there = u + (nearer - r) * first
    return there if nearer == 0 else u + (nearer - r) * (first + noise(there, nearer)) / 2


def euler_for_x(noise: Noise, u: Tensor, r: Tensor, nearer: Tensor) -> Tensor:
    """Euler's step for x_t itself in the place of u: d x_t / dr = (eps - r x_t / root) / root, root^2 = 1 + r^2."""
    root, after = (1 + r**2).sqrt(), (1 + nearer**2).sqrt()
    x = u / root
    return after * (x + (nearer - r) * (noise(u, r) - r * x / root) / root)


def walk(step: Stepper, noise: Noise, u: Tensor, ratios: Tensor) -> Tensor:
    """From u at the first ratio to where the steps lead at the last."""
    for r, nearer in pairwise(ratios):
        u = step(noise, u, r, nearer)
    return u


def slope(calls: Tensor, errors: Tensor, last: int = 4) -> float:
    """Of the line through the last points of log error against log calls, by least squares: minus the order."""
    x, y = (torch.log(one[-last:].double()) for one in (calls, errors))
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / x.square().sum())


# --- what is known exactly ----------------------------------------------------------------------------------


def share_below(u: Tensor, r: float) -> Tensor:
    """The share of all points at ratio r that lie below u: the same shape, float64."""
    width = math.sqrt(TWO_PEAKS.variance + r**2)
    below = torch.special.ndtr((u.reshape(-1, 1) - TWO_PEAKS.means.T) / width)
    return (below @ TWO_PEAKS.weights).reshape(u.shape)


def quantile(share: Tensor, r: float) -> Tensor:
    """Where a share of all points at ratio r lies below, to 1e-12: bisection."""
    low, high = (torch.full_like(share, sign * (4 + 9 * r)) for sign in (-1, 1))
    for _ in range(60):
        middle = (low + high) / 2
        less = share_below(middle, r) < share
        low, high = torch.where(less, middle, low), torch.where(less, high, middle)
    return (low + high) / 2


def exact_end(u: Tensor, r: float) -> Tensor:
    """Where the walk from u at ratio r ends: paths on a line can't cross, so the share below stays."""
    return quantile(share_below(u, r), 0.0)


def left_over(ratios: Tensor, at_once: int = 500) -> Tensor:
    """Mean squared error of the best guess of the image at ratios (n,): an integral over x_t, (n,)."""
    found = []
    for bars in (1 / (1 + ratios**2)).split(at_once):
        x, bar = GRID.repeat(len(bars)), bars.repeat_interleave(len(GRID))  # (n * grid,)
        density = TWO_PEAKS._log_joint(x[:, None], bar[:, None]).logsumexp(dim=1).exp()
        best = TWO_PEAKS.mean_x_0(x.reshape(-1, 1, 1, 1), bar).flatten()
        found.append(1 - torch.trapezoid((density * best**2).reshape(len(bars), -1), GRID))  # the data's square is 1
    return torch.cat(found)


def information(log_snr: float) -> float:
    """What x_t tells of x_0, in bits: the entropy of x_t, less that of its noise. No sum over steps."""
    bar = 1 / (1 + math.exp(-log_snr))
    density = TWO_PEAKS.density(GRID[:, None], bar)
    entropy = -float(torch.trapezoid(torch.xlogy(density, density), GRID))
    return (entropy - math.log(2 * math.pi * math.e * (1 - bar)) / 2) / math.log(2)


def between(schedule: NoiseSchedule, T: int, ends: tuple[float, float]) -> Tensor:
    """The curve of a schedule's log-SNR, drawn at T+1 even times and stretched so that it runs between two `ends`."""
    table = schedule.snr[1:-1].log()  # the last step of the cosine table is clipped
    places = torch.linspace(0, len(table) - 1, T + 1, dtype=torch.float64)
    before = places.floor().long().clamp(max=len(table) - 2)
    curve = torch.lerp(table[before], table[before + 1], places - before)
    return ends[0] + (ends[1] - ends[0]) * (curve - curve[0]) / (curve[-1] - curve[0])


def bound(log_snr: Tensor) -> float:
    """The bound's terms between the ends of a chain, in bits: log_snr (T+1,) falls; the best player, beta-tilde."""
    snr = log_snr.exp()
    return float(((snr[:-1] - snr[1:]) / 2 * left_over(snr[1:].rsqrt())).sum()) / math.log(2)
