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
from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, OTHER, RESULT, show
from mini_ddpm.course.stored import precision, spread, stored
from mini_ddpm.course.tables import Table
from mini_ddpm.files import shipped
from mini_ddpm.runs.pictures import image_grid
from mini_ddpm.runs.presets import preset
from mini_ddpm.unet import UNet

NAMES = ("mnist-laptop", "cifar10-laptop", "cifar10-25min", "cifar10-ddpm", "cifar10-improved")
JUDGE, OTHER_RULER = "cifar10-judge", "efficientnet-lite0"
LEVELS = (0, 2, 5, 10, 20, 40)  # of noise, in grey levels of 255
NOISY = "test images with noise of {} grey levels"


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


def work_table(recipes: Mapping[str, Recipe], work: Mapping[str, float]) -> Table:
    """Recipes, and the work of their training in GFLOP."""
    rows = [
        (name, f"{one.parameters / 1e6:.1f}", f"{one.gflop:.3f}", f"{one.seen / 1e6:.1f}", f"{work[name] / 1e6:,.2f}")
        for name, one in recipes.items()
    ]
    return Table(("preset", "weights, millions", "GFLOP an image", "images seen, millions", "training, PFLOP"), rows)


def draw_work(work: Mapping[str, float]) -> None:
    """The work of each training, in GFLOP, on a logarithmic axis."""
    drawn, axes = plt.subplots(figsize=(8, 2.8))
    values = [value / 1e6 for value in work.values()]
    colours = [RESULT if name == "cifar10-ddpm" else OTHER for name in work]
    bars = axes.barh([*work], values, color=colours)
    axes.bar_label(bars, [f"{value:,.2f}" for value in values], padding=4)
    axes.set(xscale="log", xlabel="work of the training, PFLOP (logarithmic)", xlim=(5e-3, 4e4))
    axes.set_title("Two hundred thousand times the laptop's work")
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    show(
        drawn,
        "Horizontal bars on a logarithmic axis: the two laptop recipes take below 0.3 PFLOP, the 25-minute one 382, "
        "and the recipes of DDPM and Improved DDPM more than 3,000.",
    )


def rate(record: Mapping[str, Any]) -> tuple[float, float]:
    """Images a second of a recorded run, the median over its length; and operations a second, in GFLOP."""
    images = float(np.median([row["images_per_second"] for row in record["metrics"]]))
    return images, 3 * recipe(record["preset"]).gflop * images


def hours_table(work: Mapping[str, float], gflop_per_s: float, record: Mapping[str, Any]) -> Table:
    """How long each training would take at a rate."""
    hours = {name: value / gflop_per_s / 3600 for name, value in work.items()}
    rows = [(name, f"{h:,.1f}", f"{h / 24 / 365:.2f}") for name, h in hours.items()]
    caption = f"at {gflop_per_s:,.0f} GFLOP/s, the rate of the recorded run: {record['preset']}, {record['machine']}"
    return Table(("preset", "hours", "years"), rows, caption)


def steps_table(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Table:
    """Steps of DDPM's network, ours and the other libraries'."""
    shown = []
    for row in rows:
        gflop_per_s = row.get("gflop_per_s", 1e3 * row.get("tflop_per_s", 0))
        share = row.get("share_of_matrix_rate", row.get("share_of_convolution_limit"))
        gflop, ratio = f"{gflop_per_s / row['images_per_s']:.1f}", f"{row['times_fastest_peer']:.2f}"
        kind = row["what"].replace("train_step", "training").replace("sample_step", "sampling")
        shown.append((row["who"], kind, f"{row['images_per_s']:,.1f}", gflop, f"{share:.0%}", ratio))
    head = ("library", "step", "images/s", "GFLOP an image", "of the limit", "times the fastest other")
    marked = [k for k, row in enumerate(rows) if row["who"].startswith("mini_ddpm")]
    caption = f"{found['machine']}; {precision(found['machine'])}; repeat: make bench-steps"
    return Table(head, shown, caption, marked)


def moved_network(name: str) -> UNet:
    """The network of a preset with its weights moved a little: a fresh one outputs zero, and hardly has a gradient."""
    network = UNet(preset(name).unet)
    for weight in network.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    return network


def show_grid(images: Tensor, columns: int, alt: str) -> None:
    """Images (N, C, H, W) in [-1, 1], row by row."""
    _sheet(image_grid(images, columns), alt)


def _sheet(picture: Image.Image, alt: str, rows: Sequence[str] = ()) -> None:
    side = picture.height / picture.width
    drawn, axes = plt.subplots(figsize=(10, 10 * side + 0.1))
    axes.imshow(picture, cmap="gray", interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    if rows:
        axes.set_yticks((np.arange(len(rows)) + 0.5) * picture.height / len(rows), rows)
        axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    show(drawn, alt)


def draw_run(record: Mapping[str, Any]) -> None:
    """The loss and the rate of a recorded run over its steps."""
    step, loss, images = ([row[key] for row in record["metrics"]] for key in ("step", "loss", "images_per_second"))
    drawn, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    left.loglog(step, loss, linewidth=1, color=MODEL)
    left.set(xlabel="training step", ylabel="loss, mean over 10 steps", title="Most of the fall is early")
    left.set_yticks([0.1, 0.2, 0.4, 0.6], ["0.1", "0.2", "0.4", "0.6"])
    left.minorticks_off()
    right.plot(step, images, linewidth=1, color=OTHER)
    right.set(xlabel="training step", ylabel="images per second", ylim=(0, None))
    right.set_title("The rate, on a machine with other work")
    show(
        drawn,
        "Left, on logarithmic axes: the loss falls from 0.6 to below 0.2 in the first thousand steps and to 0.12 "
        "at the end of 20,000. Right: about 130 images a second, with dips.",
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


def figures_table(found: Mapping[str, Sequence[Mapping[str, Any]]], extractor: str, caption: str) -> Table:
    """Figures in the features of one extractor; each row has one or several runs, and perhaps not all figures."""
    digits = {f"{what}-{extractor}": k for what, k in (("FD", 1), ("KD", 1), ("precision", 2), ("recall", 2))}
    rows = []
    for what, runs in found.items():
        cells = [spread([run[key] for run in runs], k) if key in runs[0] else None for key, k in digits.items()]
        accuracy = spread([run["accuracy"] for run in runs]) if "accuracy" in runs[0] else None
        rows.append((what, *cells, accuracy))
    marked = [k for k, what in enumerate(found) if what == "the shipped network"]
    return Table(("images", f"FD-{extractor}", "KD", "precision", "recall", "accuracy"), rows, caption, marked)


def floors_table(extractor: str) -> Table:
    """10,000 samples of the shipped network below as many real images, as one extractor sees them."""
    drawn, rest = stored("cifar10-evaluation"), "" if extractor == JUDGE else f" --extractor {extractor}"
    floors = stored("cifar10-floors" + ("" if extractor == JUDGE else f"-{extractor}"))
    own = {key: value for key, value in drawn.items() if extractor == JUDGE or key != "accuracy"}
    caption = (
        f"n = {drawn['n']:,}; seed {drawn['seed']}, {drawn['steps']} DDIM steps, guidance {drawn['guidance']}\n"
        f"{drawn['machine']}; {precision(drawn['machine'])}\n"
        f"repeat: mini-ddpm floors{rest}\n        mini-ddpm evaluate cifar10 --n {drawn['n']}{rest}"
    )
    rows = {what: [figures] for what, figures in floors["rows"].items()} | {"the shipped network": [own]}
    return figures_table(rows, extractor, caption)


def choices_table() -> Table:
    """2,000 samples each: the average of the weights, and guidance, left out."""
    names = {"the shipped network": "averaged", "the same run, weights not averaged": "raw"}
    names["the shipped network, without guidance"] = "unguided"
    found = {what: [stored(f"cifar10-{name}")] for what, name in names.items()}
    real = {f"FD-{JUDGE}": found["the shipped network"][0][f"FD-{JUDGE} of test images"]}
    caption = (
        "n = 2,000, seed 0\nrepeat: mini-ddpm evaluate cifar10\n"
        "        mini-ddpm evaluate runs/cifar10-laptop --raw\n        mini-ddpm evaluate cifar10 --guidance 1"
    )
    return figures_table({"test images against training images": [real], **found}, JUDGE, caption)


def draw_noise(real: Sequence[Sequence[float]], network: Sequence[float], n: int) -> None:
    """FD of real images with noise, several seeds at each of LEVELS, and of the network's samples."""
    drawn, axes = plt.subplots(figsize=(7.5, 3.8))
    least, most = ([pick(values) for values in real] for pick in (min, max))
    axes.fill_between(LEVELS, least, most, color=NOISE, alpha=0.25)
    axes.semilogy(LEVELS, [np.mean(values) for values in real], "o-", color=NOISE, label="real images with noise")
    axes.axhspan(min(network), max(network), color=MODEL, alpha=0.3)
    axes.axhline(float(np.mean(network)), linestyle="--", color=MODEL, label="the shipped network")
    axes.set(xlabel="standard deviation of the noise, in grey levels of 255", ylabel=f"FD-{JUDGE}, logarithmic")
    axes.set_yticks([50, 100, 200, 500], ["50", "100", "200", "500"])
    axes.minorticks_off()
    axes.set_title(f"As far away as noise of between 5 and 10 grey levels (n = {n})")
    axes.legend(loc="lower right")
    show(
        drawn,
        "On a logarithmic axis the distance of real images rises from 40 without noise to above 500 with noise of 20 "
        "grey levels; a dashed line for the network crosses the curve between 5 and 10.",
    )


def in_floors(drawn: Mapping[str, Any], extractor: str) -> tuple[list[float], float]:
    """Distances of test images with noise, and that of the network, in units of that of clean test images."""
    name = "cifar10-floors" + ("" if extractor == JUDGE else f"-{extractor}")
    rows, unit = stored(name)["rows"], drawn[f"FD-{extractor} of test images"]
    noisy = [rows[NOISY.format(level)][f"FD-{extractor}"] / unit for level in LEVELS[1:]]
    return noisy, drawn[f"FD-{extractor}"] / unit


def draw_rulers(drawn: Mapping[str, Any]) -> None:
    """Two extractors, each with its own floor for a unit."""
    picture, axes = plt.subplots(figsize=(7.5, 4))
    for extractor, colour in ((JUDGE, RESULT), (OTHER_RULER, IMAGE)):
        noisy, network = in_floors(drawn, extractor)
        axes.semilogy(LEVELS[1:], noisy, "o-", color=colour, label=f"{extractor}: test images with noise")
        axes.axhline(network, linestyle="--", color=colour, label=f"{extractor}: the network")
    axes.set(xlabel="standard deviation of the noise, in grey levels of 255", ylabel="distance / that of test images")
    axes.set_yticks([2, 5, 10, 20, 50, 100, 200, 500], ["2", "5", "10", "20", "50", "100", "200", "500"])
    axes.minorticks_off()
    axes.set_title(f"Two rulers, each in units of its own floor (n = {drawn['n']:,})")
    axes.legend(fontsize=8)
    show(
        picture,
        "Two rising curves of noisy images on a logarithmic axis, and a dashed line for the network in the colour of "
        "each: 137 and 35 times the distance of test images, both between noise of 5 and of 10 grey levels.",
    )
