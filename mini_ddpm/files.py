"""Files that are written whole or not at all, and read without pickle and without staying open."""

import glob
import hashlib
import importlib.resources
import json
import os
import re
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

RUN_FILES = ["checkpoint.safetensors", "config.json", "metrics.csv", "evaluation.json"]
RUN_FILES += ["samples.png", "loss.png", "denoising.gif"]  # what training leaves in a run folder, and sheets, below
MOST_BYTES, MOST_HEADER = 8 << 30, 10 << 20  # of a file of tensors, and of its table: far more than any network here


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged or not ours. The message names the file and the remedy."""


def is_run_file(name: str) -> bool:
    """Whether training leaves a file of that name in its run folder."""
    return name in RUN_FILES or bool(re.fullmatch(r"samples-\d+\.png", name))


def shipped(name: str) -> Path:
    """A file or folder that comes with the package, by its name in `data/`: cloned or installed, the same."""
    return Path(str(importlib.resources.files("mini_ddpm_data") / name))


# --- writing --------------------------------------------------------------------------------------------


def check_target(path: Path, endings: tuple[str, ...] = ()) -> None:
    """Refuse, before the work, a file that can't or must not be written after it. Its folder is made.

    Raises:
        ValueError: it has none of the endings, is not a file, or is one of a run's own.
        OSError: its folder can't be made, or may not be written.
    """
    target = Path(os.path.realpath(path))
    if _is_stream(path):
        return
    if endings and path.suffix.lower() not in endings:
        raise ValueError(f"{path} must end in {' or '.join(endings)}")
    if is_run_file(target.name) and (target.parent / RUN_FILES[0]).exists():
        raise ValueError(f"{path} belongs to the run in {target.parent}: choose another name")
    if target.is_symlink() or (target.exists() and not target.is_file()):
        raise ValueError(f"{path} is not a file: choose another name")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(f"{path} can't be written: you lack the permission")


def _is_stream(path: Path) -> bool:
    """/dev/stdout, /dev/null and their like are written through, never replaced. A disk is none of them."""
    named = str(path).startswith(("/dev/std", "/dev/fd/", "/proc/self/fd/"))
    return path.exists() and (named or stat.S_ISCHR(path.stat().st_mode))


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file, then move it to `path` in one step. A link stays; what it names is replaced.

    Raises:
        OSError: the disk is full or the folder not writable; whatever was at `path` is still there.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.mini-ddpm")
    try:
        if _is_stream(path):
            number = {"/dev/stdout": 1, "/dev/stderr": 2}.get(str(path))  # to be written where print is
            with path.open("ab") if number is None else os.fdopen(os.dup(number), "wb") as file:
                write(file)
            return
        if target.is_symlink() or (target.exists() and not target.is_file()):
            raise OSError("it is not a file")
        _clear(target.parent)
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
    except OSError as error:
        reason = error.strerror or str(error) if target.parent.is_dir() else f"{target.parent} is gone"
        raise OSError(f"could not write {path} ({reason}): make room or allow it, or choose another place") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


@cache  # once a folder: a look at each of 100,000 files for each of them would take hours
def _clear(folder: Path) -> None:
    """Remove what processes left half-written that were killed."""
    with suppress(OSError):
        for path in folder.iterdir():
            name = re.fullmatch(r"\.(\d{1,9})-[0-9a-f]{8}\.mini-ddpm", path.name)
            if name and not _is_alive(int(name[1])):
                path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    if os.name == "nt":
        return False  # there, a file that is open can't be removed anyway, and os.kill would end its process
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def write_json(path: Path, content: dict) -> None:
    """Write a dictionary as indented JSON."""
    write_whole(path, lambda file: file.write((json.dumps(content, indent=2) + "\n").encode()))


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict) -> None:
    """Write named tensors and a JSON-able dictionary to one safetensors file, with a digest of both."""
    apart = partial(torch.clone, memory_format=torch.contiguous_format)  # of one memory where weights are shared
    tensors = {name: apart(value.detach().cpu()) for name, value in tensors.items()}
    header = {name: json.dumps(value) for name, value in metadata.items()}
    header["checksum"] = json.dumps(digest(tensors, header))
    write_whole(path, lambda file: file.write(save(tensors, header)))


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


def digest(tensors: dict[str, Tensor], texts: dict[str, str] | None = None) -> str:
    """A short fingerprint of named tensors and texts: another number, name, type or shape, another fingerprint."""
    found = hashlib.sha256(json.dumps(texts or {}, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        found.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        found.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()[:16]


# --- reading --------------------------------------------------------------------------------------------


def _shards(path: Path) -> list[Path]:
    number = "[0-9]" * 5
    return sorted(path.parent.glob(f"{glob.escape(path.stem)}-{number}-of-{number}{glob.escape(path.suffix)}"))


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
    """Read what `write_tensors` or `write_shards` wrote, onto the CPU. Nothing of the file stays mapped or open.

    Raises:
        CheckpointError: the file is missing, damaged, or not safetensors; or its shards are of several models.
    """
    if not path.exists() and (shards := shards_of(path)):
        parts = [read_tensors(shard) for shard in shards]
        if len({card.pop("digest", None) for _, card in parts}) > 1:
            raise CheckpointError(f"the shards of {path} belong to different models: write or fetch all of them again")
        return {name: value for tensors, _ in parts for name, value in tensors.items()}, parts[0][1]
    content = read_whole(path)
    try:
        size = int.from_bytes(content[:8], "little")
        if size > MOST_HEADER:
            raise ValueError(f"its table takes {size:,} bytes")
        tensors = load(content)
        texts = json.loads(content[8 : 8 + size]).get("__metadata__", {})
        checksum = texts.pop("checksum", None)  # absent from files of 0.1
        if checksum is not None and json.loads(checksum) != digest(tensors, texts):
            raise ValueError("its content does not have the checksum that was written with it")
        return tensors, {name: json.loads(value) for name, value in texts.items()}
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = f"{error}\n".splitlines()[0][:200]
        raise CheckpointError(
            f"{path} is damaged or not a safetensors file ({reason}): use another copy, or train again"
        ) from None


def read_whole(path: Path) -> bytes:
    """The bytes of a file, at most 8 GiB.

    Raises:
        CheckpointError: it is missing, no file, unreadable or too large.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CheckpointError(f"{path} is not a file")
        if path.stat().st_size > MOST_BYTES:
            raise CheckpointError(f"{path} is larger than {MOST_BYTES:,} bytes: no network of this package is")
        return path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist") from None
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror}") from None


def check_fit(path: Path, tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Compare what a file holds with what is to be filled: names, shapes, kinds of numbers, and that all are finite.

    Raises:
        CheckpointError: naming the first that differs.
    """
    problem = ""
    for name in sorted(tensors.keys() ^ expected.keys()):
        problem = problem or f"{name} is {'missing' if name in expected else 'unknown'}"
    for name, wanted in expected.items() if not problem else ():
        found = tensors[name]
        if found.shape != wanted.shape:
            problem = f"{name} has shape {tuple(found.shape)} instead of {tuple(wanted.shape)}"
        elif found.dtype != wanted.dtype and not (found.is_floating_point() and wanted.is_floating_point()):
            problem = f"{name} holds {found.dtype} instead of {wanted.dtype}"
        elif not found.isfinite().all() and (wanted.is_meta or not torch.equal(found, wanted.cpu())):
            problem = f"{name} holds numbers that are not finite"
    if problem:
        raise CheckpointError(f"{path} does not fit the network its config describes: {problem}; use another copy")
