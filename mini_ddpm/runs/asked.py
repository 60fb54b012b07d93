"""What options ask for: a run that draws in another way, labels, and an own image to begin with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from mini_ddpm.data import to_model
from mini_ddpm.folders import read_picture
from mini_ddpm.measure import digits
from mini_ddpm.options import refuse_idle
from mini_ddpm.runs.device import pick_device
from mini_ddpm.runs.drawing import OwnImage, default_labels
from mini_ddpm.runs.presets import check_guidance
from mini_ddpm.runs.trained import Trained, image_shape, open_run


def configured(run: str, device: str | None, raw: bool, changes: dict[str, Any]) -> Trained:
    """Open a run and change how it samples where asked to; options that would do nothing are refused."""
    given = {key: v for key, v in changes.items() if v is not None}
    trained = open_run(run, pick_device(device), given.pop("classifier", None), averaged=not raw)
    variance = given.pop("variance", trained.config.variance)
    config = replace(trained.config, sampling=replace(trained.config.sampling, **given), variance=variance)
    if "guidance" in given:
        check_guidance(config)
    draws = click.get_current_context().params.get("bits") is None
    sampler = config.sampling.sampler
    drawing = "--n --sampler --steps --eta --guidance --classifier --extractor --compile"
    refuse_idle(
        (draws, "--bits draws no images", drawing),
        (not draws, "it is for --bits", "--terms"),
        (sampler == "ddim", "only --sampler ddim has it", "--eta"),
        (sampler == "ancestral" or not draws, "only --sampler ancestral and --bits have it", "--variance"),
        (trained.classes, f"{run} knows no labels, and no --classifier does for it", "--guidance --label"),
        (config.data not in digits.DATA, "digits have their own judge", "--extractor"),
    )
    diffusion = config.diffusion.to(trained.device)
    diffusion.timesteps  # noqa: B018 - too many steps are refused here, before the work
    return replace(trained, config=config, diffusion=diffusion)


def labels_of(trained: Trained, n: int, label: str | None) -> Tensor | None:
    """Labels (n,) that all are the class of this name or number; without one, all classes in turn, if there are any."""
    if label is None:
        return default_labels(trained, n)
    names, last = trained.config.names, trained.classes - 1
    known = f"0 to {last}" + f" ({', '.join(names[:10])}{', ...' * (len(names) > 10)})" * bool(names)
    try:
        y = names.index(label) if label in names else int(label)
    except ValueError:
        raise ValueError(f"--label {label} is unknown: the labels here are {known}") from None
    if not 0 <= y <= last:
        raise ValueError(f"--label {label} is out of range: the labels here are {known}")
    return torch.full((n,), y)


def own_image(trained: Trained, image: Path | None, t: int | None, mask: Path | None) -> OwnImage | None:
    """What --image, --from-step and --mask say, read in the network's size; None without --image."""
    refuse_idle(
        (image is not None, "it is for --image", "--from-step --mask"),
        (mask is None, "--mask begins with noise alone", "--from-step"),
    )
    if image is None:
        return None
    if t is None and mask is None:
        raise click.UsageError("--image needs --from-step, to draw variations of it, or --mask, to draw parts anew")
    channels, *size = image_shape(trained.config)
    x_0 = to_model(read_picture(image, (size[0], size[1]), channels))
    if mask is None:
        if t is not None and t > (T := trained.diffusion.schedule.T):
            raise ValueError(f"--from-step {t} is out of range: the steps of this run are 1 to {T}")
        return OwnImage(x_0, t)
    white = read_picture(mask, (size[0], size[1]), 1)[0] >= 128
    if white.all() or not white.any():
        what = "light, so nothing is kept of --image" if white.all() else "dark, so nothing is drawn anew"
        paint = "paint white what is to be drawn, and black what is to be kept"
        raise ValueError(f"{mask} is all {what}: {paint} (middle grey divides them; what is transparent is white)")
    return OwnImage(x_0, mask=white)
