"""Notebook 10, short chains: its stored numbers, and their figure with its alt text."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.course.stored import stored


def variance_rows(steps: int, what: str = "fd_judge") -> dict[str, Tensor]:
    """FD-judge, or the bound, of each choice in a chain of so many steps, and of real test digits: (seeds,)."""
    found: dict[str, list[float]] = {}
    for row in stored("variances")["rows"]:
        if row["steps"] in (0, steps) and what in row:
            found.setdefault(row["choice"], []).append(row[what])
    return {name: torch.tensor(values) for name, values in found.items()}


def strided_rows(n: int = 1000) -> dict[str, dict[int, float]]:
    """FD-judge of n digits by choice and number of steps, seed 0."""
    found: dict[str, dict[int, float]] = {}
    for row in stored("strided")["rows"]:
        if row["n"] == n:
            found.setdefault(row["choice"], {})[row["steps"]] = row["fd_judge"]
    return found


def repeated() -> dict[str, Tensor]:
    """FD-judge of 1000 digits in ten steps, by choice: three other seeds, another machine, (seeds,)."""
    files = [stored(name)["rows"] for name in ("strided", "strided-seed1", "strided-seed2")]
    rows = [row for file in files for row in file if (row["steps"], row["n"]) == (10, 1000)]
    names = dict.fromkeys(row["choice"] for row in rows)
    return {name: torch.tensor([row["fd_judge"] for row in rows if row["choice"] == name]) for name in names}


def _point(axes: plt.Axes, across: Tensor, up: Tensor, look: str, colour: str, label: str) -> None:
    """The means of seeds, and up from the least to the largest."""
    axes.plot(across.mean(), up.mean(), look, color=colour, label=label, markersize=8)
    axes.vlines(float(across.mean()), float(up.min()), float(up.max()), color=colour)


def draw_variances(
    rows: Mapping[str, Tensor], bound: Mapping[str, Tensor], lengths: Mapping[str, Mapping[int, float]]
) -> None:
    """FD-judge, left of ten steps over their bound, right over the number of steps."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    constants = sorted((name for name in bound if name[0].isdigit() and float(name) < 1), key=float)
    line = [(float(bound[name].mean()), float(rows[name].mean())) for name in constants]
    left.plot(*zip(*line, strict=True), "o-", color=RESULT, label="the same f everywhere")
    for name, place in zip(constants, line, strict=True):
        shift = (-8, 10) if name == "0.1" else (5, 6)  # above the diamond that hides it
        left.annotate(name, place, textcoords="offset points", xytext=shift, fontsize=9, color=RESULT)
    looks = {
        "learned": ("s", MODEL),
        "by the bound, one number a pair": ("D", OTHER),
        "by the bound, two by the guess": ("^", NOISE),
        "two constants by the guess": ("v", NOISY),
    }
    for name, (look, colour) in looks.items():
        _point(left, bound[name], rows[name], look, colour, name)
    left.set(xlabel="bound of the ten steps, bits/dim", ylabel="FD-judge", ylim=(0.019, 0.072))
    left.set_title("Ten steps: best by the bound is not best to draw with")
    styles = {
        "fixed-large": (NOISE, "v--"),
        "fixed-small": (RESULT, "o-"),
        "learned-range": (MODEL, "s-"),
        "ddim": (NOISY, "^:"),
    }
    for name, (colour, style) in styles.items():
        right.plot(list(lengths[name]), list(lengths[name].values()), style, color=colour, label=name)
    right.set(xscale="log", yscale="log", xlabel="steps", title="More steps, one seed: all but DDIM meet")
    for axes in (left, right):
        real = rows["real digits"]
        axes.axhspan(float(real.min()), float(real.max()), color=IMAGE, alpha=0.2, label="real test digits")
        axes.legend(fontsize=8)
    show(figure, VARIANCES)


VARIANCES = (
    "Left, FD-judge over the bound of ten steps: constants from 0 to 0.5 lie on a curve that is farthest left at "
    "f = 0.1, with 0.039, and lowest at f = 0.4, with 0.035, far to the right of it. The learned variance is as low as "
    "0.4 and as far left as 0.2. The best number by the bound lies on the curve at 0.1, two by the guess farther left "
    "and at 0.037; two constants lie far to the right and highest, at 0.047. The stripe of real test digits is below "
    "all at 0.02. Right, on logarithmic axes over the steps: fixed-large comes down from 0.17 to meet the others at "
    "50; fixed-small and learned-range fall from about 0.04 to 0.03; DDIM is level at 0.043."
)
