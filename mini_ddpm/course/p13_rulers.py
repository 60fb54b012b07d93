"""Notebook 13, section 7: distances, precision and recall in the features of two extractors, as tables and a figure."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt

from mini_ddpm.course.figures import IMAGE, RESULT, show
from mini_ddpm.course.stored import precision, spread, stored
from mini_ddpm.course.tables import Table

JUDGE, OTHER_RULER = "cifar10-judge", "efficientnet-lite0"
EYES = {JUDGE: "judge", OTHER_RULER: "EfficientNet"}
LEVELS = (0, 2, 5, 10, 20, 40)  # of noise, in grey levels of 255
NOISY = "test images with noise of {} grey levels"
CHANGED = ("as they are", "noise of 10", "blur of 1")
FEWER = ("half of them", "a tenth of them, ten times", "five classes of ten")
RECALLS = {
    "spread": "spread",
    "recall": "recall",
    "recall, untouched but moved": "untouched, moved as far",
    "recall, untouched but shrunk": "untouched, shrunk as far",
}


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


def floors_table() -> Table:
    """10,000 samples of the shipped network below as many real images, as two extractors see them."""
    drawn = stored("cifar10-evaluation")
    floors = {JUDGE: stored("cifar10-floors")["rows"], OTHER_RULER: stored(f"cifar10-floors-{OTHER_RULER}")["rows"]}
    test, halves, *_ = floors[JUDGE]  # those with noise are drawn by `draw_rulers`
    half = {f"FD-{name}": rows[halves][f"FD-{name} of test images"] for name, rows in floors.items()}
    found = {
        test: floors[JUDGE][test] | floors[OTHER_RULER][test],
        "test images against one half of the training images": half,
        "the other half of these against it": floors[JUDGE][halves] | floors[OTHER_RULER][halves],
        "the shipped network": drawn,
    }
    keys = [(f"{what}-{name}", digits) for what, digits in (("FD", 1),) for name in floors]
    keys += [(f"{what}-{name}", 2) for name in floors for what in ("precision", "recall")]
    rows = [(what, *(f"{one[key]:.{k}f}" if key in one else None for key, k in keys)) for what, one in found.items()]
    short = {f"{what}-{name}": f"{what}, {EYES[name]}" for name in floors for what in ("precision", "recall")}
    caption = (
        f"n = {drawn['n']:,}; seed {drawn['seed']}, {drawn['steps']} DDIM steps, guidance {drawn['guidance']}\n"
        f"{drawn['machine']}; {precision(drawn['machine'])}\n"
        f"repeat: mini-ddpm floors, and again with --extractor {OTHER_RULER}\n"
        f"        mini-ddpm evaluate cifar10 --n {drawn['n']} --extractor {JUDGE} --extractor {OTHER_RULER}"
    )
    return Table(("images", *(short.get(key, key) for key, _ in keys)), rows, caption, [len(rows) - 1])


def recall_table() -> Table:
    """Recall of test images, changed or fewer, and of samples; what moving or shrinking costs, by two extractors."""
    record, rows, network = stored("recall"), [], "the shipped network"
    for name in (JUDGE, OTHER_RULER):
        for images in (*CHANGED, *FEWER, network):
            found = [row for row in record["rows"] if (row["extractor"], row["images"]) == (name, images)]
            what = images if images == network else f"test images, {images}"
            if found:
                cells = (spread([row[column] for row in found]) for column in RECALLS)
                rows.append((EYES[name], f"{found[0]['n']}", what, *cells))
    commands = record["command"].replace("; ", "\n        ")
    caption = (
        "n images against n other test images, three groups; noise in grey levels, blur in pixels\n"
        f"{record['machine']}\nrepeat: {commands}"
    )
    marked = [k for k, row in enumerate(rows) if row[2] == network]
    return Table(("seen by", "n", "images", *RECALLS.values()), rows, caption, marked)


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
        axes.semilogy(LEVELS[1:], noisy, "o-", color=colour, label=f"test images with noise, {extractor}")
        axes.axhline(network, linestyle="--", color=colour)
        axes.annotate("the network", (40, network), (0, 3), textcoords="offset points", ha="right", color=colour)
    axes.set(xlabel="standard deviation of the noise, in grey levels of 255", ylabel="FD / that of test images")
    axes.set_yticks([2, 5, 10, 20, 50, 100, 200, 500], ["2", "5", "10", "20", "50", "100", "200", "500"])
    axes.minorticks_off()
    axes.set_title("For both rulers the network lies between noise of 5 and of 10")
    axes.legend(fontsize=9, loc="lower right")
    show(
        picture,
        "Two rising curves of noisy images on a logarithmic axis, and a dashed line for the network in the colour of "
        "each: 137 and 35 times the FD of test images, both between noise of 5 and of 10 grey levels.",
    )
