"""The peers, imported without torchvision: they want it for files and pictures, which nothing here touches."""

import sys
from importlib.util import find_spec
from unittest.mock import MagicMock

import diffusers  # these two before the stand-ins: they look for the real torchvision and go without
import torchmetrics  # noqa: F401

STAND_INS = {"torchvision": ("transforms", "models"), "pytorch_fid": ("fid_score", "inception")}
for package, parts in STAND_INS.items():
    if find_spec(package) is None:
        for name in (package, *(f"{package}.{part}" for part in parts)):
            sys.modules[name] = MagicMock()

import denoising_diffusion_pytorch as lucidrains  # noqa: E402
import smalldiffusion  # noqa: E402

__all__ = ["diffusers", "lucidrains", "smalldiffusion"]
