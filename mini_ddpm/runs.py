"""Run folders: start or resume one, train it, and leave pictures and figures in it.

A folder holds `config.json`, `metrics.csv`, `checkpoint.safetensors`, and after training `samples.png`,
`loss.png`, `denoising.gif` and `evaluation.json`.
"""

import csv
import json
import math
import platform
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from mini_ddpm import evaluation, extractors, parallel
from mini_ddpm.classifier import Classifier, load_classifier
from mini_ddpm.course.figures import image_grid, loss_curve, save_animation
from mini_ddpm.data import ImageSet, load
from mini_ddpm.diffusion import Diffusion
from mini_ddpm.evaluation import Bound
from mini_ddpm.files import (
    CheckpointError,
    digest,
    read_tensors,
    shards_of,
    write_json,
    write_shards,
    write_tensors,
    write_whole,
)
from mini_ddpm.guidance import classifier_free, classifier_guided, classifier_step
from mini_ddpm.losses import Model
from mini_ddpm.presets import RunConfig
from mini_ddpm.sampling import Step, StepFunction, sample
from mini_ddpm.training import (
    TrainState,
    TrainStep,
    autocast,
    has_bf16,
    load_checkpoint,
    load_weights,
    place,
    save_checkpoint,
    steps_in,
    train,
)
from mini_ddpm.unet import UNet

WEIGHTS = Path(__file__).parent.parent / "data" / "weights"
CHECKPOINT = "checkpoint.safetensors"
UNTRAINED = "untrained.safetensors"  # while steps are timed
LOG_EVERY = 10  # steps a row of metrics.csv averages over
SAVE_EVERY = 30  # seconds between checkpoints, or as many times the seconds that saving takes, if more; but
SAVE_AT_LEAST_EVERY = 600  # however slow the disk was once
BATCH = 250  # images drawn at a time
CHUNK = 50  # images whose bound is computed at a time
TERMS = ("prior", "terms", "x_0_error", "eps_error")  # what is kept of a bound


class DivergedError(ValueError):
    """The loss or the gradient is no longer a number."""


def pick_device(name: str | None) -> torch.device:
    """The device of that name, or the best there is: CUDA, then Apple's MPS, then the CPU.

    Of several processes on a machine with GPUs, each has its own.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        if torch.device(name).type not in ("cuda", "mps", "cpu"):
            raise RuntimeError("choose cuda, mps or cpu")
        device = parallel.own_device(torch.device(name))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {name!r} is not available here: {str(error).splitlines()[0]}") from None
    return device


# --- training -----------------------------------------------------------------------------------------


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
    run = _fresh(config, folder, device, fast)
    folder.mkdir(parents=True, exist_ok=True)
    if minutes is not None:
        run.save(UNTRAINED)
        steps = steps_in(minutes, run.steps())
        run = replace(run, config=replace(config, training=replace(config.training, steps=steps)))
        load_checkpoint(folder / UNTRAINED, run.state, config.training.seed)  # as if no step had been taken
    run.save()
    if parallel.rank() == 0:
        (folder / UNTRAINED).unlink(missing_ok=True)
    _write_config(run)
    return run


def resume(folder: Path, device: torch.device, steps: int | None = None, fast: bool = False) -> Run:
    """Go on with a run where its checkpoint stands; to a new number of `steps`, which the learning rate then follows.

    Raises:
        ValueError: the run is already beyond `steps`.
    """
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
    expected = (config.unet.in_channels, config.unet.image_size, config.unet.image_size)
    if data.images.shape[1:] != expected:
        raise ValueError(
            f"the preset's network takes images of {expected}, but {config.data} has "
            f"{tuple(data.images.shape[1:])}: choose another --preset or --data"
        )
    torch.manual_seed(config.training.seed)
    state = config.new_state(device)
    if parallel.rank():
        parallel.seed_apart(config.training.seed, 0)
    state.network, how = parallel.wrap(state.model), ""
    if fast:
        state.network, how = parallel.compiled(state.network, _example(config, batch_size, device))
    return Run(folder, config, state, data, how)


def _example(config: RunConfig, n: int, device: torch.device) -> Callable[[nn.Module], Tensor]:
    """A call of a network with n images, as training and sampling make it, for the compiler."""
    x, t = torch.zeros(n, *image_shape(config), device=device), torch.ones(n, dtype=torch.int64, device=device)
    y = t - 1 if config.unet.classes else None

    def call(network: nn.Module) -> Tensor:
        with autocast(device):
            return network(x, t, y)

    return call


def fit(run: Run, until: int | None = None) -> bool:
    """Train to the end, logging and saving on the way; True unless Ctrl-C or SIGTERM stopped it (the run is saved).

    Args:
        until: a step to pause at, saved; the next call goes on from there. The end by default.

    Raises:
        DivergedError: the loss is not a number; the checkpoint is the last good one.
        LostProcessError: another process of the job has died. Seen with gloo; with NCCL, torchrun may be first to
            end this process.
    """
    try:
        return _fit(run, run.config.training.steps if until is None else until)
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
    with _interrupts() as interrupted, bar:
        for step in run.steps():
            losses.append(step.loss)
            bar.update()
            stop = parallel.anyone(interrupted())  # asked once: a later Ctrl-C must not leave before saving
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
def _interrupts() -> Iterator:
    """Turn Ctrl-C, and SIGTERM, into a question the loop asks between steps, so that no step is left half done."""
    pressed: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, frame: pressed.append(number)) for number in signals]
    try:
        yield lambda: bool(pressed)
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def write_metrics(folder: Path, rows: list[dict[str, float]]) -> None:
    """Write `metrics.csv`."""

    def write(path: Path) -> None:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)

    write_whole(folder / "metrics.csv", write)


def read_metrics(folder: Path, step: int | None = None) -> list[dict[str, float]]:
    """The rows of `metrics.csv` up to a step (all of them by default).

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / "metrics.csv"
    if not path.exists():
        return []
    try:
        with path.open(newline="") as file:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        return [{**row, "step": int(row["step"])} for row in rows if step is None or row["step"] <= step]
    except (TypeError, ValueError, KeyError):
        raise CheckpointError(f"{path} is damaged: remove it, and the run goes on without its past losses") from None


# --- using a trained run ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """A trained network: its configuration, its reverse process, the averaged weights, and what guides it if given."""

    config: RunConfig
    diffusion: Diffusion
    model: UNet
    classifier: Classifier | None = None

    @property
    def device(self) -> torch.device:
        """Where the network lives."""
        return next(self.model.parameters()).device

    @property
    def classes(self) -> int:
        """How many labels can be asked for; 0 for none."""
        return self.config.unet.classes if self.classifier is None else self.classifier.head.out_features


def read_config(path: Path) -> RunConfig:
    """The configuration inside a checkpoint."""
    try:
        return RunConfig.from_json(read_tensors(path)[1]["config"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is not a checkpoint of this package: its config lacks {error}") from None


def find(run: str) -> Path:
    """The checkpoint of a run folder, or of a shipped model by name, the same for one that is in shards."""
    folder, shipped = Path(run) / CHECKPOINT, WEIGHTS / f"{run}.safetensors"
    if folder.exists():
        return folder
    if shipped.exists() or shards_of(shipped):
        return shipped
    names = ", ".join(shipped_models())
    raise CheckpointError(f"{run} is neither a run folder nor a shipped model: train one, or use one of: {names}")


def shipped_models() -> list[str]:
    """Names of the diffusion models in the repository; the other weights there are classifiers."""
    names = {re.sub(r"-\d+-of-\d+$", "", path.stem) for path in WEIGHTS.glob("*.safetensors")}
    return sorted(name for name in names if not name.endswith(("judge", "classifier")))


def open_run(run: str, device: torch.device, classifier: str | None = None, averaged: bool = True) -> Trained:
    """Load a run folder or a shipped model for sampling, and a classifier (a file, or by name) to guide it.

    `averaged=False` takes the weights as training left them; shipped models hold their averages only.
    """
    path = find(run)
    config = read_config(path)
    model = UNet(config.unet)
    load_weights(path, model, averaged)
    guide = None
    if classifier is not None:
        shipped = WEIGHTS / f"{classifier}.safetensors"
        guide = load_classifier(shipped if shipped.exists() else Path(classifier), config, device)
    return Trained(config, config.diffusion.to(device), place(model, device).eval().requires_grad_(False), guide)


def export(run: str, path: Path) -> list[Path]:
    """Write the averaged weights of a run in half precision: a model to share, not to train on.

    Returns:
        The files: `path`, or its shards of at most 15 MB.

    Raises:
        ValueError: that would replace the run's own checkpoint.
    """
    if path.resolve() == find(run).resolve():
        raise ValueError(f"{path} is the checkpoint of {run}, with all that is needed to go on: choose another --out")
    tensors, metadata = read_tensors(find(run))
    weights = {name: tensor.half() for name, tensor in tensors.items() if name.startswith("ema.")}
    return write_shards(path, weights, {"config": metadata["config"]})


def compiled(trained: Trained, n: int) -> tuple[Trained, str]:
    """The run with its network compiled for n images at a time, and a line that says how that went."""
    if trained.config.unet.classes and trained.classifier is None and trained.config.sampling.guidance != 1:
        n *= 2  # classifier-free guidance asks for two predictions in one call
    network, how = parallel.compiled(trained.model, _example(trained.config, n, trained.device))
    return replace(trained, model=network), how


def draw(trained: Trained, labels: Tensor | None, n: int, seed: int) -> Iterator[Step]:
    """Draw n images with one label each (n,), or without labels: every step of the chain, on the device."""
    torch.manual_seed(seed)
    x_T = torch.randn(n, *image_shape(trained.config), device=trained.device)
    step, model = guided(trained, labels)

    def predict(x_t: Tensor, t: Tensor) -> Tensor:
        with autocast(trained.device):  # here, or it would hold for the caller too, between two steps
            return model(x_t, t)

    yield from sample(step, trained.diffusion, predict, x_T)


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


def image_shape(config: RunConfig) -> tuple[int, int, int]:
    """(C, H, W) of what the network draws."""
    return config.unet.in_channels, config.unet.image_size, config.unet.image_size


def draw_many(trained: Trained, labels: Tensor | None, n: int, seed: int) -> Tensor:
    """Draw n images in batches, with a progress bar: (n, C, H, W) in [-1, 1] on the CPU. Processes share the work."""
    steps = len(trained.diffusion.timesteps) - 1
    work = n * steps // parallel.size()
    with tqdm(total=work, unit="image-step", desc="sampling", **parallel.quiet()) as bar:

        def batch(first: int, last: int) -> Tensor:
            chosen = None if labels is None else labels[first:last]
            for state in draw(trained, chosen, last - first, seed + first):
                bar.update(len(state.x_t))
            return state.x_t  # at t = 0

        return parallel.in_turns(n, BATCH, image_shape(trained.config), batch)


def default_labels(trained: Trained, n: int) -> Tensor | None:
    """0, 1, ... in turn, so that every class is drawn equally often; None for an unconditional network."""
    return torch.arange(n) % trained.classes if trained.classes else None


def evaluate(trained: Trained, n: int, seed: int, names: Sequence[str] = ()) -> dict:
    """Draw n images and measure them: the figures, and how they came about. Processes share the work.

    Digits are measured by `evaluation.evaluate_images`, colour images by `evaluation.RealImages.measure`.

    Args:
        names: for colour images, any of `extractors.EXTRACTORS`; the project's own judge by default.

    Raises:
        ValueError: no judge reads images of this shape, or the extractor can't be had.
    """
    labels, shape = default_labels(trained, n), image_shape(trained.config)
    begin = time.perf_counter()
    if shape == (1, 28, 28) and not names:
        reference = evaluation.load_reference()
        images = draw_many(trained, labels, n, seed)
        took = time.perf_counter() - begin
        known, unknown = load("mnist-5k", "train"), load("mnist-5k", "test")  # at hand without a network
        figures = evaluation.evaluate_images(images, labels, reference, known, unknown)
    elif shape == (3, 32, 32):
        chosen = [extractors.get(name, trained.device) for name in names or ["cifar10-judge"]]
        real = [evaluation.real_images(extractor, n) for extractor in chosen]
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
        if {*rows} != {*TERMS} or len({len(value) for value in rows.values()}) > 1:
            raise ValueError(f"{path} is damaged: remove it, and start the bound again")
    done = len(rows.get("prior", ()))
    with tqdm(total=n, initial=done, unit="image", desc="bits/dim") as bar:
        for first in range(done, n, CHUNK):
            images, y = test.images[chosen[first : first + CHUNK]], test.labels[chosen[first : first + CHUNK]]
            torch.manual_seed(seed + first)
            model = partial(trained.model, y=y) if trained.config.unet.classes else trained.model
            with autocast(trained.device):
                part = evaluation.bound(process, model, images)
            new = {name: getattr(part, name) for name in TERMS}
            rows = {name: torch.cat([rows[name], value]) if rows else value for name, value in new.items()}
            if path is not None:
                write_tensors(path, rows, what)
            bar.update(len(images))
    return Bound(process.timesteps[:-1], **rows)


def bits_per_dim(trained: Trained, n: int, seed: int, path: Path | None = None) -> dict:
    """Sum up `bound_of_test_images`: bits/dim, its standard error over images, its parts, how they came about.

    Raises:
        ValueError: several processes were started; the work is not shared.
    """
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


def machine(device: torch.device) -> str:
    """What this is running on, and how networks compute there, in one line."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name()
    several = f"{parallel.size()} processes, each on " if parallel.size() > 1 else ""
    precision = "bfloat16" if has_bf16(device) else "float32"
    threads = f"{torch.get_num_threads()} CPU threads"
    return f"{several}{name}, {threads}, {precision}, torch {torch.__version__}, {platform.system()}"


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def report(run: Run, n: int = evaluation.N) -> dict:
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
        figure = loss_curve([row["step"] for row in rows], [row["loss"] for row in rows], rows[-1]["seconds"] / 60)
        write_whole(folder / "loss.png", lambda path: figure.savefig(path, dpi=120))
        steps = list(draw(trained, sheet_labels(trained), 100, seed=0))
        save_pictures(steps, folder / "samples.png", folder / "denoising.gif")

    figures = {**evaluate(trained, n, seed=0), "train_seconds": round(rows[-1]["seconds"], 1)}
    if parallel.rank() == 0:
        write_json(folder / "evaluation.json", figures)
    return figures


def sheet_labels(trained: Trained) -> Tensor | None:
    """Labels of a 10x10 sheet with a row for each class."""
    labels = default_labels(trained, 100)
    return None if labels is None else labels.sort().values


def save_pictures(steps: list[Step], grid: Path, animation: Path | None, columns: int = 10) -> None:
    """Write the last state of a chain as a grid and, if asked for, the way there as an animation."""
    picture = image_grid(steps[-1].x_t, columns)
    write_whole(grid, lambda path: picture.save(path))
    if animation is not None:
        shown = steps[:: max(1, len(steps) // 40)] + steps[-1:]
        frames = [image_grid(state.x_t, columns, zoom=1) for state in shown]  # noise does not compress
        write_whole(animation, lambda path: save_animation(frames, path))
