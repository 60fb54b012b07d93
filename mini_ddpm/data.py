"""Real images, verified, as one uint8 tensor, normalised batch by batch.

`load("mnist-5k", "train")` needs no network. The full sets are downloaded once and cached (`downloads`), and own
pictures are read from a folder (`folders`).
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mini_ddpm import downloads, folders
from mini_ddpm.checks import check_images, check_labels
from mini_ddpm.downloads import DataError
from mini_ddpm.files import shipped

EMBEDDED = shipped("mnist-5k.npz")
EMBEDDED_SHA256 = "ec56671eedea578fe38198d455616f721540adb79079f21462763a80602814a0"
MOST_SIZE = 4096  # pixels of a side
EMBEDDED_TRAIN = 4000  # the file interleaves the digits, so both parts are balanced
EMBEDDED_CIFAR10 = EMBEDDED.with_name("cifar10-100.npz")
EMBEDDED_CIFAR10_SHA256 = "b8b8dac573aea7f64c879bc0ef94c589476050a5abd3685c6154645d0ad7ad49"
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


@dataclass(frozen=True)
class ImageSet:
    """Images and labels in memory, or mapped into it.

    Attributes:
        images: (N, C, H, W) uint8, N > 0; C is 1 or 3.
        labels: (N,) int64 from 0. Anything else is a ValueError.
        flip: mirror half of the images of every batch (never digits).
        names: of the classes, in the order of labels; empty where there are no classes, or they have no names.
        source: what was read of a folder of pictures, and how, in one line.
    """

    images: Tensor
    labels: Tensor
    flip: bool = False
    names: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        check_images(self.images, pixels=True)
        check_labels(self.labels, len(self.images), len(self.names) or None)

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) float32 in [-1, 1], and labels (B,), at `indices` (B,)."""
        x_0 = to_model(self.images[indices])
        if self.flip:
            mirrored = torch.rand(len(indices), 1, 1, 1, device=x_0.device) < 0.5
            x_0 = torch.where(mirrored, x_0.flip(-1), x_0)
        return x_0, self.labels[indices]

    def check_fits(self, shape: tuple[int, int, int], classes: int) -> None:
        """A ValueError unless images are of `shape` (C, H, W), and labels in 0..classes-1 where there are classes."""
        if (own := tuple(self.images.shape[1:])) != shape:
            raise ValueError(f"the network takes images of {shape}, not {own}: choose another --preset or --data")
        if classes:
            check_labels(self.labels, len(self), classes)

    def to(self, device: torch.device) -> "ImageSet":
        """The same set on another device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


def to_model(images: Tensor) -> Tensor:
    """uint8 pixels 0..255 -> float32 in [-1, 1]."""
    if images.dtype != torch.uint8:
        raise ValueError(f"pixels must be uint8, not {images.dtype}")
    return images.float() / 127.5 - 1


def to_pixels(x: Tensor) -> Tensor:
    """Model range [-1, 1] -> uint8 pixels 0..255, rounded and clamped."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().byte()


def load(name: str, split: str = "train", size: int | tuple[int, int] | None = None, channels: int = 3) -> ImageSet:
    """A data set by name: `mnist-5k`, `mnist`, `fashion-mnist` or `cifar10`; or a `folder`, which needs a size.

    Sizes: mnist-5k 4,000 / 1,000 images of (1, 28, 28), class-balanced; mnist and fashion-mnist 60,000 / 10,000
    of (1, 28, 28); cifar10 50,000 / 10,000 of (3, 32, 32), flipped in training. Split: `train` or `test`.

    Raises:
        DataError: unknown name or split, damaged file, or nothing cached and no network; what `folder` raises.
    """
    if split not in ("train", "test"):
        raise DataError(f"unknown split {split!r}: choose train or test")
    if not is_folder(name):
        return _named(name).load(split)
    if size is None:
        raise DataError(f"{folders.shown(name)} is a folder of pictures: give their size, as in size=32")
    return folder(name, size, channels=channels, part=split)


def folder(
    path: str | Path,
    size: int | tuple[int, int],
    *,
    channels: int = 3,
    part: str | None = None,
    skip_broken: bool = False,
) -> ImageSet:
    """Own pictures: the PNG, JPEG and WebP files in a folder, and below it.

    Each is cropped to its centre and resized to `size` pixels, or to (height, width). Folders in the folder are
    classes, sorted by name; with fewer than two, all labels are 0. They are read once and then mapped from a cache.

    Args:
        path: the folder.
        size: of the images that are made.
        channels: 3 for colour, 1 for grey.
        part: `test` for every tenth picture of each class, by name; `train` for the others; None for all, those of
            the test part last.
        skip_broken: leave out pictures that can't be read.

    Raises:
        DataError: no pictures, pictures that can't be read, or a layout that is not clear.
    """
    pair = (size, size) if isinstance(size, int) else size
    if not (isinstance(pair, tuple) and len(pair) == 2 and all(type(n) is int and 1 <= n <= MOST_SIZE for n in pair)):
        raise DataError(f"size must be a number of pixels from 1 to {MOST_SIZE:,}, or (height, width), not {size!r}")
    if channels not in (1, 3):
        raise DataError(f"channels must be 3 (colour) or 1 (grey), not {channels!r}")
    if part not in (None, "train", "test"):
        raise DataError(f"unknown part {part!r}: choose train, test or None for all")
    images, found, source = folders.read(path, pair, channels, skip_broken)
    rows = {None: slice(None), "train": slice(found.train), "test": slice(found.train, None)}[part]
    if not (labels := found.labels[rows]):
        raise DataError(f"{folders.shown(path)} has no {part} part: of each class, every tenth picture is for tests")
    source += f"; {part} part: {len(labels):,}" if part else ""
    return ImageSet(images[rows], torch.tensor(labels), names=tuple(found.names), source=source)


def is_folder(name: str) -> bool:
    """Whether this names a folder of pictures (there is one, or it is written as a path), and not a data set."""
    known = [*DATASETS]  # a list, so that what can't be hashed is unknown, too
    return isinstance(name, str | Path) and name not in known and (os.path.exists(name) or Path(name).name != name)


def fetch(name: str) -> Path | None:
    """Download a full set unless it is at hand; returns its folder, or None where none is needed."""
    return _named(name).folder()


def verified(name: str) -> str:
    """What `fetch` and `load` compare of the set of this name, in words."""
    return _named(name).verified[bool(os.environ.get("MINI_DDPM_DATA"))]


# --- shipped with the package: MNIST-5k, and some of CIFAR-10 -----------------------------------------


def _load_mnist_5k(split: str) -> ImageSet:
    images, labels = _embedded(EMBEDDED, EMBEDDED_SHA256)
    part = slice(None, EMBEDDED_TRAIN) if split == "train" else slice(EMBEDDED_TRAIN, None)
    return _image_set(images[part, None], labels[part])


def some_cifar10() -> ImageSet:
    """100 of CIFAR-10's test images, the ten classes in turn: to look at, without a download. (100, 3, 32, 32)."""
    return _image_set(*_embedded(EMBEDDED_CIFAR10, EMBEDDED_CIFAR10_SHA256))


def _embedded(path: Path, sha256: str) -> tuple[np.ndarray, np.ndarray]:
    remedy = "install mini-ddpm again or, in a clone, restore it with `git checkout -- data`"
    if not path.is_file():
        raise DataError(f"{path} is missing: {remedy}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise DataError(f"{path} is damaged (checksum): {remedy}")
    with np.load(path, allow_pickle=False) as file:
        return file["images"], file["labels"]


# --- by name ------------------------------------------------------------------------------------------


def _load_gz(name: str, split: str) -> ImageSet:
    images, labels = downloads.gz_arrays(name, split)
    return _image_set(images, labels, names=FASHION_CLASSES if name == "fashion-mnist" else ())


def _load_cifar10(split: str) -> ImageSet:
    return _image_set(*downloads.cifar10_arrays(split), flip=split == "train", names=CIFAR10_CLASSES)


class DataSet(NamedTuple):
    """How to load a split, where the files are (downloading them first if need be), and what is verified of them."""

    load: Callable[[str], ImageSet]
    folder: Callable[[], Path | None]
    verified: tuple[str, str]  # downloaded, and in the folder that MINI_DDPM_DATA names


SIZES = "sizes, labels and class counts only"
DATASETS = {
    "mnist-5k": DataSet(_load_mnist_5k, lambda: None, 2 * ("the file's checksum",)),
    "mnist": DataSet(
        partial(_load_gz, "mnist"), partial(downloads.gz_folder, "mnist"), 2 * ("checksums of the decompressed bytes",)
    ),
    "fashion-mnist": DataSet(
        partial(_load_gz, "fashion-mnist"),
        partial(downloads.gz_folder, "fashion-mnist"),
        2 * ("MD5 checksums of the .gz files",),
    ),
    "cifar10": DataSet(
        _load_cifar10, downloads.cifar10_folder, ("the archive's checksum, when it was downloaded", SIZES)
    ),
}


def _named(name: str) -> DataSet:
    if name not in [*DATASETS]:  # a list, so that what can't be hashed is unknown, too
        raise DataError(
            f"unknown data set {name!r}: choose one of {', '.join(DATASETS)}; own pictures need a folder's path"
        )
    return DATASETS[name]


def _image_set(images: np.ndarray, labels: np.ndarray, flip: bool = False, names: tuple[str, ...] = ()) -> ImageSet:
    return ImageSet(torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64)), flip, names)
