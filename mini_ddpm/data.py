"""Real images, verified, kept in memory as one uint8 tensor and normalised batch by batch.

`load("mnist-5k", "train")` needs no network. The two full sets are downloaded once and cached, or read
from the folder that the environment variable MINI_DDPM_DATA names (`mnist/` with the four .gz files,
`cifar-10-batches-bin/` as the archive unpacks). Nothing here reads a pickle.
"""

import gzip
import hashlib
import logging
import multiprocessing
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pooch
import torch
from torch import Tensor

from mini_ddpm.checks import check_images, check_labels
from mini_ddpm.files import shipped

EMBEDDED = shipped("mnist-5k.npz")
EMBEDDED_SHA256 = "ec56671eedea578fe38198d455616f721540adb79079f21462763a80602814a0"
EMBEDDED_TRAIN = 4000  # the file interleaves the digits, so both parts are balanced
EMBEDDED_CIFAR10 = EMBEDDED.with_name("cifar10-100.npz")
EMBEDDED_CIFAR10_SHA256 = "b8b8dac573aea7f64c879bc0ef94c589476050a5abd3685c6154645d0ad7ad49"
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

MNIST_MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
MNIST_BYTES = 47_040_016  # of the largest of its files, decompressed
# SHA-256 of the *decompressed* bytes: mirrors recompress.
MNIST_FILES = {
    "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
AGAIN = "delete it, unset MINI_DDPM_DATA if that names its folder, and run `mini-ddpm fetch"
DEADLINE = 3600  # seconds that one download may take
CIFAR10_FILES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}


class DataError(ValueError):
    """A data set that is missing, damaged or unknown. The message names the thing and the remedy."""


@dataclass(frozen=True)
class ImageSet:
    """Images and labels in memory.

    Attributes:
        images: (N, C, H, W) uint8, N > 0; C is 1 or 3.
        labels: (N,) int64 from 0. Anything else is a ValueError.
        flip: mirror half of the images of every batch (never digits).
    """

    images: Tensor
    labels: Tensor
    flip: bool = False

    def __post_init__(self) -> None:
        check_images(self.images, pixels=True)
        check_labels(self.labels, len(self.images))

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


def load(name: str, split: str = "train") -> ImageSet:
    """A data set by name: `mnist-5k`, `mnist` or `cifar10`; split `train` or `test`.

    Sizes: mnist-5k 4,000 / 1,000 images of (1, 28, 28), class-balanced; mnist 60,000 / 10,000 of
    (1, 28, 28); cifar10 50,000 / 10,000 of (3, 32, 32), flipped in training.

    Raises:
        DataError: unknown name or split, damaged file, or nothing cached and no network.
    """
    if split not in ("train", "test"):
        raise DataError(f"unknown split {split!r}: choose train or test")
    return _named(name).load(split)


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


# --- full MNIST ---------------------------------------------------------------------------------------


def _mnist_folder() -> Path:
    if (given := _given_folder("mnist")) is not None:
        return given
    folder = _cache() / "mnist"
    for file in MNIST_FILES:
        if not (folder / file).exists():
            _download([mirror + file for mirror in MNIST_MIRRORS], folder, "mnist", verify=_mnist_bytes)
    return folder


def _mnist_bytes(path: Path) -> bytes:
    if not path.is_file():  # a FIFO would be waited for
        raise DataError(f"{path} is missing or no file: put the official one there, or unset MINI_DDPM_DATA")
    try:
        with gzip.open(path, "rb") as file:
            content = file.read(MNIST_BYTES + 1)  # however much more there may be in it
    except PermissionError:
        raise DataError(f"{path} cannot be read: you lack the permission") from None
    except (OSError, EOFError, zlib.error):  # truncated, or not gzip
        content = b""
    if hashlib.sha256(content).hexdigest() != MNIST_FILES[path.name]:
        raise DataError(f"{path} is damaged or not MNIST (checksum): {AGAIN} mnist`")
    return content


def _load_mnist(split: str) -> ImageSet:
    folder, prefix = _mnist_folder(), {"train": "train", "test": "t10k"}[split]
    images = np.frombuffer(_mnist_bytes(folder / f"{prefix}-images-idx3-ubyte.gz"), np.uint8, offset=16)
    labels = np.frombuffer(_mnist_bytes(folder / f"{prefix}-labels-idx1-ubyte.gz"), np.uint8, offset=8)
    return _image_set(images.reshape(-1, 1, 28, 28), labels)


# --- CIFAR-10, the binary version ---------------------------------------------------------------------


def _cifar10_folder() -> Path:
    if (given := _given_folder("cifar-10-batches-bin")) is not None:
        return given
    folder = _cache() / "cifar-10-batches-bin"
    if not all((folder / file).exists() for files in CIFAR10_FILES.values() for file in files):
        untar = pooch.Untar(extract_dir=str(_cache()))
        _download([CIFAR10_URL], _cache(), "cifar10", f"sha256:{CIFAR10_SHA256}", untar)
    return folder


def _load_cifar10(split: str) -> ImageSet:
    folder = _cifar10_folder()
    records = np.concatenate([_cifar10_records(folder / file) for file in CIFAR10_FILES[split]])
    labels = records[:, 0]
    counts = np.bincount(labels, minlength=10)
    if len(set(counts)) > 1 or len(counts) > 10:
        raise DataError(
            f"{folder} is not CIFAR-10: images per class are {counts.tolist()}, not all equal: {AGAIN} cifar10`"
        )
    return _image_set(records[:, 1:].reshape(-1, 3, 32, 32), labels, flip=split == "train")


def _cifar10_records(path: Path) -> np.ndarray:
    remedy = f"{AGAIN} cifar10`"
    if not path.is_file():
        raise DataError(f"{path} is missing or no file: {remedy}")
    if (size := path.stat().st_size) != 10_000 * 3073:  # a label byte and 3 x 32 x 32 pixels
        raise DataError(f"{path} has {size:,} bytes instead of 30,730,000: {remedy}")
    return np.fromfile(path, np.uint8).reshape(10_000, 3073)


# --- shared -------------------------------------------------------------------------------------------


class DataSet(NamedTuple):
    """How to load a split, where the files are (downloading them first if need be), and what is verified of them."""

    load: Callable[[str], ImageSet]
    folder: Callable[[], Path | None]
    verified: tuple[str, str]  # downloaded, and in the folder that MINI_DDPM_DATA names


SIZES = "sizes, labels and class counts only"
DATASETS = {
    "mnist-5k": DataSet(_load_mnist_5k, lambda: None, 2 * ("the file's checksum",)),
    "mnist": DataSet(_load_mnist, _mnist_folder, 2 * ("checksums of the decompressed bytes",)),
    "cifar10": DataSet(_load_cifar10, _cifar10_folder, ("the archive's checksum, when it was downloaded", SIZES)),
}


def _named(name: str) -> DataSet:
    if name not in [*DATASETS]:  # a list, so that what can't be hashed is unknown, too
        raise DataError(f"unknown data set {name!r}: choose one of {', '.join(DATASETS)}")
    return DATASETS[name]


def _image_set(images: np.ndarray, labels: np.ndarray, flip: bool = False) -> ImageSet:
    return ImageSet(torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64)), flip)


def _cache() -> Path:
    return Path(pooch.os_cache("mini-ddpm"))


def _given_folder(name: str) -> Path | None:
    """`name` inside MINI_DDPM_DATA, or None where that is not set."""
    root = os.environ.get("MINI_DDPM_DATA")
    if not root:
        return None
    if not (Path(root) / name).is_dir():
        raise DataError(f"MINI_DDPM_DATA={root} holds no folder {name}: put it there, or unset the variable")
    return Path(root) / name


def _download(
    urls: list[str],
    folder: Path,
    name: str,
    known_hash: str | None = None,
    processor: Callable | None = None,
    verify: Callable[[Path], object] = lambda path: None,
) -> None:
    """Try each url in turn, keeping a file only if it is what it should be.

    pooch writes to a temporary file first, so a broken download leaves nothing. Its timeout is for a server that
    says nothing; one that drips would keep it for days, so a thread downloads, left alone after DEADLINE seconds.
    """
    pooch.get_logger().setLevel(logging.WARNING)
    for url in urls:
        path = folder / url.rsplit("/", 1)[1]
        try:
            retrieve = partial(pooch.retrieve, url, known_hash, path.name, folder, processor, progressbar=True)
            with ThreadPool(1) as pool:
                pool.apply_async(retrieve).get(DEADLINE)
            verify(path)
            return
        except (OSError, ValueError, multiprocessing.TimeoutError) as error:  # no network, wrong content, too slow
            path.unlink(missing_ok=True)
            reason = (str(error) or f"not there after {DEADLINE} seconds").splitlines()[0][:200]
    raise DataError(
        f"could not download {urls[-1]} ({reason}): check the network and run `mini-ddpm fetch {name}`, "
        f"set MINI_DDPM_DATA to a folder that holds it, or use --data mnist-5k, which needs no network"
    )
