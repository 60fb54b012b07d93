"""The training loop, its moving average, and checkpoints that continue bit for bit.

    for step in train(diffusion, state, data, simple_loss, config):
        ...                                   # print, plot, save: the loop is yours

Everything that changes during a run is in `TrainState` and torch's global random state.
"""

import copy
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from mini_ddpm import parallel
from mini_ddpm.checks import Batch, Decay, Seed, Share, check_labels, checked_dataclass
from mini_ddpm.contracts import check_ends, check_network, classes_of
from mini_ddpm.data import ImageSet
from mini_ddpm.diffusion import Diffusion
from mini_ddpm.files import CheckpointError, check_fit, read_tensors, write_tensors
from mini_ddpm.limits import FLOAT32_ONLY
from mini_ddpm.losses import Loss, Times, UniformTimes


class DivergedError(ValueError):
    """The loss or the gradient is no longer a number."""


@checked_dataclass
class TrainConfig:
    """How to train. The defaults are DDPM's for CIFAR-10 (appendix B), without dropout.

    Attributes:
        steps: length of the run; every schedule below depends on the step alone.
        batch_size: images a step, over all processes.
        learning_rate: of AdamW, reached after `warmup_steps` and kept until `decay_from`.
        betas: AdamW's decay rates of the first and second moment.
        weight_decay: AdamW's; 0 makes it Adam.
        warmup_steps: steps over which the learning rate rises from 0.
        decay_from: share of the run after which it falls to 0 on a cosine; 1 for never.
        clip_norm: bound on the gradient's norm.
        ema_decay: decay of the moving average of the weights, reached by a ramp.
        label_dropout: share of labels replaced by "no label", for guidance.
        seed: of the initial weights, the data order and the noise.
    """

    steps: PositiveInt = 800_000
    batch_size: Batch = 128
    learning_rate: PositiveFloat = 2e-4
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    weight_decay: NonNegativeFloat = 0.0
    warmup_steps: NonNegativeInt = 5000
    decay_from: Share = 1.0
    clip_norm: PositiveFloat = 1.0
    ema_decay: Share = 0.9999
    label_dropout: Share = 0.0
    seed: Seed = 0

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step in 1..steps."""
        warmup = min(1.0, step / max(1, self.warmup_steps))
        flat = self.decay_from * self.steps
        progress = max(0.0, step - flat) / max(1.0, self.steps - flat)
        return self.learning_rate * warmup * (1 + math.cos(math.pi * progress)) / 2

    def ema_decay_at(self, step: int) -> float:
        """Decay of the average at a step: short memory at first, so that short runs have one too."""
        return min(self.ema_decay, (1 + step) / (10 + step))


class TrainState:
    """What a run has learned so far: `model` (a `Network`), its average `ema`, `optimizer`, `times`, and `step`.

    `times` draws the timesteps to train on, and may learn from their losses. `network` is what a step calls: `model`
    itself, or wrapped (compiled, or sharing its gradients with other processes).
    """

    def __init__(self, model: nn.Module, config: TrainConfig, times: Times | None = None) -> None:
        check_network(model)
        self.model = self.network = model
        self.times = UniformTimes() if times is None else times
        self.ema = copy.deepcopy(model).requires_grad_(False).eval()
        self.optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.step = 0

    @property
    def device(self) -> torch.device:
        """Where the model lives."""
        return next(self.model.parameters()).device


class TrainStep(NamedTuple):
    """What one step measured; tensors, so that nothing waits for the device: `loss` and `grad_norm` are ()."""

    step: int
    loss: Tensor
    grad_norm: Tensor


def train(
    diffusion: Diffusion, state: TrainState, data: ImageSet, loss_fn: Loss, config: TrainConfig
) -> Iterator[TrainStep]:
    """Train `state` in place up to `config.steps`, yielding after every step. Source: DDPM, Algorithm 1.

    Args:
        diffusion, data: on the model's device; images (N, C, H, W) uint8.
        loss_fn: for example `losses.simple_loss`.
    """
    model, classes = state.model.train(), classes_of(state.model)
    device, T = state.device, diffusion.schedule.T
    weights: list[Tensor] = list(model.parameters())
    averages: list[Tensor] = list(state.ema.parameters())
    B = parallel.share_of(config.batch_size)
    if classes:
        check_labels(data.labels, len(data), classes)
    random = _random_state(device)
    with autocast(device):
        check_ends(state.ema, T, data.batch(torch.zeros(1, dtype=torch.int64, device=device))[0])
    _set_random_state(device, random)  # as if it had not been asked
    while state.step < config.steps:
        x_0, y = data.batch(torch.randint(len(data), (B,), device=device))
        t, weight = state.times.draw(T, B, device)
        eps = torch.randn_like(x_0)
        with autocast(device):
            y = drop_labels(y, classes, config.label_dropout)
            conditioned = partial(state.network, y=y) if classes else state.network
            losses = loss_fn(diffusion, conditioned, x_0, t, eps)  # (B,)
            loss = (weight * losses).mean()

        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        grad_norm = nn.utils.clip_grad_norm_(weights, config.clip_norm)
        for group in state.optimizer.param_groups:
            group["lr"] = config.learning_rate_at(state.step + 1)
        state.optimizer.step()
        state.step += 1
        state.times.record(t, losses.detach())
        with torch.no_grad():
            share = 1 - config.ema_decay_at(state.step)
            torch._foreach_lerp_(averages, weights, share)
            for average, value in zip(state.ema.buffers(), model.buffers(), strict=True):
                if value.is_floating_point():  # BatchNorm's: copies would fit the newest weights, not their average
                    value = torch.where(average == value, value, average.lerp(value, share))  # infinite constants stay
                average.copy_(value)
        yield TrainStep(state.step, loss.detach(), grad_norm)


def drop_labels(y: Tensor, classes: int, probability: float) -> Tensor:
    """Replace each label by the null label `classes` with this probability. (B,) -> (B,)."""
    dropped = torch.rand(len(y), device=y.device) < probability
    return torch.where(dropped, classes, y)


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 arithmetic where the hardware has it (recent GPUs; CPUs with AVX512_BF16 or AMX)."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bf16(device))


def place(model: parallel.Module, device: torch.device) -> parallel.Module:
    """Move a network to its device, in the memory layout in which its convolutions are fastest there.

    Channels last, except for bfloat16 on a CPU, where GroupNorm is many times slower in that layout.
    """
    slow = device.type == "cpu" and has_bf16(device)
    layout = torch.contiguous_format if slow else torch.channels_last
    return model.to(device, memory_format=layout)  # type: ignore[call-overload]


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 natively, and may; elsewhere it would be slower than float32."""
    if FLOAT32_ONLY.get():
        return False
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False


# --- checkpoints ---------------------------------------------------------------------------------------


def save_checkpoint(path: Path, state: TrainState, config: dict[str, Any]) -> None:
    """Write everything a run needs to go on, in one file, whole or not at all.

    Args:
        config: JSON-able description of the run, read back by whoever opens the file.
    """
    tensors = _named(state) | (_moments(state) if state.step else {})
    tensors |= {f"random.{name}": value for name, value in _random_state(state.device).items()}
    write_tensors(path, tensors, {"config": config, "step": state.step})


def load_checkpoint(path: Path, state: TrainState, seed: int = 0) -> None:
    """Put a saved run back into `state`, and torch's random state with it: all of it, or, if that fails, nothing.

    Where that was saved by another process or on another kind of device, the noise to come is seeded anew, from `seed`.

    Raises:
        CheckpointError: the file is missing, damaged, or of another network.
    """
    tensors, metadata = read_tensors(path)
    step = metadata.get("step")
    if type(step) is not int or step < 0:
        raise CheckpointError(f"{path} is not a training checkpoint of this network: its step is {step!r}")
    random = {name: tensors.pop(name) for name in [*tensors] if name.startswith("random.")}

    restore = snapshot(state)
    try:
        state.optimizer.state.clear()
        content = _named(state) | (_moments(state) if step else {})
        check_fit(path, tensors, content)
        for name, value in content.items():
            value.copy_(tensors[name])
        state.step = step
        if parallel.rank() or f"random.{state.device.type}" not in random:
            parallel.seed_apart(seed, step)
        else:
            _set_random_state(state.device, _under("random.", random))
    except BaseException as error:
        restore()
        if isinstance(error, (KeyError, RuntimeError, TypeError)):  # torch's, of a random state that is none
            raise CheckpointError(f"{path} is damaged: {str(error).splitlines()[-1].strip()}") from None
        raise


def snapshot(state: TrainState) -> Callable[[], None]:
    """Remember a state, and torch's random state; what is returned puts both back."""
    parts: list[Any] = [state.model, state.ema, state.times, state.optimizer]
    before, random = copy.deepcopy([part.state_dict() for part in parts]), _random_state(state.device)
    step = state.step

    def restore() -> None:
        for part, content in zip(parts, before, strict=True):
            part.load_state_dict(content)
        state.step = step
        _set_random_state(state.device, random)

    return restore


def load_weights(path: Path, model: nn.Module, averaged: bool = True) -> None:
    """Put the weights of a checkpoint, averaged or as they are, into `model`, in whatever precision they were stored.

    Raises:
        CheckpointError: the file is missing or damaged, of another network, or without the weights asked for.
    """
    weights = _under("ema." if averaged else "model.", read_tensors(path)[0])
    if not weights and not averaged:
        raise CheckpointError(f"{path} holds averaged weights only: the others are in the checkpoint of its run")
    check_fit(path, weights, model.state_dict())
    model.load_state_dict(weights)


def _named(state: TrainState) -> dict[str, Tensor]:
    """The weights, their average, and what `times` has learned, each under its name in a checkpoint."""
    parts = {"model": state.model, "ema": state.ema, "times": state.times}
    return {f"{part}.{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}


def _moments(state: TrainState) -> dict[str, Tensor]:
    """What AdamW remembers, each under its name in a checkpoint; made for weights that no gradient has reached."""
    named: dict[str, Tensor] = {}
    for name, weight in state.model.named_parameters():
        own = state.optimizer.state[weight]
        if not own:  # the fused optimiser needs its moments in the memory layout of the weight
            own["step"] = torch.zeros((), device=weight.device)
            own |= {key: torch.zeros_like(weight) for key in ("exp_avg", "exp_avg_sq")}
        named |= {f"optimizer.{key}.{name}": value for key, value in own.items()}
    return named


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _random_state(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _set_random_state(device: torch.device, states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
