"""Guidance: follow a label more closely than the model alone would.

Two of these wrap a model, `(x_t, t) -> prediction`. `classifier_step` wraps the reverse step: it shifts the mean of
a Gaussian by an amount that depends on its variance. In all of them a larger scale means less variety.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from mini_ddpm.checks import check_labels, check_times
from mini_ddpm.contracts import Network, classes_of
from mini_ddpm.diffusion import Diffusion, Variance, like, q_posterior
from mini_ddpm.losses import Model
from mini_ddpm.sampling import Random, Step, StepFunction, times

LogClassifier = Callable[[Tensor, Tensor], Tensor]  # (x_t, t) -> logits (B, classes)


def _check(y: Tensor, scale: float, classes: int | None = None) -> None:
    check_labels(y, y.numel() if isinstance(y, Tensor) else 0, classes)
    if not math.isfinite(scale):
        raise ValueError(f"the scale of guidance must be a finite number, not {scale}")


def classifier_free(model: Network, y: Tensor, scale: float) -> Model:
    """Push each prediction away from what the network says without a label.

    `out = out_null + scale (out_y - out_null)`. Scale 1 is the conditional model, 0 the unconditional prediction;
    above 1, digits become clearer and less varied, and every step runs the network twice. The network must have been
    trained with `label_dropout`. Targets that are linear in eps at given x_t (eps, x_0, v) may all be mixed this
    way; variance channels stay the conditional model's.

    Args:
        y: (B,) int64 labels.

    Source: classifier-free guidance (2207.12598), Eq. 6, whose w is `scale - 1`.
    """
    _check(y, scale, classes_of(model))
    null = torch.full_like(y, model.classes)

    def guided(x_t: Tensor, t: Tensor) -> Tensor:
        if scale == 1:
            return model(x_t, t, y=y)
        check_times(t)
        both = model(torch.cat([x_t, x_t]), torch.cat([t, t]), y=torch.cat([y, null]))
        with_label, without = both.chunk(2)  # (B, C or 2 C, H, W) each
        C = x_t.shape[1]
        guidance = (scale - 1) * (with_label[:, :C] - without[:, :C])
        return torch.cat([with_label[:, :C] + guidance, with_label[:, C:]], dim=1)

    return guided


def classifier_gradient(classifier: LogClassifier, x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
    """Gradient of log p(y | x_t) with respect to x_t, (B, C, H, W), for labels y (B,); no weight gets a gradient."""
    with torch.enable_grad():
        x_t = x_t.detach().requires_grad_()
        log_p = F.log_softmax(classifier(x_t, t), dim=1)
        return torch.autograd.grad(log_p.gather(1, y[:, None]).sum(), x_t)[0]


def classifier_step(classifier: LogClassifier, y: Tensor, scale: float, at_mean: bool = True) -> StepFunction:
    """An ancestral step whose mean is shifted by `scale * variance * gradient` of log p(y | x).

    The derivation expands log p(y | x_s) around the mean, so the gradient belongs there, at time s. ADM's Algorithm 1
    and its published code take it at x_t, at time t: `at_mean=False`. In few steps a trained classifier leads better
    from there: the mean lacks noise that the classifier has always seen (notebook 12).

    Args:
        y: (B,) int64 labels.

    Source: ADM (2105.05233), Eq. 3 to 10 and Algorithm 1.
    """
    _check(y, scale)

    def guided(diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int, generator: Random = None) -> Step:
        x_0, rho = diffusion.predict(model, x_t, times(x_t, t))
        mean, _ = q_posterior(x_0, x_t, diffusion.schedule.at(t), diffusion.schedule.at(s))  # Eq. 7, DDPM
        sigma = like((diffusion.p_log_variance(t, s, rho) / 2).exp(), x_t)
        where, when = (mean, s) if at_mean else (x_t, t)
        g = classifier_gradient(classifier, where, times(x_t, when), y)
        mean = mean + scale * sigma**2 * g  # Eq. 10, ADM
        return Step(s, mean if s == 0 else mean + sigma * torch.randn_like(x_t, generator=generator), x_0)

    return guided


def classifier_guided(diffusion: Diffusion, model: Model, classifier: LogClassifier, y: Tensor, scale: float) -> Model:
    """Shift the predicted noise by `- scale sqrt(1 - alpha_bar_t) * gradient` of log p(y | x_t): for DDIM steps.

    A network may predict x_0 or v instead: targets are linear in (x_0, eps), so the target of the shifts is added.

    Args:
        y: (B,) int64 labels.

    Source: ADM, Eq. 14 and Algorithm 2; the scale is in its published code.
    """
    _check(y, scale)

    def guided(x_t: Tensor, t: Tensor) -> Tensor:
        out, alpha_bar_t = model(x_t, t), diffusion.schedule.at(t)
        g = classifier_gradient(classifier, x_t, t, y)
        eps_shift = -scale * like((1 - alpha_bar_t).sqrt(), g) * g  # Eq. 14, ADM
        x_0_shift = -like(((1 - alpha_bar_t) / alpha_bar_t).sqrt(), g) * eps_shift  # at the same x_t
        shift = diffusion.parameterization.target(x_0_shift, eps_shift, alpha_bar_t)
        C = x_t.shape[1]
        return torch.cat([out[:, :C] + shift, out[:, C:]], dim=1)

    return guided


def tempered(variance: Variance, temperature: float) -> Variance:
    """The same variance with noise `temperature` times as large: below 1, less variety. To compare guidance with."""
    return lambda *pair: variance(*pair) + 2 * math.log(temperature)
