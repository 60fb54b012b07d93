"""Distances between two sets of images, in the features of a network trained on real ones.

A Fréchet distance depends on the extractor and on n; it is FID for Inception's features only.
"""

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mini_ddpm.checks import check_images, check_labels, finite
from mini_ddpm.data import to_model

if TYPE_CHECKING:  # it takes a second to import, which not every command needs
    from torchmetrics.image.fid import FrechetInceptionDistance

MOMENTS = ("real_features_sum", "real_features_cov_sum", "real_features_num_samples")


def frechet_metric(d: int) -> "FrechetInceptionDistance":
    """torchmetrics' Fréchet distance, over features (n, d) instead of images.

    Source: Heusel et al. 2017 (1706.08500), Eq. 6, with any extractor in Inception's place.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    identity = nn.Identity()
    identity.num_features = d  # type: ignore[assignment]
    return FrechetInceptionDistance(identity, normalize=True, sync_on_compute=False)  # all processes know all rows


def _check_features(least: int, *clouds: Tensor) -> None:
    """A ValueError unless these are clouds (n, d) of `least` points or more, of one d, and finite."""
    shapes = [tuple(cloud.shape) for cloud in clouds]
    if any(len(shape) != 2 or shape[0] < least or shape[1] != shapes[0][1] for shape in shapes):
        raise ValueError(f"features must be (n, d) of one d, and n at least {least}, not {shapes}")
    for cloud in clouds:
        finite(cloud, "the features")


def moments_of(features: Tensor) -> dict[str, Tensor]:
    """The metric's sums over features (n, d): all it needs to know of real images."""
    _check_features(2, features)
    metric = frechet_metric(features.shape[1])
    metric.update(features.double(), real=True)
    return {name: getattr(metric, name) for name in MOMENTS}


def frechet_distance(features: Tensor, moments: dict[str, Tensor]) -> float:
    """Fréchet distance of features (n, d) to the images that `moments` sums up."""
    if {*moments} != {*MOMENTS}:
        raise ValueError(f"moments must be {', '.join(MOMENTS)}, as moments_of makes them, not {', '.join(moments)}")
    _check_features(2, features, moments["real_features_sum"].expand(2, -1))
    metric = frechet_metric(features.shape[1])
    for name, value in moments.items():
        setattr(metric, name, value.clone())
    metric.update(features.double(), real=False)
    # torch's eigenvalues of what is not finite may end the process
    finite(metric.fake_features_cov_sum @ metric.real_features_cov_sum, "what the Fréchet distance is made of")
    return float(finite(metric.compute(), "the Fréchet distance"))


def kernel_distance(features: Tensor, real: Tensor, subsets: int = 50) -> float:
    """Kernel distance of `features` (n, d) to those of real images (m, d); 0 on average for equal distributions.

    Squared maximum mean discrepancy with the kernel (1 + x.y / d)^3, a mean over random subsets of at most 1,000.
    Unlike the Fréchet distance it does not depend on n on average. Source: Binkowski et al. 2018 (1801.01401).
    """
    _check_features(2, features, real)
    size = min(1000, len(features), len(real))
    from torchmetrics.image.kid import KernelInceptionDistance

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchmetrics warns that it keeps the features
        metric = KernelInceptionDistance(nn.Identity(), subsets, size, sync_on_compute=False)
    metric.update(features, real=False)
    metric.update(real, real=True)
    return float(finite(metric.compute()[0], "the kernel distance"))


def class_spread(features: Tensor, classes: Tensor) -> float:
    """Mean squared distance of features (n, 128) to the mean of their class (n,): how varied a class is."""
    _check_features(1, features)
    check_labels(classes, len(features))
    groups = [features[classes == c] for c in classes.unique()]
    return float(sum((g - g.mean(dim=0)).square().sum() for g in groups) / len(features))


def precision_recall(features: Tensor, real: Tensor, k: int = 3) -> tuple[float, float]:
    """Fidelity and variety of generated `features` (n, d), apart, against those of real images (m, d).

    Precision is the share of generated points that real ones surround, recall the share of real points that
    generated ones surround: within the distance of some point to its k-th neighbour among its own.
    Both depend on n and m.

    Returns:
        Precision and recall, in 0..1. Source: 1904.06991, Eq. 1 and 2.
    """

    _check_features(k + 1, features, real)

    def covered(points: Tensor, others: Tensor) -> float:
        radius = torch.cdist(others, others).kthvalue(k + 1, dim=1).values  # the nearest is the point itself
        return float((torch.cdist(points, others) <= radius).any(dim=1).double().mean())

    return covered(features, real), covered(real, features)


def nearest_distance(images: Tensor, others: Tensor, among: bool = False) -> float:
    """Median over `images` of the distance to the nearest of `others`: small means copied.

    Args:
        images, others: (n, C, H, W) and (m, C, H, W), uint8 or in [-1, 1].
        among: the images are among the others, and no image is its own neighbour.

    Returns:
        Euclidean distance, in units where black to white is 1 for a pixel.
    """
    check_images(images, pixels=images.dtype == torch.uint8)
    check_images(others, images.shape[1:], pixels=others.dtype == torch.uint8)
    if len(others) <= among:
        raise ValueError("a single image has no neighbour")
    at_once = max(1, 2**24 // images[0].numel())  # 64 MiB of floats, however many images there are

    def points(part: Tensor) -> Tensor:
        return (to_model(part) if part.dtype == torch.uint8 else part).flatten(1) / 2

    found = []
    for part in images.split(min(500, at_once)):
        nearest = torch.full((len(part), 1 + among), torch.inf)
        for other in others.split(at_once):
            distances = torch.cdist(points(part), points(other))
            nearest = torch.cat([nearest, distances], dim=1).topk(1 + among, largest=False).values
        found.append(nearest[:, -1])
    return float(torch.cat(found).median())
