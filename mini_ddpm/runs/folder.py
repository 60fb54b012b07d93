"""Run folders: start or resume one, and train it.

A folder holds `config.json`, `metrics.csv`, `checkpoint.safetensors`, and after training `samples.png`,
`loss.png`, `denoising.gif` and `evaluation.json`.
"""

import csv
import io
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from torch import Tensor
from tqdm.auto import tqdm

from mini_ddpm import parallel
from mini_ddpm.data import ImageSet, load
from mini_ddpm.files import RUN_FILES, CheckpointError, read_whole, write_json, write_whole
from mini_ddpm.runs.device import steps_in
from mini_ddpm.runs.presets import RunConfig
from mini_ddpm.runs.trained import CHECKPOINT, example_call, image_shape, read_config
from mini_ddpm.terminal import stop_requests
from mini_ddpm.training import (
    DivergedError,
    TrainState,
    TrainStep,
    load_checkpoint,
    save_checkpoint,
    snapshot,
    train,
)

LOCK = ".lock"  # held by whoever trains in a folder; the system frees it even if that is killed
LOG_EVERY = 10  # steps a row of metrics.csv averages over
COLUMNS = ("step", "loss", "grad_norm", "learning_rate", "images_per_second", "seconds")
SAVE_EVERY = 30  # seconds between checkpoints, or as many times the seconds that saving takes, if more; but
SAVE_AT_LEAST_EVERY = 600  # however slow the disk was once


@dataclass(frozen=True)
class Run:
    """A run folder being trained: its configuration, the state so far, and the images on the device.

    `compiled` says how compiling went; empty where it was not asked for.
    """

    folder: Path
    config: RunConfig
    state: TrainState
    data: ImageSet
    compiled: str = ""

    def steps(self) -> Iterator[TrainStep]:
        """The training loop of this run, from wherever its state is."""
        diffusion = self.config.diffusion.to(self.state.device)
        return train(diffusion, self.state, self.data, self.config.loss_fn, self.config.training)

    def save(self, name: str = CHECKPOINT) -> None:
        """Write the checkpoint: the first process does, and the others wait for it."""
        if parallel.rank() == 0:
            save_checkpoint(self.folder / name, self.state, self.config.to_json())
        parallel.wait_for_all()


def start(
    config: RunConfig, folder: Path, device: torch.device, minutes: float | None = None, fast: bool = False
) -> Run:
    """Make a run folder. A budget in `minutes` is turned into a number of steps, by timing some first.

    `fast` compiles the network.

    Raises:
        ValueError: the folder already holds a run, or the configuration does not fit the data.
    """
    if (folder / CHECKPOINT).exists():
        raise ValueError(f"{folder} already holds a run: go on with --resume {folder}, or choose another --out")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: choose another --out")
    for name in RUN_FILES:
        if (folder / name).exists():
            raise ValueError(f"{folder} holds a {name} that training would replace: choose another --out")
    run = _fresh(config, folder, device, fast)
    folder.mkdir(parents=True, exist_ok=True)
    if minutes is not None:
        restore = snapshot(run.state)
        steps = steps_in(minutes, run.steps())
        run = replace(run, config=replace(config, training=replace(config.training, steps=steps)))
        restore()  # as if no step had been taken
    run.save()
    _write_config(run)
    return run


def resume(folder: Path, device: torch.device, steps: int | None = None, fast: bool = False) -> Run:
    """Go on with a run where its checkpoint stands; to a new number of `steps`, which the learning rate then follows.

    Raises:
        ValueError: the run is already beyond `steps`.
    """
    if not (folder / CHECKPOINT).exists():
        raise CheckpointError(f"{folder / CHECKPOINT} does not exist: --resume takes a folder that train has made")
    config = read_config(folder / CHECKPOINT)
    if steps is not None:
        config = replace(config, training=replace(config.training, steps=steps))
    run = _fresh(config, folder, device, fast)
    load_checkpoint(folder / CHECKPOINT, run.state, config.training.seed)
    if run.state.step > config.training.steps:
        raise ValueError(f"{folder} is at step {run.state.step:,} already, beyond --steps {steps:,}")
    if steps is not None:
        run.save()  # the new end is kept, whatever happens before the next save
    _write_config(run)
    return run


def _write_config(run: Run) -> None:
    if parallel.rank() == 0:
        write_json(run.folder / "config.json", run.config.to_json())


def _fresh(config: RunConfig, folder: Path, device: torch.device, fast: bool) -> Run:
    batch_size = parallel.share_of(config.training.batch_size)
    with parallel.first_alone():
        data = load(config.data, "train").to(device)
    data.check_fits(image_shape(config), config.unet.classes)
    torch.manual_seed(config.training.seed)
    state = config.new_state(device)
    if parallel.rank():
        parallel.seed_apart(config.training.seed, 0)
    state.network, how = parallel.wrap(state.model), ""
    if fast:
        state.network, how = parallel.compiled(state.network, example_call(config, batch_size, device))
    return Run(folder, config, state, data, how)


def fit(run: Run, until: int | None = None) -> bool:
    """Train to the end, logging and saving on the way; True unless a request to stop ended it (the run is saved).

    Args:
        until: a step to pause at, saved; the next call goes on from there. The end by default.

    Raises:
        DivergedError: the loss is not a number; the checkpoint is the last good one.
        LostProcessError: another process of the job has died. Seen with gloo; with NCCL, torchrun may be first to
            end this process.
    """
    end = run.config.training.steps
    try:
        with _alone(run.folder):
            return _fit(run, end if until is None else min(until, end))
    except RuntimeError as error:
        if not parallel.is_lost(error):
            raise
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun is about to send it: first the message
        raise parallel.LostProcessError(
            f"another process stopped ({str(error).splitlines()[0][:100]}): {run.folder / CHECKPOINT} is whole; "
            f"go on with --resume {run.folder}, on any number of processes"
        ) from None


def _fit(run: Run, until: int) -> bool:
    if run.state.step >= until:
        return True
    rows = read_metrics(run.folder, run.state.step)
    begin = time.perf_counter() - (rows[-1]["seconds"] if rows else 0.0)
    logged, saved, saving = time.perf_counter(), time.perf_counter(), 0.0
    losses: list[Tensor] = []
    total = run.config.training.steps
    bar = tqdm(total=total, initial=run.state.step, unit="step", desc=str(run.folder), **parallel.quiet())
    with stop_requests() as stop_requested, bar:
        for step in run.steps():
            losses.append(step.loss)
            bar.update()
            stop = parallel.anyone(stop_requested())  # asked once: a later Ctrl-C must not leave before saving
            last = step.step == until or stop
            if not (step.step % LOG_EVERY == 0 or last):
                continue
            float(step.loss)  # wait for the device, so that its time counts
            now = time.perf_counter()
            rows.append(_row(run, step, losses, now - begin, now - logged))
            bar.set_postfix(loss=f"{rows[-1]['loss']:.4f}", images_per_s=f"{rows[-1]['images_per_second']:.0f}")
            logged, losses = now, []
            if last or parallel.anyone(now - saved > min(SAVE_EVERY * max(1, saving), SAVE_AT_LEAST_EVERY)):
                if parallel.rank() == 0:
                    write_metrics(run.folder, rows)
                run.save()
                saved = time.perf_counter()
                saving = saved - now
            if last:
                return step.step == until
    return True


def _row(run: Run, step: TrainStep, losses: list[Tensor], seconds: float, elapsed: float) -> dict[str, float]:
    loss = float(parallel.mean(torch.stack(losses).mean()))
    grad_norm = float(step.grad_norm)
    if not math.isfinite(loss) or not math.isfinite(grad_norm):
        what = f"the gradient's norm became {grad_norm}" if math.isfinite(loss) else f"the loss became {loss}"
        raise DivergedError(
            f"{what} at step {step.step}: {run.folder / CHECKPOINT} is the last good state; "
            f"a lower learning rate usually helps"
        )
    return {
        "step": step.step,
        "loss": loss,
        "grad_norm": grad_norm,
        "learning_rate": run.config.training.learning_rate_at(step.step),
        "images_per_second": len(losses) * run.config.training.batch_size / elapsed,
        "seconds": seconds,
    }


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder, in the first process of a job.

    Raises:
        ValueError: another job trains there.
    """
    lock = FileLock(folder / LOCK)
    try:
        if parallel.rank() == 0:
            lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"another process trains in {folder}: wait for it, or choose another folder") from None
    except NotImplementedError:
        pass  # a file system without locks
    try:
        yield
    finally:
        lock.release()


def write_metrics(folder: Path, rows: list[dict[str, float]]) -> None:
    """Write `metrics.csv`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(folder / "metrics.csv", lambda file: file.write(text.getvalue().encode()))


def read_metrics(folder: Path, step: int | None = None) -> list[dict[str, float]]:
    """The rows of `metrics.csv` up to a step (all of them by default).

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / "metrics.csv"
    if not path.exists():
        return []
    content = read_whole(path)
    try:
        reader = csv.DictReader(io.StringIO(content.decode()), strict=True)
        rows = [{key: float(value) for key, value in row.items()} for row in reader]
        steps = [int(row["step"]) for row in rows]
        whole = tuple(reader.fieldnames or ()) == COLUMNS and all(map(math.isfinite, chain(*map(dict.values, rows))))
        if not whole or steps != sorted({*steps}) or steps != [row["step"] for row in rows]:
            raise ValueError
    except (TypeError, ValueError, KeyError, OverflowError, csv.Error):
        raise CheckpointError(f"{path} is damaged: remove it, and the run goes on without its past losses") from None
    return [{**row, "step": int(row["step"])} for row in rows if step is None or row["step"] <= step]
