"""Notebook 13: what it draws, each figure with its alt text; its tables; the work of a recipe."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mini_ddpm import measure
from mini_ddpm.course.architecture import flop_counter
from mini_ddpm.course.figures import IMAGE, MODEL, OTHER, RESULT, show
from mini_ddpm.course.p13_rulers import JUDGE
from mini_ddpm.course.stored import precision
from mini_ddpm.course.tables import Table
from mini_ddpm.files import shipped
from mini_ddpm.runs.pictures import image_grid
from mini_ddpm.runs.presets import preset
from mini_ddpm.unet import UNet

NAMES = ("mnist-laptop", "cifar10-laptop", "cifar10-25min", "cifar10-ddpm", "cifar10-improved")


class Recipe(NamedTuple):
    """The size of a network and of its training.

    Attributes:
        parameters: how many weights it has.
        gflop: operations of one forward pass of one image, in 10^9, counted as it runs; a multiply-add is two.
        seen: how many images training takes, repeated ones too.
    """

    parameters: int
    gflop: float
    seen: int


def recipe(name: str) -> Recipe:
    """The network of a preset, run once on one image, and the length of its training."""
    config = preset(name)
    network, size = UNet(config.unet), config.unet.size
    with flop_counter() as counter:
        network(torch.zeros(1, config.unet.in_channels, *size), torch.ones(1, dtype=torch.int64))
    seen = config.training.steps * config.training.batch_size
    return Recipe(sum(p.numel() for p in network.parameters()), counter.get_total_flops() / 1e9, seen)


def rough(value: float) -> str:
    """Two digits of a number: more would be for show."""
    value = float(f"{value:.2g}")
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def work_table(recipes: Mapping[str, Recipe], work: Mapping[str, float]) -> Table:
    """Recipes, and the work of their training in GFLOP."""
    rows = [
        (name, f"{one.parameters / 1e6:.1f}", rough(one.gflop), f"{one.seen / 1e6:.1f}", rough(work[name] / 1e6))
        for name, one in recipes.items()
    ]
    return Table(("preset", "weights, millions", "GFLOP an image", "images seen, millions", "training, PFLOP"), rows)


def draw_work(work: Mapping[str, float]) -> None:
    """The work of each training, in GFLOP, on a logarithmic axis."""
    drawn, axes = plt.subplots(figsize=(8, 2.8))
    values = [value / 1e6 for value in work.values()]
    colours = [RESULT if name == "cifar10-ddpm" else OTHER for name in work]
    bars = axes.barh([*work], values, color=colours)
    axes.bar_label(bars, [rough(value) for value in values], padding=4)
    axes.set(xscale="log", xlabel="work of the training, PFLOP (logarithmic)", xlim=(5e-3, 4e4))
    times = rough(work["cifar10-ddpm"] / work["mnist-laptop"])
    axes.set_title(f"DDPM's recipe: about {times} times the laptop's work")
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    show(
        drawn,
        "Horizontal bars on a logarithmic axis: the two laptop recipes take below 0.3 PFLOP, the 25-minute one 380, "
        "and the recipes of DDPM and Improved DDPM more than 3,000.",
    )


def rate(record: Mapping[str, Any]) -> tuple[float, float]:
    """Images a second of a recorded run, the median over its length; and operations a second, in GFLOP."""
    images = float(np.median([row["images_per_second"] for row in record["metrics"]]))
    return images, 3 * recipe(record["preset"]).gflop * images


def hours_table(work: Mapping[str, float], gflop_per_s: float, record: Mapping[str, Any]) -> Table:
    """How long each training would take at a rate."""
    hours = {name: value / gflop_per_s / 3600 for name, value in work.items()}
    rows = [(name, rough(h), rough(h / 24 / 365) if h > 1000 else None) for name, h in hours.items()]
    caption = f"at {gflop_per_s:,.0f} GFLOP/s, the rate of the recorded run: {record['preset']}, {record['machine']}"
    return Table(("preset", "hours", "years"), rows, caption)


def steps_table(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Table:
    """Steps of DDPM's network, ours and the other libraries'."""
    shown = []
    for row in rows:
        gflop_per_s = row.get("gflop_per_s", 1e3 * row.get("tflop_per_s", 0))
        share = row.get("share_of_matrix_rate", row.get("share_of_convolution_limit"))
        gflop = f"{gflop_per_s / row['images_per_s']:.1f}"
        kind = row["what"].replace("train_step", "training").replace("sample_step", "sampling")
        shown.append((row["who"], kind, f"{row['images_per_s']:,.1f}", gflop, f"{share:.0%}"))
    head = ("library", "step", "images/s", "GFLOP an image", "of the limit")
    marked = [k for k, row in enumerate(rows) if row["who"].startswith("mini_ddpm")]
    caption = f"{found['machine']}; {precision(found['machine'])}; repeat: make bench-steps"
    return Table(head, shown, caption, marked)


def moved_network(name: str) -> UNet:
    """The network of a preset with its weights moved a little: a fresh one outputs zero, and hardly has a gradient."""
    network = UNet(preset(name).unet)
    for weight in network.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    return network


def show_grid(images: Tensor, columns: int, alt: str, names: Sequence[str] = ()) -> None:
    """Images (N, C, H, W) in [-1, 1], row by row; names stand over the columns."""
    _sheet(image_grid(images, columns), alt, names=names)


def _sheet(picture: Image.Image, alt: str, rows: Sequence[str] = (), names: Sequence[str] = ()) -> None:
    side = picture.height / picture.width
    drawn, axes = plt.subplots(figsize=(10, 10 * side + 0.1))
    axes.imshow(picture, cmap="gray", interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    if rows:
        axes.set_yticks((np.arange(len(rows)) + 0.5) * picture.height / len(rows), rows)
        axes.tick_params(axis="y", length=0)
    if names:
        axes.set_xticks((np.arange(len(names)) + 0.5) * picture.width / len(names), names)
        axes.tick_params(axis="x", length=0, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    show(drawn, alt)


def draw_run(record: Mapping[str, Any], floor: float) -> None:
    """The loss of a recorded run over its steps, and the floor of its training images."""
    step, loss = ([row[key] for row in record["metrics"]] for key in ("step", "loss"))
    drawn, axes = plt.subplots(figsize=(7, 3.4))
    axes.loglog(step, loss, linewidth=1, color=MODEL)
    axes.axhline(floor, color=RESULT, label="floor: the training images by heart")
    axes.set(xlabel="training step", ylabel="loss, mean over 10 steps", title="Most of the fall is early")
    axes.set_yticks([0.02, 0.05, 0.1, 0.2, 0.4, 0.6], ["0.02", "0.05", "0.1", "0.2", "0.4", "0.6"])
    axes.minorticks_off()
    axes.legend()
    show(
        drawn,
        "On logarithmic axes the loss falls from 0.6 to below 0.2 in the first thousand steps and to 0.12 at the end "
        "of 20,000, far above a straight line, the floor, at 0.02.",
    )


def draw_moments(record: Mapping[str, Any]) -> None:
    """The rows of samples that were drawn as a recorded run went on."""
    _sheet(
        Image.open(shipped("bench") / "cifar10-samples.png"),
        "Five rows of twenty samples from the same noise: after 200 steps blotches of noise, after 600 clouds of "
        "colour, after 2,000 a ground, a sky and dark shapes; the last two rows differ in small things.",
        [f"{steps:,} steps" for steps in record["rows_of_samples"]],
    )


def moments_changed(record: Mapping[str, Any]) -> Table:
    """By how much a pixel changes from one of those rows to the next."""
    sheet = np.asarray(Image.open(shipped("bench") / "cifar10-samples.png"), dtype=float)
    rows = sheet.reshape(len(record["rows_of_samples"]), -1)
    changes = np.abs(np.diff(rows, axis=0)).mean(axis=1)
    steps = [f"{n:,}" for n in record["rows_of_samples"]]
    between = zip(steps, steps[1:], changes, strict=False)
    return Table(
        ("from step", "to step", "a pixel changes by, grey levels"), [(a, b, f"{c:.1f}") for a, b, c in between]
    )


def fd_over_n(real: measure.RealImages, sizes: Sequence[int]) -> dict[int, list[float]]:
    """FD of real test images, n at a time: as many disjoint parts of them as there are."""
    return {
        n: [measure.frechet_distance(part, real.moments) for part in real.test.split(n) if len(part) == n]
        for n in sizes
    }


def draw_fd_over_n(found: Mapping[int, Sequence[float]]) -> None:
    """The distance of real images to the training set, over how many there are."""
    drawn, axes = plt.subplots(figsize=(7, 3.6))
    for n, values in found.items():
        axes.plot([n] * len(values), values, "o", color=IMAGE, markersize=5, alpha=0.6, markeredgewidth=0)
    axes.plot([*found], [np.mean(values) for values in found.values()], color=IMAGE, label="mean")
    axes.set(xscale="log", yscale="log", xlabel="n, real test images", ylabel=f"FD-{JUDGE}, logarithmic")
    axes.set_xticks([*found], [f"{n:,}" for n in found])
    axes.set_yticks([2, 5, 10, 20, 40], ["2", "5", "10", "20", "40"])
    axes.minorticks_off()
    axes.set_title("The same kind of images, and a distance that falls with n")
    axes.legend()
    show(
        drawn,
        "Dots for disjoint groups of real test images, on logarithmic axes, lie close to a line that falls from about "
        "20 at n = 200 to 2.6 at n = 2,000.",
    )
