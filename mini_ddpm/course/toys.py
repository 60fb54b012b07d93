"""Points on a line or in the plane: images of a single pixel, on which the package's own training loop runs.

For a mixture of Gaussians the best possible network is known in closed form.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mini_ddpm.diffusion import Diffusion, eps_from_x_0
from mini_ddpm.losses import Model
from mini_ddpm.unet import timestep_embedding


@dataclass(frozen=True)
class Points:
    """A data set for `training.train`: x is (N, C, 1, 1), C the dimension; all labels are 0."""

    x: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Points (B, C, 1, 1) at `indices` (B,), and labels (B,)."""
        return self.x[indices], torch.zeros_like(indices)


def swiss_roll(n: int) -> Points:
    """n points near a spiral in the plane, with mean 0 and standard deviation 1. After Sohl-Dickstein 2015, Fig. 1."""
    angle = 1.5 * math.pi * (1 + 2 * torch.rand(n))
    roll = torch.stack([angle * angle.cos(), angle * angle.sin()], dim=1) / 9 + 0.02 * torch.randn(n, 2)
    return Points(((roll - roll.mean(0)) / roll.std())[:, :, None, None])


@dataclass(frozen=True)
class Mixture:
    """K Gaussians of one variance: `weights` (K,) with sum 1, `means` (K, C), and `variance`, a number >= 0.

    Variance 0 makes it the set of its means.
    """

    weights: Tensor
    means: Tensor
    variance: float

    def draw(self, n: int) -> Points:
        """n points of the mixture."""
        means = self.means[torch.multinomial(self.weights, n, replacement=True)]
        return Points((means + math.sqrt(self.variance) * torch.randn_like(means))[:, :, None, None])

    def density(self, x: Tensor, alpha_bar_t: float = 1.0) -> Tensor:
        """q(x_t) at points x (N, C): the mixture after the forward process has run to `alpha_bar_t`. (N,)."""
        log_densities = self._log_joint(x, torch.tensor(alpha_bar_t, dtype=x.dtype))
        return log_densities.logsumexp(dim=1).exp()

    def mean_x_0(self, x_t: Tensor, alpha_bar_t: Tensor) -> Tensor:
        """E[x_0 | x_t], the best guess of x_0 in the mean square: (B, C, 1, 1), or images of C numbers, of that shape.

        Every Gaussian of the mixture has its own best guess, as in notebook 04; each counts by how likely
        it is to have produced x_t.
        """
        x, a = x_t.flatten(1), alpha_bar_t.to(x_t.dtype).reshape(-1, 1)  # (B, C), (B, 1)
        share = torch.softmax(self._log_joint(x, a), dim=1)  # (B, K)
        gain = a.sqrt() * self.variance / (a * self.variance + 1 - a)
        x_0 = share @ self.means + gain * (x - a.sqrt() * (share @ self.means))
        return x_0.reshape(x_t.shape)

    def _log_joint(self, x: Tensor, alpha_bar_t: Tensor) -> Tensor:
        """Log of weight times N(x_t; sqrt(alpha_bar) mean, spread) for each Gaussian, (B, K)."""
        a = alpha_bar_t
        spread = a * self.variance + 1 - a
        square = x.square().sum(1, keepdim=True) - 2 * a.sqrt() * (x @ self.means.T) + a * self.means.square().sum(1)
        return self.weights.log() - square / (2 * spread) - x.shape[1] / 2 * (2 * math.pi * spread).log()


# The course's one-dimensional data set: two peaks, one of them larger; mean 0, variance 1.
TWO_PEAKS = Mixture(
    torch.tensor([0.35, 0.65], dtype=torch.float64), torch.tensor([[-1.3], [0.7]], dtype=torch.float64), variance=0.09
)


def best_model(diffusion: Diffusion, mixture: Mixture) -> Model:
    """The network that no network can beat on data from `mixture`: it outputs E[target | x_t]."""

    def model(x_t: Tensor, t: Tensor) -> Tensor:
        alpha_bar_t = diffusion.schedule.at(t)
        x_0 = mixture.mean_x_0(x_t, alpha_bar_t)
        return diffusion.parameterization.target(x_0, eps_from_x_0(x_t, x_0, alpha_bar_t), alpha_bar_t)

    return model


def best_classifier(diffusion: Diffusion, mixture: Mixture) -> Model:
    """The classifier that no classifier can beat: logits (B, K) of which Gaussian of `mixture` x_t came from."""

    def classifier(x_t: Tensor, t: Tensor) -> Tensor:
        return mixture._log_joint(x_t.flatten(1), diffusion.schedule.at(t).to(x_t.dtype).reshape(-1, 1))

    return classifier


class PointNet(nn.Module):
    """A network for points, without labels: x_t (B, C, 1, 1), t (B,) -> (B, C, 1, 1). Three hidden layers."""

    def __init__(self, dimension: int, width: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Linear(dimension + 32, width), nn.SiLU()]
        layers += [nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, dimension)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        x = torch.cat([x_t.flatten(1), timestep_embedding(t, 32)], dim=1)
        return self.layers(x)[:, :, None, None]
