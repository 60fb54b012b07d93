"""Notebook 08, section 7: what the noise at the start decides, as numbers of drawn digits."""

import torch
from torch import Tensor

from mini_ddpm.measure import Reference, class_spread, frechet_distance, judge_features


def looks(images: Tensor) -> dict[str, Tensor]:
    """How digits (..., 1, H, W) in [-1, 1] look: ink, slant and width (...).

    Ink is the mean brightness, from 0 to 1. Slant is how many pixels a digit leans to the right for each pixel up: the
    slope of the line that fits its ink best. Width is the deviation of its ink from side to side, in pixels.
    """
    ink = (images.clamp(-1, 1).squeeze(-3) + 1) / 2  # (..., H, W)
    up, right = torch.meshgrid(*(torch.arange(n, dtype=ink.dtype) for n in ink.shape[-2:]), indexing="ij")
    share = ink / ink.sum((-2, -1), keepdim=True)
    x, y = (place - (share * place).sum((-2, -1), keepdim=True) for place in (right, -up))
    slant = (share * x * y).sum((-2, -1)) / (share * y**2).sum((-2, -1))
    return {"ink": ink.mean((-2, -1)), "slant": slant, "width": (share * x**2).sum((-2, -1)).sqrt()}


def alike(look: Tensor) -> float:
    """Of one number (starts, labels): the mean correlation of two labels, over the starts."""
    together = torch.corrcoef(look.T)
    return float(together[~torch.eye(len(together), dtype=torch.bool)].mean())


def by_chance(starts: int, labels: int, tries: int = 2000) -> tuple[float, float]:
    """What `alike` finds in 95 of 100 tables of numbers that have nothing in common."""
    generator = torch.Generator().manual_seed(0)
    found = torch.tensor([alike(torch.randn(starts, labels, generator=generator)) for _ in range(tries)])
    low, high = found.quantile(torch.tensor([0.025, 0.975])).tolist()
    return low, high


def judged(images: Tensor, y: Tensor, reference: Reference) -> tuple[float, float, float]:
    """The share of digits (B, 1, 28, 28) that are read as labelled y (B,), FD-judge, and diversity."""
    features, read = judge_features(reference.judge, images)
    right = float((read == y).double().mean())
    return right, frechet_distance(features, reference.moments), class_spread(features, read) / reference.spread_test
