"""Where drawn images go: a sheet, an .npz file, or a folder of single pictures."""

import os
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from mini_ddpm.files import check_target, write_whole
from mini_ddpm.limits import SHEET
from mini_ddpm.runs.drawing import OwnImage, chain_length, draw_batches
from mini_ddpm.runs.pictures import Film, picture, pixel_grid, save_animation
from mini_ddpm.runs.trained import Trained, image_shape

ENDINGS = (".png", ".jpg", ".jpeg", ".npz", "/ for a folder")


def targets(name: str, n: int, gif: bool) -> tuple[Path, Path | None]:
    """Where to write n images, and a .gif beside them, looked at before the work.

    A name without an ending, or that ends in /, is that of a folder, which is made.

    Raises:
        ValueError: the folder holds something, the ending is unknown, or n images are too many for a sheet.
        OSError: nothing can be written there.
    """
    path, animation = Path(name), Path(name).with_suffix(".gif") if gif else None
    is_folder = path.is_dir() or name.endswith(("/", os.sep)) or not (path.suffix or path.exists())
    if animation is not None:
        check_target(animation, (".gif",))
    if not is_folder:
        check_target(path, ENDINGS)
        if n > SHEET and path.suffix.lower() != ".npz":
            raise ValueError(f"a sheet shows {SHEET:,} images at most: for {n:,}, choose an .npz file or a folder/")
        return path, animation
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise ValueError(f"{path} holds other files: choose a new name")
    if not os.access(path, os.W_OK):
        raise PermissionError(f"{path} can't be written: you lack the permission")
    return path, animation


def save_drawn(
    trained: Trained,
    labels: Tensor | None,
    n: int,
    seed: int,
    out: Path,
    animation: Path | None = None,
    own: OwnImage | None = None,
) -> None:
    """Draw n images in batches, and write them: the same ones to a sheet, an .npz file or a folder that is there.

    Args:
        labels: (n,) int64 or None.
        animation: a .gif file for the way from noise to images, of the first batch.
        own: an image to begin with.
    """
    columns = next(c for c in range(min(n, 10), 0, -1) if n % c == 0 or c * c <= n)
    film = Film(chain_length(trained, own), columns)
    batches = draw_batches(trained, labels, n, seed, own, film if animation else lambda state: None)
    if out.is_dir():
        save_folder(out, batches, labels, class_folders(trained))
    else:
        pixels, done = np.empty((n, *image_shape(trained.config)), np.uint8), 0
        for batch in batches:
            pixels[done : done + len(batch)] = batch
            done += len(batch)
        save_whole(out, pixels, labels, columns)
    if animation is not None:
        write_whole(animation, lambda file: save_animation(film.frames, file))


def save_whole(path: Path, pixels: np.ndarray, labels: Tensor | None, columns: int) -> None:
    """Write pixels (N, C, H, W) to one file: a sheet, or an .npz of `images` (N, H, W, C) and `labels` (N,)."""
    if path.suffix.lower() == ".npz":
        arrays: dict[str, Any] = {"images": pixels.transpose(0, 2, 3, 1)}
        arrays |= {} if labels is None else {"labels": labels.numpy()}
        write_whole(path, lambda file: np.savez(file, **arrays))
    else:
        sheet, kind = pixel_grid(pixels, columns), Image.registered_extensions().get(path.suffix.lower(), "PNG")
        write_whole(path, partial(sheet.save, format=kind))


def save_folder(folder: Path, batches: Iterable[Tensor], labels: Tensor | None, classes: list[str]) -> None:
    """Write pixels (B, C, H, W) as 00000.png and so on, in order; with labels, in a subfolder for each class."""
    images = (image.numpy() for batch in batches for image in batch)
    for i, pixels in enumerate(images):
        place = folder if labels is None else folder / classes[int(labels[i])]
        place.mkdir(exist_ok=True)
        write_whole(place / f"{i:05}.png", partial(picture(pixels).save, format="PNG"))


def class_folders(trained: Trained) -> list[str]:
    """A folder's name for every label: the classes' names if they are known and fit, else numbers of one length."""
    names = trained.config.names
    fit = all(re.fullmatch(r"[^./\\:][^/\\:]*", name) for name in names) and len({*map(str.lower, names)}) == len(names)
    if len(names) == trained.classes and fit:
        return [*names]
    return [f"{y:0{len(str(trained.classes - 1))}}" for y in range(trained.classes)]
