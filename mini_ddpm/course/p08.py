"""Notebook 08: what it draws, the symbols of its derivations, Heun's step, and bands over seeds."""

import json
import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Image
from matplotlib.axes import Axes
from sympy import Expr, lambdify, symbols
from torch import Tensor

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.course.toys import TWO_PEAKS, best_model
from mini_ddpm.data import ImageSet, to_model
from mini_ddpm.diffusion import Diffusion, eps_from_x_0, like, posterior_variance, predict_x_0
from mini_ddpm.files import shipped
from mini_ddpm.losses import Model
from mini_ddpm.runs.pictures import image_grid, save_animation
from mini_ddpm.sampling import Step, StepFunction, ddim_step, sample, times
from mini_ddpm.schedules import NoiseSchedule
from mini_ddpm.symbolic.notation import alpha_bar, forward_process, s, t, x

forward = forward_process()
sigma, z = symbols("sigma", positive=True), symbols("z", real=True)  # fresh noise: how much, and which
room = forward.where(sigma**2 <= 1 - alpha_bar[s])  # no more fresh noise than there may be at time s
kept = alpha_bar[t] / alpha_bar[s]  # k: what the jump from s to t keeps
beta_pair = (1 - alpha_bar[s]) / (1 - alpha_bar[t]) * (1 - kept)  # notebook 04, section 6

Bands = dict[str, dict[int, list[float]]]  # sampler -> calls -> a value for each seed
COLOURS = {
    "ancestral, beta": (NOISE, "o-"),
    "ancestral": (NOISY, "s-"),
    "ddim, eta 0.5": (MODEL, "^-"),
    "ddim": (RESULT, "x-"),
    "heun": (IMAGE, "D--"),
    "dpm-solver": ("#E69F00", "v--"),
    "dpm-solver, guided in the middle": ("#56B4E9", "P:"),
}
NAMES = {"ancestral, beta": r"ancestral, $\beta$", "ancestral": r"ancestral, $\tilde\beta$"}
NAMES |= {"ddim": r"DDIM, $\eta = 0$", "ddim, eta 0.5": r"DDIM, $\eta = 0.5$", "heun": "Heun"}
NAMES |= {"dpm-solver": "DPM-Solver++(2M)", "dpm-solver, guided in the middle": "the same, guided in the middle"}


# --- steps ------------------------------------------------------------------------------------------------


def towards(diffusion: Diffusion, x_t: Tensor, x_0: Tensor, t: int, s: int) -> Tensor:
    """DDIM's step for an x_0 (B, C, H, W) that is given: x_s (B, C, H, W). Source: DDIM, Eq. 12, without noise."""
    alpha_bar_t, alpha_bar_s = diffusion.schedule.at(t), diffusion.schedule.at(s)
    eps = eps_from_x_0(x_t, x_0, alpha_bar_t)
    return like(alpha_bar_s.sqrt(), x_t) * x_0 + like((1 - alpha_bar_s).sqrt(), x_t) * eps


def heun_step(diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int) -> Step:
    """DDIM's step with the mean of the x_0 predicted before and after it; the last step is DDIM's.

    Source: Heun's method for d(x / sigma) = x_0 d(alpha / sigma); EDM (2206.00364), Algorithm 1, in other coordinates.
    """
    guess = ddim_step(diffusion, model, x_t, t, s)
    if s == 0:
        return guess
    after = diffusion.predict(model, guess.x_t, times(x_t, s)).x_0
    x_0 = (guess.x_0 + after) / 2
    return Step(s, towards(diffusion, x_t, x_0, t, s), x_0)


def ddim_differs(schedule: NoiseSchedule, mean: Expr) -> float:
    """Between a derived mean, with `sigma`, and the package's step: all t, three s each, eta = 0, 1/2 and 1.

    The largest difference, in float64.
    """
    names = symbols("bar_t bar_s now image deviation", positive=True)
    plain = dict(zip((alpha_bar[t], alpha_bar[s], x[t], x[0], sigma), names, strict=True))
    derived, worst = lambdify(names, mean.xreplace(plain)), 0.0
    process = Diffusion(schedule, predict_x_0, clip=None)
    x_t, x_0 = (torch.full((1, 1, 1, 1), value, dtype=torch.float64) for value in (0.7, -0.3))
    for time in range(1, schedule.T + 1):
        for earlier in {time - 1, time // 2, 0}:
            bar_t, bar_s = schedule.at(time), schedule.at(earlier)
            for eta in (0.0, 0.5, 1.0):
                deviation = eta * float(posterior_variance(bar_t, bar_s)) ** 0.5
                generator = torch.Generator().manual_seed(0)
                step = ddim_step(process, lambda x_t, t: x_0, x_t, time, earlier, eta, generator)
                noise = float(torch.randn(1, generator=generator.manual_seed(0), dtype=torch.float64))
                ours = derived(float(bar_t), float(bar_s), 0.7, -0.3, deviation) + deviation * noise
                worst = max(worst, abs(float(step.x_t) - ours))
    return worst


# --- the two peaks, where the best guess is known -----------------------------------------------------------


def on_peaks(step: StepFunction, schedule: NoiseSchedule, steps: int, n: int, seed: int = 0) -> list[Step]:
    """A walk of n points with the exact guess: every step. Its noise at the start depends on the seed alone."""
    process = Diffusion(schedule, predict_x_0, clip=None, steps=steps)
    torch.manual_seed(seed)
    x_T = torch.randn(n, 1, 1, 1, dtype=torch.float64)
    start = Step(schedule.T, x_T, x_T)
    return [start, *sample(step, process, best_model(process, TWO_PEAKS), x_T)]


def off_the_path(steps: Mapping[str, StepFunction], calls: int, schedule: NoiseSchedule, n: int = 2000) -> list[str]:
    """How far from the end of DDIM's path with 1000 steps others end, from the same noise: mean distances, as lines."""
    lines = []
    ends = [on_peaks(ddim_step, schedule, 1000, n, seed)[-1].x_t for seed in range(3)]
    for name, step in steps.items():
        count = (calls + 1) // 2 if step is heun_step else calls
        gaps = []
        for seed, end in enumerate(ends):
            fresh = type(step)() if not hasattr(step, "__name__") else step  # a solver remembers its chain
            gaps.append(float((on_peaks(fresh, schedule, count, n, seed)[-1].x_t - end).abs().mean()))
        lines.append(f"{name:18} {sum(gaps) / 3:.4f}  ({min(gaps):.4f} to {max(gaps):.4f})")
    return lines


def draw_two_ways(ways: Mapping[str, list[Step]], shown: int = 12) -> None:
    """Some walks of each way over time, and where all of them end."""
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.9), width_ratios=(1.6, 1.6, 1), sharey=True)
    grid = torch.linspace(-3, 3, 240, dtype=torch.float64)
    for axes, (name, walk), colour in zip(panels, ways.items(), (NOISY, RESULT), strict=False):
        at = [state.t for state in walk]
        axes.plot(at, torch.stack([state.x_t[:shown].flatten() for state in walk]), color=colour, linewidth=0.9)
        axes.set(xlabel="t, from noise to data", title=name, xlim=(at[0], 0), ylim=(-3, 3))
        style = {"histtype": "step", "orientation": "horizontal", "density": True, "linewidth": 2}
        panels[2].hist(walk[-1].x_t.flatten(), bins=60, range=(-3, 3), color=colour, label=name, **style)
    panels[0].set_ylabel(r"$x_t$")
    panels[2].plot(TWO_PEAKS.density(grid[:, None]), grid, ":", color=IMAGE, linewidth=2, label="the data's density")
    panels[2].set(xlabel="density", title="Where they end", xlim=(0, 1.2))
    panels[2].legend(loc="upper right", fontsize=8)
    show(
        figure,
        "Left: jagged walks from noise to two peaks, which cross each other. Middle: smooth curves from the same "
        "starts, which do not cross. Right: both kinds end in the same two humps, along the data's density.",
    )


def draw_read_ahead(schedule: NoiseSchedule, steps: int = 6, seed: int = 3) -> None:
    """The guess of the image along one exact path, and what three steps put in its place."""
    fine = on_peaks(ddim_step, schedule, 1000, 1, seed)
    guess = np.array([float(state.x_0) for state in fine[1:]])  # made at t = 1000, ..., 1
    at = np.arange(1000, 0, -1)
    chain = Diffusion(schedule, steps=steps).timesteps
    half = np.log(schedule.alpha_bar / (1 - schedule.alpha_bar)).numpy() / 2  # lambda
    figure, axes = plt.subplots(figsize=(8, 4))
    axes.plot(at, guess, color=IMAGE, linewidth=2.5, label="the guess, asked at every time")
    for i, (now, then) in enumerate(pairwise(chain)):
        here = guess[1000 - now]
        there = guess[1000 - then] if then else here
        last = guess[1000 - chain[i - 1]] if i and then else here
        ratio = (half[then] - half[now]) / (2 * (half[now] - half[chain[i - 1]])) if i and then else 0.0
        for level, (colour, style), name in (
            (here, (RESULT, "-"), "DDIM: the guess at the start"),
            ((here + there) / 2, (NOISY, "--"), "Heun: the mean of both ends"),
            (here + ratio * (here - last), ("#E69F00", "-."), "2M: read ahead, from the last two"),
        ):
            axes.plot([now, then], [level] * 2, style, color=colour, linewidth=1.8, label=None if i else name)
    axes.set(xlabel="t, from noise to data", ylabel=r"$x_0$, as guessed", xlim=(1000, 0))
    axes.set_title(f"What {steps} steps take the guess to be, between two kept times")
    axes.legend(loc="upper left")
    show(
        figure,
        "A curve of the guessed image over time, which starts near 0 and bends towards one peak. Three staircases lie "
        "along it: DDIM's lags behind the curve where it bends, the other two lie closer to the middle of each stride.",
    )


# --- digits -----------------------------------------------------------------------------------------------


def draw_sheet(rows: Mapping[str, Tensor], title: str, alt: str, columns: int = 10) -> None:
    """Images (n, C, H, W) in rows, each with its name at its left; n is a multiple of `columns`."""
    pictures = [image_grid(images.clamp(-1, 1), columns, zoom=2, gap=1) for images in rows.values()]
    high = sum(picture.height for picture in pictures)
    figure, axes = plt.subplots(figsize=(8, 8 * high / pictures[0].width * 0.82 + 0.5))
    axes.imshow(np.concatenate([np.asarray(one) for one in pictures]), cmap="gray", vmin=0, vmax=255)
    tops = np.cumsum([0, *(one.height for one in pictures)])
    axes.set_yticks((tops[1:] + tops[:-1]) / 2 - 0.5, list(rows))
    axes.set(xticks=[], title=title)
    axes.tick_params(length=0)
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)
    show(figure, alt)


def draw_walk(walk: Sequence[Step], rows: int = 8) -> list[int]:
    """Some states of a walk of digits, evenly spaced, and the guesses that led to them; the times shown."""
    states = [walk[i] for i in np.linspace(0, len(walk) - 1, rows).round().astype(int)]
    figure, panels = plt.subplots(1, 2, figsize=(10, 5.2))
    left, right = [state.x_t.clamp(-1, 1) for state in states], [state.x_0 for state in states]
    titles = (r"$x_t$: what the chain holds", r"the $x_0$ guessed one step before")
    for axes, images, title in zip(panels, (left, right), titles, strict=True):
        axes.imshow(image_grid(torch.cat(images), columns=len(images[0])), cmap="gray")
        axes.set(title=title, xticks=[])
        axes.set_yticks([34 + 60 * k for k in range(rows)], [f"t = {state.t}" for state in states])
        axes.tick_params(length=0)
        axes.grid(False)
    show(
        figure,
        "Two grids of digits, from noise in the top row to images in the last. Right, the guesses: blurred digits in "
        "the first row, the final shapes from about the third on. Left, the noisy images show them some rows later.",
    )
    return [state.t for state in states]


def at_step(state: Step) -> object:
    """One state of a walk for the slider: above the noisy image, below the guess."""
    return image_grid(torch.cat([state.x_t.clamp(-1, 1), state.x_0]), columns=len(state.x_0), zoom=3)


def animation(walk: Sequence[Step]) -> Image:
    """The walk as a looping picture, with words for those who can't see it."""
    shown = [*walk[:: max(1, len(walk) // 25)], walk[-1]]
    frames = [image_grid(torch.cat([one.x_t.clamp(-1, 1), one.x_0]), len(one.x_0), zoom=1) for one in shown]
    with tempfile.TemporaryDirectory() as folder:
        save_animation(frames, Path(folder) / "walk.gif")
        data = (Path(folder) / "walk.gif").read_bytes()
    alt = "Above, noise becomes eight digits; below, the guesses sharpen from blurs to the same digits."
    return Image(data=data, format="gif", metadata={"alt": alt})


def real_sets(held_out: ImageSet, n: int) -> list[Tensor]:
    """Disjoint sets of n real digits, as many of each class in every one: (n, 1, 28, 28) in [-1, 1]."""
    order, sets = held_out.labels.argsort(stable=True), len(held_out) // n
    return [to_model(held_out.images[order[k::sets]][:n]) for k in range(sets)]


# --- bands ------------------------------------------------------------------------------------------------


def measured(name: str) -> list[dict]:
    """The rows of a file in data/bench; data/bench/README.md has its command."""
    return json.loads(shipped(f"bench/{name}.json").read_text(encoding="utf-8"))["rows"]


def bands(rows: Iterable[dict], figure: str = "fd_judge") -> Bands:
    """A figure, by sampler and number of calls, for all seeds."""
    found: Bands = {}
    for row in rows:
        found.setdefault(row["sampler"], {}).setdefault(row["calls"], []).append(row[figure])
    return {name: dict(sorted(found[name].items())) for name in COLOURS if name in found}


def told(values: Sequence[float]) -> str:
    """Mean, least and most."""
    return f"{sum(values) / len(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def verdict(found: Bands, calls: int, one: str, other: str) -> str:
    """Whether two samplers' bands part at so many calls."""
    a, b = found[one][calls], found[other][calls]
    less = one if max(a) < min(b) else other if max(b) < min(a) else ""
    return f"{calls} calls, {one} {told(a)}, {other} {told(b)}: " + (f"{less} is lower" if less else "bands overlap")


def draw_bands(found: Bands, title: str, alt: str, real: Sequence[float] = (), label: str = "FD-judge") -> None:
    """Mean and range over seeds against the number of network calls; the range of real sets is a grey band."""
    figure, axes = plt.subplots(figsize=(8.4, 4.6))
    if real:
        axes.axhspan(min(real), max(real), color=OTHER, alpha=0.3, label=f"{len(real)} sets of real digits")
    for name, points in found.items():
        _band(axes, name, points)
    counts = sorted({calls for points in found.values() for calls in points})
    axes.set(xscale="log", yscale="log", xlabel="calls of the network", ylabel=label, title=title)
    axes.set_xticks(counts, counts)
    ticks = [tick for tick in (0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5) if math.prod(np.array(axes.get_ylim()) - tick) < 0]
    axes.set_yticks(ticks, ticks)
    axes.minorticks_off()
    axes.legend(fontsize=9)
    show(figure, alt)


def _band(axes: Axes, name: str, points: Mapping[int, Sequence[float]]) -> None:
    colour, style = COLOURS[name]
    means = [sum(values) / len(values) for values in points.values()]
    axes.plot([*points], means, style, color=colour, label=NAMES[name], linewidth=1.8, markersize=5)
    low, high = map(min, points.values()), map(max, points.values())
    axes.fill_between([*points], [*low], [*high], color=colour, alpha=0.22, linewidth=0)
