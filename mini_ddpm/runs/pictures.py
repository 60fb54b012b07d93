"""Pictures: image grids, the loss curve, and noise turning into images."""

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from mini_ddpm.checks import check_images
from mini_ddpm.data import to_pixels
from mini_ddpm.files import write_whole
from mini_ddpm.sampling import Step


def image_grid(images: Tensor, columns: int, zoom: int = 2, gap: int = 2) -> Image.Image:
    """Images (N, C, H, W) in [-1, 1] as one picture, row by row, enlarged `zoom` times; C is 1 or 3."""
    check_images(images)
    pixels = to_pixels(images.cpu()).numpy()
    n, channels, height, width = pixels.shape
    rows = -(-n // columns)
    sheet = np.full((channels, rows * (height + gap) + gap, columns * (width + gap) + gap), 96, np.uint8)
    for i, image in enumerate(pixels):
        y, x = gap + (i // columns) * (height + gap), gap + (i % columns) * (width + gap)
        sheet[:, y : y + height, x : x + width] = image
    picture = Image.fromarray(sheet[0] if channels == 1 else sheet.transpose(1, 2, 0))
    return picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)


def save_animation(frames: list[Image.Image], file: Path | BinaryIO, seconds: float = 4.0, hold: float = 2.0) -> None:
    """Write frames as a looping GIF that takes `seconds` and rests on the last one for `hold` more."""
    each = int(1000 * seconds / len(frames))
    durations = [each] * (len(frames) - 1) + [each + int(1000 * hold)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)


def loss_curve(
    steps: list[int],
    losses: list[float],
    minutes: float,
    loss: str = "simple",
    held_out: dict[int, float] | None = None,
) -> Figure:
    """A training loss (its name in a preset) over steps, with a running mean; the axis is logarithmic if it can be.

    Args:
        held_out: step -> the loss on held-out images, where it was measured.
    """
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(steps, losses, color="#9ecae1", linewidth=1, label="mean over 10 steps")
    window = max(1, len(losses) // 20)
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    middle = steps[window // 2 : window // 2 + len(smooth)]
    axes.plot(middle, smooth, color="#08519c", label=f"running mean over {window} points")
    if held_out:
        axes.plot([*held_out], [*held_out.values()], "o-", color="#d95f02", label="held-out images, averaged network")
    axes.set(yscale="log" if min(losses) > 0 else "linear", xlabel="training step", ylabel=f"L_{loss}")
    first, last = losses[0], smooth[-1]
    went = "is" if first == last else f"{'fell' if last < first else 'rose'} from {first:.3g} to"
    axes.set_title(f"L_{loss} {went} {last:.3g} after {steps[-1]:,} steps ({minutes:.1f} min)")
    axes.legend()
    axes.grid(alpha=0.3, which="both")
    return figure


def save_pictures(states: Iterable[Step], n: int, grid: Path, animation: Path | None, columns: int = 10) -> None:
    """Walk a chain of n states; write the last as a grid and, if asked for, the way there as an animation."""
    frames = []
    for i, state in enumerate(states):
        if animation is not None and (i % max(1, n // 40) == 0 or state.t == 0):
            frames.append(image_grid(state.x_t, columns, zoom=1))  # noise does not compress
    picture, kind = image_grid(state.x_t, columns), Image.registered_extensions().get(grid.suffix.lower(), "PNG")
    write_whole(grid, lambda file: picture.save(file, kind))
    if animation is not None:
        write_whole(animation, lambda file: save_animation(frames, file))
