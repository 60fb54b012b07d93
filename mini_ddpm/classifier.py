"""A classifier that reads noisy images: what classifier guidance takes its gradient from.

Half a U-Net (the way down and the middle), then attention pooling. It is told t. Trained on x_t at every noise
level of one schedule; a classifier of clean images only has never seen what it would be asked about.

Source: ADM (2105.05233), section 4; its settings are in appendix I.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mini_ddpm.data import ImageSet, to_model
from mini_ddpm.diffusion import q_sample
from mini_ddpm.schedules import NoiseSchedule
from mini_ddpm.unet import Encoder, UNetConfig


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

    def __init__(self, unet: UNetConfig, classes: int) -> None:
        lowest, (height, width) = unet.resolutions[-1], unet.size
        super().__init__(replace(unet, classes=0, attention=(lowest,), fourier=()))
        channels = unet.base_channels * unet.channel_mults[-1]
        self.norm_out = nn.GroupNorm(unet.groups, channels)
        self.pool = AttentionPool(channels, lowest * (lowest * width // height))
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
    data.check_fits((classifier.config.in_channels, *classifier.config.size), classifier.head.out_features)
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
        x_t = q_sample(x_0, torch.randn_like(x_0), schedule.at(t))
        parts = [classifier(x, torch.full((len(x),), t, device=x.device)).argmax(dim=1) for x in x_t.split(500)]
        found.append(float((torch.cat(parts) == data.labels).cpu().double().mean()))
    return found
