"""Pictures: image grids, the loss curve, and noise turning into images."""

from pathlib import Path
from typing import BinaryIO

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from mini_ddpm.data import to_pixels
from mini_ddpm.files import write_whole
from mini_ddpm.sampling import Step


def image_grid(images: Tensor, columns: int, zoom: int = 2, gap: int = 2) -> Image.Image:
    """Images (N, C, H, W) in [-1, 1] as one picture, row by row, enlarged `zoom` times; C is 1 or 3."""
    pixels = to_pixels(images.cpu()).numpy()
    n, channels, height, width = pixels.shape
    rows = -(-n // columns)
    sheet = np.full((channels, rows * (height + gap) + gap, columns * (width + gap) + gap), 96, np.uint8)
    for i, image in enumerate(pixels):
        y, x = gap + (i // columns) * (height + gap), gap + (i % columns) * (width + gap)
        sheet[:, y : y + height, x : x + width] = image
    picture = Image.fromarray(sheet[0] if channels == 1 else sheet.transpose(1, 2, 0))
    return picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)


def save_animation(frames: list[Image.Image], path: Path | BinaryIO, seconds: float = 4.0, hold: float = 2.0) -> None:
    """Write frames as a looping GIF that takes `seconds` and rests on the last one for `hold` more."""
    each = int(1000 * seconds / len(frames))
    durations = [each] * (len(frames) - 1) + [each + int(1000 * hold)]
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)


def loss_curve(steps: list[int], losses: list[float], minutes: float) -> Figure:
    """Training loss over steps, with a running mean, on logarithmic loss axis."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(steps, losses, color="#9ecae1", linewidth=1, label="mean over 10 steps")
    window = max(1, len(losses) // 20)
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    middle = steps[window // 2 : window // 2 + len(smooth)]
    axes.plot(middle, smooth, color="#08519c", label=f"running mean over {window} points")
    axes.set(yscale="log", xlabel="training step", ylabel="L_simple")
    axes.set_title(f"The loss fell from {losses[0]:.2f} to {smooth[-1]:.3f} in {steps[-1]:,} steps ({minutes:.1f} min)")
    axes.legend()
    axes.grid(alpha=0.3, which="both")
    return figure


def save_pictures(steps: list[Step], grid: Path, animation: Path | None, columns: int = 10) -> None:
    """Write the last state of a chain as a grid and, if asked for, the way there as an animation."""
    picture = image_grid(steps[-1].x_t, columns)
    write_whole(grid, lambda file: picture.save(file, "PNG"))
    if animation is not None:
        shown = steps[:: max(1, len(steps) // 40)] + steps[-1:]
        frames = [image_grid(state.x_t, columns, zoom=1) for state in shown]  # noise does not compress
        write_whole(animation, lambda file: save_animation(frames, file))
