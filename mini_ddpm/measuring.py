"""The commands that measure: what a network draws, real images, and folders of pictures."""

from pathlib import Path
from typing import Any

import click

from mini_ddpm import options, work
from mini_ddpm.limits import BATCH, N


@click.command(cls=work.Command)
@click.argument("run")
@click.option("--n", type=click.IntRange(5, 100_000), default=N, help="How many images to draw.")
@options.sampling_options
@click.option("--seed", type=options.SEED, default=0, help="Of the noise.")
@options.file_option("--out", options.JSON, help="Also write the figures to this .json file.")
@click.option(
    "--bits",
    type=click.IntRange(2, 10_000),
    help="Draw nothing: bound the bits/dim of this many test images, in all T steps. --variance counts here too.",
)
@options.file_option("--terms", options.TENSORS, help="With --bits: a .safetensors file to keep terms, and go on from.")
@click.option(
    "--extractor",
    "names",
    multiple=True,
    help="Not of digits: efficientnet-lite0 or inception; of CIFAR-10, by default, cifar10-judge. May be repeated.",
)
@options.raw_option
@options.compile_option
@options.precision_option
@options.device_option
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
    precision: str | None,
    device: str | None,
    **changes: str | float | None,
) -> None:
    """Draw images with RUN and measure them against real ones, or bound the likelihood of real test images."""
    from mini_ddpm import parallel, runs
    from mini_ddpm.files import write_json
    from mini_ddpm.runs import asked

    with options.computing(precision):
        trained = asked.configured(run, device, raw, changes)
        if fast:
            trained, how = runs.compiled(trained, min(n, BATCH))
            click.echo(how)
        if bits is None:
            figures = runs.evaluate(trained, n, seed, names)
        else:
            figures = runs.bits_per_dim(trained, bits, seed, terms)
    figures |= {"weights": "raw"} if raw else {}
    try:
        if out is not None and parallel.rank() == 0:
            write_json(out, figures)
    finally:  # of the file and the screen, one may fail
        show(figures)


@click.command(cls=work.Command)
@click.option("--n", type=click.IntRange(5, 10_000), default=10_000, help="How many images.")
@click.option("--extractor", default="cifar10-judge", help="cifar10-judge, efficientnet-lite0 or inception.")
@click.option("--seed", type=options.SEED, default=0, help="Of the noise.")
@options.file_option("--out", options.JSON, help="Also write the figures to this .json file.")
@options.device_option
def floors(n: int, extractor: str, seed: int, out: Path | None, device: str | None) -> None:
    """Measure real CIFAR-10 images, and real images with noise: what the figures of `evaluate` compare with."""
    import torch

    from mini_ddpm import measure, runs
    from mini_ddpm.measure import extractors

    chosen = runs.pick_device(device)
    torch.manual_seed(seed)
    rows = measure.floors(extractors.get(extractor, chosen), n)
    tell(rows, {"n": n, "seed": seed, "machine": runs.machine(chosen)}, out)


@click.command("measure", cls=work.Command)
@click.argument("folder", type=options.FOLDER)
@click.option("--reference", type=options.FOLDER, required=True, help="A folder of real pictures, to compare with.")
@click.option("--extractor", default="efficientnet-lite0", help="efficientnet-lite0 or inception.")
@click.option("--size", type=click.IntRange(1, 1024), help="Side at which all are read; FOLDER's commonest by default.")
@click.option("--seed", type=options.SEED, default=0, help="Of what is compared with what.")
@options.file_option("--out", options.JSON, help="Also write the figures to this .json file.")
@click.option("--skip-broken", is_flag=True, help="Leave out pictures that can't be read.")
@options.device_option
def measure_folder(
    folder: Path, reference: Path, extractor: str, seed: int, out: Path | None, device: str | None, **reading: Any
) -> None:
    """Measure the pictures in FOLDER, whoever made them, against real ones, and real ones against each other."""
    import torch

    from mini_ddpm import runs
    from mini_ddpm.measure import extractors, references

    chosen = runs.pick_device(device)
    features = extractors.for_any(extractor, chosen)
    found, real = references.read_both(folder, reference, **reading)
    click.echo(f"{found.source}\n{real.source}")
    torch.manual_seed(seed)
    rows = references.compare(features, found.images, real.images)
    near = {"nearest neighbours": references.neighbours(found.images, real.images)}
    how = {"folder": str(folder), "reference": str(reference), "extractor": extractor, "seed": seed}
    tell(rows | near, how | {"size": [*found.images.shape[2:]], "machine": runs.machine(chosen)}, out)
    click.echo(f"\n{references.advice(rows)}")


def tell(rows: dict[str, dict[str, float]], how: dict[str, Any], out: Path | None) -> None:
    """Write rows of figures, and how they came about, to a file; print the rows, whether or not that works."""
    from mini_ddpm import parallel
    from mini_ddpm.files import write_json

    try:
        if out is not None and parallel.rank() == 0:
            write_json(out, {**how, "rows": rows})
    finally:
        for name, figures in rows.items():
            click.echo(f"\n{name}")
            show(figures)


def show(figures: dict[str, Any]) -> None:
    """Print figures as a short table."""
    for name, value in figures.items():
        click.echo(f"{name:16} {value:.4g}" if isinstance(value, float) else f"{name:16} {value}")
