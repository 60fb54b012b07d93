"""Notebook 15: what it draws, each figure with its alt text, and the symbols of its derivations."""

import json
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from sympy import symbols
from torch import Tensor

from mini_ddpm.course import flows
from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.course.sheets import draw_digits as draw_digits
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.files import shipped
from mini_ddpm.symbolic.notation import forward_process

forward = forward_process()
u, epsilon_theta, v, xhat_0, F = symbols("u epsilon_theta v xhat_0 F", real=True)
r, sigma_data = symbols("r sigma_data", positive=True)

# One look for one kind of network or loss.
LOOKS = {
    "noise": (NOISE, "-"),
    "image": (IMAGE, "-"),
    "velocity": (MODEL, "-"),
    "min-SNR": (OTHER, "--"),
    "EDM": (NOISY, "--"),
    "flow matching": (RESULT, "--"),
    "the bound": (RESULT, ":"),
}


def draw_family() -> None:
    """The same nine walks in three pairs of coordinates; one of them is thick."""
    shares = torch.linspace(0.1, 0.9, 9, dtype=torch.float64)
    ratios = torch.cat([torch.linspace(0, 4, 161), torch.logspace(np.log10(4.03), 2, 80)]).double()
    paths = torch.stack([flows.quantile(shares, float(one)) for one in ratios])  # u, (ratios, 9)
    clock, scale = ratios[:, None], (1 + ratios[:, None] ** 2).sqrt()
    panels = (
        (torch.rad2deg(ratios.atan()), paths / scale, (90, 0), r"angle $\varphi_t$, in degrees", "$x_t$", "DDPM, DDIM"),
        (ratios, paths, (4, 0), "$r$, noise over signal", "$u = x_0 + r\\,\\epsilon$", "EDM"),
        (ratios / (1 + ratios), paths / (1 + clock), (1, 0), r"$\tau$, share of the noise", "$z$", "flow matching"),
    )
    figure, three = plt.subplots(1, 3, figsize=(10, 3.6))
    for axes, (time, state, limits, across, up, name) in zip(three, panels, strict=True):
        for k, share in enumerate(shares):
            axes.plot(time, state[:, k], color=NOISE if share < TWO_PEAKS.weights[0] else NOISY, linewidth=1)
        axes.plot(time, state[:, 2], color=RESULT, linewidth=2.5)
        axes.set(xlim=limits, xlabel=across, ylabel=up, title=name)
        data = axes.inset_axes((1.0, 0.0, 0.12, 1.0), sharey=axes)
        places = torch.linspace(-2.2, 1.6, 200, dtype=torch.float64)
        data.fill_betweenx(places, 0, TWO_PEAKS.density(places[:, None]), color=IMAGE, alpha=0.5, linewidth=0)
        data.axis("off")
    three[1].set_ylim(-5, 5)
    show(
        figure,
        "Three panels with the same nine curves from noise, left, to data, right, where the density of the data is "
        "drawn with its two peaks: three curves end in the lower one, six in the upper one. In the first panel they "
        "run level down to 50 degrees and then bend; in the second they come in from far outside like a fan; in the "
        "third they bend towards the middle and out again. One thick curve ends near -1 in all three.",
    )


def draw_errors(found: Mapping[str, tuple[Tensor, Tensor]], slopes: Mapping[str, float]) -> None:
    """The error of the end against calls of the network, both logarithmic, for each method."""
    figure, axes = plt.subplots(figsize=(7, 4.2))
    looks = ((NOISY, "o-"), (OTHER, "o:"), (MODEL, "s-"), (RESULT, "^-"))
    for (name, (calls, errors)), (colour, line) in zip(found.items(), looks, strict=True):
        axes.loglog(calls, errors, line, color=colour, label=f"{name}: slope {slopes[name]:.2f}")
    axes.set(xlabel="calls of the player, for each walk", ylabel="root mean square error of the end")
    axes.set_title("First order or second: with enough calls the slope decides")
    axes.legend(fontsize=9)
    show(
        figure,
        "Error against calls, both logarithmic. Two lines for Euler's method fall with slope -1, parallel. Heun's "
        "method starts above both at 15 calls, crosses them near 30, and falls with slope -2, like the solver with "
        "memory, which lies below all others from 16 calls on.",
    )


def draw_weights(
    log_snr: Tensor, weights: Mapping[str, Tensor], shares: Mapping[str, Tensor], middles: Mapping[str, float]
) -> None:
    """Left: weights of the squared error of the image. Right: where each loss has what is left to the best player."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    for axes, curves in ((left, weights), (right, shares)):
        for name, curve in curves.items():
            colour, line = LOOKS[name]
            told = f"{name}: middle {middles[name]:.1f}" if curves is shares and name in middles else name
            axes.plot(log_snr, curve, line, color=colour, linewidth=4 if name == "velocity" else 2, label=told)
        axes.legend(fontsize=8, loc="upper left")
    left.set(xlabel="log SNR: noise left, image right", ylabel="weight of the image's squared error", yscale="log")
    left.set_title("Weights alone")
    right.set(xlabel="log SNR: noise left, image right", ylabel="share of the loss, per unit", ylim=(0, 0.4))
    right.set_title("Weights and draws: two losses are one")
    show(
        figure,
        "Left, on a logarithmic axis: the image's weight is a flat line at 1, that of the noise a rising one. Velocity "
        "and EDM coincide, flat on the left and rising with the noise on the right; flow matching lies above them "
        "between; min-SNR rises with the noise up to 5 and is flat from there. Right: humps, the image's furthest to "
        "the noisy side, the noise's furthest to the clean side. Flow matching's lies exactly on the velocity's. The "
        "dotted curve of the bound rises to the right edge and does not come down.",
    )


def draw_bounds(steps: Sequence[int], gaps: Mapping[str, Sequence[float]], curves: Mapping[str, Tensor]) -> None:
    """Left: two schedules with equal ends. Right: how far their bounds are above the common limit."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    for (name, gap), colour, line in zip(gaps.items(), (RESULT, NOISY), ("o-", "s--"), strict=True):
        share = np.linspace(0, 1, len(curves[name]))
        left.plot(share, curves[name], line[1:], color=colour, linewidth=2, label=name)
        right.loglog(steps, gap, line, color=colour, label=name)
    left.set(xlabel="t / T", ylabel="log SNR", title="Two schedules with the same ends")
    right.set(xlabel="T", ylabel="bits above the limit", title="Both bounds come down to one limit")
    for axes in (left, right):
        axes.legend()
    show(
        figure,
        "Left: two falling curves that share both ends; the linear schedule drops faster at first. Right: on "
        "logarithmic axes the distance of both bounds to the common limit falls with slope -1, the cosine schedule's "
        "below the linear one's.",
    )


def draw_targets(log_snr: Tensor, sizes: Mapping[str, Tensor], fresh: Mapping[str, Tensor]) -> None:
    """Over log SNR, for each kind of target: how large it is, and the image's error of a network that answers 0."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 3.8))
    for axes, curves in zip(panels, (sizes, fresh), strict=True):
        for name, curve in curves.items():
            colour, line = LOOKS[name]
            axes.plot(log_snr, curve, line, color=colour, linewidth=2, label=name)
        axes.set(xlabel="log SNR: noise left, image right")
        axes.legend()
    panels[0].set(ylim=(0, 1.2), ylabel="root mean square", title="Size of the target: noise and EDM stay at 1")
    panels[1].set(yscale="log", ylabel="error of the image", title="A network that answers 0: EDM's errs least")
    show(
        figure,
        "Left: over log SNR the sizes of noise and EDM's target stay at 1, the image's at 0.48; the velocity's rises "
        "from 0.48 on the noisy side to 1. Right, on a logarithmic axis: the error of the image falls from 90 to 0.01 "
        "for the noise and stays at 0.48 for the image; velocity and EDM follow the image's line on the noisy side and "
        "the noise's on the clean side, EDM a little below the velocity between.",
    )


def interval_rows() -> dict[tuple[str, float], Tensor]:
    """Stored measurements by part of the chain and scale: (seeds, 3) of FD-judge, accuracy and diversity."""
    rows = json.loads(shipped("bench/interval.json").read_text(encoding="utf-8"))["rows"]
    found: dict[tuple[str, float], list[list[float]]] = {}
    for row in rows:
        figures = [row[key] for key in ("fd_judge", "accuracy", "diversity")]
        found.setdefault((row["part"], row["scale"]), []).append(figures)
    return {key: torch.tensor(value) for key, value in found.items()}


PARTS = {  # that are guided, each with its look
    "everywhere": (RESULT, "o-"),
    "all but the clean end": (RESULT, "o--"),
    "middle": (MODEL, "s-"),
    "all but the noisy end": (MODEL, "s--"),
    "noisy end": (NOISE, "v-"),
    "clean end": (OTHER, "^-"),
}
WINDOWS = ("noisy end", "600 to 800", "400 to 600", "200 to 400", "clean end")  # a fifth of the steps each


def draw_interval(rows: Mapping[tuple[str, float], Tensor]) -> None:
    """FD-judge: left, against the scale for each part that is guided; right, where a fifth of the steps is guided."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))

    def drawn(
        axes: Axes, across: Sequence[float], keys: Sequence[tuple[str, float]], look: str, color: str, label: str
    ) -> None:
        table = torch.stack([rows[key][:, 0] for key in keys])  # (points, seeds)
        axes.plot(across, table.mean(dim=1), look, color=color, label=label)
        low, high = table.min(dim=1).values, table.max(dim=1).values
        axes.fill_between(across, low, high, color=color, alpha=0.12, linewidth=0)

    scales = sorted({scale for _, scale in rows})
    for part, (colour, look) in PARTS.items():
        keys = [("nowhere" if scale == 1 else part, scale) for scale in scales]
        drawn(left, scales, keys, look, color=colour, label=part)
    for scale, colour, look in ((1.5, MODEL, "o:"), (3.0, NOISY, "o--"), (6.0, RESULT, "o-")):
        keys = [(part, scale) for part in WINDOWS]
        drawn(right, range(5), keys, look, color=colour, label=f"two steps, w = {scale:g}")
    for axes in (left, right):
        axes.axhline(rows["real digits", 1.0][:, 0].mean(), color=IMAGE, label="real digits")
        axes.axhline(rows["nowhere", 1.0][:, 0].mean(), color=OTHER, linestyle=":", label="no guidance")
        axes.legend(fontsize=8)
    left.set(xlabel="scale of guidance $w$", ylabel="FD-judge, lower is better", xticks=scales, ylim=(0.04, 0.29))
    right.set_xticks(range(5), ["1000, 900", "800, 700", "600, 500", "400, 300", "200, 100"])
    right.set(xlabel="the two guided times $t$", ylabel="FD-judge, lower is better", ylim=(0.04, 0.2))
    left.set_title("From w = 3 on the noisy end harms the middle")
    right.set_title("Two guided steps: at w = 3 and 6 best inside")
    show(
        figure,
        "Left: over the scale, the two lines for guidance everywhere, with and without the clean end, fall to 0.07 at "
        "1.5 and then rise steeply, above 0.2. The two for the middle rise less, to between 0.15 and 0.18; that of the "
        "noisy end stays near 0.1, that of the clean end a little below no guidance. Right: over the place of two "
        "guided steps the lines for scales 3 and 6 are lowest inside, at 0.07 to 0.08, and higher at both ends; the "
        "line for 1.5 is low at the noisy side and rises to the clean one.",
    )
