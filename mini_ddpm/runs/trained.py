"""Trained networks: find one, load it, share it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mini_ddpm.classifier import Classifier
from mini_ddpm.diffusion import Diffusion
from mini_ddpm.files import CheckpointError, check_fit, read_tensors, shards_of, shipped, write_shards
from mini_ddpm.runs.classifiers import load_classifier
from mini_ddpm.runs.presets import RunConfig
from mini_ddpm.training import autocast, load_weights, place
from mini_ddpm.unet import UNet

WEIGHTS = shipped("weights")
CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Trained:
    """A trained network: its configuration, its reverse process, the averaged weights, and what guides it if given."""

    config: RunConfig
    diffusion: Diffusion
    model: UNet
    classifier: Classifier | None = None

    @property
    def device(self) -> torch.device:
        """Where the network lives."""
        return next(self.model.parameters()).device

    @property
    def classes(self) -> int:
        """How many labels can be asked for; 0 for none."""
        return self.config.unet.classes if self.classifier is None else self.classifier.head.out_features


def read_config(path: Path) -> RunConfig:
    """The configuration inside a checkpoint, whose averaged weights fit the network that it describes.

    Raises:
        CheckpointError: they do not, or a field of the configuration is wrong.
    """
    tensors, card = read_tensors(path)
    try:
        config = RunConfig.from_json(card["config"])
    except (KeyError, ValueError) as error:
        reason = "it has no config" if isinstance(error, KeyError) else f"its config is wrong: {error}"
        raise CheckpointError(f"{path} is not a checkpoint of this package: {reason}") from None
    with torch.device("meta"):  # without memory: a wrong config may describe a network of any size
        expected = UNet(config.unet).state_dict()
    averaged = {name.removeprefix("ema."): value for name, value in tensors.items() if name.startswith("ema.")}
    check_fit(path, averaged, expected)
    return config


def find(run: str) -> Path:
    """The checkpoint of a run folder, of a shipped model by name, or an exported file; each may be in shards.

    Raises:
        CheckpointError: there is none, or a folder here has the name of a shipped model.
    """
    if run in shipped_models() and (Path(run) / CHECKPOINT).exists():
        raise CheckpointError(
            f"{run} is a run folder here and a shipped model, too: write ./{run} for the folder, "
            f"or {WEIGHTS / run}.safetensors for the model"
        )
    for path in (Path(run) / CHECKPOINT, WEIGHTS / f"{run}.safetensors", Path(run)):
        if (path.exists() and not path.is_dir()) or shards_of(path):
            return path
    names = ", ".join(shipped_models())
    raise CheckpointError(f"{run} is neither a run folder nor a shipped model: train one, or use one of: {names}")


def shipped_models() -> list[str]:
    """Names of the diffusion models in the repository; the other weights there are classifiers."""
    names = {re.sub(r"-\d+-of-\d+$", "", path.stem) for path in WEIGHTS.glob("*.safetensors")}
    return sorted(name for name in names if not name.endswith(("judge", "classifier")))


def open_run(run: str, device: torch.device, classifier: str | None = None, averaged: bool = True) -> Trained:
    """Load a run folder or a shipped model for sampling, and a classifier (a file, or by name) to guide it.

    `averaged=False` takes the weights as training left them; shipped models hold their averages only.
    """
    path = find(run)
    config = read_config(path)
    model = UNet(config.unet)
    load_weights(path, model, averaged)
    guide = None
    if classifier is not None:
        shipped = WEIGHTS / f"{classifier}.safetensors"
        guide = load_classifier(shipped if shipped.exists() else Path(classifier), config, device)
    return Trained(config, config.diffusion.to(device), place(model, device).eval().requires_grad_(False), guide)


def export(run: str, path: Path) -> list[Path]:
    """Write the averaged weights of a run in half precision: a model to share, not to train on.

    Returns:
        The files: `path`, or its shards of at most 15 MB.

    Raises:
        ValueError: that would replace the run's own checkpoint.
    """
    if path.resolve() == find(run).resolve():
        raise ValueError(f"{path} is the checkpoint of {run}, with all that is needed to go on: choose another --out")
    read_config(find(run))  # or it is no checkpoint
    tensors, metadata = read_tensors(find(run))
    weights = {name: tensor.half() for name, tensor in tensors.items() if name.startswith("ema.")}
    return write_shards(path, weights, {"config": metadata["config"]})


def image_shape(config: RunConfig) -> tuple[int, int, int]:
    """(C, H, W) of what the network draws."""
    return config.unet.in_channels, config.unet.image_size, config.unet.image_size


def example_call(config: RunConfig, n: int, device: torch.device) -> Callable[[nn.Module], Tensor]:
    """A call of a network with n images, as training and sampling make it, for the compiler."""
    x, t = torch.zeros(n, *image_shape(config), device=device), torch.ones(n, dtype=torch.int64, device=device)
    y = t - 1 if config.unet.classes else None

    def call(network: nn.Module) -> Tensor:
        with autocast(device):
            return network(x, t, y)

    return call
