"""Notebook 00: its walks, and what it draws, each figure with its alt text; the appendix's picture."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike
from torch import Tensor

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, OTHER, RESULT, show
from mini_ddpm.data import ImageSet, to_model
from mini_ddpm.diffusion import Diffusion, fixed_small
from mini_ddpm.files import read_tensors, shipped
from mini_ddpm.losses import Model
from mini_ddpm.runs import Trained, draw, image_grid
from mini_ddpm.sampling import Step, ancestral_step, sample
from mini_ddpm.schedules import NoiseSchedule, linear_betas

TIMES = (1000, 500, 400, 250, 100, 0)  # the stops that are stored of the walk in small steps
STORED = "bench/small-steps.safetensors"  # made by tests/bench/small_steps.py


class Stop(NamedTuple):
    """Where the walk is at time `t`, and the finished images that the network guesses there; at t = 0, the images."""

    t: int
    x_t: Tensor
    guess: Tensor


def walk(network: Trained, labels: Tensor, seed: int) -> list[Stop]:
    """The walk from noise to one image a label, in 50 steps without dice, its start included, on the CPU."""
    sampling = replace(network.config.sampling, sampler="ddim", steps=50, eta=0.0)
    config = replace(network.config, sampling=sampling)
    network = replace(network, config=config, diffusion=config.diffusion)
    chain = list(draw(network, labels, len(labels), seed))
    torch.manual_seed(seed)  # the noise that the chain began with
    noise = torch.randn(chain[0].x_t.shape)
    states = [noise, *(step.x_t for step in chain)]
    times = [network.diffusion.schedule.T, *(step.t for step in chain)]
    guesses = [*(step.x_0 for step in chain), chain[-1].x_t]
    return list(map(Stop, times, states, guesses))


def small_steps(network: Trained, labels: Tensor, x_t: Tensor, t: int) -> Iterator[Stop]:
    """The steps of notebook 00's first picture, backwards, from x_t at time t: noise in each, and no guidance.

    The network was trained with another schedule. It is told the time of its own at which nearly as much of the image
    is left. The noise of a step depends on its time alone, so that a walk can be taken up at any stop.
    """
    linear, own = NoiseSchedule.from_betas(linear_betas(1000)), network.diffusion.schedule.alpha_bar
    times = np.interp(-linear.alpha_bar.numpy(), -own.numpy(), np.arange(len(own)))
    own_times = torch.from_numpy(times.round()).long()
    diffusion = replace(network.diffusion, schedule=linear, variance=fixed_small, steps=None)

    def model(x_t: Tensor, t: Tensor) -> Tensor:
        return network.model(x_t, own_times[t], labels)

    def step(diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int) -> Step:
        return ancestral_step(diffusion, model, x_t, t, s, torch.Generator().manual_seed(t))

    for state in sample(step, diffusion, model, x_t, list(range(t, -1, -1))):
        yield Stop(state.t + 1, x_t, state.x_0)
        x_t = state.x_t
    yield Stop(0, x_t, x_t)


def stored_walk() -> list[Stop]:
    """Ten digits, 0 to 9, at six times of their walk in small steps. `tests/bench/small_steps.py` made them."""
    tensors, _ = read_tensors(shipped(STORED))
    return list(map(Stop, TIMES, tensors["x_t"].float(), tensors["guess"].float()))


def averages(digits: ImageSet) -> Tensor:
    """For each digit, the mean of its images: (10, C, H, W)."""
    images = to_model(digits.images)
    return torch.stack([images[digits.labels == digit].mean(dim=0) for digit in range(10)])


def apart(one: Tensor, other: Tensor) -> float:
    """The mean square distance of images."""
    return float((one - other).square().mean())


def compare(stops: Sequence[Stop]) -> None:
    """Print how far the walk is from where it ends, and how far the guess."""
    end = stops[-1].x_t
    print("mean square distance to the finished digit\n   t   walk  guess")
    for stop in stops:
        print(f"{stop.t:4}  {apart(stop.x_t, end):.3f}  {apart(stop.guess, end):.3f}")


def rows(images: Sequence[Tensor], labels: Sequence[str], title: str) -> Figure:
    """One row of images (n, C, H, W) below the other, each with its label."""
    figure, panels = plt.subplots(len(images), figsize=(7.6, 0.3 + 0.76 * len(images)), squeeze=False)
    for axes, row, label in zip(panels[:, 0], images, labels, strict=True):
        grid = image_grid(row.clamp(-1, 1), columns=len(row), zoom=1)
        axes.imshow(grid, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.set_ylabel(label, rotation=0, horizontalalignment="right", verticalalignment="center")
    figure.suptitle(title, fontsize=11)
    return figure


def gaussian_of(x: ArrayLike, density: ArrayLike) -> tuple[float, float, np.ndarray]:
    """Mean and standard deviation of a density on an even grid, and the Gaussian that has both."""
    x, density = np.asarray(x), np.asarray(density)
    share = density / density.sum()
    mean = float((share * x).sum())
    deviation = float(np.sqrt((share * (x - mean) ** 2).sum()))
    bell = np.exp(-((x - mean) ** 2) / (2 * deviation**2)) / (deviation * np.sqrt(2 * np.pi))
    return mean, deviation, bell


def depth(x: ArrayLike, density: ArrayLike) -> float:
    """How high a density is at its mean, as a share of its greatest height: 1 for a Gaussian."""
    x, density = np.asarray(x, dtype=float), np.asarray(density, dtype=float)
    mean, _, _ = gaussian_of(x, density)
    return float(np.interp(mean, x, density) / density.max())


def told(x: ArrayLike, density: ArrayLike) -> str:
    """The mean of a density, and how high it is there."""
    return f"mean {gaussian_of(x, density)[0]:.3f}, height there {depth(x, density):.0%} of the greatest"


def draw_ends(stops: Sequence[Stop]) -> None:
    """The first and the last stop of a walk."""
    first, *_, last = stops
    show(
        rows([first.x_t, last.x_t], ["begin", "end"], "Noise in, digits out"),
        "Two rows of ten squares. Above: grey grain without any form. Below: digits, white on black, as if written "
        "by hand.",
    )


def draw_path(path: Sequence[Tensor], times: Sequence[int]) -> None:
    """The digits at some times on their way into noise."""
    show(
        rows([path[time] for time in times], [f"t = {time}" for time in times], "Digits drown in noise"),
        "Six rows of ten squares. At t = 0 clear digits, at 100 digits with grain, at 250 digits one can just read, "
        "at 400 hardly a trace of them, at 500 and 1000 nothing but grain.",
    )


def draw_stops(stops: Sequence[Stop]) -> None:
    """Where the walk is."""
    show(
        rows([stop.x_t for stop in stops], [f"t = {stop.t}" for stop in stops], "Grain first, then form"),
        "Six rows of ten squares from t = 1000 down to 0: nothing but grain at 1000 and 500, a trace of light at 400, "
        "digits one can just read at 250, digits with grain at 100, clean digits at the end.",
    )


def draw_guesses(stops: Sequence[Stop], real: Tensor) -> None:
    """What the network takes for the finished images, below the average of the `real` ones."""
    labels = ["average", *(f"t = {stop.t}" for stop in stops)]
    show(
        rows([real, *(stop.guess for stop in stops)], labels, "A blur that makes up its mind"),
        "Seven rows of ten squares. On top the averages of the real digits, soft and blurred. The guesses at t = 1000 "
        "look the same; row by row their strokes become sharper, and some change form.",
    )


def _way_back(axes: Axes, x: ArrayLike, likely: ArrayLike, density: ArrayLike, seen: float) -> tuple[float, float]:
    """Where the pixel was before a step, and the Gaussian with the same mean and deviation, which are returned."""
    mean, deviation, bell = gaussian_of(x, density)
    axes.fill_between(x, likely, color=IMAGE, alpha=0.3, linewidth=0, label="all pixels, before the step")
    axes.axvline(seen, color=OTHER, linestyle=":", linewidth=2, label="where it is: $x_t$")
    axes.plot(x, density, color=RESULT, linewidth=2, label="where it was: $q(x_{t-1}|x_t)$")
    axes.plot(x, bell, "--", color=MODEL, linewidth=2, label="one Gaussian")
    axes.set(xlabel="$x_{t-1}$")
    return mean, deviation


def draw_ways_back(x: ArrayLike, data: ArrayLike, densities: Mapping[float, ArrayLike], seen: float) -> None:
    """For each size of a step, where the pixel was before it, with the Gaussian that has its mean and variance."""
    figure, panels = plt.subplots(1, len(densities), figsize=(10, 3.6))
    for axes, (beta, density) in zip(panels, densities.items(), strict=True):
        mean, deviation = _way_back(axes, x, data, density, seen)
        axes.set(xlim=(mean - 4 * deviation, mean + 4 * deviation), ylim=0)
        axes.set_title(rf"a step with $\beta_t = {beta}$")
    panels[0].set_ylabel("density")
    figure.suptitle("The smaller the step, the more its way back is one bell", fontsize=11)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    show(
        figure,
        "Three panels. For beta 0.9 and 0.1 the black curve has two peaks, and the dashed Gaussian has its top over "
        "the valley between them. For 0.001 both are the same narrow bell around x_t.",
    )


def draw_early_and_late(x: ArrayLike, ways: Mapping[str, tuple[ArrayLike, ArrayLike]], seen: float) -> None:
    """The way back of one size of step at several times, on one scale: by name, all pixels then, and where it was."""
    figure, panels = plt.subplots(1, len(ways), figsize=(10, 3.4), sharex=True, sharey=True)
    for axes, (name, (likely, density)) in zip(panels, ways.items(), strict=True):
        _way_back(axes, x, likely, density, seen)
        axes.set(title=name, xlim=(-2.1, 1.5))
    panels[0].set(ylabel="density", ylim=0)
    figure.suptitle("The same step is too large early, and small enough late", fontsize=11)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    show(
        figure,
        "Two panels on one scale. Early the data have two peaks, and so has the black curve, a small one and a large "
        "one; the dashed Gaussian misses both. Late all pixels form one broad hill, and both curves are the same bell.",
    )


def draw_losses(betas: Tensor, before: Tensor, lost: Tensor) -> None:
    """The two factors of what a step takes away, and their product, each on its own scale."""
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.1))
    times = np.arange(1, len(lost) + 1)
    named = (
        (betas, NOISE, r"the share that it takes, $\beta_t$"),
        (before, IMAGE, r"times what is left, $\bar\alpha_{t-1}$"),
        (lost, RESULT, "is what it takes"),
    )
    for axes, (values, color, title) in zip(panels, named, strict=True):
        axes.plot(times, values, color=color, linewidth=2.5)
        axes.set(xlabel="t", title=title, ylim=(0, 1.08 * float(values.max())))
    most = int(lost.argmax()) + 1
    panels[-1].axvline(most, color=RESULT, linestyle=":", linewidth=1)
    panels[-1].annotate(f"t = {most}", (most, 0), (6, 6), textcoords="offset points")
    panels[0].set_ylabel("share of the mean square")
    figure.suptitle("Most is lost early, though late steps are larger", fontsize=11)
    show(
        figure,
        "Three panels over t from 1 to 1000: a straight line rises to 0.02, a curve falls from 1 to 0, and their "
        "product rises to a peak near t = 220 and falls again.",
    )


def two_lists() -> Figure:
    """The appendix's picture: what stands at which place of this course's list, and of the other one."""
    figure, axes = plt.subplots(figsize=(7.6, 2.3))
    for row, (name, first, color) in enumerate((("alphas_cumprod", 1, OTHER), ("alpha_bar", 0, IMAGE))):
        for place in range(5):
            axes.add_patch(Rectangle((place, 1.4 * row), 0.94, 0.9, facecolor=color, alpha=0.4, edgecolor=RESULT))
            axes.text(place + 0.47, 1.4 * row + 0.45, rf"$\bar\alpha_{place + first}$", ha="center", va="center")
        axes.text(-0.15, 1.4 * row + 0.45, name, ha="right", va="center", family="monospace")
    for place in range(5):
        axes.text(place + 0.47, 2.5, f"[{place}]", ha="center", family="monospace")
    axes.annotate("", (1 - 0.55, 0.95), (2 - 0.55, 1.36), arrowprops={"arrowstyle": "->", "linewidth": 2})
    axes.set(xlim=(-2.1, 5.1), ylim=(-0.1, 3), title="The same value stands one place further to the left")
    axes.axis("off")
    return figure
