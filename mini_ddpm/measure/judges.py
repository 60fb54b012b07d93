"""The judges: small classifiers of real images, in whose features generated images are measured.

`Judge` reads digits, `CifarJudge` the ten kinds of things in CIFAR-10. Both have `features` and a linear `head`.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mini_ddpm.data import ImageSet, to_model


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
    data.check_fits((1, 28, 28), 10)
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


# --- CIFAR-10 -----------------------------------------------------------------------------------------


class CifarJudge(nn.Module):
    """A convolutional classifier for 32x32 colour images: (B, 3, 32, 32) in [-1, 1] -> (B, 10) logits.

    `features` (B, 256) is the maximum over the last feature map. Outside training, an image and its mirror image are
    read and averaged: they show the same thing.

    Source: airbench94 (2404.00498), which is made to learn CIFAR-10 with as little arithmetic as possible.
    """

    num_features = 256

    def __init__(self) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)  # its weights are not learned: see `whitening`
        layers: list[nn.Module] = [self.whiten, nn.GELU()]
        for c_in, c_out in ((24, 64), (64, 256), (256, 256)):
            layers += [_conv(c_in, c_out), nn.MaxPool2d(2), _norm(c_out), nn.GELU()]
            layers += [_conv(c_out, c_out), _norm(c_out), nn.GELU()]
        self.body = nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten())
        self.head = nn.Linear(self.num_features, 10)

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, 32, 32) in [-1, 1] -> (B, 256)."""
        x = x.contiguous(memory_format=torch.channels_last)
        return self.body(x) if self.training else (self.body(x) + self.body(x.flip(-1))) / 2

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x)) / 9


def _conv(c_in: int, c_out: int) -> nn.Conv2d:
    """A 3x3 convolution whose first filters start as the identity."""
    conv = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
    nn.init.dirac_(conv.weight.data[:c_in])
    return conv


def _norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation that learns a shift only."""
    norm = nn.BatchNorm2d(channels, momentum=0.3)
    norm.weight.requires_grad_(False)
    return norm


def whitening(images: Tensor, epsilon: float = 5e-4) -> Tensor:
    """Filters (24, 3, 2, 2) whose first 12 outputs on the 2x2 patches of `images` (N, 3, H, W) are uncorrelated.

    They are the eigenvectors of the patches' covariance, divided by the root of the eigenvalue plus `epsilon`; the last
    12 are their negatives.
    """
    patches = F.unfold(images, 2).transpose(1, 2).reshape(-1, 12)  # (N (H-1) (W-1), 12)
    values, vectors = torch.linalg.eigh(torch.cov(patches.T).cpu())  # Apple's MPS can't
    filters = (vectors / (values + epsilon).sqrt()).T.reshape(12, 3, 2, 2).to(images.device)
    return torch.cat([filters, -filters])


def train_cifar_judge(
    judge: CifarJudge, data: ImageSet, epochs: int = 11, batch_size: int = 500
) -> Iterator[JudgeStep]:
    """Train in place; images are shifted by up to two pixels, and mirrored in every second epoch.

    SGD with Nesterov's momentum. Every ten steps the weights are set to their moving average, whose memory grows
    (Lookahead); the ones at the end are the ones to keep. Source: airbench94 (2404.00498), section 3.
    """
    data.check_fits((3, 32, 32), 10)
    device, steps = data.images.device, epochs * math.ceil(len(data) / batch_size)
    judge.train().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    judge.whiten.weight.data.copy_(whitening(to_model(data.images[:5000])))
    judge.whiten.weight.requires_grad_(False)
    rate, decay = 1.5 * batch_size / 1024, 1.33e-3
    shifts = [m.bias for m in judge.modules() if isinstance(m, nn.BatchNorm2d)]
    others = [w for w in judge.parameters() if w.requires_grad and all(w is not shift for shift in shifts)]
    groups: list[dict[str, Any]] = [{"params": others}, {"params": shifts, "lr": 64 * rate, "weight_decay": decay / 64}]
    optimizer = torch.optim.SGD(groups, rate, momentum=0.85, nesterov=True, weight_decay=decay)
    triangle = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _triangle(step / steps))
    weights: list[Tensor] = list(judge.parameters())
    averages = [w.detach().clone() for w in weights]
    mirrored = torch.rand(len(data), device=device) < 0.5
    step = 0
    for _ in range(epochs):
        mirrored = ~mirrored
        for indices in torch.randperm(len(data), device=device).split(batch_size):
            x, y = to_model(data.images[indices]), data.labels[indices]
            x = torch.where(mirrored[indices, None, None, None], x.flip(-1), x)
            loss = F.cross_entropy(judge(shifted(x)), y, label_smoothing=0.2)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            triangle.step()
            step += 1
            if step % 10 == 0 or step == steps:
                memory = 1.0 if step == steps else 0.95**5 * (step / steps) ** 3
                with torch.no_grad():
                    torch._foreach_lerp_(averages, weights, 1 - memory)
                    torch._foreach_copy_(weights, averages)
            yield JudgeStep(step, steps, loss.detach())
    judge.eval()


def _triangle(progress: float) -> float:
    """The learning rate's share of its peak: up from 0.2 in the first 23% of training, then down to 0.07."""
    return 0.2 + 0.8 * progress / 0.23 if progress < 0.23 else 1 - 0.93 * (progress - 0.23) / 0.77


def shifted(x: Tensor, by: int = 2) -> Tensor:
    """Move each image by up to `by` pixels along both axes; the border is mirrored. Keeps (B, C, H, W)."""
    b, c, h, w = x.shape
    padded = F.pad(x, (by,) * 4, mode="reflect")
    down, right = torch.randint(2 * by + 1, (2, b, 1, 1, 1), device=x.device)
    rows = (torch.arange(h, device=x.device)[:, None] + down).expand(b, c, h, w + 2 * by)
    columns = (torch.arange(w, device=x.device) + right).expand(b, c, h, w)
    return padded.gather(2, rows).gather(3, columns)
