"""Options that commands share. Help is shown from here, so nothing here waits for torch."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from mini_ddpm.limits import FLOAT32_ONLY


class Number(click.FloatRange):
    """A number in a range; nan is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, or a usage error."""
        if math.isnan(found := super().convert(value, param, ctx)):
            self.fail(f"{value} is not a number.", param, ctx)
        return found


STEPS = click.IntRange(1, 10**9)
SEED = click.IntRange(0, 2**32 - 1)  # as many as torch's generator on a CPU tells apart
PICTURE = click.Path(path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
JSON, TENSORS = (".json",), (".safetensors",)


def sampling_options(command: Callable) -> Callable:
    """The options that change how a run draws."""
    scale = "How closely to follow the label, 1 as trained (--classifier: 0 not at all); the run's by default."
    for option in (
        click.option("--variance", help="Of ancestral steps: fixed-small, fixed-large, learned-range; else the run's."),
        click.option("--guidance", type=Number(-1000, 1000), help=scale),
        click.option("--classifier", help="A file, or mnist-classifier: it guides, and the network is told no label."),
        click.option("--eta", type=Number(0, 1), help="Of ddim: share of ancestral noise; the run's by default."),
        click.option("--steps", type=STEPS, help="Reverse steps, at most T; the run's by default."),
        click.option("--sampler", help="ancestral, ddim or dpm-solver; the run's by default."),
    ):
        command = option(command)
    return command


compile_option = click.option(
    "--compile", "fast", is_flag=True, help="Compile the network first: a minute, then faster; for GPUs."
)
raw_option = click.option("--raw", is_flag=True, help="Use the weights as training left them, not their average.")


@contextmanager
def computing(precision: str | None) -> Iterator[None]:
    """Within it, networks compute in float32 if that is the precision."""
    token = FLOAT32_ONLY.set(precision == "float32")
    try:
        yield
    finally:
        FLOAT32_ONLY.reset(token)


precision_option = click.option(
    "--precision",
    type=click.Choice(["float32"]),
    help="Compute in float32 also where bfloat16 is faster, so that other machines get nearly the same figures.",
)
device_option = click.option("--device", help="cuda, mps or cpu; the best there is by default.")


def refuse_idle(*needs: tuple[Any, str, str]) -> None:
    """Refuse options that would do nothing where they stand.

    Args:
        needs: (whether they do something, why not, the options), for example
            (sampler == "ddim", "only ddim has it", "--eta").
    """
    context = click.get_current_context()
    named = [p for p in context.command.params if context.get_parameter_source(p.name) is ParameterSource.COMMANDLINE]
    given = {name for parameter in named for name in parameter.opts}
    for useful, why_not, options in needs:
        if not useful and (idle := given & {*options.split()}):
            raise click.UsageError(f"{' and '.join(sorted(idle))} would do nothing here: {why_not}")


def file_option(name: str, endings: tuple[str, ...], **settings: Any) -> Callable:
    """An option for a file to write. One that can't be written is refused before the work, not after it."""

    def checked(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
        if path is not None:
            from mini_ddpm.files import check_target

            check_target(path, endings)
        return path

    return click.option(name, type=click.Path(path_type=Path), callback=checked, **settings)
