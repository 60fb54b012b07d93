"""Ten ways to break the package by one line, and for each a measurement that finds it.

with FAULTS["clamp without effect"].planted():
    ...                             # the whole package runs with that one line changed
"""

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mini_ddpm import data, diffusion, losses, sampling, schedules, training, unet
from mini_ddpm.course.toys import PointNet, Points
from mini_ddpm.diffusion import Diffusion, fixed_small
from mini_ddpm.measure.likelihood import loss_per_t
from mini_ddpm.schedules import NoiseSchedule, linear_betas
from mini_ddpm.training import TrainConfig, TrainState

PROCESS = Diffusion(NoiseSchedule.from_betas(linear_betas(100)), variance=fixed_small)


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
    trains: bool

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


def variance_of_x_t(seed: int) -> float:
    """Variance of x_t for data of variance 1, half signal and half noise."""
    torch.manual_seed(seed)
    x_0, eps = torch.randn(2, 100, 1, 28, 28)
    return float(diffusion.q_sample(x_0, eps, torch.tensor(0.5, dtype=torch.float64)).var())


def chance_in_the_last_step(seed: int) -> float:
    """Largest difference between two tries of the step from t = 1 to 0."""
    torch.manual_seed(seed)
    x_1 = torch.randn(1, 1, 28, 28)
    first, second = (sampling.ancestral_step(PROCESS, blank, x_1, 1, 0).x_t for _ in range(2))
    return float((first - second).abs().max())


def first_time(seed: int) -> float:
    """The smallest t that the network meets in one step of training with 2,000 examples."""
    torch.manual_seed(seed)
    network, seen = PointNet(1), []
    network.register_forward_pre_hook(lambda module, inputs: seen.append(int(inputs[1].min())))
    config = TrainConfig(steps=1, batch_size=2000)
    points: Any = Points(torch.randn(10, 1, 1, 1))
    for _ in training.train(PROCESS, TrainState(network, config), points, losses.simple_loss, config):
        pass
    return min(seen)


def time_told_in_sampling(seed: int) -> float:
    """How far the t that the sampler tells the network is from the t it is at."""
    told: list[int] = []

    def model(x_t: Tensor, t: Tensor) -> Tensor:
        told.append(int(t))
        return x_t

    sampling.ancestral_step(PROCESS, model, torch.zeros(1, 1, 8, 8), 40 + seed, 30)
    return told[0] - (40 + seed)


def memory_of_the_average(seed: int) -> float:
    """Largest difference between the weights and their moving average after 20 steps of training."""
    torch.manual_seed(seed)
    config = TrainConfig(steps=20, batch_size=64, learning_rate=1e-2, warmup_steps=1)
    state = TrainState(PointNet(1), config)
    points: Any = Points(torch.randn(100, 1, 1, 1))
    for _ in training.train(PROCESS, state, points, losses.simple_loss, config):
        pass
    pairs = zip(state.model.parameters(), state.ema.parameters(), strict=True)
    return max(float((weight.detach() - average).abs().max()) for weight, average in pairs)


def error_of_the_first_entry(seed: int) -> float:
    """Relative error of 1 - alpha_bar_1, which is beta_1, in a schedule of 1000 steps (plus the seed)."""
    betas = schedules.linear_betas(1000 + seed)
    return abs(float((1 - NoiseSchedule.from_betas(betas).alpha_bar[1]) / betas[0]) - 1)


def largest_guess(seed: int) -> float:
    """The largest pixel of all guesses of x_0 on one walk."""
    torch.manual_seed(seed)
    walk = sampling.sample(sampling.ancestral_step, PROCESS, blank, torch.randn(4, 1, 28, 28))
    return max(float(state.x_0.abs().max()) for state in walk)


def reaction_to_t(seed: int) -> float:
    """Largest change of a network's answer between t = 1 and t = 90, with random weights."""
    torch.manual_seed(seed)
    network = unet.UNet(unet.UNetConfig(8, 1, 8, (1,), blocks=1, attention=(), groups=4))
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    x = torch.randn(1, 1, 8, 8)
    with torch.no_grad():
        return float((network(x, torch.tensor([1])) - network(x, torch.tensor([90]))).abs().max())


def loss_early_to_late(seed: int) -> float:
    """Loss at t = 1 over loss at t = T of a network that always answers 0: the weight of t, if there is one."""
    torch.manual_seed(seed)
    early, late = loss_per_t(losses.simple_loss, PROCESS, blank, torch.randn(100, 1, 8, 8), [1, PROCESS.schedule.T])
    return float(early / late)


FAULTS = {
    "data in [0, 1]": Fault(
        data.to_model, "/ 127.5 - 1", "/ 255", darkest_pixel, lambda smallest: smallest == -1, trains=True
    ),
    "variance for deviation": Fault(
        diffusion.q_sample,
        "(1 - alpha_bar_t).sqrt()",
        "(1 - alpha_bar_t)",
        variance_of_x_t,
        lambda variance: abs(variance - 1) < 0.05,
        trains=True,
    ),
    "noise in the last step": Fault(
        sampling.ancestral_step, "if s == 0:", "if s < 0:", chance_in_the_last_step, lambda gap: gap == 0, trains=False
    ),
    "t = 1 skipped": Fault(
        losses.UniformTimes.draw,
        "randint(1, T + 1,",
        "randint(2, T + 1,",
        first_time,
        lambda smallest: smallest == 1,
        trains=True,
    ),
    "t off by one": Fault(
        diffusion.Diffusion.predict,
        "model(x_t, t)",
        "model(x_t, t - 1)",
        time_told_in_sampling,
        lambda shift: shift == 0,
        trains=False,
    ),
    "no average": Fault(
        training.train,
        "1 - config.ema_decay_at(state.step)",
        "1.0",
        memory_of_the_average,
        lambda difference: difference > 0,
        trains=True,
    ),
    "schedule in float32": Fault(
        schedules.NoiseSchedule.from_betas.__func__,  # type: ignore[attr-defined]
        "betas.double()",
        "betas.float()",
        error_of_the_first_entry,
        lambda error: error < 1e-9,
        trains=False,
    ),
    "clamp without effect": Fault(
        diffusion.Diffusion.predict,
        "x_0.clamp(-self.clip, self.clip)",
        "x_0",
        largest_guess,
        lambda largest: largest <= 1,
        trains=False,
    ),
    "t ignored": Fault(
        unet.UNet.forward,
        "self.embed(t, y)",
        "self.embed(0 * t, y)",
        reaction_to_t,
        lambda change: change > 0,
        trains=True,
    ),
    "wrong weight": Fault(
        losses.simple_loss,
        ".square().mean(dim=(1, 2, 3))",
        ".square().mean(dim=(1, 2, 3)) * diffusion.schedule.snr[t]",
        loss_early_to_late,
        lambda ratio: 0.9 < ratio < 1.1,
        trains=True,
    ),
}
