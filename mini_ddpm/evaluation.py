"""How good are generated images? Measured in the features of a network trained on real ones.

FD-judge is the Fréchet distance between two clouds of judge features. It is not FID: other features,
other numbers. It depends on n. Of 2,000 images, `fd_ratio` divides it by the distance of as many real
test images: 1 means as close to the training set as unseen real digits are.

Digits have one judge; colour images are measured with any of `extractors.EXTRACTORS`.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance
from tqdm.auto import tqdm

from mini_ddpm import parallel
from mini_ddpm.data import ImageSet, load, to_model, to_pixels
from mini_ddpm.diffusion import Diffusion, eps_from_x_0, q_sample
from mini_ddpm.extractors import CIFAR_JUDGE_FILE, Extractor, as_extractor
from mini_ddpm.files import CheckpointError, read_tensors, write_tensors
from mini_ddpm.judge import CifarJudge, Judge
from mini_ddpm.losses import Loss, Model, bound_term, prior_term

JUDGE_FILE = Path(__file__).parent.parent / "data" / "weights" / "judge.safetensors"
N = 2000  # images in every comparison by default; the real ones are the first of the test set


@dataclass(frozen=True)
class Reference:
    """The judge, and what it saw of real digits.

    Attributes:
        judge: the trained classifier.
        moments: the metric's sums over the features of the 60,000 training images.
        fd_test: FD-judge of N real test images against them, the unit of `fd_ratio`.
        spread_test: `class_spread` of those test images.
        accuracy: of the judge on the 10,000 test images, in 0..1.
    """

    judge: Judge
    moments: dict[str, Tensor]
    fd_test: float
    spread_test: float
    accuracy: float


def frechet_metric(d: int) -> FrechetInceptionDistance:
    """torchmetrics' Fréchet distance, over features (n, d) instead of images.

    Source: Heusel et al. 2017 (1706.08500), Eq. 6, with any extractor in Inception's place.
    """
    identity = nn.Identity()
    identity.num_features = d
    return FrechetInceptionDistance(identity, normalize=True, sync_on_compute=False)  # all processes know all rows


def moments_of(features: Tensor) -> dict[str, Tensor]:
    """The metric's sums over features (n, d): all it needs to know of real images."""
    metric = frechet_metric(features.shape[1])
    metric.update(features.double(), real=True)
    return {name: getattr(metric, name) for name in MOMENTS}


def frechet_distance(features: Tensor, moments: dict[str, Tensor]) -> float:
    """Fréchet distance of features (n, d) to the images that `moments` sums up."""
    metric = frechet_metric(features.shape[1])
    for name, value in moments.items():
        setattr(metric, name, value.clone())
    metric.update(features.double(), real=False)
    return float(metric.compute())


def kernel_distance(features: Tensor, real: Tensor, subsets: int = 50) -> float:
    """Kernel distance of `features` (n, d) to those of real images (m, d); 0 on average for equal distributions.

    Squared maximum mean discrepancy with the kernel (1 + x.y / d)^3, a mean over random subsets of at most 1,000.
    Unlike the Fréchet distance it does not depend on n on average. Source: Binkowski et al. 2018 (1801.01401).
    """
    size = min(1000, len(features), len(real))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchmetrics warns that it keeps the features
        metric = KernelInceptionDistance(nn.Identity(), subsets, size, sync_on_compute=False)
    metric.update(features, real=False)
    metric.update(real, real=True)
    return float(metric.compute()[0])


def class_spread(features: Tensor, classes: Tensor) -> float:
    """Mean squared distance of features (n, 128) to the mean of their class (n,): how varied a class is."""
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

    def covered(points: Tensor, others: Tensor) -> float:
        radius = torch.cdist(others, others).kthvalue(k + 1, dim=1).values  # the nearest is the point itself
        return float((torch.cdist(points, others) <= radius).any(dim=1).double().mean())

    return covered(features, real), covered(real, features)


def nearest_distance(images: Tensor, others: Tensor) -> float:
    """Median over `images` of the distance to the nearest of `others`: small means copied.

    Args:
        images, others: (n, C, H, W) and (m, C, H, W) in [-1, 1].

    Returns:
        Euclidean distance, in units where black to white is 1 for a pixel.
    """
    a, b = images.flatten(1) / 2, others.flatten(1) / 2
    return float(torch.cat([torch.cdist(part, b).amin(dim=1) for part in a.split(500)]).median())


@torch.no_grad()
def judge_features(judge: Judge, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features (n, 128) and predicted classes (n,) of images (n, 1, 28, 28) in [-1, 1], on the CPU."""
    features = torch.cat([judge.features(part) for part in images.cpu().split(500)])
    return features, judge.head(features).argmax(dim=1)


def evaluate_images(
    images: Tensor, labels: Tensor | None, reference: Reference, train: ImageSet, heldout: ImageSet
) -> dict[str, float]:
    """Figures for N generated digits (N, 1, 28, 28) in [-1, 1], drawn with `labels` (N,) or without.

    Returns:
        accuracy: share that the judge reads as its label (absent without labels).
        fd_judge: Fréchet distance to the 60,000 MNIST training images.
        fd_ratio: the same in units of the distance of 2,000 test images (absent unless N is 2,000).
        diversity: spread within a class, over that of real test images: 1 is as varied as real.
        nearest_train: median distance of a generated image to the nearest of `train`.
        nearest_heldout: the same for real images, `heldout`, to compare with.
    """
    features, predicted = judge_features(reference.judge, images)
    fd = frechet_distance(features, reference.moments)
    known = to_model(train.images)
    figures = {
        "fd_judge": fd,
        **({"fd_ratio": fd / reference.fd_test} if len(images) == N else {}),
        "diversity": class_spread(features, predicted) / reference.spread_test,
        "nearest_train": nearest_distance(images.cpu(), known),
        "nearest_heldout": nearest_distance(to_model(heldout.images[:N]), known),
    }
    if labels is not None:
        figures = {"accuracy": float((predicted == labels.cpu()).double().mean()), **figures}
    return figures


# --- colour images --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RealImages:
    """CIFAR-10 in the features of one extractor.

    Attributes:
        extractor: turns images into features.
        moments: the metric's sums over the features of all training images.
        test: (m, d) features of test images.
    """

    extractor: Extractor
    moments: dict[str, Tensor]
    test: Tensor

    def measure(self, images: Tensor, labels: Tensor | None = None) -> dict[str, float]:
        """Figures for images (n, 3, 32, 32), uint8, or in [-1, 1] and then rounded to 8 bits; drawn with labels (n,).

        Returns:
            accuracy: share that the extractor reads as its label, if it knows these classes.
            FD-<name>: Fréchet distance to all training images; it falls with n.
            FD-<name> of test images: the same for as many real ones, up to the 10,000 there are.
            KD-<name>, precision-<name>, recall-<name>: against as many test images, at most 10,000 of either.

        Raises:
            ValueError: fewer than 5 images, of which no point has a third neighbour to reach.
        """
        if len(images) < 5:
            raise ValueError(f"precision and recall need at least 5 images, not {len(images)}")
        pixels = images if images.dtype == torch.uint8 else to_pixels(images)
        features, name = self.extractor.of(pixels), self.extractor.name
        precision, recall = precision_recall(features[:10_000], self.test[: len(features)])
        read = None if labels is None or self.extractor.classes is None else self.extractor.classes(features)
        accuracy = {} if read is None else {"accuracy": float((read == labels.cpu()).double().mean())}
        return {
            **accuracy,
            f"FD-{name}": frechet_distance(features, self.moments),
            f"FD-{name} of test images": frechet_distance(self.test[: len(features)], self.moments),
            f"KD-{name}": kernel_distance(features, self.test[: len(features)]),
            f"precision-{name}": precision,
            f"recall-{name}": recall,
        }


def real_images(extractor: Extractor, n: int) -> RealImages:
    """CIFAR-10 as `extractor` sees it, to be compared with n images.

    The judge's file holds the moments, and the features of 2,000 test images; for more, and for other extractors, the
    data set is loaded.
    """
    kept = read_tensors(CIFAR_JUDGE_FILE)[0] if extractor.name == "cifar10-judge" else {}
    moments = {key: kept[key] for key in MOMENTS} if kept else moments_of(extractor.of(_cifar10("train").images))
    if kept and n <= len(kept["test"]):
        return RealImages(extractor, moments, kept["test"][:n].float())
    return RealImages(extractor, moments, extractor.of(_cifar10("test").images[:n]))


def _cifar10(split: str) -> ImageSet:
    with parallel.first_alone():
        return load("cifar10", split)


def floors(extractor: Extractor, n: int) -> dict[str, dict[str, float]]:
    """The figures of n images that no network has drawn: real ones, and test images with noise.

    A perfect model could not do better than the first two; noise of a few grey levels says how sensitive a distance is.
    What compares an image with test images (KD, precision, recall) is left out where it would meet itself.
    """
    real, train, test = real_images(extractor, n), _cifar10("train").images, _cifar10("test").images[:n]
    half = len(train) // 2
    one_half = replace(real, moments=moments_of(extractor.of(train[:half])))
    name = f"FD-{extractor.name}"
    rows = {
        "test images against training images": {name: frechet_distance(real.test, real.moments)},
        "half of the training images against the other": one_half.measure(train[half : half + n]),
    }
    for level in (2, 5, 10, 20, 40):
        noisy = (test + level * torch.randn(test.shape)).round().clamp(0, 255).byte()
        distance = frechet_distance(extractor.of(noisy), real.moments)
        rows[f"test images with noise of {level} grey levels"] = {name: distance}
    return rows


def save_cifar_judge(judge: CifarJudge, train: ImageSet, test: ImageSet, path: Path = CIFAR_JUDGE_FILE) -> float:
    """Round a judge to half precision, measure CIFAR-10 with it as it then is, and write all of it to one file.

    Returns:
        Its accuracy on the test images, in 0..1.
    """
    judge.half().float()
    extractor = as_extractor(judge, test.images.device)
    features = extractor.of(test.images)
    accuracy = float((extractor.classes(features) == test.labels.cpu()).double().mean())
    weights = {f"judge.{name}": v.half() if v.is_floating_point() else v for name, v in judge.state_dict().items()}
    measured = {**moments_of(extractor.of(train.images)), "test": features[:N].half()}
    write_tensors(path, weights | measured, {"accuracy": accuracy})
    return accuracy


@torch.no_grad()
def loss_per_t(loss_fn: Loss, diffusion: Diffusion, model: Model, x_0: Tensor, times: Iterable[int]) -> Tensor:
    """Mean loss over images x_0 (N, C, H, W) at each of `times` in 1..T, with the same noise: (len(times),)."""
    eps = torch.randn_like(x_0)
    everywhere = (torch.full((len(x_0),), t, device=x_0.device) for t in times)
    return torch.stack([loss_fn(diffusion, model, x_0, t, eps).mean() for t in everywhere])


# --- the bound ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bound:
    """The variational bound on -log p(x_0), split along a chain of n steps. One row an image.

    Attributes:
        times: the n times t of the chain, falling from T.
        prior: L_T, (B,) bits/dim.
        terms: (B, n) bits/dim, term k for the step from `times[k]`; the last is L_0.
        x_0_error, eps_error: (B, n) mean squared error of the predicted x_0 (in [-1, 1]) and noise.
    """

    times: list[int]
    prior: Tensor
    terms: Tensor
    x_0_error: Tensor
    eps_error: Tensor

    @property
    def bits_per_dim(self) -> Tensor:
        """(B,): what it costs to code each image."""
        return self.prior + self.terms.sum(dim=1)

    def progressive(self) -> tuple[Tensor, Tensor]:
        """Rate and distortion when decoding stops early, for the chain's times from T down, both (n,).

        The rate, in bits/dim, is what has been sent before `times[k]`; the distortion is the root mean square error of
        the x_0 predicted there, in grey levels of 0..255. Source: DDPM, Section 4.3.
        """
        sent = torch.cat([self.prior[:, None], self.terms[:, :-1]], dim=1).mean(dim=0).cumsum(dim=0)
        return sent, 127.5 * self.x_0_error.mean(dim=0).sqrt()


@torch.no_grad()
def bound(diffusion: Diffusion, model: Model, images: Tensor) -> Bound:
    """The bound of 8-bit images (B, C, H, W), along the chain of `diffusion.timesteps`, one draw of noise a term.

    Predicted x_0 are clamped as in sampling.

    Raises:
        ValueError: the images are not uint8. The decoder of L_0 knows 256 levels and nothing between.
    """
    if images.dtype != torch.uint8:
        raise ValueError(f"bits/dim are defined for 8-bit images: give uint8, not {images.dtype}")
    x_0, rows = to_model(images), []
    for t, s in tqdm(list(pairwise(diffusion.timesteps)), unit="step", desc="bound", leave=False):
        eps = torch.randn_like(x_0)
        everywhere = torch.full((len(x_0),), t, device=x_0.device)
        x_t = q_sample(x_0, eps, diffusion.schedule.at(t))
        prediction = diffusion.predict(model, x_t, everywhere)
        term = bound_term(diffusion, prediction, x_0, x_t, everywhere, torch.full_like(everywhere, s))
        predicted_eps = eps_from_x_0(x_t, prediction.x_0, diffusion.schedule.at(t))
        errors = [(prediction.x_0 - x_0).square(), (predicted_eps - eps).square()]
        rows.append(torch.stack([term, *(error.mean(dim=(1, 2, 3)) for error in errors)]))
    terms, x_0_error, eps_error = torch.stack(rows, dim=-1).cpu()  # (3, B, n)
    return Bound(diffusion.timesteps[:-1], prior_term(diffusion, x_0).cpu(), terms, x_0_error, eps_error)


# --- the judge's file ---------------------------------------------------------------------------------


def refer(judge: Judge, train: ImageSet, test: ImageSet) -> Reference:
    """Measure real digits, full MNIST train and test, in the features of a trained judge."""
    moments = moments_of(judge_features(judge, to_model(train.images))[0])
    features, predicted = judge_features(judge, to_model(test.images))
    return Reference(
        judge,
        moments,
        fd_test=frechet_distance(features[:N], moments),
        spread_test=class_spread(features[:N], predicted[:N]),
        accuracy=float((predicted == test.labels).double().mean()),
    )


MOMENTS = ("real_features_sum", "real_features_cov_sum", "real_features_num_samples")
FIGURES = ("fd_test", "spread_test", "accuracy")


def save_reference(reference: Reference, path: Path = JUDGE_FILE) -> None:
    """Write the judge, its moments and its figures to one safetensors file."""
    tensors = {f"judge.{name}": value for name, value in reference.judge.state_dict().items()}
    write_tensors(path, tensors | reference.moments, {name: getattr(reference, name) for name in FIGURES})


def load_reference(path: Path = JUDGE_FILE) -> Reference:
    """Read what `save_reference` wrote.

    Raises:
        CheckpointError: the file is missing, damaged or of another kind.
    """
    tensors, metadata = read_tensors(path)
    judge = Judge()
    try:
        judge.load_state_dict({n.removeprefix("judge."): v for n, v in tensors.items() if n.startswith("judge.")})
        moments = {name: tensors[name] for name in MOMENTS}
        return Reference(judge.eval(), moments, **{name: metadata[name] for name in FIGURES})
    except (KeyError, RuntimeError):
        raise CheckpointError(f"{path} is not a judge: remake it with `mini-ddpm train-judge`") from None
