"""Notebook 05: what it draws, each figure with its alt text; the symbols of its derivations; what it computes."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from sympy import Expr, IndexedBase, lambdify, sqrt, symbols
from torch import Tensor, nn

from mini_ddpm import diffusion
from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.course.toys import TWO_PEAKS, Mixture
from mini_ddpm.schedules import NoiseSchedule
from mini_ddpm.symbolic.notation import alpha, alpha_bar, beta, eps, forward_process, recursion, t, x

forward = forward_process()
growth = recursion(forward)  # alpha_bar_t = alpha_t alpha_bar_{t-1}
mu_theta, mutilde_t, epsilon_theta, m, c = symbols("mu_theta mutilde_t epsilon_theta m c", real=True)
betatilde_t, V = symbols("betatilde_t V", positive=True)
v = symbols("v", real=True)  # the velocity
sigma = IndexedBase("sigma", positive=True)

Guess = Callable[..., Tensor]  # of the noise, from x_t and t
Curve = tuple[Tensor, Tensor]
GRID = torch.linspace(-2.6, 2.4, 200, dtype=torch.float64)
WIDE = torch.linspace(-8, 8, 801, dtype=torch.float64)
RIGHT_PEAK = Mixture(TWO_PEAKS.weights[1:], TWO_PEAKS.means[1:], TWO_PEAKS.variance)  # the sum of its weights is 0.65


def column(numbers: Sequence[float] | Tensor) -> Tensor:
    """Numbers as the package takes them: images (n, 1, 1, 1) of a single pixel, float64."""
    return torch.as_tensor(numbers, dtype=torch.float64).reshape(-1, 1, 1, 1)


def curve(guess: Guess, time: int) -> Curve:
    """What a player says, over a grid of x_t."""
    if not isinstance(guess, nn.Module):
        return GRID, guess(column(GRID), time).flatten()
    with torch.no_grad():
        return GRID, guess(column(GRID).float(), torch.full((len(GRID),), time)).flatten()


def floor(alpha_bar_t: Tensor) -> tuple[float, float]:
    """How wrong the best guess of the noise is, and that of the image: mean squares, for the two peaks.

    An integral over x_t on a grid. The data's mean square is 1; what is left of it is the image's error.
    """
    density, best = TWO_PEAKS.density(WIDE[:, None], float(alpha_bar_t)), TWO_PEAKS.mean_x_0(column(WIDE), alpha_bar_t)
    of_image = float(1 - torch.trapezoid(density * best.flatten() ** 2, WIDE))
    return of_image * float(alpha_bar_t / (1 - alpha_bar_t)), of_image


def floors(schedule: NoiseSchedule) -> tuple[Tensor, Tensor]:
    """Both floors at t = 1..T."""
    of_noise, of_image = zip(*map(floor, schedule.alpha_bar[1:]), strict=True)
    return torch.tensor(of_noise), torch.tensor(of_image)


def told(weight: Tensor, lowest: Tensor) -> str:
    """A weight at some times, against that at t = 500, and what share of the least loss lies at t <= 20."""
    bound, simple = (part[:19].sum() / part.sum() for part in (weight * lowest, lowest))
    ratios = ", ".join(f"{weight[time - 2] / weight[498]:.3g} at t = {time}" for time in (2, 100, 999, 1000))
    return f"{ratios}\n  share of the least loss at t <= 20: bound {bound:.0%}, L_simple {simple:.0%}"


def peak_known(alpha_bar_t: Tensor) -> Tensor:
    """The error of the noise that is left to one who knows the peak: there the straight line is best."""
    signal = TWO_PEAKS.variance * alpha_bar_t
    return signal / (signal + 1 - alpha_bar_t)


def values(line: Expr, schedule: NoiseSchedule, x_t: float = 0.0, noise: float = 0.0) -> Tensor:
    """A derived expression at t = 1..T, or from t = 2 on if it has sigma; sigma_t^2 is beta-tilde."""
    first = 2 if line.has(sigma) else 1
    bars, befores = schedule.alpha_bar[first:], schedule.alpha_bar[first - 1 : -1]
    now, earlier, variance = symbols("now earlier variance", positive=True)
    names = {alpha_bar[t]: now, alpha_bar[t - 1]: earlier, alpha[t]: now / earlier, beta[t]: 1 - now / earlier}
    names |= {sigma[t]: sqrt(variance), x[t]: x_t, eps: noise, v: noise}
    tables = bars.numpy(), befores.numpy(), diffusion.posterior_variance(bars, befores).numpy()
    return torch.as_tensor(lambdify((now, earlier, variance), line.xreplace(names), "numpy")(*tables))


def agree(lines: Mapping[str, Expr], schedule: NoiseSchedule) -> bool:
    """Whether the package computes what the derived lines say, at all times."""
    bars, befores = schedule.alpha_bar[1:], schedule.alpha_bar[:-1]
    x_t, said = torch.tensor([[0.7], [0.4]], dtype=torch.float64)
    image = diffusion.predict_eps.to_x_0(x_t, said, bars)
    package = {
        "mean": diffusion.q_posterior(image, x_t, bars, befores)[0],
        "image from the noise": image,
        "image from the velocity": diffusion.predict_v.to_x_0(x_t, said, bars),
    }
    derived = {name: values(line, schedule, 0.7, 0.4) for name, line in lines.items()}
    return all(torch.allclose(package[name], line, rtol=1e-12, atol=1e-12) for name, line in derived.items())


def _rounds(axes: Axes, x_t: Tensor, eps: Tensor) -> None:
    axes.scatter(
        x_t[:4000].flatten(), eps[:4000].flatten(), s=4, color=NOISE, alpha=0.35, linewidths=0, rasterized=True
    )
    axes.set(xlim=(-2.6, 2.4), ylim=(-3.2, 3.2), xlabel=r"what is shown: $x_t$", ylabel=r"what is right: $\epsilon$")


def draw_rounds(x_t: Tensor, eps: Tensor) -> None:
    """Some rounds of the game: x_t against the noise."""
    figure, axes = plt.subplots(figsize=(7, 4.2))
    _rounds(axes, x_t, eps)
    axes.set_title(f"4000 of {len(x_t):,} rounds: which curve is best?")
    show(
        figure,
        "Dots of x_t across and noise upwards form two slanting stripes; over the middle of the axis both stripes "
        "have dots, one far above the other.",
    )


def draw_learned(x_t: Tensor, eps: Tensor, best: Curve, learned: Mapping[str, Curve]) -> None:
    """The rounds, what a network said as it learned, and the best curve."""
    figure, axes = plt.subplots(figsize=(7, 4.2))
    _rounds(axes, x_t, eps)
    for (label, one), line in zip(learned.items(), (":", "--"), strict=True):
        axes.plot(*one, line, color=MODEL, linewidth=2.5, label=label)
    axes.plot(*best, color=RESULT, linewidth=2, label=r"the mean, $\mathbb{E}[\epsilon\mid x_t]$")
    axes.set_title("The network learns the mean, not the noise")
    axes.legend(loc="upper left")
    show(
        figure,
        "Over the two stripes of dots the network's first curve is nearly a straight line; its last one lies close "
        "to the black curve of the conditional mean.",
    )


def draw_guess(x_t: Tensor, eps: Tensor, best: Curve, place: float, near: Tensor) -> None:
    """Left: the rounds with the best curve. Right: the noises `near` one place, and their mean."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), width_ratios=(1.5, 1), sharey=True)
    _rounds(left, x_t, eps)
    left.plot(*best, color=RESULT, linewidth=2, label=r"the mean, $\mathbb{E}[\epsilon\mid x_t]$")
    left.axvline(place, color=OTHER, linestyle="--", label=f"$x_t = {place}$")
    left.set_title("The best curve crosses from one stripe to the other")
    left.legend(loc="upper left")
    right.hist(near.flatten(), bins=60, range=(-3.2, 3.2), orientation="horizontal", color=NOISE, alpha=0.6)
    right.axhline(float(near.mean()), color=RESULT, linewidth=2, label="their mean")
    right.set(xlabel="rounds", title=f"Noises at $x_t = {place}$: the mean is rare")
    right.legend()
    show(
        figure,
        "Left: a black curve follows the upper stripe of dots, falls to the lower one between x_t = -0.8 and 0, and "
        "follows that. Right: a histogram with two humps, and a black line in the gap between them.",
    )


def draw_floors(of_noise: Tensor, of_image: Tensor, bars: Tensor) -> None:
    """Over t: the error of the best guess of the noise, with what bounds it on both sides; and that of the image."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), width_ratios=(1.5, 1), sharey=True)
    times = np.arange(1, len(bars) + 1)
    left.plot(times, bars, "--", color=OTHER, label=r"best straight line: $\bar\alpha_t$")
    left.plot(times, of_noise, color=RESULT, linewidth=2, label="best guess: the floor")
    left.plot(times, peak_known(bars), ":", color=NOISE, linewidth=2, label="best guess, if the peak is known")
    left.set(xlabel="t", ylabel="mean squared error", title="Guessing the noise: hard where there is little")
    left.legend()
    right.plot(times, of_image, color=IMAGE, linewidth=2)
    right.set(xlabel="t", title="Guessing the image: hard where little is left")
    show(
        figure,
        "Left: the floor starts at 1, falls to 0.53 at t = 100, has a low hump up to t = 200 and falls to 0; "
        "it lies between a dashed curve above and a dotted one below. Right: a curve rises from 0 to 1.",
    )


def draw_weights(weights: Mapping[str, Tensor], lowest: Mapping[str, Tensor]) -> None:
    """The bound's weight from t = 2 on, against that at t = 500; and the weight times the least error."""
    figure, panels = plt.subplots(1, 2, figsize=(9.5, 4))
    for (name, weight), line, colour in zip(weights.items(), ("-", "--"), (RESULT, NOISY), strict=True):
        times, label = np.arange(2, len(weight) + 2), f"{name} schedule"
        panels[0].semilogy(times, weight / weight[498], line, color=colour, linewidth=2, label=label)
        panels[1].semilogy(times, weight * lowest[name], line, color=colour, linewidth=2, label=label)
    panels[0].axhline(1, color=OTHER, linestyle=":", linewidth=2, label=r"$L_{\mathrm{simple}}$")
    panels[0].set(
        xlabel="t", ylabel="weight, divided by that at t = 500", title="Weight: high at the clean end; cosine, at both"
    )
    panels[1].set(xlabel="t", ylabel="weight times floor", title="Weight times floor: no spike at t = 1000")
    panels[0].legend(loc="upper center")
    panels[1].legend()
    show(
        figure,
        "Left, on a logarithmic axis: both weights fall steeply from above 100 at t = 2 to about 1; at the other end "
        "the cosine one rises in a spike to 100000. Right: times the floor, both fall from 0.6 at t = 2 to below "
        "0.00001, with no spike at t = 1000.",
    )


def draw_turn(x_0: float, eps: float, alpha_bar_t: float) -> None:
    """The plane of image and noise: x_t and v are coordinates along two axes turned by an angle."""
    figure, axes = plt.subplots(figsize=(8.6, 5.2))
    c, s = float(np.sqrt(alpha_bar_t)), float(np.sqrt(1 - alpha_bar_t))
    arc = np.linspace(0, np.arctan2(s, c), 50)
    generator = torch.Generator().manual_seed(0)
    peak = torch.where(torch.rand(1500, generator=generator) < 0.35, -1.3, 0.7)
    dots = peak + 0.3 * torch.randn(1500, generator=generator), torch.randn(1500, generator=generator)
    axes.scatter(*dots, s=4, color=OTHER, alpha=0.3, linewidths=0, label="rounds of the game", rasterized=True)
    axes.plot(0.45 * np.cos(arc), 0.45 * np.sin(arc), color=RESULT, linewidth=1)
    axes.annotate(r"$\varphi_t$", (0.52, 0.1), fontsize=13)
    for (a, b), start, colour, name in (((c, s), -2.4, NOISY, "$x_t$"), ((-s, c), -1.1, MODEL, "$v$")):
        axes.annotate("", (2.9 * a, 2.9 * b), (start * a, start * b), arrowprops={"arrowstyle": "->", "color": colour})
        axes.annotate(f"axis of {name}", (2.9 * a, 2.9 * b), (6, -2), textcoords="offset points", color=colour)
    foot, point = np.array([c, s]) * (c * x_0 + s * eps), np.array([x_0, eps])
    line = foot + np.outer([-4, 4], [-s, c])
    axes.plot(*line.T, "--", color=NOISY, linewidth=1.5, label=r"all pairs that give this $x_t$")
    axes.plot(*zip((0, 0), foot, strict=True), color=NOISY, linewidth=4, label=r"$x_t$, along its axis")
    axes.plot(*zip(foot, point, strict=True), color=MODEL, linewidth=4, label=r"$v$, along the line")
    axes.plot([x_0, x_0], [0, eps], ":", color=NOISE, linewidth=2.5, label=r"$\epsilon$, upwards")
    axes.plot([0, x_0], [eps, eps], ":", color=IMAGE, linewidth=2.5, label=r"$x_0$, across")
    axes.plot(*point, "o", color=RESULT, markersize=9)
    axes.annotate(r"$(x_0, \epsilon)$", (x_0, eps), (13, -6), textcoords="offset points", fontsize=13)
    for draw in (axes.axhline, axes.axvline):
        draw(0, color=RESULT, linewidth=0.8)
    axes.set(xlim=(-2.9, 3.6), ylim=(-2.8, 2.8), aspect="equal", xlabel=r"image $x_0$", ylabel=r"noise $\epsilon$")
    axes.set_title(r"$x_t$ says on which line the round lies, $v$ where on it")
    figure.legend(loc="outside right center", fontsize=9)
    show(
        figure,
        "A plane with image across and noise upwards; dots in two upright stripes. Two axes at right angles are turned "
        "by an angle. A dashed line, square to the axis of x_t, goes through a marked point and crosses both stripes.",
    )


def draw_walks(path: Tensor, schedule: NoiseSchedule, shown: int = 5) -> None:
    """Algorithm 2 on the two peaks: states (T+1, n) from x_T to x_0 over how likely the right peak is, and the ends."""
    T = len(path) - 1
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.8), width_ratios=(2.6, 1), sharey=True)
    times, grid = np.arange(T, 0, -5), torch.linspace(-3, 3, 240, dtype=torch.float64)
    bars = [float(schedule.alpha_bar[time]) for time in times]
    share = [RIGHT_PEAK.density(grid[:, None], bar) / TWO_PEAKS.density(grid[:, None], bar) for bar in bars]
    mesh = left.pcolormesh(
        times, grid, torch.stack(share, 1), cmap="PuOr_r", vmin=0, vmax=1, shading="auto", rasterized=True
    )
    label = "probability that the image is from the right peak"
    figure.colorbar(mesh, ax=left, location="bottom", shrink=0.7, aspect=40, label=label)
    left.plot(np.arange(T, -1, -1), path[:, :shown], color=NOISY, linewidth=0.9)
    left.set(xlabel="t, from noise to data", ylabel=r"$x_t$", xlim=(T, 0), ylim=(-3, 3))
    left.set_title(f"{shown} walks: undecided where it is pale")
    left.grid(False)
    style = {"histtype": "stepfilled", "orientation": "horizontal", "color": IMAGE, "alpha": 0.6}
    right.hist(path[-1], bins=80, range=(-3, 3), density=True, **style)
    right.plot(TWO_PEAKS.density(grid[:, None]), grid, color=RESULT, linewidth=2, label="the data's density")
    right.set(xlabel="density", title="Where 3000 walks end", xlim=(0, 1.15))
    right.legend(loc="upper right", fontsize=8)
    show(
        figure,
        "Left: thin lines start spread around 0 at t = 1000 and end in two bundles at t = 0, over a map whose colour "
        "is pale at the left and parts into two towards the right. Right: a histogram of two peaks along a curve.",
    )


def draw_roll(states: Mapping[int, Tensor], roll: Tensor) -> None:
    """A few states of a walk in the plane, (n, 2) each, over the points of the data."""
    figure, panels = plt.subplots(1, len(states), figsize=(10, 2.9), sharex=True, sharey=True)
    for axes, (time, points) in zip(panels, states.items(), strict=True):
        axes.scatter(*roll.T, s=16, color=OTHER, alpha=0.45, linewidths=0)
        axes.scatter(*points.T, s=4, color=IMAGE if time == 0 else NOISY, linewidths=0)
        axes.set(title=f"t = {time}", aspect="equal", xlim=(-3.6, 3.6), ylim=(-3.6, 3.6), xlabel="first coordinate")
    panels[0].set_ylabel("second coordinate")
    show(
        figure,
        "Five panels from t = 1000 to t = 0: a round cloud of blue dots over a grey spiral becomes a blurred spiral, "
        "then a sharp one; in the last panel small orange dots lie on the grey spiral.",
    )
