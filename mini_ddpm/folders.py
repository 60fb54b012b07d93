"""Stand-in for what reads pictures."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor


def read_picture(path: Path, size: tuple[int, int], channels: int) -> Tensor:
    """(C, H, W) uint8."""
    try:
        picture = ImageOps.exif_transpose(Image.open(path)).convert("L" if channels == 1 else "RGB")
    except OSError:
        raise ValueError(f"{path} can't be read") from None
    pixels = np.array(ImageOps.fit(picture, size[::-1]))
    return torch.from_numpy(pixels.reshape(*size, channels)).permute(2, 0, 1)
