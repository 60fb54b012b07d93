"""Notebook 12: what was measured, as tables."""

import json
from collections.abc import Mapping

import torch
from torch import Tensor

from mini_ddpm.course.p12 import LOOKS, PUPILS, spread, stored
from mini_ddpm.course.tables import Table
from mini_ddpm.files import shipped

LONG = ", five times the steps"
QUOTED = {  # the rows of the table of section 7
    "free": (0.0, 1.0, 2.0, 8.0),
    "free, no clamp": (8.0,),
    "at x_t": (1.0, 15.0),
    "label and classifier": (1.0, 8.0),
    "temperature": (0.8,),
}

PAPER = {  # ImageNet 128x128, FID after 700,000 steps: ADM, Table 1; AdaGN: Table 3
    "base": "15.33",
    "4 heads": "-0.54",
    "attention at 14 and 7": "-0.72",
    "BigGAN resampling": "-1.20",
    "rescaled residuals": "+0.16",
    "AdaGN": "13.06 against 15.08",
    "all but rescaling": "-3.14",
}


def guides_table() -> Table:
    """How many digits small classifiers, and the shipped one, lead to where they should go, by place and scale."""
    accuracy, rows = stored("accuracy"), []
    for kind in (*PUPILS, "the shipped one"):
        for place in ("at the mean", "at x_t"):
            name = place if kind == "the shipped one" else f"{kind}, {place}"
            cells = [accuracy.get((name, scale)) for scale in (3.0, 9.0, 30.0)]
            rows.append([kind, place, *(None if cell is None else spread(cell) for cell in cells)])
    nobody = spread(accuracy["free", 0.0])
    caption = f"share read as what was asked for, ten steps, three seeds; guided by nobody: {nobody}"
    return Table(["guide", "slope", "scale 3", "scale 9", "scale 30"], rows, caption)


def places_table(*ways: str) -> Table:
    """Accuracy and FD-judge of some ways to take the slope, over their scales above 1; `LONG` ends ways of 50 steps."""
    table, rows = stored("fd_judge", "accuracy"), []
    for way in ways:
        chain = "50 steps" if way.endswith(LONG) else "10 steps"
        for scale in sorted(scale for name, scale in table if name == way and scale > 1):
            fd, right = table[way, scale].T
            rows.append([chain, way.removesuffix(LONG), f"{scale:g}", spread(right), spread(fd)])
    return Table(["chain", "slope", "scale", "accuracy", "FD-judge"], rows, "300 digits, three seeds.")


def trade_table(table: Mapping[tuple[str, float], Tensor]) -> Table:
    """FD-judge, precision and recall of the rows that the page speaks of."""
    rows: list[list[str | None]] = []
    real = table["real digits", 0.0][0]
    for way, scales in QUOTED.items():
        for scale in scales:
            values = table[way, scale]
            numbers = [f"{number:.2f}" for number in values[:, 2:].mean(dim=0)]
            rows.append(
                [LOOKS.get(way, ("", "", way))[2].replace("$", ""), f"{scale:g}", spread(values[:, 0]), *numbers]
            )
    rows.append(["real digits", None, *(f"{real[k]:.2f}" for k in (0, 2, 3))])
    return Table(
        ["knob", "scale", "FD-judge", "precision", "recall"], rows, "300 digits; means of three seeds (ranges)."
    )


def ablation_table() -> Table:
    """ADM's choices of architecture on digits, three seeds each, beside the paper's."""
    found: dict[str, list[list[float]]] = {}
    for row in json.loads(shipped("bench/ablation.json").read_text(encoding="utf-8"))["rows"]:
        found.setdefault(row["choice"], []).append([row["gflop"], 1000 * row["loss"], row["fd_judge"]])
    rows = []
    for choice, seeds in found.items():
        work, loss, fd = torch.tensor(seeds).T
        cost = work[0] / found["base"][0][0]
        rows.append([choice, f"{cost:.2f}", spread(loss, 1), spread(fd), PAPER[choice]])
    head = ["choice", "work", "1000 x loss", "FD-judge", "the paper: FID"]
    return Table(head, rows, "4,000 MNIST digits; the paper: ImageNet 128x128, the base, and what a choice changed.")
