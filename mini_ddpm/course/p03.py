"""Notebook 03: what it draws, and means over a standard normal quantity."""

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sympy import Expr, symbols
from sympy.printing.latex import LatexPrinter

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT
from mini_ddpm.course.p04 import Bell
from mini_ddpm.symbolic import Expectation

Array = NDArray[np.float64]
z = symbols("z", real=True)


class Mean(Expectation):
    """The mean of a polynomial in z for z ~ N(0, 1), written without the density: E[f]."""

    def __new__(cls, f: Expr, over: Expr = z, mean: Expr = 0, variance: Expr = 1) -> "Mean":
        return super().__new__(cls, f, over, mean, variance)

    def _latex(self, printer: LatexPrinter) -> str:
        return rf"\mathbb{{E}}\left[{printer._print(self.args[0])}\right]"


def gaussian_kl(a: Bell, b: Bell) -> float:
    """The divergence of two bells, D(a || b)."""
    u = a.variance / b.variance
    return (u - 1 - math.log(u) + (a.mean - b.mean) ** 2 / b.variance) / 2


def log_ratio(a: Bell, b: Bell, x: Array) -> Array:
    """log a(x)/b(x), also where both densities are too small for a number."""
    far = (x - b.mean) ** 2 / b.variance - (x - a.mean) ** 2 / a.variance
    return (far + math.log(b.variance / a.variance)) / 2


def draw_evidence(a: Bell, b: Bell, draws: int = 12, games: int = 30) -> Figure:
    """Sums of log ratios, draw by draw: left the draws come from a, right from b."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    steps = np.arange(draws + 1)
    for axes, source, slope, name in zip(
        panels, (a, b), (gaussian_kl(a, b), -gaussian_kl(b, a)), ("a", "b"), strict=True
    ):
        color = NOISY if name == "a" else MODEL
        x = np.random.default_rng(1).normal(source.mean, source.variance**0.5, (draws, games))
        sums = np.vstack([np.zeros(games), np.cumsum(log_ratio(a, b, x), axis=0)])
        axes.plot(steps, sums, color=color, linewidth=0.7, alpha=0.5)
        axes.plot(steps, slope * steps, color=RESULT, linewidth=2.5, label=f"mean: {slope:+.2f} a draw")
        for odds, at in (("1000 : 1 for a", math.log(1000)), ("1000 : 1 for b", -math.log(1000))):
            axes.axhline(at, color=OTHER, linestyle="--", linewidth=1)
            axes.text(-0.3, at + 0.5, odds, color="0.2", fontsize=9, zorder=5)
        axes.set(
            xlabel="draws so far",
            title=f"Draws from {name}: a {'slow climb' if name == 'a' else 'steep fall'}",
            ylim=(-36, 16),
        )
        axes.legend(loc="lower left")
    panels[0].set_ylabel("sum of log a(x)/b(x)")
    return figure


def draw_integrand(a: Bell, b: Bell) -> Figure:
    """Two bells, and a log(a/b), whose area is the divergence."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.7))
    x = np.linspace(-6, 8, 1400)
    left.plot(x, a(x), color=NOISY, linewidth=2, label=f"a: mean {a.mean:g}, variance {a.variance:g}")
    left.plot(x, b(x), "--", color=MODEL, linewidth=2, label=f"b: mean {b.mean:g}, variance {b.variance:g}")
    left.set(xlabel="x", ylabel="density", title="Two bells", ylim=(0, 0.56))
    left.legend(loc="upper right")
    y = a(x) * log_ratio(a, b, x)
    right.plot(x, y, color=RESULT, linewidth=2)
    right.fill_between(x, y, where=list(y > 0), color=NOISY, alpha=0.35, label="speaks for a")
    right.fill_between(x, y, where=list(y < 0), color=MODEL, alpha=0.35, label="speaks for b")
    right.set(xlabel="x", ylabel="a(x) log a(x)/b(x)", title=f"Areas with signs add up to {gaussian_kl(a, b):.3f}")
    right.legend(loc="upper right")
    return figure


def draw_terms(shifts: tuple[float, float] = (0.0, 2.0)) -> Figure:
    """The four terms, over the width of b."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    width = np.linspace(0.4, 5, 500)
    for axes, shift in zip(panels, shifts, strict=True):
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
        axes.annotate(
            f"best width {best:.2f}", (best, math.log(best)), (15, 28), textcoords="offset points",
            arrowprops={"arrowstyle": "-", "color": "0.4"},
        )  # fmt: skip
        where = "Right mean: the width of a is best" if shift == 0 else f"Mean off by {shift:g}: wider is better"
        axes.set(xlabel=r"width $\sigma_2$ of b ($\sigma_1 = 1$)", title=where, ylim=(-1, 4))
    panels[0].set_ylabel("nats")
    panels[1].legend(loc="upper right")
    return figure


def draw_asymmetry() -> Figure:
    """Why too narrow costs more than too wide, and how much."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2))
    x = np.linspace(-3.5, 3.5, 500)
    a = Bell(0.0, 1.0)
    for ratio, style, name in ((0.5, "-", "b half as wide as a"), (2.0, "--", "b twice as wide as a")):
        color = IMAGE if ratio < 1 else MODEL
        left.plot(x, log_ratio(a, Bell(0.0, ratio**2), x), style, color=color, linewidth=2, label=name)
    left.fill_between(x, 5 * a(x), color=NOISY, alpha=0.2, label="a (not to scale)")
    left.axhline(0, color="0.5", linewidth=1)
    left.axhline(math.log(2), color=MODEL, linestyle=":", linewidth=1)
    left.set(xlabel="x", ylabel="log a(x)/b(x)", title="One is bounded above, the other is not", ylim=(-5, 12))
    left.legend(loc="upper center")
    ratios = np.geomspace(1 / 4.5, 4.5, 400)
    right.plot(ratios, [gaussian_kl(a, Bell(0.0, r**2)) for r in ratios], color=RESULT, linewidth=2.5)
    right.axvspan(ratios[0], 1, color=IMAGE, alpha=0.1)
    right.axvspan(1, ratios[-1], color=MODEL, alpha=0.1)
    for ratio, color in ((0.5, IMAGE), (2.0, MODEL)):
        cost = gaussian_kl(a, Bell(0.0, ratio**2))
        right.plot(ratio, cost, "o", color=color, markersize=9, zorder=3)
        right.annotate(f"{cost:.2f}", (ratio, cost), (-4, 12), textcoords="offset points", ha="left")
    right.set_xscale("log", base=2)
    right.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    right.set(xlabel=r"width of b / width of a", ylabel="D(a || b) in nats", ylim=(0, 6), xlim=(ratios[0], ratios[-1]))
    right.text(0.47, 5.3, "b too narrow", ha="center")
    right.text(2.1, 5.3, "b too wide", ha="center")
    right.set_title("Too narrow costs more than too wide")
    return figure


def draw_best(x: Array, data: Array, cover: Bell, pick: Bell) -> Figure:
    """The two peaks, and the best single bell in either order."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 3.9), sharey=True)
    both = zip(panels, (cover, pick), ("data first: it covers", "bell first: it picks a peak"), strict=True)
    for axes, bell, title in both:
        _fill(axes, x, data)
        axes.plot(x, bell(x), color=RESULT, linewidth=2.5, label="best bell")
        axes.set(xlabel="x", title=title[0].upper() + title[1:], xlim=(-3.2, 3.2), ylim=(0, 1.5))
        axes.legend(loc="upper left")
    panels[0].set_ylabel("density")
    return figure


def _fill(axes: Axes, x: Array, data: Array) -> None:
    axes.fill_between(x, data, color=IMAGE, alpha=0.35, linewidth=0, label="data, two peaks")
