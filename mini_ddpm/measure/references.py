"""Images of any kind, against others of their kind: figures in the features of an extractor, and their control.

Two sets of real images differ, too, and the fewer there are, the more they seem to. So real images stand where the
measured ones did, as many of them, against the same others: that is the figure to compare with, not 0.
"""

import os
import warnings
from collections import Counter
from collections.abc import Sized
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from PIL import ExifTags, Image
from torch import Tensor

from mini_ddpm import data, folders, parallel
from mini_ddpm.data import DataError, ImageSet
from mini_ddpm.limits import N
from mini_ddpm.measure.distances import (
    frechet_distance,
    kernel_distance,
    moments_of,
    nearest_distance,
    precision_recall,
)
from mini_ddpm.measure.extractors import Extractor

LEAST = 5  # images of either set; of fewer, none has a third neighbour to reach
FEW = 1000  # images of either set, below which a Fréchet distance is more about their number than about what they show
COPIED = 0.8  # of the distance between real images: what is nearer is no new image
LARGEST = 512  # pixels of a side, where no size is asked for: an extractor looks at 224 or 299
MOST = 5000  # images of either set, where each is compared with each


def read_both(
    folder: Path, reference: Path, size: int | None = None, skip_broken: bool = False
) -> tuple[ImageSet, ImageSet]:
    """The pictures of two folders, in colour and at one size: by default, the commonest in `folder`, LARGEST at most.

    Raises:
        DataError: a folder is in the other, has fewer than LEAST pictures, or can't be read.
    """
    one, other = (Path(os.path.realpath(path)) for path in (folder, reference))
    if one.is_relative_to(other) or other.is_relative_to(one):
        how = "are the same folder" if one == other else "are one inside the other"
        raise DataError(f"{folder} and {reference} {how}, and pictures are not compared with themselves: choose others")
    with parallel.first_alone():
        sides = commonest_size(folder) if size is None else (size, size)
        found, real = (data.folder(path, sides, skip_broken=skip_broken) for path in (folder, reference))
    check_enough(found.images, real.images)
    return found, real


def commonest_size(folder: Path) -> tuple[int, int]:
    """(height, width) of most pictures of a folder, a thousand of them at most, shrunk to LARGEST pixels a side."""
    sizes = Counter[tuple[int, int]]()
    paths = folders._listing(str(folder)).paths
    for path in paths[:: -(-len(paths) // 1000)]:
        with suppress(Exception), warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5  # a camera held upright
            sizes[(image.width, image.height) if turned else (image.height, image.width)] += 1
    if not sizes:
        raise DataError(f"none of the pictures in {folder} can be read: mend them, or name another folder")
    height, width = sizes.most_common(1)[0][0]
    scale = min(1, LARGEST / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def some(images: Tensor, n: int) -> Tensor:
    """At most n of the images, or of their features, at random: folders are sorted, classes and all."""
    return images[torch.randperm(len(images))[:n]]


def check_enough(*sets: Sized) -> None:
    """A ValueError where there are fewer than LEAST images in a set."""
    if (least := min(map(len, sets))) < LEAST:
        raise ValueError(f"figures in the features of an extractor need at least {LEAST} images a set, not {least}")


def figures(name: str, features: Tensor, real: Tensor) -> dict[str, float]:
    """The figures of features (n, d), against those of real images (m, d).

    Returns:
        FD-<name>: Fréchet distance, of all of them. It falls with n and m.
        KD-<name>: kernel distance, which does not; about 0 for real images. It may be negative.
        precision-<name>, recall-<name>: these two and KD are of at most MOST of either.
        n, n of the reference: how many were compared.
    """
    precision, recall = precision_recall(features[:MOST], real[:MOST])
    return {
        f"FD-{name}": frechet_distance(features, moments_of(real)),
        f"KD-{name}": kernel_distance(features[:MOST], real[:MOST]),
        f"precision-{name}": precision,
        f"recall-{name}": recall,
        "n": len(features),
        "n of the reference": len(real),
    }


def compare(
    extractor: Extractor, images: Tensor, reference: Tensor, heldout: Tensor | None = None
) -> dict[str, dict[str, float]]:
    """Figures of images against a reference, and of real images in their place.

    Args:
        images, reference: (n, C, H, W) and (m, C, H, W), uint8, C 1 or 3.
        heldout: real images that are not in the reference. Without, some of the reference are set against its rest.

    Returns:
        "images": the figures of all images against the whole reference.
        "some of them" and "as many real images": the same, of as many images as there are real ones for, against the
            same part of the reference. These two compare like with like. Absent where fewer than LEAST could be.

    Raises:
        ValueError: fewer than LEAST images of either set.
    """
    check_enough(images, reference)
    drawn, known = (some(features, len(features)) for features in (extractor.of(images), extractor.of(reference)))
    rows = {"images": figures(extractor.name, drawn, known)}
    if heldout is None:
        k = min(len(drawn), len(known) // 2)
        real, rest = known[:k], known[k:]
    else:
        real, rest = extractor.of(some(heldout, len(drawn))), known
        k = len(real)
    if k >= LEAST:
        rows["some of them"] = figures(extractor.name, drawn[:k], rest)
        rows["as many real images"] = figures(extractor.name, real, rest)
    return rows


def neighbours(images: Tensor, reference: Tensor, heldout: Tensor | None = None) -> dict[str, Any]:
    """Is it copied? The median distance of images to the nearest of the reference, pixel by pixel, as in `distances`.

    Args:
        images, reference, heldout: as for `compare`; of the first and the last, N at most are looked at.

    Returns:
        nearest: of the images.
        nearest of real images: of those held out or, without, of each of the reference among the others (absent where
            there is but one). Copies are much nearer than that.
        beware: what that means, where it is so.
    """
    found: dict[str, Any] = {"nearest": nearest_distance(some(images, N), reference)}
    if heldout is None and len(reference) == 1:
        return found
    real = some(reference if heldout is None else heldout, N)
    found["nearest of real images"] = nearest_distance(real, reference, among=heldout is None)
    if found["nearest"] < COPIED * found["nearest of real images"]:
        found["beware"] = "these images are nearer to the reference than other real images are: it is copying"
    return found


def advice(rows: dict[str, dict[str, float]]) -> str:
    """How to read what `compare` found."""
    if "some of them" not in rows:
        return f"there is no control: it takes {2 * LEAST} real images"
    said = "compare `some of them` with `as many real images`: the closer, the less tells them from real ones"
    few = min(row[key] for row in rows.values() for key in ("n", "n of the reference")) < FEW
    return said + f"; below {FEW:,} images FD is mostly about their number: read KD, which is not" * few
