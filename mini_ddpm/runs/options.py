"""Options that commands share, and what they may say."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource


def sampling_options(command: Callable) -> Callable:
    """The options that change how a run draws."""
    for option in (
        click.option("--variance", help="fixed-small, fixed-large or learned-range; ancestral steps use it."),
        click.option("--guidance", type=float, help="How closely to follow the label; none: 1 (0 with --classifier)."),
        click.option("--classifier", help="A file, or mnist-classifier, to guide the unlabelled network."),
        click.option("--eta", type=float, help="ddim's noise, 0 to 1."),
        click.option("--steps", type=int, help="Reverse steps, 1 to T; the run's by default."),
        click.option("--sampler", help="ancestral or ddim; the run's by default."),
    ):
        command = option(command)
    return command


compile_option = click.option(
    "--compile", "fast", is_flag=True, help="Compile the network first: a minute, then faster; for GPUs."
)
raw_option = click.option("--raw", is_flag=True, help="The weights as training left them, not their average.")
device_option = click.option("--device", help="cuda, mps or cpu; the best there is by default.")


def positive(minimum: float = 0) -> Callable:
    """A click callback: the number must be finite, and above `minimum`."""

    def check(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
        if value is not None and not minimum < value < math.inf:
            raise ValueError(f"--{parameter.name} must be more than {minimum:g}, and finite, not {value:g}")
        return value

    return check


def file_option(name: str, **settings: Any) -> Callable:
    """An option for a file to write. One that can't be written is refused before the work, not after it."""

    def with_folder(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    file = click.Path(dir_okay=False, writable=True, path_type=Path)
    return click.option(name, type=file, callback=with_folder, **settings)


def given_on_the_line(option: str) -> bool:
    """Whether the command line names an option that has a default."""
    return click.get_current_context().get_parameter_source(option) is not ParameterSource.DEFAULT
