"""Drawing images with a trained network, guided or not."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from tqdm.auto import tqdm

from mini_ddpm import parallel
from mini_ddpm.checks import check_labels, finite
from mini_ddpm.guidance import classifier_free, classifier_guided, classifier_step
from mini_ddpm.losses import Model
from mini_ddpm.runs.trained import Trained, example_call, image_shape
from mini_ddpm.sampling import Step, StepFunction, sample
from mini_ddpm.training import autocast

BATCH = 250  # images drawn at a time


def compiled(trained: Trained, n: int) -> tuple[Trained, str]:
    """The run with its network compiled for n images at a time, and a line that says how that went."""
    if trained.config.unet.classes and trained.classifier is None and trained.config.sampling.guidance != 1:
        n *= 2  # classifier-free guidance asks for two predictions in one call
    network, how = parallel.compiled(trained.model, example_call(trained.config, n, trained.device))
    return replace(trained, model=network), how


def batch_seed(seed: int, first: int) -> int:
    """The seed of the batch that begins with image `first`: no stream of another batch, or of another `seed`."""
    return hash((seed, first)) if first else seed


def draw(trained: Trained, labels: Tensor | None, n: int, seed: int) -> Iterator[Step]:
    """Draw n images with one label each (n,), or without labels: every step of the chain, on the device.

    Raises:
        ValueError: there is no such label, or what comes out is not numbers.
    """
    if not (isinstance(n, int) and n > 0):
        raise ValueError(f"n must be a whole number above 0, not {n}")
    if labels is not None:
        check_labels(labels, n, trained.classes)
    torch.manual_seed(seed)
    x_T = torch.randn(n, *image_shape(trained.config), device=trained.device)
    step, model = guided(trained, labels)

    def predict(x_t: Tensor, t: Tensor) -> Tensor:
        with autocast(trained.device):  # here, or it would hold for the caller too, between two steps
            return model(x_t, t)

    for state in sample(step, trained.diffusion, predict, x_T):
        if state.t == 0:
            finite(state.x_t, "the images drawn (damaged weights? too much guidance?)")
        yield state


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


def draw_many(trained: Trained, labels: Tensor | None, n: int, seed: int) -> Tensor:
    """Draw n images in batches, with a progress bar: (n, C, H, W) in [-1, 1] on the CPU. Processes share the work."""
    steps = len(trained.diffusion.timesteps) - 1
    work = n * steps // parallel.size()
    with tqdm(total=work, unit="image-step", desc="sampling", **parallel.quiet()) as bar:

        def batch(first: int, last: int) -> Tensor:
            chosen = None if labels is None else labels[first:last]
            for state in draw(trained, chosen, last - first, batch_seed(seed, first)):
                bar.update(len(state.x_t))
            return state.x_t  # at t = 0

        return parallel.in_turns(n, BATCH, image_shape(trained.config), batch)


def default_labels(trained: Trained, n: int) -> Tensor | None:
    """0, 1, ... in turn, so that every class is drawn equally often; None for an unconditional network."""
    return torch.arange(n) % trained.classes if trained.classes else None


def sheet_labels(trained: Trained) -> Tensor | None:
    """Labels of a 10x10 sheet with a row for each class."""
    labels = default_labels(trained, 100)
    return None if labels is None else labels.sort().values
