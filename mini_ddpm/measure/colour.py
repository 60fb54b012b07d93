"""How good are generated colour images? Measured against CIFAR-10 with any of `extractors.EXTRACTORS`."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from mini_ddpm import parallel
from mini_ddpm.checks import check_images, check_labels
from mini_ddpm.data import ImageSet, load, to_pixels
from mini_ddpm.files import read_tensors, write_tensors
from mini_ddpm.limits import N
from mini_ddpm.measure.distances import MOMENTS, frechet_distance, kernel_distance, moments_of, precision_recall
from mini_ddpm.measure.extractors import CIFAR_JUDGE_FILE, Extractor, as_extractor
from mini_ddpm.measure.judges import CifarJudge


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
        check_images(images, (3, 32, 32), pixels=images.dtype == torch.uint8)
        if labels is not None:
            check_labels(labels, len(images), 10)
        pixels = images if images.dtype == torch.uint8 else to_pixels(images)
        features, name = self.extractor.of(pixels), self.extractor.name
        precision, recall = precision_recall(features[:10_000], self.test[: len(features)])
        accuracy = {}
        if labels is not None and self.extractor.classes is not None:
            accuracy = {"accuracy": float((self.extractor.classes(features) == labels.cpu()).double().mean())}
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
    assert extractor.classes is not None  # it is a judge
    features = extractor.of(test.images)
    accuracy = float((extractor.classes(features) == test.labels.cpu()).double().mean())
    weights = {f"judge.{name}": v.half() if v.is_floating_point() else v for name, v in judge.state_dict().items()}
    measured = {**moments_of(extractor.of(train.images)), "test": features[:N].half()}
    write_tensors(path, weights | measured, {"accuracy": accuracy})
    return accuracy
