"""The pictures of notebook 00 and of the appendix on notation."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike
from torch import Tensor

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, OTHER, RESULT
from mini_ddpm.runs import image_grid


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


def ways_back(x: ArrayLike, data: ArrayLike, densities: dict[float, ArrayLike]) -> Figure:
    """For each size of a step, where the pixel was before it, with the Gaussian that has its mean and variance."""
    figure, panels = plt.subplots(1, len(densities), figsize=(10, 3.6))
    for axes, (beta, density) in zip(panels, densities.items(), strict=True):
        mean, deviation, bell = gaussian_of(x, density)
        axes.fill_between(x, data, color=IMAGE, alpha=0.3, linewidth=0, label="all pixels, before the step")
        axes.plot(x, density, color=RESULT, linewidth=2, label="where it was: $q(x_{t-1}|x_t)$")
        axes.plot(x, bell, "--", color=MODEL, linewidth=2, label="one Gaussian")
        axes.set(xlabel="$x_{t-1}$", xlim=(mean - 4 * deviation, mean + 4 * deviation), ylim=0)
        axes.set_title(rf"a step with $\beta_t = {beta}$")
    panels[0].set_ylabel("density")
    figure.suptitle("The smaller the step, the more its way back is one bell", fontsize=11)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def losses(betas: Tensor, before: Tensor, lost: Tensor) -> Figure:
    """What a step takes away, and its two factors, each as a part of its greatest value."""
    figure, axes = plt.subplots()
    times = np.arange(1, len(lost) + 1)
    axes.plot(times, betas / betas.max(), "--", color=NOISE, linewidth=2, label=r"$\beta_t$, the share that it takes")
    axes.plot(times, before, "-.", color=IMAGE, linewidth=2, label=r"$\bar\alpha_{t-1}$, what is left to take from")
    axes.plot(times, lost / lost.max(), color=RESULT, linewidth=2.5, label="their product: what it takes")
    most = int(lost.argmax()) + 1
    axes.axvline(most, color=RESULT, linestyle=":", linewidth=1)
    axes.annotate(f"t = {most}", (most, 0), (6, 6), textcoords="offset points")
    axes.set(xlabel="t", ylabel="part of the greatest value", title="Most is lost early, though late steps are larger")
    axes.legend(loc="center right")
    return figure


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
