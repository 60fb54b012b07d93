"""Notebook 12, controls of section 3: the slope at a draw of the step, or at the mean with the time of its noise."""

import torch
from torch import Tensor

from mini_ddpm.diffusion import Diffusion, like
from mini_ddpm.guidance import LogClassifier, classifier_step
from mini_ddpm.losses import Model
from mini_ddpm.sampling import Step, StepFunction


def step_at_a_draw(
    classifier: LogClassifier, y: Tensor, scale: float, beside: torch.Generator, fresh: bool = True
) -> StepFunction:
    """`classifier_step`, but the slope is taken at mean + sigma z, which has all the noise of time s.

    z is drawn from `beside`: the noise of the step itself is the same as without it. The last step draws nothing. The
    variance must be a fixed one.

    Args:
        fresh: whether z is another one in each step; if not, `beside` is set back to its seed before each.
    """

    def guided(diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int) -> Step:
        sigma = like((diffusion.p_log_variance(t, s) / 2).exp(), x_t) if s else 0.0
        if not fresh:
            beside.manual_seed(beside.initial_seed())
        z = torch.randn(x_t.shape, generator=beside).to(x_t)

        def there(mean: Tensor, when: Tensor) -> Tensor:
            return classifier(mean + sigma * z, when)

        return classifier_step(there, y, scale)(diffusion, model, x_t, t, s)

    return guided


def noise_in_the_mean(diffusion: Diffusion, t: int, s: int) -> float:
    """The variance of the noise in the mean of a step from t to s, as a share of that in x_s.

    For a right guess of the image: what is in x_s less what the step draws.
    """
    drawn = diffusion.p_log_variance(t, s).exp()
    return float(1 - drawn / (1 - diffusion.schedule.at(s)))


def time_of_the_mean(diffusion: Diffusion, t: int, s: int) -> int:
    """The time whose signal-to-noise ratio the mean of a step from t to s has, for a right guess of the image."""
    signal = diffusion.schedule.at(s)
    ratio = signal / (noise_in_the_mean(diffusion, t, s) * (1 - signal))
    return 1 + int((diffusion.schedule.snr[1:] / ratio).log().abs().argmin())


def step_at_matching_time(classifier: LogClassifier, y: Tensor, scale: float) -> StepFunction:
    """`classifier_step`, but the classifier is told the time of the noise in the mean, and sees the mean scaled to it.

    Not so in the first step, whose mean has next to no noise, nor in the last, which is told 0 as ever.
    """

    def guided(diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int) -> Step:
        k = time_of_the_mean(diffusion, t, s) if s and t < diffusion.schedule.T else s
        scaled = float((diffusion.schedule.at(k) / diffusion.schedule.at(s)).sqrt())

        def there(mean: Tensor, when: Tensor) -> Tensor:
            return classifier(scaled * mean, torch.full_like(when, k))

        return classifier_step(there, y, scale)(diffusion, model, x_t, t, s)

    return guided
