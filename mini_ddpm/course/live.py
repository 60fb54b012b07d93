"""What a notebook shows while a network trains."""

import time

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from torch import Tensor

from mini_ddpm.course.figures import MODEL, NOISY, RESULT, plain_ticks
from mini_ddpm.runs.pictures import image_grid
from mini_ddpm.training import TrainStep


class Live:
    """One figure, redrawn in place: the loss so far, and images drawn by the network as it is now.

    `losses` holds the loss of every step, `held_out` that on held-out images at the steps where it was measured;
    `images_per_second` is the rate of training, drawing left out. `floor` is the least possible loss, if known.
    """

    def __init__(self, steps: int, batch_size: int, floor: float | None = None) -> None:
        self.steps, self.batch_size, self.floor = steps, batch_size, floor
        self.losses: list[float] = []
        self.held_out: dict[int, float] = {}
        self.seconds = 0.0
        self._mark = time.perf_counter()
        self._place = display(display_id=True)

    def add(self, step: TrainStep) -> None:
        """Note the loss of a step."""
        self.losses.append(float(step.loss))
        now = time.perf_counter()
        self.seconds += now - self._mark
        self._mark = now

    def measured(self, step: int, loss: float) -> None:
        """Note the loss on held-out images at a step; the time that it took is left out."""
        self.held_out[step] = loss
        self._mark = time.perf_counter()

    @property
    def images_per_second(self) -> float:
        """Images trained on in a second."""
        return self.batch_size * len(self.losses) / self.seconds

    def show(self, images: Tensor, columns: int = 10) -> None:
        """Redraw, with images (N, C, H, W) in [-1, 1]."""
        done = len(self.losses)
        left = self.seconds / done * (self.steps - done)
        figure, (curve, grid) = plt.subplots(1, 2, figsize=(10, 3.6))
        window = max(1, done // 50)
        smooth = np.convolve(self.losses, np.ones(window) / window, mode="valid")
        curve.plot(np.arange(len(smooth)) + window, smooth, color=MODEL, label="training")
        if self.held_out:
            curve.plot([*self.held_out], [*self.held_out.values()], "o-", color=NOISY, label="held-out images")
        if self.floor is not None:
            curve.axhline(self.floor, color=RESULT, linewidth=2, label="floor of the training images")
        if self.held_out or self.floor is not None:
            curve.legend()
        curve.set(xlabel="training step", ylabel=f"loss, mean over {window} steps", yscale="log")
        title = f"step {done} of {self.steps}, {self.images_per_second:.0f} images/s, {left:.0f} s left"
        if done == self.steps and self.floor is not None:
            end = np.mean(self.losses[-100:])
            title = f"The last hundred steps: {end:.2f}, {end / self.floor:.1f} times the floor"
        curve.set_title(title)
        plain_ticks(curve)
        grid.imshow(image_grid(images, columns), cmap="gray", vmin=0, vmax=255)
        grid.set_title(f"drawn by the network after {done} steps")
        grid.axis("off")
        alt = "Left: the loss over the training steps, on a logarithmic axis. Right: images that the network draws now."
        self._place.update(figure, metadata={"image/png": {"alt": alt}})
        plt.close(figure)
        self._mark = time.perf_counter()
