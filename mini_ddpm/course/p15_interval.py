"""Notebook 15, section 6: guidance on a part of the walk, from `data/bench`, as a figure with alt text and tables."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import Tensor

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.course.stored import real_sets, spread, stored
from mini_ddpm.course.tables import Table

Rows = Mapping[tuple[str, float], Tensor]
PARTS = {  # that are guided, each with its look
    "everywhere": (RESULT, "o-"),
    "all but the clean end": (RESULT, "o--"),
    "middle": (MODEL, "s-"),
    "all but the noisy end": (MODEL, "s--"),
    "noisy end": (NOISE, "v-"),
    "clean end": (NOISY, "^-"),
}
WINDOWS = {  # a fifth of the steps each, and their times
    "noisy end": "1000, 900",
    "600 to 800": "800, 700",
    "400 to 600": "600, 500",
    "200 to 400": "400, 300",
    "clean end": "200, 100",
}
SCALES = (1.5, 2.0, 3.0, 6.0)
BEST = {"everywhere": 1.5, "middle": 2.0}  # of those tried, with seeds 0 to 2
FIGURES = ("fd_judge", "accuracy", "diversity")


def rows(name: str = "interval") -> dict[tuple[str, float], Tensor]:
    """Stored measurements by part of the chain and scale: (seeds or sets, 3) of FD-judge, accuracy and diversity."""
    found: dict[tuple[str, float], list[list[float]]] = {}
    for row in sorted(stored(name)["rows"], key=lambda row: row["seed"]):
        found.setdefault((row["part"], row["scale"]), []).append([row[key] for key in FIGURES])
    found["real digits", 1.0] = [[one[key] for key in FIGURES] for one in real_sets(stored(name)["n"])]
    return {key: torch.tensor(value) for key, value in found.items()}


def draw(rows: Rows) -> None:
    """FD-judge: left, against the scale for each part that is guided; right, where a fifth of the steps is guided."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2))

    def drawn(
        axes: Axes, across: Sequence[float], keys: Sequence[tuple[str, float]], look: str, color: str, label: str
    ) -> None:
        table = torch.stack([rows[key][:, 0] for key in keys])  # (points, seeds)
        axes.plot(across, table.mean(dim=1), look, color=color, label=label)
        low, high = table.min(dim=1).values, table.max(dim=1).values
        axes.fill_between(across, low, high, color=color, alpha=0.12, linewidth=0)

    for part, (colour, look) in PARTS.items():
        keys = [("nowhere", 1.0), *((part, scale) for scale in SCALES)]
        drawn(left, [1, *SCALES], keys, look, color=colour, label=part)
    for scale, colour, look in zip((1.5, 3.0, 6.0), (MODEL, NOISY, RESULT), ("o:", "o--", "o-"), strict=True):
        keys = [(part, scale) for part in WINDOWS]
        drawn(right, range(5), keys, look, color=colour, label=f"two steps, w = {scale:g}")
    small = rows["everywhere", 1.5][:, 0].mean()
    right.axhline(small, color=RESULT, linestyle=(0, (1, 1)), label="everywhere, w = 1.5")
    for axes in (left, right):
        axes.axhline(rows["real digits", 1.0][:, 0].mean(), color=IMAGE, label="real digits")
        axes.axhline(rows["nowhere", 1.0][:, 0].mean(), color=OTHER, linestyle="--", label="no guidance, w = 1")
        axes.legend(fontsize=8)
    left.set(xlabel="scale of guidance $w$", ylabel="FD-judge, lower is better", xticks=[1, *SCALES], ylim=(0.03, 0.29))
    right.set_xticks(range(5), [*WINDOWS.values()])
    right.set(xlabel="the two guided times $t$", ylabel="FD-judge, lower is better", ylim=(0.03, 0.21))
    left.set_title("Noisy end added to the middle: harm from 2 on")
    right.set_title("Two guided steps: at w = 3 and 6 best inside")
    show(
        figure,
        "Left: over the scale, the two lines for guidance everywhere, with and without the clean end, fall to 0.07 at "
        "1.5 and then rise steeply, above 0.2. The two for the middle fall to 0.07 at 2 and rise less, to between 0.15 "
        "and 0.18; that of the noisy end is lowest at 2, at 0.08, and stays near 0.1, that of the clean end a little "
        "below no guidance. Real digits lie at 0.04. Right: over the place of two "
        "guided steps the lines for scales 3 and 6 are lowest inside, at 0.07 to 0.08, and higher at both ends; the "
        "line for 1.5 is low at the noisy side and rises to the clean one. A dotted line at 0.07 is everywhere at 1.5.",
    )


def parts_table(rows: Rows, scale: float = BEST["middle"]) -> Table:
    """What is guided, and what comes of it, at one scale; below it the middle at the scales beside."""
    shown = {part: (part, 1.0) for part in ("real digits", "nowhere")} | {part: (part, scale) for part in PARTS}
    shown |= {f"middle, at w = {other:g}": ("middle", other) for other in SCALES[::2] if other != scale}
    cells = []
    for name, key in shown.items():
        fd, right, variety = rows[key].T.tolist()
        cells.append((name, spread(fd, 3), f"{sum(right) / len(right):.3f}", f"{sum(variety) / len(variety):.2f}"))
    caption = f"guided at w = {scale:g}; three seeds of drawing, "
    caption += f"{len(rows['real digits', 1.0])} sets of MNIST's test digits, shuffled\n"
    caption += "repeat: python tests/bench/interval.py --scales 1.5 2 3 --without-places"
    return Table(("guided", "FD-judge", "right digit", "variety"), cells, caption)


def ends_table(rows: Rows) -> Table:
    """What each end adds to the middle, seed by seed."""
    pairs = {"noisy end": "all but the clean end", "clean end": "all but the noisy end"}
    cells = []
    for end, both in pairs.items():
        changes = [(rows[both, scale] - rows["middle", scale])[:, 0] for scale in SCALES]
        cells.append((end, *(f"{change.min():+.3f} to {change.max():+.3f}" for change in changes)))
    caption = "change of FD-judge, the least and the largest of three seeds"
    return Table(("added to the middle", *(f"w = {scale:g}" for scale in SCALES)), cells, caption)


def places_table() -> Table:
    """Two guided steps at five places, with a sampler that remembers a guess and one that does not; and at best."""
    found, forgets = rows(), rows("interval-ddim")
    best = [min((float(fd[:, 0].mean()), w) for (name, w), fd in found.items() if name == part) for part in WINDOWS]
    cells = [
        ("DPM-Solver++, w = 3", *(spread(found[part, 3.0][:, 0].tolist(), 3) for part in WINDOWS)),
        ("DDIM, w = 3", *(spread(forgets[part, 3.0][:, 0].tolist(), 3) for part in WINDOWS)),
        ("DPM-Solver++, each at its best w", *(f"{fd:.3f}, w = {w:g}" for fd, w in best)),
    ]
    return Table(("two steps", *WINDOWS.values()), cells, "FD-judge, three seeds of drawing")


def fresh_table() -> Table:
    """The best of each way, and its rivals, with the seeds on which it was chosen and with others."""
    old, new = rows(), rows("interval-fresh")
    for steps in (6, 8):
        fewer = rows(f"interval-{steps}")["everywhere", 1.5]
        old["fewer", steps], new["fewer", steps] = fewer[:3], fewer[3:]
    ways = {
        "two steps, t = 800 and 700, w = 3": ("600 to 800", 3.0, 12),
        "everywhere, w = 1.5, 6 steps in all": ("fewer", 6, 12),
        "middle, w = 2": ("middle", 2.0, 16),
        "everywhere, w = 1.5, 8 steps in all": ("fewer", 8, 16),
        "middle and noisy end, w = 2": ("all but the clean end", 2.0, 18),
        **{f"everywhere, w = {scale:g}": ("everywhere", scale, 20) for scale in (1.25, 1.5, 1.75, 2.0)},
    }
    cells = [
        (way, f"{asked}", *(spread(found[part, scale][:, 0].tolist(), 3) for found in (old, new)))
        for way, (part, scale, asked) in ways.items()
    ]
    head = ("guided", "passes of the network", "the three seeds above", "three others")
    return Table(head, cells, "FD-judge; a guided step takes two passes, another one takes one")
