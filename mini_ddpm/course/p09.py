"""Notebook 09: the cases in the order of admission, what was measured of them, and the figures with their alt texts."""

import json
from contextlib import nullcontext
from functools import cache
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from mini_ddpm.course import patients
from mini_ddpm.course.clinic import FAULTS, Fault
from mini_ddpm.course.figures import IMAGE, OTHER, show
from mini_ddpm.files import read_tensors, shipped
from mini_ddpm.runs.pictures import pixel_grid
from mini_ddpm.unet import UNet

STORED, NETWORKS = "bench/clinic.json", "bench/clinic.safetensors"  # made by tests/bench/clinic.py


class Case(NamedTuple):
    """A patient under a number, and what is seen of it, in words."""

    patient: str
    seen: str

    @property
    def fault(self) -> Fault:
        """The changed line."""
        return FAULTS[self.patient]


CASES: dict[int, Case] = {}
WARD_SEEN = ""


# --- what was measured ------------------------------------------------------------------------------------


@cache
def stored() -> dict[str, Any]:
    """The file of measurements, whole."""
    return json.loads(shipped(STORED).read_text(encoding="utf-8"))


def rows(patient: str) -> list[dict[str, Any]]:
    """What was measured of a patient, a row a seed."""
    return [row for row in stored()["rows"] if row["patient"] == patient]


def band(patient: str, figure: str) -> tuple[float, float]:
    """The least and the most of a figure over the seeds."""
    found = [row[figure] for row in rows(patient)]
    return min(found), max(found)


def told(patient: str) -> str:
    """Accuracy and distance to real digits over the seeds, with the healthy ones beside them."""
    lines = []
    for figure, name in (("accuracy", "accuracy"), ("fd_judge", "FD-judge")):
        numbers = "  ".join(f"{row[figure]:6.3g}" for row in rows(patient))
        low, high = band("healthy", figure)
        lines.append(f"{name}  {numbers}   healthy {low:.3g} to {high:.3g}")
    return "\n".join(lines)


# --- drawing, live ----------------------------------------------------------------------------------------


@cache
def network(patient: str) -> UNet:
    """The network a patient draws with, of seed 0."""
    name = patient if patient in FAULTS and FAULTS[patient].trains else "healthy"
    tensors, _ = read_tensors(shipped(NETWORKS))
    found = UNet(patients.SHAPE).eval().requires_grad_(False)
    found.load_state_dict({key: tensors[f"{name}.{key}"].float() for key in found.state_dict()})
    return found


def ten(patient: str) -> Tensor:
    """The digits 0 to 9 as they are seen with the fault at work, from the same noise for all: (10, 1, 28, 28) uint8."""
    with FAULTS[patient].planted() if patient in FAULTS else nullcontext():
        return patients.draw(network(patient), torch.arange(10), 0)


# --- figures ----------------------------------------------------------------------------------------------


def admit(number: int) -> None:
    """A case as it comes in: its digits below the healthy ones, its loss in training and at each t."""
    case = CASES[number]
    figure = plt.figure(figsize=(9.5, 5.6))
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 1.25))
    pixels = torch.cat([ten("healthy"), ten(case.patient)]).numpy()
    _digits(figure.add_subplot(grid[0, :]), pixels, ("healthy", f"case {number}"))
    left, right = figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    curve = np.arange(len(rows("healthy")[0]["loss"]))
    _beside_healthy(left, (curve + 0.5) * stored()["steps_to_a_point"], case.patient, "loss", f"case {number}")
    left.set(yscale="log", xlabel="step of training", ylabel="loss", title="in training, over each 50 steps")
    _beside_healthy(right, np.array(stored()["times"]), case.patient, "loss_at_times", f"case {number}")
    right.set(xscale="log", yscale="log", xlabel="t", ylabel="loss at t", title="on digits held out")
    right.legend()
    show(figure, case.seen)


def _digits(axes: Axes, pixels: np.ndarray, names: tuple[str, ...]) -> None:
    axes.imshow(pixel_grid(pixels, columns=10), cmap="gray", vmin=0, vmax=255, aspect="equal")
    axes.set_yticks([60 * k + 32 for k in range(len(names))], names)
    axes.set_xticks([])
    axes.grid(False)


def _beside_healthy(axes: Axes, across: np.ndarray, patient: str, figure: str, name: str) -> None:
    healthy = np.array([row[figure] for row in rows("healthy")])
    axes.fill_between(across, healthy.min(0), healthy.max(0), color=OTHER, alpha=0.5, label="healthy, three seeds")
    for k, row in enumerate(rows(patient)):
        axes.plot(across, row[figure], color=IMAGE, linewidth=1.2, label=f"{name}, three seeds" if k == 0 else None)


def draw_healthy() -> None:
    """The healthy patient, ten digits, beside as many that were held out."""
    from mini_ddpm.data import load

    held_out = load("mnist-5k", "test")
    real = torch.stack([held_out.images[held_out.labels == digit][0] for digit in range(10)])
    figure, axes = plt.subplots(figsize=(9.5, 2.1))
    _digits(axes, torch.cat([real, ten("healthy")]).numpy(), ("real", "healthy"))
    low, high = band("healthy", "accuracy")
    axes.set_title(f"Of {stored()['n']} healthy digits a judge reads {low:.1%} to {high:.1%} as what was asked for")
    show(figure, "Two rows of the digits 0 to 9: real ones above, drawn ones below; all of them can be read.")


def draw_ward(names: dict[str, str]) -> None:
    """Accuracy and distance to real digits of all patients, a dot a seed, and what is healthy as a stripe."""
    figure, panels = plt.subplots(1, 2, figsize=(9.5, 0.32 * len(names) + 1.2), sharey=True)
    for axes, figure_name in zip(panels, ("accuracy", "fd_judge"), strict=True):
        low, high = band("healthy", figure_name)
        axes.axvspan(low, high, color=OTHER, alpha=0.5, label="healthy, three seeds")
        for place, patient in enumerate(names):
            found = [row[figure_name] for row in rows(patient)]
            axes.plot(found, [place] * len(found), "o", color=IMAGE, markersize=5, alpha=0.8)
    panels[0].set(xlabel="accuracy", title="read as what was asked for", xlim=(-0.02, 1.02))
    panels[0].set_yticks(range(len(names)), names.values())
    panels[0].invert_yaxis()
    panels[1].set(xscale="log", xlabel="FD-judge", title="distance to real digits")
    panels[1].legend(loc="lower right")
    show(figure, WARD_SEEN)
