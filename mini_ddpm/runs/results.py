"""The figures of a trained network, and how they came about."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from mini_ddpm import measure, parallel
from mini_ddpm.data import DataError, is_folder, load, to_pixels
from mini_ddpm.files import CheckpointError, digest, read_tensors, write_json, write_tensors, write_whole
from mini_ddpm.limits import N
from mini_ddpm.measure import Bound, digits, extractors, references
from mini_ddpm.runs.device import machine
from mini_ddpm.runs.drawing import batch_seed, default_labels, draw_many, sheet_labels
from mini_ddpm.runs.folder import Run, read_metrics
from mini_ddpm.runs.outputs import save_drawn
from mini_ddpm.runs.pictures import loss_curve
from mini_ddpm.runs.presets import RunConfig, images_of
from mini_ddpm.runs.trained import Trained, image_shape, open_run
from mini_ddpm.training import autocast

CHUNK = 50  # images whose bound is computed at a time
TERMS = ("prior", "terms", "x_0_error", "eps_error")  # what is kept of a bound; none is negative, but for
ROUNDING = 1e-3
FEW = 400  # images that a report on own pictures draws, which is slow for larger ones
OWN = "efficientnet-lite0"  # measures what no judge was made for
Ruler = Callable[[Tensor, Tensor | None], dict]  # images (n, C, H, W) in [-1, 1] and labels (n,) -> figures


def evaluate(trained: Trained, n: int, seed: int, names: Sequence[str] = ()) -> dict:
    """Draw n images and measure them: the figures, and how they came about. Processes share the work.

    Digits are measured by `digits.evaluate_images`, and what was trained on CIFAR-10 by `colour.RealImages.measure`.
    All else is compared with its own training images, by `references`.

    Args:
        names: any of `extractors.EXTRACTORS`; by default the judge of this data or, where there is none, OWN.

    Raises:
        ValueError: an extractor can't be had, or knows nothing of such images.
    """
    labels, ruler = default_labels(trained, n), _ruler(trained, n, seed, names)
    begin = time.perf_counter()
    images = draw_many(trained, labels, n, seed)
    took = time.perf_counter() - begin
    figures = ruler(images, labels)
    how = {
        "n": n,
        **asdict(trained.config.sampling),
        "variance": trained.config.variance,
        "seed": seed,
        "train_seed": trained.config.training.seed,
        "sampling_seconds": round(took, 1),
    }
    return {**figures, **how, "machine": machine(trained.device)}


def _ruler(trained: Trained, n: int, seed: int, names: Sequence[str]) -> Ruler:
    """What measures n images (n, C, H, W) in [-1, 1], drawn with labels (n,) or without."""
    kind = trained.config.data, image_shape(trained.config)
    if kind in [(name, (1, 28, 28)) for name in digits.DATA] and not names:
        known, unknown = load("mnist-5k", "train"), load("mnist-5k", "test")  # at hand without a network
        return partial(measure.evaluate_images, reference=measure.load_reference(), train=known, heldout=unknown)
    if kind == ("cifar10", (3, 32, 32)):
        chosen = [extractors.get(name, trained.device) for name in names or ["cifar10-judge"]]
        real = [measure.real_images(extractor, n) for extractor in chosen]
        return lambda images, labels: {k: v for seen in real for k, v in seen.measure(images, labels).items()}
    return _own_ruler(trained, n, seed, names)


def _own_ruler(trained: Trained, n: int, seed: int, names: Sequence[str]) -> Ruler:
    """What compares n images with those that the network has seen; without any extractor, at least their neighbours."""
    torch.manual_seed(seed)
    with parallel.first_alone():
        train = references.some(images_of(trained.config, "train").images, references.MOST)
        heldout = _held_out(trained.config, min(n, len(train) // 2))
    missing = {}
    try:
        references.check_enough(train, range(n))
        chosen = [extractors.for_any(name, trained.device) for name in names or [OWN]]
    except ValueError as error:
        if names:
            raise
        chosen, missing = [], {"not measured": str(error)}

    def measured(images: Tensor, labels: Tensor | None) -> dict:
        torch.manual_seed(seed)
        pixels = to_pixels(images)
        found: dict = references.neighbours(pixels, train, heldout)
        for extractor in chosen:
            rows = references.compare(extractor, pixels, train, heldout)
            for row, figures in rows.items():
                found |= {key if row == "images" else f"{key} of {row}": value for key, value in figures.items()}
            found["how to read this"] = references.advice(rows)
        return found | missing

    return measured


def _held_out(config: RunConfig, least: int) -> Tensor | None:
    """Test images, unless there are none or fewer than `least`: half of the training images serve better then."""
    try:
        test = images_of(config, "test").images
    except DataError:
        if is_folder(config.data):  # a small one, which has no test part
            return None
        raise
    return test if len(test) >= least else None


def bound_of_test_images(trained: Trained, n: int, seed: int, path: Path | None = None) -> Bound:
    """The full bound, T steps, of n evenly spaced test images, given their labels if the network takes any.

    Args:
        path: a file that keeps what is done; the same call goes on from there.

    Raises:
        ValueError: the file is damaged or belongs to another call, or there are fewer test images.
    """
    process, test = replace(trained.diffusion, steps=None), images_of(trained.config, "test").to(trained.device)
    if not 1 <= n <= len(test):
        raise ValueError(f"there are {len(test):,} test images, so their number can't be {n:,}")
    test.check_fits(image_shape(trained.config), trained.config.unet.classes)
    chosen = torch.arange(n, device=trained.device) * len(test) // n
    weights = digest(trained.model.state_dict())
    what, T = {"config": trained.config.to_json(), "weights": weights, "n": n, "seed": seed}, len(process.timesteps) - 1
    rows: dict[str, Tensor] = {}
    if path is not None and path.exists():
        rows, found = read_tensors(path)
        with suppress(KeyError, ValueError):  # fields that came later than the file have their defaults
            found["config"] = RunConfig.from_json(found["config"]).to_json()
        if json.loads(json.dumps(found)) != json.loads(json.dumps(what)):
            raise ValueError(
                f"{path} holds the bound of other weights, another n or seed: choose another file, or remove it"
            )
        k = rows["prior"].numel() if "prior" in rows else 0
        shapes = {name: (k,) if name == "prior" else (k, T) for name in TERMS}
        sound = all(v.is_floating_point() and v.isfinite().all() and (v > -ROUNDING).all() for v in rows.values())
        if {name: value.shape for name, value in rows.items()} != shapes or k > n or not sound:
            raise ValueError(f"{path} is damaged: remove it, and start the bound again")
    done = len(rows.get("prior", ()))
    with tqdm(total=n * T, initial=done * T, unit="image-step", desc="bits/dim") as bar:
        for first in range(done, n, CHUNK):
            images, y = test.images[chosen[first : first + CHUNK]], test.labels[chosen[first : first + CHUNK]]
            torch.manual_seed(batch_seed(seed, first))
            model = partial(trained.model, y=y) if trained.config.unet.classes else trained.model
            with autocast(trained.device):
                part = measure.bound(process, model, images, bar)
            new = {name: getattr(part, name) for name in TERMS}
            rows = {name: torch.cat([rows[name], value]) if rows else value for name, value in new.items()}
            if path is not None:
                write_tensors(path, rows, what)
    return Bound(process.timesteps[:-1], **rows)


def bits_per_dim(trained: Trained, n: int, seed: int, path: Path | None = None) -> dict:
    """Sum up `bound_of_test_images`: bits/dim, its standard error over images, its parts, how they came about.

    Raises:
        ValueError: fewer than 2 images, or several processes were started; the work is not shared.
    """
    if n < 2:
        raise ValueError(f"a standard error needs at least 2 images, not {n}")
    if parallel.size() > 1:
        raise ValueError("bits/dim are computed by one process: leave out torchrun")
    found = bound_of_test_images(trained, n, seed, path)
    bits, terms = found.bits_per_dim, found.terms.mean(dim=0)
    return {
        "bits_per_dim": float(bits.mean()),
        "standard_error": float(bits.std() / n**0.5),
        "L_T": float(found.prior.mean()),
        "L_1 to L_T-1": float(terms[:-1].sum()),
        "L_0": float(terms[-1]),
        "n": n,
        "steps": len(terms),
        "variance": trained.config.variance,
        "seed": seed,
        "machine": machine(trained.device),
    }


def report(run: Run, n: int | None = None) -> dict:
    """Fill a trained run's folder: samples.png, loss.png, denoising.gif and evaluation.json, by default of N or FEW."""
    folder = run.folder
    n = n or (FEW if is_folder(run.config.data) else N)
    rows = read_metrics(folder)
    if not rows:
        raise CheckpointError(
            f"{folder / 'metrics.csv'} is missing or empty, so there is no loss to draw; the weights are whole: "
            f"mini-ddpm evaluate {folder}"
        )
    trained = open_run(str(folder), run.state.device)
    if parallel.rank() == 0:
        steps, found = [int(row["step"]) for row in rows], [row["loss"] for row in rows]
        held_out = {int(row["step"]): row["held_out_loss"] for row in rows if "held_out_loss" in row}
        figure = loss_curve(steps, found, rows[-1]["seconds"] / 60, trained.config.loss, held_out)
        write_whole(folder / "loss.png", lambda file: figure.savefig(file, dpi=120, format="png"))
        save_drawn(trained, sheet_labels(trained), 100, 0, folder / "samples.png", folder / "denoising.gif")

    how = {"training_steps": run.state.step, "train_seconds": round(rows[-1]["seconds"], 1)}
    figures = evaluate(trained, n, seed=0) | how
    if parallel.rank() == 0:
        write_json(folder / "evaluation.json", figures)
    return figures
