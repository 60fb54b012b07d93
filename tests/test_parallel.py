"""Two processes on the CPU, started by torchrun as users do."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import parallel_worker
import pytest
import torch
import torch._inductor.config as inductor
import torch.distributed as dist
from torch import nn

from mini_ddpm import parallel, runs
from mini_ddpm.data import DataError, load
from mini_ddpm.files import read_tensors
from mini_ddpm.measure import frechet_distance, kernel_distance, moments_of
from mini_ddpm.runs import folder as run_folder
from mini_ddpm.runs.presets import preset

CPU = torch.device("cpu")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def started(*command):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if sys.platform == "darwin":
        environment["GLOO_SOCKET_IFNAME"] = "lo0"  # a Mac may not find its own name in the network
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen([*TORCHRUN, *map(str, command)], text=True, env=environment, **pipes)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What each of two processes saw, and their run folder."""
    if sys.platform == "win32":
        pytest.skip("several processes are for Linux and macOS")
    folder = tmp_path_factory.mktemp("two")
    process = started(parallel_worker.__file__, folder)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)], folder / "run"


def test_averaged_gradient_is_the_whole_batches(seen):
    alone = parallel_worker.one_step(slice(None))
    half = parallel_worker.one_step(slice(4))
    for process in seen[0]:
        for a, b in zip(process["gradient"], alone, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    assert max(float((a - b).abs().max()) for a, b in zip(half, alone, strict=True)) > 1e-3


def test_no_two_processes_draw_the_same_noise(seen):
    """Not at first, not after going on, and not one of the other's earlier noise."""
    every = torch.cat([process[when] for process in seen[0] for when in ("first", "then")])
    assert len(every) == 2 * (3 + 3) * 4
    assert float((torch.cdist(every, every) + 1e3 * torch.eye(len(every))).min()) > 10


def test_processes_stay_together(seen):
    first, second = seen[0]
    for what in ("weights", "average", "images"):
        assert all(torch.equal(a, b) for a, b in zip(first[what], second[what], strict=True))


def test_drawing_does_not_depend_on_the_number_of_processes(seen, monkeypatch):
    processes, folder = seen
    monkeypatch.setattr("mini_ddpm.runs.drawing.BATCH", 2)
    alone = runs.draw_many(runs.open_run(str(folder), CPU), None, 5, seed=0)
    torch.testing.assert_close(processes[0]["images"], alone)


def test_distances_do_not_depend_on_the_number_of_processes(seen):
    torch.manual_seed(0)
    cloud, other = torch.randn(100, 8), torch.randn(100, 8)
    alone = [frechet_distance(cloud, moments_of(other)), kernel_distance(cloud, other)]
    for process in seen[0]:
        assert process["distances"] == pytest.approx(alone, rel=1e-6)


def test_in_turns_covers_every_row_once(monkeypatch):
    monkeypatch.setattr(parallel, "size", lambda: 3)
    monkeypatch.setattr(parallel, "total", lambda x: x)
    parts = []
    for rank in range(3):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        parts.append(parallel.in_turns(10, 2, (1,), lambda first, last: torch.arange(first, last)[:, None] + 1.0))
    assert torch.equal(sum(parts)[:, 0], torch.arange(10) + 1.0)
    assert all(bool((part == 0).any()) for part in parts)


@pytest.mark.skipif(sys.platform == "win32", reason="several processes are for Linux and macOS")
def test_a_killed_process_ends_the_job_and_leaves_a_whole_checkpoint(tmp_path):
    """Killed without warning; then the run goes on alone, and by two again, to its end."""
    folder = tmp_path / "run"
    command = ("train", "--preset", "tiny", "--device", "cpu", "--steps", 100_000, "--out", folder)
    job = started(parallel_worker.__file__, tmp_path, *command)
    metrics = folder / "metrics.csv"
    while not metrics.exists():
        assert job.poll() is None, job.stdout.read()
        time.sleep(0.1)
    os.kill(int((tmp_path / "1.pid").read_text()), signal.SIGKILL)
    out, _ = job.communicate(timeout=120)
    assert job.returncode != 0
    (message,) = [line for line in out.replace("\r", "\n").splitlines() if line.startswith("mini-ddpm: ")]
    assert "another process stopped (" in message
    assert message.endswith(f"go on with --resume {folder}, on any number of processes")
    assert out.index(message) < out.index("Traceback")  # torchrun's own

    tensors, metadata = read_tensors(folder / runs.CHECKPOINT)
    assert metadata["step"] > 0
    assert all(torch.isfinite(value).all() for value in tensors.values())
    step = metadata["step"]
    alone = runs.resume(folder, CPU, steps=step + 3)
    assert runs.fit(alone)
    assert alone.state.step == step + 3
    job = started("-m", "mini_ddpm", "train", "--resume", folder, "--steps", step + 6, "--device", "cpu")
    out, _ = job.communicate()
    assert job.returncode == 0, out
    assert out.count("steps on mnist-5k, on 2 processes, each on ") == 1  # only the first one prints
    assert read_tensors(folder / runs.CHECKPOINT)[1]["step"] == step + 6
    assert json.loads((folder / "evaluation.json").read_text())["n"] == 2000


@pytest.mark.parametrize(("rank", "times"), [("0", 1), ("1", 0)])
def test_of_two_processes_one_shows_help(rank, times):
    environment = {**os.environ, "WORLD_SIZE": "2", "RANK": rank}
    command = [sys.executable, "-m", "mini_ddpm", "train", "--help"]
    assert subprocess.run(command, capture_output=True, text=True, env=environment).stdout.count("Usage: ") == times


def test_a_batch_that_can_not_be_shared_is_refused(monkeypatch):
    monkeypatch.setattr(parallel, "size", lambda: 3)
    with pytest.raises(ValueError, match="16 images can't be shared out evenly among 3 processes"):
        run_folder._fresh(preset("tiny"), load("mnist-5k"), Path("nowhere"), CPU, fast=False)


def test_only_a_lost_process_is_called_one(monkeypatch):
    """Another error of a job of two processes keeps its own words."""
    monkeypatch.setattr(parallel, "size", lambda: 2)
    assert parallel.is_lost(RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer"))
    assert parallel.is_lost(dist.DistNetworkError("peer"))
    assert not parallel.is_lost(torch.OutOfMemoryError("CUDA out of memory"))
    assert not parallel.is_lost(RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"))
    monkeypatch.setattr(parallel, "size", lambda: 1)
    assert not parallel.is_lost(dist.DistNetworkError("peer"))


def test_the_first_process_lets_the_others_go_on_even_if_it_fails(monkeypatch):
    waits = []
    monkeypatch.setattr(parallel, "wait_for_all", lambda: waits.append(1))
    with pytest.raises(DataError, match="no network"), parallel.first_alone():
        raise DataError("no network")
    assert waits == [1]


# --- compiling ------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="its compiler is not on the path")
def test_compiled_network_is_the_same_network():
    """Same outputs, same gradients; the noise to come is untouched."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.SiLU(), nn.Conv2d(4, 1, 3))
    x, before = torch.randn(2, 1, 8, 8), torch.get_rng_state()
    fast, how = parallel.compiled(network, lambda network: network(x))
    assert how.startswith("compiled in ")
    assert torch.equal(torch.get_rng_state(), before)
    assert all(weight.grad is None for weight in network.parameters())
    torch.testing.assert_close(fast(x), network(x))
    fast(x).sum().backward()
    gradient = network[0].weight.grad.clone()
    network.zero_grad()
    network(x).sum().backward()
    torch.testing.assert_close(gradient, network[0].weight.grad)


def test_where_compiling_fails_the_network_is_used_as_it_is(monkeypatch):
    """As on a machine without a C++ compiler."""
    monkeypatch.setattr(inductor, "force_disable_caches", True)
    monkeypatch.setattr(inductor.cpp, "cxx", ("no-such-compiler",))
    network = nn.Sequential(nn.Linear(2, 2), nn.SiLU())
    fast, how = parallel.compiled(network, lambda network: network(torch.ones(1, 2)))
    assert fast is network
    assert how.startswith("not compiled (")
    assert "no-such-compiler" in how or "C++" in how
    assert how.endswith("): going on without")
    assert "\n" not in how
