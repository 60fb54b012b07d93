"""Named configurations: every choice of a run, made once, by name, and written to its `config.json`."""

import json
from collections.abc import Callable
from dataclasses import asdict, field, replace
from functools import partial
from typing import Any

import torch
from pydantic import PositiveInt

from mini_ddpm import data, diffusion, losses, sampling, schedules
from mini_ddpm.checks import Share, checked_dataclass, config_from_json
from mini_ddpm.data import DataError, ImageSet
from mini_ddpm.diffusion import Diffusion
from mini_ddpm.losses import Loss, Times
from mini_ddpm.sampling import StepFunction
from mini_ddpm.training import TrainConfig, TrainState, place
from mini_ddpm.unet import UNet, UNetConfig

SCHEDULES = {"linear": schedules.linear_betas, "cosine": schedules.cosine_betas}
PARAMETERIZATIONS = {"eps": diffusion.predict_eps, "x_0": diffusion.predict_x_0, "v": diffusion.predict_v}
VARIANCES = {
    "fixed-small": diffusion.fixed_small,
    "fixed-large": diffusion.fixed_large,
    "learned-range": diffusion.learned_range,
}
LOSSES = {
    "simple": losses.simple_loss,
    "min-snr": losses.min_snr_loss,
    "vlb": losses.vlb_loss,
    "hybrid": losses.hybrid_loss,
}
TIMES: dict[str, Callable[[int], Times]] = {
    "uniform": lambda T: losses.UniformTimes(),
    "stratified": lambda T: losses.StratifiedTimes(),
    "importance": losses.ImportanceTimes,
}
SAMPLERS: dict[str, Callable[[float], StepFunction]] = {  # eta is ddim's
    "ancestral": lambda eta: sampling.ancestral_step,
    "ddim": lambda eta: partial(sampling.ddim_step, eta=eta),
    "dpm-solver": lambda eta: sampling.DPMSolver(),
}
TABLES: dict[str, dict[str, Any]] = {  # field of RunConfig -> what it may name
    "schedule": SCHEDULES,
    "parameterization": PARAMETERIZATIONS,
    "variance": VARIANCES,
    "loss": LOSSES,
    "times": TIMES,
}


@checked_dataclass
class SampleConfig:
    """How to draw: the `sampler`'s name, how many `steps`, ddim's `eta`, and the `guidance` scale (1: none)."""

    sampler: str = "ancestral"
    steps: PositiveInt = 1000
    eta: Share = 0.0
    guidance: float = 1.0

    def __post_init__(self) -> None:
        check_choice("sampler", self.sampler, SAMPLERS)

    @property
    def step(self) -> StepFunction:
        """The step function of this name, for one chain."""
        return SAMPLERS[self.sampler](self.eta)


@checked_dataclass
class RunConfig:
    """Everything that decides a run; names stand for the functions in the tables above.

    Attributes:
        data: the name of a data set, or the absolute path of a folder of pictures.
        names: of the classes, in the order of their labels; empty where none are known.
        skip_broken: go on without pictures that can't be read.
    """

    data: str
    unet: UNetConfig
    training: TrainConfig
    sampling: SampleConfig = field(default_factory=SampleConfig)
    schedule: str = "linear"
    T: PositiveInt = 1000
    parameterization: str = "eps"
    variance: str = "fixed-large"
    loss: str = "simple"
    times: str = "uniform"
    names: tuple[str, ...] = ()
    skip_broken: bool = False

    def __post_init__(self) -> None:
        for what, table in TABLES.items():
            check_choice(what, getattr(self, what), table)
        if self.T > 1_000_000:
            raise ValueError(f"T={self.T} is more than a million steps")
        if self.sampling.steps > self.T:
            raise ValueError(f"sampling.steps must be between 1 and T={self.T}, not {self.sampling.steps}")
        if self.variance == "learned-range" and not self.unet.learned_variance:
            raise ValueError("variance learned-range needs a network with variance channels (learned_variance=True)")

    @property
    def diffusion(self) -> Diffusion:
        """The process these names describe, with the chain that `sampling.steps` keeps."""
        return Diffusion(
            schedules.NoiseSchedule.from_betas(SCHEDULES[self.schedule](self.T)),
            PARAMETERIZATIONS[self.parameterization],
            VARIANCES[self.variance],
            steps=self.sampling.steps,
        )

    @property
    def loss_fn(self) -> Loss:
        """The loss of this name."""
        return LOSSES[self.loss]

    def new_state(self, device: torch.device) -> TrainState:
        """A fresh network on `device`, its optimiser, and what draws its timesteps.

        Raises:
            ValueError: the loss would have nothing to teach.
        """
        if self.loss == "hybrid" and self.variance != "learned-range":
            raise ValueError(f"loss hybrid teaches a learned variance: {self.variance} leaves it nothing to do")
        return TrainState(place(UNet(self.unet), device), self.training, TIMES[self.times](self.T))

    def to_json(self) -> dict:
        """Plain dictionaries, for `config.json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict) -> "RunConfig":
        """The inverse of `to_json`.

        Raises:
            ValueError: a field is missing, unknown, or has a wrong type or value.
        """
        return config_from_json(cls, json.dumps(content))


def preset(name: str) -> RunConfig:
    """A configuration by name.

    Raises:
        ValueError: unknown name.
    """
    check_choice("preset", name, PRESETS)
    return PRESETS[name]


def images_of(config: RunConfig, split: str) -> ImageSet:
    """The images that a configuration trains on (`train`) or is tested with (`test`): (N, C, H, W) as its network's.

    Raises:
        DataError: they are missing or damaged, or the folder's classes are no longer those that the run began with.
    """
    if not data.is_folder(config.data):
        return data.load(config.data, split)
    size, channels = config.unet.image_size, config.unet.in_channels
    found = data.folder(config.data, size, channels=channels, part=split, skip_broken=config.skip_broken)
    if config.names and found.names != config.names:
        new, old = (", ".join(names) or "none" for names in (found.names, config.names))
        raise DataError(f"the classes in {config.data} are {new}, but the run began with {old}: put them back")
    return found


def check_guidance(config: RunConfig) -> None:
    """Refuse a new choice of guidance that the network can't follow; runs of earlier versions may have it, and open."""
    if config.sampling.guidance != 1 and config.unet.classes and not config.training.label_dropout:
        raise ValueError(
            "guidance needs to know what the network says without a label, and with training.label_dropout=0 it "
            "never learns that: take guidance 1, or train with a label_dropout such as 0.1"
        )


def check_choice(what: str, name: str, choices: dict | tuple) -> None:
    """Raise a ValueError that lists the choices unless `name` is one of them."""
    if name not in choices:
        raise ValueError(f"unknown {what} {name!r}: choose one of {', '.join(choices)}")


_LAPTOP = RunConfig(
    data="mnist-5k",
    unet=UNetConfig(
        image_size=28,
        in_channels=1,
        base_channels=24,
        channel_mults=(1, 2),
        blocks=1,
        attention=(),
        patch_size=2,
        groups=8,
        classes=10,
    ),
    training=TrainConfig(
        steps=3800,
        batch_size=32,
        learning_rate=2e-3,
        betas=(0.9, 0.99),
        warmup_steps=50,
        decay_from=0.3,
        ema_decay=0.998,
        label_dropout=0.1,
    ),
    sampling=SampleConfig("ancestral", steps=30, guidance=1.5),
    schedule="cosine",
    parameterization="v",
    variance="fixed-small",
)

PRESETS = {
    # five minutes on two CPU cores
    "mnist-laptop": replace(
        _LAPTOP,
        loss="min-snr",
        times="stratified",
        sampling=SampleConfig("ddim", steps=12, eta=0.5, guidance=1.75),
    ),
    # the shipped model: full MNIST, 35 minutes on a CPU core
    "mnist": replace(
        _LAPTOP,
        data="mnist",
        unet=replace(_LAPTOP.unet, base_channels=32),
        training=replace(_LAPTOP.training, steps=10_000, learning_rate=1.5e-3, ema_decay=0.999),
        sampling=SampleConfig("dpm-solver", steps=15, guidance=1.5),
    ),
    # cosine schedule of 4000 steps, learned variances and L_hybrid, on full MNIST
    "mnist-improved": replace(
        _LAPTOP,
        data="mnist",
        unet=replace(_LAPTOP.unet, base_channels=32, learned_variance=True, fourier=(3, 5, 7)),
        training=replace(_LAPTOP.training, steps=28_000, learning_rate=1.5e-3, ema_decay=0.999),
        sampling=SampleConfig("ancestral", steps=100),
        T=4000,
        variance="learned-range",
        loss="hybrid",
    ),
    # the smallest thing that trains: seconds, for tests and a first look
    "tiny": replace(
        _LAPTOP,
        unet=replace(_LAPTOP.unet, base_channels=8, channel_mults=(1, 1), groups=4),
        training=replace(_LAPTOP.training, steps=30, batch_size=16),
        sampling=SampleConfig("ddim", steps=5),
    ),
    # the DDPM paper's CIFAR-10 recipe (appendix B): days on a GPU
    "cifar10-ddpm": RunConfig(data="cifar10", unet=UNetConfig(dropout=0.1), training=TrainConfig()),
    # Improved DDPM's CIFAR-10 recipe (appendix A, and its published flags): days on a GPU. Ours alone are the clipped
    # gradient, the ramp of the average, the clamp in L_hybrid, and t told to the network as 1..T without rescaling
    "cifar10-improved": RunConfig(
        data="cifar10",
        unet=UNetConfig(blocks=3, attention=(16, 8), heads=4, adaptive_norm=True, dropout=0.3, learned_variance=True),
        training=TrainConfig(steps=500_000, learning_rate=1e-4, warmup_steps=0),
        sampling=SampleConfig("ancestral", steps=100),
        schedule="cosine",
        T=4000,
        variance="learned-range",
        loss="hybrid",
    ),
    # DDPM's network in 25 minutes of one H100-class GPU: `train --preset cifar10-25min --minutes 25 --compile`
    "cifar10-25min": RunConfig(
        data="cifar10",
        unet=UNetConfig(dropout=0.1),
        training=TrainConfig(
            steps=20_000,
            batch_size=512,
            learning_rate=8e-4,
            betas=(0.9, 0.99),
            warmup_steps=500,
            decay_from=0.4,
            ema_decay=0.9995,
        ),
        sampling=SampleConfig("ddim", steps=50),
        schedule="cosine",
        parameterization="v",
        variance="fixed-small",
    ),
    # what a CPU can do with CIFAR-10 in an hour or two: colours, ground and sky, some outlines
    "cifar10-laptop": replace(
        _LAPTOP,
        data="cifar10",
        unet=replace(_LAPTOP.unet, image_size=32, in_channels=3, base_channels=32, attention=(8,)),
        training=replace(_LAPTOP.training, steps=20_000, learning_rate=1.5e-3, ema_decay=0.999),
        sampling=SampleConfig("ddim", steps=50, guidance=2.0),
    ),
    # own images, with `train --data FOLDER`; five minutes on two CPU cores. The number of classes follows the folder
    "pictures": replace(
        _LAPTOP,
        data="pictures",
        unet=replace(_LAPTOP.unet, image_size=32, in_channels=3, base_channels=32, classes=0),
        training=replace(_LAPTOP.training, steps=2500),
        sampling=SampleConfig("ddim", steps=30, guidance=1.5),
    ),
    # the same as cifar10-ddpm with labels, one in ten dropped: for classifier-free guidance
    "cifar10-conditional": RunConfig(
        data="cifar10", unet=UNetConfig(dropout=0.1, classes=10), training=TrainConfig(label_dropout=0.1)
    ),
}
