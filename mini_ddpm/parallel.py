"""Several processes that train, draw and measure together, one a GPU, as `torchrun` starts them; and compiled networks.

    torchrun --nproc-per-node 4 -m mini_ddpm -- train --preset cifar10-ddpm

In a process of its own `size()` is 1, and every function here gives back what it was given.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


class LostProcessError(ValueError):
    """Another process of the job stopped answering."""


def is_lost(error: RuntimeError) -> bool:
    """Whether the error says that another process stopped answering. Gloo raises no class of its own."""
    return size() > 1 and (isinstance(error, dist.DistError) or "gloo" in str(error))


def rank() -> int:
    """Number of this process, from 0. The first one writes files and prints."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """How many processes work together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def quiet() -> dict[str, bool]:
    """Options of a progress bar: of all processes, only the first shows one."""
    return {"disable": True} if rank() else {}


@contextmanager
def job() -> Iterator[None]:
    """Join the other processes, if torchrun started this one."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=timedelta(hours=12))  # some wait while others draw
    yield
    dist.destroy_process_group()


def own_device(device: torch.device) -> torch.device:
    """The GPU of this process: torchrun numbers the processes of a machine from 0."""
    if device.type != "cuda" or size() == 1:
        return device
    own = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(own)
    return own


def seed_apart(seed: int, step: int) -> None:
    """Seed this process's noise for the steps after `step`: another stream in each process."""
    torch.manual_seed(hash((seed, step, rank())))


def share_of(batch_size: int) -> int:
    """How many images of a batch fall to this process.

    Raises:
        ValueError: they can't be shared out evenly.
    """
    if batch_size % size():
        raise ValueError(f"a batch of {batch_size} images can't be shared out evenly among {size()} processes")
    return batch_size // size()


def total(x: Tensor) -> Tensor:
    """Sum over all processes, known to all of them; written into x."""
    if size() > 1:
        dist.all_reduce(x)
    return x


def mean(x: Tensor) -> Tensor:
    """Mean over all processes."""
    return total(x.clone()) / size()


def anyone(flag: bool) -> bool:
    """Whether the flag is up in any process."""
    return bool(total(torch.tensor(float(flag))))


def first_says(value: int) -> int:
    """The value in the first process."""
    return int(total(torch.tensor(0 if rank() else value)))


def wait_for_all() -> None:
    """Go on when every process has come here."""
    anyone(False)


@contextmanager
def first_alone() -> Iterator[None]:
    """The first process goes ahead, and downloads what is missing; the others follow when it is through."""
    if rank():
        wait_for_all()
    try:
        yield
    finally:  # where the first one failed, the others fail with the same message
        if rank() == 0:
            wait_for_all()


def in_turns(n: int, batch: int, shape: tuple[int, ...], compute: Callable[[int, int], Tensor]) -> Tensor:
    """Rows (n, *shape) on the CPU, of which `compute(first, last)` makes a batch; the processes take turns.

    All of them get all rows. What a batch holds does not depend on the number of processes.
    """
    rows = torch.zeros(n, *shape)
    for first in range(0, n, batch)[rank() :: size()]:
        last = min(first + batch, n)
        rows[first:last] = compute(first, last).cpu()
    return total(rows)


def wrap(network: nn.Module) -> nn.Module:
    """The network as training calls it: its gradients are the mean over all processes."""
    if size() == 1:
        return network
    device = next(network.parameters()).device
    return nn.parallel.DistributedDataParallel(network, [device] if device.type == "cuda" else None)


def compiled(network: Module, call: Callable[[Module], Tensor]) -> tuple[Module, str]:
    """The network through torch.compile, or as it was where that fails; and a line that says how it went.

    On one GPU its kernels are replayed as a CUDA graph. In training mode the backward pass is compiled too.

    Args:
        call: runs a network on a batch of the shape and precision to come.
    """
    begin, device, reason = time.perf_counter(), next(network.parameters()).device, ""
    cuda = device.type == "cuda"
    fast: Any = torch.compile(network, mode="reduce-overhead" if cuda and size() == 1 else "default", dynamic=False)
    apart = network.no_sync() if isinstance(network, nn.parallel.DistributedDataParallel) else nullcontext()
    try:
        with torch.random.fork_rng([device] if cuda else []), torch.set_grad_enabled(network.training), apart:
            for _ in range(3):  # the first call compiles, the second records the CUDA graph
                out = call(fast)
                if network.training:
                    out.square().mean().backward()
                network.zero_grad(set_to_none=True)
    except Exception as error:  # whatever a missing compiler, driver or operator raises
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    network.zero_grad(set_to_none=True)
    if anyone(bool(reason)):  # all processes call the same network
        torch.compiler.reset()
        return network, f"not compiled ({reason or 'another process could not'}): going on without"
    return fast, f"compiled in {time.perf_counter() - begin:.1f} s"
