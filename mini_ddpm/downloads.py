"""The files of the full data sets: downloaded once and cached, or in the folder that MINI_DDPM_DATA names; verified.

That folder has `mnist/` or `fashion-mnist/` with the four .gz files of each, and `cifar-10-batches-bin/` as the
archive unpacks. Nothing here reads a pickle.
"""

import gzip
import hashlib
import logging
import multiprocessing
import os
import zlib
from collections.abc import Callable
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pooch

AGAIN = "delete it, unset MINI_DDPM_DATA if that names its folder, and run `mini-ddpm fetch"
DEADLINE = 3600  # seconds that one download may take
GZ_BYTES = 47_040_016  # of the largest .gz file of MNIST and Fashion-MNIST, decompressed


class DataError(ValueError):
    """Images that are missing, damaged or unknown. The message names the thing and the remedy."""


class GzSet(NamedTuple):
    """A data set of four .gz files: where they are, and the checksum of each."""

    title: str
    mirrors: tuple[str, ...]
    checksum: Callable[[bytes, bytes], str]  # of a file's bytes as they are, and decompressed
    files: dict[str, str]


GZ_SETS = {
    "mnist": GzSet(
        "MNIST",
        ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
        lambda packed, content: hashlib.sha256(content).hexdigest(),  # mirrors recompress
        {
            "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    "fashion-mnist": GzSet(
        "Fashion-MNIST",
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        lambda packed, content: hashlib.md5(packed, usedforsecurity=False).hexdigest(),  # no other is known
        {
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
}
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
CIFAR10_FILES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}


# --- MNIST and Fashion-MNIST --------------------------------------------------------------------------


def gz_folder(name: str) -> Path:
    """Where the four files of a set of GZ_SETS are, downloading those that are not there."""
    if (given := _given_folder(name)) is not None:
        return given
    for file in GZ_SETS[name].files:
        if not (cache() / name / file).exists():
            urls = [mirror + file for mirror in GZ_SETS[name].mirrors]
            _download(urls, cache() / name, name, verify=partial(_gz_bytes, name))
    return cache() / name


def gz_arrays(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 1, 28, 28) and labels (N,) of a set of GZ_SETS, uint8."""
    folder, prefix = gz_folder(name), {"train": "train", "test": "t10k"}[split]
    images = np.frombuffer(_gz_bytes(name, folder / f"{prefix}-images-idx3-ubyte.gz"), np.uint8, offset=16)
    labels = np.frombuffer(_gz_bytes(name, folder / f"{prefix}-labels-idx1-ubyte.gz"), np.uint8, offset=8)
    return images.reshape(-1, 1, 28, 28), labels


def _gz_bytes(name: str, path: Path) -> bytes:
    known = GZ_SETS[name]
    if not path.is_file():  # a FIFO would be waited for
        raise DataError(f"{path} is missing or no file: put the official one there, or unset MINI_DDPM_DATA")
    try:
        with path.open("rb") as file:
            packed = file.read(GZ_BYTES + 1)
        with gzip.open(path, "rb") as file:
            content = file.read(GZ_BYTES + 1)  # however much more there may be in it
    except PermissionError:
        raise DataError(f"{path} cannot be read: you lack the permission") from None
    except (OSError, EOFError, zlib.error):  # truncated, or not gzip
        packed = content = b""
    if known.checksum(packed, content) != known.files[path.name]:
        raise DataError(f"{path} is damaged or not {known.title} (checksum): {AGAIN} {name}`")
    return content


# --- CIFAR-10, the binary version ---------------------------------------------------------------------


def cifar10_folder() -> Path:
    """Where CIFAR-10's binary files are, downloading them if they are not there."""
    if (given := _given_folder("cifar-10-batches-bin")) is not None:
        return given
    folder = cache() / "cifar-10-batches-bin"
    if not all((folder / file).exists() for files in CIFAR10_FILES.values() for file in files):
        untar = pooch.Untar(extract_dir=str(cache()))
        _download([CIFAR10_URL], cache(), "cifar10", f"sha256:{CIFAR10_SHA256}", untar)
    return folder


def cifar10_arrays(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 3, 32, 32) and labels (N,), uint8."""
    folder = cifar10_folder()
    records = np.concatenate([_cifar10_records(folder / file) for file in CIFAR10_FILES[split]])
    labels = records[:, 0]
    counts = np.bincount(labels, minlength=10)
    if len(set(counts)) > 1 or len(counts) > 10:
        raise DataError(
            f"{folder} is not CIFAR-10: images per class are {counts.tolist()}, not all equal: {AGAIN} cifar10`"
        )
    return records[:, 1:].reshape(-1, 3, 32, 32), labels


def _cifar10_records(path: Path) -> np.ndarray:
    remedy = f"{AGAIN} cifar10`"
    if not path.is_file():
        raise DataError(f"{path} is missing or no file: {remedy}")
    if (size := path.stat().st_size) != 10_000 * 3073:  # a label byte and 3 x 32 x 32 pixels
        raise DataError(f"{path} has {size:,} bytes instead of 30,730,000: {remedy}")
    return np.fromfile(path, np.uint8).reshape(10_000, 3073)


# --- shared -------------------------------------------------------------------------------------------


def cache() -> Path:
    """The folder of what was downloaded, and of pictures as they were read."""
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
