"""What notebook 02 computes with and draws: both chains for an image of one pixel, on a grid, and its figures."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes

from mini_ddpm.course.figures import IMAGE, MODEL, NOISE, NOISY, OTHER, RESULT, show
from mini_ddpm.course.toys import Mixture

Array = np.ndarray


def bell(x: Array, mean: Array | float, variance: Array | float) -> Array:
    """The density of N(mean, variance) at x."""
    return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


class TwoChains:
    """The forward chain q over images of one pixel, and a reverse chain p of Gaussian steps, both on a grid.

    A step of p has the mean and the variance of q(x_{t-1} | x_t) over the data: a stand-in for a trained network.

    Attributes:
        x: the grid, (n,); `width` is the distance of its points.
        forward: t -> q(x_t | x_{t-1}), (n, n): a row for each x_{t-1}, a column for each x_t.
        back: t -> p(x_{t-1} | x_t), (n, n), laid out in the same way.
        start: p(x_T), (n,).
        data: the density of the data, (n,).
    """

    def __init__(self, data: Mixture, alpha_bar: Sequence[float]) -> None:
        self.alpha_bar, self.T = alpha_bar, len(alpha_bar) - 1
        self.x = np.round(np.linspace(-7.5, 7.5, 301), 2)
        self.width = 0.05
        points = torch.from_numpy(self.x)[:, None]
        self.densities = [data.density(points, a).numpy() for a in alpha_bar]
        self.data, self.start = self.densities[0], bell(self.x, 0, 1)
        self.forward: dict[int, Array] = {}
        self.back: dict[int, Array] = {}
        self.moments: dict[int, tuple[Array, Array]] = {}
        for t in range(1, self.T + 1):
            a = alpha_bar[t] / alpha_bar[t - 1]
            self.forward[t] = bell(self.x[None, :], np.sqrt(a) * self.x[:, None], 1 - a)
            share = self.densities[t - 1][:, None] * self.forward[t]
            share = share / share.sum(axis=0)  # q(x_{t-1} | x_t), a column for each x_t
            mean = (self.x[:, None] * share).sum(axis=0)
            variance = ((self.x[:, None] - mean) ** 2 * share).sum(axis=0)
            self.moments[t] = mean, variance
            self.back[t] = bell(self.x[:, None], mean, variance)

    def jump(self, t: int, x_0: float) -> Array:
        """q(x_t | x_0) on the grid, (n,)."""
        return bell(self.x, np.sqrt(self.alpha_bar[t]) * x_0, 1 - self.alpha_bar[t])

    def place(self, x_0: float) -> int:
        """The number of the grid's point x_0."""
        return int(np.abs(self.x - x_0).argmin())

    def images(self) -> tuple[Array, list[int]]:
        """The images that the data may hold, and their places."""
        images = self.x[self.data > 1e-12]
        return images, [self.place(x_0) for x_0 in images]

    def integral(self, f: Array) -> float:
        """Of a function of one place, (n,), or of two, (n, n)."""
        return float(f.sum() * self.width**f.ndim)

    def path_divergence(self, x_0: float) -> float:
        """KL of q(x_{1:T} | x_0) from p(x_{1:T} | x_0), without the bound: p is turned around, step by step."""
        p = {self.T: self.start}  # p(x_t)
        for t in range(self.T, 0, -1):
            p[t - 1] = self.back[t] @ p[t] * self.width
        k = self.place(x_0)
        first, turned = self.forward[1][k], self.back[1][k] * p[1] / p[0][k]  # p(x_1 | x_0)
        total = self.integral(first * np.log(first / turned))
        for t in range(2, self.T + 1):
            both = self.jump(t - 1, x_0)[:, None] * self.forward[t]
            total += self.integral(both * np.log(self.forward[t] * p[t - 1][:, None] / (self.back[t] * p[t])))
        return total

    def paths(self, x_0: float, n: int, seed: int = 0) -> Array:
        """n forward paths x_0, ..., x_T, (T + 1, n)."""
        random, path = np.random.default_rng(seed), [np.full(n, x_0)]
        for t in range(1, self.T + 1):
            a = self.alpha_bar[t] / self.alpha_bar[t - 1]
            path.append(np.sqrt(a) * path[-1] + np.sqrt(1 - a) * random.standard_normal(n))
        return np.stack(path)

    def log_p_step(self, t: int, path: Array) -> Array:
        """log p(x_{t-1} | x_t) along paths (T + 1, n): (n,). For t = T + 1 it is log p(x_T)."""
        if t > self.T:
            return np.log(bell(path[self.T], 0, 1))
        mean, variance = (np.interp(path[t], self.x, moment) for moment in self.moments[t])
        return np.log(bell(path[t - 1], mean, variance))

    def log_q_step(self, t: int, path: Array) -> Array:
        """log q(x_t | x_{t-1}) along paths (T + 1, n): (n,)."""
        a = self.alpha_bar[t] / self.alpha_bar[t - 1]
        return np.log(bell(path[t], np.sqrt(a) * path[t - 1], 1 - a))


def divergence(toy: TwoChains, k: int, x_0: float) -> Array:
    """The term L_k, a divergence, for every place of x_{k+1}: (n,)."""
    posterior = toy.jump(k, x_0)[:, None] * toy.forward[k + 1] / toy.jump(k + 1, x_0)
    return (posterior * np.log(posterior / toy.back[k + 1])).sum(axis=0) * toy.width


def spread(toy: TwoChains, k: int, x_0: float) -> tuple[float, float, float]:
    """The mean of L_k, and its spread: with x_k and x_{k+1} drawn (the log ratio), or x_{k+1} alone (the divergence).

    L_0 has no divergence; its two spreads are the same.
    """
    given = toy.jump(k + 1, x_0)
    if k == 0:
        averaged = -np.log(toy.back[1][toy.place(x_0)])
        weights, log_ratio = given, averaged
    else:
        averaged, weights = divergence(toy, k, x_0), toy.jump(k, x_0)[:, None] * toy.forward[k + 1]
        log_ratio = np.log(weights / given / toy.back[k + 1])
    mean = toy.integral(given * averaged)
    drawn, rest = toy.integral(weights * (log_ratio - mean) ** 2), toy.integral(given * (averaged - mean) ** 2)
    return mean, float(np.sqrt(drawn)), float(np.sqrt(rest))


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
    axes.set_title("Every edge of the way back has its own term" if not values else "What every edge costs")
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
    mean = two.mean()
    axes.plot(numbers, np.log(numbers), color=RESULT, linewidth=2, label=r"$\log r$")
    axes.plot(numbers, np.log(mean) + (numbers - mean) / mean, "--", color=OTHER, label="tangent at the mean m")
    axes.plot(two, np.log(two), "o-", color=NOISY, label="two numbers, and their weighted means")
    axes.plot([mean, mean], [np.log(two).mean(), np.log(mean)], color=MODEL, linewidth=4, label="what is lost")
    axes.text(mean + 0.08, np.log(two).mean() - 0.12, f"{np.log(two).mean():.3f}", color=NOISY)
    axes.text(mean - 0.08, np.log(mean) + 0.12, f"{np.log(mean):.3f}", color=RESULT, ha="right")
    axes.set(xlabel="r", ylabel="logarithm", ylim=(-1.4, 2.2))
    axes.set_title("The log bends down: the log of the mean lies above the mean of the logs")
    axes.legend(loc="lower right")
    show(
        figure,
        "The curve log r bends down and stays below its dashed tangent at the mean 2.25. A straight blue line joins "
        "the curve at 0.5 and 4; in the middle a thick pink bar leads from that line, at 0.347, up to the curve, at "
        "0.811.",
    )


def draw_ratios(log_ratios: Array, exact: float) -> None:
    """The log ratios of forward paths, with their mean, and the exact log-likelihood."""
    figure, axes = plt.subplots(figsize=(7, 3.6))
    axes.hist(log_ratios, bins=120, range=(-2.4, 0.8), density=True, color=NOISY, alpha=0.4, label="forward paths")
    axes.axvline(log_ratios.mean(), color=MODEL, linewidth=2.5, label="mean of the logs: the ELBO")
    axes.axvline(exact, color=RESULT, linewidth=2.5, label=r"log of the mean: $\log p_\theta(x_0)$")
    axes.set(xlabel=r"$\log\, p_\theta(x_{0:T})\,/\,q(x_{1:T}\mid x_0)$ along a path", ylabel="density")
    axes.set_title("The mean of the logs lies left of the log of the mean")
    axes.legend(loc="upper left")
    show(
        figure,
        "A histogram of log ratios: a spike near -1, then a broad hill that ends near 0.2. A pink line, the mean of "
        "the logs, stands a little left of a black line, the log of the mean.",
    )
    print(f"mean of the logs {log_ratios.mean():.2f}")
    print(f"log of the mean  {np.log(np.exp(log_ratios).mean()):.2f}, exactly {exact:.2f}")


def draw_bound(x_0: Array, log_p: Array, terms: Array, log_data: Array) -> None:
    """Left: log-likelihood, ELBO and the data for every image x_0. Right: the terms (n, 5), from L_T to L_0."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    elbo = -terms.sum(axis=1)
    left.plot(x_0, log_data, ":", color=IMAGE, linewidth=2, label=r"data, $\log q(x_0)$")
    left.fill_between(x_0, elbo, log_p, color=MODEL, alpha=0.4, label="what the bound loses")
    left.plot(x_0, elbo, "--", color=MODEL, linewidth=2, label="ELBO")
    left.plot(x_0, log_p, color=RESULT, linewidth=2, label=r"$\log p_\theta(x_0)$")
    left.set(xlabel=r"image $x_0$, one pixel", ylabel="log density", xlim=(-2.2, 1.6), ylim=(-4.2, 1.8))
    left.set_title("The ELBO follows the log-likelihood from below")
    left.legend(loc="upper center", ncols=2, fontsize=9)
    for k, (name, line) in enumerate({"L_T": ":", "L_3": "-.", "L_2": "--", "L_1": "-"}.items()):
        right.plot(x_0, terms[:, k], line, color=NOISY, linewidth=2, label=f"${name}$")
    right.plot(x_0, terms[:, 4], color=RESULT, linewidth=2, label="$L_0$")
    right.legend(loc="upper center", fontsize=9)
    right.set(xlabel=r"image $x_0$, one pixel", ylabel="mean of the term", xlim=(-2.2, 1.6), ylim=(-0.1, 3.6))
    right.set_title(r"$L_0$ and $L_1$ make most of $-$ELBO")
    show(
        figure,
        "Left: over the image x_0, the black curve log p has a peak near 0.7 and a shoulder near -1.3; the dashed pink "
        "ELBO runs a little below it, with a pink band between them; the dotted curve of the data has two high peaks "
        "and a deep valley. Right: the five terms; L_0 is largest everywhere, then L_1, and L_T is near zero.",
    )
