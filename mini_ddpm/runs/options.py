"""Options that commands share, and what they may say."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from mini_ddpm.files import check_target
from mini_ddpm.measure import digits
from mini_ddpm.runs.device import pick_device
from mini_ddpm.runs.trained import Trained, open_run
from mini_ddpm.sampling import ancestral_step


class Number(click.FloatRange):
    """A number in a range; nan is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, or a usage error."""
        if math.isnan(found := super().convert(value, param, ctx)):
            self.fail(f"{value} is not a number.", param, ctx)
        return found


STEPS = click.IntRange(1, 10**9)
SEED = click.IntRange(0, 2**32 - 1)  # as many as torch's generator on a CPU tells apart
FOLDER = click.Path(file_okay=False, path_type=Path)
JSON, TENSORS, PICTURE = (".json",), (".safetensors",), (".png", ".jpg", ".jpeg")


def sampling_options(command: Callable) -> Callable:
    """The options that change how a run draws."""
    scale = "How closely to follow the label, 1 as trained (--classifier: 0 not at all); the run's by default."
    for option in (
        click.option("--variance", help="Of ancestral steps: fixed-small, fixed-large, learned-range; else the run's."),
        click.option("--guidance", type=Number(-1000, 1000), help=scale),
        click.option("--classifier", help="A file, or mnist-classifier: it guides, and the network is told no label."),
        click.option("--eta", type=Number(0, 1), help="Of ddim: share of ancestral noise; the run's by default."),
        click.option("--steps", type=STEPS, help="Reverse steps, at most T; the run's by default."),
        click.option("--sampler", help="ancestral or ddim; the run's by default."),
    ):
        command = option(command)
    return command


compile_option = click.option(
    "--compile", "fast", is_flag=True, help="Compile the network first: a minute, then faster; for GPUs."
)
raw_option = click.option("--raw", is_flag=True, help="Use the weights as training left them, not their average.")
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
            check_target(path, endings)
        return path

    return click.option(name, type=click.Path(path_type=Path), callback=checked, **settings)


def configured(run: str, device: str | None, raw: bool, changes: dict[str, Any]) -> Trained:
    """Open a run and change how it samples where asked to; options that would do nothing are refused."""
    given = {key: v for key, v in changes.items() if v is not None}
    trained = open_run(run, pick_device(device), given.pop("classifier", None), averaged=not raw)
    variance = given.pop("variance", trained.config.variance)
    config = replace(trained.config, sampling=replace(trained.config.sampling, **given), variance=variance)
    draws = click.get_current_context().params.get("bits") is None
    ddim = config.sampling.step is not ancestral_step
    drawing = "--n --sampler --steps --eta --guidance --classifier --extractor --compile"
    refuse_idle(
        (draws, "--bits draws no images", drawing),
        (not draws, "it is for --bits", "--terms"),
        (ddim, "only --sampler ddim has it", "--eta"),
        (not ddim or not draws, "only --sampler ancestral and --bits have it", "--variance"),
        (trained.classes, f"{run} knows no labels, and no --classifier does for it", "--guidance --label"),
        (config.data not in digits.DATA, "digits have their own judge", "--extractor"),
    )
    diffusion = config.diffusion.to(trained.device)
    diffusion.timesteps  # noqa: B018 - too many steps are refused here, before the work
    return replace(trained, config=config, diffusion=diffusion)
