"""The pictures of notebook 05: each function draws one and shows it, with its alt text."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.schedules import NoiseSchedule

Curve = tuple[ArrayLike, ArrayLike]


def examples(
    x_t: Tensor, eps: Tensor, title: str, best: Curve | None = None, learned: Mapping[str, Curve] | None = None
) -> None:
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
    if best is None:
        alt = (
            "Dots of x_t across and noise upwards form two slanting stripes; over the middle of the axis both stripes "
            "have dots, one far above the other."
        )
    else:
        alt = (
            "Over the two stripes of dots the network's first curve is nearly a straight line; its last one lies close "
            "to the black curve of the conditional mean."
        )
    show(figure, alt)


def guess_at(x_t: Tensor, eps: Tensor, grid: ArrayLike, best: ArrayLike, place: float, near: Tensor) -> None:
    """Left: the examples with the best curve. Right: the noises `near` one place, and their mean."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), width_ratios=(1.5, 1), sharey=True)
    left.scatter(x_t.flatten(), eps.flatten(), s=3, color=NOISE, alpha=0.3, linewidths=0, rasterized=True)
    left.plot(grid, best, color=RESULT, linewidth=2, label=r"the mean, $\mathbb{E}[\epsilon\mid x_t]$")
    left.axvline(place, color=OTHER, linestyle="--", label=f"$x_t = {place}$")
    left.set(xlabel=r"$x_t$", ylabel=r"noise $\epsilon$", xlim=(-2.6, 2.4), ylim=(-3.2, 3.2))
    left.set_title("The best curve crosses from one stripe to the other")
    left.legend(loc="upper left")
    right.hist(near.flatten(), bins=60, range=(-3.2, 3.2), orientation="horizontal", color=NOISE, alpha=0.6)
    right.axhline(float(near.mean()), color=RESULT, linewidth=2, label="their mean")
    right.set(xlabel="examples", title=f"Noises at $x_t = {place}$: the mean is rare")
    right.legend()
    show(
        figure,
        "Left: a black curve follows the upper stripe of dots, falls to the lower one between x_t = -0.8 and 0, and "
        "follows that. Right: a histogram with two humps, and a black line in the gap between them.",
    )


def floors(times: Sequence[int], floor: ArrayLike, line: ArrayLike) -> None:
    """The error of the best guess over t, below that of the best straight line and that of the guess 0."""
    figure, axes = plt.subplots()
    axes.axhline(1, color=OTHER, linewidth=1, linestyle=":", label="guess 0")
    axes.plot(times, line, "--", color=OTHER, label=r"best straight line: $\bar\alpha_t$")
    axes.plot(times, floor, color=RESULT, linewidth=2, label="best guess of all: the floor")
    axes.set(xlabel="t", ylabel="mean squared error of the noise", ylim=(-0.03, 1.08))
    axes.set_title("The noise is hard to guess where there is little of it")
    axes.legend()
    show(
        figure,
        "Over t the error of the best guess starts at 1, is nearly level around 0.53 from t = 100 to 200, then falls "
        "to 0; until about t = 350 it lies well below the dashed curve of the best straight line.",
    )


def weights(times: ArrayLike, curves: Mapping[str, Sequence[float]]) -> None:
    """The bound's weight over t from t = 2 on, against that at t = 500; on logarithmic axes."""
    figure, axes = plt.subplots()
    for (name, curve), (line, colour) in zip(curves.items(), (("-", RESULT), ("--", NOISY)), strict=False):
        ratio, label = np.asarray(curve) / curve[498], f"in the bound, {name} schedule"
        axes.loglog(times, ratio, line, color=colour, linewidth=2, label=label)
    axes.axhline(1, color=OTHER, linestyle=":", linewidth=2, label=r"in $L_{\mathrm{simple}}$")
    axes.set(xlabel="t", ylabel="weight, divided by that at t = 500")
    axes.set_title("The bound cares most about the clean end; the cosine schedule about both")
    axes.legend()
    show(
        figure,
        "On logarithmic axes both weights fall from above 100 at t = 2 to about 1 in the middle. The linear one ends "
        "near 2, the cosine one rises steeply at the end, above 100000. The line of L_simple is level at 1.",
    )


def circle(x_0: float, eps: float, alpha_bar_t: float) -> None:
    """The plane of image and noise: x_t and v are coordinates along two axes turned by an angle."""
    figure, axes = plt.subplots(figsize=(6.4, 5.6))
    c, s = float(np.sqrt(alpha_bar_t)), float(np.sqrt(1 - alpha_bar_t))
    turn, arc = np.linspace(0, 2 * np.pi, 200), np.linspace(0, np.arctan2(s, c), 50)
    generator = torch.Generator().manual_seed(0)
    peak = torch.where(torch.rand(1500, generator=generator) < 0.35, -1.3, 0.7)
    dots = peak + 0.3 * torch.randn(1500, generator=generator), torch.randn(1500, generator=generator)
    axes.scatter(*dots, s=4, color=OTHER, alpha=0.4, linewidths=0, label="rounds of the game", rasterized=True)
    axes.plot(np.cos(turn), np.sin(turn), color=OTHER, linewidth=1)
    axes.plot(0.45 * np.cos(arc), 0.45 * np.sin(arc), color=RESULT, linewidth=1)
    axes.annotate(r"$\varphi_t$", (0.5, 0.14), fontsize=12)
    for (a, b), colour, name in (((c, s), NOISY, "$x_t$"), ((-s, c), MODEL, "$v$")):
        axes.annotate("", (2.4 * a, 2.4 * b), (-2.4 * a, -2.4 * b), arrowprops={"arrowstyle": "->", "color": colour})
        axes.annotate(f"axis of {name}", (2.45 * a, 2.45 * b), color=colour, fontsize=11)
    foot, point = np.array([c, s]) * (c * x_0 + s * eps), np.array([x_0, eps])
    line = foot + np.outer([-4, 4], [-s, c])
    axes.plot(*line.T, "--", color=NOISY, linewidth=1.5, label=r"all pairs that give this $x_t$")
    axes.plot(*zip((0, 0), foot, strict=True), color=NOISY, linewidth=4, label=r"$x_t$, along its axis")
    axes.plot(*zip(foot, point, strict=True), color=MODEL, linewidth=4, label=r"$v$, along the line")
    axes.plot([x_0, x_0], [0, eps], ":", color=NOISE, linewidth=2.5, label=r"height $\epsilon$")
    axes.plot([0, x_0], [eps, eps], ":", color=IMAGE, linewidth=2.5, label=r"width $x_0$")
    axes.plot(*point, "o", color=RESULT, markersize=9)
    axes.annotate(r"$(x_0, \epsilon)$", (x_0, eps), (9, -4), textcoords="offset points", fontsize=12)
    for draw in (axes.axhline, axes.axvline):
        draw(0, color=RESULT, linewidth=0.8)
    axes.set(xlim=(-2.6, 3.4), ylim=(-2.7, 2.7), aspect="equal", xlabel=r"image $x_0$", ylabel=r"noise $\epsilon$")
    axes.set_title(r"$x_t$ says on which line the round lies, $v$ where on it")
    figure.legend(loc="outside right center", fontsize=9)
    show(
        figure,
        "A plane with image across and noise upwards; dots in two upright stripes. Two axes at right angles are turned "
        "by an angle. A dashed line, square to the axis of x_t, goes through a marked point and crosses both stripes.",
    )


def walks(path: Tensor, schedule: NoiseSchedule, shown: int = 12) -> None:
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
    right.hist(
        path[-1],
        bins=80,
        range=(-3, 3),
        density=True,
        histtype="stepfilled",
        orientation="horizontal",
        color=IMAGE,
        alpha=0.6,
    )
    right.plot(exact, grid, color=RESULT, linewidth=2, label="the data's density")
    right.set(xlabel="density", title="Where they end")
    right.legend(loc="upper right", fontsize=8)
    show(
        figure,
        "Left: thin lines start spread around 0 at t = 1000 and end in two bundles at t = 0, over a map whose colour "
        "is pale at the left and parts into two towards the right. Right: a histogram of two peaks along a curve.",
    )


def roll_walk(states: Mapping[int, Tensor], roll: Tensor) -> None:
    """A few states of a walk in the plane, (n, 2) each, over the points of the data."""
    figure, panels = plt.subplots(1, len(states), figsize=(10, 2.9), sharex=True, sharey=True)
    for axes, (time, points) in zip(panels, states.items(), strict=True):
        axes.scatter(*roll.T, s=16, color=OTHER, alpha=0.45, linewidths=0)
        axes.scatter(*points.T, s=4, color=IMAGE if time == 0 else NOISY, linewidths=0)
        axes.set(title=f"t = {time}", aspect="equal", xlim=(-3, 3), ylim=(-3, 3), xlabel="first coordinate")
    panels[0].set_ylabel("second coordinate")
    show(
        figure,
        "Five panels from t = 1000 to t = 0: a round cloud of blue dots over a grey spiral becomes a blurred spiral, "
        "then a sharp one; in the last panel small orange dots lie on the grey spiral.",
    )


def column(numbers: Sequence[float] | Tensor) -> Tensor:
    """Numbers as the package takes them: images (n, 1, 1, 1) of a single pixel, float64."""
    return torch.as_tensor(numbers, dtype=torch.float64).reshape(-1, 1, 1, 1)
