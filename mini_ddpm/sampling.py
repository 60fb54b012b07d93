"""From noise to images: one reverse step, and one loop over steps.

A step maps (diffusion, model, x_t, t, s) to x_s, for any s < t, so fewer steps are another list of times
and another sampler is another function. Randomness is torch's global generator: `torch.manual_seed`
before `sample` repeats the same images on the same machine. A generator of your own, on the images' device, is
closed over: `partial(ancestral_step, generator=generator)`.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from mini_ddpm.checks import check_chain, check_images, check_mask, check_step, check_time
from mini_ddpm.contracts import Step as Step
from mini_ddpm.contracts import StepFunction as StepFunction
from mini_ddpm.diffusion import Diffusion, eps_from_x_0, like, posterior_variance, q_posterior, q_sample
from mini_ddpm.losses import Model

Random = torch.Generator | None  # None for torch's global generator


def ancestral_step(diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int, generator: Random = None) -> Step:
    """Draw x_s ~ p(x_s | x_t): the posterior at the predicted x_0, with the chosen variance.

    No noise is added at s = 0. Source: DDPM, Algorithm 2, for any s < t.
    """
    x_0, rho = diffusion.predict(model, x_t, times(x_t, t))
    mean, _ = q_posterior(x_0, x_t, diffusion.schedule.at(t), diffusion.schedule.at(s))  # Eq. 7, DDPM
    if s == 0:
        return Step(s, mean, x_0)
    sigma = (diffusion.p_log_variance(t, s, rho) / 2).exp()
    return Step(s, mean + like(sigma, x_t) * torch.randn_like(x_t, generator=generator), x_0)


def ddim_step(
    diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int, eta: float = 0.0, generator: Random = None
) -> Step:
    """Point x_t towards the predicted x_0, with a share `eta` of the ancestral noise.

    eta = 0 draws no noise; eta = 1 is the ancestral step with variance beta_tilde.
    Source: DDIM (2010.02502), Eq. 12 and 16.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be between 0 and 1, not {eta}")
    alpha_bar_t, alpha_bar_s = diffusion.schedule.at(t), diffusion.schedule.at(s)
    x_0, _ = diffusion.predict(model, x_t, times(x_t, t))
    eps = eps_from_x_0(x_t, x_0, alpha_bar_t)
    variance = eta**2 * posterior_variance(alpha_bar_t, alpha_bar_s)  # Eq. 16, DDIM
    direction = like((1 - alpha_bar_s - variance).sqrt(), x_t) * eps
    mean = like(alpha_bar_s.sqrt(), x_t) * x_0 + direction  # Eq. 12, DDIM
    if eta == 0:
        return Step(s, mean, x_0)
    return Step(s, mean + like(variance.sqrt(), x_t) * torch.randn_like(x_t, generator=generator), x_0)


class DPMSolver:
    """A step that points x_t towards an x_0 read ahead, on the line through this prediction and the one before it.

    DDIM takes x_0 for constant from t to s. Here it is a line in lambda, half the log-SNR, and a step still costs one
    call. The first step is DDIM's, and so is the last, where lambda has no end. It remembers its last prediction, and
    goes on from the x_t that it returned; from any other, as in inpainting, it begins anew.

    Source: DPM-Solver++(2M) (2211.01095), Algorithm 2.
    """

    def __init__(self) -> None:
        self.last: tuple[Tensor, Tensor, Tensor] | None = None  # x_s, the step in lambda, and x_0 of the step before

    def __call__(self, diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int) -> Step:
        alpha_bar_t, alpha_bar_s = diffusion.schedule.at(t), diffusion.schedule.at(s)
        x_0, _ = diffusion.predict(model, x_t, times(x_t, t))
        h, ahead = (alpha_bar_s.logit() - alpha_bar_t.logit()) / 2, x_0
        if self.last is not None and self.last[0] is x_t and s > 0:
            _, h_before, x_0_before = self.last
            ahead = x_0 + like(h / (2 * h_before), x_0) * (x_0 - x_0_before)  # D_i, Algorithm 2
        eps = eps_from_x_0(x_t, ahead, alpha_bar_t)
        x_s = like(alpha_bar_s.sqrt(), x_t) * ahead + like((1 - alpha_bar_s).sqrt(), x_t) * eps  # Eq. 12, DDIM
        self.last = x_s, h, x_0
        return Step(s, x_s, x_0)


def sample(
    step: StepFunction, diffusion: Diffusion, model: Model, x_T: Tensor, timesteps: list[int] | None = None
) -> Iterator[Step]:
    """Walk the chain of `diffusion.timesteps`, or other falling times, from x_T (B, C, H, W) to x_0: every step.

    The last `x_t` (at t = 0) is the sample. Source: DDPM, Algorithm 2.
    """
    x_t, chain = x_T, diffusion.timesteps if timesteps is None else timesteps
    check_chain(chain)
    for t, s in pairwise(chain):
        with torch.no_grad():
            state = check_step(step(diffusion, model, x_t, t, s), s)
        x_t = state.x_t
        yield state


def sample_from(
    step: StepFunction, diffusion: Diffusion, model: Model, x_0: Tensor, t: int, generator: Random = None
) -> Iterator[Step]:
    """Noise images x_0 (B, C, H, W) to time t in 1..T, then `sample` from there, along the chain's times below t.

    At t = T nothing of x_0 is left; the smaller t, the closer to x_0. Source: SDEdit (2108.01073), Algorithm 1.
    """
    check_images(x_0, tuple(x_0.shape[1:]))
    check_time(t, diffusion.schedule.T)
    x_t = q_sample(x_0, torch.randn_like(x_0, generator=generator), diffusion.schedule.at(t))
    return sample(step, diffusion, model, x_t, [t, *(s for s in diffusion.timesteps if s < t)])


def inpaint(
    step: StepFunction, diffusion: Diffusion, model: Model, x_0: Tensor, mask: Tensor, generator: Random = None
) -> Iterator[Step]:
    """Draw images x_0 (B, C, H, W) anew where `mask` is 1, and keep them where it is 0.

    After each step the kept part, noised to the step's time, is put back. What is drawn knows it only through that
    noise, so the two fit approximately: of two Gaussian pixels of correlation 0.9, the one drawn follows the other by
    2/3 of what it should (ancestral; DDIM 1/2). RePaint mends this by going back and forth in time, this does not.

    Args:
        mask: 0s and 1s of any type, (H, W) or whatever broadcasts to x_0.

    Source: RePaint (2201.09865), Eq. 8, whose m is 1 - mask.
    """
    check_images(x_0, tuple(x_0.shape[1:]))
    anew = check_mask(mask, x_0)

    def repaint(diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int) -> Step:
        state = step(diffusion, model, x_t, t, s)
        kept = q_sample(x_0, torch.randn_like(x_0, generator=generator), diffusion.schedule.at(s))  # x_0 at s = 0
        return state._replace(x_t=torch.where(anew, state.x_t, kept))  # Eq. 8, RePaint

    return sample(repaint, diffusion, model, torch.randn_like(x_0, generator=generator))


def times(x: Tensor, t: int) -> Tensor:
    """The same time for every image of a batch: (B,) int64 on its device."""
    return torch.full((len(x),), t, device=x.device)
