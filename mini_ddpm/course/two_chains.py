"""Both chains for an image of one pixel, on a grid of places: notebook 02 computes with them."""

from collections.abc import Sequence

import numpy as np
import torch

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
