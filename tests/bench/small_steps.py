"""Ten digits on the way back of notebook 00: 1000 small steps, of which six stops are kept.

    python tests/bench/small_steps.py        # a minute on a CPU core

They go to runs/bench/small-steps.safetensors; the page shows the shipped file.
"""

import argparse
from pathlib import Path

import torch
from made import command

from mini_ddpm import runs
from mini_ddpm.course import p00
from mini_ddpm.files import write_tensors


def main() -> None:
    """Walk, and keep the stops in half precision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs") / p00.STORED)
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)

    trained = runs.open_run("mnist", torch.device("cpu"))
    torch.manual_seed(0)
    noise = torch.randn(10, 1, 28, 28)
    walk = p00.small_steps(trained, torch.arange(10), noise, max(p00.TIMES))
    stops = [stop for stop in walk if stop.t in p00.TIMES]
    tensors = {
        "x_t": torch.stack([stop.x_t for stop in stops]).half(),
        "guess": torch.stack([stop.guess for stop in stops]).half(),
    }
    write_tensors(
        asked.out, tensors, {"run": "mnist", "seed": 0, "machine": runs.machine(trained.device), "command": command()}
    )
    print(f"wrote {asked.out}")


if __name__ == "__main__":
    main()
