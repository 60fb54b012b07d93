"""Notebook 11: what it draws, each figure with its alt text; symbols of its derivations; what it reads from files."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from sympy import IndexedBase, symbols
from torch import Tensor
from tqdm import tqdm

from mini_ddpm import measure
from mini_ddpm.course import codes
from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.course.stored import spread, stored
from mini_ddpm.course.tables import Table
from mini_ddpm.course.toys import Mixture
from mini_ddpm.runs import image_grid
from mini_ddpm.schedules import NoiseSchedule
from mini_ddpm.symbolic.notation import alpha_bar, forward_process, t

forward = forward_process()
v, betatilde_t, sigma_t = symbols("v betatilde_t sigma_t", positive=True)  # v: of the data
x_0 = symbols("x_0", real=True)
V = IndexedBase("V", positive=True)
forward.define(V[t], alpha_bar[t] * v + 1 - alpha_bar[t])  # the variance of x_t

EULER = 0.5772156649015329  # gamma
QUIET = tqdm(disable=True)  # a bar that is not shown


def draw_prices(prices: Mapping[str, float], spread: float) -> None:
    """What a pixel costs, in bits, by several codes; the last is the network's, with two standard errors."""
    figure, axes = plt.subplots(figsize=(7, 2.6))
    names = list(prices)[::-1]
    colours = [MODEL, *[OTHER] * (len(names) - 1)]
    bars = axes.barh(names, [prices[name] for name in names], color=colours, xerr=[2 * spread, *[0] * (len(names) - 1)])
    axes.bar_label(bars, fmt="%.2f", padding=4)
    axes.set(xlabel="bits for each pixel", xlim=(0, 9), title="What a digit costs, by four codes")
    axes.grid(axis="y", visible=False)
    show(
        figure,
        "Four bars: 8 bits a pixel for no model at all, 1.99 for one histogram of the grey levels, 1.47 for "
        "the program xz, and 1.32 for the network.",
    )


def draw_bins(mean: float, sigma: float, levels: Tensor, probability: Tensor) -> None:
    """A bell near black, times the width of a bin, and the area over each of the first bins."""
    figure, axes = plt.subplots()
    x = torch.linspace(-1.035, -0.93, 500, dtype=torch.float64)
    bell = (-((x - mean) ** 2) / (2 * sigma**2)).exp() / (sigma * np.sqrt(2 * np.pi))
    axes.plot(x, bell * 2 / 255, color=RESULT, label="density, times the width of a bin")
    axes.bar(levels[:11], probability[:11], 2 / 255, edgecolor="white", color=NOISY, alpha=0.5, label="area of a bin")
    for edge in levels[:10] + 1 / 255:
        axes.axvline(edge, color="0.8", linewidth=0.6)
    axes.set(xlabel="grey level, as $x_0$ in $[-1, 1]$", ylabel="probability")
    axes.set_title("Black, the first level, gets the whole tail")
    axes.legend(loc="upper right")
    show(
        figure,
        "A bell curve near the black end of the scale, and a bar for the area over each bin. The first bar, black, is "
        "the highest, though the curve has its top further right: it has the whole tail.",
    )


def draw_step_back(data: Mixture, schedule: NoiseSchedule, place: float) -> None:
    """The last step of a short chain: the data, and the true step back from one x_1 beside the best Gaussian."""
    bar, before = schedule.alpha_bar[1], schedule.alpha_bar[0]
    true, bell = codes.step_back(data, place, bar, before)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), sharex=True)
    grid = codes.GRID
    left.plot(grid, data.density(grid[:, None]), color=IMAGE, linewidth=2, label="the data, $q(x_0)$")
    left.plot(grid, data.density(grid[:, None], float(bar)), color=NOISY, linewidth=2, label="$q(x_1)$")
    left.axvline(place, color=RESULT, linewidth=1, linestyle=":", label=f"$x_1 = {place}$")
    left.set(xlabel="$x$", ylabel="density", xlim=(-1.2, 1.2), title=f"Two clusters, and one step of {schedule.T}")
    right.plot(grid, true, color=IMAGE, linewidth=2, label=f"true, $q(x_0 \\mid x_1 = {place})$")
    right.plot(grid, bell, "--", color=MODEL, linewidth=2, label="best Gaussian: same mean, same variance")
    right.set(xlabel="$x_0$", ylabel="density", title="A Gaussian can't have two humps")
    left.set_ylim(0, 3)
    right.set_ylim(0, 4.2)
    for axes in (left, right):
        axes.legend(fontsize=9, loc="upper left")
    show(
        figure,
        "Left: the density of the data has two sharp humps at plus and minus one half; that of x_1 has two wide ones "
        "that meet between. Right: the true step back from a place between them has both sharp humps; the Gaussian of "
        "the same mean and variance is one broad hill, highest where the truth is zero.",
    )


def draw_lost(lengths: Sequence[int], lost: Mapping[str, Sequence[float]]) -> None:
    """Bits above the true cost, with the true mean and variance in each step, against T."""
    figure, axes = plt.subplots()
    looks = ((NOISE, "o-"), (IMAGE, "s-"), (RESULT, "^--"))
    for (name, values), (colour, line) in zip(lost.items(), looks, strict=True):
        axes.plot(lengths, values, line, color=colour, label=name)
    axes.set(xscale="log", xlabel="steps $T$", ylabel="bits above the true cost")
    axes.set_xticks(lengths, [str(length) for length in lengths])
    axes.set_title("Gaussian data lose nothing at any length; others lose bits in a short chain")
    axes.legend()
    show(
        figure,
        "Bits lost against the number of steps. The line of one bell lies at zero from 1 step to 100. Two clusters "
        "lose 1.35 bits in one step, 0.65 in five and less than 0.01 in a hundred; the two peaks of the course lose "
        "less, 0.15 in five.",
    )


def draw_variances(
    lengths: Sequence[int], excess: Mapping[str, Sequence[float]], tried: Mapping[str, tuple[Sequence[int], Tensor]]
) -> None:
    """Bits that the steps from t = 2 on lose by a wrong variance, against T; rings: the package, with three seeds."""
    figure, axes = plt.subplots()
    for (name, values), (colour, line) in zip(excess.items(), ((RESULT, "-"), (NOISY, "--")), strict=True):
        axes.plot(lengths, values, line, color=colour, label=name)
        few, found = tried[name]
        axes.plot(few, found.mean(dim=1), "o", color=colour, fillstyle="none", markersize=8)
    axes.axhline(EULER / 2 * codes.BITS, color=OTHER, linewidth=1, label=r"$\gamma/2$, in bits")
    axes.set(xscale="log", xlabel="steps $T$", ylabel="bits lost, from $t = 2$ on")
    axes.set_title(r"$\beta_t$ is cured by more steps, $\tilde\beta_t$ is not")
    axes.legend()
    show(
        figure,
        "Bits lost against the number of steps, up to a million. The curve of beta falls to zero. That of beta-tilde "
        "rises to 0.89 near a hundred steps and comes down to a horizontal line at 0.416. Rings for what the package "
        "finds at 5, 20 and 100 steps lie on both curves.",
    )


def draw_terms(terms: Tensor) -> None:
    """The bound of the shipped network: each term (T,) from t = T to 1, and what is paid from T down to t."""
    times = np.arange(len(terms), 0, -1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    left.loglog(times, terms, color=RESULT)
    left.set(xlabel="$t$", ylabel="bits for each pixel", title="One term for each $t$; at $t = 1$ it is $L_0$")
    right.semilogx(times, terms.cumsum(0), color=RESULT)
    right.set(xlabel="$t$", ylabel="bits paid from $T$ down to $t$", title="Most is paid at the end")
    for axes in (left, right):
        axes.invert_xaxis()
    show(
        figure,
        "Left, both axes logarithmic, noise on the left: the terms rise from below 0.000001 at t = 4000 to 0.24 at "
        "t = 1. Right: what has been paid is below 0.1 at t = 1000, 0.38 at t = 100, and 1.3 at the end.",
    )


def draw_widths(
    widths: Tensor, costs: Mapping[str, Tensor], network: Mapping[str, float], fixed: float, best: float
) -> None:
    """L_0 of two kinds of pixels against one width for all of the kind, in grey levels; and the widths in use."""
    figure, axes = plt.subplots()
    for (name, cost), colour in zip(costs.items(), (RESULT, IMAGE), strict=True):
        axes.plot(widths, cost, "o-", color=colour, markersize=4, label=f"guessed {name}")
        axes.axvline(network[name], color=colour, linestyle=":", linewidth=1.5, label=f"learned, median of {name}")
    axes.axvline(fixed, color=NOISE, linestyle="--", linewidth=1.5, label=r"$\tilde\beta_2$")
    axes.axvline(best, color=MODEL, linestyle="-.", linewidth=1.5, label="best one width for all")
    axes.set(xlabel="width $\\sigma$ at $t = 1$, in grey levels", ylabel="bits for each pixel", yscale="log")
    axes.set(xscale="log", title="Two kinds of pixels want two widths")
    axes.set_xticks([0.05, 0.1, 0.2, 0.3, 0.5], ["0.05", "0.1", "0.2", "0.3", "0.5"])
    axes.minorticks_off()
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    show(
        figure,
        "Bits against width, for pixels that are guessed black and for the others. The curve of black is lowest near "
        "0.05 grey levels and ten times as high at 0.28, where the network's width for black and the fixed one stand; "
        "the curve of the others is lowest near 0.3.",
    )


def packed_test_digits() -> str:
    """Bits for each pixel that xz needs for MNIST's test digits."""
    found = dict(stored("unseen")["xz"])
    whole = found.pop("all")
    return f"{min(found.values()):.2f} to {max(found.values()):.2f} for a thousand, {whole:.2f} for all 10,000 at once"


def last_step_rows() -> tuple[dict[str, list[dict]], dict]:
    """Stored measurements of the last step, by what was done (a row for each seed), and how they were made."""
    made = stored("last-step")
    rows: dict[str, list[dict]] = {}
    for row in made.pop("rows"):
        rows.setdefault(row["what"], []).append(row)
    return rows, made


def whole(terms: Sequence[float], times: Sequence[int], T: int) -> float:
    """The sum of all T terms of the bound, from those at some times: straight lines between logarithms."""
    at = np.log(np.arange(1, T + 1))
    return float(np.exp(np.interp(at, np.log(times), np.log(terms))).sum())


def width_table(seeds: Sequence[Mapping[str, Tensor]]) -> Table:
    """L_0 by the width of the last step: for each name the mean, that of black pixels and of the others, (3,)."""
    rows = []
    for name in seeds[0]:
        every, black, other = torch.stack([one_seed[name] for one_seed in seeds]).T
        rows.append([name, spread(every.tolist(), 3), f"{black.mean():.4f}", f"{other.mean():.3f}"])
    return Table(["width", "all pixels, bits", "is black", "is not"], rows, "Digits that the network has seen.")


def last_step_table(rows: Mapping[str, list[dict]], made: Mapping) -> Table:
    """What was done for the last step, and what all terms cost then, in bits/dim."""
    table: list[list[str | None]] = []
    times = made["times"]
    for name, seeds in rows.items():
        first, black = (torch.tensor([row[key] for row in seeds]) for key in ("L_0", "black"))
        cells: list[str | None] = [name, spread(first.tolist(), 3), f"{black.mean():.3f}"]
        if "terms" in seeds[0]:
            each = torch.tensor([row["terms"] for row in seeds])
            sums = [whole(row["terms"], times, 4000) for row in seeds]
            table.append([*cells, f"{each[:, 1].mean():.3f}", f"{each[:, 2].mean():.3f}", spread(sums, 3)])
        else:
            table.append([*cells, "as shipped", "as shipped", None])
    head = ["what was done", "L_0", "a black pixel in it", "t = 2", "t = 3", f"all terms, read between {len(times)}"]
    return Table(head, table, f"{made['n']} of MNIST's test digits, never seen; bits/dim, three seeds; the same noise.")


def draw_elsewhere(rows: Mapping[str, list[dict]], times: Sequence[int]) -> None:
    """How the terms change at each t if the network goes on training: ratios to the shipped one, mean and range."""
    figure, axes = plt.subplots()
    before = np.array([row["terms"] for row in rows["as shipped"]])
    looks = {
        "t = 1 alone": (IMAGE, "s-"),
        "every doubling alike": (MODEL, "o-"),
        "every doubling alike, weighted": (NOISE, "v-"),
        "all times alike": (OTHER, "^--"),
        "all times alike, weighted": (NOISY, "D:"),
    }
    for name, (colour, line) in looks.items():
        ratio = np.array([row["terms"] for row in rows[name]]) / before
        axes.plot(times, ratio.mean(axis=0), line, color=colour, markersize=4, label=f"more training: {name}")
        axes.fill_between(times, ratio.min(axis=0), ratio.max(axis=0), color=colour, alpha=0.2)
    axes.axhline(1, color=RESULT, linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="$t$", ylabel="term, divided by the shipped network's")
    axes.set_yticks([0.7, 1, 2, 4, 7], ["0.7", "1", "2", "4", "7"])
    axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    axes.minorticks_off()
    axes.set_title("t = 1 alone spoils the others; every doubling alike hardly does")
    axes.legend()
    show(
        figure,
        "Terms in units of the shipped network's, both axes logarithmic. After training at t = 1 alone the term at "
        "t = 1 is 0.7, but that at t = 2 is 7, and the curve comes down slowly to 1.2 at t = 3000. With every doubling "
        "alike it is 0.7 at t = 1, 0.9 at t = 2 and close to 1 from there on; the same times weighted, and the "
        "control, are close to 1 everywhere; the control weighted lies at 1.2 to 1.4 up to t = 400.",
    )


def progressive(stored: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Rate, in bits for each pixel, and distortion, in grey levels, of a stored bound, from t = T to 1: (T,) each."""
    prior, terms, error = (stored[name].double() for name in ("prior", "terms", "x_0_error"))
    return measure.Bound([], prior.mean()[None], terms[None], error[None], error[None]).progressive()


def draw_rate(rate: Tensor, distortion: Tensor, others: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """Distortion over rate, beside three codes for Gaussian data."""
    figure, axes = plt.subplots()
    axes.plot(rate, distortion, color=MODEL, linewidth=2, label="the network")
    looks = ((OTHER, "--"), (NOISY, "-."), (NOISY, ":"))
    for (name, (bits, off)), (colour, line) in zip(others.items(), looks, strict=True):
        axes.plot(bits, off, line, color=colour, linewidth=2, label=f"Gaussian code: {name}")
    axes.set(xlabel="rate: bits for each pixel", xlim=(-0.02, 1.1), ylim=(0, 70))
    axes.set_ylabel("distortion, in grey levels of 255")
    axes.set_title("After a tenth of a bit the network has a fifth of the error left")
    axes.legend(fontsize=9)
    show(
        figure,
        "Four curves that begin at 60 grey levels. The network's falls to 12 after a tenth of a bit and to 6 after "
        "two, and has a long flat tail. The code for Gaussian data with one covariance stands at 30 and 23 there. The "
        "two lines with a covariance for each label lie between: at 23 and 16 for the digits that it was measured on, "
        "at 27 and 21 for others.",
    )


def draw_guesses(rows: Mapping[str, Tensor]) -> None:
    """Rows of digits (n, 1, 28, 28), each with its name."""
    figure, axes = plt.subplots(figsize=(8, 0.85 * len(rows)))
    columns = len(next(iter(rows.values())))
    axes.imshow(image_grid(torch.cat(list(rows.values())).clamp(-1, 1), columns=columns), cmap="gray")
    axes.set_yticks([60 * (k + 0.5) for k in range(len(rows))], list(rows))
    axes.set_xticks([])
    axes.grid(False)
    show(
        figure,
        "Rows of the digits 0 to 7, as they are guessed after ever more bits. After no bits an image: blurred means of "
        "each digit; after four bits the slant is right; after 35 bits all strokes but those of the 5 are those of the "
        "last row, the images themselves.",
    )
