"""What a network's predictions cost: its loss at each t, and the bound on the likelihood, term by term."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from tqdm.auto import tqdm

from mini_ddpm.checks import finite
from mini_ddpm.data import to_model
from mini_ddpm.diffusion import Diffusion, eps_from_x_0, q_sample
from mini_ddpm.losses import Loss, Model, bound_term, prior_term


@torch.no_grad()
def loss_per_t(loss_fn: Loss, diffusion: Diffusion, model: Model, x_0: Tensor, times: Iterable[int]) -> Tensor:
    """Mean loss over images x_0 (N, C, H, W) at each of `times` in 1..T, with the same noise: (len(times),)."""
    if not x_0.is_floating_point():
        raise ValueError(f"images must be floats in [-1, 1], not {x_0.dtype}: data.to_model makes them")
    eps = torch.randn_like(x_0)
    everywhere = (torch.full((len(x_0),), t, device=x_0.device) for t in times)
    return torch.stack([loss_fn(diffusion, model, x_0, t, eps).mean() for t in everywhere])


# --- the bound ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bound:
    """The variational bound on -log p(x_0), split along a chain of n steps. One row an image.

    Attributes:
        times: the n times t of the chain, falling from T.
        prior: L_T, (B,) bits/dim.
        terms: (B, n) bits/dim, term k for the step from `times[k]`; the last is L_0.
        x_0_error, eps_error: (B, n) mean squared error of the predicted x_0 (in [-1, 1]) and noise.
    """

    times: list[int]
    prior: Tensor
    terms: Tensor
    x_0_error: Tensor
    eps_error: Tensor

    @property
    def bits_per_dim(self) -> Tensor:
        """(B,): what it costs to code each image."""
        return self.prior + self.terms.sum(dim=1)

    def progressive(self) -> tuple[Tensor, Tensor]:
        """Rate and distortion when decoding stops early, for the chain's times from T down, both (n,).

        The rate, in bits/dim, is what has been sent before `times[k]`; the distortion is the root mean square error of
        the x_0 predicted there, in grey levels of 0..255. Source: DDPM, Section 4.3.
        """
        sent = torch.cat([self.prior[:, None], self.terms[:, :-1]], dim=1).mean(dim=0).cumsum(dim=0)
        return sent, 127.5 * self.x_0_error.mean(dim=0).sqrt()


@torch.no_grad()
def bound(diffusion: Diffusion, model: Model, images: Tensor, bar: tqdm | None = None) -> Bound:
    """The bound of 8-bit images (B, C, H, W), along the chain of `diffusion.timesteps`, one draw of noise a term.

    Predicted x_0 are clamped as in sampling.

    Args:
        bar: moves on by as many as there are images at each step; without, there is a bar of its own.

    Raises:
        ValueError: the images are not uint8 (the decoder of L_0 knows 256 levels and nothing between), or a term is no
            finite number.
    """
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError(f"bits/dim are defined for 8-bit images: give uint8, not {images.dtype}, and (B, C, H, W)")
    x_0, rows, steps = to_model(images), [], list(pairwise(diffusion.timesteps))
    for t, s in tqdm(steps, unit="step", desc="bound", leave=False) if bar is None else steps:
        eps = torch.randn_like(x_0)
        everywhere = torch.full((len(x_0),), t, device=x_0.device)
        x_t = q_sample(x_0, eps, diffusion.schedule.at(t))
        prediction = diffusion.predict(model, x_t, everywhere)
        term = bound_term(diffusion, prediction, x_0, x_t, everywhere, torch.full_like(everywhere, s))
        predicted_eps = eps_from_x_0(x_t, prediction.x_0, diffusion.schedule.at(t))
        errors = [(prediction.x_0 - x_0).square(), (predicted_eps - eps).square()]
        rows.append(torch.stack([term, *(error.mean(dim=(1, 2, 3)) for error in errors)]))
        if bar is not None:
            bar.update(len(images))
    found = finite(torch.stack(rows, dim=-1).cpu(), "the bound, from what the network predicts")
    terms, x_0_error, eps_error = found  # (3, B, n)
    return Bound(diffusion.timesteps[:-1], prior_term(diffusion, x_0).cpu(), terms, x_0_error, eps_error)
