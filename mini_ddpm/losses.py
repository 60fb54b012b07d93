"""What training minimises. A loss is a function of (diffusion, model, x_0, t, eps) that returns (B,).

`model` is called as `model(x_t, t)`; whatever it is conditioned on is closed over beforehand.

Units: L_simple is a mean over C, H, W. A term L_t of the bound is in bits/dim: nats, mean over C, H, W,
divided by log 2. The bits/dim of an image are L_T plus the sum of its L_t; t = 1 is the decoder, L_0.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from mini_ddpm.checks import check_output
from mini_ddpm.diffusion import Diffusion, Even, Prediction, like, q_posterior, q_sample

Model = Callable[[Tensor, Tensor], Tensor]
Loss = Callable[[Diffusion, Model, Tensor, Tensor, Tensor], Tensor]

HALF_BIN = 1 / 255  # 256 grey levels in [-1, 1] are 2/255 apart


def simple_loss(diffusion: Diffusion, model: Model, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """L_simple: squared error of the prediction, with the bound's weight over t dropped.

    Args:
        x_0, eps: (B, C, H, W) images in [-1, 1] and standard normal noise.
        t: (B,) int64 times in 1..T.

    Returns:
        (B,) mean over C, H, W. Source: DDPM, Eq. 14, with the network's target in the place of eps.
    """
    alpha_bar_t = diffusion.schedule.at(t)  # (B, 1, 1, 1)
    x_t = q_sample(x_0, eps, alpha_bar_t)  # (B, C, H, W)
    target = diffusion.parameterization.target(x_0, eps, alpha_bar_t)
    prediction = check_output(model(x_t, t), x_t)[:, : x_0.shape[1]]  # without variance channels
    return (prediction - target).square().mean(dim=(1, 2, 3))  # Eq. 14, DDPM


def min_snr_loss(diffusion: Diffusion, model: Model, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """Squared error of the predicted x_0, weighted by the signal-to-noise ratio up to 5; arguments as in `simple_loss`.

    Beside L_simple, whatever the network predicts, times with almost no noise and times with almost nothing else count
    less, so that a short training spends itself on those between, where an image is decided.

    Returns:
        (B,). Source: Min-SNR-gamma (2303.09556), gamma = 5.
    """
    alpha_bar_t = diffusion.schedule.at(t)
    x_t = q_sample(x_0, eps, alpha_bar_t)
    output = check_output(model(x_t, t), x_t)[:, : x_0.shape[1]]
    error = diffusion.parameterization.to_x_0(x_t, output, alpha_bar_t) - x_0
    weight = (alpha_bar_t / (1 - alpha_bar_t)).clamp(max=5)
    return (like(weight.sqrt(), x_0) * error).square().mean(dim=(1, 2, 3))


def vlb_loss(diffusion: Diffusion, model: Model, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """L_t, one term of the variational bound, for t in 1..T; arguments as in `simple_loss`.

    T times its mean over uniform t, plus L_T, is the bound. The predicted x_0 is not clamped here: where a
    clamp acts, it has no gradient. (`measure.bound` clamps, as sampling does: black pixels then cost more in L_0
    than a network trained by this loss has learned to pay.)

    Returns:
        (B,) bits/dim. Source: DDPM, Eq. 5; L_vlb of Improved DDPM, Eq. 4 to 7.
    """
    return _bound_loss(replace(diffusion, clip=None), model, x_0, t, eps)


def hybrid_loss(diffusion: Diffusion, model: Model, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """L_hybrid = L_simple + 0.001 T L_t. The bound teaches the variance only: the mean is detached in it.

    The variance is taught beside the mean that sampling will use, so predicted x_0 are clamped in that part.
    T L_t estimates the sum over all t. The published code multiplies its term by T/1000, which is the same
    factor, 0.001 T.

    Returns:
        (B,). Source: Improved DDPM, Eq. 16.
    """
    x_t, C = q_sample(x_0, eps, diffusion.schedule.at(t)), x_0.shape[1]
    output = check_output(model(x_t, t), x_t)
    mean_detached = torch.cat([output[:, :C].detach(), output[:, C:]], dim=1)
    simple = simple_loss(diffusion, lambda x_t, t: output, x_0, t, eps)
    bound = _bound_loss(diffusion, lambda x_t, t: mean_detached, x_0, t, eps)
    return simple + 0.001 * diffusion.schedule.T * bound  # Eq. 16, Improved DDPM


def _bound_loss(diffusion: Diffusion, model: Model, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    diffusion = replace(diffusion, steps=None, timesteps=Even())  # all T steps are taught, however few are kept
    x_t = q_sample(x_0, eps, diffusion.schedule.at(t))
    return bound_term(diffusion, diffusion.predict(model, x_t, t), x_0, x_t, t, t - 1)


# --- the bound ------------------------------------------------------------------------------------------


def bound_term(diffusion: Diffusion, prediction: Prediction, x_0: Tensor, x_t: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """KL(q(x_s|x_t,x_0) || p(x_s|x_t)) where s > 0, and -log p(x_0|x_t) where s = 0.

    Args:
        prediction: what the network says about x_t.
        x_0, x_t: (B, C, H, W).
        t, s: (B,) int64, with s < t.

    Returns:
        (B,) bits/dim. Source: DDPM, Eq. 5.
    """
    alpha_bar_t, alpha_bar_s = diffusion.schedule.at(t), diffusion.schedule.at(s)
    q_mean, q_variance = q_posterior(x_0, x_t, alpha_bar_t, alpha_bar_s)
    p_mean, _ = q_posterior(prediction.x_0, x_t, alpha_bar_t, alpha_bar_s)
    p_log_variance = like(diffusion.p_log_variance(t, s, prediction.rho), x_t)
    decodes = (s == 0).reshape(-1, 1, 1, 1).to(x_t.device)
    q_log_variance = like(q_variance.clamp(min=1e-20).log(), x_t)  # 0 at s = 0, where it is not used
    nats = torch.where(
        decodes,
        -decoder_log_likelihood(x_0, p_mean, p_log_variance),
        normal_kl(q_mean, q_log_variance, p_mean, p_log_variance),
    )
    return bits_per_dim(nats)


def prior_term(diffusion: Diffusion, x_0: Tensor) -> Tensor:
    """L_T = KL(q(x_T|x_0) || N(0, I)): (B, C, H, W) -> (B,) bits/dim. No network can change it."""
    alpha_bar_T = diffusion.schedule.at(diffusion.schedule.T)
    log_variance, zero = like((1 - alpha_bar_T).log(), x_0), torch.zeros_like(x_0)
    return bits_per_dim(normal_kl(like(alpha_bar_T.sqrt(), x_0) * x_0, log_variance, zero, zero))


def bits_per_dim(nats: Tensor) -> Tensor:
    """(B, C, H, W) nats of each number -> (B,) bits/dim."""
    return nats.mean(dim=(1, 2, 3)) / math.log(2)


def normal_kl(mean_1: Tensor, log_variance_1: Tensor, mean_2: Tensor, log_variance_2: Tensor) -> Tensor:
    """KL(N_1 || N_2) of each number, in nats; shapes broadcast. Source: notebook 03."""
    ratio = log_variance_1 - log_variance_2
    return (ratio.exp() + (mean_1 - mean_2).square() * (-log_variance_2).exp() - 1 - ratio) / 2


def decoder_log_likelihood(x_0: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Log of the probability that N(mean, variance) gives to the grey level of each pixel, in nats.

    The 256 levels share the whole line, the first and the last without an end, so their probabilities sum to 1.

    Args:
        x_0: (B, C, H, W) of levels -1, -1 + 2/255, ..., 1.
        mean, log_variance: of that shape, or broadcast to it.

    Source: DDPM, Eq. 13.
    """
    sigma = (log_variance / 2).exp()
    z, half = (x_0 - mean) / sigma, HALF_BIN / sigma
    # Mirrored so that both ends lie to the left of the middle, where log_ndtr is exact however far out.
    upper, lower = log_ndtr(half - z.abs()), log_ndtr(-half - z.abs())
    inside = upper + torch.log(-torch.expm1(lower - upper))
    at_the_edge = log_ndtr(half - x_0.sign() * z)
    return torch.where(x_0.abs() > 1 - HALF_BIN, at_the_edge, inside)


def log_ndtr(z: Tensor) -> Tensor:
    """Log of the area under N(0, 1) to the left of z; on the CPU where the device can't (Apple's MPS)."""
    return torch.special.log_ndtr(z.cpu() if z.device.type == "mps" else z).to(z.device)


# --- which t to train on --------------------------------------------------------------------------------


class UniformTimes(nn.Module):
    """t ~ Uniform(1, ..., T), all weights 1. Source: DDPM, Algorithm 1."""

    def draw(self, T: int, n: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """n times (n,) int64 and their weights (n,), whose mean is 1."""
        return torch.randint(1, T + 1, (n,), device=device), torch.ones(n, device=device)

    def record(self, t: Tensor, losses: Tensor) -> None:
        """Nothing to learn from losses."""


class StratifiedTimes(UniformTimes):
    """Uniform too, but spread over a batch: one t in each of n equal parts of 1..T, so that batches are alike.

    Of several processes, each spreads its own share. Source: VDM (2107.00630), appendix I.1, with a random number of
    its own in each part.
    """

    def draw(self, T: int, n: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """n times (n,) int64, rising, and weights 1."""
        place = (torch.arange(n, device=device) + torch.rand(n, device=device)) / n  # in 0..1
        return (T * place).long().clamp(max=T - 1) + 1, torch.ones(n, device=device)


class ImportanceTimes(nn.Module):
    """t drawn where the loss is large: p_t proportional to the root of the mean square of its last 10 losses.

    Weights 1 / (T p_t) keep the mean of the loss. Of all p, this one gives that mean its smallest variance; for the
    gradient's variance it promises nothing. Meant for `vlb_loss`. Uniform until every t has 10 losses; after that,
    one draw in 1000 still is. Source: Improved DDPM, Eq. 18.

    Attributes:
        history: (T, 10) float64, the last losses of each t, unweighted.
        count: (T,) int64, how many losses each t has had.
    """

    history: Tensor
    count: Tensor

    def __init__(self, T: int) -> None:
        super().__init__()
        self.register_buffer("history", torch.zeros(T, 10, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(T, dtype=torch.int64))

    @property
    def probabilities(self) -> Tensor:
        """p_t for t in 1..T: (T,) float64 with sum 1."""
        T, memory = self.history.shape
        uniform = torch.full((T,), 1 / T, dtype=torch.float64)
        if bool((self.count < memory).any()):
            return uniform
        p = self.history.square().mean(dim=1).sqrt()  # Eq. 18, Improved DDPM
        if not bool(p.isfinite().all()):
            return uniform  # training has diverged; whoever runs it looks at the loss
        return 0.999 * p / p.sum() + 0.001 * uniform

    def draw(self, T: int, n: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """n times (n,) int64 and their weights (n,), whose mean is 1 over p.

        Raises:
            ValueError: T is not the length of this history.
        """
        if len(self.count) != T:
            raise ValueError(f"the history of losses is for T={len(self.count)}, but the schedule has T={T}")
        p = self.probabilities
        index = torch.multinomial(p, n, replacement=True)
        return (index + 1).to(device), (1 / (T * p[index])).float().to(device)

    def record(self, t: Tensor, losses: Tensor) -> None:
        """Note the unweighted losses (n,) of the times t (n,)."""
        for i, loss in zip((t - 1).tolist(), losses.tolist(), strict=True):
            self.history[i, self.count[i] % 10] = loss
            self.count[i] += 1


Times = UniformTimes | ImportanceTimes
