"""Comparisons of samplers with their spread: a table, a picture and a verdict, of the rows of a file in data/bench."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from mini_ddpm.course.figures import MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.files import shipped

Bands = dict[str, dict[int, list[float]]]  # sampler -> calls -> a value for each seed
LOOKS = {  # sampler -> its name in a picture, colour and style
    "ancestral, beta": (r"ancestral, $\beta$", NOISE, "o-"),
    "ancestral": (r"ancestral, $\tilde\beta$", NOISY, "s-"),
    "ddim, eta 0.5": (r"DDIM, $\eta = 0.5$", MODEL, "^-"),
    "ddim": (r"DDIM, $\eta = 0$", RESULT, "x-"),
    "heun": ("Heun", "#56B4E9", "D--"),
    "dpm-solver": ("DPM-Solver++(2M)", "#E69F00", "v--"),
}
TICKS = (0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.13, 0.2, 0.3, 0.5, 1, 2, 5)


def measured(name: str) -> list[dict]:
    """The rows of a file in data/bench; data/bench/README.md has its command."""
    return json.loads(shipped(f"bench/{name}.json").read_text(encoding="utf-8"))["rows"]


def of(rows: Iterable[dict], figure: str = "fd_judge") -> Bands:
    """A figure, by sampler and number of calls, for all seeds in their order."""
    found: Bands = {}
    for row in sorted(rows, key=lambda row: row["seed"]):
        found.setdefault(row["sampler"], {}).setdefault(row["calls"], []).append(row[figure])
    return {name: dict(sorted(found[name].items())) for name in LOOKS if name in found}


def made(name: str, calls: int) -> int:
    """The calls that a sampler makes where it may make so many: Heun's n steps are 2 n - 1, never an even number."""
    return calls - (calls + 1) % 2 if name == "heun" else calls


def told(values: Sequence[float]) -> str:
    """Mean, and least and most; of fewer than three seeds, how many there are."""
    few = "" if len(values) > 2 else f"; {len(values)} seed{'s' * (len(values) > 1)}"
    return f"{sum(values) / len(values):.3f} ({min(values):.3f} to {max(values):.3f}{few})"


def compared(a: Sequence[float], b: Sequence[float]) -> str:
    """How sure it is that `a` is lower than `b`: by their ranges, and seed by seed, where both had the same noise."""
    if max(a) < min(b):
        return "lower, the bands part"
    gaps = [other - one for one, other in zip(a, b, strict=True)]
    if min(gaps) > 0:
        return f"lower for every seed, by {min(gaps):.3f} to {max(gaps):.3f}; the bands overlap"
    return "no difference found"


def verdict(found: Bands, calls: int, one: str, other: str) -> str:
    """Two samplers at so many calls, the lower mean first, and how sure that is."""
    one, other = sorted((one, other), key=lambda name: sum(found[name][calls]))
    a, b = found[one][calls], found[other][calls]
    return f"{calls} calls: {one} {told(a)}, {other} {told(b)}:\n  {compared(a, b)}"


def table(found: Bands) -> str:
    """A line for each number of calls: mean and half the range over seeds; `*` where these are fewer than three."""
    brief = {"dpm-solver": "2M", "ancestral, beta": "anc., beta"}
    names = [brief.get(name, name.replace(", eta", "")) for name in found]
    lines = ["calls" + "".join(f"{name:>15}" for name in names)]
    for calls in _counts(found):
        cells = [points.get(calls, ()) for points in found.values()]
        lines.append(f"{calls:5}" + "".join(f"{_cell(values):>15}" for values in cells))
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "-"
    mean, half = sum(values) / len(values), (max(values) - min(values)) / 2
    return f"{mean:.3f} \u00b1 {half:.3f}" if len(values) > 2 else f"{mean:.3f} *"


def alt(found: Bands) -> str:
    """The picture of `draw` in words: where each curve begins and ends."""
    ends = []
    for name, points in found.items():
        first, last = min(points), max(points)
        mean = {calls: sum(points[calls]) / len(points[calls]) for calls in (first, last)}
        start, end = made(name, first), made(name, last)
        ends.append(f"{name} goes from {mean[first]:.2f} at {start} calls to {mean[last]:.2f} at {end}")
    return f"Curves with bands on logarithmic axes, falling to the right: {'; '.join(ends)}."


def draw(
    found: Bands,
    title: str,
    real: Sequence[float] = (),
    line: float | None = None,
    banded: Collection[str] = tuple(LOOKS),
    top: float | None = None,
) -> None:
    """Mean and range over seeds against calls of the network.

    Args:
        real: the same figure of several sets of real images, a grey band.
        line: that of a single set, a dotted line.
        banded: the samplers whose range is drawn; of the others there is the mean alone.
        top: the upper end of the axis; a mean above it is written at the edge.
    """
    figure, axes = plt.subplots(figsize=(8.4, 4.6))
    if real:
        axes.axhspan(min(real), max(real), color=OTHER, alpha=0.3, label=f"real digits, {len(real)} sets")
    if line is not None:
        axes.axhline(line, color=OTHER, linestyle=":", linewidth=2, label="real digits, one set")
    for name, points in found.items():
        _band(axes, name, points, name in banded)
    axes.set(xscale="log", yscale="log", xlabel="calls of the network", ylabel="FD-judge", title=title)
    axes.set_xticks(_counts(found), map(str, _counts(found)))
    low, high = axes.get_ylim()
    if top is not None and top < high:
        high = top
        axes.set_ylim(low, high)
        for name, points in found.items():
            for calls, values in points.items():
                if (mean := sum(values) / len(values)) > top:
                    place, colour = (made(name, calls), top), LOOKS[name][1]
                    axes.annotate(f"{mean:.1f}", place, xytext=(-22, -14), textcoords="offset points", color=colour)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_yticks(ticks, map(str, ticks))
    axes.minorticks_off()
    axes.legend(fontsize=9, loc="upper right")
    known = f" The range of real digits is {min(real):.2f} to {max(real):.2f}." if real else ""
    show(figure, alt(found) + known)


def _counts(found: Bands) -> list[int]:
    return sorted({calls for points in found.values() for calls in points})


def _band(axes: Axes, name: str, points: Mapping[int, Sequence[float]], banded: bool) -> None:
    label, colour, style = LOOKS[name]
    values = np.array([(sum(these) / len(these), min(these), max(these)) for these in points.values()]).T
    calls = [made(name, at_most) for at_most in points]
    axes.plot(calls, values[0], style, color=colour, label=label, linewidth=1.8, markersize=5)
    if banded:
        axes.fill_between(calls, values[1], values[2], color=colour, alpha=0.22, linewidth=0)
