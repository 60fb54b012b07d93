"""The peers, imported without torchvision: they want it for files and pictures, which nothing here touches."""

import sys
from unittest.mock import MagicMock

import diffusers  # these two before the stand-ins: they look for the real torchvision and go without
import torchmetrics  # noqa: F401

for name in ("torchvision", "torchvision.transforms", "torchvision.models", "pytorch_fid", "pytorch_fid.fid_score"):
    sys.modules[name] = MagicMock()
sys.modules["pytorch_fid.inception"] = MagicMock()

import denoising_diffusion_pytorch as lucidrains  # noqa: E402
import smalldiffusion  # noqa: E402

__all__ = ["diffusers", "lucidrains", "smalldiffusion"]
