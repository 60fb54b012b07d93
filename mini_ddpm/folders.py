"""Pictures in a folder, cropped and resized to one size: read once, then mapped from a cache.

Class subfolders, the first level, are labels. `data.folder` makes an ImageSet of what `read` finds.
"""

import hashlib
import io
import json
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm.auto import tqdm

from mini_ddpm.downloads import DataError, cache
from mini_ddpm.files import write_whole

FORMATS = ("PNG", "JPEG", "WEBP")
ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
JUNK = ("__macosx", "thumbs.db", "desktop.ini", "@eadir")  # what systems put beside pictures
MOST_PIXELS = 100_000_000  # of one picture
VERSION = 1  # of the cache: another one where pictures are read in another way
AT_ONCE = 64  # pictures held in memory while a folder is read
HELD_OUT = 10  # every tenth picture of a class is for tests


class Listing(NamedTuple):
    """The pictures in a folder, those to train with first, each part in the order of classes and names."""

    paths: list[str]
    labels: list[int]
    names: list[str]  # of the classes; none where there are fewer than two
    train: int  # so many are for training, the rest for tests
    others: int  # files that are no pictures


def read(root: str | Path, size: tuple[int, int], channels: int, skip_broken: bool) -> tuple[Tensor, Listing, str]:
    """Images (N, C, H, W) uint8 of a folder at `size` (height, width), their listing, and in words what was done.

    Raises:
        DataError: no pictures, pictures that can't be read (unless they are to be skipped), or an unclear layout.
    """
    root = str(Path(root).absolute())
    found = _listing(root)
    images, index = _cached(root, found, size, channels)
    if (broken := index["broken"]) and not skip_broken:
        first = found.paths[broken[0]]
        others = f", nor can {len(broken) - 1:,} others" if len(broken) > 1 else ""
        remedy = "mend or remove what is broken, or leave it out with --skip-broken (in Python skip_broken=True)"
        raise DataError(f"{shown(first)} can't be read ({index['reason']}){others}: {remedy}")
    rows = np.delete(np.arange(len(found.paths)), broken)
    paths, labels = [found.paths[i] for i in rows], [found.labels[i] for i in rows]
    for label in {*found.labels} - {*labels}:
        where = os.path.join(root, found.names[label]) if found.names else root
        raise DataError(f"{shown(where)}: none of its pictures can be read: mend them, or remove the folder")
    good = Listing(paths, labels, found.names, int((rows < found.train).sum()), found.others)
    return torch.from_numpy(images), good, _said(root, good, images, index)


def read_picture(path: str | Path, size: tuple[int, int], channels: int = 3) -> Tensor:
    """One picture, cropped to the centre and resized to `size` (height, width): (C, H, W) uint8.

    Raises:
        DataError: it can't be read.
    """
    with warnings.catch_warnings(action="ignore"):
        image, found = _try(size, channels, str(path))
    if image is None:
        raise DataError(f"{shown(path)} can't be read ({found[0]}): choose another picture, PNG, JPEG or WebP")
    return torch.from_numpy(image)


def shown(path: str | Path) -> str:
    """A path as a message can show it: what is not UTF-8 and what is no letter are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


# --- what is in the folder ------------------------------------------------------------------------------


def _listing(root: str) -> Listing:
    beside, classes, others = _found(root)
    full = [name for name in classes if classes[name]]
    if not beside and not full:
        raise DataError(f"{shown(root)} holds no pictures ({' '.join(ENDINGS)}), only {others:,} other files")
    if beside and full:
        raise DataError(
            f"{shown(root)} holds pictures ({shown(os.path.basename(beside[0]))}) beside folders of pictures "
            f"({shown(full[0])}): put each picture into the folder of its class, or all into one folder"
        )
    for name in () if beside else classes:
        _check_name(os.path.join(root, name))
        if not classes[name]:
            raise DataError(f"{shown(os.path.join(root, name))} holds no pictures: put some there, or remove it")
    groups = [beside] if beside else [*classes.values()]
    rows = [(i % HELD_OUT == HELD_OUT - 1, y, path) for y, paths in enumerate(groups) for i, path in enumerate(paths)]
    rows.sort(key=lambda row: row[0])  # stable: each part keeps its order
    tests, labels, paths = map(list, zip(*rows, strict=True))
    return Listing(paths, labels, full if len(full) > 1 else [], len(rows) - sum(tests), others)


def _found(root: str) -> tuple[list[str], dict[str, list[str]], int]:
    """The pictures beside class folders, those of each class folder, and the number of other files."""
    if not os.path.isdir(root):
        state = "is a file" if os.path.exists(root) else "does not exist"
        raise DataError(f"{shown(root)} {state}: name the folder that holds the pictures")
    _check_name(root)
    here = os.path.realpath(root)
    above = {here, *map(str, Path(here).parents)}  # a link that leads there is a circle
    _, folders, files = next(os.walk(root, onerror=_refuse))
    inside = {"": sorted(os.path.join(root, name) for name in files if not _is_hidden(name))}
    for name in sorted(folders):
        real = os.path.realpath(os.path.join(root, name))
        if not _is_hidden(name) and real not in above:
            inside[name] = sorted(_files(os.path.join(root, name), above | {real}))
    classes = {name: [*filter(_is_picture, paths)] for name, paths in inside.items()}
    others = sum(map(len, inside.values())) - sum(map(len, classes.values()))
    return classes.pop(""), classes, others


def _files(folder: str, seen: set[str]) -> Iterator[str]:
    """All files below a folder that are not hidden, through links, in each folder once."""
    for at, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        real = {os.path.realpath(os.path.join(at, name)): name for name in sorted(folders) if not _is_hidden(name)}
        folders[:] = [real[path] for path in sorted(real.keys() - seen)]
        seen |= real.keys()
        yield from (os.path.join(at, name) for name in files if not _is_hidden(name))


def _refuse(error: OSError) -> None:
    raise DataError(f"{shown(error.filename)} can't be read ({error.strerror}): allow it, or remove it") from None


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in JUNK


def _is_picture(path: str) -> bool:
    return path.lower().endswith(ENDINGS)


def _check_name(folder: str) -> None:
    """Names of folders go into files that are UTF-8."""
    try:
        folder.encode()
    except UnicodeEncodeError:
        raise DataError(f"{shown(folder)} has a name that is not UTF-8: rename the folder") from None


# --- one picture ----------------------------------------------------------------------------------------


def _try(size: tuple[int, int], channels: int, path: str) -> tuple[np.ndarray | None, list[str]]:
    """A picture (C, H, W) uint8 and what was done to it; or None and the reason, one line."""
    try:
        if not os.path.isfile(path):  # a FIFO would be waited for
            raise ValueError("no file" if os.path.lexists(path) else "it does not exist")
        if not os.path.getsize(path):
            raise ValueError("0 bytes")
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:  # before they are decoded
                raise Image.DecompressionBombError
            return _prepared(image, size, channels)
    except Image.DecompressionBombError:
        return None, [f"more than {MOST_PIXELS:,} pixels: make it smaller"]
    except Image.UnidentifiedImageError:
        return None, ["not PNG, JPEG or WebP"]
    except Exception as error:  # a damaged file may raise anything in Pillow
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return None, [shown(f"{reason}\n".splitlines()[0][:200])]


def _prepared(image: Image.Image, size: tuple[int, int], channels: int) -> tuple[np.ndarray, list[str]]:
    done = ["of several frames, the first taken"] if getattr(image, "n_frames", 1) > 1 else []
    image = ImageOps.exif_transpose(image)
    image = _eight_bits(image) if image.mode.startswith("I") else image
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            done.append("transparent, put on white")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if channels == 1 else "RGB")
    height, width = size
    scale = max(height / image.height, width / image.width)
    done += ["cropped to the centre"] * (image.width * height != image.height * width)
    done += ["made smaller"] * (scale < 1) + ["enlarged"] * (scale > 1)
    share = min(image.width / width, image.height / height)  # of the picture's pixels for one of the image's
    w, h = max(1, round(width * share)), max(1, round(height * share))
    left, top = (image.width - w) // 2, (image.height - h) // 2
    inside = image.crop((left, top, left + w, top + h))  # first, or a little of what is outside would get in
    pixels = np.asarray(inside.resize((width, height), Image.Resampling.BICUBIC)).reshape(height, width, channels)
    return pixels.transpose(2, 0, 1).copy(), done


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits as grey of 8; Pillow's own conversion would clip it."""
    values = np.asarray(image).astype(np.uint32)
    grey = Image.fromarray(((values + 128) // 257).astype(np.uint8))  # 65,535 / 257 = 255
    if (clear := image.info.get("transparency")) is not None:
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey


# --- the cache ------------------------------------------------------------------------------------------


def _cached(root: str, found: Listing, size: tuple[int, int], channels: int) -> tuple[np.ndarray, dict]:
    """Images (N, C, H, W), and an index: what is broken and why the first is, and how often each thing was done."""
    shape, n = (channels, *size), len(found.paths)
    where = _digest(os.path.realpath(root), shape)
    what = _digest(VERSION, [(path[len(root) :], _state(path)) for path in found.paths])
    path = cache() / "folders" / f"{where}-{what}.pictures"
    fill = partial(_fill, paths=found.paths, size=size, channels=channels)
    with warnings.catch_warnings(action="ignore"):  # Pillow's; here, because threads share the filters
        with suppress(OSError, ValueError):
            images, index = _parsed(np.memmap(path, np.uint8, "c"), shape, n)
            if all(_try(size, channels, found.paths[i])[0] is None for i in index["broken"]):  # none was mended
                return images, index
            del images  # Windows replaces nothing that is mapped
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, fill)
            for old in path.parent.glob(f"{where}-*.pictures"):
                with suppress(OSError):  # Windows keeps what is in use
                    if old != path:
                        old.unlink()
            return _parsed(np.memmap(path, np.uint8, "c"), shape, n)
        except OSError as error:  # no room, or no permission
            fill(memory := io.BytesIO())
            images, index = _parsed(np.frombuffer(memory.getbuffer(), np.uint8), shape, n)
            return images, index | {"trouble": [f"no cache: {error}"]}


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _state(path: str) -> tuple[int, ...]:
    """What changes when a picture does."""
    with suppress(OSError):
        found = os.stat(path)
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns
    return ()


def _fill(file: BinaryIO, paths: list[str], size: tuple[int, int], channels: int) -> None:
    """Write the pixels of the pictures that can be read, an index as JSON, its SHA-256, and its length in 8 bytes."""
    counts: Counter[str] = Counter()
    broken: dict[int, str] = {}
    read_one = partial(_try, size, channels)  # most of its time, it lets other threads run
    with ThreadPool(min(8, os.cpu_count() or 1)) as pool, tqdm(total=len(paths), desc="pictures") as bar:
        for start in range(0, len(paths), AT_ONCE):
            some = paths[start : start + AT_ONCE]
            for i, (image, done) in enumerate(pool.map(read_one, some), start):
                if image is None:
                    broken[i] = done[0]
                else:
                    file.write(image.data)
                    counts.update(done)
            bar.update(len(some))
    first = next(iter(broken.values()), "")
    index = json.dumps({"broken": [*broken], "reason": first, "done": dict(sorted(counts.items()))}).encode()
    file.write(index + hashlib.sha256(index).digest() + len(index).to_bytes(8, "big"))


def _parsed(content: np.ndarray, shape: tuple[int, ...], n: int) -> tuple[np.ndarray, dict]:
    """What `_fill` wrote of n pictures; a ValueError if it is damaged."""
    end = len(content) - 40
    start = max(0, end - int.from_bytes(content[end + 32 :].tobytes(), "big"))
    text = content[start:end].tobytes()
    if hashlib.sha256(text).digest() != content[end : end + 32].tobytes():
        raise ValueError("its index is damaged")
    index = json.loads(text)
    if start != (n - len(index["broken"])) * np.prod(shape):
        raise ValueError("pixels are missing")
    return content[:start].reshape(-1, *shape), index


def _said(root: str, found: Listing, images: np.ndarray, index: dict) -> str:
    """What was read and done, in one line."""
    n, _, height, width = images.shape
    few = shown(", ".join(found.names[:6])) + ", ..." * (len(found.names) > 6)
    classes = f" in {len(found.names):,} classes ({few})" if found.names else ""
    done = index["done"] | {"other files, ignored": found.others, "broken, left out": len(index["broken"])}
    said = [f"{shown(root)}: {n:,} picture{'s' * (n != 1)}{classes} at {height}x{width}"]
    said += [f"{what}: {count:,}" for what, count in done.items() if count]
    return "; ".join(said + index.get("trouble", []))
