"""The share f by which a learned variance stands between its bounds: changed, at its best, and what it is worth."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from mini_ddpm.course.toys import Mixture
from mini_ddpm.diffusion import (
    Variance,
    learned_range,
    posterior_variance,
    q_posterior,
    q_sample,
    step_beta,
)
from mini_ddpm.losses import Loss, bound_term
from mini_ddpm.runs import Trained
from mini_ddpm.schedules import NoiseSchedule
from mini_ddpm.unet import UNet


def read_as(change: Callable[[Tensor], Tensor]) -> Variance:
    """The learned range with `change(f)` in the place of the network's f, (B, C, H, W) each."""

    def variance(alpha_bar_t: Tensor, alpha_bar_s: Tensor, floor: Tensor, rho: Tensor | None = None) -> Tensor:
        if rho is None:
            raise ValueError("a network with variance channels is needed")
        return learned_range(alpha_bar_t, alpha_bar_s, floor, 2 * change((rho + 1) / 2) - 1)

    return variance


def constant(f: float) -> Variance:
    """The same f in every pixel, at every time: 0 is beta-tilde, 1 is beta."""
    return read_as(lambda learned: torch.full_like(learned, f))


def best_share(mixture: Mixture, x_t: Tensor, schedule: NoiseSchedule, time: int) -> Tensor:
    """The f of the best variance of the step from `time` to the one before, over a rising grid of x_t (n,), float64.

    The best variance is beta-tilde plus that of x_0 given x_t, times the square of its weight in the posterior's
    mean; the variance of x_0 is read off the slope of its mean over x_t.
    """
    now, before = schedule.at(time), schedule.at(time - 1)
    mean = mixture.mean_x_0(x_t.reshape(-1, 1, 1, 1), now).flatten()
    (slope,) = torch.gradient(mean, spacing=(x_t,), edge_order=2)
    unknown = slope * (1 - now) / now.sqrt()
    weight = before.sqrt() * step_beta(now, before) / (1 - now)
    small, large = posterior_variance(now, before), step_beta(now, before)
    return (1 + weight**2 * unknown / small).log() / (large / small).log()


CONSTANTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0)


def compared_terms(
    run: Trained, x_0: Tensor, labels: Tensor, times: Sequence[int], seeds: Sequence[int]
) -> dict[str, Tensor]:
    """Terms L_t of the bound, bits/dim, for several variances and one mean: (times, seeds) for each name.

    "one number" is the best variance that is the same for all pixels of these images: beta-tilde plus the mean square
    of the distance of the means.
    """
    whole = replace(run.diffusion, steps=None)
    found: dict[str, Tensor] = {}
    for k, time in enumerate(times):
        t = torch.full((len(x_0),), time)
        now, before = whole.schedule.at(time), whole.schedule.at(time - 1)
        for j, seed in enumerate(seeds):
            torch.manual_seed(seed)
            x_t = q_sample(x_0, torch.randn_like(x_0), now)
            guess = whole.predict(partial(run.model, y=labels), x_t, t)
            means = (q_posterior(image, x_t, now, before)[0] for image in (x_0, guess.x_0))
            best = (posterior_variance(now, before) + (next(means) - next(means)).square().mean()).log()
            choices: dict[str, Variance] = {f"f = {f:g}": constant(f) for f in CONSTANTS}
            choices["one number"] = lambda *_, best=best: best
            choices["learned"] = learned_range
            choices["kept in [0, 1]"] = read_as(lambda f: f.clamp(0, 1))
            for name, variance in choices.items():
                term = bound_term(replace(whole, variance=variance), guess, x_0, x_t, t, t - 1).mean()
                found.setdefault(name, torch.zeros(len(times), len(seeds)))[k, j] = term
    return found


def read_between(times: Sequence[int], values: Tensor, last: int) -> Tensor:
    """Positive values (times, n) at every t from the first time to `last`, on straight lines of their logarithms."""
    every = torch.arange(times[0], last + 1).double().log()
    known, logs = torch.tensor(times).double().log(), values.double().log()
    right = torch.searchsorted(known, every).clamp(1, len(times) - 1)
    share = ((every - known[right - 1]) / (known[right] - known[right - 1]))[:, None]
    return ((1 - share) * logs[right - 1] + share * logs[right]).exp()


def summed(times: Sequence[int], terms: Tensor) -> Tensor:
    """The sum over all t from the first time to the last, (times, n) -> (n,)."""
    return read_between(times, terms, times[-1]).sum(dim=0)


def shares_at(run: Trained, x_0: Tensor, labels: Tensor, time: int) -> Tensor:
    """The network's f at `time`, one for each pixel of each image: (B, C, H, W)."""
    x_t = q_sample(x_0, torch.randn_like(x_0), run.diffusion.schedule.at(time))
    rho = run.diffusion.predict(partial(run.model, y=labels), x_t, torch.full((len(x_0),), time)).rho
    if rho is None:
        raise ValueError("a network with variance channels is needed")
    return (rho + 1) / 2


def squared_gradients(run: Trained, loss: Loss, x_0: Tensor, labels: Tensor, times: Sequence[int]) -> Tensor:
    """Squared size of the gradient by all weights, one image at a time: (times, images)."""
    network = UNet(run.config.unet)
    network.load_state_dict(run.model.state_dict())
    found = torch.zeros(len(times), len(x_0), dtype=torch.float64)
    for k, time in enumerate(times):
        torch.manual_seed(time)
        for j in range(len(x_0)):
            network.zero_grad()
            model, eps = partial(network, y=labels[j : j + 1]), torch.randn_like(x_0[:1])
            loss(run.diffusion, model, x_0[j : j + 1], torch.tensor([time]), eps).mean().backward()
            found[k, j] = sum(w.grad.double().square().sum() for w in network.parameters() if w.grad is not None)
    return found
