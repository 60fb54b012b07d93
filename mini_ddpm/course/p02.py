"""What notebook 02 measures and draws. Its two chains for an image of one pixel are in `two_chains`."""

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.course.two_chains import TwoChains, bell
from mini_ddpm.diffusion import q_posterior, q_sample
from mini_ddpm.schedules import NoiseSchedule, linear_betas

Array = np.ndarray
SCHEDULE = NoiseSchedule.from_betas(linear_betas(1000))  # that of notebook 00
WAYS = ("as drawn", "section 5: mean given $x_{t-2}$ and $x_t$", "section 6: mean given $x_0$ and $x_t$")


def gradients(t: int, seed: int, n: int = 20_000) -> Array:
    """The gradient of a term, for the mean of p's step from x_t, along n forward paths of SCHEDULE: (3, n).

    The images are drawn from the two peaks, and p has the best mean. The earlier state x_{t-1} is drawn; or averaged
    by a formula, with its neighbours x_{t-2} and x_t given, as section 5 has it; or with x_t and the image given.
    """
    bar, random = SCHEDULE.alpha_bar, torch.Generator().manual_seed(seed)
    noise = torch.randn(4, n, generator=random, dtype=torch.float64)
    peak = torch.multinomial(TWO_PEAKS.weights, n, replacement=True, generator=random)
    x_0 = TWO_PEAKS.means[peak, 0] + TWO_PEAKS.variance**0.5 * noise[0]
    before = q_sample(x_0, noise[1], bar[t - 2])  # x_{t-2}
    drawn = q_sample(before, noise[2], bar[t - 1] / bar[t - 2])  # x_{t-1}
    x_t = q_sample(drawn, noise[3], bar[t] / bar[t - 1])
    guess = TWO_PEAKS.mean_x_0(x_t[:, None, None, None], bar[t].expand(n)).flatten()
    best, _ = q_posterior(guess, x_t, bar[t], bar[t - 1])
    between, _ = q_posterior(before, x_t, bar[t] / bar[t - 2], bar[t - 1] / bar[t - 2])
    known, _ = q_posterior(x_0, x_t, bar[t], bar[t - 1])
    return ((best - torch.stack([drawn, between, known])) / (1 - bar[t] / bar[t - 1])).numpy()


def log_ratios(toy: TwoChains, paths: Array) -> Array:
    """log p(x_{0:T}) / q(x_{1:T} | x_0) along paths (T + 1, n): (n,)."""
    back = np.sum([toy.log_p_step(t, paths) for t in range(1, toy.T + 2)], axis=0)
    return back - np.sum([toy.log_q_step(t, paths) for t in range(1, toy.T + 1)], axis=0)


def one_path(ratios: Array, pixels: int, log_p: float, seed: int = 0) -> tuple[float, float]:
    """The likelihood of `pixels` independent pixels, each with its own path, estimated from log ratios of one.

    Returns the largest share that one path has in the estimate, and by how much its logarithm is off.
    """
    random = np.random.default_rng(seed)
    total = np.sum([random.permutation(ratios) for _ in range(pixels)], axis=0)
    weights = np.exp(total - total.max())
    return float(1 / weights.sum()), float(total.max() + np.log(weights.mean()) - pixels * log_p)


def both_targets(toy: TwoChains, t: int, shift: float) -> tuple[float, float]:
    """The mean divergence of a step's target from p(x_{t-1} | x_t), all means shifted: with x_0 given, and without."""
    mean, variance = toy.moments[t]
    p = bell(toy.x[:, None], mean + shift, variance)
    joint = toy.densities[t - 1][:, None] * toy.forward[t]
    without = toy.integral(joint * np.log(joint / joint.sum(axis=0) / toy.width / p))
    images, places = toy.images()
    terms = []
    for x_0 in images:
        both = toy.jump(t - 1, x_0)[:, None] * toy.forward[t]
        terms.append(toy.integral(both * np.log(both / toy.jump(t, x_0) / p)))
    return float(toy.data[places] @ terms * toy.width), without


def tell_paths(ratios: Array, log_p: float) -> None:
    """How many paths decide an estimate of the likelihood, for one pixel and for many; three seeds."""
    print("pixels  one path holds  log of the mean is off by  mean of the logs scatters by")
    for pixels in (1, 100, 784):
        shares, off = zip(*(one_path(ratios, pixels, log_p, seed) for seed in range(3)), strict=True)
        held = f"{100 * min(shares):.2g} to {100 * max(shares):.2g}%"
        away = f"{round(max(off), 1) + 0.0:.1f} to {round(min(off), 1) + 0.0:.1f}"
        chance = ratios.std() * (pixels / len(ratios)) ** 0.5
        print(f"{pixels:6}  {held:>14}  {away:>25}  {chance:28.3f}")


def tell_targets(toy: TwoChains, t: int) -> None:
    """Both targets of a step, for p and for a p whose means are shifted."""
    for shift in (0.0, 0.3):
        known, unknown = both_targets(toy, t, shift)
        print(f"shifted by {shift}: with the image {known:.4f}", end=", ")
        print(f"without {unknown:.4f}, difference {known - unknown:.4f}")


def draw_chains(values: Mapping[str, float] | None = None) -> None:
    """x_0 to x_4, the steps of q above and those of p below; every edge of p has its term, and its value if given."""
    figure, axes = plt.subplots(figsize=(9, 3))
    for t in range(5):
        axes.scatter(2 * t, 0, 1500, IMAGE if t == 0 else NOISY, alpha=0.25 if t else 0.45, zorder=2)
        axes.text(2 * t, 0, f"$x_{t}$", ha="center", va="center", fontsize=15, zorder=3)
    for t in range(1, 5):
        _arrow(axes, 2 * t - 1.85, 2 * t - 0.15, 0.28, NOISY)
        axes.text(2 * t - 1, 0.75, rf"$q(x_{t}\mid x_{t - 1})$", ha="center", color=NOISY, fontsize=11)
        _arrow(axes, 2 * t - 0.15, 2 * t - 1.85, -0.28, MODEL)
        axes.text(2 * t - 1, -0.95, rf"$p_\theta(x_{t - 1}\mid x_{t})$", ha="center", color=MODEL, fontsize=11)
    _arrow(axes, 9.7, 8.42, 0, MODEL, bend=0)
    axes.text(9.8, 0, r"$\mathcal{N}(0, 1)$", va="center", color=NOISE, fontsize=13)
    places = {"L_T": 9.1, "L_3": 7, "L_2": 5, "L_1": 3, "L_0": 1}
    for name, place in places.items():
        value = f"\n{values[name]:.3f}" if values else ""
        low = -0.35 if name == "L_T" else -1.2
        axes.text(place, low, f"${name}${value}", ha="center", va="top", color=RESULT, fontsize=14, linespacing=1.3)
    axes.set(xlim=(-0.7, 11), ylim=(-2.1 if values else -1.7, 1.1))
    axes.set_title("What every edge costs" if values else "Every edge of the way back has its own term")
    axes.axis("off")
    under = f"the numbers {', '.join(f'{name} {value:.3f}' for name, value in values.items())}" if values else "names"
    show(
        figure,
        "Five circles in a row, x_0 to x_4. Blue arrows above lead to the right, the steps of q. Pink arrows below "
        f"lead back to the left, the steps of p; under each edge of the way back stand {under}.",
    )


def _arrow(axes: Axes, start: float, end: float, height: float, colour: str, bend: float = -0.25) -> None:
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": 2, "connectionstyle": f"arc3,rad={bend}"}
    axes.annotate("", (end, height), (start, height), arrowprops=style)


def draw_jensen() -> None:
    """The logarithm, its tangent at a mean, and two numbers with that mean."""
    figure, axes = plt.subplots(figsize=(7, 3.6))
    numbers, two = np.linspace(0.2, 5, 200), np.array([0.5, 4.0])
    mean, low, high = two.mean(), np.log(two).mean(), np.log(two.mean())
    axes.plot(numbers, np.log(numbers), color=RESULT, linewidth=2)
    axes.plot(numbers, high + (numbers - mean) / mean, "--", color=OTHER)
    axes.plot(two, np.log(two), "o-", color=NOISY)
    axes.plot([mean, mean], [low, high], color=MODEL, linewidth=4)
    pointer = {"arrowstyle": "-", "color": MODEL}
    axes.text(4.3, 1.3, r"$\log r$", color=RESULT, va="top")
    axes.text(3.6, 1.75, "tangent at the mean $m = 2.25$", color="#666666", ha="right")
    axes.text(mean + 0.08, low - 0.14, f"mean of the logs {low:.3f}", color=NOISY)
    axes.text(mean - 0.1, high + 0.14, f"log of the mean {high:.3f}", color=RESULT, ha="right")
    axes.annotate("what is lost", (mean, low), (mean - 0.1, -0.7), color=MODEL, ha="center", arrowprops=pointer)
    axes.set(xlabel="r", ylabel="logarithm", ylim=(-1.4, 2.2))
    axes.set_title("The log bends down: the log of the mean lies above the mean of the logs")
    show(
        figure,
        "The curve log r bends down and stays below its dashed tangent at the mean 2.25. A straight blue line joins "
        "the curve at 0.5 and 4; in the middle a thick pink bar leads from that line, at 0.347, up to the curve, at "
        "0.811.",
    )


def draw_ratios(log_ratios: Array, exact: float) -> None:
    """The log ratios of forward paths, with their mean, and the exact log-likelihood."""
    figure, axes = plt.subplots(figsize=(7, 3.6))
    axes.hist(log_ratios, bins=120, range=(-2.4, 0.8), density=True, color=NOISY, alpha=0.4)
    axes.axvline(log_ratios.mean(), color=MODEL, linewidth=2.5)
    axes.axvline(exact, color=RESULT, linewidth=2.5)
    line = {"arrowstyle": "-", "color": MODEL}
    axes.annotate(
        "mean of the logs:\nthe ELBO", (log_ratios.mean(), 2.2), (-1.9, 2.2), color=MODEL, va="center", arrowprops=line
    )
    axes.text(exact + 0.04, 2.7, "log of the mean:\n" + r"$\log p_\theta(x_0)$", color=RESULT)
    axes.text(-0.18, 0.75, "100,000 forward paths", color=NOISY)
    axes.set(xlabel=r"$\log\, p_\theta(x_{0:T})\,/\,q(x_{1:T}\mid x_0)$ along a path", ylabel="density")
    axes.set_title("The mean of the logs lies left of the log of the mean")
    show(
        figure,
        "A histogram of log ratios: a spike near -1, then a broad hill that ends near 0.2. A pink line, the mean of "
        "the logs, stands a little left of a black line, the log of the mean.",
    )
    print(f"mean of the logs {log_ratios.mean():.2f}")
    print(f"log of the mean  {np.log(np.exp(log_ratios).mean()):.2f}, exactly {exact:.2f}")


def draw_gradients(shown: int = 500) -> None:
    """How far the gradients of one term scatter, for every t: three ways to work it out, three seeds."""
    figure, axes = plt.subplots(figsize=(8, 4))
    times = (2, 3, 5, 10, 20, 35, 60, 100, 200, 350, 500, 700, 1000)
    spreads = np.array([[gradients(t, seed).std(axis=1) for t in times] for seed in range(3)])  # (seeds, times, ways)
    places = ((90, 38), (115, 3.4), (2.5, 3))
    for k, (way, line, colour) in enumerate(zip(WAYS, ("-", "--", "-"), ("#777777", NOISY, RESULT), strict=True)):
        axes.fill_between(times, spreads[:, :, k].min(0), spreads[:, :, k].max(0), color=colour, alpha=0.3)
        axes.plot(times, spreads[:, :, k].mean(0), line, color=colour, linewidth=2)
        axes.text(places[k][0], places[k][1], way, color=colour)
    axes.set(xscale="log", yscale="log", xlabel="t", ylabel="spread of the gradient")
    axes.set_title("The farther from the image, the more it buys to bring it in")
    show(
        figure,
        "Three curves over t from 2 to 1000, both axes logarithmic. The grey one, x_(t-1) as drawn, falls from 91 to "
        "7; the dashed blue one, its mean given x_(t-2) and x_t, from 67 to 5. The black one, its mean given the image "
        "and x_t, begins where the blue one does, but falls to 0.006.",
    )
    drawn, two, one = spreads[:, times.index(shown)].T
    for way, spread in zip(("as drawn", "section 5", "section 6"), (drawn, two, one), strict=True):
        print(f"t = {shown}, {way}: spread {spread.mean():.2f}")
    worth = (two / one) ** 2
    print(f"one draw of section 6 counts for {worth.min():.0f} to {worth.max():.0f} of section 5 (three seeds)")


def draw_bound(toy: TwoChains, bound_terms: Callable[[float], Mapping[str, float]], log_p: Array) -> None:
    """Left: log-likelihood, ELBO and the data for every image. Right: the terms, from L_T to L_0."""
    x_0, places = toy.images()
    log_p, log_data = log_p[places], np.log(toy.data[places])
    terms = np.array([[*bound_terms(x).values()] for x in x_0])
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    elbo = -terms.sum(axis=1)
    left.plot(x_0, log_data, ":", color=IMAGE, linewidth=2)
    left.fill_between(x_0, elbo, log_p, color=MODEL, alpha=0.4)
    left.plot(x_0, elbo, "--", color=MODEL, linewidth=2)
    left.plot(x_0, log_p, color=RESULT, linewidth=2)
    left.text(-0.35, -1.25, r"$\log p_\theta(x_0)$", color=RESULT, ha="right")
    left.text(-0.45, -2.05, "ELBO", color=MODEL, ha="right")
    left.text(0.25, 0.1, r"data, $\log q(x_0)$", color=IMAGE, ha="right")
    pointer = {"arrowstyle": "-", "color": MODEL}
    left.annotate("what the\nbound loses", (0.15, -1.22), (0.7, -2.5), color=MODEL, ha="center", arrowprops=pointer)
    left.set(xlabel=r"image $x_0$, one pixel", ylabel="log density", xlim=(-2.2, 1.6), ylim=(-4.2, 0.7))
    left.set_title("The ELBO follows the log-likelihood from below")
    for k, (name, line) in enumerate({"L_T": ":", "L_3": "-.", "L_2": "--", "L_1": "-", "L_0": "-"}.items()):
        colour = RESULT if name == "L_0" else NOISY
        right.plot(x_0, terms[:, k], line, color=colour, linewidth=2)
        right.annotate(
            f"${name}$",
            (-2.2, np.interp(-2.2, x_0, terms[:, k])),
            (-8, {"L_T": -7, "L_3": 1}.get(name, -3)),
            textcoords="offset points",
            ha="right",
            color=colour,
        )
    right.set(xlabel=r"image $x_0$, one pixel", xlim=(-2.2, 1.6), ylim=(-0.1, 3))
    right.yaxis.tick_right()
    right.yaxis.set_label_position("right")
    right.set_ylabel("mean of the term")
    assert np.all(terms[:, 3] > terms[:, :3].max(axis=1))
    right.set_title("Of the divergences (blue), $L_1$ is the largest")
    show(
        figure,
        "Left: over the image x_0, the black curve log p has a peak near 0.7 and a shoulder near -1.3; the dashed pink "
        "ELBO runs a little below it, with a pink band between them; the dotted curve of the data has two high peaks "
        "and a deep valley. Right: the five terms; L_0 is largest everywhere, then L_1, and L_T is near zero.",
    )
    weight = toy.data[places] * toy.width
    bound, likelihood, floor = -weight @ elbo, -weight @ log_p, -weight @ log_data
    print(f"averaged over the data: -ELBO {bound:.3f} = {floor:.3f} in the data itself")
    print(f"+ {likelihood - floor:.3f} the model's distance + {bound - likelihood:.3f} lost by bounding")
