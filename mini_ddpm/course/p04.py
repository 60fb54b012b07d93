"""Notebook 04: what it draws, the symbols of its derivations, and the step back of the two peaks, known exactly."""

import math
from itertools import pairwise
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sympy import Expr, lambdify, symbols
from torch import Tensor

from mini_ddpm.course.figures import IMAGE, MODEL, NOISY, OTHER, RESULT, Slider, show
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.diffusion import q_posterior
from mini_ddpm.schedules import NoiseSchedule
from mini_ddpm.symbolic.notation import alpha_bar, forward_process, recursion, s, t, x

forward = forward_process()  # the definitions of notebook 01
growth = recursion(forward)  # alpha_bar_t = alpha_t alpha_bar_{t-1}, proved there
later = forward.where(t >= 2)  # at t = 1, x_{t-1} is the image itself
A, B, y = symbols("A", positive=True), symbols("B", real=True), symbols("y", real=True)

Array = NDArray[np.float64]


class Bell(NamedTuple):
    """A Gaussian in one dimension."""

    mean: float
    variance: float

    def __call__(self, x: Array | float) -> Array:
        """Its density."""
        return np.exp(-((np.asarray(x) - self.mean) ** 2) / (2 * self.variance)) / math.sqrt(
            2 * math.pi * self.variance
        )


def clues(schedule: NoiseSchedule, t: int, x_0: float, x_t: float) -> tuple[Bell, Bell, Bell]:
    """What the image says of x_{t-1}, what x_t says of it, and what both say together."""
    bar, bar_before = float(schedule.alpha_bar[t]), float(schedule.alpha_bar[t - 1])
    kept = bar / bar_before
    return (
        Bell(bar_before**0.5 * x_0, 1 - bar_before),
        Bell(x_t / kept**0.5, (1 - kept) / kept),
        clue_between(schedule, x_0, x_t, t, t - 1),
    )


def draw_clues(bells: tuple[Bell, Bell, Bell], title: str) -> None:
    """Two clues and their product, over x_{t-1}."""
    show(
        bells_over(bells, title),
        "Three bells over x_{t-1}: one from the image, one from x_t, and between them, nearer to the sharper one, "
        "the narrowest: both together.",
    )


def move_clues(schedule: NoiseSchedule) -> Slider:
    """The same at any time, for any image and any x_t."""

    def look(t: int, x_0: float, x_t: float) -> tuple[Figure, str]:
        bells = clues(schedule, t, x_0, x_t)
        image, now, both = (f"{bell.mean:.2f}, deviation {bell.variance**0.5:.2f}" for bell in bells)
        return bells_over(bells, f"t = {t}"), (
            f"Three bells over x_{{t-1}} at t = {t}. From the image: mean {image}. From x_t: mean {now}. "
            f"Both together: mean {both}."
        )

    x_t = [-2.0, -1.4, -0.8, -0.2, 0.4, 1.0, 1.6]
    choices: dict[str, list] = {"t": [2, 3, 5, 10, 15, 20, 30, 40, 50], "x_0": [-1.3, -0.7, 0.0, 0.7, 1.3], "x_t": x_t}
    return Slider(look, choices, {"t": 10, "x_0": 0.7, "x_t": -0.2})


def bells_over(bells: tuple[Bell, Bell, Bell], title: str) -> Figure:
    """The figure alone."""
    figure, axes = plt.subplots()
    grid = np.linspace(-2.5, 2.5, 600)
    names = "from the image", "from $x_t$, scaled to area 1", "both: the posterior"
    for bell, name, color, style in zip(bells, names, (IMAGE, NOISY, RESULT), ("--", "-.", "-"), strict=True):
        axes.plot(grid, bell(grid), style, color=color, linewidth=2, label=name)
        axes.plot([bell.mean] * 2, [0.0, float(bell(bell.mean))], ":", color=color, linewidth=1)
    axes.set(xlabel="$x_{t-1}$", ylabel="density", title=title, ylim=0)
    axes.legend()
    return figure


def walk_back(schedule: NoiseSchedule, x_t: Tensor, x_0: Tensor, t: int, seed: int) -> Tensor:
    """From x_t, (n,), back to time 0, one posterior after another: (t + 1, n), the row k for time k."""
    generator = torch.Generator().manual_seed(seed)
    path = [x_t.double()]
    for k in range(t, 0, -1):
        mean, variance = q_posterior(x_0, path[-1], schedule.at(k), schedule.at(k - 1))
        path.append(mean + variance.sqrt() * torch.randn(len(x_t), generator=generator, dtype=torch.float64))
    return torch.stack(path[::-1])


def draw_bridge(schedule: NoiseSchedule, x_0: float, x_t: float, t: int) -> None:
    """Walks that begin at one image and end at one noisy image."""
    walks = walk_back(schedule, torch.full((25,), x_t), torch.full((25,), x_0), t, seed=0)
    earlier = np.arange(1, t)
    both = [clue_between(schedule, x_0, x_t, t, int(s)) for s in earlier]
    mean, deviation = np.array([b.mean for b in both]), np.sqrt([b.variance for b in both])
    figure, (whole, close) = plt.subplots(1, 2, figsize=(10, 4.2), width_ratios=(1.8, 1))
    for axes, first in ((whole, 0), (close, t - 20)):
        for k, walk in enumerate(walks.T):
            label = None if k else "25 walks"
            axes.plot(range(first, t + 1), walk[first:], color=NOISY, linewidth=0.6, alpha=0.45, label=label)
        there = slice(max(first - 1, 0), None)
        axes.plot(earlier[there], mean[there], color=RESULT, linewidth=2, label="mean")
        for sign in (-2, 2):
            label = "two standard deviations to either side" if sign > 0 else None
            edge = (mean + sign * deviation)[there]
            axes.plot(earlier[there], edge, "--", color=RESULT, linewidth=1, label=label)
        axes.plot(t, x_t, "o", color=NOISY, markersize=9, zorder=3)
        axes.set(xlabel="time")
    whole.axvline(t // 2, color=OTHER, linestyle=":", label=f"a cut at {t // 2}")
    whole.plot(0, x_0, "o", color=IMAGE, markersize=9, zorder=3)
    whole.annotate("$x_0$, the image", (0, x_0), (-8, 40), textcoords="offset points", color=IMAGE)
    whole.annotate("$x_t$, what we see", (t, x_t), (-76, -58), textcoords="offset points", color=NOISY)
    whole.set(ylabel="value of the pixel", title="Both ends are known: the bundle closes at both")
    last = both[-1]
    band = [last.mean - 2 * last.variance**0.5, last.mean + 2 * last.variance**0.5]
    close.plot([t - 1] * 2, band, color=RESULT, linewidth=5, label=f"the same, at {t - 1}", zorder=2.5)
    close.set(xticks=[t - 20, t - 10, t - 1], title="The last 20 steps")
    handles, labels = whole.get_legend_handles_labels()
    band_handle, band_label = (kept[-1:] for kept in close.get_legend_handles_labels())
    shown = figure.legend(handles + band_handle, labels + band_label, loc="outside lower center", ncols=5, fontsize=9)
    shown.get_lines()[0].set_linewidth(2)  # a walk is drawn too thin for a legend
    show(
        figure,
        "25 jagged walks between a dot at 0.7 at time 0 and a dot at -1 at time 500. The bundle is narrow at both "
        "ends and wide between; its mean is a curve. On the right the last 20 steps, where the walks "
        "close in on -1; at 499 a short bar marks the band of two standard deviations.",
    )


def clue_between(schedule: NoiseSchedule, x_0: float, x_t: float, t: int, s: int) -> Bell:
    """Mean and variance of q(x_s | x_t, x_0)."""
    there = q_posterior(torch.tensor(x_0), torch.tensor(x_t), schedule.at(t), schedule.at(s))
    return Bell(*map(float, there))


def largest_difference(schedule: NoiseSchedule, mean: Expr, variance: Expr) -> float:
    """Between derived lines, as functions of numbers, and the package: for every t, with s = t - 1, t // 2 and 0."""
    bar_t, bar_s, now, image = symbols("bar_t bar_s now image", positive=True)
    plain = {alpha_bar[t]: bar_t, alpha_bar[s]: bar_s, x[t]: now, x[0]: image}
    derived = lambdify((bar_t, bar_s, now, image), [mean.xreplace(plain), variance.xreplace(plain)])
    x_t, x_0 = (torch.tensor(value, dtype=torch.float64) for value in (0.7, -0.3))
    worst = 0.0
    for time in range(1, schedule.T + 1):
        for earlier in {time - 1, time // 2, 0}:
            ours = derived(float(schedule.alpha_bar[time]), float(schedule.alpha_bar[earlier]), 0.7, -0.3)
            package = q_posterior(x_0, x_t, schedule.at(time), schedule.at(earlier))
            worst = max(worst, *(abs(float(theirs) - mine) for theirs, mine in zip(package, ours, strict=True)))
    return worst


def draw_share(schedule: NoiseSchedule, per_step: Array, held: Array) -> None:
    """How much of the image each step puts in, how much the walk holds, and a few walks."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.9))
    times = np.arange(len(held))
    left.plot(times, held, color=RESULT, linewidth=2, label="held at time t")
    left.plot(times[1:], per_step, color=IMAGE, linewidth=2, label="put in by the step from t to t-1")
    left.set(ylabel="share of $x_0$", title="Most steps put in little. It adds up")
    ends = (-1.3, 0.7)
    noise = torch.randn(8, generator=torch.Generator().manual_seed(1))
    walks = walk_back(schedule, noise, torch.tensor(ends).repeat_interleave(4), len(held) - 1, seed=2)
    for k, (image, color) in enumerate(zip(ends, (NOISY, OTHER), strict=True)):
        for n, walk in enumerate(walks.T[4 * k : 4 * k + 4]):
            label = None if n else f"walks to the image {image}"
            right.plot(times, walk, color=color, linewidth=0.6, alpha=0.7, label=label)
        right.plot(times, held * image, color=RESULT, linewidth=2, label=None if k else "share held, times the image")
        right.plot(0, image, "o", color=IMAGE, markersize=9, zorder=3)
    right.set(ylabel="value of the pixel", title="Each walk arrives at its image", ylim=(-4.1, 3))
    for axes in (left, right):
        axes.invert_xaxis()
        axes.set(xlabel="t, from noise to image")
    left.legend(loc="upper left")
    handles, labels = right.get_legend_handles_labels()
    order = (2, 1, 0)  # from top to bottom, as they arrive
    below = right.legend([handles[k] for k in order], [labels[k] for k in order], fontsize=9, loc="lower left")
    for line in below.get_lines():
        line.set_linewidth(2)
    show(
        figure,
        "Left: what a step puts in stays near 0 until the last few steps, where it shoots up to 1; what the walk "
        "holds rises early, in a long S from 0 to 1. Right: eight walks from noise; four end at each image.",
    )


# --- without the image ------------------------------------------------------------------------------------


class Average(NamedTuple):
    """q(x_s | x_t) over the two peaks: for each x_t (n,) two bells of one variance; `weights`, `means` (n, 2)."""

    weights: Array
    means: Array
    variance: float

    def density(self, x: Array) -> Array:
        """At points x (n, m)."""
        away = x[:, :, None] - self.means[:, None, :]
        bells = np.exp(-(away**2) / (2 * self.variance)) / math.sqrt(2 * math.pi * self.variance)
        return (bells * self.weights[:, None, :]).sum(-1)

    def moments(self) -> tuple[Array, Array]:
        """Mean and variance, (n,) each."""
        mean = (self.weights * self.means).sum(1)
        return mean, self.variance + (self.weights * (self.means - mean[:, None]) ** 2).sum(1)


def without_image(x_t: Array, bar_t: float, bar_s: float) -> Average:
    """q(x_s | x_t) for the two peaks, exactly: each peak is a Gaussian at every time, and gives one bell."""
    peaks, prior = TWO_PEAKS.means[:, 0].numpy(), TWO_PEAKS.weights.numpy()
    kept, spread_s = bar_t / bar_s, bar_s * TWO_PEAKS.variance + 1 - bar_s
    spread_t = kept * spread_s + 1 - kept
    away = x_t[:, None] - math.sqrt(bar_t) * peaks  # (n, 2)
    log_weights = np.log(prior) - away**2 / (2 * spread_t)
    weights = np.exp(log_weights - log_weights.max(1, keepdims=True))
    means = math.sqrt(bar_s) * peaks + math.sqrt(kept) * spread_s / spread_t * away
    return Average(weights / weights.sum(1, keepdims=True), means, spread_s * (1 - kept) / spread_t)


def not_gaussian(average: Average) -> Array:
    """Divergence of each q(x_s | x_t) from the Gaussian with its mean and variance, in nats, by quadrature: (n,)."""
    mean, variance = average.moments()
    z = np.linspace(-9, 9, 301)
    x = mean[:, None] + np.sqrt(variance)[:, None] * z
    density = average.density(x)
    gaussian = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi * variance)[:, None]
    ratio = np.log(np.maximum(density, 1e-300) / np.maximum(gaussian, 1e-300))
    return (density * ratio).sum(1) * (z[1] - z[0]) * np.sqrt(variance)


def cost_of_step(schedule: NoiseSchedule, t: int, s: int) -> float:
    """The same for one step from t to s, averaged over x_t."""
    x_t = np.linspace(-6, 6, 121)
    bar_t, bar_s = float(schedule.alpha_bar[t]), float(schedule.alpha_bar[s])
    density = TWO_PEAKS.density(torch.from_numpy(x_t)[:, None], bar_t).numpy()
    return float((density * not_gaussian(without_image(x_t, bar_t, bar_s))).sum() * (x_t[1] - x_t[0]))


def cost_of_steps(schedule: NoiseSchedule, steps: int) -> float:
    """The same, added up over a chain of so many equal steps in t."""
    times = np.linspace(0, schedule.T, steps + 1).round().astype(int)
    return sum(cost_of_step(schedule, int(t), int(s)) for s, t in pairwise(times))


def draw_average(schedule: NoiseSchedule, t: int, x_t: float, earlier: tuple[int, ...]) -> None:
    """q(x_s | x_t) for some s, with its two bells and the best Gaussian."""
    figure, panels = plt.subplots(1, len(earlier), figsize=(10, 3.8), sharex=True)
    for axes, time in zip(panels, earlier, strict=True):
        average = without_image(np.array([x_t]), float(schedule.alpha_bar[t]), float(schedule.alpha_bar[time]))
        mean, variance = (float(moment[0]) for moment in average.moments())
        grid = np.linspace(-3, 3, 1000)
        for weight, peak, label in zip(average.weights[0], average.means[0], ("from each peak", None), strict=True):
            bell = weight * Bell(peak, average.variance)(grid)
            axes.fill_between(grid, bell, color=IMAGE, alpha=0.35, linewidth=0, label=label)
        axes.plot(grid, Bell(mean, variance)(grid), "--", color=MODEL, linewidth=2, label="one Gaussian")
        axes.plot(grid, average.density(grid[None])[0], color=RESULT, linewidth=2, label="$q(x_s|x_t)$")
        axes.set(xlabel="$x_s$", title=f"{t - time} step{'s' * (t - time > 1)} back", ylim=0)
    panels[0].set_ylabel("density")
    figure.suptitle(f"From t = {t}: the longer the step back, the worse a single Gaussian", fontsize=11)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    show(
        figure,
        "Three panels over the same range of x_s, each with its own height. 10 steps back: a narrow bell. 250 steps "
        "back: two bells have moved apart, their sum leans. 500 steps back: two separate peaks, and one Gaussian "
        "misses both.",
    )


def draw_cost(steps: list[int], costs: list[float]) -> None:
    """What Gaussian steps cost, against their number."""
    figure, axes = plt.subplots()
    axes.loglog(steps, costs, "o-", color=RESULT, linewidth=2, label="two peaks")
    guide = costs[-1] * (steps[-1] / np.array(steps[3:], dtype=float)) ** 2
    axes.loglog(steps[3:], guide, "--", color=OTHER, label="a quarter for twice the steps")
    axes.set(xlabel="steps in the chain", ylabel="lost in all, in nats", title="Many small steps: Gaussians will do")
    axes.legend()
    show(
        figure,
        "On two logarithmic axes the loss stays near 0.55 for one and two steps, then falls ever faster, nearer "
        "and nearer to a quarter for twice the steps.",
    )
