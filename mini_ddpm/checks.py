"""What may enter: configurations, numbers, labels and images are looked at where they come in.

What is wrong is a ValueError of one line that names it.
"""

from dataclasses import field
from itertools import pairwise
from typing import Annotated, Any, TypeVar, dataclass_transform

import torch
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from torch import Tensor

Config = TypeVar("Config")
Decay = Annotated[float, Field(ge=0, lt=1)]  # also a dropout: of 1 nothing would be left
Share = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[int, Field(ge=1, le=4096)]  # of a network's parts: with such sizes it can at least be described
Count = Annotated[int, Field(ge=0, le=2**20)]
Batch = Annotated[int, Field(ge=1, le=2**20)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Octave = Annotated[int, Field(ge=0, le=16)]  # the 16th tells a 65,536th of the range apart


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def checked_dataclass(cls: type[Config]) -> type[Config]:
    """A frozen dataclass whose fields have the types and ranges that it states: no bool for an int, no nan."""
    made: Any = dataclass(cls, frozen=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
    plain = made.__init__

    def checked(self: Any, *arguments: Any, **fields: Any) -> None:
        try:
            plain(self, *arguments, **fields)
        except ValidationError as error:
            raise ValueError(_first(error)) from None

    made.__init__ = checked
    return made


def config_from_json(cls: type[Config], text: str) -> Config:
    """A checked dataclass, and those inside it, from JSON."""
    try:
        return TypeAdapter(cls).validate_json(text)
    except ValidationError as error:
        raise ValueError(_first(error)) from None


def _first(error: ValidationError) -> str:
    """The first of the errors, with the name of its field."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "value_error":
        return f"{place}: {first['ctx']['error']}".removeprefix(": ")
    return f"{place}: {first['msg']}, not {first['input']!r:.60}"


def finite(x: Tensor, what: str) -> Tensor:
    """x itself, all of whose numbers are finite; `what` names them in the message."""
    if not bool(x.isfinite().all()):
        raise ValueError(f"{what}: {int((~x.isfinite()).sum()):,} of {x.numel():,} numbers are nan or infinite")
    return x


def check_step(state: Any, s: int) -> Any:
    """What a step function returned, unless it is no `Step` to the time s."""
    whole = all(hasattr(state, name) for name in ("t", "x_t", "x_0"))
    if not whole or state.t != s:
        found = f"one to time {state.t}" if whole else f"a {type(state).__name__}"
        raise TypeError(f"a step to time {s} must return Step({s}, x_t, x_0), not {found}")
    return state


def check_chain(timesteps: list[int], T: int | None = None) -> None:
    """The times of a chain: ints that fall from T, or from anywhere, to 0. The first that is wrong is named."""
    if not isinstance(timesteps, list | tuple | range) or not timesteps:
        fault = f"not {timesteps!r:.60}"
    elif odd := [t for t in timesteps if type(t) is not int]:
        fault = f"and {odd[0]!r:.60} is no int"
    elif (timesteps[0], timesteps[-1]) != (timesteps[0] if T is None else T, 0):
        fault = f"not from {timesteps[0]} to {timesteps[-1]}"
    else:
        fault = next((f"but after {t} comes {s}" for t, s in pairwise(timesteps) if s >= t), "")
    if fault:
        raise ValueError(
            f"timesteps must be a list of whole numbers that fall {'' if T is None else f'from T={T} '}to 0, {fault}"
        )


def check_output(output: Tensor, x_t: Tensor) -> Tensor:
    """What a network says of x_t (B, C, H, W), as it is: of that shape, or of twice the channels."""
    B, C, *sides = x_t.shape
    if not isinstance(output, Tensor) or output.shape not in ((B, C, *sides), (B, 2 * C, *sides)):
        raise ValueError(
            f"a network's output must have the shape of x_t, {tuple(x_t.shape)}, or twice its channels, "
            f"not {tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__}"
        )
    return output


def check_time(t: int, T: int) -> None:
    """A time from 1 to T."""
    if type(t) is not int or not 1 <= t <= T:
        raise ValueError(f"t must be a whole number from 1 to T={T}, not {t!r:.60}")


def check_times(t: Tensor) -> None:
    """What a network is told: times (B,), whole numbers, one for each image."""
    if not isinstance(t, Tensor) or t.ndim != 1 or t.is_floating_point():
        raise ValueError(f"t must be whole numbers (B,), one time an image, as times(x_t, t) makes them: {_seen(t)}")


def check_mask(mask: Tensor, x_0: Tensor) -> Tensor:
    """Where a mask of 0s and 1s is 1: bool, on the device of the images x_0 (B, C, H, W) to which it broadcasts."""
    mask = torch.as_tensor(mask, device=x_0.device)
    try:
        mask.expand_as(x_0)
    except RuntimeError:
        raise ValueError(f"a mask of {tuple(mask.shape)} does not fit images of {tuple(x_0.shape)}") from None
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise ValueError("a mask holds 1, where the image is drawn anew, and 0, where it is kept, and nothing else")
    return mask == 1


def check_labels(labels: Tensor, n: int, classes: int | None = None) -> None:
    """Labels (n,) int64 from 0, below `classes` if that is given: label `classes` would mean "no label"."""
    if classes == 0:
        raise ValueError("this network was made without labels (classes=0): give it none")
    if not (isinstance(labels, Tensor) and labels.dtype == torch.int64 and labels.shape == (n,)):
        raise ValueError(f"labels must be an int64 tensor of shape ({n},), one an image, not {_seen(labels)}")
    first, last = (int(labels.min()), int(labels.max())) if n else (0, 0)
    if first < 0 or (classes is not None and last >= classes):
        known = "0 on" if classes is None else f"0 to {classes - 1}"
        raise ValueError(f"labels must be from {known}, not {first} to {last}")


def check_images(images: Tensor, shape: tuple[int, ...] | None = None, pixels: bool = False) -> None:
    """Images (N, C, H, W), N > 0, of `shape` (C, H, W) or of one or three colours: finite floats, or uint8 `pixels`."""
    known = isinstance(images, Tensor) and images.ndim == 4 and images.numel() > 0
    fits = known and (images.shape[1] in (1, 3) if shape is None else images.shape[1:] == shape)
    if not fits or (images.dtype != torch.uint8 if pixels else not images.is_floating_point()):
        kind = "uint8" if pixels else "floats in [-1, 1]"
        wanted = "C, H, W), C 1 or 3" if shape is None else ", ".join(map(str, shape)) + ")"
        raise ValueError(f"images must be {kind} of shape (N, {wanted}, not {_seen(images)}")
    if not pixels:
        finite(images, "the images")


def _seen(x: Any) -> str:
    return f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
