"""Notebook 10: what it draws, each figure with its alt text; the symbols of its derivations; its stored numbers."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from sympy import IndexedBase, Sum, Symbol, symbols
from torch import Tensor

from mini_ddpm.course import shares
from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.course.sheets import draw_digits
from mini_ddpm.course.stored import stored
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.schedules import NoiseSchedule, cosine_betas
from mini_ddpm.symbolic import Theory
from mini_ddpm.symbolic.notation import T, forward_process, recursion, s, t

forward = forward_process()
growth = recursion(forward)
V = Symbol("V", positive=True)  # the variance of the data
narrow = forward_process()
narrow.define(V, 1 / (1 + Symbol("u", positive=True)))  # below 1
any_variances = Theory()
beta_t, betatilde_t, delta = symbols("beta_t betatilde_t delta", positive=True)
f, g, h = symbols("f g h", positive=True)  # the best share, the width of the slit, another share
sigma = IndexedBase("sigma", positive=True)
m, w, p = (IndexedBase(name, positive=True) for name in "mwp")
draws = Theory()
draws.define(p[t], w[t] / Sum(w[s], (s, 1, T)))  # any positive w, made to sum to 1

LINEAR, COSINE = NOISY, RESULT  # one colour for one schedule


def draw_three(rows: Mapping[str, Tensor]) -> None:
    """Ten digits a row (10, 1, 28, 28), each with its name."""
    draw_digits(
        rows,
        "Three rows of the digits 0 to 9, from the same noise. The first row is clean and its strokes are thin and "
        "smooth. The second is covered with grey specks, on the black ground, too. The third looks like the first.",
        "One variance leaves specks; the other two look alike",
    )


def draw_schedules(schedules: Mapping[str, NoiseSchedule]) -> None:
    """alpha_bar, and the signal-to-noise ratio on a logarithmic axis, over t."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    for (name, schedule), colour, line in zip(schedules.items(), (LINEAR, COSINE), ("-", "--"), strict=True):
        left.plot(schedule.alpha_bar, line, color=colour, linewidth=2, label=name)
        right.semilogy(range(1, schedule.T + 1), schedule.snr[1:], line, color=colour, linewidth=2, label=name)
    left.set(xlabel="t", ylabel=r"$\bar{\alpha}_t$", title="Linear is near zero long before the end")
    right.axhline(0.01, color=OTHER, linewidth=1)
    right.set(xlabel="t", ylabel="signal-to-noise ratio", title="A third of linear's steps lie below 1/100")
    left.legend()
    show(
        figure,
        "Left: alpha-bar over t. The linear schedule falls steeply and is near 0 from t = 700 on; the cosine "
        "schedule falls in a slow S and reaches 0 at the end. Right: the signal-to-noise ratio on a logarithmic "
        "axis; the linear curve crosses the line at 1/100 near t = 670, the cosine one near 940.",
    )


def skipped_rows() -> tuple[dict[str, tuple[Tensor, Tensor, Tensor]], Tensor]:
    """For each schedule: shares of the walk that are skipped, log SNR at the start, FD-judge (shares, seeds).

    And FD-judge of sets of as many real test digits.
    """
    kept = stored("skipped")
    rows, found = kept["rows"], {}
    for name in ("linear", "cosine"):
        mine = [row for row in rows if row["schedule"] == name]
        skips = sorted({row["skipped"] for row in mine})
        log_snr = [next(row["log_snr"] for row in mine if row["skipped"] == k) for k in skips]
        table = [[row["fd_judge"] for row in mine if row["skipped"] == k] for k in skips]
        found[name] = torch.tensor(skips) / kept["steps"], torch.tensor(log_snr), torch.tensor(table)
    return found, torch.tensor([row["fd_judge"] for row in rows if row["schedule"] == "real digits"])


def unseen(*names: str) -> dict[str, Tensor]:
    """Bits/dim that some variances cost above the learned one, on MNIST's test digits: (seeds,) each."""
    sums = {name: torch.tensor(seeds) for name, seeds in stored("unseen")["variances"]["sums"].items()}
    return {name: sums[name] - sums["learned"] for name in names}


def _band(axes: plt.Axes, across: Sequence[float] | Tensor, table: Tensor, line: str, colour: str, label: str) -> None:
    """The mean of seeds, (places, seeds), and from the least to the largest."""
    axes.plot(across, table.mean(dim=1), line, color=colour, label=label)
    axes.fill_between(across, table.min(dim=1).values, table.max(dim=1).values, color=colour, alpha=0.2, linewidth=0)


def draw_skipped(found: Mapping[str, tuple[Tensor, Tensor, Tensor]], real: Tensor) -> None:
    """FD-judge over the skipped share, and over the log SNR at which a walk begins."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True)
    for (name, (share, log_snr, table)), colour, line in zip(
        found.items(), (LINEAR, COSINE), ("o-", "s--"), strict=True
    ):
        _band(panels[0], share, table, line, colour, name)
        _band(panels[1], log_snr.clamp(min=-11), table, line, colour, name)
    for axes in panels:
        axes.axhspan(float(real.min()), float(real.max()), color=IMAGE, alpha=0.25, label="real test digits")
    panels[0].set(xlabel="share of the walk that is skipped", ylabel="FD-judge", yscale="log")
    panels[0].set_title("A quarter of linear's walk can go, an eighth of cosine's can't")
    panels[1].set(xlabel="log SNR where the walk begins (-11: and below)")
    panels[1].set_title("By the noise at the start: nearly one curve")
    panels[0].legend()
    show(figure, SKIPPED)


SKIPPED = (
    "Two panels, FD-judge on a logarithmic axis. Left, over the share that is skipped: the linear schedule's line is "
    "level at 0.07 up to 38% and rises to 0.2 at 50%; the cosine one is level to 6%, and rises to 0.7 at 25% and 8 "
    "at 50%. Right, over the log SNR at the start: both lie on one curve, level up to about -4 and rising steeply "
    "from there."
)


def draw_ratios(lengths: Sequence[int]) -> None:
    """beta-tilde over beta against t/T, for cosine schedules of these lengths."""
    figure, axes = plt.subplots(figsize=(7, 3.6))
    for length, colour, line in zip(lengths, (OTHER, NOISY, RESULT), ("-.", "--", "-"), strict=True):
        bar = NoiseSchedule.from_betas(cosine_betas(length)).alpha_bar
        ratio = (1 - bar[1:-1]) / (1 - bar[2:])
        axes.semilogx(np.arange(2, length + 1) / length, ratio, line, color=colour, label=f"T = {length}")
    axes.set(xlabel="t / T", ylabel=r"$\tilde{\beta}_t / \beta_t$")
    axes.set_title("The longer the chain, the smaller the part in which the bounds differ")
    axes.legend()
    show(
        figure,
        "The ratio beta-tilde over beta against t/T on a logarithmic axis, for cosine schedules with 100, 1000 and "
        "4000 steps. Each curve starts below one half and rises to 1; the more steps, the sooner.",
    )


def draw_best_shares(schedule: NoiseSchedule, times: Sequence[int]) -> None:
    """The best f over x_t for the two peaks, at several times, above the density of x_t."""
    grid = torch.linspace(-2.5, 2.5, 1001, dtype=torch.float64)
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(7, 4.8), sharex=True, height_ratios=(2, 1))
    for time, colour, line in zip(times, (RESULT, NOISY, NOISE), ("-", "--", ":"), strict=True):
        upper.plot(grid, shares.best_share(TWO_PEAKS, grid, schedule, time), line, color=colour, label=f"t = {time}")
        density = TWO_PEAKS.density(grid[:, None], float(schedule.at(time)))
        lower.plot(grid, density, line, color=colour)
    for edge in (0, 1):
        upper.axhline(edge, color=OTHER, linewidth=1)
    upper.set(ylabel="best f", title="The best f on two peaks: above 1 between them")
    lower.set(xlabel="$x_t$", ylabel="density of $x_t$")
    upper.legend()
    show(figure, BEST_SHARES)


BEST_SHARES = (
    "Above, three curves of the best f over x_t. At t = 100 it is 0.8 but for a narrow hill up to 2.8 between the "
    "peaks; at t = 300 it is 0.3, with a hill up to 2.9; at t = 600 a wide hill up to 1.5. Below, the density of "
    "x_t: two peaks with a gap under the hill, and at t = 600 a single one."
)


def draw_shares(x_0: Tensor, maps: Mapping[int, Tensor]) -> None:
    """A digit (1, 28, 28), and the network's f on its pixels at several times, in one scale."""
    figure, axes = plt.subplots(1, len(maps) + 1, figsize=(10, 2))
    axes[0].imshow(x_0[0], cmap="gray")
    axes[0].set_title("$x_0$")
    for one, (time, share) in zip(axes[1:], maps.items(), strict=True):
        picture = one.imshow(share[0], cmap="RdBu_r", vmin=-1.3, vmax=1.3)
        one.set_title(f"f at t = {time}")
    for one in axes:
        one.set(xticks=[], yticks=[])
        one.grid(False)
    figure.colorbar(picture, ax=axes[-1], label="f")
    show(figure, MAPS)


MAPS = (
    "A digit 8, and five maps of f on its pixels, red above 0 and blue below. At t = 1, 2, 10 and 100 the strokes "
    "are dark red and the black ground is white or faintly blue; at t = 1000 all is pale red, the strokes a little "
    "darker."
)


def draw_terms(times: Sequence[int], terms: Mapping[str, Tensor]) -> None:
    """Terms of the bound for several variances, over those of the learned one: mean and range of seeds."""
    figure, axes = plt.subplots(figsize=(7.5, 4))
    looks = {
        "f = 1": (NOISY, "v--", r"$\beta_t$"),
        "f = 0": (NOISE, "^-.", r"$\tilde\beta_t$"),
        "one number": (RESULT, "s-", "best one number for each t"),
        "two constants": (OTHER, "o-", "two constants, by the guess"),
    }
    for name, (colour, line, label) in looks.items():
        _band(axes, times, terms[name] / terms["learned"], line, colour, label)
    axes.axhline(1, color=MODEL, linewidth=2, label="learned")
    axes.set(xscale="log", xlabel="t", ylabel="term, over that of the learned variance")
    axes.set_title("What tells pixels apart pays at small t; the guess does it, too")
    axes.legend()
    show(figure, TERMS)


TERMS = (
    "Over t, logarithmic, terms divided by that of the learned variance. For beta the ratio falls from 1.8 at t = 2 "
    "towards 1; for beta-tilde from 1.3; for the best number from 1.2. For two constants it lies a little below 1 up "
    "to t = 5. From t = 100 on all but beta are at 1."
)


def draw_gradients(times: Sequence[int], squares: Mapping[str, Tensor]) -> None:
    """Root mean square of the gradient over t, of each loss, with the range of three groups of images."""
    figure, axes = plt.subplots(figsize=(7.5, 4))
    for (name, table), colour, line in zip(squares.items(), (NOISE, RESULT), ("o-", "s--"), strict=True):
        groups = torch.stack([part.mean(dim=1).sqrt() for part in table.chunk(3, dim=1)], dim=1)
        _band(axes, times, groups, line, colour, name)
    axes.set(xscale="log", yscale="log", xlabel="t", ylabel="size of the gradient of one digit's loss")
    axes.set_title("The bound's gradient is large at small t and tiny elsewhere")
    axes.legend()
    show(figure, GRADIENTS)


GRADIENTS = (
    "Size of the gradient over t, both axes logarithmic. The simple loss has a nearly level line that falls from 5 "
    "to 0.3 and rises a little at the end. That of the bound begins at the same height and falls over four powers of "
    "ten up to t = 3000, and over two more at t = 3999. The bands are narrower than the lines."
)


def draw_chances(chances: Tensor) -> None:
    """How often each t is drawn (T,), beside even draws."""
    figure, axes = plt.subplots(figsize=(7, 3.4))
    axes.loglog(range(1, len(chances) + 1), chances, color=RESULT, label="by the root of the mean square of $L_t$")
    axes.axhline(1 / len(chances), color=NOISY, linestyle="--", label="even draws")
    axes.set(xlabel="t", ylabel="chance of a draw", title="The first hundred times of 4000 get most of the draws")
    axes.legend()
    show(figure, CHANCES)


CHANCES = (
    "Both axes logarithmic: the chance of a draw falls from 0.18 at t = 1 to 0.00002 at t = 3000 and drops further "
    "at the end. It crosses the level line of even draws near t = 400."
)
