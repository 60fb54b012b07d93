"""What may enter: numbers, labels and images, looked at where they come in. Each raises a ValueError that names it."""

from typing import Any

import torch
from torch import Tensor


def finite(x: Tensor, what: str) -> Tensor:
    """x itself, all of whose numbers are finite; `what` names them in the message."""
    if not bool(x.isfinite().all()):
        raise ValueError(f"{what}: {int((~x.isfinite()).sum()):,} of {x.numel():,} numbers are nan or infinite")
    return x


def check_labels(labels: Tensor, n: int, classes: int | None = None) -> None:
    """Labels (n,) int64 from 0, below `classes` if that is given: label `classes` would mean "no label"."""
    if classes == 0:
        raise ValueError("this network was made without labels (classes=0): give it none")
    if not (isinstance(labels, Tensor) and labels.dtype == torch.int64 and labels.shape == (n,)):
        raise ValueError(f"labels must be an int64 tensor of shape ({n},), one an image, not {_seen(labels)}")
    first, last = (int(labels.min()), int(labels.max())) if n else (0, 0)
    if first < 0 or (classes is not None and last >= classes):
        known = "0 on" if classes is None else f"0 to {classes - 1}"
        raise ValueError(f"labels must be from {known}, not {first} to {last}")


def check_images(images: Tensor, shape: tuple[int, ...] | None = None, pixels: bool = False) -> None:
    """Images (N, C, H, W), N > 0, of `shape` (C, H, W) or of one or three colours: finite floats, or uint8 `pixels`."""
    known = isinstance(images, Tensor) and images.ndim == 4 and images.numel() > 0
    fits = known and (images.shape[1] in (1, 3) if shape is None else images.shape[1:] == shape)
    if not fits or (images.dtype != torch.uint8 if pixels else not images.is_floating_point()):
        kind = "uint8" if pixels else "floats in [-1, 1]"
        wanted = "C, H, W), C 1 or 3" if shape is None else ", ".join(map(str, shape)) + ")"
        raise ValueError(f"images must be {kind} of shape (N, {wanted}, not {_seen(images)}")
    if not pixels:
        finite(images, "the images")


def _seen(x: Any) -> str:
    return f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
