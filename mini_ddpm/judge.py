"""The judge: a small classifier of real digits, in whose features generated digits are measured."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mini_ddpm.data import ImageSet


class Judge(nn.Module):
    """A convolutional classifier for 28x28 grey images: (B, 1, 28, 28) in [-1, 1] -> (B, 10) logits.

    `features` (B, 128) is the average over the last feature map: what Fréchet distances are taken in.
    """

    num_features = 128

    def __init__(self) -> None:
        super().__init__()
        layers = []
        for c_in, c_out, stride in ((1, 32, 1), (32, 32, 2), (32, 64, 1), (64, 64, 2), (64, 128, 1)):
            conv = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(c_out), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(self.num_features, 10)

    def features(self, x: Tensor) -> Tensor:
        """(B, 1, 28, 28) in [-1, 1] -> (B, 128)."""
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.dropout(self.features(x), 0.3, self.training))


class JudgeStep(NamedTuple):
    """One step of the judge's training: its number, of how many, and the loss."""

    step: int
    steps: int
    loss: Tensor


def train_judge(
    judge: Judge, data: ImageSet, epochs: int = 12, batch_size: int = 128, learning_rate: float = 4e-3
) -> Iterator[JudgeStep]:
    """Train in place on randomly rotated, scaled and shifted images, one cycle of learning rate.

    AdamW; the weights at the end are the ones to keep.
    """
    steps = epochs * math.ceil(len(data) / batch_size)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=learning_rate, weight_decay=0.05)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.2)
    judge.train()
    step = 0
    for _ in range(epochs):
        for indices in torch.randperm(len(data)).split(batch_size):
            x, y = data.batch(indices)
            loss = F.cross_entropy(judge(jitter(x)), y, label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            cycle.step()
            step += 1
            yield JudgeStep(step, steps, loss.detach())
    judge.eval()


def jitter(x: Tensor, rotation: float = 12.0, scale: float = 0.12, shift: float = 0.1) -> Tensor:
    """Rotate (degrees), scale and shift (fraction of the half width) each image at random. Keeps (B, C, H, W)."""
    n = len(x)
    spread = torch.rand(4, n) * 2 - 1
    angle, zoom = spread[0] * math.radians(rotation), 1 + spread[1] * scale
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = angle.cos() * zoom
    theta[:, 0, 1], theta[:, 1, 0] = -angle.sin() * zoom, angle.sin() * zoom
    theta[:, :, 2] = spread[2:].T * shift
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x + 1, grid, align_corners=False) - 1  # outside is black, -1
