"""The commands and their options. What they need is imported where they work, so that help is there at once."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click

from mini_ddpm import measuring, options, work
from mini_ddpm.limits import BATCH, MOST

SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}


data_option = click.option("--data", "data_name", help="A data set, or a folder of pictures; the preset's by default.")
skip_broken_option = click.option("--skip-broken", is_flag=True, help="Go on without pictures that can't be read.")
set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change a field of the preset, such as training.batch_size=64 or unet.channel_mults=1,2,2; many times.",
)


@click.group(cls=work.Group, invoke_without_command=True, context_settings=SETTINGS)
@click.pass_context
def cli(context: click.Context) -> None:
    """Train small diffusion models on real images, draw from them, and measure what they draw."""
    if any(re.fullmatch(r"(--[\w-]+=)?", word) for word in sys.argv[1:]):
        raise click.UsageError("an option or argument is empty")
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@cli.command()
@click.option("--preset", help="One that `mini-ddpm presets` lists; by default mnist-laptop, or pictures for a folder.")
@data_option
@skip_broken_option
@set_option
@click.option("--minutes", type=options.Number(0, 100_000, min_open=True), help="Time budget, which becomes --steps.")
@click.option("--steps", type=options.STEPS, help="Number of steps; the preset's by default.")
@click.option("--seed", type=options.SEED, help="Of the initial weights, the data order and the noise; 0 by default.")
@click.option("--out", type=options.FOLDER, help="The run folder, for a new run; runs/PRESET by default.")
@click.option("--resume", type=options.FOLDER, help="A run folder to go on with, to its end or to another --steps.")
@click.option(
    "--measure-every",
    type=options.Number(0, 100_000, min_open=True),
    help="Every so many minutes of training: held-out loss and FD to metrics.csv, and a sheet. It takes its own time.",
)
@options.compile_option
@options.device_option
def train(
    preset: str | None,
    data_name: str | None,
    skip_broken: bool,
    settings: tuple[str, ...],
    minutes: float | None,
    steps: int | None,
    seed: int | None,
    out: Path | None,
    resume: Path | None,
    measure_every: float | None,
    fast: bool,
    device: str | None,
) -> None:
    """Train, then leave samples, a loss curve, an animation and an evaluation in the run folder."""
    from mini_ddpm import runs
    from mini_ddpm.runs.device import enough_memory
    from mini_ddpm.runs.settings import chosen

    place = runs.pick_device(device)
    fixed = steps is not None or any(each.startswith("training.steps=") for each in settings)
    begin = "--preset --data --skip-broken --set --minutes --seed --out"
    options.refuse_idle(
        (resume is None, "--resume goes on as the run began", begin),
        (not fixed, "the number of steps says how long", "--minutes"),
    )
    if resume is not None:
        run = runs.resume(resume, place, steps, fast)
    else:
        given = {"training.steps": steps, "training.seed": seed}
        settings += tuple(f"{name}={value}" for name, value in given.items() if value is not None)
        name, config = chosen(preset, "mnist-laptop", data_name, skip_broken, settings)
        keep_classes = any(each.startswith("unet.classes=") for each in settings)
        run = runs.start(config, out or Path("runs") / name, place, minutes, fast, keep_classes)
    if run.replaced:
        click.echo(f"{run.folder} held a run that had not taken a step: it is replaced, and nothing is lost")
    watch = None
    if measure_every is not None:
        watch = runs.Watch(run.config, run.state, run.folder, measure_every)
        click.echo(watch.said)
    line = ["mini-ddpm", "train", "--resume", str(run.folder)]
    go_on = subprocess.list2cmdline(line) if os.name == "nt" else shlex.join(line)
    total = run.config.training.steps
    done = run.state.step == total
    click.echo(f"{run.folder}: {total:,} steps on {run.config.data}, on {runs.machine(place)}")
    for said in filter(None, (run.data.source, run.compiled)):
        click.echo(said)
    try:
        if not runs.fit(run, watch=watch):
            click.echo(f"stopped at step {run.state.step:,} of {total:,}; go on with: {go_on}")
            sys.exit(130)  # as for any interrupted command: what should follow a whole run must not
        click.echo("trained before: drawing and measuring anew" if done else "drawing and measuring")
        with enough_memory(f"the run is trained to the end; draw fewer images: mini-ddpm sample {run.folder} --n 10"):
            measuring.show(runs.report(run))
    except KeyboardInterrupt:
        click.echo(f"trained to the end, but not drawn and measured to the end; for that: {go_on}")
        raise
    click.echo(f"\nsee {run.folder}/samples.png, denoising.gif and loss.png")


@cli.command()
@click.argument("run")
@click.option("--n", type=click.IntRange(1, MOST), default=64, help="How many; on a sheet, 2,500 at most.")
@options.sampling_options
@click.option("--label", help="Draw only the class of this number or name; all in turn by default.")
@click.option("--image", type=options.PICTURE, help="An own picture to begin with, cropped and resized to fit.")
@click.option("--from-step", type=options.STEPS, help="Noise --image to this step, 1 to T, and draw variations of it.")
@click.option("--mask", type=options.PICTURE, help="Draw parts of --image anew: the white ones here; black is kept.")
@click.option("--seed", type=options.SEED, default=0, help="Of the noise: the same seed and --n draw the same images.")
@click.option("--out", default="samples.png", help="A sheet, .png or .jpg; single images, .npz or a new folder/.")
@click.option("--gif", is_flag=True, help=f"Also write how noise turns into the first {BATCH} images, beside --out.")
@options.raw_option
@options.device_option
def sample(
    run: str,
    n: int,
    label: str | None,
    image: Path | None,
    from_step: int | None,
    mask: Path | None,
    seed: int,
    out: str,
    gif: bool,
    raw: bool,
    device: str | None,
    **changes: str | float | None,
) -> None:
    """Draw images with RUN: a run folder, an exported file, or mnist, mnist-improved or cifar10."""
    from mini_ddpm import parallel
    from mini_ddpm.runs import asked, outputs

    if parallel.rank():
        return  # the first process draws alone
    trained = asked.configured(run, device, raw, changes)
    labels, own = asked.labels_of(trained, n, label), asked.own_image(trained, image, from_step, mask)
    target, animation = outputs.targets(out, n, gif)
    outputs.save_drawn(trained, labels, n, seed, target, animation, own)
    click.echo(f"wrote {out}" + (f" and {animation}" if gif else ""))


for command in (measuring.evaluate, measuring.floors, measuring.measure_folder):
    cli.add_command(command)


@cli.command()
@click.argument("run")
@options.file_option("--out", options.TENSORS, required=True, help="The .safetensors file; several, above 15 MB.")
def export(run: str, out: Path) -> None:
    """Write RUN's averaged weights in half precision, to share."""
    from mini_ddpm import runs

    click.echo("wrote " + ", ".join(map(str, runs.export(run, out))))


@cli.command()
@click.argument("name")
def fetch(name: str) -> None:
    """Download a full data set, mnist, fashion-mnist or cifar10, unless it is at hand, and verify it."""
    from mini_ddpm import data

    folder = data.fetch(name)
    train, test = data.load(name, "train"), data.load(name, "test")
    where = "shipped with the package" if folder is None else f"in {folder}"
    click.echo(f"{name}: {len(train):,} training and {len(test):,} test images, {where}")
    click.echo(f"verified: {data.verified(name)}")


@cli.command("presets")
def list_presets() -> None:
    """List the configurations."""
    from mini_ddpm.runs import presets

    for name, config in presets.PRESETS.items():
        training = config.training
        click.echo(f"{name:20} {config.data:9} {training.steps:>7,} steps of {training.batch_size} images")


@cli.command("train-judge")
@click.option("--data", "data_name", default="mnist", help="mnist (15 minutes on two cores) or cifar10 (94).")
@click.option("--epochs", type=click.IntRange(1, 1000), help="Passes over the training images; 12 for mnist, else 11.")
@click.option("--seed", type=options.SEED, default=0, help="Of the weights, the order and the changes to the images.")
@options.file_option("--out", options.TENSORS, help="A .safetensors file; runs/judge or runs/cifar10-judge by default.")
@options.device_option
def train_judge(data_name: str, epochs: int | None, seed: int, out: Path | None, device: str | None) -> None:
    """Train a judge of digits or of CIFAR-10 anew, from the full data set. The shipped one stays as it is."""
    from mini_ddpm import runs
    from mini_ddpm.files import check_target
    from mini_ddpm.runs import classifiers, presets

    presets.check_choice("judge's data set", data_name, ("mnist", "cifar10"))
    options.refuse_idle((data_name != "mnist" or device == "cpu", "the CPU trains the judge of digits", "--device"))
    out = out or Path("runs") / f"{'judge' if data_name == 'mnist' else 'cifar10-judge'}.safetensors"
    check_target(out, options.TENSORS)
    if data_name == "mnist":
        found = classifiers.make_digits_judge(epochs or 12, seed, out)
    else:
        found = classifiers.make_cifar10_judge(epochs or 11, seed, out, runs.pick_device(device))
    click.echo(f"wrote {out}: {found}")


@cli.command()
@click.option("--preset", help="Whose data, schedule and network (half) it fits; mnist, or pictures for a folder.")
@data_option
@skip_broken_option
@set_option
@click.option("--steps", type=click.IntRange(11, options.STEPS.max), default=6000, help="Number of steps of 64 images.")
@click.option("--clean", is_flag=True, help="Train on clean images only, to see why that can't guide.")
@click.option("--seed", type=options.SEED, default=0, help="Of the weights, the order and the noise.")
@options.file_option(
    "--out", options.TENSORS, help="The classifier's .safetensors file.", default=Path("runs/classifier.safetensors")
)
@options.device_option
def train_classifier(
    preset: str | None,
    data_name: str | None,
    skip_broken: bool,
    settings: tuple[str, ...],
    steps: int,
    clean: bool,
    seed: int,
    out: Path,
    device: str | None,
) -> None:
    """Train a classifier of noisy images, for `sample --classifier`; print its accuracy at each noise level."""
    from mini_ddpm import runs
    from mini_ddpm.runs import classifiers
    from mini_ddpm.runs.settings import chosen

    _, config = chosen(preset, "mnist", data_name, skip_broken, settings)
    found = classifiers.make_classifier(config, steps, not clean, seed, out, runs.pick_device(device))
    for t, accuracy in found.items():
        click.echo(f"t = {t:5}  accuracy {accuracy:.1%}")
    click.echo(f"wrote {out}")
