"""Notebook 03: what it draws, and means over a standard normal quantity."""

import math
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sympy import Expr, symbols
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, Slider, show
from mini_ddpm.course.p04 import Bell
from mini_ddpm.symbolic import Expectation

Array = NDArray[np.float64]
z = symbols("z", real=True)


class E_z(Expectation):  # noqa: N801 - as it is written
    """The mean of a polynomial in z for z ~ N(0, 1), written without the density."""

    def __new__(cls, f: Expr, over: Expr = z, mean: Expr = 0, variance: Expr = 1) -> "E_z":
        return super().__new__(cls, f, over, mean, variance)

    def _latex(self, printer: LatexPrinter) -> str:
        return rf"\mathbb{{E}}_z\left[{printer._print(self.args[0])}\right]"

    def _sympystr(self, printer: StrPrinter) -> str:
        return f"E_z({printer._print(self.args[0])})"


def gaussian_kl(a: Bell, b: Bell) -> float:
    """The divergence of two bells, D(a || b)."""
    u = a.variance / b.variance
    return (u - 1 - math.log(u) + (a.mean - b.mean) ** 2 / b.variance) / 2


def log_ratio(a: Bell, b: Bell, x: Array) -> Array:
    """log a(x)/b(x), also where both densities are too small for a number."""
    far = (x - b.mean) ** 2 / b.variance - (x - a.mean) ** 2 / a.variance
    return (far + math.log(b.variance / a.variance)) / 2


def draw_evidence(a: Bell, b: Bell, draws: int = 12, games: int = 30) -> None:
    """Sums of log ratios, draw by draw: left the draws come from a, right from b."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    steps, slopes = np.arange(draws + 1), (gaussian_kl(a, b), -gaussian_kl(b, a))
    for axes, source, slope, name in zip(panels, (a, b), slopes, ("a", "b"), strict=True):
        color = NOISY if name == "a" else MODEL
        x = np.random.default_rng(1).normal(source.mean, source.variance**0.5, (draws, games))
        sums = np.vstack([np.zeros(games), np.cumsum(log_ratio(a, b, x), axis=0)])
        axes.plot(steps, sums, color=color, linewidth=0.7, alpha=0.5)
        axes.plot(steps, slope * steps, color=RESULT, linewidth=2.5, label=f"mean: {slope:+.2f} a draw")
        for at in (math.log(1000), -math.log(1000)):
            axes.axhline(at, color=OTHER, linestyle="--", linewidth=1)
        title = f"Draws from {name}: a {'slow climb' if name == 'a' else 'steep fall'}"
        axes.set(xlabel="draws so far", title=title, ylim=(-36, 16))
        axes.legend(loc="lower left")
    for odds, at in (("1000 : 1 for a", math.log(1000)), ("1000 : 1 for b", -math.log(1000))):
        panels[0].text(-0.3, at + 0.9, odds, color="0.2", fontsize=9)  # no game comes here on the left
    panels[0].set_ylabel("sum of log a(x)/b(x)")
    show(
        figure,
        "Two panels of jagged lines that start at 0. Left, with draws from a, they climb slowly, in the mean to about "
        "10 after 12 draws. Right, with draws from b, they fall steeply and fan out.",
    )


def draw_integrand(a: Bell, b: Bell) -> None:
    """Two bells, and a log(a/b), whose area is the divergence."""
    show(*integrand(a, b))


def move_bell(a: Bell) -> Slider:
    """The same for a second bell of any mean and width."""

    def look(mean: float, width: float) -> tuple[Figure, str]:
        figure, seen = integrand(a, Bell(mean, width**2))
        return figure, f"The bell b has the mean {mean:g} and the width {width:g}. {seen}"

    widths = [0.25 * k for k in range(2, 13)]
    return Slider(look, {"mean": [0.5 * k for k in range(-6, 7)], "width": widths}, {"mean": 2.0, "width": 2.0})


def integrand(a: Bell, b: Bell) -> tuple[Figure, str]:
    """The figure, and what is seen."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.7))
    x = np.linspace(-6, 8, 1400)
    left.plot(x, a(x), color=NOISY, linewidth=2, label=f"a: mean {a.mean:g}, variance {a.variance:g}")
    left.plot(x, b(x), "--", color=MODEL, linewidth=2, label=f"b: mean {b.mean:g}, variance {b.variance:g}")
    left.set(xlabel="x", ylabel="density", title="Two bells", ylim=(0, max(0.56, 1.2 * float(b(b.mean)))))
    left.legend(loc="upper right")
    y, area = a(x) * log_ratio(a, b, x), gaussian_kl(a, b)
    right.plot(x, y, color=RESULT, linewidth=2)
    right.fill_between(x, y, where=list(y > 0), color=NOISY, alpha=0.35, label="speaks for a")
    right.fill_between(x, y, where=list(y < 0), color=MODEL, alpha=0.35, label="speaks for b")
    right.set(xlabel="x", ylabel="a(x) log a(x)/b(x)", title=f"Areas with signs add up to {area:.3f}")
    right.legend(loc="upper right")
    return figure, (
        "Left: two bells, a as a solid line and b dashed. Right: a log(a/b), above zero where a is higher than b and "
        f"below zero elsewhere; with their signs the areas add up to {area:.3f}."
    )


def draw_terms() -> None:
    """The terms of the divergence, over the width of b: for a right mean, and for one that is off by 2."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    width = np.linspace(0.4, 5, 500)
    for axes, shift, place in zip(panels, (0.0, 2.0), ((1.6, -0.55), (2.9, 0.42)), strict=True):
        rows = (
            (np.log(width), "--", NOISE, r"$\log(\sigma_2/\sigma_1)$"),
            (1 / (2 * width**2), "-.", NOISY, r"$\sigma_1^2/2\sigma_2^2$"),
            (shift**2 / (2 * width**2), ":", IMAGE, r"$(\mu_1-\mu_2)^2/2\sigma_2^2$"),
        )
        for y, style, color, label in rows:
            axes.plot(width, y, style, color=color, linewidth=2, label=label)
        axes.plot(width, sum(row[0] for row in rows) - 0.5, color=RESULT, linewidth=2.5, label="all, with $-1/2$")
        best = math.sqrt(1 + shift**2)
        axes.plot(best, math.log(best), "o", color=RESULT, markersize=8, zorder=3)
        line = {"arrowstyle": "-", "color": "0.4"}
        axes.annotate("lowest", (best, math.log(best)), place, arrowprops=line)
        where = "Right mean: the width of a is best" if shift == 0 else f"Mean off by {shift:g}: wider is better"
        axes.set(xlabel=r"width $\sigma_2$ of b ($\sigma_1 = 1$)", title=where, ylim=(-1, 4))
    panels[0].set_ylabel("nats")
    panels[1].legend(loc="upper right")
    show(
        figure,
        "Two panels over the width of b. The logarithm climbs, the other terms fall or are zero; their sum has its "
        "lowest point at width 1 on the left, where the means are equal, and at a greater width on the right.",
    )


def draw_asymmetry() -> None:
    """Why too narrow costs more than too wide, and how much."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2))
    x = np.linspace(-3.5, 3.5, 500)
    a = Bell(0.0, 1.0)
    left.fill_between(x, 5 * a(x), color=NOISY, alpha=0.2, label="a (not to scale)")
    left.axhline(0, color="0.5", linewidth=1)
    left.axhline(math.log(2), color="0.4", linestyle=":", linewidth=1)
    left.text(3.4, math.log(2) + 0.15, "log 2", ha="right")
    for ratio, style, name in ((0.5, "-", "b half as wide as a"), (2.0, "--", "b twice as wide as a")):
        left.plot(x, log_ratio(a, Bell(0.0, ratio**2), x), style, color=MODEL, linewidth=2, label=name)
    left.set(xlabel="x", ylabel="log a(x)/b(x)", title="One is bounded above, the other is not", ylim=(-5, 12))
    left.legend(loc="upper center")
    ratios = np.geomspace(1 / 4.5, 4.5, 400)
    right.plot(ratios, [gaussian_kl(a, Bell(0.0, r**2)) for r in ratios], color=RESULT, linewidth=2.5)
    for ratio in (0.5, 2.0):
        cost = gaussian_kl(a, Bell(0.0, ratio**2))
        right.plot(ratio, cost, "o", color=MODEL, markersize=9, zorder=3)
        right.annotate(f"{cost:.2f}", (ratio, cost), (-4, 12), textcoords="offset points", ha="left")
    right.set_xscale("log", base=2)
    right.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    right.set(xlabel=r"width of b / width of a", ylabel="D(a || b) in nats", ylim=(0, 6), xlim=(ratios[0], ratios[-1]))
    right.text(0.6, 5.3, "b too narrow", ha="center")
    right.text(2.1, 5.3, "b too wide", ha="center")
    right.set_title("Too narrow costs more than too wide")
    show(
        figure,
        "Left: over the bell a, the log ratio of a too narrow b is a steep parabola, that of a too wide b an arch that "
        "never goes above 0.69. Right: the divergence over the ratio of widths, steep on the side of too narrow, flat "
        "on that of too wide.",
    )


def draw_best(x: Array, data: Array, cover: Bell, pick: Bell) -> None:
    """The two peaks, and the best single bell in either order."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 3.9), sharey=True)
    for axes, bell, title in zip(
        panels, (cover, pick), ("Data first: it covers", "Bell first: it picks a peak"), strict=True
    ):
        axes.fill_between(x, data, color=IMAGE, alpha=0.35, linewidth=0, label="data, two peaks")
        axes.plot(x, bell(x), color=RESULT, linewidth=2.5, label="best bell")
        axes.set(xlabel="x", title=title, xlim=(-3.2, 3.2), ylim=(0, 1.5))
        axes.legend(loc="upper left")
    panels[0].set_ylabel("density")
    show(
        figure,
        "The two-peaked density twice. Left, a wide bell lies over both peaks, and over the valley between. Right, a "
        "narrow bell sits exactly on the larger peak.",
    )


def draw_melting(x: Array, noised: Mapping[int, Array], costs: Mapping[int, float]) -> None:
    """The noised data, time -> density, with the bell that is best for all of them, and what it costs."""
    figure, panels = plt.subplots(1, len(noised), figsize=(10, 3), sharey=True)
    bell = Bell(0.0, 1.0)(x)
    for axes, (time, density) in zip(panels, noised.items(), strict=True):
        axes.fill_between(x, density, color=NOISY if time else IMAGE, alpha=0.35, linewidth=0)
        axes.plot(x, bell, color=RESULT, linewidth=2)
        axes.set(xlabel="$x_t$" if time else "$x_0$", title=f"t = {time}: {costs[time]:.2g} nats", xlim=(-3.2, 3.2))
    panels[0].set(ylabel="density", ylim=(0, 0.95))
    show(
        figure,
        f"{len(noised)} panels in the order of time, one and the same bell in each. Two separate peaks at first; with "
        "more noise they run together, and at the end the shaded density fills the bell.",
    )
