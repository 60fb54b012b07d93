"""A classifier that reads noisy images: what classifier guidance takes its gradient from.

Half a U-Net (the way down and the middle), then attention pooling. It is told t. Trained on x_t at every noise
level of one schedule; a classifier of clean images only has never seen what it would be asked about.

Source: ADM (2105.05233), section 4; its settings are in appendix I.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mini_ddpm.data import ImageSet, to_model
from mini_ddpm.diffusion import q_sample
from mini_ddpm.files import read_tensors, write_tensors
from mini_ddpm.presets import RunConfig
from mini_ddpm.schedules import NoiseSchedule
from mini_ddpm.unet import Encoder


class AttentionPool(nn.Module):
    """One query, the mean of all pixels, looks at every pixel: (B, C, H, W) -> (B, C). Source: CLIP (2103.00020)."""

    def __init__(self, channels: int, pixels: int) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(pixels + 1, channels) / channels**0.5)
        self.query, self.out = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)

    def forward(self, h: Tensor) -> Tensor:
        pixels = h.flatten(2).transpose(1, 2)  # (B, H W, C)
        tokens = torch.cat([pixels.mean(dim=1, keepdim=True), pixels], dim=1) + self.position
        key, value = self.key_value(tokens).chunk(2, dim=-1)
        return self.out(F.scaled_dot_product_attention(self.query(tokens[:, :1]), key, value)).squeeze(1)


class Classifier(Encoder):
    """`classifier(x_t, t)` -> logits of p(y | x_t): (B, C, H, W) and (B,) in 0..T -> (B, classes)."""

    def __init__(self, config: RunConfig, classes: int) -> None:
        unet = config.unet
        lowest = unet.resolutions[-1]
        super().__init__(replace(unet, classes=0, attention=(lowest,), fourier=()))
        channels = unet.base_channels * unet.channel_mults[-1]
        self.norm_out = nn.GroupNorm(unet.groups, channels)
        self.pool = AttentionPool(channels, lowest**2)
        self.head = nn.Linear(channels, classes)

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        h, _ = self.encode(x_t, self.embed(t, None))
        return self.head(self.pool(F.silu(self.norm_out(h))))


class ClassifierStep(NamedTuple):
    """One step of training: its number, and the loss."""

    step: int
    loss: Tensor


def train_classifier(
    classifier: Classifier,
    data: ImageSet,
    schedule: NoiseSchedule,
    steps: int,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    noised: bool = True,
) -> Iterator[ClassifierStep]:
    """Train in place with cross-entropy on x_t, t uniform in 0..T; on clean images only if not `noised`.

    t = 0 is one of them because the last guided step ends there. AdamW, one cycle of learning rate.
    """
    device = data.images.device
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=learning_rate, weight_decay=0.05)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.1)
    classifier.train()
    for step in range(1, steps + 1):
        x_0, y = data.batch(torch.randint(len(data), (batch_size,), device=device))
        t = torch.randint(schedule.T + 1, (batch_size,), device=device) * int(noised)
        x_t = q_sample(x_0, torch.randn_like(x_0), schedule.at(t))
        loss = F.cross_entropy(classifier(x_t, t), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        cycle.step()
        yield ClassifierStep(step, loss.detach())
    classifier.eval().requires_grad_(False)


@torch.no_grad()
def accuracy_per_t(
    classifier: Classifier, schedule: NoiseSchedule, data: ImageSet, times: Iterable[int]
) -> list[float]:
    """Share of `data` that is read correctly from x_t, at each of `times` in 0..T, in 0..1."""
    x_0, found = to_model(data.images), []
    for t in times:
        x_t = q_sample(x_0, torch.randn_like(x_0), schedule.at(torch.tensor(t, device=x_0.device)))
        parts = [classifier(x, torch.full((len(x),), t, device=x.device)).argmax(dim=1) for x in x_t.split(500)]
        found.append(float((torch.cat(parts) == data.labels).double().mean()))
    return found


def save_classifier(path: Path, classifier: Classifier, config: RunConfig, noised: bool) -> None:
    """Write weights in half precision, and the configuration whose process and images it was trained for."""
    weights = {name: value.half() for name, value in classifier.state_dict().items()}
    write_tensors(
        path, weights, {"classifier": config.to_json(), "classes": classifier.head.out_features, "noised": noised}
    )


def load_classifier(path: Path, config: RunConfig, device: torch.device) -> Classifier:
    """Read a classifier to guide a model of `config`.

    Raises:
        CheckpointError: the file is missing or damaged.
        ValueError: not a classifier, one of clean images, or one of another process or image size.
    """
    weights, card = read_tensors(path)
    if not {"classifier", "classes", "noised"} <= card.keys():
        raise ValueError(f"{path} is not a noise-aware classifier: make one with mini-ddpm train-classifier")
    if not card["noised"]:
        raise ValueError(f"{path} was trained on clean images: it can't guide, for it has never seen a noisy one")
    own = RunConfig.from_json(card["classifier"])
    for name, mine, theirs in (
        ("schedule", own.schedule, config.schedule),
        ("T", own.T, config.T),
        ("image_size", own.unet.image_size, config.unet.image_size),
        ("in_channels", own.unet.in_channels, config.unet.in_channels),
    ):
        if mine != theirs:
            raise ValueError(f"{path} was trained for {name} {mine}, but the model has {theirs}")
    classifier = Classifier(own, card["classes"])
    classifier.load_state_dict({name: value.float() for name, value in weights.items()})
    return classifier.to(device).eval().requires_grad_(False)
