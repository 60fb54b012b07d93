"""Ways to break a diffusion model by one line, and for each a measurement that finds it.

with FAULTS["v read as eps"].planted():
    ...                             # the whole package runs with that one line changed
"""

import inspect
import math
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mini_ddpm import data, diffusion, guidance, sampling, schedules, training
from mini_ddpm.course import patients
from mini_ddpm.diffusion import Diffusion
from mini_ddpm.schedules import NoiseSchedule


class Fault(NamedTuple):
    """One changed line, and what tells.

    Attributes:
        function: the function of the package that holds the line.
        right, wrong: a piece of the line, and what the fault makes of it.
        measure: a number that depends on the line; its argument is a seed.
        healthy: whether that number is one of a healthy package.
        trains: whether the fault is at work in training; otherwise in sampling alone.
    """

    function: Callable
    right: str
    wrong: str
    measure: Callable[[int], float]
    healthy: Callable[[float], bool]
    trains: bool = False

    @property
    def diff(self) -> str:
        """The line before and after."""
        line = next(line.strip() for line in inspect.getsource(self.function).splitlines() if self.right in line)
        place = f"{self.function.__module__}.{self.function.__qualname__}"
        return f"{place}\n  - {line}\n  + {line.replace(self.right, self.wrong)}"

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Run the package with this fault: the function gets the code of its changed source."""
        source = textwrap.dedent(inspect.getsource(self.function))
        if source.count(self.right) != 1:
            raise ValueError(f"{self.right!r} must occur once in {self.function.__qualname__}")
        source = source.removeprefix("@classmethod\n").replace(self.right, self.wrong)
        made: dict[str, Callable] = {}
        exec(source, self.function.__globals__, made)
        before = self.function.__code__
        self.function.__code__ = made[self.function.__name__].__code__
        try:
            yield
        finally:
            self.function.__code__ = before


# --- measurements -----------------------------------------------------------------------------------------


def blank(x_t: Tensor, t: Tensor) -> Tensor:
    """A network that always answers 0, as a fresh one does."""
    return torch.zeros_like(x_t)


def darkest_pixel(seed: int) -> float:
    """The smallest number in a batch of digits."""
    x_0, _ = data.load("mnist-5k").batch(torch.arange(seed, seed + 32))
    return float(x_0.min())


def black_on_screen(seed: int) -> float:
    """The grey level, of 0 to 255, at which a digit's darkest pixel is shown that the model draws as -1."""
    torch.manual_seed(seed)
    return float(data.to_pixels(torch.randn(1, 1, 28, 28).clamp(-1, 1)).min())


def schedules_apart(seed: int) -> float:
    """Largest difference of alpha_bar_t between the process that trains and the one that draws, over all t."""
    return float((patients.for_training().schedule.alpha_bar - patients.for_sampling().schedule.alpha_bar).abs().max())


def error_of_a_perfect_network(seed: int) -> float:
    """Largest error of x_0 as the sampler reads it out of the very target that the network is trained on."""
    torch.manual_seed(seed)
    x_0, eps = torch.randn(2, 1, 1, 28, 28)
    trains, draws = patients.for_training(), patients.for_sampling()
    alpha_bar_t = trains.schedule.at(500 + seed)
    x_t = alpha_bar_t.sqrt() * x_0 + (1 - alpha_bar_t).sqrt() * eps
    target = trains.parameterization.target(x_0, eps, alpha_bar_t)
    return float((draws.parameterization.to_x_0(x_t, target, alpha_bar_t) - x_0).abs().max())


def chance_in_the_last_step(seed: int) -> float:
    """Spread of the difference of two tries of the last step, over the root of 2: the noise that is left."""
    torch.manual_seed(seed)
    draws, x_t = patients.for_sampling(), torch.randn(10, 1, 28, 28)
    first, second = (sampling.ancestral_step(draws, blank, x_t, 50, 0).x_t for _ in range(2))
    return float((first - second).std() / 2**0.5)


def time_it_hears(process: Diffusion, t: int, s: int) -> int:
    """The time that the network is told in the step from t to s."""
    seen: list[int] = []

    def model(x_t: Tensor, t: Tensor) -> Tensor:
        seen.append(int(t))
        return x_t

    sampling.ancestral_step(process, model, torch.zeros(1, 1, 8, 8), t, s)
    return seen[0]


def time_told_over_time(seed: int) -> float:
    """The t that the network is told over the t it is at, in the chain of 20 steps."""
    t = 500 + 50 * seed
    return time_it_hears(patients.for_sampling(), t, t - 50) / t


def time_told_less_time(seed: int) -> float:
    """How far the t that the network is told is from the t it is at, in the chain of all 1,000."""
    t = 400 + seed
    return time_it_hears(patients.for_training(), t, t - 1) - t


def share_of_the_first_weights(seed: int) -> float:
    """How much of the average is still the first, random weights at the end of training."""
    config = patients.recipe(patients.STEPS, seed)
    return math.prod(config.ema_decay_at(step) for step in range(1, config.steps + 1))


def middle_of_the_noise(seed: int) -> float:
    """Mean over deviation of what a step adds, as it goes from 0 and a network answers 0."""
    torch.manual_seed(seed)
    x_t = torch.zeros(10, 1, 28, 28)
    added = sampling.ancestral_step(patients.for_sampling(), blank, x_t, 500, 450).x_t
    return float(added.mean() / added.std())


def start_off_the_normal(seed: int) -> float:
    """How far the noise that sampling begins with is from mean 0 and deviation 1: the larger of the two gaps."""
    torch.manual_seed(seed)
    x_T = patients.start(10)
    return max(abs(float(x_T.mean())), abs(float(x_T.std()) - 1))


class _Echo(nn.Module):
    """A network that answers 1 where it is told a label, and 0 where it is not."""

    classes = 10

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return torch.ones_like(x_t) * (y < self.classes).reshape(-1, 1, 1, 1)


def push_to_the_label(seed: int) -> float:
    """What guidance of scale 3 makes of the answers 1 with a label and 0 without."""
    model = guidance.classifier_free(_Echo(), torch.tensor([seed]), 3.0)
    return float(model(torch.zeros(1, 1, 1, 1), torch.tensor([50])))


def error_of_the_first_entry(seed: int) -> float:
    """Relative error of 1 - alpha_bar_1, which is beta_1, in a schedule of 1,000 steps (plus the seed)."""
    betas = schedules.cosine_betas(patients.T + seed)
    return abs(float((1 - NoiseSchedule.from_betas(betas).alpha_bar[1]) / betas[0]) - 1)


def largest_guess(seed: int) -> float:
    """The largest pixel of all guesses of x_0 on one walk, where a network answers 0."""
    torch.manual_seed(seed)
    x_T = torch.randn(4, 1, 28, 28)
    walk = sampling.sample(sampling.ancestral_step, patients.for_sampling(), blank, x_T)
    return max(float(state.x_0.abs().max()) for state in walk)


FAULTS = {
    "data in [0, 1]": Fault(
        data.to_model, "/ 127.5 - 1", "/ 255", darkest_pixel, lambda smallest: smallest == -1, trains=True
    ),
    "shown on the wrong scale": Fault(
        data.to_pixels, "x.clamp(-1, 1)", "((x.clamp(-1, 1) + 1) / 2)", black_on_screen, lambda grey: grey == 0
    ),
    "another schedule": Fault(
        patients.for_sampling, "cosine_betas", "linear_betas", schedules_apart, lambda gap: gap == 0
    ),
    "v read as eps": Fault(
        patients.for_sampling, "predict_v", "predict_eps", error_of_a_perfect_network, lambda error: error < 1e-4
    ),
    "noise in the last step": Fault(
        sampling.ancestral_step, "if s == 0:", "if s < 0:", chance_in_the_last_step, lambda gap: gap == 0
    ),
    "rand for randn": Fault(
        sampling.ancestral_step,
        "torch.randn_like(x_t",
        "torch.rand_like(x_t",
        middle_of_the_noise,
        lambda middle: abs(middle) < 0.1,
    ),
    "away from the label": Fault(
        guidance.classifier_free,
        "with_label, without = both",
        "without, with_label = both",
        push_to_the_label,
        lambda push: push == 3,
    ),
    "place for time": Fault(
        diffusion.Diffusion.predict,
        "model(x_t, t)",
        "model(x_t, t * (len(self.timesteps) - 1) // self.schedule.T)",
        time_told_over_time,
        lambda ratio: ratio > 0.9,
    ),
    "too long a memory": Fault(
        training.TrainConfig.ema_decay_at,
        "min(self.ema_decay, (1 + step) / (10 + step))",
        "0.9999",
        share_of_the_first_weights,
        lambda share: share < 0.01,
        trains=True,
    ),
    "clamp without effect": Fault(
        diffusion.Diffusion.predict,
        "x_0.clamp(-self.clip, self.clip)",
        "x_0",
        largest_guess,
        lambda largest: largest <= 1,
    ),
    "t off by one": Fault(
        diffusion.Diffusion.predict, "model(x_t, t)", "model(x_t, t - 1)", time_told_less_time, lambda shift: shift == 0
    ),
    "rand at the start": Fault(
        patients.start, "torch.randn", "torch.rand", start_off_the_normal, lambda gap: gap < 0.05
    ),
    "schedule in float32": Fault(
        schedules.NoiseSchedule.from_betas.__func__,  # type: ignore[attr-defined]
        "betas.double()",
        "betas.float()",
        error_of_the_first_entry,
        lambda error: error < 1e-9,
    ),
}
