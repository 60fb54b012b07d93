"""What is measured of a run while it trains: the loss on held-out images, a sheet of samples, a Fréchet distance."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from mini_ddpm import data, measure, parallel
from mini_ddpm.data import DataError, ImageSet
from mini_ddpm.files import write_whole
from mini_ddpm.measure import distances, extractors
from mini_ddpm.runs.drawing import default_labels, draw
from mini_ddpm.runs.pictures import image_grid
from mini_ddpm.runs.presets import RunConfig, images_of
from mini_ddpm.runs.trained import Trained
from mini_ddpm.training import TrainState, autocast

HELD_OUT, DRAWN, SHOWN = 1000, 250, 20  # images at most whose loss is taken, that are drawn, and that a sheet shows


class Watch:
    """Measures a run every so many minutes of training, always with the same images, times and noise.

    It looks at the averaged network, and leaves the training as it is, its random numbers included. `said` tells in
    one line what is measured.
    """

    def __init__(self, config: RunConfig, state: TrainState, folder: Path, minutes: float) -> None:
        self.folder, self.seconds = folder, 60 * minutes
        self.trained = Trained(config, config.diffusion.to(state.device), state.ema)  # type: ignore[arg-type]
        self.held_out: ImageSet | None = None
        self.distance: Callable[[Tensor], float] | None = None
        with _kept_random_state(state.device):  # judges are made with random weights, before they are read
            parts = self._prepared()
        self.said = f"every {minutes:g} minutes of training, not counting these: a sheet, {', '.join(parts)}"

    def _prepared(self) -> list[str]:
        """Find what it takes, and say what will be measured."""
        try:
            self.held_out = _some(self.trained.config, "test").to(self.trained.device)
            parts = [f"the loss of {len(self.held_out):,} held-out images"]
        except DataError as error:
            parts = [f"no held-out loss ({error})"]
        try:
            name, self.distance = quick_fd(self.trained)
            parts.append(f"FD-{name} of {DRAWN} images")
        except ValueError as error:
            parts.append(f"no FD ({error})")
        return parts

    def measure(self, step: int, stop: Callable[[], bool] = lambda: False) -> dict[str, float]:
        """`held_out_loss` and `fd`, where they can be had; a sheet is written to `samples-STEP.png`.

        Less of it once `stop` says so.
        """
        found: dict[str, float] = {}
        with _kept_random_state(self.trained.device):
            if self.held_out is not None:
                found["held_out_loss"] = held_out_loss(self.trained, self.held_out)
            n = SHOWN if self.distance is None else DRAWN
            for last in draw(self.trained, default_labels(self.trained, n), n, seed=0):  # noqa: B007 - used below
                if parallel.anyone(stop()):
                    return found
            if parallel.rank() == 0:
                sheet = image_grid(last.x_t[:SHOWN], columns=5)
                write_whole(self.folder / f"samples-{step}.png", lambda file: sheet.save(file, "PNG"))
            if self.distance is not None:
                found["fd"] = self.distance(last.x_t)
        return found


@torch.no_grad()
def held_out_loss(trained: Trained, held_out: ImageSet, batch: int = 250) -> float:
    """The mean loss that the run trains with, of images with their labels; t and noise are the same in every call.

    Image i of n has t near T (i + 1/2) / n, in an order that is mixed, so that all times count alike.
    """
    config, n = trained.config, len(held_out)
    noise = torch.Generator().manual_seed(0)
    t = (torch.randperm(n, generator=noise) * config.T // n + 1).to(trained.device)
    losses = []
    for some in torch.arange(n).split(batch):
        images, y = held_out.batch(some.to(trained.device))
        eps = torch.randn(images.shape, generator=noise).to(trained.device)
        model = partial(trained.model, y=y) if config.unet.classes else trained.model
        with autocast(trained.device):
            losses.append(config.loss_fn(trained.diffusion, model, images, t[some], eps))
    return float(torch.cat(losses).mean())


def quick_fd(trained: Trained) -> tuple[str, Callable[[Tensor], float]]:
    """The extractor's name, and what turns images (n, C, H, W) in [-1, 1] into their Fréchet distance.

    Raises:
        ValueError: the extractor can't be had.
    """
    config = trained.config
    if config.data in ("mnist", "mnist-5k"):
        reference = measure.load_reference()
        return "judge", lambda images: distances.frechet_distance(
            measure.judge_features(reference.judge, images)[0], reference.moments
        )
    name = "cifar10-judge" if config.data == "cifar10" else "efficientnet-lite0"
    extractor = extractors.get(name, trained.device)
    if config.data == "cifar10":
        moments = measure.real_images(extractor, DRAWN).moments
    else:
        moments = distances.moments_of(extractor.of(in_colour(_some(config, "train").images)))
    return name, lambda images: distances.frechet_distance(
        extractor.of(in_colour(data.to_pixels(images.cpu()))), moments
    )


def in_colour(pixels: Tensor) -> Tensor:
    """(n, C, H, W) -> (n, 3, H, W): grey is three equal channels."""
    return pixels.expand(-1, 3, -1, -1) if pixels.shape[1] == 1 else pixels


def _some(config: RunConfig, split: str) -> ImageSet:
    """At most HELD_OUT of the images, evenly spaced."""
    with parallel.first_alone():
        found = images_of(config, split)
    n = min(len(found), HELD_OUT)
    chosen = torch.arange(n) * len(found) // n
    return ImageSet(found.images[chosen], found.labels[chosen])


@contextmanager
def _kept_random_state(device: torch.device) -> Iterator[None]:
    """Whatever is drawn inside, the random numbers after it are those that would have come."""
    apple = torch.mps.get_rng_state() if device.type == "mps" else None
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
    if apple is not None:
        torch.mps.set_rng_state(apple)
