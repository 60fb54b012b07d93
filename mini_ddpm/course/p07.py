"""Notebook 07: what it draws, each figure with its alt text; the floors under its losses; its grid of short runs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from PIL import Image, ImageDraw
from torch import Tensor

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, plain_ticks, show
from mini_ddpm.course.toys import TWO_PEAKS, Mixture, best_model
from mini_ddpm.diffusion import Diffusion, q_sample
from mini_ddpm.losses import Model, StratifiedTimes, simple_loss
from mini_ddpm.measure import loss_per_t
from mini_ddpm.runs.pictures import image_grid
from mini_ddpm.training import TrainConfig

# --- floors ---------------------------------------------------------------------------------------------------


def best_on_peaks(diffusion: Diffusion) -> Model:
    """The network that none can beat on the two peaks, in the precision of the points that it is asked about."""
    exact = best_model(diffusion, TWO_PEAKS)
    return lambda x_t, t: exact(x_t.double(), t).to(x_t.dtype)


def perfect(diffusion: Diffusion, x_0: Tensor, y: Tensor | None = None) -> Callable[..., Tensor]:
    """The exact minimiser of the training loss on the finite set x_0 (N, C, H, W).

    With labels y (N,) it is told the label, and is called as `model(x_t, t, y)`.
    """

    def knows(those: Tensor) -> Model:
        return best_model(diffusion, Mixture(torch.full((len(those),), 1 / len(those)), those.flatten(1), 0.0))

    if y is None:
        return knows(x_0)
    players = {int(label): knows(x_0[y == label]) for label in y.unique()}

    def model(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        answer = torch.empty_like(x_t)
        for label in y.unique():
            those = y == label
            answer[those] = players[int(label)](x_t[those], t[those])
        return answer

    return model


def mean_loss(diffusion: Diffusion, model: Model, x_0: Tensor, rounds: int = 1) -> float:
    """L_simple, a mean over t: each of the images is played `rounds` times, with times spread evenly over 1..T."""
    return float(loss_of_each(diffusion, model, x_0, rounds).mean())


def loss_of_each(diffusion: Diffusion, model: Model, x_0: Tensor, rounds: int = 1) -> Tensor:
    """The same for each of the images, (N,): a mean over its rounds. The model is asked about all rounds at once."""
    x_0 = x_0.repeat(rounds, 1, 1, 1)
    t, _ = StratifiedTimes().draw(diffusion.schedule.T, len(x_0), x_0.device)
    t = t[torch.randperm(len(t))]
    with torch.no_grad():
        return simple_loss(diffusion, model, x_0, t, torch.randn_like(x_0)).reshape(rounds, -1).mean(0)


def luck(*sets: Tensor) -> float:
    """The luck of a mean, or of the difference of two: the root of the sum of s^2 / n, s the spread of n losses."""
    return float(sum(losses.var() / len(losses) for losses in sets) ** 0.5)


def beside(known: Tensor, new: Tensor) -> str:
    """The mean loss of two sets, how far they are apart, and the luck of that difference."""
    apart = float(new.mean() - known.mean())
    return f"{known.mean():12.4f} {new.mean():11.4f} {apart:+7.4f} {luck(known, new):9.4f}"


def per_t(diffusion: Diffusion, model: Model, x_0: Tensor, times: Iterable[int], seed: int = 1) -> Tensor:
    """`measure.loss_per_t`, with the same noise for everyone who is asked with this seed."""
    torch.manual_seed(seed)
    with torch.no_grad():
        return loss_per_t(simple_loss, diffusion, model, x_0, times)


def distance(diffusion: Diffusion, model: Model, best: Model, x_0: Tensor, times: Iterable[int]) -> Tensor:
    """Mean squared distance of a network's answers from the best ones at each of `times`: its loss less the floor."""
    found = []
    torch.manual_seed(1)
    eps = torch.randn_like(x_0)
    for time in times:
        x_t, t = q_sample(x_0, eps, diffusion.schedule.at(time)), torch.full((len(x_0),), time)
        with torch.no_grad():
            found.append((model(x_t, t) - best(x_t, t)).square().mean())
    return torch.stack(found)


def gaps(clouds: Iterable[Tensor], known: Tensor) -> Tensor:
    """Of each cloud the distance within which half of its points have a known one."""
    nearest = [torch.cdist(cloud.flatten(1), known.flatten(1)).amin(dim=1) for cloud in clouds]
    return torch.stack(nearest).median(dim=1).values


def of_answer_0(diffusion: Diffusion, x_0: Tensor, times: Sequence[int]) -> Tensor:
    """The loss at `times` of a network that always answers 0: the mean square of the target."""
    return per_t(diffusion, lambda x_t, t: torch.zeros_like(x_t), x_0, times)


# --- pictures for a folder ----------------------------------------------------------------------------------


def make_pictures(folder: Path, each: int = 150) -> Path:
    """Discs and squares of any colour, place and size, as PNG files in two folders, if `folder` is not there yet."""
    if folder.exists():
        return folder
    numbers = np.random.default_rng(0)
    for name, draw in (("discs", ImageDraw.ImageDraw.ellipse), ("squares", ImageDraw.ImageDraw.rectangle)):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            width, height = map(int, numbers.integers(40, 90, 2))
            paper, ink = (tuple(map(int, numbers.integers(low, low + 90, 3))) for low in (0, 160))
            picture = Image.new("RGB", (width, height), paper)
            least = min(width, height)
            radius = least * numbers.uniform(0.22, 0.38)
            x, y = width / 2 + least * numbers.uniform(-0.1, 0.1), height / 2 + least * numbers.uniform(-0.1, 0.1)
            draw(ImageDraw.Draw(picture), (x - radius, y - radius, x + radius, y + radius), fill=ink)
            picture.save(folder / name / f"{i:03}.png")
    return folder


# --- figures ------------------------------------------------------------------------------------------------


def draw_plan(config: TrainConfig) -> None:
    """Over the steps of a run: the learning rate, and how many steps the average remembers."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.2))
    steps = np.arange(1, config.steps + 1)
    left.plot(steps, [config.learning_rate_at(int(step)) for step in steps], color=RESULT, linewidth=2)
    left.set(xlabel="step", ylabel="learning rate", title="Warm up, keep, fall to 0")
    right.plot(steps, [1 / (1 - config.ema_decay_at(int(step))) for step in steps], color=MODEL, linewidth=2)
    right.plot(steps, steps, ":", color=OTHER, label="all steps so far")
    right.set(xlabel="step", ylabel="steps remembered", title="The average's memory grows to its limit")
    right.set(ylim=(0, 1.4 / (1 - config.ema_decay)))
    right.legend()
    show(
        figure,
        "Left: the learning rate rises on a short straight line, stays, and from half of the run on falls to 0 on a "
        "cosine. Right: the memory of the average rises, far below the number of steps so far, up to a limit.",
    )


def draw_excess(times: Sequence[int], floor: Tensor, excess: Tensor) -> None:
    """Over t: the floor (n,), several networks that are above it by `excess` (S, n); and how far above."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8))
    left.fill_between(times, 0, floor, color=OTHER, alpha=0.25, linewidth=0)
    left.plot(times, floor, color=RESULT, linewidth=2, label="floor: the best possible")
    left.axhline(1, color=OTHER, linestyle=":", linewidth=2, label="always answering 0")
    for axes, lines in ((left, floor + excess), (right, excess)):
        axes.fill_between(times, lines.amin(0), lines.amax(0), color=MODEL, alpha=0.35, linewidth=0)
        axes.plot(times, lines.mean(0), "o--", color=MODEL, markersize=4, label=f"network, {len(lines)} seeds")
        axes.set(xscale="log", xlabel="t")
    left.set(ylabel="loss at this t", ylim=(0, None), title="The loss has a floor, and it depends on t")
    farthest = times[int(excess.mean(0).argmax())]
    right.set(ylabel="loss minus floor", yscale="log", title=f"Farthest above the floor at t = {farthest}")
    left.legend(loc="lower left")
    show(
        figure,
        "Left: the floor starts at 1 at t = 1, falls to about a half between 100 and 200 and to 0 at t = 1000; the "
        f"network's curve lies above it, farthest at t = {farthest}. Right: how far, from {excess.mean(0).max():.2g} "
        f"there down to {excess.mean(0).min():.1g}.",
    )


PIECE = (0.4, 2.2), (-1.6, 0.2)  # of the plane, which the roll fills from -2 to 2


def draw_roll(clouds: Mapping[str, Tensor], known: Tensor, times: Sequence[int], curves: Mapping[str, Tensor]) -> None:
    """Points of the roll (n, 2) and points drawn, over the known ones; and losses over t, of one player or several."""
    widths = [1.0] * len(clouds) + [1.6]
    figure, (*panels, axes) = plt.subplots(1, len(clouds) + 1, figsize=(12, 3.8), width_ratios=widths)
    for panel, (name, cloud) in zip(panels, clouds.items(), strict=True):
        panel.scatter(*known.flatten(1).T, s=60, color=OTHER, alpha=0.5, linewidths=0)
        panel.scatter(*cloud.T, s=10, color=IMAGE, linewidths=0)
        panel.set(title=name, aspect="equal", xlim=PIECE[0], ylim=PIECE[1], xlabel="first coordinate")
    panels[0].set_ylabel("second coordinate")
    _curves(axes, times, curves)
    _, by_heart, _, network = curves.values()
    better = int((network.mean(0) < by_heart).sum())
    axes.set(xscale="log", xlabel="t", ylabel="loss at this t", ylim=(0, 2.5))
    axes.set_title(f"New points: the network is better\nat {better} of {len(times)} times")
    axes.legend(fontsize=8)
    show(
        figure,
        "A piece of the spiral three times, dots over the grey known points: new points and the network's lie on the "
        "same two arms and between the known ones, the perfect player's on top of these. Curves of the loss over t: on "
        f"new points the network's lies below the perfect player's at {better} of {len(times)} times, those of small t "
        "first.",
    )


_LOOKS: list[dict] = [
    {"color": RESULT, "linewidth": 2},
    {"color": RESULT, "linewidth": 1.5, "linestyle": ":"},
    {"color": MODEL, "marker": "o", "markersize": 4},
    {"color": NOISE, "marker": "s", "markersize": 8, "markerfacecolor": "none", "linestyle": "--"},
    {"color": OTHER, "linestyle": "--"},
]


def _curves(axes: Axes, times: Sequence[int], curves: Mapping[str, Tensor]) -> None:
    """The floor first, then its player on new images, then others; a band where there are several of a kind."""
    for (name, values), look in zip(curves.items(), _LOOKS, strict=False):
        if values.ndim == 2:
            axes.fill_between(times, values.amin(0), values.amax(0), color=look["color"], alpha=0.3, linewidth=0)
        axes.plot(times, values.mean(0) if values.ndim == 2 else values, **look, label=name)


def draw_per_t(times: Sequence[int], curves: Mapping[str, Tensor]) -> None:
    """Losses over t, both on logarithmic axes."""
    figure, axes = plt.subplots(figsize=(8.5, 4.6))
    _curves(axes, times, curves)
    axes.set(xscale="log", yscale="log", ylim=(1e-3, 3), xlabel="t", ylabel="squared error of v at this t")
    by_heart, network = curves["by heart, new digits"], curves["network, new digits"]
    lost = max((time for time, one, other in zip(times, by_heart, network, strict=True) if one > other), default=0)
    axes.set_title(f"New digits: knowing the others by heart is worse, up to t = {lost}")
    axes.legend(fontsize=9)
    show(
        figure,
        "On logarithmic axes: who knows the training digits by heart has next to no loss on them up to t = 500, and "
        "0.2 at the end; on new digits by far the largest at small t, and more than the network up to "
        f"t = {lost}. The network's two curves fall together from about 1 and lie close to each other.",
    )


def draw_overfit(losses: Sequence[float], floor: float, images: Tensor, drawn: Tensor) -> None:
    """The loss of a network that sees eight images only, its floor, the images, and what it draws."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), width_ratios=(1.2, 1))
    window = max(1, len(losses) // 30)
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    left.plot(np.arange(len(smooth)) + window, smooth, color=MODEL, label=f"loss, mean over {window} steps")
    left.axhline(floor, color=RESULT, linewidth=2, label="floor of the eight")
    left.set(xlabel="step", ylabel="loss", yscale="log")
    plain_ticks(left)
    left.set_title(f"The last loss is {np.mean(losses[-100:]) / floor:.1f} times the floor")
    left.legend()
    right.imshow(image_grid(torch.cat([images, drawn]), columns=8), cmap="gray", vmin=0, vmax=255)
    right.set_title("above: the eight; below: drawn")
    right.axis("off")
    show(
        figure,
        "Left: a loss on a logarithmic axis falls from 1 towards a horizontal line, the floor, and stays somewhat "
        "above it. Right: two rows of digits; each one of the lower row is a copy of one of the upper row.",
    )


def sheet(images: Tensor, columns: int, title: str, alt: str) -> None:
    """Images (N, C, H, W) in [-1, 1], row by row."""
    picture = image_grid(images.cpu(), columns)
    figure, axes = plt.subplots(figsize=(8, 8 * picture.height / picture.width + 0.4))
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axes.set_title(title)
    axes.axis("off")
    show(figure, alt)


def draw_bells(pairs: Sequence[tuple[float, float, float, float]]) -> None:
    """Pairs of bells, each (mean, deviation, mean, deviation), with their Fréchet distance."""
    figure, panels = plt.subplots(1, len(pairs), figsize=(10, 2.6), sharey=True)
    x = np.linspace(-4, 8, 400)
    for axes, (a, s, b, r) in zip(panels, pairs, strict=True):
        for mean, width, colour, name in ((a, s, IMAGE, "real"), (b, r, MODEL, "drawn")):
            axes.plot(x, np.exp(-(((x - mean) / width) ** 2) / 2) / width, color=colour, linewidth=2, label=name)
        axes.set(xlabel="feature", title=f"({a:g} - {b:g})² + ({s:g} - {r:g})² = {(a - b) ** 2 + (s - r) ** 2:g}")
    panels[0].set(ylabel="density", yticks=[])
    panels[0].legend(fontsize=8)
    show(
        figure,
        "Three pairs of bells: equal ones, with distance 0; one moved by 2, with distance 4; one moved by 3 and twice "
        "as wide, with distance 10.",
    )


def draw_grid(found: Mapping[tuple[float, int], Sequence[float]]) -> None:
    """The loss above the floor over the learning rate, a curve for each batch size, from (rate, size); a dot a seed."""
    figure, axes = plt.subplots(figsize=(8, 4.2))
    rates, sizes = sorted({rate for rate, _ in found}), sorted({size for _, size in found})
    for size, colour, mark in zip(sizes, (NOISE, NOISY, MODEL), "so^", strict=True):
        axes.plot(rates, [np.mean(found[rate, size]) for rate in rates], color=colour, linewidth=1.5)
        for rate in rates:
            label = f"batch {size}" if rate == rates[0] else None
            dots = found[rate, size]
            axes.plot([rate] * len(dots), dots, mark, color=colour, markersize=6, alpha=0.7, label=label)
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="loss minus floor, mean over t")
    axes.set(xticks=rates, xticklabels=[f"{rate:g}" for rate in rates])
    axes.set_ylim(0.8 * min(map(min, found.values())), 1.25 * max(map(max, found.values())))
    plain_ticks(axes)
    axes.legend()
    best = {size: min((np.mean(found[rate, size]), rate) for rate in rates)[1] for size in sizes}
    words = ", ".join(f"{rate:g} for batch {size}" for size, rate in best.items())
    axes.set_title(f"The best of these rates: {words}")
    show(figure, f"Three curves over the learning rate, with dots close to them; lowest at {words}.")
