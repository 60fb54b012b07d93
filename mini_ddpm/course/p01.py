"""Notebook 01: walks of the forward process, and what the page draws."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from mini_ddpm.course.figures import IMAGE, NOISE, NOISY, OTHER, RESULT, Slider, show
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.diffusion import q_sample
from mini_ddpm.schedules import NoiseSchedule

LIGHT = "#56B4E9"  # a second shade of NOISY, for the light pixels

Array = NDArray[np.float64]


def bell(x: Array, mean: float = 0.0, variance: float = 1.0) -> Array:
    """The density of a Gaussian."""
    return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def density(schedule: NoiseSchedule, t: int, x: Array) -> Array:
    """q(x_t) of the two peaks at points x (n,)."""
    return TWO_PEAKS.density(torch.from_numpy(x)[:, None], float(schedule.alpha_bar[t])).numpy()


def peaks(schedule: NoiseSchedule, t: int) -> int:
    """How many tops q(x_t) has."""
    height = density(schedule, t, np.linspace(-3, 3, 6001))
    return int(((height[1:-1] > height[:-2]) & (height[1:-1] > height[2:])).sum())


def walk(betas: Tensor, x_0: Tensor, seed: int) -> Tensor:
    """From x_0 (n,), one step after another: (T + 1, n), the row t for time t."""
    generator = torch.Generator().manual_seed(seed)
    path = [x_0.double()]
    for beta in betas:
        fresh = torch.randn(len(x_0), generator=generator, dtype=torch.float64)
        path.append((1 - beta).sqrt() * path[-1] + beta.sqrt() * fresh)
    return torch.stack(path)


def wrong_kind(schedule: NoiseSchedule, t: int) -> float:
    """How often the best guess of a pixel's kind, from x_t, is wrong."""
    x, bar = np.linspace(-8, 8, 8001), float(schedule.alpha_bar[t])
    kinds = [
        weight * bell(x, bar**0.5 * mean, bar * TWO_PEAKS.variance + 1 - bar)
        for weight, mean in zip(TWO_PEAKS.weights.tolist(), TWO_PEAKS.means.flatten().tolist(), strict=True)
    ]
    return float(np.minimum(*kinds).sum() * (x[1] - x[0]))


def wrong_unseen() -> float:
    """How often the best guess of a pixel's kind is wrong, if nothing of the pixel is seen."""
    return float(TWO_PEAKS.weights.min())


def draw_marginals(schedule: NoiseSchedule, betas: Tensor) -> None:
    """q(x_t) of the two peaks over t as shades of grey, with five walks; at the sides, both ends."""
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(10, 4.2), sharey=True, gridspec_kw={"width_ratios": [1, 6, 1]}
    )
    grid, times = np.linspace(-3, 3, 401), np.arange(0, schedule.T + 1, 4)
    shades = np.stack([density(schedule, int(t), grid) for t in times], axis=1)
    middle.imshow(shades**0.7, origin="lower", aspect="auto", cmap="Greys", extent=(0, schedule.T, -3, 3))
    starts = torch.tensor([-1.5, -1.2, 0.5, 0.7, 0.9])
    for path, start in zip(walk(betas, starts, seed=8).T, starts, strict=True):
        middle.plot(path, color=NOISY if start < 0 else LIGHT, linewidth=0.8)
    middle.plot([0] * len(starts), starts, "o", color=IMAGE, markersize=5, clip_on=False, zorder=3)
    middle.set(xlabel="time t", title="Two peaks run together, and become one bell", ylim=(-3, 3))
    middle.axvline(199, color=RESULT, linestyle="--", linewidth=1)
    middle.grid(visible=False)
    for axes, t, color, title in ((left, 0, IMAGE, "t = 0"), (right, schedule.T, RESULT, f"t = {schedule.T}")):
        axes.fill_betweenx(grid, density(schedule, t, grid), color=color, alpha=0.25, linewidth=0)
        axes.plot(density(schedule, t, grid), grid, color=color, linewidth=2)
        axes.set(xlabel="density", title=title, xlim=(0, 0.95))
    left.set_ylabel("value of the pixel")
    show(
        figure,
        "On the left two narrow peaks. In the middle, over time, two dark bands run together into one broad grey "
        "band, at a dashed line; two dark and three light jagged walks start in the bands and end mixed. On the "
        "right one bell around 0.",
    )


def draw_factors(variances: Mapping[str, Sequence[float]]) -> None:
    """The variance of a pixel over many steps, for several factors; the last one is the right one."""
    figure, axes = plt.subplots()
    looks = ((OTHER, "--"), (NOISY, "-."), (RESULT, "-"))
    for (name, values), (color, style) in zip(variances.items(), looks, strict=True):
        axes.plot(values, style, color=color, linewidth=2, label=f"c = {name}")
    axes.set(xlabel="step t", ylabel="variance of a pixel", title="One factor keeps the variance", ylim=0)
    axes.legend()
    show(
        figure,
        "Three curves from 1 over 200 steps: with the factor 1 a straight line up to 5, with 1 - beta a curve "
        "down to a half, with the root of 1 - beta a flat line at 1.",
    )


def draw_rotation(noise: Tensor, a: float, b: float) -> None:
    """Pairs of noises (n, 2), the direction (sqrt a, sqrt b), and how the pairs spread along it and across."""
    figure, panels = plt.subplot_mosaic(
        [["cloud", "u"], ["cloud", "w"]], figsize=(9, 4.1), gridspec_kw={"width_ratios": [1, 1.1]}
    )
    along, cloud = np.sqrt(np.array([a, b]) / (a + b)), panels["cloud"]
    cloud.scatter(noise[:20_000, 0], noise[:20_000, 1], s=2, color=NOISE, alpha=0.35, linewidth=0)
    cloud.set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal", xlabel=r"$\epsilon_1$", ylabel=r"$\epsilon_2$")
    cloud.set_title("Two noises: a round cloud")
    grid = np.linspace(-4, 4, 400)
    for direction, name in ((along, "u"), (np.array([-along[1], along[0]]), "w")):
        x, y = map(float, direction)
        cloud.annotate("", (3.2 * x, 3.2 * y), (-3.2 * x, -3.2 * y), arrowprops={"arrowstyle": "->", "linewidth": 1.8})
        cloud.annotate(f"${name}$", (3.5 * x, 3.5 * y), ha="center", va="center", fontsize=12)
        axes, places = panels[name], noise.numpy() @ direction
        axes.hist(places, bins=60, range=(-4, 4), density=True, color=NOISE, alpha=0.4, label=f"dots along ${name}$")
        axes.plot(grid, bell(grid), color=RESULT, linewidth=2, label=r"$\mathcal{N}(0, 1)$")
        axes.set(xlabel=f"${name}$", ylabel="density")
        axes.legend(loc="upper right")
    panels["u"].set_title("Along either arrow: the same bell")
    show(
        figure,
        "Left: a round cloud of dots, with two arrows at a right angle, u and w, turned against the axes. Right: two "
        "histograms, of the dots along u and along w, each filling the same black bell.",
    )


def draw_bundle(schedule: NoiseSchedule, walks: Tensor, t: int) -> None:
    """Walks from one image, with the mean and spread that the jump says; and where they are at one time."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.9), gridspec_kw={"width_ratios": [1.6, 1]})
    x_0, bar = float(walks[0, 0]), schedule.alpha_bar.numpy()
    mean, deviation = np.sqrt(bar) * x_0, np.sqrt(1 - bar)
    left.plot(walks[:, :25], color=NOISY, linewidth=0.6, alpha=0.45)
    left.plot(mean, color=RESULT, linewidth=2, label="mean, by the jump")
    left.plot(mean + 2 * deviation, "--", color=RESULT, linewidth=1.2, label="two standard deviations")
    left.plot(mean - 2 * deviation, "--", color=RESULT, linewidth=1.2)
    left.plot(0, x_0, "o", color=IMAGE, markersize=8, zorder=3)
    left.set(xlabel="time t", ylabel="value of the pixel", title="25 walks from one image", ylim=(-4.1, 3.6))
    left.legend(loc="lower right", ncols=2)
    grid = np.linspace(-3, 4, 400)
    here = walks[t].numpy()
    right.hist(here, bins=60, range=(-3, 4), density=True, color=NOISY, alpha=0.4, label=f"walks at t = {t}")
    right.plot(grid, bell(grid, mean[t], 1 - bar[t]), color=RESULT, linewidth=2, label="one jump")
    right.set(xlabel="$x_t$", ylabel="density", title=f"{t} steps, or one jump: the same bell", ylim=(0, 0.62))
    right.legend(loc="upper right")
    show(
        figure,
        "Left: 25 walks fan out from 0.7 while their mean falls to 0; nearly all stay inside two dashed curves. "
        "Right: a histogram of all walks at one time under a black bell.",
    )


def draw_images(x_0: Tensor, noise: Tensor, schedule: NoiseSchedule, times: Sequence[int]) -> None:
    """Images (n, 1, h, w) in a row, and one row for each of `times`, each row one jump with the same noise."""
    show(
        jumps(x_0, noise, schedule, times),
        "Eight handwritten digits in every row, under more and more grain from row to row: at 150 they are clear, "
        "at 300 barely readable, at 500 there is hardly anything but grain, at 1000 nothing else.",
    )


def jumps(x_0: Tensor, noise: Tensor, schedule: NoiseSchedule, times: Sequence[int]) -> Figure:
    """The figure alone."""
    figure, panels = plt.subplots(len(times), 1, figsize=(8, 1.02 * len(times)), squeeze=False)
    for axes, t in zip(panels[:, 0], times, strict=True):
        row = q_sample(x_0, noise, schedule.at(t)).clamp(-1, 1)
        axes.imshow(torch.cat(list(row[:, 0]), dim=1), cmap="gray", vmin=-1, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(f"t = {t}", rotation=0, ha="right", va="center")
    return figure


def noise_them(x_0: Tensor, noise: Tensor, schedules: Mapping[str, NoiseSchedule]) -> Slider:
    """One row of images at any time, by any of the schedules."""

    def look(t: int, schedule: str) -> tuple[Figure, str]:
        bar = float(schedules[schedule].alpha_bar[t])
        return jumps(x_0, noise, schedules[schedule], [t]), (
            f"Eight handwritten digits at t = {t} of the {schedule} schedule: {bar:.1%} of the power is left, "
            f"{bar**0.5:.1%} of the contrast."
        )

    return Slider(look, {"t": range(0, 1001, 20), "schedule": [*schedules]}, {"t": 300, "schedule": "linear"})


def draw_schedules(schedules: Mapping[str, NoiseSchedule]) -> None:
    """How much of the image is left, and the signal-to-noise ratio, over t."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    for (name, table), color, style in zip(schedules.items(), (RESULT, NOISY), ("-", "--"), strict=True):
        left.plot(table.alpha_bar, style, color=color, linewidth=2, label=name)
        right.semilogy(range(1, table.T + 1), table.snr[1:], style, color=color, linewidth=2, label=name)
        crossing = int((table.snr < 1).nonzero()[0])
        right.plot(crossing, 1, "o", color=color, markersize=7)
        place = (6, 8) if name == "cosine" else (-52, -16)
        right.annotate(f"t = {crossing}", (crossing, 1), place, textcoords="offset points", color=color)
    right.axhline(1, color=OTHER, linewidth=1)
    left.set(xlabel="time t", ylabel=r"$\bar{\alpha}_t$", title="How much of the image's power is left")
    right.set(xlabel="time t", ylabel="SNR(t)", title="Linear: more noise than image much earlier", ylim=(1e-5, 1e5))
    left.legend()
    show(
        figure,
        "Left: alpha-bar falls early for the linear schedule, and in a slow S for the cosine one. Right, on a "
        "logarithmic axis: the ratio crosses 1 near 260 and near 500.",
    )


def draw_points(x_0: Tensor, noise: Tensor, schedule: NoiseSchedule, times: Sequence[int]) -> None:
    """Points in the plane (n, 2) at several times."""
    figure, panels = plt.subplots(1, len(times), figsize=(12, 3.15), sharex=True, sharey=True)
    for axes, t in zip(panels, times, strict=True):
        axes.scatter(*q_sample(x_0, noise, schedule.at(t)).T, s=1, color=NOISY if t else IMAGE)
        axes.set(title=f"t = {t}", aspect="equal", xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), xlabel="first number")
    panels[0].set_ylabel("second number")
    figure.suptitle("A spiral becomes one round cloud", fontsize=11)
    show(
        figure,
        "2000 points on a spiral at five times: the spiral thickens at 50, blurs at 150, is a blob at 300, and at "
        "1000 a round cloud.",
    )
