"""What a network is made of, read off the running module: shapes, weights, work and skip connections."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Patch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mini_ddpm.course.figures import MODEL, OTHER, show
from mini_ddpm.unet import Attention, ResidualBlock, Stage, UNet, Upsample

UNITS = (Stage, ResidualBlock, Attention, Upsample, nn.Conv2d)
COLOURS = {
    "Conv2d": "#595959",
    "Stage": "#006BA4",
    "Stage, attention": "#FF800E",
    "ResidualBlock": "#5F9ED1",
    "Attention": "#C85200",
    "Downsample": "#ABABAB",
    "Upsample": "#A2C8EC",
}
WORDS = {
    "Conv2d": "convolution",
    "Stage": "block",
    "Stage, attention": "block and attention",
    "ResidualBlock": "block in the middle",
    "Attention": "attention",
    "Downsample": "shrink",
    "Upsample": "grow",
}


class Unit(NamedTuple):
    """One part of a network, as one image passed through it.

    Attributes:
        name: its path inside the module, such as `down.0.stages.1`.
        kind: name of its class, and whether a stage has attention.
        shape: (C, H, W) of what it puts out.
        parameters: how many weights it has.
        gflop: operations of its convolutions and matrix products for one image, in 10^9; a multiply-add is two.
        skip_from: the earlier unit whose output is concatenated to its input, or None.
    """

    name: str
    kind: str
    shape: tuple[int, int, int]
    parameters: int
    gflop: float
    skip_from: str | None


@contextmanager
def flop_counter() -> Iterator[FlopCounterMode]:
    """Count operations of convolutions and matrix products of a forward pass; a multiply-add is two."""
    plain = sdpa_kernel(SDPBackend.MATH)  # the counter does not see into the fused attention of a CPU
    with torch.no_grad(), plain, FlopCounterMode(display=False) as counter:
        yield counter


def units(module: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The outermost parts that change images, with their names. The layers for t are not among them."""
    for name, child in module.named_children():
        if isinstance(child, UNITS):
            yield path + name, child
        else:
            yield from units(child, f"{path}{name}.")


def trace(unet: UNet, x: Tensor, t: Tensor) -> list[Unit]:
    """Run the network on one image x (1, C, H, W) at time t (1,), and note what passed through each part.

    Skip connections are recognised by their content, so the layers must not all be zero, as in a fresh network.
    """
    calls: list[tuple[str, nn.Module, Tensor, Tensor]] = []

    def note(name: str) -> Callable:
        return lambda module, inputs, output: calls.append((name, module, inputs[0], output))

    hooks = [unit.register_forward_hook(note(name)) for name, unit in units(unet)]
    with flop_counter() as counter:
        unet(x, t)
    for hook in hooks:
        hook.remove()

    flops = counter.get_flop_counts()
    found = []
    for k, (name, module, given, output) in enumerate(calls):
        skips = [other for other, _, _, earlier in calls[: max(0, k - 1)] if _ends_with(given, earlier)]
        work = sum(flops[f"{type(unet).__name__}.{name}"].values()) / 1e9
        weights = sum(p.numel() for p in module.parameters())
        shape = (output.shape[1], output.shape[2], output.shape[3])
        found.append(Unit(name, _kind(module), shape, weights, work, skips[-1] if skips else None))
    return found


def _kind(module: nn.Module) -> str:
    attends = isinstance(module, Stage) and isinstance(module.attention, Attention)
    return type(module).__name__ + ", attention" * attends


def _ends_with(x: Tensor, part: Tensor) -> bool:
    """Whether the last channels of x are those of `part`, with others before them."""
    C = part.shape[1]
    return x.shape[1] > C and x.shape[2:] == part.shape[2:] and torch.equal(x[:, -C:], part)


def diagram(parts: list[Unit], title: str, names: Sequence[str] = ()) -> Figure:
    """One bar a part, from left to right as they run: its height is the side of the image, its number the channels.

    `names`, one for each part, stand above the numbers.
    """
    figure, axes = plt.subplots(figsize=(10, 4.2))
    place = {part.name: i for i, part in enumerate(parts)}
    for i, part in enumerate(parts):
        C, side, _ = part.shape
        axes.bar(i, side, width=0.8, color=COLOURS[part.kind])
        label = f"{names[i]}\n{C}" if names else str(C)
        axes.text(i, -0.02, label, ha="center", va="top", fontsize=8, transform=axes.get_xaxis_transform())
        if part.skip_from is not None:
            j = place[part.skip_from]
            start, end = (j, parts[j].shape[1]), (i, side)
            arrow = FancyArrowPatch(
                start, end, connectionstyle="arc3,rad=-0.3", arrowstyle="->", mutation_scale=8, color="black", lw=0.6
            )
            axes.add_patch(arrow)
    kinds = {part.kind for part in parts}
    handles = [Patch(color=colour, label=WORDS[kind]) for kind, colour in COLOURS.items() if kind in kinds]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    sides = sorted({part.shape[1] for part in parts})
    axes.set(xticks=[], yticks=sides, ylabel="side of the feature map", title=title)
    axes.set_ylim(0, 1.65 * sides[-1])
    axes.set_xlabel(
        "channels of each part's output; parts in the order in which they run", labelpad=28 if names else 16
    )
    axes.grid(axis="x", visible=False)
    return figure


def draw_shares(parts: Sequence[Unit]) -> None:
    """The shares of weights and of work at each size of the feature map, printed, too."""
    sides = sorted({part.shape[1] for part in parts})
    figure, axes = plt.subplots(figsize=(7, 3.6))
    totals = {}
    for offset, what, label, colour in ((-0.2, "parameters", "weights", MODEL), (0.2, "gflop", "work", OTHER)):
        totals[what] = np.array([sum(getattr(part, what) for part in parts if part.shape[1] == side) for side in sides])
        percent = 100 * totals[what] / totals[what].sum()
        bars = axes.bar(np.arange(len(sides)) + offset, percent, width=0.4, label=label, color=colour)
        axes.bar_label(bars, fmt="%.0f%%")
    axes.set(xticks=range(len(sides)), xticklabels=[f"{side}x{side}" for side in sides], ylim=(0, 55))
    axes.set(xlabel="size of the feature map", ylabel="share in %", title="Many weights sit where there is little work")
    axes.legend()
    show(
        figure,
        "Pairs of bars for weights and work: at 4x4 a third of the weights and 3% of the work, at 32x32 9% of the "
        "weights and 46% of the work.",
    )
    for row in zip(sides, totals["parameters"] / 1e6, totals["gflop"], strict=True):
        print("{0:2}x{0:<2} {1:5.2f} million weights {2:5.2f} GFLOP".format(*row))
