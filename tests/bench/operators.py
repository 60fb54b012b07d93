"""Where the time of a step goes, by operator: training and sampling, both networks of steps.py, and `mnist-laptop`.

    make bench-operators                    # three minutes on two CPU cores
    make bench-operators ARGS="--steps 1"

Shares are of the time that the CPU spends in each operator itself, as torch's profiler counts it. *python and overhead*
is what the wall clock has beyond that. Results go to runs/bench/operators.json.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from made import command
from torch.profiler import ProfilerActivity, profile

from mini_ddpm.data import ImageSet
from mini_ddpm.diffusion import Diffusion
from mini_ddpm.files import write_json
from mini_ddpm.losses import simple_loss
from mini_ddpm.runs import machine
from mini_ddpm.runs.presets import preset
from mini_ddpm.sampling import ancestral_step
from mini_ddpm.schedules import NoiseSchedule, linear_betas
from mini_ddpm.training import TrainConfig, TrainState, autocast, place, train
from mini_ddpm.unet import UNet, UNetConfig

CPU = torch.device("cpu")
SHAPES = {  # the networks of steps.py, and the one that a learner trains
    "small": (UNetConfig(32, 1, 32, (1, 2, 2), groups=8, dropout=0.1), 128),
    "cifar10": (UNetConfig(dropout=0.1), 16),
    "mnist-laptop": (preset("mnist-laptop").unet, 32),
}
KINDS = {  # parts of an operator's name -> what it is called here; the first that fits
    "convolutions": ("conv",),
    "attention and linear layers": ("mm", "linear", "attention", "mkldnn"),
    "GroupNorm": ("group_norm", "groupnorm"),
    "SiLU": ("silu",),
    "skips put together": ("cat", "split", "narrow", "slice"),
    "copies and layouts": ("copy_", "clone", "contiguous", "to_copy", "upsample", "pixel", "empty", "fill", "zero"),
    "dropout and noise": ("rand", "uniform", "normal", "gt_"),
    "optimiser, clipping, average": ("adam", "_foreach", "norm", "lerp"),
    "sums and products": ("add", "mul", "sub", "div", "sum", "mean", "pow", "sqrt", "rsub", "clamp", "mse"),
}


def kind_of(operator: str) -> str:
    """What an operator does, in a word."""
    name = operator.lower()
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "other operators")


def steps_of(unet: UNetConfig, batch: int) -> dict[str, Callable[[], object]]:
    """A training step and a sampling step of this network, through the package's own loop and step function."""
    C, (height, width) = unet.in_channels, unet.size
    images = torch.randint(0, 256, (512, C, height, width), dtype=torch.uint8)
    data = ImageSet(images, torch.arange(512) % max(1, unet.classes))
    config = TrainConfig(steps=10**9, batch_size=batch)
    state = TrainState(place(UNet(unet), CPU), config)
    diffusion = Diffusion(NoiseSchedule.from_betas(linear_betas(1000)))
    loop, x_t = train(diffusion, state, data, simple_loss, config), torch.randn(batch, C, height, width)

    def sampling_step() -> None:
        with torch.no_grad(), autocast(CPU):
            ancestral_step(diffusion, state.ema, x_t, 500, 499)

    return {"training": partial(next, loop), "sampling": sampling_step}


def shares(action: Callable[[], object], steps: int) -> tuple[float, dict[str, float]]:
    """Seconds of a step, and the share of each kind of operator, the largest first."""
    for _ in range(3):
        action()
    begin = time.perf_counter()
    for _ in range(steps):
        action()
    seconds = (time.perf_counter() - begin) / steps
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        begin = time.perf_counter()
        for _ in range(steps):
            action()
        profiled = time.perf_counter() - begin
    spent: Counter[str] = Counter()
    for event in seen.key_averages():
        spent[kind_of(event.key)] += event.self_cpu_time_total / 1e6
    spent["python and overhead"] = max(0.0, profiled - sum(spent.values()))
    return seconds, {kind: round(took / profiled, 3) for kind, took in spent.most_common()}


def main() -> None:
    """Profile every step, and print and store the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/operators.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, (unet, batch) in SHAPES.items():
        torch.manual_seed(0)
        for what, action in steps_of(unet, batch).items():
            seconds, found = shares(action, asked.steps)
            rows.append({"network": name, "what": what, "batch": batch, "seconds": seconds, "shares": found})
            print(f"{name}, {what}: {seconds:.3f} s a step of {batch} images")
            for kind, share in found.items():
                print(f"    {share:6.1%}  {kind}", flush=True)
    write_json(asked.out, {"machine": machine(CPU), "command": command(), "steps": asked.steps, "rows": rows})


if __name__ == "__main__":
    main()
