"""Notebook 09: the cases in the order of admission, what was measured of them, and the figures with their alt texts."""

import json
from contextlib import nullcontext
from functools import cache
from html import escape
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from torch import Tensor

from mini_ddpm import data
from mini_ddpm.course import patients
from mini_ddpm.course.clinic import FAULTS, Fault
from mini_ddpm.course.figures import IMAGE, OTHER, RESULT, show
from mini_ddpm.files import read_tensors, shipped
from mini_ddpm.runs.pictures import pixel_grid
from mini_ddpm.unet import UNet

REAL = "real digits"
GUESSED_AT, GUESSED = (1, 3, 6, 10), (3, 7)  # steps, and digits, whose guesses of x_0 are shown
STORED, NETWORKS = "bench/clinic.json", "bench/clinic.safetensors"  # made by tests/bench/clinic.py


class Case(NamedTuple):
    """A patient under a number, and what is seen of it, in words."""

    patient: str
    seen: str

    @property
    def fault(self) -> Fault:
        """The changed line."""
        return FAULTS[self.patient]


class Folded(NamedTuple):
    """A text under one line, which a reader unfolds: in JupyterLab, in VS Code and on the site."""

    line: str
    text: str

    def __repr__(self) -> str:
        return f"{self.line}\n\n{self.text}"

    def _repr_html_(self) -> str:
        return f"<details><summary>{escape(self.line)}</summary><pre>{escape(self.text)}</pre></details>"


def _well_trained(patient: str, below: str, guesses: str, above: str = "ten healthy digits") -> Case:
    """A case whose curves tell nothing."""
    curves = "both curves of the loss lie on the healthy stripes"
    return Case(patient, f"Below {above} stand {below}; {curves}. The guesses on the way {guesses}.")


CASES = {  # in the order of admission
    1: Case(
        "too long a memory",
        "Below ten healthy digits stand ten squares of noise. The loss in training falls within the healthy stripe, "
        "but the loss at each t, from 1 to 1000, is between 0.8 and 1.01, far above the healthy one from t = 30 on. "
        "The guesses on the way are grey at first, then noise.",
    ),
    2: _well_trained("place for time", "scribbles on black", "are specks from the first on"),
    3: _well_trained("shown on the wrong scale", "the same ten digits on grey", "are the healthy ones, on grey"),
    4: _well_trained(
        "away from the label",
        "shapes much like digits, none the one above it: a 2, a blot, a 9, a 4, two bars and others",
        "sharpen to a 4 for the 3, and to a 6 for the 7",
        above="the digits 0 to 9",
    ),
    5: _well_trained(
        "noise in the last step", "the same ten digits with faint grain on the black", "are the healthy ones"
    ),
    6: _well_trained("rand for randn", "thick white blots on grey", "begin as the healthy ones, and swell"),
    7: Case(
        "data in [0, 1]",
        "Below ten healthy digits stand digits on grey. The loss in training falls to half the healthy one, and the "
        "loss at each t lies below the healthy stripe everywhere. The guesses on the way are blurred digits on grey.",
    ),
    8: _well_trained(
        "another schedule",
        "torn and bent strokes with grain",
        "begin as the healthy ones, and have bent strokes and specks in step 10",
    ),
}
WARD_SEEN = (
    "Two panels of dots, a row a patient. The eight cases lie outside the grey stripe in at least one panel. The five "
    "carriers below the line lie on it or close to it in both. Real digits lie beyond its good end."
)
CARRIERS = ("v read as eps", "clamp without effect", "t off by one", "rand at the start", "schedule in float32")


# --- what was measured ------------------------------------------------------------------------------------


@cache
def stored() -> dict[str, Any]:
    """The file of measurements, whole."""
    return json.loads(shipped(STORED).read_text(encoding="utf-8"))


def rows(patient: str) -> list[dict[str, Any]]:
    """What was measured of a patient, a row a seed."""
    return [row for row in stored()["rows"] if row["patient"] == patient]


def band(patient: str, key: str) -> tuple[float, float]:
    """The least and the most of a number over the seeds."""
    found = [row[key] for row in rows(patient)]
    return min(found), max(found)


def read_right(patient: str) -> str:
    """How many of the digits the judge reads as what was asked for, seed by seed."""
    return ", ".join(f"{row['accuracy'] * stored()['n']:.0f}" for row in rows(patient))


def farther(patient: str) -> list[float]:
    """The distance to real digits over that of the healthy one of the same seed, seed by seed."""
    return [row["fd_judge"] / healthy["fd_judge"] for row, healthy in zip(rows(patient), rows("healthy"), strict=True)]


def told(patient: str) -> str:
    """Accuracy and distance to real digits over the seeds, and the healthy ones' of the same seeds beside them."""
    lines = [f"{'':9} {'broken':22} healthy, the same seeds"]
    for key, name in (("accuracy", "accuracy"), ("fd_judge", "FD-judge")):
        here, healthy = (" ".join(f"{row[key]:6.3g}" for row in rows(whose)) for whose in (patient, "healthy"))
        lines.append(f"{name:9} {here:22} {healthy}")
    return "\n".join(lines)


def summary() -> str:
    """How the healthy network was trained, and its numbers over the seeds, beside those of real digits."""
    weights = sum(weight.numel() for weight in network("healthy").parameters())
    lines = [f"{weights:,} weights, {stored()['steps']:,} steps of 32 digits; {stored()['n']} digits a seed"]
    lines.append(f"{'':12}  accuracy                FD-judge")
    for name, patient, prefix in (("healthy", "healthy", ""), ("raw weights", "healthy", "raw_"), ("real", REAL, "")):
        found = rows(patient)
        numbers = ("  ".join(f"{row[prefix + key]:6.3f}" for row in found) for key in ("accuracy", "fd_judge"))
        lines.append(f"{name:12}  {'  '.join(numbers)}")
    return "\n".join(lines)


# --- drawing, live ----------------------------------------------------------------------------------------


@cache
def network(patient: str) -> UNet:
    """The network a patient draws with, of one seed. Torch's random numbers stay where they are."""
    name = patient if patient in FAULTS and FAULTS[patient].trains else "healthy"
    tensors, _ = read_tensors(shipped(NETWORKS))
    with torch.random.fork_rng(devices=[]):  # a network that is made draws its first weights
        found = UNet(patients.SHAPE).eval().requires_grad_(False)
    found.load_state_dict({key: tensors[f"{name}.{key}"].float() for key in found.state_dict()})
    return found


def walked(patient: str) -> tuple[Tensor, Tensor]:
    """The digits 0 to 9 as they are seen with the fault at work, and the guesses of them on the way, `GUESSED_AT`.

    From the same noise for all: (10, 1, 28, 28) and (steps, 10, 1, 28, 28), uint8.
    """
    drawn_by = network(patient)
    with FAULTS[patient].planted() if patient in FAULTS else nullcontext():
        torch.manual_seed(0)
        states = patients.walk(drawn_by, torch.arange(10))
        guesses = torch.stack([states[k - 1].x_0 for k in GUESSED_AT])
        return data.to_pixels(states[-1].x_t), data.to_pixels(guesses)


def ten(patient: str) -> Tensor:
    """The digits 0 to 9 as they are seen with the fault at work, from the same noise for all: (10, 1, 28, 28) uint8."""
    return walked(patient)[0]


# --- figures ----------------------------------------------------------------------------------------------


def admit(number: int) -> None:
    """A case as it comes in: digits below the healthy ones, its loss in training and at each t, guesses on the way."""
    case, names = CASES[number], ("healthy", f"case {number}")
    figure = plt.figure(figsize=(9.5, 5.2))
    grid = figure.add_gridspec(2, 3, height_ratios=(1, 1.25))
    (healthy, good), (ill, bad) = walked("healthy"), walked(case.patient)
    top = figure.add_subplot(grid[0, :])
    digits(top, torch.cat([healthy, ill]).numpy(), names)
    counts = f"healthy {read_right('healthy')}; case {number} {read_right(case.patient)}"
    top.set_title(f"Read as what was asked for, of {stored()['n']}, three seeds: {counts}")
    left, right, way = (figure.add_subplot(grid[1, k]) for k in range(3))
    curve = np.arange(len(rows("healthy")[0]["loss"]))
    _beside_healthy(left, (curve + 0.5) * stored()["steps_to_a_point"], case.patient, "loss", f"case {number}")
    left.set(yscale="log", xlabel="step of training", ylabel="loss", title="Loss in training")
    _beside_healthy(right, np.array(stored()["times"]), case.patient, "loss_at_times", f"case {number}")
    right.set(xscale="log", yscale="log", xlabel="t", title="Loss at t, digits held out")
    for axes in (left, right):
        axes.set_yticks((0.05, 0.1, 0.2, 0.5, 1), ("0.05", "0.1", "0.2", "0.5", "1"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    left.legend(fontsize=8)
    digits(way, torch.cat([guess[:, k] for k in GUESSED for guess in (good, bad)]).numpy(), 2 * names, len(GUESSED_AT))
    way.set_xticks([60 * k + 32 for k in range(len(GUESSED_AT))], map(str, GUESSED_AT))
    way.set(xlabel=f"step of {patients.CHAIN}", title="Guess of $x_0$ on the way")
    show(figure, f"{case.seen} Read as what was asked for, of {stored()['n']} digits: {counts}.")


def digits(axes: Axes, pixels: np.ndarray, names: tuple[str, ...], columns: int = 10) -> None:
    """Rows of digits, (columns x rows, 1, 28, 28) uint8, each row with its name."""
    axes.imshow(pixel_grid(pixels, columns=columns), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_yticks([60 * k + 32 for k in range(len(names))], names)
    axes.set_xticks([])
    axes.grid(False)


def _beside_healthy(axes: Axes, across: np.ndarray, patient: str, key: str, name: str) -> None:
    healthy = np.array([row[key] for row in rows("healthy")])
    low, high = healthy.min(0), healthy.max(0)
    axes.fill_between(across, low, high, color=OTHER, alpha=0.5, linewidth=5, label="healthy, three seeds")
    for k, row in enumerate(rows(patient)):
        label = f"{name}, three seeds" if k == 0 else None
        axes.plot(across, row[key], "--", color=IMAGE, linewidth=1.1, label=label)


def draw_healthy() -> None:
    """The healthy patient, ten digits, beside as many that were held out."""
    held_out = data.load("mnist-5k", "test")
    real = torch.stack([held_out.images[held_out.labels == digit][0] for digit in range(10)])
    figure, axes = plt.subplots(figsize=(9.5, 2.1))
    digits(axes, torch.cat([real, ten("healthy")]).numpy(), ("real", "healthy"))
    low, high = band("healthy", "accuracy")
    axes.set_title(f"Of {stored()['n']} healthy digits a judge reads {low:.1%} to {high:.1%} as what was asked for")
    show(
        figure,
        "Two rows of the digits 0 to 9: real ones above, drawn ones below. The drawn 5 is in two pieces.",
    )


def draw_carriers() -> None:
    """Ten digits of each carrier, from the same noise as the healthy ones."""
    figure, axes = plt.subplots(figsize=(9.5, 5.8))
    pixels = torch.cat([ten(name) for name in ("healthy", *CARRIERS)])
    digits(axes, pixels.numpy(), ("healthy", *(f"line {k + 1}" for k in range(len(CARRIERS)))))
    axes.set_title("Five changed lines, and ten digits of each")
    show(
        figure,
        "Six rows of the digits 0 to 9, the healthy ones and five others: row by row they are the same digits, with a "
        "5 in two pieces and an open 8, but for the thickness of a stroke in line 1.",
    )


def draw_ward() -> None:
    """Accuracy of all patients, a dot a seed, and their distance to real digits over the healthy one's of that seed."""
    names = [REAL, *(case.patient for case in CASES.values()), *CARRIERS]
    labels = ["real digits", *(f"{k}: {case.patient}" for k, case in CASES.items()), *CARRIERS]
    figure, panels = plt.subplots(1, 2, figsize=(9.5, 0.3 * len(names) + 1.2), sharey=True)
    panels[0].axvspan(*band("healthy", "accuracy"), color=OTHER, alpha=0.5, label="healthy, three seeds")
    panels[1].axvline(1, color=OTHER, linewidth=3, label="the healthy one")
    for place, patient in enumerate(names):
        colour = RESULT if patient == REAL else IMAGE
        for axes, found in zip(panels, ([row["accuracy"] for row in rows(patient)], farther(patient)), strict=True):
            axes.plot(found, [place] * len(found), "o", color=colour, alpha=0.8)
    for axes in panels:
        axes.axhline(len(CASES) + 0.5, color=RESULT, linewidth=0.8)
        axes.legend(loc="lower right" if axes is panels[1] else "lower left")
    panels[0].set(xlabel="accuracy", title="Read as what was asked for", xlim=(-0.03, 1.03))
    panels[0].set_yticks(range(len(names)), labels)
    panels[0].invert_yaxis()
    panels[1].set(xscale="log", xlabel="FD-judge, over the healthy one's", title="Distance to real digits, in pairs")
    show(figure, WARD_SEEN)
