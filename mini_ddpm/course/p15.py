"""Notebook 15: what it draws, each figure with its alt text, and the symbols of its derivations."""

import json
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from sympy import symbols
from torch import Tensor

from mini_ddpm.course import flows
from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.files import shipped
from mini_ddpm.runs import image_grid
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
        axes.plot(time, state, color=NOISY, linewidth=1)
        axes.plot(time, state[:, 2], color=RESULT, linewidth=2.5)
        axes.set(xlim=limits, xlabel=across, ylabel=up, title=name)
    three[1].set_ylim(-6, 6)
    show(
        figure,
        "Three panels with the same nine curves from noise, left, to two bundles around -1.2 and 0.7, right. In the "
        "first they run level down to 50 degrees and then bend; in the second they come in from far outside like a "
        "fan; in the third they bend towards the middle and out again. One thick curve ends near -1 in all three.",
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
    for name, weight in weights.items():
        colour, line = LOOKS[name]
        left.semilogy(log_snr, weight, line, color=colour, linewidth=2, label=name)
    for name, share in shares.items():
        colour, line = LOOKS[name]
        right.plot(log_snr, share, line, color=colour, linewidth=2, label=f"{name}: middle {middles[name]:.1f}")
    left.set(xlabel="log SNR: noise left, image right", ylabel="weight of the image's squared error")
    left.set_title("Weights part at the ends")
    right.set(
        xlabel="log SNR", ylabel="share of the loss, per unit", title="Where the least loss lies, on the two peaks"
    )
    for axes in (left, right):
        axes.legend(fontsize=8, loc="upper left")
    right.set_ylim(0, 0.4)
    show(
        figure,
        "Left, on a logarithmic axis: the image's weight is a flat line at 1, that of the noise a rising one. Velocity "
        "and EDM are flat on the left and rise with the noise on the right; min-SNR rises with the noise up to 5 and "
        "is flat from there. Right: five humps, the image's furthest to the noisy side, the noise's furthest to the "
        "clean side. The dotted curve of the bound rises to the right edge and does not come down.",
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


def draw_digits(rows: Mapping[str, Tensor], alt: str) -> None:
    """Rows of ten digits (10, 1, 28, 28), each with its name."""
    figure, axes = plt.subplots(figsize=(9, 0.95 * len(rows)))
    axes.imshow(image_grid(torch.cat(list(rows.values())).clamp(-1, 1), columns=10), cmap="gray")
    height = 30 * 2
    axes.set_yticks([height * (k + 0.5) for k in range(len(rows))], list(rows))
    axes.set_xticks([])
    axes.grid(False)
    show(figure, alt)


def interval_rows() -> dict[tuple[str, float], Tensor]:
    """Stored measurements by part of the chain and scale: (seeds, 3) of FD-judge, accuracy and diversity."""
    rows = json.loads(shipped("bench/interval.json").read_text(encoding="utf-8"))["rows"]
    found: dict[tuple[str, float], list[list[float]]] = {}
    for row in rows:
        figures = [row[key] for key in ("fd_judge", "accuracy", "diversity")]
        found.setdefault((row["part"], row["scale"]), []).append(figures)
    return {key: torch.tensor(value) for key, value in found.items()}


def draw_interval(rows: Mapping[tuple[str, float], Tensor]) -> None:
    """FD-judge and accuracy against the scale, for each part of the chain that is guided: mean and range of seeds."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 4))
    looks = {
        "everywhere": (RESULT, "o-"),
        "noisy end": (NOISE, "v--"),
        "middle": (MODEL, "s-"),
        "clean end": (OTHER, "^:"),
    }
    scales = sorted({scale for _, scale in rows})
    for axes, k, label in zip(panels, (0, 1), ("FD-judge, lower is better", "read as the right digit"), strict=True):
        for part, (colour, line) in looks.items():
            table = torch.stack([rows["nowhere" if one == 1 else part, one][:, k] for one in scales])  # (scales, seeds)
            axes.plot(scales, table.mean(dim=1), line, color=colour, label=part)
            axes.fill_between(scales, table.min(dim=1).values, table.max(dim=1).values, color=colour, alpha=0.15)
        axes.set(xlabel="scale of guidance $w$", ylabel=label)
        axes.set_xticks(scales)
    panels[0].set_title("Distance from real digits")
    panels[1].set_title("Do they show what was asked for?")
    panels[0].legend()
    show(
        figure,
        "Left: the distance falls up to scale 1.5 and then rises, steeply where the whole walk is guided, less in the "
        "middle, least at the noisy end; the clean end's line is nearly level. Right: the share of right digits goes "
        "from 0.93 to 0.99 and above for all but the clean end, which stays below 0.95.",
    )
