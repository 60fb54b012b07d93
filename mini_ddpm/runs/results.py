"""The figures of a trained network, and how they came about."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from mini_ddpm import measure, parallel
from mini_ddpm.data import load
from mini_ddpm.files import CheckpointError, digest, read_tensors, write_json, write_tensors, write_whole
from mini_ddpm.measure import Bound, extractors
from mini_ddpm.measure.distances import N
from mini_ddpm.runs.device import machine
from mini_ddpm.runs.drawing import batch_seed, default_labels, draw_many, sheet_labels
from mini_ddpm.runs.folder import Run, read_metrics
from mini_ddpm.runs.outputs import save_drawn
from mini_ddpm.runs.pictures import loss_curve
from mini_ddpm.runs.trained import Trained, image_shape, open_run
from mini_ddpm.training import autocast

CHUNK = 50  # images whose bound is computed at a time
TERMS = ("prior", "terms", "x_0_error", "eps_error")  # what is kept of a bound


def evaluate(trained: Trained, n: int, seed: int, names: Sequence[str] = ()) -> dict:
    """Draw n images and measure them: the figures, and how they came about. Processes share the work.

    Digits are measured by `digits.evaluate_images`, colour images by `colour.RealImages.measure`.

    Args:
        names: for colour images, any of `extractors.EXTRACTORS`; the project's own judge by default.

    Raises:
        ValueError: no judge reads images of this shape, or the extractor can't be had.
    """
    labels, shape = default_labels(trained, n), image_shape(trained.config)
    begin = time.perf_counter()
    if shape == (1, 28, 28) and not names:
        reference = measure.load_reference()
        images = draw_many(trained, labels, n, seed)
        took = time.perf_counter() - begin
        known, unknown = load("mnist-5k", "train"), load("mnist-5k", "test")  # at hand without a network
        figures = measure.evaluate_images(images, labels, reference, known, unknown)
    elif shape == (3, 32, 32):
        chosen = [extractors.get(name, trained.device) for name in names or ["cifar10-judge"]]
        real = [measure.real_images(extractor, n) for extractor in chosen]
        begin = time.perf_counter()
        images = draw_many(trained, labels, n, seed)
        took = time.perf_counter() - begin
        figures = {key: value for seen in real for key, value in seen.measure(images, labels).items()}
    else:
        raise ValueError("extractors measure colour images of 32x32, and the judge digits of 28x28: not these images")
    how = {
        "n": n,
        **asdict(trained.config.sampling),
        "variance": trained.config.variance,
        "seed": seed,
        "train_seed": trained.config.training.seed,
        "sampling_seconds": round(took, 1),
    }
    return {**figures, **how, "machine": machine(trained.device)}


def bound_of_test_images(trained: Trained, n: int, seed: int, path: Path | None = None) -> Bound:
    """The full bound, T steps, of n evenly spaced test images, given their labels if the network takes any.

    Args:
        path: a file that keeps what is done; the same call goes on from there.

    Raises:
        ValueError: the file is damaged or belongs to another call, or there are fewer test images.
    """
    process, test = replace(trained.diffusion, steps=None), load(trained.config.data, "test").to(trained.device)
    if not 1 <= n <= len(test):
        raise ValueError(f"there are {len(test):,} test images, so their number can't be {n:,}")
    test.check_fits(image_shape(trained.config), trained.config.unet.classes)
    chosen = torch.arange(n, device=trained.device) * len(test) // n
    weights = digest(trained.model.state_dict())
    what = {"config": trained.config.to_json(), "weights": weights, "n": n, "seed": seed}
    rows: dict[str, Tensor] = {}
    if path is not None and path.exists():
        rows, found = read_tensors(path)
        if found != json.loads(json.dumps(what)):
            raise ValueError(
                f"{path} holds the bound of other weights, another n or seed: choose another file, or remove it"
            )
        k, T = rows["prior"].numel() if "prior" in rows else 0, len(process.timesteps) - 1
        shapes = {name: (k,) if name == "prior" else (k, T) for name in TERMS}
        sound = all(value.is_floating_point() and value.isfinite().all() for value in rows.values())
        if {name: value.shape for name, value in rows.items()} != shapes or k > n or not sound:
            raise ValueError(f"{path} is damaged: remove it, and start the bound again")
    done = len(rows.get("prior", ()))
    with tqdm(total=n, initial=done, unit="image", desc="bits/dim") as bar:
        for first in range(done, n, CHUNK):
            images, y = test.images[chosen[first : first + CHUNK]], test.labels[chosen[first : first + CHUNK]]
            torch.manual_seed(batch_seed(seed, first))
            model = partial(trained.model, y=y) if trained.config.unet.classes else trained.model
            with autocast(trained.device):
                part = measure.bound(process, model, images)
            new = {name: getattr(part, name) for name in TERMS}
            rows = {name: torch.cat([rows[name], value]) if rows else value for name, value in new.items()}
            if path is not None:
                write_tensors(path, rows, what)
            bar.update(len(images))
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


def report(run: Run, n: int = N) -> dict:
    """Fill a trained run's folder: samples.png, loss.png, denoising.gif and evaluation.json."""
    folder = run.folder
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

    figures = {**evaluate(trained, n, seed=0), "train_seconds": round(rows[-1]["seconds"], 1)}
    if parallel.rank() == 0:
        write_json(folder / "evaluation.json", figures)
    return figures
