"""Small networks, trained on digits from several seeds: what a change of the network is worth, and how sure that is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mini_ddpm.course.p07 import mean_loss
from mini_ddpm.data import load, to_model
from mini_ddpm.diffusion import Diffusion, q_sample
from mini_ddpm.losses import simple_loss
from mini_ddpm.measure import loss_per_t
from mini_ddpm.schedules import NoiseSchedule, linear_betas
from mini_ddpm.training import TrainConfig, TrainState, place, train

PROCESS = Diffusion(NoiseSchedule.from_betas(linear_betas(1000)))
TIMES = [10, 50, 100, 200, 300, 500, 700, 1000]
ROUNDS = 10  # each image is played so often for the loss over all t


def noisy(images: Tensor, schedule: NoiseSchedule, t: int) -> Tensor:
    """x_t (B, 1, H, W) of images in uint8, at one time."""
    x_0 = to_model(images)
    return q_sample(x_0, torch.randn_like(x_0), schedule.at(t))


@dataclass
class Runs:
    """Runs of one network from several seeds.

    Attributes:
        losses: of training, (seeds, steps).
        held_out: L_simple on digits that it was not trained on, all t alike, (seeds,).
        at_times: the loss on these at each of TIMES, (seeds, len(TIMES)).
        untrained: the same, before any training.
        readable: the share of the numbers of x_500 that `readable` finds in the middle, one for each seed.
        at_first: the same, before any training.
        weights: how many a network has.
    """

    losses: np.ndarray
    held_out: np.ndarray
    at_times: np.ndarray
    untrained: np.ndarray
    readable: np.ndarray
    at_first: np.ndarray
    weights: int


def spread(numbers: np.ndarray, digits: int = 3) -> str:
    """The mean of all seeds, and from least to most."""
    mean, least, most = (f"{number:.{digits}f}" for number in (numbers.mean(), numbers.min(), numbers.max()))
    return f"{mean} ({least} to {most})"


def learn(
    make: Callable[[], nn.Module], steps: int, n: int, seeds: Sequence[int] = (0, 1, 2), learning_rate: float = 2e-3
) -> Runs:
    """Train what `make` makes to guess the noise in digits, once for each seed, and test it on n others.

    The same seed draws the same batches and the same noise for every network.
    """
    digits, others = load("mnist-5k", "train"), load("mnist-5k", "test")
    x_0, y = to_model(others.images[:n]), others.labels[:n]
    config = TrainConfig(steps, batch_size=32, learning_rate=learning_rate, warmup_steps=20)

    def in_the_middle(network: nn.Module) -> float:
        return readable(network, noisy(others.images[:n], PROCESS.schedule, 500), torch.full((n,), 500), y)

    def per_t(network: nn.Module) -> np.ndarray:
        torch.manual_seed(0)
        with torch.no_grad():
            return loss_per_t(simple_loss, PROCESS, partial(network, y=y), x_0, TIMES).numpy()

    losses, held_out, at_times, untrained, found, at_first = [], [], [], [], [], []
    for seed in seeds:
        torch.manual_seed(seed)
        state = TrainState(place(make(), torch.device("cpu")), config)
        at_first.append(in_the_middle(state.model))
        untrained.append(per_t(state.model))
        torch.manual_seed(seed)
        losses.append([float(step.loss) for step in train(PROCESS, state, digits, simple_loss, config)])
        network = state.model.eval()
        at_times.append(per_t(network))
        held_out.append(mean_loss(PROCESS, partial(network, y=y.repeat(ROUNDS)), x_0, ROUNDS))
        found.append(in_the_middle(network))
    weights = sum(weight.numel() for weight in network.parameters())
    return Runs(
        losses=np.array(losses),
        held_out=np.array(held_out),
        at_times=np.array(at_times),
        untrained=np.array(untrained),
        readable=np.array(found),
        at_first=np.array(at_first),
        weights=weights,
    )


def readable(network: nn.Module, x_t: Tensor, t: Tensor, y: Tensor) -> float:
    """The share of the variance of x_t that the best linear map finds in the middle of a network.

    One place of the middle stands for a block of 4x4 pixels. The map is fitted to three quarters of the images and
    measured on the others.
    """
    outputs: list[Tensor] = []
    hook = network.get_submodule("middle_2").register_forward_hook(
        lambda module, inputs, output: outputs.append(output)
    )
    with torch.no_grad():
        network(x_t, t, y)
    hook.remove()
    seen = F.pad(outputs[0].permute(0, 2, 3, 1).flatten(0, 2).double(), (0, 1), value=1.0)  # (B 7 7, channels + 1)
    asked = F.pixel_unshuffle(x_t, 4).permute(0, 2, 3, 1).flatten(0, 2).double()  # (B 7 7, 16)
    fitted = len(seen) * 3 // 4
    weights = torch.linalg.lstsq(seen[:fitted], asked[:fitted]).solution
    error = (seen[fitted:] @ weights - asked[fitted:]).square().mean()
    return float(1 - error / asked[fitted:].var())
