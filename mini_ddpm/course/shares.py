"""The share f by which a learned variance stands between its bounds: changed, at its best, and what it is worth."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from mini_ddpm.course.toys import Mixture
from mini_ddpm.diffusion import (
    Diffusion,
    Variance,
    learned_range,
    posterior_variance,
    q_posterior,
    q_sample,
    step_beta,
)
from mini_ddpm.losses import Loss, Model, bound_term
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


BLACK = -1 + 1 / 255  # a guessed pixel below it is nearest to the darkest grey level


def told(process: Diffusion, model: Model, share: Callable[[Tensor, Tensor], Tensor]) -> Model:
    """The network with an f of ours for its own: share(x_0, t) of the guessed x_0 (B, C, H, W) and the times (B,)."""

    def answer(x_t: Tensor, t: Tensor) -> Tensor:
        output = model(x_t, t)
        x_0, _ = process.predict(lambda *_: output, x_t, t)
        return torch.cat([output[:, : x_t.shape[1]], 2 * share(x_0, t) - 1], dim=1)

    return answer


class Errors(NamedTuple):
    """How far the means of steps are off, where the guess is black and elsewhere: (2,) or (times, 2) each, float64.

    Attributes:
        square: mean square of delta.
        part: share of the pixels.
        small, width: log beta-tilde, and how far above it log beta lies: (1,) or (times, 1).
    """

    square: Tensor
    part: Tensor
    small: Tensor
    width: Tensor

    def best(self) -> Tensor:
        """The f of the best variance that is one number in each part."""
        return (1 + self.square / self.small.exp()).log() / self.width

    def best_for_all(self) -> Tensor:
        """The f of the best variance that is one number for all pixels: () or (times,)."""
        square = (self.square * self.part).sum(dim=-1, keepdim=True)
        return ((1 + square / self.small.exp()).log() / self.width).squeeze(-1)


def errors(process: Diffusion, model: Model, x_0: Tensor, t: int, s: int) -> Errors:
    """Measure delta for one pair, on images x_0 (B, C, H, W)."""
    now, before = process.schedule.at(t), process.schedule.at(s)
    x_t = q_sample(x_0, torch.randn_like(x_0), now)
    guess = process.predict(model, x_t, torch.full((len(x_0),), t))
    means = (q_posterior(image, x_t, now, before)[0].double() for image in (x_0, guess.x_0))
    square, black = (next(means) - next(means)).square(), guess.x_0 < BLACK
    parts = torch.stack([black, ~black]).double().flatten(1)
    of_each = (parts * square.flatten()).sum(dim=1) / parts.sum(dim=1).clamp(min=1)
    small, large = posterior_variance(now, before).log(), step_beta(now, before).log()
    return Errors(of_each, parts.mean(dim=1), small.reshape(1), (large - small).reshape(1))


class ByGuess(NamedTuple):
    """An f where the guess is black, and one elsewhere: `constants` for all times, and `each` (times, 2)."""

    constants: list[float]
    each: Tensor


def chosen(run: Trained, x_0: Tensor, labels: Tensor, times: Sequence[int], seed: int = 3) -> ByGuess:
    """Both as the bound of these images has them best; constants on a grid, by the sum over all t."""
    whole, model = replace(run.diffusion, steps=None), partial(run.model, y=labels)
    torch.manual_seed(seed)
    every = [errors(whole, model, x_0, time, time - 1) for time in times]
    found = Errors(*(torch.stack(one) for one in zip(*every, strict=True)))
    f = torch.tensor(GRID, dtype=torch.float64)[:, None, None]
    u = (1 + found.square / found.small.exp()) * (-f * found.width).exp()
    cost = found.part * (u - 1 + f * found.width).clamp(min=1e-15)  # (grid, times, 2), twice the term, in nats
    best = summed(times, cost.transpose(0, 1).flatten(1)).reshape(-1, 2).argmin(dim=0)
    return ByGuess([GRID[k] for k in best.tolist()], found.best())


GRID = (0.0, 0.01, 0.02, 0.05, *(k / 10 for k in range(1, 16)))
CONSTANTS = (0.0, 0.2, 0.3, 0.4, 1.0)


def compared_terms(
    run: Trained, x_0: Tensor, labels: Tensor, times: Sequence[int], seeds: Sequence[int], by_guess: ByGuess
) -> dict[str, Tensor]:
    """Terms L_t of the bound, bits/dim, for several variances and one mean: (times, seeds) for each name.

    "one number" is the best variance that is the same for all pixels of these images: beta-tilde plus the mean square
    of the distance of the means; "one for a digit" has one for each image. What goes by the guess is to be chosen on
    other images.
    """
    whole = replace(run.diffusion, steps=None, variance=learned_range)
    found: dict[str, Tensor] = {}
    for k, time in enumerate(times):
        t = torch.full((len(x_0),), time)
        now, before = whole.schedule.at(time), whole.schedule.at(time - 1)
        for j, seed in enumerate(seeds):
            torch.manual_seed(seed)
            x_t = q_sample(x_0, torch.randn_like(x_0), now)
            guess = whole.predict(partial(run.model, y=labels), x_t, t)
            means = (q_posterior(image, x_t, now, before)[0] for image in (x_0, guess.x_0))
            square = (next(means) - next(means)).square()
            best, of_each = (
                (posterior_variance(now, before) + part).log()
                for part in (square.mean(), square.mean(dim=(1, 2, 3), keepdim=True))
            )
            choices: dict[str, Variance] = {f"f = {f:g}": constant(f) for f in CONSTANTS}
            choices["one number"] = lambda *_, best=best: best
            choices["one for a digit"] = lambda *_, best=of_each: best
            pairs = {"two constants": by_guess.constants, "two for each t": by_guess.each[k].tolist()}
            for name, (ground, elsewhere) in pairs.items():
                f = torch.where(guess.x_0 < BLACK, ground, elsewhere)
                choices[name] = read_as(partial(lambda f, _: f, f))
            choices["learned"] = learned_range
            choices["cut below 0"] = read_as(lambda f: f.clamp(min=0))
            choices["cut above 1"] = read_as(lambda f: f.clamp(max=1))
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
