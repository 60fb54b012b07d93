"""The pictures of notebook 05."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.schedules import NoiseSchedule

Curve = tuple[ArrayLike, ArrayLike]


def examples(
    x_t: Tensor, eps: Tensor, title: str, best: Curve | None = None, learned: Mapping[str, Curve] | None = None
) -> Figure:
    """What a network sees, x_t, against what it must say, eps; with the best curve, and with learned ones."""
    figure, axes = plt.subplots(figsize=(7, 4.2))
    axes.scatter(x_t.flatten(), eps.flatten(), s=4, color=NOISE, alpha=0.35, linewidths=0, rasterized=True)
    for (label, (grid, curve)), line in zip((learned or {}).items(), (":", "--", "-"), strict=False):
        axes.plot(grid, curve, line, color=MODEL, linewidth=2.5, label=label)
    if best is not None:
        axes.plot(*best, color=RESULT, linewidth=2, label=r"mean of the noise at this $x_t$")
    if best is not None or learned:
        axes.legend(loc="upper left")
    axes.set(xlabel=r"what the network sees: $x_t$", ylabel=r"what it must say: $\epsilon$", title=title)
    axes.set(xlim=(-2.6, 2.4), ylim=(-3.2, 3.2))
    return figure


def guess_at(x_t: Tensor, eps: Tensor, grid: ArrayLike, best: ArrayLike, place: float, near: Tensor) -> Figure:
    """Left: the examples with the best curve. Right: the noises `near` one place, and their mean."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), width_ratios=(1.5, 1), sharey=True)
    left.scatter(x_t.flatten(), eps.flatten(), s=3, color=NOISE, alpha=0.3, linewidths=0, rasterized=True)
    left.plot(grid, best, color=RESULT, linewidth=2, label=r"the mean, $\mathbb{E}[\epsilon\mid x_t]$")
    left.axvline(place, color=OTHER, linestyle="--", label=f"$x_t = {place}$")
    left.set(xlabel=r"$x_t$", ylabel=r"noise $\epsilon$", xlim=(-2.6, 2.4), ylim=(-3.2, 3.2))
    left.set_title("The best curve jumps from one stripe to the other")
    left.legend(loc="upper left")
    right.hist(near.flatten(), bins=60, range=(-3.2, 3.2), orientation="horizontal", color=NOISE, alpha=0.6)
    right.axhline(float(near.mean()), color=RESULT, linewidth=2, label="their mean")
    right.set(xlabel="examples", title=f"Noises at $x_t = {place}$: the mean is rare")
    right.legend()
    return figure


def floors(times: ArrayLike, floor: ArrayLike, line: ArrayLike) -> Figure:
    """The error of the best guess over t, below that of the best straight line and that of the guess 0."""
    figure, axes = plt.subplots()
    axes.axhline(1, color=OTHER, linewidth=1, linestyle=":", label="guess 0")
    axes.plot(times, line, "--", color=OTHER, label=r"best straight line: $\bar\alpha_t$")
    axes.plot(times, floor, color=RESULT, linewidth=2, label="best guess of all: the floor")
    axes.set(xlabel="t", ylabel="mean squared error of the noise", ylim=(-0.03, 1.08))
    axes.set_title("The noise is hard to guess where there is little of it")
    axes.legend()
    return figure


def weights(times: ArrayLike, curves: Mapping[str, ArrayLike]) -> Figure:
    """The bound's weight over t, on logarithmic axes; L_simple has 1 everywhere."""
    figure, axes = plt.subplots()
    for (name, curve), (line, colour) in zip(curves.items(), (("-", RESULT), ("--", NOISY)), strict=False):
        axes.loglog(times, curve, line, color=colour, linewidth=2, label=f"in the bound, {name} schedule")
    axes.axhline(1, color=OTHER, linestyle=":", linewidth=2, label=r"in $L_{\mathrm{simple}}$")
    axes.set(xlabel="t", ylabel="weight of the squared error")
    axes.set_title("The bound cares most about the clean end; the cosine schedule about both")
    axes.legend()
    return figure


def circle(x_0: float, eps: float, alpha_bar_t: float) -> Figure:
    """The plane of image and noise: x_t and v are coordinates along two axes turned by an angle."""
    figure, axes = plt.subplots(figsize=(5.6, 5.2))
    c, s = float(np.sqrt(alpha_bar_t)), float(np.sqrt(1 - alpha_bar_t))
    x_t, v = c * x_0 + s * eps, c * eps - s * x_0
    turn = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(turn), np.sin(turn), color=OTHER, linewidth=1)
    for (a, b), colour, name in (((c, s), NOISY, r"axis of $x_t$"), ((-s, c), MODEL, r"axis of $v$")):
        axes.plot([-2 * a, 2 * a], [-2 * b, 2 * b], color=colour, linewidth=1.5, label=name)
    foot_x, foot_v = np.array([c, s]) * x_t, np.array([-s, c]) * v
    along = foot_x + np.outer([-3, 3], [-s, c])
    axes.plot(*along.T, "--", color=NOISY, linewidth=1.5, label=r"all pairs that give this $x_t$")
    axes.plot(*zip((x_0, eps), foot_v, strict=True), ":", color=MODEL, linewidth=1.5)
    axes.plot(*foot_x, "o", color=NOISY)
    axes.plot(*foot_v, "o", color=MODEL)
    axes.plot([x_0, x_0], [0, eps], ":", color=IMAGE)
    axes.plot([0, x_0], [eps, eps], ":", color=NOISE)
    axes.plot(x_0, eps, "o", color=RESULT, markersize=9)
    axes.annotate(r"$(x_0, \epsilon)$", (x_0, eps), (8, 6), textcoords="offset points", fontsize=12)
    axes.annotate(r"$\varphi_t$", (0.42, 0.12 * s), fontsize=12)
    arc = np.linspace(0, np.arctan2(s, c), 50)
    axes.plot(0.38 * np.cos(arc), 0.38 * np.sin(arc), color=RESULT, linewidth=1)
    axes.axhline(0, color=RESULT, linewidth=0.8)
    axes.axvline(0, color=RESULT, linewidth=0.8)
    axes.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal", xlabel=r"image $x_0$", ylabel=r"noise $\epsilon$")
    axes.set_title(r"$x_t$ says on which line we are, $v$ where on it")
    axes.legend(loc="lower left")
    return figure


def walks(path: Tensor, schedule: NoiseSchedule, shown: int = 12) -> Figure:
    """Algorithm 2 on the two peaks: (T+1, n) states from x_T to x_0 over the exact guess of x_0, and where they end."""
    T = len(path) - 1
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), width_ratios=(2.6, 1), sharey=True)
    times, grid = np.arange(T, 0, -5), torch.linspace(-3, 3, 240, dtype=torch.float64)
    guess = [TWO_PEAKS.mean_x_0(grid.reshape(-1, 1, 1, 1), schedule.at(int(time))).flatten() for time in times]
    mesh = left.pcolormesh(
        times, grid, torch.stack(guess, 1), cmap="PuOr_r", vmin=-1.6, vmax=1.6, shading="auto", rasterized=True
    )
    figure.colorbar(mesh, ax=left, label=r"best guess of $x_0$")
    left.plot(np.arange(T, -1, -1), path[:, :shown], color=NOISY, linewidth=0.6)
    left.set(xlabel="t, from noise to data", ylabel=r"$x_t$", xlim=(T, 0), ylim=(-3, 3))
    left.set_title(f"{shown} walks over the map of the best guess")
    left.grid(False)
    exact = TWO_PEAKS.density(grid[:, None])
    right.hist(path[-1], bins=80, range=(-3, 3), density=True, orientation="horizontal", color=IMAGE, alpha=0.6)
    right.plot(exact, grid, color=RESULT, linewidth=2, label="the data's density")
    right.set(xlabel="density", title="Where they end")
    right.legend(loc="upper right", fontsize=8)
    return figure


def roll_walk(states: Mapping[int, Tensor], roll: Tensor) -> Figure:
    """A few states of a walk in the plane, (n, 2) each, over the points of the data."""
    figure, panels = plt.subplots(1, len(states), figsize=(10, 2.9), sharex=True, sharey=True)
    for axes, (time, points) in zip(panels, states.items(), strict=True):
        axes.scatter(*roll.T, s=2, color=OTHER, alpha=0.5, linewidths=0)
        axes.scatter(*points.T, s=7, color=IMAGE if time == 0 else NOISY, linewidths=0)
        axes.set(title=f"t = {time}", aspect="equal", xlim=(-3, 3), ylim=(-3, 3), xlabel="first coordinate")
    panels[0].set_ylabel("second coordinate")
    return figure


def column(numbers: Sequence[float] | Tensor) -> Tensor:
    """Numbers as the package takes them: images (n, 1, 1, 1) of a single pixel, float64."""
    return torch.as_tensor(numbers, dtype=torch.float64).reshape(-1, 1, 1, 1)
