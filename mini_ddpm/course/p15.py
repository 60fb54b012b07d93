"""Notebook 15: what it draws, each figure with its alt text, and the symbols of its derivations."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from sympy import symbols
from torch import Tensor

from mini_ddpm.course import flows
from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.course.sheets import draw_digits as draw_digits
from mini_ddpm.course.tables import Table
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.symbolic.notation import forward_process

forward = forward_process()
u, epsilon_theta, v, xhat_0, F = symbols("u epsilon_theta v xhat_0 F", real=True)
r, sigma_data, tau = symbols("r sigma_data tau", positive=True)

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
    axes.set_title("On EDM's steps: with enough calls the order decides")
    axes.legend(fontsize=9)
    show(
        figure,
        "Error against calls, both logarithmic, all on EDM's steps. Two lines for Euler's method fall with slope -1, "
        "parallel. Heun's method starts above both at 15 calls, crosses them near 30, and falls with slope -2, like "
        "the solver with memory, which lies below all others from 16 calls on.",
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


KINDS = ("noise", "image", "velocity", "EDM")


def targets(images: Tensor, log_snr: Tensor) -> tuple[dict[str, list[Tensor]], dict[str, list[Tensor]]]:
    """For each kind of target over log-SNR: its root mean square, and the image's error of a network that answers 0."""
    size, eps = images.square().mean().sqrt(), torch.randn_like(images)
    sizes: dict[str, list[Tensor]] = {name: [] for name in KINDS}
    fresh: dict[str, list[Tensor]] = {name: [] for name in KINDS}
    for bar in log_snr.sigmoid():  # alpha_bar
        ratio = (1 / bar - 1).sqrt()
        whole = (ratio**2 + size**2).sqrt()
        outside = ratio * size / whole  # what stands before F
        velocity = bar.sqrt() * eps - (1 - bar).sqrt() * images
        inside = (images - (size / whole) ** 2 * (images + ratio * eps)) / outside
        found = (eps, images, velocity, inside)
        factors = (ratio, 1.0, (1 - bar).sqrt(), outside)  # of an error, in the image
        for name, target, factor in zip(KINDS, found, factors, strict=True):
            sizes[name].append(target.square().mean().sqrt())
            fresh[name].append(factor * sizes[name][-1])
    return sizes, fresh


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


def steps_table(calls: Sequence[int], off: Mapping[tuple[str, str], Sequence[Tensor]]) -> Table:
    """The error of the end by method and by choice of steps."""
    rows = [(method, steps, *(f"{one:.4f}" for one in errors)) for (method, steps), errors in off.items()]
    caption = "error of the end, the two peaks; Heun's method with half as many steps, and one call less than stated"
    return Table(("method", "steps", *(f"{n} calls" for n in calls)), rows, caption)
