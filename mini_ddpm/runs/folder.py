"""Run folders: start or resume one, and train it.

A folder holds `config.json`, `metrics.csv`, `checkpoint.safetensors`, and after training `samples.png`,
`loss.png`, `denoising.gif` and `evaluation.json`; a `samples-STEP.png` for every time that it was measured on the way.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from mini_ddpm import parallel
from mini_ddpm.data import ImageSet, is_folder
from mini_ddpm.files import CheckpointError, write_json
from mini_ddpm.runs.device import enough_memory, steps_in
from mini_ddpm.runs.guard import alone, check_config, check_free
from mini_ddpm.runs.metrics import MEASURED, read_metrics, write_metrics
from mini_ddpm.runs.presets import RunConfig, images_of
from mini_ddpm.runs.trained import CHECKPOINT, example_call, image_shape, read_config
from mini_ddpm.runs.watching import Watch
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

LOG_EVERY = 10  # steps a row of metrics.csv averages over
SAVE_EVERY = 30  # seconds between checkpoints, or as many times the seconds that saving takes, if more; but
SAVE_AT_LEAST_EVERY = 600  # however slow the disk was once


@dataclass(frozen=True)
class Run:
    """A run folder being trained: its configuration, the state so far, and the images on the device.

    `compiled` says how compiling went, empty where it was not asked for; `replaced` that another run was in the folder,
    one that had not taken a step.
    """

    folder: Path
    config: RunConfig
    state: TrainState
    data: ImageSet
    compiled: str = ""
    replaced: bool = False

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
    config: RunConfig,
    folder: Path,
    device: torch.device,
    minutes: float | None = None,
    fast: bool = False,
    keep_classes: bool = False,
) -> Run:
    """Make a run folder. A budget in `minutes` is turned into a number of steps, by timing some first.

    A run that was there before and has not taken a step is replaced.

    Args:
        fast: compile the network.
        keep_classes: the network has the classes that the configuration says, not those of a folder of pictures.

    Raises:
        ValueError: the folder already holds a run, or the configuration does not fit the data.
    """
    replaced = check_free(folder)
    images = _images(replace(config, names=()))
    classes = config.unet.classes if keep_classes or not is_folder(config.data) else len(images.names)
    if is_folder(config.data) and classes > len(images.names):
        raise ValueError(f"unet.classes={classes} is more than the {len(images.names)} classes in {config.data}")
    config = replace(config, names=images.names, unet=replace(config.unet, classes=classes))
    run = replace(_fresh(config, images, folder, device, fast), replaced=replaced)
    folder.mkdir(parents=True, exist_ok=True)
    if minutes is not None:
        restore = snapshot(run.state)
        with enough_memory(_smaller(config)):
            steps = steps_in(minutes, run.steps())
        run = replace(run, config=replace(config, training=replace(config.training, steps=steps)))
        restore()  # as if no step had been taken
    run.save()
    _write_config(run)
    return run


def resume(folder: Path, device: torch.device, steps: int | None = None, fast: bool = False) -> Run:
    """Go on with a run where its checkpoint stands; to a new number of `steps`, which the learning rate then follows.

    Raises:
        ValueError: the run is already beyond `steps`, or its config.json is no longer the checkpoint's.
    """
    if not (folder / CHECKPOINT).exists():
        raise CheckpointError(f"{folder / CHECKPOINT} does not exist: --resume takes a folder that train has made")
    config = read_config(folder / CHECKPOINT)
    check_config(folder, config)
    if steps is not None:
        config = replace(config, training=replace(config.training, steps=steps))
    run = _fresh(config, _images(config), folder, device, fast)
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


def _images(config: RunConfig) -> ImageSet:
    with parallel.first_alone():
        return images_of(config, "train")


def _fresh(config: RunConfig, images: ImageSet, folder: Path, device: torch.device, fast: bool) -> Run:
    batch_size = parallel.share_of(config.training.batch_size)
    images.check_fits(image_shape(config), config.unet.classes)
    torch.manual_seed(config.training.seed)
    with enough_memory("take a smaller network, with --set unet.base_channels=..., or smaller pictures"):
        state, images = config.new_state(device), images.to(device)
    if parallel.rank():
        parallel.seed_apart(config.training.seed, 0)
    state.network, how = parallel.wrap(state.model), ""
    if fast:
        state.network, how = parallel.compiled(state.network, example_call(config, batch_size, device))
    return Run(folder, config, state, images, how)


def _smaller(config: RunConfig) -> str:
    """What to set where there is too little memory to train."""
    shares = config.training.batch_size // parallel.size()
    if shares > 1:
        return f"begin again with --set training.batch_size={shares // 2 * parallel.size()}, half of what it is"
    return "begin again with a smaller network, with --set unet.base_channels=..., or smaller pictures"


def fit(run: Run, until: int | None = None, watch: Watch | None = None) -> bool:
    """Train to the end, logging and saving on the way; True unless a request to stop ended it (the run is saved).

    Args:
        until: a step to pause at, saved; the next call goes on from there. The end by default.
        watch: measures on the way; what that takes is no time of training.

    Raises:
        DivergedError: the loss is not a number; the checkpoint is the last good one.
        LostProcessError: another process of the job has died. Seen with gloo; with NCCL, torchrun may be first to
            end this process.
    """
    end = run.config.training.steps
    try:
        short = f"{_smaller(run.config)}, or free some memory and go on with --resume {run.folder}"
        with enough_memory(short), alone(run.folder) as check_ours:
            return _fit(run, end if until is None else min(until, end), check_ours, watch)
    except RuntimeError as error:
        if not parallel.is_lost(error):
            raise
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun is about to send it: first the message
        raise parallel.LostProcessError(
            f"another process stopped ({str(error).splitlines()[0][:100]}): {run.folder / CHECKPOINT} is whole; "
            f"go on with --resume {run.folder}, on any number of processes"
        ) from None


def _fit(run: Run, until: int, check_ours: Callable[[], None], watch: Watch | None) -> bool:
    if run.state.step >= until:
        return True
    rows = read_metrics(run.folder, run.state.step)
    begin = time.perf_counter() - (rows[-1]["seconds"] if rows else 0.0)
    watched = max((row["seconds"] for row in rows if row.keys() & {*MEASURED}), default=0.0)
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
            due = watch is not None and not stop and (last or parallel.anyone(now - begin - watched >= watch.seconds))
            if last or due or parallel.anyone(now - saved > min(SAVE_EVERY * max(1, saving), SAVE_AT_LEAST_EVERY)):
                check_ours()
                if parallel.rank() == 0:
                    write_metrics(run.folder, rows)
                run.save()
                saved = time.perf_counter()
                saving = saved - now
            if watch is not None and due:
                watched = now - begin
                paused = _measured(run, watch, rows, stop_requested)
                begin, logged = begin + paused, logged + paused
            if last:
                return step.step == until
    return True


def _measured(run: Run, watch: Watch, rows: list[dict[str, float]], stop: Callable[[], bool]) -> float:
    """Measure the network as it is, for the last of the rows; the seconds that this took."""
    begin = time.perf_counter()
    rows[-1] |= watch.measure(run.state.step, stop)
    if parallel.rank() == 0:
        write_metrics(run.folder, rows)
    if run.state.step == run.config.training.steps and parallel.anyone(stop()):
        raise KeyboardInterrupt  # there is no next step to stop at
    return time.perf_counter() - begin


def _row(run: Run, step: TrainStep, losses: list[Tensor], seconds: float, elapsed: float) -> dict[str, float]:
    loss = float(parallel.mean(torch.stack(losses).mean()))
    grad_norm = float(step.grad_norm)
    if not math.isfinite(loss) or not math.isfinite(grad_norm):
        rate = run.config.training.learning_rate
        what = f"the gradient's norm became {grad_norm}" if math.isfinite(loss) else f"the loss became {loss}"
        raise DivergedError(
            f"{what} at step {step.step}: {run.folder / CHECKPOINT} is the last good state; "
            f"a lower learning rate usually helps, such as --set training.learning_rate={rate / 2:g}"
        )
    return {
        "step": step.step,
        "loss": loss,
        "grad_norm": grad_norm,
        "learning_rate": run.config.training.learning_rate_at(step.step),
        "images_per_second": len(losses) * run.config.training.batch_size / elapsed,
        "seconds": seconds,
    }
