"""Notebook 12: what it draws, each figure with its alt text; its symbols, and what was measured for it."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from PIL import Image
from sympy import symbols
from torch import Tensor

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, Slider, show
from mini_ddpm.course.sheets import draw_digits as draw_digits
from mini_ddpm.course.toys import Mixture
from mini_ddpm.files import shipped
from mini_ddpm.runs import image_grid
from mini_ddpm.schedules import NoiseSchedule
from mini_ddpm.symbolic.notation import forward_process

forward = forward_process()
x_s, mu, g, epsilon_theta, epsilon_c, epsilon_u = symbols("x_s mu g epsilon_theta epsilon_c epsilon_u", real=True)
Sigma, w = symbols("Sigma w", positive=True)

# One look for one way to guide, and for one kind of classifier.
LOOKS = {
    "free": (MODEL, "o-", "classifier-free"),
    "at the mean": (NOISY, "^--", "classifier, slope at the mean"),
    "at x_t": (NOISE, "s-", "classifier, slope at $x_t$"),
    "label and classifier": (RESULT, "D-", "network with label, and classifier"),
    "temperature": (OTHER, "v:", "temperature"),
    "told t": (NOISE, "o-", "noisy digits, told $t$"),
    "never told t": (NOISY, "^--", "noisy digits, never told $t$"),
    "clean digits": (OTHER, "s:", "clean digits"),
}
NEAR = 0.75  # where accuracies begin to be worth comparing
PUPILS = ("told t", "never told t", "clean digits")


def stored(*names: str) -> dict[tuple[str, float], Tensor]:
    """What was measured, by way and scale: (seeds, numbers) of the rows that have these names."""
    found: dict[tuple[str, float], list] = {}
    for row in json.loads(shipped("bench/guidance.json").read_text(encoding="utf-8"))["rows"]:
        if all(name in row for name in names):
            found.setdefault((row["way"], row["scale"]), []).append([row[name] for name in names])
    return {key: torch.tensor(value).flatten(1) for key, value in found.items()}


def spread(values: Tensor, digits: int = 2) -> str:
    """Mean, least and largest of several seeds."""
    return f"{values.mean():.{digits}f} ({values.min():.{digits}f} to {values.max():.{digits}f})"


def _band(axes: Axes, across: Sequence[float], table: Tensor, way: str) -> None:
    """A line of means and a band from the least to the largest of the seeds; table (seeds, len(across))."""
    colour, line, name = LOOKS[way]
    axes.plot(across, table.mean(dim=0), line, color=colour, label=name, markersize=5)
    axes.fill_between(across, table.min(dim=0).values, table.max(dim=0).values, color=colour, alpha=0.2)


def draw_steps(side: Tensor, bells: Mapping[str, tuple[float, Tensor, Tensor, Tensor]]) -> None:
    """For each step its width, the step, its product with a classifier, and the bell that was moved."""
    figure, panels = plt.subplots(1, len(bells), figsize=(10, 3.4))
    looks = ((OTHER, "-", "the step"), (RESULT, "-", "times the classifier"), (NOISY, "--", "moved bell"))
    for axes, (title, (sigma, *curves)) in zip(panels, bells.items(), strict=True):
        for curve, (colour, line, name) in zip(curves, looks, strict=True):
            axes.plot(side, curve / (curve.sum() * (side[1] - side[0])), line, color=colour, linewidth=2, label=name)
        axes.set(xlabel="$x_s$", ylabel="density", xlim=(-0.5 - 4 * sigma, -0.5 + 8 * sigma), title=title)
    panels[0].legend(fontsize=9)
    show(
        figure,
        "Two panels, each with a bell for the step, the product with the classifier to the right of it, and the moved "
        "bell. For the short step the moved bell covers the product. For the long one it stands further to the right: "
        "by a third of the way.",
    )


def draw_classifiers(reads: Mapping[tuple[str, float], Tensor], coarse: Mapping[tuple[str, float], Tensor]) -> None:
    """How well three kinds of classifiers read over t, and how much of their slope is coarse."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    for kind in PUPILS:
        _band(left, range(0, 1001, 100), reads[kind, 0.0], kind)
        _band(right, range(100, 1000, 200), coarse[kind, 0.0], kind)
    left.axhline(0.1, color="0.5", linewidth=1)
    right.axhline(1 / 16, color="0.5", linewidth=1)
    left.set(xlabel="$t$", ylabel="read correctly", title="Clean digits teach less and less as noise grows")
    right.set(xlabel="$t$", ylabel="share of the slope's square", ylim=(0, None), title="How coarse is the slope?")
    left.legend(fontsize=9, loc="lower left")
    show(
        figure,
        "Left: held-out digits read correctly over t. Both classifiers of noisy digits stay together, above 0.8 up to "
        "t = 600, and fall to one in ten at the end; that of clean digits starts higher, meets "
        "them at t = 300 and falls "
        "earlier. Right: the coarse share of the slope's square, about a half for both that saw "
        "noise and a quarter for "
        "the other, level over t.",
    )


def draw_slopes(rows: Mapping[str, Sequence[Tensor]], columns: Sequence[str]) -> None:
    """Rows of images (1, 1, 28, 28): the noisy digit, and the slopes of several classifiers, each on its own scale."""
    figure, panels = plt.subplots(len(columns), len(rows), figsize=(1.7 * len(rows), 1.8 * len(columns)))
    for column, (title, images) in zip(panels.T, rows.items(), strict=True):
        for axes, image in zip(column, images, strict=True):
            size = 3 * float(image.std())
            axes.imshow(image[0, 0], cmap="gray", vmin=-size, vmax=size)
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
        column[0].set_title(title)
    for axes, name in zip(panels[:, 0], columns, strict=True):
        axes.set_ylabel(name)
    show(
        figure,
        "Columns for t = 100, 300, 500 and 700. Above, a two that sinks into noise. In the middle, the slope of the "
        "classifier that was trained on noise: patches as wide as strokes. Below, that of the classifier of clean "
        "digits: finer grain, and no two in it at the end.",
    )


def draw_places(table: Mapping[tuple[str, float], Tensor]) -> None:
    """Accuracy and FD-judge over the scale, and against each other, for the slope at the mean and at x_t."""
    figure, panels = plt.subplots(1, 3, figsize=(11, 3.7))
    for way in ("at the mean", "at x_t"):
        scales = [0.0, *sorted(scale for name, scale in table if name == way)]
        rows = torch.stack([table[way if scale else "free", scale] for scale in scales], dim=1)
        for axes, k in zip(panels, (1, 0), strict=False):
            _band(axes, scales, rows[:, :, k], way)
        colour, line, name = LOOKS[way]
        panels[2].plot(rows[:, :, 1].mean(dim=0), rows[:, :, 0].mean(dim=0), line, color=colour, label=name)
        panels[2].plot(rows[:, :, 1], rows[:, :, 0], line[0], color=colour, alpha=0.35, markersize=4)
        for k, scale in enumerate(scales):
            place = float(rows[:, k, 1].mean()), float(rows[:, k, 0].mean())
            if place[0] > NEAR:
                below = -12 if scale == 15 else 2
                panels[2].annotate(f"{scale:g}", place, fontsize=9, xytext=(-14, below), textcoords="offset points")
    panels[2].set(xlim=(NEAR, 1.0), ylim=(0.1, 0.5))
    panels[0].set(xlabel="scale", ylabel="accuracy", title="Equal scale: the mean reads better")
    panels[1].set(xlabel="scale", ylabel="FD-judge", title="Distance from real digits")
    panels[2].set(xlabel="accuracy", ylabel="FD-judge", title="Equal accuracy: $x_t$ is nearer")
    panels[0].legend(fontsize=9)
    show(
        figure,
        "Three panels. Accuracy over the scale: with the slope at the mean it rises faster and stays near 0.95; at x_t "
        "it goes on to 0.98. FD-judge over the scale: at the mean it is least at 3 and then rises steeply, at x_t it "
        "falls to 0.15. FD-judge over accuracy, from 0.75 on: the line of x_t lies below that of the mean and ends "
        "further to the right.",
    )


def pushes(schedule: NoiseSchedule, chain: Sequence[int]) -> dict[str, Tensor]:
    """By how much one unit of slope at scale 1 moves x_s, at each step of a chain but the last: three formulas."""
    bars = schedule.at(torch.tensor(chain)).double().flatten()
    a_t, a_s = bars[:-2], bars[1:-1]
    beta = 1 - a_t / a_s
    left = (a_s / a_t).sqrt() * (1 - a_t) - ((1 - a_s) * (1 - a_t)).sqrt()
    return {
        "slope on the mean": (1 - a_s) / (1 - a_t) * beta,
        "on the noise, ancestral": beta * (a_s / a_t).sqrt(),
        "on the noise, DDIM": left,
    }


def draw_pushes(schedule: NoiseSchedule, chains: Iterable[Sequence[int]]) -> None:
    """The push of each formula, divided by that on the mean, for several chains."""
    chains = list(chains)
    figure, panels = plt.subplots(1, len(chains), figsize=(10, 3.6), sharey=True)
    looks = ((NOISY, "^--"), (NOISE, "s-"), (MODEL, "o-"))
    for axes, chain in zip(panels, chains, strict=True):
        found = pushes(schedule, chain)
        unit = found["slope on the mean"]
        for (name, push), (colour, line) in zip(found.items(), looks, strict=True):
            shape = line if len(chain) < 50 else line[1:]
            axes.plot(chain[1:-2], (push / unit)[1:], shape, color=colour, label=name)
        axes.set(xlabel="$t$ at the start of the step", title=f"{len(chain) - 1} steps")
    panels[0].set(ylabel=r"push, as multiples of $\tilde\beta$", ylim=(0, 4.2))
    panels[0].legend(fontsize=9)
    show(
        figure,
        "The push of three formulas over t, as multiples of the first. In ten steps the ancestral one on the noise "
        "pushes 1.6 to 4 times as hard, DDIM's 0.9 to 2.5 times, both hardest at small t. In 1000 steps the ancestral "
        "one lies at 1 and DDIM's at one half, but for the ends.",
    )


def turn(asked_for: Callable[[int, float], Tensor]) -> Slider:
    """Ten images of one digit at any scale; `asked_for(digit, scale)` draws them, (10, 1, 28, 28)."""

    def look(scale: float, digit: int) -> tuple[Image.Image, str]:
        return image_grid(asked_for(digit, scale), columns=10), (
            f"Ten images from the same noise, asked to be a {digit} at w = {scale:g}."
        )

    scales = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0]
    return Slider(look, {"scale": scales, "digit": range(10)}, {"scale": 1.5, "digit": 7})


def draw_trade(table: Mapping[tuple[str, float], Tensor], n: int) -> None:
    """Left, precision against recall for each knob; right, FD-judge over the scale."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6))
    starts = {"at x_t": ("free", 0.0), "label and classifier": ("free", 1.0), "temperature": ("free", 1.0)}
    for way in ("free", "at x_t", "label and classifier", "temperature"):
        rows = {scale: values for (name, scale), values in table.items() if name == way}
        if way in starts:
            rows[1.0 if way == "temperature" else 0.0] = table[starts[way]]
        scales = sorted(rows, reverse=way == "temperature")
        values = torch.stack([rows[scale] for scale in scales], dim=1)  # (seeds, scales, 4)
        colour, line, name = LOOKS[way]
        middle, low, high = values.mean(dim=0), values.min(dim=0).values, values.max(dim=0).values
        bars = [np.abs(np.stack([(middle - low)[:, k], (high - middle)[:, k]])) for k in (3, 2)]
        left.errorbar(middle[:, 3], middle[:, 2], *bars[::-1], fmt=line, color=colour, label=name, elinewidth=0.8)
        for scale, place in zip(scales, middle[:, [3, 2]].tolist(), strict=True):
            beside = {"temperature": (5, -9), "label and classifier": (-9, -10), "at x_t": (5, -8)}.get(way, (3, 5))
            left.annotate(f"{scale:g}", place, fontsize=8, xytext=beside, textcoords="offset points", color=colour)
        if way != "temperature":
            _band(right, scales, values[:, :, 0], way)
    bare = table["free, no clamp", 8.0].mean(dim=0)
    left.plot(bare[3], bare[2], "o", color=MODEL, fillstyle="none", label="classifier-free at 8, not clamped")
    real = table["real digits", 0.0][0]
    left.plot(real[3], real[2], "*", color=IMAGE, markersize=14, label="real digits")
    right.axhline(float(real[0]), color=IMAGE, linewidth=1)
    right.text(30, float(real[0]) + 0.004, "real digits", color=IMAGE, fontsize=8, ha="right", va="bottom")
    left.set(xlabel="recall (variety)", ylabel="precision (fidelity)", title="Fidelity is bought with variety")
    right.set(xlabel="scale", ylabel=f"FD-judge, n = {n}", title="Nearest: the label, not or hardly guided")
    right.set_xscale("symlog", linthresh=1)
    right.set_xticks([0, 1, 2, 4, 8, 15, 30], ["0", "1", "2", "4", "8", "15", "30"])
    right.set_xticks([], minor=True)
    right.set_xlim(-0.1, 33)
    left.legend(fontsize=8, loc="lower left")
    show(
        figure,
        "Left, precision over recall. Classifier-free guidance runs from the lower right, without label, up to the "
        "upper left; the network with label and a classifier starts at its scale 1 and runs along with it, as does the "
        "temperature. The classifier alone stays lower. A star for real digits lies at 0.8 on both axes. Right, "
        "FD-judge over the scale: classifier-free is least at 1, the classifier on the label at 0 "
        "and 1; the classifier "
        "alone rises up to 1 and then falls to 0.16 at 15.",
    )


def draw_clouds(clouds: Mapping[str, tuple[Tensor, Tensor]], side: Tensor, three: Mixture) -> None:
    """Dots that were drawn, and contours of an exact density on a grid of `side` times `side`, for each title."""
    figure, panels = plt.subplots(1, len(clouds), figsize=(3.6 * len(clouds), 3.9), sharex=True, sharey=True)
    for axes, (title, (cloud, weight)) in zip(panels, clouds.items(), strict=True):
        axes.scatter(*cloud[:1200].T, s=3, alpha=0.4, color=NOISY, label="drawn")
        levels = float(weight.max()) * np.array([0.05, 0.2, 0.4, 0.6, 0.8])
        axes.contour(side, side, weight, levels=levels, colors=RESULT, linewidths=1)
        axes.scatter(*three.means.T, marker="x", color=IMAGE, label="centres of the data")
        axes.set(title=title, aspect="equal", xlabel="first number")
    panels[0].set_ylabel("second number")
    panels[0].legend(loc="lower left", fontsize=8)
    show(
        figure,
        "Three panels with three crosses for the clusters of the data, contour lines of the sharpened density around "
        "the upper one, and samples as dots. At scale 1 the dots fill the contours. At scale 5 ancestral dots lie a "
        "little higher than the contours; DDIM's are a small patch at their upper edge.",
    )
