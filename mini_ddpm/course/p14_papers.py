"""Notebook 14: what the papers found, checked against their text, as tables and figures with alt text."""

from typing import NamedTuple

import matplotlib.pyplot as plt

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.course.tables import Table, figure


class Result(NamedTuple):
    """A row of a paper: FID and bits/dim (an upper bound, but for those that know their likelihood), if it has them."""

    model: str
    kind: str
    fid: float | None = None
    nll: float | None = None


DDPM_TABLE_1 = (  # DDPM, Table 1: CIFAR-10, without labels
    Result("Gated PixelCNN", "autoregressive", 65.93, 3.03),
    Result("PixelIQN", "autoregressive", 49.46),
    Result("EBM", "energy-based", 38.2),
    Result("NCSNv2", "score-based", 31.75),
    Result("NCSN", "score-based", 25.32),
    Result("SNGAN", "GAN", 21.7),
    Result("SNGAN-DDLS", "GAN", 15.42),
    Result("DDPM, L", "diffusion", 13.51, 3.70),
    Result("StyleGAN2 + ADA (v1)", "GAN", 3.26),
    Result("DDPM, L_simple", "diffusion", 3.17, 3.75),
    Result("Sparse Transformer", "autoregressive", None, 2.80),
)
DDPM_TABLE_2 = (  # DDPM, Table 2: what is predicted, the loss, the variance; IS and FID
    ("the mean", "L", "learned", "7.28", "23.69"),
    ("the mean", "L", "fixed", "8.06", "13.22"),
    ("the mean", "unweighted", "fixed", None, None),
    ("the noise", "L", "learned", None, None),
    ("the noise", "L", "fixed", "7.67", "13.51"),
    ("the noise", "L_simple", "fixed", "9.46", "3.17"),
)
IMPROVED_TABLE_2 = (  # Improved DDPM, Table 2: CIFAR-10, 500,000 iterations
    ("linear", 1000, "L_simple", 3.73, 3.29),
    ("linear", 4000, "L_simple", 3.37, 2.90),
    ("linear", 4000, "L_hybrid", 3.26, 3.07),
    ("cosine", 4000, "L_simple", 3.26, 3.05),
    ("cosine", 4000, "L_hybrid", 3.17, 3.19),
    ("cosine", 4000, "L_vlb", 2.94, 11.47),
)
ADM_256 = (  # ADM (arXiv), Tables 4 to 6: ImageNet 256x256 with labels; FID, precision, recall
    ("BigGAN-deep, a GAN", 6.95, 0.87, 0.28),
    ("ADM, no guidance", 10.94, 0.69, 0.63),
    ("ADM-G, scale 1", 4.59, 0.82, 0.52),
    ("ADM-G, scale 10", 9.11, 0.88, 0.32),
    ("ADM-G, upsampled", 3.94, 0.83, 0.53),
)
KINDS = {"diffusion": MODEL, "GAN": OTHER, "score-based": NOISY, "autoregressive": IMAGE, "energy-based": NOISE}


def bits(one: Result) -> str | None:
    """Bits/dim as the paper prints it: a bound is an upper one, with its sign."""
    told = figure(one.nll)
    return f"≤ {told}" if told and one.kind == "diffusion" else told


def rivals_table() -> Table:
    """DDPM's Table 1."""
    rows = [(one.model, one.kind, figure(one.fid), bits(one)) for one in DDPM_TABLE_1]
    ours = [k for k, one in enumerate(DDPM_TABLE_1) if one.kind == "diffusion"]
    return Table(("model", "kind", "FID", "bits/dim, test"), rows, "DDPM, Table 1: CIFAR-10 without labels", ours)


def draw_rivals() -> None:
    """The same as bars: FID at the left, bits/dim at the right."""
    drawn, panels = plt.subplots(1, 2, figsize=(10.5, 3.8), width_ratios=(1.4, 1))
    for axes, key, label in zip(panels, ("fid", "nll"), ("FID", "bits/dim of test images"), strict=True):
        rows = sorted((row for row in DDPM_TABLE_1 if getattr(row, key)), key=lambda row: getattr(row, key))
        values = [getattr(row, key) for row in rows]
        bars = axes.barh([row.model for row in rows], values, color=[KINDS[row.kind] for row in rows])
        axes.bar_label(bars, [bits(row) if key == "nll" else f"{row.fid:.2f}" for row in rows], padding=3)
        axes.set(xlabel=label, xlim=(0, 1.24 * max(values)))
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
    panels[0].set_title("FID: the least of this table, just before a GAN")
    panels[1].set_title("Bits: the last two, by their bounds")
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour, label=kind) for kind, colour in KINDS.items()]
    drawn.legend(handles=handles, loc="outside lower center", ncols=len(KINDS), fontsize=9)
    show(
        drawn,
        "Left: bars of FID, DDPM with L_simple 3.17 and StyleGAN2 + ADA (v1) 3.26 at the top, NCSN 25.32 far below. "
        "Right: bits per dimension, Sparse Transformer 2.80, Gated PixelCNN 3.03, and DDPM's bounds, 3.70 and 3.75.",
    )


def objectives_table() -> Table:
    """DDPM's Table 2."""
    head = ("predicted", "loss", "variance", "IS", "FID")
    caption = "DDPM, Table 2: CIFAR-10. Empty: unstable to train; poor samples, with scores out of range"
    return Table(head, DDPM_TABLE_2, caption, [len(DDPM_TABLE_2) - 1])


def improved_table() -> Table:
    """Improved DDPM's Table 2."""
    rows = [
        (f"{schedule}, T = {T}", loss, f"{nll:.2f}", f"{fid:.2f}") for schedule, T, loss, nll, fid in IMPROVED_TABLE_2
    ]
    caption = "Improved DDPM, Table 2: CIFAR-10, 500,000 iterations"
    return Table(("schedule", "loss", "bits/dim", "FID"), rows, caption)


def draw_trade() -> None:
    """Bits/dim against FID: the rows of both papers."""
    drawn, axes = plt.subplots(figsize=(7.5, 4.2))
    dots = [(row.nll, row.fid, "DDPM", row.model.split(", ")[1]) for row in DDPM_TABLE_1 if row.kind == "diffusion"]
    dots += [(nll, fid, schedule, f"{loss}, T = {T}") for schedule, T, loss, nll, fid in IMPROVED_TABLE_2]
    styles = {"DDPM": (OTHER, "s", "DDPM 2020"), "linear": (NOISY, "o", "Improved DDPM, linear")}
    styles["cosine"] = (MODEL, "^", "Improved DDPM, cosine")
    for group, (colour, marker, label) in styles.items():
        own, fill = [dot for dot in dots if dot[2] == group], "none" if group == "linear" else "full"
        bits_and_fid = zip(*[dot[:2] for dot in own], strict=True)
        axes.plot(*bits_and_fid, marker, color=colour, markersize=8, label=label, fillstyle=fill)
    places = {3.70: (8, -4), 3.73: (-4, 9), 3.75: (-6, -15), 3.37: (8, -4), 3.17: (-76, 7), 2.94: (9, -4)}
    for nll, fid, _, name in dots:
        here = places.get(nll or 0, (10, 8) if "hybrid" in name else (-90, -20))
        line = {"arrowstyle": "-", "linewidth": 0.7, "color": OTHER} if nll == 3.26 else None
        axes.annotate(name, (nll, fid), here, textcoords="offset points", fontsize=8, arrowprops=line)
    axes.axvline(2.80, color=RESULT, linestyle=":", linewidth=1, label="Sparse Transformer: 2.80 bits/dim")
    axes.set(
        yscale="log",
        xlabel="bits/dim of test images, CIFAR-10",
        ylabel="FID, logarithmic",
        xlim=(2.75, 3.98),
        ylim=(2.4, 17),
    )
    axes.set_yticks([3, 5, 10, 15], ["3", "5", "10", "15"])
    axes.minorticks_off()
    axes.set_title("Trained on the whole bound, the FID is above 11")
    axes.legend(fontsize=8, loc="upper center")
    show(
        drawn,
        "A scatter of FID over bits per dimension. Six dots lie near FID 3 between 3.17 and 3.75 bits; the two trained "
        "on the bound alone lie above FID 11, at 2.94 and at 3.70 bits; a dotted line stands at 2.80.",
    )


def adm_table() -> Table:
    """ADM's rows for ImageNet 256x256."""
    rows = [(name, *(f"{value:.2f}" for value in values)) for name, *values in ADM_256]
    return Table(("model", "FID", "precision", "recall"), rows, "ADM (arXiv), Tables 4 to 6: ImageNet 256x256")


def draw_adm() -> None:
    """Precision against recall, and FID beside each dot."""
    drawn, axes = plt.subplots(figsize=(7.5, 4))
    for name, fid, precise, recall in ADM_256:
        gan = name.endswith("a GAN")
        axes.plot(recall, precise, "s" if gan else "o", color=OTHER if gan else MODEL, markersize=9)
        place = {"ADM-G, upsampled": (10, 4), "ADM-G, scale 1": (10, -12), "BigGAN-deep, a GAN": (-6, -46)}
        text = f"{name}: FID {fid:.2f}"
        line = {"arrowstyle": "-", "linewidth": 0.7, "color": OTHER} if gan else None
        axes.annotate(
            text, (recall, precise), place.get(name, (9, 5)), textcoords="offset points", fontsize=9, arrowprops=line
        )
    way = [(recall, precise) for _, _, precise, recall in ADM_256[1:4]]
    axes.plot(*zip(*way, strict=True), "--", color=MODEL, linewidth=1)
    axes.set(xlabel="recall: variety", ylabel="precision: fidelity", xlim=(0.26, 0.8), ylim=(0.66, 0.92))
    axes.set_title("Guidance trades variety for fidelity; the best FID is on the way")
    show(
        drawn,
        "Precision over recall: three versions of ADM on a dashed line from recall 0.63, precision 0.69 without "
        "guidance, over 0.52 and 0.82 at scale 1, to 0.32 and 0.88 at scale 10, near the GAN at 0.28 and 0.87.",
    )
