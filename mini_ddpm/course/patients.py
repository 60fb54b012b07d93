"""What all patients of notebook 09 share: a small network, how it is trained, how it draws, how that is judged."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from mini_ddpm import data, diffusion, schedules
from mini_ddpm.data import ImageSet
from mini_ddpm.diffusion import Diffusion
from mini_ddpm.guidance import classifier_free
from mini_ddpm.losses import simple_loss
from mini_ddpm.measure.digits import Reference, judge_features
from mini_ddpm.measure.distances import frechet_distance
from mini_ddpm.measure.likelihood import loss_per_t
from mini_ddpm.sampling import Step, StepFunction, ancestral_step, sample
from mini_ddpm.schedules import NoiseSchedule
from mini_ddpm.training import TrainConfig, TrainState, autocast, place, train
from mini_ddpm.unet import UNet, UNetConfig

CPU = torch.device("cpu")
STEPS = 1600  # of training
T, CHAIN, GUIDANCE = 1000, 20, 3.0
TIMES = (1, 3, 10, 30, 100, 200, 400, 600, 800, 900, 970, 1000)  # at which the loss is measured
SHAPE = UNetConfig(28, 1, 16, (1, 2), blocks=1, attention=(), patch_size=2, groups=8, classes=10)
SHOWN = 2  # the seed whose networks draw on the page: by distance to real digits, the healthy one in the middle
BIN = 50  # steps of training to a point of the loss curve


def for_training() -> Diffusion:
    """The process that the network is trained on."""
    betas = schedules.cosine_betas(T)
    return Diffusion(NoiseSchedule.from_betas(betas), diffusion.predict_v, diffusion.fixed_small)


def for_sampling() -> Diffusion:
    """The process that draws: the same, on a chain of 20 steps."""
    betas = schedules.cosine_betas(T)
    return Diffusion(NoiseSchedule.from_betas(betas), diffusion.predict_v, diffusion.fixed_small, steps=CHAIN)


def recipe(steps: int, seed: int) -> TrainConfig:
    """How long, and how, a patient is trained."""
    return TrainConfig(
        steps, 32, 2e-3, (0.9, 0.99), warmup_steps=50, decay_from=0.0, ema_decay=0.998, label_dropout=0.1, seed=seed
    )


def trained(
    digits: ImageSet, steps: int, seed: int, watch: Callable[[TrainState], object] = lambda state: None
) -> tuple[TrainState, list[float]]:
    """A network after `steps` steps, and its loss: a mean over every 50 of them. `watch` sees it after each step."""
    torch.manual_seed(seed)
    config = recipe(steps, seed)
    state = TrainState(place(UNet(SHAPE), CPU), config)
    losses = []
    for step in train(for_training(), state, digits, simple_loss, config):
        losses.append(step.loss)
        watch(state)
    return state, [float(part.mean()) for part in torch.stack(losses).split(BIN)]


def start(n: int) -> Tensor:
    """Where sampling begins: (n, 1, 28, 28) of noise, x_T."""
    return torch.randn(n, 1, 28, 28)


@torch.no_grad()
def walk(network: UNet, labels: Tensor, step: StepFunction = ancestral_step) -> list[Step]:
    """Every step of digits with these labels (B,), from noise of torch's global generator."""
    with autocast(CPU):
        model = classifier_free(network, labels, GUIDANCE)
        return list(sample(step, for_sampling(), model, start(len(labels))))


def draw(network: UNet, labels: Tensor, seed: int, step: StepFunction = ancestral_step) -> Tensor:
    """Digits as one sees them: (n,) labels -> pixels (n, 1, 28, 28) uint8."""
    torch.manual_seed(seed)
    return data.to_pixels(torch.cat([walk(network, y, step)[-1].x_t for y in labels.split(100)]))


def loss_at_times(network: UNet, held_out: ImageSet, seed: int) -> list[float]:
    """The loss at each of `TIMES`, on digits that were not trained on."""
    torch.manual_seed(seed)
    with autocast(CPU):
        found = loss_per_t(
            simple_loss, for_training(), partial(network, y=held_out.labels), data.to_model(held_out.images), TIMES
        )
    return [float(loss) for loss in found]


def judged(pixels: Tensor, labels: Tensor, reference: Reference) -> dict[str, float]:
    """The share that the judge reads as what was asked for, and the distance to real digits."""
    features, read = judge_features(reference.judge, data.to_model(pixels))
    return {
        "accuracy": float((read == labels).double().mean()),
        "fd_judge": frechet_distance(features, reference.moments),
    }
