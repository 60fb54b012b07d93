"""The 35.7M-parameter CIFAR-10 network of DDPM on one GPU, beside the libraries people would pick instead.

    make bench-gpu                                  # needs an NVIDIA GPU with 80 GB; 10 minutes
    make bench-gpu ARGS="--batch 128"               # a smaller GPU
    make bench-gpu ARGS="--tiny"    # the same code with a tiny network, on any machine

Every contender has the same network shape, batch, data and dropout, in bfloat16, as in steps.py; they take turns. A
turn is ten steps. The rate is set against that of a large matrix product, measured in the same run. Compiling and
sampling are reported apart. Results go to runs/bench/gpu.json.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import steps
import torch
from made import command

from mini_ddpm import runs
from mini_ddpm.files import write_json
from mini_ddpm.runs import Trained
from mini_ddpm.runs.presets import preset
from mini_ddpm.training import has_bf16, place
from mini_ddpm.unet import UNet, UNetConfig

STEPS = 10  # a turn


def matrix_rate(side: int) -> float:
    """The best rate of a product of two matrices of that side, in TFLOP/s; bfloat16 where the device has it."""
    dtype = torch.bfloat16 if has_bf16(steps.DEVICE) else torch.float32
    a = torch.randn(side, side, device=steps.DEVICE, dtype=dtype)
    return max(2 * side**3 / steps.seconds(lambda: a @ a) / 1e12 for _ in range(20))


def repeated(action: Callable[[], object]) -> Callable[[], None]:
    """The action ten times."""

    def turn() -> None:
        for _ in range(STEPS):
            action()

    return turn


def compare(shape: steps.Shape, rounds: int, limit: float) -> list[dict]:
    """Rows of training and sampling steps, one a contender."""
    bf16, c = has_bf16(steps.DEVICE), shape.unet
    images = torch.rand(4 * shape.batch, c.in_channels, c.image_size, c.image_size, device=steps.DEVICE) * 2 - 1
    makers = {"mini_ddpm, compiled": partial(steps.ours, fast=True), **steps.CONTENDERS}
    contenders = {key: make(shape, images, bf16) for key, make in makers.items()}
    rows = []
    for kind, passes in (("train_step", 3), ("sample_step", 1)):
        times = steps.take_turns({key: repeated(getattr(c, kind)) for key, c in contenders.items()}, rounds)
        peers = [key for key in contenders if not key.startswith("mini_ddpm")]
        fastest = min(peers, key=lambda key: statistics.median(times[key]))
        for key, contender in contenders.items():
            images_per_s = STEPS * shape.batch / statistics.median(times[key])
            tflop_per_s = passes * contender.gflop * images_per_s / 1e3
            ratio = statistics.median(b / a for a, b in zip(times[key], times[fastest], strict=True))
            rows.append(
                {
                    "what": kind,
                    "who": key,
                    "images_per_s": images_per_s,
                    "tflop_per_s": tflop_per_s,
                    "share_of_matrix_rate": tflop_per_s / limit,
                    "times_fastest_peer": ratio,
                    "fastest_peer": fastest,
                    "compiled": contender.compiled,
                }
            )
            print(rows[-1], flush=True)
    return rows


def sampling(unet: UNetConfig, n: int) -> list[dict]:
    """Seconds for n images with 50 DDIM steps, as `mini-ddpm sample` draws them, compiled and not."""
    config = preset("cifar10-25min")
    model = place(UNet(unet), steps.DEVICE).eval().requires_grad_(False)
    trained = Trained(config, config.diffusion.to(steps.DEVICE), model)
    rows = []
    for network, how in ((trained, ""), runs.compiled(trained, min(n, runs.BATCH))):
        runs.draw_many(network, None, n, seed=0)  # warms up
        took = min(steps.seconds(lambda network=network: runs.draw_many(network, None, n, seed=0)) for _ in range(3))
        rows.append({"n": n, "ddim_steps": config.sampling.steps, "seconds": took, "compiled": how})
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure, and store it with the machine it was measured on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tiny", action="store_true", help="a tiny network and batch, to try the code on any machine")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/gpu.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    if steps.DEVICE.type != "cuda" and not asked.tiny:
        parser.error("no CUDA GPU here: --tiny tries the code without one")
    small = UNetConfig(base_channels=32, channel_mults=(1, 1), blocks=1, groups=8, dropout=0.1)
    unet, batch = (small, 4) if asked.tiny else (UNetConfig(dropout=0.1), asked.batch)
    begin, limit = time.perf_counter(), matrix_rate(1024 if asked.tiny else 8192)
    torch.manual_seed(0)
    found = {
        "machine": runs.machine(steps.DEVICE),
        "command": command(),
        "precision": "bfloat16" if has_bf16(steps.DEVICE) else "float32",
        "parameters": sum(p.numel() for p in UNet(unet).parameters()),
        "batch": batch,
        "rounds": asked.rounds,
        "matrix_tflop_per_s": limit,
        "steps": compare(steps.Shape(unet, batch), asked.rounds, limit),
        "sampling": [],
    }
    write_json(asked.out, found)  # what is done is kept
    found |= {"sampling": sampling(unet, 8 if asked.tiny else 1000), "seconds": time.perf_counter() - begin}
    write_json(asked.out, found)
    print(f"wrote {asked.out}")


if __name__ == "__main__":
    main()
