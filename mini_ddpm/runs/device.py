"""What this is running on, and what to do where it has too little memory."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from mini_ddpm import parallel
from mini_ddpm.training import has_bf16


class MemoryShortError(MemoryError):
    """There is not enough memory; the message says what to set."""


@contextmanager
def enough_memory(remedy: str) -> Iterator[None]:
    """Where memory runs out, of the CPU or of a GPU, say what to do.

    Raises:
        MemoryShortError: with the remedy, in the place of what Python, NumPy or torch raised.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        reason = f"{error}\n".splitlines()[0][:200]
        words = reason.lower()  # torch has a class of its own for some of its errors only
        if not (isinstance(error, MemoryError) or "alloc" in words or "out of memory" in words):
            raise
        if isinstance(error, MemoryShortError):
            raise
        raise MemoryShortError(f"not enough memory: {remedy}" + (f" ({reason})" if reason else "")) from None


def pick_device(name: str | None) -> torch.device:
    """The device of that name, or the best there is: CUDA, then Apple's MPS, then the CPU.

    Of several processes on a machine with GPUs, each has its own.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        if torch.device(name).type not in ("cuda", "mps", "cpu"):
            raise RuntimeError
        device = parallel.own_device(torch.device(name))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError):
        raise ValueError(f"device {name!r} is not available here: choose cuda, mps or cpu") from None
    return device


def machine(device: torch.device) -> str:
    """What this is running on, and how networks compute there, in one line."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name()
    name += " with its GPU" if device.type == "mps" else ""
    several = f"{parallel.size()} processes, each on " if parallel.size() > 1 else ""
    precision = "bfloat16" if has_bf16(device) else "float32"
    threads = f"{torch.get_num_threads()} CPU threads"
    return f"{several}{name}, {threads}, {precision}, torch {torch.__version__}, {platform.system()}"


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
