"""The course in fourteen formulas, each held against the package once more, at t = 300 of the linear schedule."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mini_ddpm import diffusion, guidance, losses, sampling, schedules
from mini_ddpm.course.tables import Table

T, t, s = 1000, 300, 299  # s is the step before t


class Formula(NamedTuple):
    """Where it was derived, how it reads, and two tensors: what the package computes, and what the formula gives."""

    notebook: str
    words: str
    package: Tensor
    written: Tensor


class Told:
    """Stands for a network that knows ten labels and "no label": any function of all three that is not linear."""

    classes = 10

    def __call__(self, x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """(B, C, H, W), (B,), (B,) -> (B, C, H, W)."""
        return torch.tanh(x_t + (y + t / 100).reshape(-1, 1, 1, 1))


def formulas() -> list[Formula]:
    """All fourteen, in the order of the course; float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    try:
        found = [*_to_noise(), *_the_bound(), *_sampling(), *_later()]
    finally:
        torch.set_default_dtype(before)
    return sorted(found, key=lambda one: one.notebook)


def table() -> Table:
    """The formulas, each with its number; refused if one differs from the package by 1e-7."""
    rows = []
    for k, one in enumerate(formulas(), 1):
        error = float((one.package - one.written).abs().max())
        assert error < 1e-7, f"{one.words}: off by {error:.1e}"
        rows.append((f"{k}", one.words, one.notebook))
    return Table(("", "formula", "derived in"), rows, "each agrees with the package to 1e-7; those with a t at t = 300")


def _images() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.rand(4, 1, 8, 8) * 2 - 1, torch.randn(4, 1, 8, 8)


def _process() -> tuple[schedules.NoiseSchedule, Tensor, Tensor, Tensor]:
    schedule = schedules.NoiseSchedule.from_betas(schedules.linear_betas(T))
    a_t, a_s = schedule.at(t), schedule.at(s)  # alpha_bar there
    return schedule, a_t, a_s, 1 - a_t / a_s


def _mean_from(noise: Tensor, x_t: Tensor) -> Tensor:
    _, a_t, _, beta = _process()
    return (x_t - beta / (1 - a_t).sqrt() * noise) / (1 - beta).sqrt()


def _to_noise() -> list[Formula]:
    (_, a_t, a_s, beta), (x_0, eps) = _process(), _images()
    x_t = a_t.sqrt() * x_0 + (1 - a_t).sqrt() * eps
    mean, variance = diffusion.q_posterior(x_0, x_t, a_t, a_s)
    product = torch.prod(1 - schedules.linear_betas(T)[:t])
    jump = diffusion.q_sample(x_0, eps, a_t)
    precision, from_noise = 1 / (1 - a_s) + (1 - beta) / beta, _mean_from(eps, x_t)
    return [
        Formula("01", "alpha_bar_t = (1 - beta_1) (1 - beta_2) ... (1 - beta_t)", a_t, product),
        Formula("01", "x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps", jump, x_t),
        Formula("04", "1 / beta_tilde_t = 1 / (1 - alpha_bar_(t-1)) + alpha_t / beta_t", 1 / variance, precision),
        Formula("04", "mu_tilde_t = (x_t - beta_t / sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_t)", mean, from_noise),
    ]


def _the_bound() -> list[Formula]:
    """The bound on the smallest case there is: p(z) = N(0, 1), p(x | z) = N(az, b), and any Gaussian q(z) = N(m, c)."""
    x, a, b, m, c = torch.tensor([1.3, 0.8, 0.5, 0.2, 0.3])
    zero, total = torch.zeros(()), a**2 + b  # the variance of x under p
    to_prior = losses.normal_kl(m, c.log(), zero, zero)
    log_p = -(x**2 / total + (2 * math.pi * total).log()) / 2
    decoded = -(((x - a * m) ** 2 + a**2 * c) / b + (2 * math.pi * b).log()) / 2
    gap = losses.normal_kl(m, c.log(), a * x / total, (b / total).log())

    (schedule, a_t, _, beta), (x_0, eps) = _process(), _images()
    guess = eps + 0.1 * torch.randn_like(eps)  # a network's, a little wrong
    process = diffusion.Diffusion(schedule, variance=diffusion.fixed_small, clip=None)
    x_t = diffusion.q_sample(x_0, eps, a_t)
    L = losses.vlb_loss(process, lambda x_t, when: guess, x_0, torch.full((4,), t), eps)
    weight = beta**2 / (2 * diffusion.posterior_variance(a_t, schedule.at(s)) * (1 - beta) * (1 - a_t))
    error = (weight * (eps - guess) ** 2).mean(dim=(1, 2, 3)) / math.log(2)
    v = a_t.sqrt() * eps - (1 - a_t).sqrt() * x_0
    return [
        Formula("02", "log p(x) = the bound + KL(q(z) || p(z | x))", decoded - to_prior + gap, log_p),
        Formula("03", "KL(N(m, c) || N(0, 1)) = (c + m^2 - 1 - log c) / 2", to_prior, (c + m**2 - 1 - c.log()) / 2),
        Formula("05", "L_(t-1) = beta_t^2 / (2 sigma_t^2 alpha_t (1 - alpha_bar_t)) |eps - eps_theta|^2", L, error),
        Formula(
            "05", "x_0 = sqrt(alpha_bar_t) x_t - sqrt(1 - alpha_bar_t) v", diffusion.predict_v.to_x_0(x_t, v, a_t), x_0
        ),
    ]


def _sampling() -> list[Formula]:
    (schedule, a_t, a_s, _), (x_0, eps) = _process(), _images()
    process = diffusion.Diffusion(schedule, variance=diffusion.fixed_small, clip=None)
    x_t, guess = diffusion.q_sample(x_0, eps, a_t), eps + 0.1 * torch.randn_like(eps)
    model = lambda x_t, when: guess  # noqa: E731
    torch.manual_seed(1)
    drawn = sampling.ancestral_step(process, model, x_t, t, s).x_t
    torch.manual_seed(1)
    sigma, z = diffusion.posterior_variance(a_t, a_s).sqrt(), torch.randn_like(x_t)
    x_0_hat = (x_t - (1 - a_t).sqrt() * guess) / a_t.sqrt()
    pointed = a_s.sqrt() * x_0_hat + (1 - a_s).sqrt() * guess
    ddim = sampling.ddim_step(process, model, x_t, t, s).x_t
    return [
        Formula("08", "x_(t-1) = mu_theta + sigma_t z", drawn, _mean_from(guess, x_t) + sigma * z),
        Formula("08", "x_s = sqrt(alpha_bar_s) xhat_0 + sqrt(1 - alpha_bar_s) eps_theta", ddim, pointed),
    ]


def _later() -> list[Formula]:
    cosine = schedules.NoiseSchedule.from_betas(schedules.cosine_betas(T, s=0))
    grey, one = torch.linspace(-1, 1, 256).reshape(256, 1, 1, 1), torch.ones(())
    chances = losses.decoder_log_likelihood(grey, 0.3 * one, -3 * one).exp()

    (schedule, a_t, a_s, _), (x_0, eps) = _process(), _images()
    x_t, y, when, told = diffusion.q_sample(x_0, eps, a_t), torch.arange(4), torch.full((4,), t), Told()
    free = guidance.classifier_free(told, y, 3.0)(x_t, when)
    without = told(x_t, when, torch.full((4,), told.classes))
    mixed = without + 3 * (told(x_t, when, y) - without)

    process = diffusion.Diffusion(schedule, variance=diffusion.fixed_small, clip=None)
    W, guess = torch.randn(64, 10), eps + 0.1 * torch.randn_like(eps)
    logits = lambda x, when: x.flatten(1) @ W  # noqa: E731
    torch.manual_seed(1)
    step = guidance.classifier_step(logits, y, scale=2.0)
    shifted = step(process, lambda x_t, when: guess, x_t, t, s).x_t
    torch.manual_seed(1)
    z, variance = torch.randn_like(x_t), diffusion.posterior_variance(a_t, a_s)
    mean = _mean_from(guess, x_t)
    g = (W[:, y].T - logits(mean, when).softmax(dim=1) @ W.T).reshape(x_t.shape)  # of log p(y | x), at the mean
    expected = mean + 2 * variance * g + variance.sqrt() * z
    return [
        Formula("10", "alpha_bar_(T/2) = 1/2, cosine schedule with s = 0", cosine.alpha_bar[T // 2], one / 2),
        Formula("11", "the 256 probabilities p(x_0 | x_1) of a pixel sum to 1", chances.sum(), one),
        Formula("12", "eps_theta(x_t, no label) + w (eps_theta(x_t, y) - eps_theta(x_t, no label))", free, mixed),
        Formula("12", "mu_theta + w sigma_t^2 grad log p(y | x), and the noise", shifted, expected),
    ]
