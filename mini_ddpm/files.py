"""Files that are written whole or not at all, and read without pickle."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged or not ours. The message names the file and the remedy."""


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then move it into place in one step.

    Raises:
        OSError: the disk is full or the folder not writable; whatever was at `path` is still there.
    """
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # safetensors makes it private
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise OSError(f"could not write {path} ({error}): make room, or write elsewhere with --out") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_json(path: Path, content: dict) -> None:
    """Write a dictionary as indented JSON."""
    write_whole(path, lambda file: file.write_text(json.dumps(content, indent=2) + "\n"))


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict) -> None:
    """Write named tensors and a JSON-able dictionary to one safetensors file."""
    tensors = {name: value.detach().contiguous() for name, value in tensors.items()}
    header = {name: json.dumps(value) for name, value in metadata.items()}
    write_whole(path, lambda file: save_file(tensors, file, header))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Read what `write_tensors` wrote, onto the CPU.

    Raises:
        CheckpointError: the file is missing, truncated, or not safetensors.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = {name: json.loads(value) for name, value in (file.metadata() or {}).items()}
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist") from None
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged or not a safetensors file ({error}): use another copy, or train again"
        ) from None
    return tensors, metadata
