"""Notebook 09: what else could have made the difference? Lines of the clinic in other chains, and halves of a line."""

import json
from contextlib import ExitStack
from functools import cache
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from mini_ddpm.course import p09, patients
from mini_ddpm.course.clinic import FAULTS, Fault
from mini_ddpm.course.figures import show
from mini_ddpm.files import shipped
from mini_ddpm.sampling import StepFunction, ancestral_step, ddim_step
from mini_ddpm.unet import UNet

STORED = "bench/clinic-controls.json"  # made by tests/bench/clinic_controls.py
NOISE = FAULTS["rand for randn"]._replace(right="torch.randn_like(x_t, generator=generator)")
START = FAULTS["rand at the start"]._replace(right="torch.randn(n, 1, 28, 28)")
LAST = FAULTS["noise in the last step"]._replace(right="return Step(s, mean, x_0)")


class Control(NamedTuple):
    """Changed lines, one or several, and the step that draws with them."""

    lines: tuple[Fault, ...] = ()
    step: StepFunction = ancestral_step

    def draw(self, network: UNet, labels: Tensor, seed: int) -> Tensor:
        """Digits as they are seen: (n,) labels -> pixels (n, 1, 28, 28) uint8."""
        with ExitStack() as stack:
            for line in self.lines:
                stack.enter_context(line.planted())
            return patients.draw(network, labels, seed, self.step)


CONTROLS = {
    "v read as eps, no clamp": Control((FAULTS["v read as eps"], FAULTS["clamp without effect"])),
    "healthy, DDIM": Control(step=ddim_step),
    "rand at the start, DDIM": Control((FAULTS["rand at the start"],), ddim_step),
    "rand - 0.5 at the start, DDIM": Control((START._replace(wrong="torch.rand(n, 1, 28, 28) - 0.5"),), ddim_step),
    "randn + 0.5 at the start, DDIM": Control((START._replace(wrong="torch.randn(n, 1, 28, 28) + 0.5"),), ddim_step),
    "rand - 0.5": Control((NOISE._replace(wrong="(torch.rand_like(x_t, generator=generator) - 0.5)"),)),
    "randn + 0.5": Control((NOISE._replace(wrong="(torch.randn_like(x_t, generator=generator) + 0.5)"),)),
    "last noise of 1000 steps": Control(
        (LAST._replace(wrong="return Step(s, mean + 0.0047 * torch.randn_like(mean), x_0)"),)
    ),
}
PICTURED = ("healthy, DDIM", "rand at the start, DDIM", "v read as eps, no clamp")


@cache
def rows(name: str) -> list[dict[str, Any]]:
    """What was measured of a control, a row a seed."""
    stored = json.loads(shipped(STORED).read_text(encoding="utf-8"))["rows"]
    return [row for row in stored if row["control"] == name]


def told(*names: str) -> str:
    """Accuracy and distance to real digits of patients and controls, a line for each, over the seeds."""
    lines = [f"{'':30} {'accuracy':22} FD-judge"]
    for name in names:
        found = rows(name) if name in CONTROLS else p09.rows(name)
        numbers = (" ".join(f"{row[key]:6.3g}" for row in found) for key in ("accuracy", "fd_judge"))
        lines.append(f"{name:30} {'  '.join(numbers)}")
    return "\n".join(lines)


def draw() -> None:
    """Ten digits of the lines that bite elsewhere, from the same noise as the healthy ones."""
    drawn = [CONTROLS[name].draw(p09.network("healthy"), torch.arange(10), 0) for name in PICTURED]
    figure, axes = plt.subplots(figsize=(9.5, 4.0))
    p09.digits(axes, torch.cat([p09.ten("healthy"), *drawn]).numpy(), ("healthy", "DDIM", "line 4, DDIM", "lines 1, 2"))
    axes.set_title("Lines that show nothing: two of them together, and one with another sampler")
    show(
        figure,
        "Four rows of the digits 0 to 9. The healthy ones can be read, by either sampler; line 4 with DDIM gives thick "
        "strokes, some of them closed to blots, lines 1 and 2 together digits in black and white specks.",
    )
