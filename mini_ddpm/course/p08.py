"""Notebook 08: what it draws, the symbols of its derivations, and Heun's step."""

import tempfile
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display
from PIL import Image
from sympy import Expr, lambdify, symbols
from torch import Tensor

from mini_ddpm.course import bands
from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, RESULT, Slider, show
from mini_ddpm.course.toys import TWO_PEAKS, best_model
from mini_ddpm.data import ImageSet, to_model
from mini_ddpm.diffusion import Diffusion, eps_from_x_0, like, posterior_variance, predict_x_0
from mini_ddpm.losses import Model
from mini_ddpm.runs.pictures import image_grid, save_animation
from mini_ddpm.sampling import DPMSolver, Step, StepFunction, ddim_step, sample, times
from mini_ddpm.schedules import NoiseSchedule
from mini_ddpm.symbolic.notation import alpha_bar, forward_process, s, t, x

forward = forward_process()
sigma, z = symbols("sigma", positive=True), symbols("z", real=True)  # fresh noise: how much, and which
room = forward.where(sigma**2 <= 1 - alpha_bar[s])  # no more fresh noise than there may be at time s
kept = alpha_bar[t] / alpha_bar[s]  # k: what the jump from s to t keeps
beta_pair = (1 - alpha_bar[s]) / (1 - alpha_bar[t]) * (1 - kept)  # notebook 04, section 6

TIMES = (10, 100, 300, 500, 700, 900, 990)
HEUN, AHEAD = bands.LOOKS["heun"][1], bands.LOOKS["dpm-solver"][1]


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


def on_peaks(step: StepFunction, schedule: NoiseSchedule, chain: list[int], n: int, seed: int | None = 0) -> list[Step]:
    """A walk of n points with the exact guess: every step.

    Args:
        seed: of the noise at the start; None for starts without luck, the n middle quantiles of N(0, 1).
    """
    process = Diffusion(schedule, predict_x_0, clip=None, timesteps=chain)
    if seed is None:
        x_T = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n).reshape(n, 1, 1, 1)
    else:
        torch.manual_seed(seed)
        x_T = torch.randn(n, 1, 1, 1, dtype=torch.float64)
    start = Step(schedule.T, x_T, x_T)
    return [start, *sample(step, process, best_model(process, TWO_PEAKS), x_T)]


def even(n: int, T: int) -> list[int]:
    """n steps of equal length: the times from T to 0."""
    return [round(T * i / n) for i in range(n, -1, -1)]


def split(n: int, T: int) -> list[int]:
    """n steps of equal length but for the last one, which is cut in two at a tenth of it: the times from T to 0."""
    *before, last, end = even(n - 1, T)
    return [*before, last, max(1, round(last / 10)), end]


def dense(n: int, T: int) -> list[int]:
    """n steps that are shorter near the image: the times from T to 0. Source: DDIM, Appendix D.2."""
    return [max(i, round(T * (i / n) ** 2)) for i in range(n, -1, -1)]


SOLVERS: dict[str, Callable[[], StepFunction]] = {"DDIM": lambda: ddim_step, "Heun": lambda: heun_step, "2M": DPMSolver}


def off_the_path(schedule: NoiseSchedule, counts: tuple[int, ...] = (11, 21, 41), n: int = 2000) -> str:
    """How far from the end of the path, of 2M with 1000 steps, others end from the same noise; for three seeds.

    A table over (odd) numbers of calls: mean distances, half their range, and by what the line above is divided.
    """
    T = schedule.T
    ends = [on_peaks(DPMSolver(), schedule, even(T, T), n, seed)[-1].x_t for seed in range(3)]
    lines = [("times    calls" + "".join(f"{name:>18}     " for name in SOLVERS)).rstrip()]
    for times_of in (even, split, dense):
        above: dict[str, float] = {}
        for calls in counts:
            line = f"{times_of.__name__:8} {calls:5}"
            for name, new in SOLVERS.items():
                chain = times_of((calls + 1) // 2 if name == "Heun" else calls, T)
                walks = (on_peaks(new(), schedule, chain, n, seed) for seed in range(3))
                gaps = [float((walk[-1].x_t - end).abs().mean()) for walk, end in zip(walks, ends, strict=True)]
                ratio = f"\u00f7{above[name] / sum(gaps):.1f}" if name in above else ""
                above[name] = sum(gaps)
                line += f"  {sum(gaps) / 3:.4f} \u00b1 {(max(gaps) - min(gaps)) / 2:.4f} {ratio:5}"
            lines.append(line.rstrip())
    return "\n".join(lines)


def draw_two_ways(ways: Mapping[str, list[Step]], shown: int = 12) -> None:
    """Some walks of each way over time, and where all of them end."""
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.9), width_ratios=(1.6, 1.6, 1), sharey=True)
    grid = torch.linspace(-3, 3, 240, dtype=torch.float64)
    for axes, (name, walk), colour in zip(panels, ways.items(), (NOISY, RESULT), strict=False):
        at, start = [state.t for state in walk], walk[0].x_t.flatten()
        those = start.argsort()[len(start) // shown // 2 :: len(start) // shown]  # evenly spread
        axes.plot(at, torch.stack([state.x_t.flatten()[those] for state in walk]), color=colour, linewidth=0.9)
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


def draw_read_ahead(schedule: NoiseSchedule, calls: int = 11, widest: float = 3.5) -> None:
    """The guess along one exact path, over r, and what walks of so many calls from the same start put in its place.

    A walk's stair is (change of x over its deviation) / (change of r); the last one, where r has no end, is left out.
    """
    T = schedule.T
    r = (schedule.alpha_bar / (1 - schedule.alpha_bar)).sqrt().numpy()
    fine = on_peaks(ddim_step, schedule, even(T, T), 2, None)  # two starts: the quarters of N(0, 1)
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.7), sharex=True, sharey=True)
    looks = ((RESULT, "DDIM: the guess at the start"), (HEUN, "Heun: the mean of both ends"), (AHEAD, "2M: read ahead"))
    for axes, (name, new), (colour, title) in zip(panels, SOLVERS.items(), looks, strict=True):
        chain = even((calls + 1) // 2 if name == "Heun" else calls, T)
        walk = on_peaks(new(), schedule, chain, 2, None)[:-1]
        at = r[[state.t for state in walk]]
        place = np.array([float(state.x_t[1]) for state in walk]) * np.sqrt(1 + at**2)  # x over its deviation
        stairs = np.diff(place) / np.diff(at)
        axes.fill_between(at, [*stairs, stairs[-1]], step="post", color=colour, alpha=0.25, linewidth=0)
        axes.stairs(stairs, at, color=colour, linewidth=1.8, baseline=None)
        times_of = [state.t for state in fine[:-1]]
        axes.plot(r[times_of], [float(state.x_0[1]) for state in fine[1:]], color=IMAGE, linewidth=2)
        axes.set(title=title, xlabel=r"$r = \sqrt{\mathrm{SNR}}$", xlim=(0, widest), ylim=(0, 0.9))
    panels[0].set_ylabel(r"$x_0$, as guessed")
    figure.suptitle(f"What walks of {calls} calls take for the guess (stairs); what it is on the exact path (curve)")
    show(
        figure,
        "Three panels with the same curve, the guessed image over r: it rises from 0, bends, and stays near 0.75. "
        "Left, the stairs of DDIM lie below the curve where it rises. Middle, those of Heun, twice as wide, are "
        "crossed by it. Right, those of 2M are crossed by it, too, but for the first two, and lie a little above it "
        "after the bend.",
    )


# --- digits -----------------------------------------------------------------------------------------------


def draw_sheet(rows: Mapping[str, Tensor], title: str, alt: str, columns: int = 10, heads: Sequence[str] = ()) -> None:
    """Images (n, C, H, W) in rows, each with its name at its left; n is a multiple of `columns`.

    Args:
        heads: names of equal parts of the columns, above them.
    """
    pictures = [image_grid(images.clamp(-1, 1), columns, zoom=2, gap=1) for images in rows.values()]
    high, wide = sum(picture.height for picture in pictures), pictures[0].width
    figure, axes = plt.subplots(figsize=(8, 8 * high / wide * 0.82 + 0.5 + 0.2 * bool(heads)))
    axes.imshow(np.concatenate([np.asarray(one) for one in pictures]), cmap="gray", vmin=0, vmax=255)
    tops = np.cumsum([0, *(one.height for one in pictures)])
    axes.set_yticks((tops[1:] + tops[:-1]) / 2 - 0.5, list(rows))
    axes.set_xticks([wide * (k + 0.5) / len(heads) for k in range(len(heads))], heads)
    for k in range(1, len(heads)):
        axes.axvline(wide * k / len(heads), color=IMAGE, linewidth=3)
    axes.xaxis.tick_top()
    axes.set_title(title)
    axes.tick_params(length=0)
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)
    show(figure, alt)


def draw_errors(wrong: Mapping[int, Sequence[tuple[float, float, float, float]]]) -> None:
    """Errors of velocity, image, noise and score at some times, for several seeds: means and ranges."""
    figure, axes = plt.subplots(figsize=(7.5, 4.2))
    table = np.array([*wrong.values()])  # (times, seeds, 4)
    looks = (("velocity", MODEL, "o-"), ("image", IMAGE, "s--"), ("noise", NOISE, "^-."), ("score", RESULT, "x:"))
    for column, (name, colour, style) in enumerate(looks):
        values = table[:, :, column]
        axes.plot([*wrong], values.mean(1), style, color=colour, label=name, linewidth=1.8)
        axes.fill_between([*wrong], values.min(1), values.max(1), color=colour, alpha=0.25, linewidth=0)
    axes.set(yscale="log", xlabel="t", ylabel="root mean square error")
    axes.set_title("The image's error grows with t, the noise's and the score's fall")
    axes.legend()
    show(
        figure,
        "Over t, on a logarithmic axis: the image's error rises from 0.01 to 0.45, the noise's falls from 0.44 "
        "to 0.007; the velocity's lies on the upper one of the two, and the score's falls from 17 to the noise's.",
    )


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


def step_through(walk: Sequence[Step]) -> Slider:
    """The states of a walk, one at a time: above the noisy images, below the guesses."""

    def look(step: int) -> tuple[Image.Image, str]:
        state = walk[step]
        words = f"Step {step + 1} of {len(walk)}, which has led to t = {state.t}. Above, the noisy images; below, the "
        pair = torch.cat([state.x_t.clamp(-1, 1), state.x_0])
        return image_grid(pair, len(state.x_0), zoom=3), f"{words}digits that were guessed for this step."

    last = len(walk) - 1
    stops = [*range(0, last, max(1, len(walk) // 50)), last]
    return Slider(look, {"step": stops}, {"step": stops[len(stops) // 2]})


def animation(walk: Sequence[Step]) -> None:
    """Show the walk as a looping picture, with words for those who can't see it, and where it can't be shown."""
    shown = [*walk[:: max(1, len(walk) // 25)], walk[-1]]
    frames = [image_grid(torch.cat([one.x_t.clamp(-1, 1), one.x_0]), len(one.x_0), zoom=1) for one in shown]
    with tempfile.TemporaryDirectory() as folder:
        save_animation(frames, Path(folder) / "walk.gif")
        data = (Path(folder) / "walk.gif").read_bytes()
    alt = "Above, noise becomes eight digits; below, the guesses sharpen from blurs to the same digits."
    shown_as = {"image/gif": b64encode(data).decode(), "text/plain": alt}
    display(shown_as, metadata={"image/gif": {"alt": alt}}, raw=True)


def real_sets(images: ImageSet, n: int) -> list[tuple[Tensor, Tensor]]:
    """Disjoint sets of n real digits (n, 1, 28, 28) in [-1, 1] and their labels (n,), as many of each class in each.

    Drawn at random: neighbours in the file are often by the same writer, and sets of neighbours vary less inside, and
    more among each other.
    """
    shuffled = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    order = shuffled[images.labels[shuffled].argsort(stable=True)]
    sets = len(images) // n
    order = order[torch.arange(sets * n) * len(images) // (sets * n)]  # the rest is left out of all classes alike
    return [(to_model(images.images[one]), images.labels[one]) for one in (order[k::sets] for k in range(sets))]
