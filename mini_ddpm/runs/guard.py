"""Who may begin, go on or save in a run folder."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from mini_ddpm import parallel
from mini_ddpm.files import CheckpointError, is_run_file, read_tensors, read_whole
from mini_ddpm.runs.presets import RunConfig
from mini_ddpm.runs.settings import fields_of
from mini_ddpm.runs.trained import CHECKPOINT

LOCK = ".lock"  # held by whoever trains in a folder; the system frees it even if that is killed


def check_free(folder: Path) -> bool:
    """Whether a run stands in a folder that may be replaced, for it has not taken a step and nobody trains it.

    Raises:
        ValueError: there is another one, or files that training would replace.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: choose another one (--out)")
    there = {path.name for path in folder.iterdir() if is_run_file(path.name)} if folder.exists() else set()
    if CHECKPOINT in there:
        with suppress(CheckpointError):
            if there <= {CHECKPOINT, "config.json"} and read_tensors(folder / CHECKPOINT)[1].get("step") == 0:
                with alone(folder):
                    return True
        raise ValueError(
            f"{folder} already holds a run: go on with --resume {folder} (in Python runs.resume), or choose another "
            f"folder (--out)"
        )
    for name in there:
        raise ValueError(f"{folder} holds a {name} that training would replace: choose another folder (--out)")
    return False


def check_config(folder: Path, config: RunConfig) -> None:
    """A CheckpointError if config.json says something else than the checkpoint, whose configuration counts."""
    path = folder / "config.json"
    if not path.exists():
        return
    try:
        found = fields_of(RunConfig.from_json(json.loads(read_whole(path))))
    except (ValueError, RecursionError) as error:
        reason = f"{error}\n".splitlines()[0]
        raise CheckpointError(f"{path} is damaged ({reason}): remove it, and the run goes on as it began") from None
    for name, value in fields_of(config).items():
        if found[name] != value:
            raise CheckpointError(
                f"{path} says {name}={found[name]}, but the run began with {value}: remove the file to go on with it, "
                f"or begin another run with --set {name}=..."
            )


@contextmanager
def alone(folder: Path) -> Iterator[Callable[[], None]]:
    """Hold the lock of a run folder, in the first process of a job; what it gives checks that this is still so.

    Raises:
        ValueError: another job trains there; when checked, another folder stands there, or none.
    """
    lock, held = FileLock(folder / LOCK), None
    try:
        if parallel.rank() == 0:
            lock.acquire(timeout=0)
            held = (folder / LOCK).stat()
    except Timeout:
        raise ValueError(f"another process trains in {folder}: wait for it, or choose another folder") from None
    except NotImplementedError:
        pass  # a file system without locks

    def check() -> None:
        with suppress(OSError):
            if held is None or os.path.samestat(held, (folder / LOCK).stat()):
                return
        raise ValueError(
            f"{folder} was moved, removed or replaced while it was trained in, so nothing more is saved there; "
            f"what was saved is where it was moved to: go on there with --resume"
        )

    try:
        yield check
    finally:
        lock.release()
