"""How good are generated digits? The judge's figures.

FD-judge is the Fréchet distance between two clouds of judge features. It is not FID: other features,
other numbers. It depends on n. Of 2,000 images, `fd_ratio` divides it by the distance of MNIST's first
2,000 test images, which are of few writers: 2,000 drawn at random get 0.55, not 1 (0.41 to 0.69 in five
sets), and so would a perfect model. `diversity` has the same unit; there they get 0.92.
Source: data/bench/real-digits.json.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mini_ddpm.checks import check_images, check_labels
from mini_ddpm.data import ImageSet, to_model
from mini_ddpm.files import CheckpointError, read_tensors, shipped, write_tensors
from mini_ddpm.limits import N
from mini_ddpm.measure.distances import MOMENTS, class_spread, frechet_distance, moments_of, nearest_distance
from mini_ddpm.measure.judges import Judge

JUDGE_FILE = shipped("weights/judge.safetensors")
DATA = ("mnist", "mnist-5k")  # the data sets of which the judge says something


@dataclass(frozen=True)
class Reference:
    """The judge, and what it saw of real digits.

    Attributes:
        judge: the trained classifier.
        moments: the metric's sums over the features of the 60,000 training images.
        fd_test: FD-judge of the first N test images against them, the unit of `fd_ratio`.
        spread_test: `class_spread` of those test images, the unit of `diversity`.
        accuracy: of the judge on the 10,000 test images, in 0..1.
    """

    judge: Judge
    moments: dict[str, Tensor]
    fd_test: float
    spread_test: float
    accuracy: float


@torch.no_grad()
def judge_features(judge: Judge, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features (n, 128) and predicted classes (n,) of images (n, 1, 28, 28) in [-1, 1], on the CPU."""
    check_images(images, (1, 28, 28))
    features = torch.cat([judge.features(part) for part in images.cpu().split(500)])
    return features, judge.head(features).argmax(dim=1)


def evaluate_images(
    images: Tensor, labels: Tensor | None, reference: Reference, train: ImageSet, heldout: ImageSet
) -> dict[str, float]:
    """Figures for N generated digits (N, 1, 28, 28) in [-1, 1], drawn with `labels` (N,) or without.

    Returns:
        accuracy: share that the judge reads as its label (absent without labels).
        fd_judge: Fréchet distance to the 60,000 MNIST training images.
        fd_ratio: the same over that of the first 2,000 test images (absent unless N is 2,000); real ones get 0.55.
        diversity: spread within a class, over that of the same test images; real ones get 0.92.
        nearest_train: median distance of a generated image to the nearest of `train`.
        nearest_heldout: the same for real images, `heldout`, to compare with.
    """
    if labels is not None:
        check_labels(labels, len(images), 10)
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
