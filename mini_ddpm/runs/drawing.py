"""Drawing images with a trained network: guided or not, from noise or from an own image."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from mini_ddpm import parallel
from mini_ddpm.checks import check_images, check_labels, finite
from mini_ddpm.data import to_pixels
from mini_ddpm.guidance import classifier_free, classifier_guided, classifier_step
from mini_ddpm.limits import BATCH
from mini_ddpm.losses import Model
from mini_ddpm.runs.trained import Trained, example_call, image_shape
from mini_ddpm.sampling import Step, StepFunction, inpaint, sample, sample_from
from mini_ddpm.training import autocast


class OwnImage(NamedTuple):
    """An own image to begin with, and what to do with it: give it `t`, or else `mask`.

    Attributes:
        x_0: (C, H, W) in [-1, 1], of the network's size.
        t: noise it to this time, from 1 to T, and draw variations of it from there: `sampling.sample_from`.
        mask: (H, W), 1 where it is drawn anew and 0 where it is kept: `sampling.inpaint`.
    """

    x_0: Tensor
    t: int | None = None
    mask: Tensor | None = None


def compiled(trained: Trained, n: int) -> tuple[Trained, str]:
    """The run with its network compiled for n images at a time, and a line that says how that went."""
    if trained.config.unet.classes and trained.classifier is None and trained.config.sampling.guidance != 1:
        n *= 2  # classifier-free guidance asks for two predictions in one call
    network, how = parallel.compiled(trained.model, example_call(trained.config, n, trained.device))
    return replace(trained, model=network), how


def batch_seed(seed: int, first: int) -> int:
    """The seed of the batch that begins with image `first`: no stream of another batch, or of another `seed`."""
    return hash((seed, first)) if first else seed


def draw(trained: Trained, labels: Tensor | None, n: int, seed: int, own: OwnImage | None = None) -> Iterator[Step]:
    """Draw n images at once, from noise or from an own image: every step of the chain, on the device.

    A step holds `x_t` (n, C, H, W): at t = 0, the images. Take what you need of each step on the way; a list of them,
    or `*_, last = draw(...)`, keeps a thousand.

    Args:
        labels: (n,) int64, one an image, or None.
        own: an image to begin with.

    Raises:
        ValueError: there is no such label, the own image does not fit, or what comes out is not numbers.
    """
    if not (isinstance(n, int) and n > 0):
        raise ValueError(f"n must be a whole number above 0, not {n}")
    if labels is not None:
        check_labels(labels, n, trained.classes)
    torch.manual_seed(seed)
    step, model = guided(trained, labels)

    def predict(x_t: Tensor, t: Tensor) -> Tensor:
        with autocast(trained.device):  # here, or it would hold for the caller too, between two steps
            return model(x_t, t)

    for state in _chain(trained, step, predict, n, own):
        if state.t == 0:
            finite(state.x_t, "the images drawn (damaged weights? too much guidance?)")
        yield state


def _chain(trained: Trained, step: StepFunction, model: Model, n: int, own: OwnImage | None) -> Iterator[Step]:
    """The chain that begins with noise, or as the own image says."""
    diffusion, shape = trained.diffusion, image_shape(trained.config)
    if own is None:
        return sample(step, diffusion, model, torch.randn(n, *shape, device=trained.device))
    check_images(own.x_0[None], shape)
    x_0 = own.x_0.to(trained.device).expand(n, *shape)
    if own.t is not None and own.mask is None:
        return sample_from(step, diffusion, model, x_0, own.t)
    if own.mask is not None and own.t is None:
        return inpaint(step, diffusion, model, x_0, own.mask.to(trained.device))
    raise ValueError("an own image needs a time t to be noised to, or a mask: one of the two")


def guided(trained: Trained, labels: Tensor | None) -> tuple[StepFunction, Model]:
    """The step and the model that follow labels (n,) in the chosen way.

    With a classifier, the network itself is not told the label: all that is known of it comes from the classifier.
    """
    step, scale = trained.config.sampling.step, trained.config.sampling.guidance
    if labels is None:
        return step, trained.model
    y = labels.to(trained.device)
    if trained.classifier is None:
        return step, classifier_free(trained.model, y, scale)
    if trained.config.sampling.sampler == "ancestral":
        return classifier_step(trained.classifier, y, scale), trained.model
    return step, classifier_guided(trained.diffusion, trained.model, trained.classifier, y, scale)


def chain_length(trained: Trained, own: OwnImage | None = None) -> int:
    """How many steps lead to an image, from T or from the time that an own image is noised to."""
    begin = trained.diffusion.schedule.T if own is None or own.t is None else own.t
    return sum(s < begin for s in trained.diffusion.timesteps)


def draw_many(trained: Trained, labels: Tensor | None, n: int, seed: int) -> Tensor:
    """Draw n images in batches, with a progress bar: (n, C, H, W) in [-1, 1] on the CPU. Processes share the work."""
    with _bar(n * chain_length(trained) // parallel.size()) as bar:

        def batch(first: int, last: int) -> Tensor:
            for state in _batch(trained, labels, n, seed, first, None):
                bar.update(len(state.x_t))
            return state.x_t  # at t = 0

        return parallel.in_turns(n, BATCH, image_shape(trained.config), batch)


def draw_batches(
    trained: Trained,
    labels: Tensor | None,
    n: int,
    seed: int,
    own: OwnImage | None = None,
    watch: Callable[[Step], object] = lambda state: None,
) -> Iterator[Tensor]:
    """The images of `draw_many` batch by batch, in this process alone: pixels (B, C, H, W) uint8 on the CPU.

    No more than a batch is in memory at a time. `watch` is shown every step of the first batch.
    """
    with _bar(n * chain_length(trained, own)) as bar:
        for first in range(0, n, BATCH):
            for state in _batch(trained, labels, n, seed, first, own):
                bar.update(len(state.x_t))
                if first == 0:
                    watch(state)
            yield to_pixels(state.x_t.cpu())  # at t = 0


def _bar(image_steps: int) -> tqdm:
    return tqdm(total=image_steps, unit="image-step", desc="sampling", **parallel.quiet())


def _batch(
    trained: Trained, labels: Tensor | None, n: int, seed: int, first: int, own: OwnImage | None
) -> Iterator[Step]:
    """The chain of the batch that begins with image `first` of n."""
    last = min(first + BATCH, n)
    chosen = None if labels is None else labels[first:last]
    return draw(trained, chosen, last - first, batch_seed(seed, first), own)


def default_labels(trained: Trained, n: int) -> Tensor | None:
    """0, 1, ... in turn, so that every class is drawn equally often; None for an unconditional network."""
    return torch.arange(n) % trained.classes if trained.classes else None


def sheet_labels(trained: Trained) -> Tensor | None:
    """Labels of a 10x10 sheet with a row for each class."""
    labels = default_labels(trained, 100)
    return None if labels is None else labels.sort().values
