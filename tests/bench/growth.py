"""How cost grows: seconds a training step and peak memory, images drawn a second, one thing changed at a time.

    make bench-growth                       # five to fifteen minutes on two CPU cores
    make bench-growth ARGS="--tiny"         # one step each, to try it

Every point is measured in a process of its own, on `mnist-laptop` with one thing changed: the median of three rounds.
Memory is that process's peak over its peak before the first step: the network, its optimiser, and what a step needs.
Results go to runs/bench/growth.json and growth.png.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from made import command

from mini_ddpm import parallel, runs
from mini_ddpm.data import ImageSet
from mini_ddpm.files import write_json
from mini_ddpm.runs import Trained
from mini_ddpm.runs.presets import RunConfig, preset
from mini_ddpm.training import place
from mini_ddpm.unet import UNet

CPU = torch.device("cpu")
TRAINING = {  # what is changed -> its values; the others stay as in the preset
    "batch": [8, 16, 32, 64, 128, 256],
    "base channels": [8, 16, 24, 32, 48, 64],
    "side of an image": [16, 28, 32, 48, 64],
    "T": [10, 100, 1000, 10_000],
    "processes": [1, 2],
}
DRAWING = {"images drawn": [10, 50, 250, 500, 1000, 2000], "steps of the chain": [5, 10, 20, 50, 100]}


def changed(what: str, value: int) -> RunConfig:
    """`mnist-laptop` with one thing changed."""
    config = preset("mnist-laptop")
    if what == "batch":
        return replace(config, training=replace(config.training, batch_size=value))
    if what == "base channels":
        return replace(config, unet=replace(config.unet, base_channels=value, groups=4))
    if what == "side of an image":
        return replace(config, unet=replace(config.unet, image_size=value))
    if what == "T":
        return replace(config, T=value, sampling=replace(config.sampling, steps=min(value, 10)))
    if what == "steps of the chain":
        return replace(config, sampling=replace(config.sampling, steps=value))
    return config


def peak() -> float:
    """The most memory that this process has held so far, in MB. Linux counts in kB, a Mac in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if platform.system() == "Darwin" else 1e3)


def train_point(what: str, value: int, steps: int) -> dict[str, float]:
    """Seconds of a training step, median; `value` processes share the batch if that is what is changed."""
    config, side = changed(what, value), changed(what, value).unet.size[0]
    run = runs.start(replace(config, unet=preset("mnist-laptop").unet), Path("run"), CPU)
    state = config.new_state(CPU)
    state.network = parallel.wrap(state.model)
    images = torch.randint(0, 256, (1000, 1, side, side), dtype=torch.uint8)
    run = replace(run, config=config, state=state, data=ImageSet(images, torch.arange(1000) % 10))
    before, ends = peak(), [time.perf_counter()]
    for _, step in zip(range(steps + 3), run.steps(), strict=False):
        float(step.loss)
        ends.append(time.perf_counter())
    seconds = statistics.median(b - a for a, b in pairwise(ends[3:]))
    return {"seconds": seconds, "memory_mb": peak() - before}


def draw_point(what: str, value: int, n: int) -> dict[str, float]:
    """Images a second, with labels and the preset's guidance, in batches."""
    config = changed(what, value)
    trained = Trained(config, config.diffusion, place(UNet(config.unet), CPU).eval())
    n = value if what == "images drawn" else n
    runs.draw_many(trained, torch.zeros(10, dtype=torch.int64), 10, 0)
    before, begin = peak(), time.perf_counter()
    runs.draw_many(trained, torch.arange(n) % 10, n, 0)
    return {"images_per_s": n / (time.perf_counter() - begin), "memory_mb": peak() - before}


def measured(kind: str, what: str, value: int, size: int) -> dict[str, float]:
    """A point, in a process of its own, or in as many as are to be compared."""
    processes = value if what == "processes" else 1
    threads = max(1, (os.cpu_count() or 1) // processes)
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    with tempfile.TemporaryDirectory() as folder:
        out = subprocess.run(
            [sys.executable, *start, str(Path(__file__).resolve()), "--point", kind, what, str(value), str(size)],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "TQDM_DISABLE": "1"},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout
    return json.loads(out.splitlines()[-1])


def drawn(rows: list[dict]) -> plt.Figure:
    """A panel for each thing that was changed."""
    names = [*TRAINING, *DRAWING]
    figure, axes = plt.subplots(2, 4, figsize=(13, 6), layout="constrained")
    for ax, what in zip(axes.flat, names, strict=False):
        points = [row for row in rows if row["what"] == what]
        values = [row["value"] for row in points]
        key, label = ("seconds", "seconds a step") if what in TRAINING else ("images_per_s", "images a second")
        ax.plot(values, [row[key] for row in points], "o-", color="C0")
        ax.set(xlabel=what, ylabel=label, ylim=(0, 1.15 * max(row[key] for row in points)))
        memory = ax.twinx()
        memory.plot(values, [row["memory_mb"] for row in points], "s--", color="C1")
        memory.set(ylabel="peak memory, MB", ylim=(0, 1.15 * max(row["memory_mb"] for row in points)))
        if max(values) > 20 * min(values):
            ax.set_xscale("log")
    axes.flat[-1].axis("off")
    axes.flat[-1].plot([], [], "o-", color="C0", label="time or rate (left axis)")
    axes.flat[-1].plot([], [], "s--", color="C1", label="memory (right axis)")
    axes.flat[-1].legend(loc="center", frameon=False)
    figure.suptitle("What a training step and an image cost, one thing changed at a time")
    return figure


def main() -> None:
    """Measure every point, and store and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="one step each, two values of each thing")
    parser.add_argument("--point", nargs=4, help=argparse.SUPPRESS)  # kind, what, value, steps or images
    parser.add_argument("--out", type=Path, default=Path("runs/bench/growth.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    if asked.point:
        kind, what, value, size = asked.point
        with parallel.job():
            point = {"training": train_point, "drawing": draw_point}[kind](what, int(value), int(size))
            if parallel.rank() == 0:
                print(json.dumps(point))
        return
    found: dict[tuple[str, int], list[dict]] = {}
    for _ in range(1 if asked.tiny else 3):  # rounds, so that a slow moment of the machine does not hit one point alone
        for kind, things, size in (("training", TRAINING, 30), ("drawing", DRAWING, 250)):
            for what, values in things.items():
                for value in values[:2] if asked.tiny else values:
                    point = measured(kind, what, value, 1 if asked.tiny else size)
                    found.setdefault((what, value), []).append(point)
                    print(what, value, point, flush=True)
    rows = [
        {"what": what, "value": value, **{key: statistics.median(point[key] for point in points) for key in points[0]}}
        for (what, value), points in found.items()
    ]
    write_json(asked.out, {"preset": "mnist-laptop", "machine": runs.machine(CPU), "command": command(), "rows": rows})
    drawn(rows).savefig(asked.out.with_suffix(".png"), dpi=100)


if __name__ == "__main__":
    main()
