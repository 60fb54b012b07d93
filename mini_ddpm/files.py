"""Files that are written whole or not at all, and read without pickle."""

import hashlib
import importlib.resources
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


def shipped(name: str) -> Path:
    """A file or folder that comes with the package, by its name in `data/`: cloned or installed, the same."""
    return Path(str(importlib.resources.files("mini_ddpm_data") / name))


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then move it into place in one step.

    Raises:
        OSError: the disk is full or the folder not writable; whatever was at `path` is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():  # /dev/null and its like are written to, not replaced
        write(path)
        return
    for leftover in path.parent.glob(f".*-{path.name}"):
        if leftover.name[1:].removesuffix(f"-{path.name}").isdigit():  # of a process that was killed while it wrote
            leftover.unlink(missing_ok=True)
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


def write_shards(path: Path, tensors: dict[str, Tensor], metadata: dict, limit: int = 15_000_000) -> list[Path]:
    """Write tensors to one file, or, if they take more than `limit` bytes, to several of at most that size.

    Shard 2 of 5 of `model.safetensors` is `model-00002-of-00005.safetensors`. Each holds the metadata, and a digest
    of the whole model, which tells it from the shards of another.

    Raises:
        ValueError: one tensor alone is larger than the limit.
    """
    shards: list[dict[str, Tensor]] = [{}]
    room = whole = limit - 500_000  # for names and metadata
    for name, value in tensors.items():
        if value.nbytes > whole:
            raise ValueError(f"{name} alone takes {value.nbytes:,} bytes, more than a shard of {limit:,} can hold")
        if value.nbytes > room:
            shards.append({})
            room = whole
        shards[-1][name] = value
        room -= value.nbytes
    n = len(shards)
    paths = [path] if n == 1 else [path.with_stem(f"{path.stem}-{i:05}-of-{n:05}") for i in range(1, n + 1)]
    whole_model = {"digest": digest(tensors)} if n > 1 else {}
    for shard, content in zip(paths, shards, strict=True):
        write_tensors(shard, content, metadata | whole_model)
    for old in {path, *_shards(path)} - set(paths):  # of an earlier, larger or smaller model
        old.unlink(missing_ok=True)
    return paths


def digest(tensors: dict[str, Tensor]) -> str:
    """A short fingerprint of named tensors: other numbers, another one."""
    found = hashlib.sha256()
    for name, value in tensors.items():
        found.update(name.encode() + value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]


def _shards(path: Path) -> list[Path]:
    number = "[0-9]" * 5
    return sorted(path.parent.glob(f"{path.stem}-{number}-of-{number}{path.suffix}"))


def shards_of(path: Path) -> list[Path]:
    """The shards of a file that `write_shards` divided, in order; none if there are none.

    Raises:
        CheckpointError: some are missing.
    """
    found = _shards(path)
    expected = int(found[0].stem[-5:]) if found else 0
    if len(found) != expected:
        raise CheckpointError(f"{path} is in {expected} shards, but {len(found)} of them are there: get the others")
    return found


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Read what `write_tensors` or `write_shards` wrote, onto the CPU.

    Raises:
        CheckpointError: the file is missing, truncated, or not safetensors; or its shards are of several models.
    """
    if not path.exists() and (shards := shards_of(path)):
        parts = [read_tensors(shard) for shard in shards]
        if len({card.pop("digest", None) for _, card in parts}) > 1:
            raise CheckpointError(f"the shards of {path} belong to different models: write or fetch all of them again")
        return {name: value for tensors, _ in parts for name, value in tensors.items()}, parts[0][1]
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
