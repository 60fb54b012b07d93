"""Notebook 12, the control of section 3: a guided step that takes the slope at a draw of the step, at time s."""

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
