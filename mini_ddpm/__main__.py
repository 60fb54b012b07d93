"""The command line: `python -m mini_ddpm`, or `mini-ddpm`."""

import os
import shlex
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import click
import torch
from tqdm.auto import tqdm

from mini_ddpm import data, measure, parallel, runs
from mini_ddpm.checks import in_one_line
from mini_ddpm.files import write_json
from mini_ddpm.measure import digits, extractors
from mini_ddpm.measure.distances import N
from mini_ddpm.runs import Trained, classifiers, presets
from mini_ddpm.runs.drawing import BATCH
from mini_ddpm.runs.options import (
    compile_option,
    device_option,
    file_option,
    given_on_the_line,
    positive,
    raw_option,
    sampling_options,
)
from mini_ddpm.runs.pictures import save_pictures
from mini_ddpm.terminal import Quiet, handled


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def cli() -> None:
    """Train small diffusion models on real images, draw from them, and measure what they draw."""


@cli.command()
@click.option("--preset", default="mnist-laptop", help="A configuration; `mini-ddpm presets` lists them.")
@click.option("--data", "data_name", help="mnist-5k, mnist or cifar10; the preset's by default.")
@click.option("--minutes", type=float, callback=positive(), help="Time budget, turned into a number of steps.")
@click.option("--steps", type=int, callback=positive(), help="Number of steps; the preset's by default.")
@click.option("--seed", type=int, default=0, help="Of the initial weights, the data order and the noise.")
@click.option("--out", type=Path, help="The run folder; runs/PRESET by default.")
@click.option("--resume", type=Path, help="A run folder to go on with, to its end or to another --steps.")
@compile_option
@device_option
def train(
    preset: str,
    data_name: str | None,
    minutes: float | None,
    steps: int | None,
    seed: int,
    out: Path | None,
    resume: Path | None,
    fast: bool,
    device: str | None,
) -> None:
    """Train, then leave samples, a loss curve, an animation and an evaluation in the run folder."""
    chosen = runs.pick_device(device)
    if minutes is not None and steps is not None:
        raise ValueError("give --minutes or --steps, not both")
    if resume is not None:
        if data_name or minutes or out or given_on_the_line("preset") or given_on_the_line("seed"):
            raise ValueError(
                "--resume goes on as the run began: leave out --preset, --data, --minutes, --seed and --out"
            )
        run = runs.resume(resume, chosen, steps, fast)
    else:
        config = presets.preset(preset)
        training = replace(config.training, seed=seed, steps=steps or config.training.steps)
        config = replace(config, data=data_name or config.data, training=training)
        run = runs.start(config, out or Path("runs") / preset, chosen, minutes, fast)
    total = run.config.training.steps
    click.echo(f"{run.folder}: {total:,} steps on {run.config.data}, on {runs.machine(chosen)}")
    if run.compiled:
        click.echo(run.compiled)
    if not runs.fit(run):
        folder = shlex.quote(str(run.folder))
        click.echo(f"stopped at step {run.state.step:,} of {total:,}; go on with: mini-ddpm train --resume {folder}")
        sys.exit(130)  # as for any interrupted command: what should follow a whole run must not
    figures = runs.report(run)
    show(figures)
    click.echo(f"\nsee {run.folder}/samples.png, denoising.gif and loss.png")


@cli.command()
@click.argument("run")
@click.option("--n", type=int, default=64, callback=positive(), help="How many images.")
@sampling_options
@click.option("--label", type=int, help="Draw only this class.")
@click.option("--seed", type=int, default=0, help="The same seed draws the same images.")
@file_option("--out", default=Path("samples.png"), help="The picture.")
@click.option("--gif", is_flag=True, help="Also write the way from noise to images, beside the picture.")
@raw_option
@device_option
def sample(
    run: str,
    n: int,
    label: int | None,
    seed: int,
    out: Path,
    gif: bool,
    raw: bool,
    device: str | None,
    **changes: str | float | None,
) -> None:
    """Draw images with RUN, a run folder or a shipped model (mnist)."""
    trained = configured(run, device, raw, changes)
    labels = runs.default_labels(trained, n)
    if label is not None:
        classes = trained.classes
        if not 0 <= label < classes:
            what = f"a label from 0 to {classes - 1}" if classes else "no labels"
            raise ValueError(f"--label {label} is out of range: {run} knows {what}")
        labels = torch.full((n,), label)
    states = list(tqdm(runs.draw(trained, labels, n, seed), total=len(trained.diffusion.timesteps) - 1))
    columns = next(c for c in range(min(n, 10), 0, -1) if n % c == 0 or c * c <= n)
    save_pictures(states, out, out.with_suffix(".gif") if gif else None, columns)
    click.echo(f"wrote {out}" + (f" and {out.with_suffix('.gif')}" if gif else ""))


@cli.command()
@click.argument("run")
@click.option("--n", type=int, default=N, callback=positive(1), help="How many images.")
@sampling_options
@click.option("--seed", type=int, default=0, help="Of the noise.")
@file_option("--out", help="Also write the figures to this JSON file.")
@click.option(
    "--bits", type=int, callback=positive(1), help="Instead: bits/dim of this many test images. T steps each."
)
@file_option("--terms", help="With --bits: keep every term of the bound here, and go on from here.")
@click.option(
    "--extractor",
    "names",
    multiple=True,
    help="Of colour images: cifar10-judge (by default), efficientnet-lite0 or inception. Give several to draw once.",
)
@raw_option
@compile_option
@device_option
def evaluate(
    run: str,
    n: int,
    seed: int,
    out: Path | None,
    bits: int | None,
    terms: Path | None,
    names: tuple[str, ...],
    raw: bool,
    fast: bool,
    device: str | None,
    **changes: str | float | None,
) -> None:
    """Draw images with RUN and let a judge measure them, or bound the likelihood of real test images."""
    trained = configured(run, device, raw, changes)
    if fast and bits is not None:
        raise ValueError("--compile is for drawing: leave it out with --bits")
    if fast:
        trained, how = runs.compiled(trained, min(n, BATCH))
        click.echo(how)
    figures = runs.evaluate(trained, n, seed, names) if bits is None else runs.bits_per_dim(trained, bits, seed, terms)
    figures |= {"weights": "raw"} if raw else {}
    try:
        if out is not None and parallel.rank() == 0:
            write_json(out, figures)
    finally:  # of the file and the screen, one may fail
        show(figures)


@cli.command()
@click.option("--n", type=int, default=10_000, callback=positive(4), help="How many images.")
@click.option("--extractor", default="cifar10-judge", help="cifar10-judge, efficientnet-lite0 or inception.")
@click.option("--seed", type=int, default=0, help="Of the noise.")
@file_option("--out", help="Also write the figures to this JSON file.")
@device_option
def floors(n: int, extractor: str, seed: int, out: Path | None, device: str | None) -> None:
    """Measure real CIFAR-10 images, and real images with noise: what the figures of `evaluate` compare with."""
    chosen = runs.pick_device(device)
    torch.manual_seed(seed)
    rows = measure.floors(extractors.get(extractor, chosen), n)
    try:
        if out is not None and parallel.rank() == 0:
            write_json(out, {"n": n, "seed": seed, "machine": runs.machine(chosen), "rows": rows})
    finally:
        for name, figures in rows.items():
            click.echo(f"\n{name}")
            show(figures)


@cli.command()
@click.argument("run")
@file_option("--out", required=True, help="The file to write.")
def export(run: str, out: Path) -> None:
    """Write RUN's averaged weights in half precision, to share."""
    click.echo("wrote " + ", ".join(map(str, runs.export(run, out))))


@cli.command()
@click.argument("name")
def fetch(name: str) -> None:
    """Download a full data set: mnist or cifar10."""
    folder = data.fetch(name)
    train, test = data.load(name, "train"), data.load(name, "test")
    where = "shipped with the package" if folder is None else f"in {folder}"
    click.echo(f"{name}: {len(train):,} training and {len(test):,} test images, verified, {where}")


@cli.command("presets")
def list_presets() -> None:
    """List the configurations."""
    for name, config in presets.PRESETS.items():
        training = config.training
        click.echo(f"{name:20} {config.data:9} {training.steps:>7,} steps of {training.batch_size} images")


@cli.command("train-judge")
@click.option("--data", "data_name", default="mnist", help="mnist (15 minutes on two cores) or cifar10 (94).")
@click.option("--epochs", type=int, callback=positive(), help="Passes over the training images; 12 for mnist, 11.")
@click.option("--seed", type=int, default=0, help="Of the weights, the order and the changes to the images.")
@file_option("--out", help="The judge's file; the shipped one by default.")
@device_option
def train_judge(data_name: str, epochs: int | None, seed: int, out: Path | None, device: str | None) -> None:
    """Remake the judge of digits or of CIFAR-10 from the full data set."""
    presets.check_choice("judge's data set", data_name, ("mnist", "cifar10"))
    if data_name == "mnist" and device not in (None, "cpu"):
        raise ValueError("the judge of digits is trained on the CPU: leave out --device")
    if data_name == "mnist":
        out = out or digits.JUDGE_FILE
        found = classifiers.make_digits_judge(epochs or 12, seed, out)
    else:
        out = out or extractors.CIFAR_JUDGE_FILE
        found = classifiers.make_cifar10_judge(epochs or 11, seed, out, runs.pick_device(device))
    click.echo(f"wrote {out}: {found}")


@cli.command()
@click.option("--preset", default="mnist", help="Whose data, schedule and network it fits; of the network, half.")
@click.option("--data", "data_name", help="mnist-5k, mnist or cifar10; the preset's by default.")
@click.option("--steps", type=int, default=6000, callback=positive(10), help="Number of steps of 64 images.")
@click.option("--clean", is_flag=True, help="Train on clean images only, to see why that can't guide.")
@click.option("--seed", type=int, default=0)
@file_option("--out", default=Path("runs/classifier.safetensors"))
@device_option
def train_classifier(
    preset: str, data_name: str | None, steps: int, clean: bool, seed: int, out: Path, device: str | None
) -> None:
    """Train a classifier of noisy images, for `sample --classifier`; print its accuracy at each noise level."""
    config = presets.preset(preset)
    config = replace(config, data=data_name or config.data)
    for t, accuracy in classifiers.make_classifier(
        config, steps, not clean, seed, out, runs.pick_device(device)
    ).items():
        click.echo(f"t = {t:5}  accuracy {accuracy:.1%}")
    click.echo(f"wrote {out}")


def configured(run: str, device: str | None, raw: bool, changes: dict[str, str | float | None]) -> Trained:
    """Open a run and change how it samples where asked to."""
    given = {key: v for key, v in changes.items() if v is not None}
    trained = runs.open_run(run, runs.pick_device(device), given.pop("classifier", None), averaged=not raw)
    variance = given.pop("variance", trained.config.variance)
    config = replace(trained.config, sampling=replace(trained.config.sampling, **given), variance=variance)
    return replace(trained, config=config, diffusion=config.diffusion.to(trained.device))


def show(figures: dict) -> None:
    """Print figures as a short table."""
    for name, value in figures.items():
        click.echo(f"{name:16} {value:.4g}" if isinstance(value, float) else f"{name:16} {value}")


def main() -> None:
    """Run the command line; an expected error is one line and exit status 1 (2 for wrong usage, 130 if interrupted).

    Of several processes that torchrun started, only the first one prints, but for errors.
    """
    with redirect_stdout(Quiet(sys.stdout)), redirect_stderr(Quiet(sys.stderr)), handled(_interrupt):
        try:
            with parallel.job():
                if parallel.rank():
                    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
                cli.main(prog_name="mini-ddpm", standalone_mode=False)
            return
        except click.ClickException as error:
            said, status = f"{error.format_message()} (see mini-ddpm --help)", error.exit_code
        except (ValueError, OSError) as error:
            said, status = in_one_line(error), 1
        except (click.Abort, KeyboardInterrupt):
            said, status = "interrupted", 130
        except RuntimeError as error:
            if not parallel.is_lost(error):
                raise
            said, status = f"another process stopped: {str(error).splitlines()[0][:100]}", 1
        click.echo(f"mini-ddpm: {said}", err=True)
        sys.exit(status)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
