"""Rows of drawn digits, as several pages show them."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from mini_ddpm.course.figures import show
from mini_ddpm.runs import image_grid


def draw_digits(rows: Mapping[str, Tensor], alt: str, title: str = "") -> None:
    """Rows of ten digits (10, 1, 28, 28), each with its name."""
    figure, axes = plt.subplots(figsize=(9, 0.95 * len(rows)))
    axes.imshow(image_grid(torch.cat(list(rows.values())).clamp(-1, 1), columns=10), cmap="gray")
    height = 30 * 2
    axes.set_yticks([height * (k + 0.5) for k in range(len(rows))], list(rows))
    axes.set(xticks=[], title=title)
    axes.grid(False)
    show(figure, alt)
