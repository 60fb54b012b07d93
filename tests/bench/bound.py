"""The bound of test digits under the shipped `mnist-improved`, all T steps: the figures behind notebooks 10 and 11.

    .venv/bin/python tests/bench/bound.py --n 100        # a quarter of an hour on a CPU core

Every term of every digit is kept in runs/, so that an interrupted call goes on; means over digits go to
data/bench/bound.safetensors.
"""

import argparse
from pathlib import Path

import torch

from mini_ddpm import runs
from mini_ddpm.files import write_tensors


def main() -> None:
    """Compute, or go on computing, and sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="mnist-improved")
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("data/bench/bound.safetensors"))
    asked = parser.parse_args()

    trained = runs.open_run(asked.run, runs.pick_device(None))
    every = Path("runs") / f"{asked.run}-terms.safetensors"
    every.parent.mkdir(exist_ok=True)
    found = runs.bound_of_test_images(trained, asked.n, asked.seed, every)
    sums = {
        "prior": found.prior,
        "bits_per_dim": found.bits_per_dim,  # of each digit
        "terms": found.terms.mean(dim=0),
        "terms_square": found.terms.double().square().mean(dim=0),
        "x_0_error": found.x_0_error.mean(dim=0),
        "eps_error": found.eps_error.mean(dim=0),
    }
    what = {"run": asked.run, "n": asked.n, "seed": asked.seed, "machine": runs.machine(trained.device)}
    write_tensors(asked.out, sums, what)
    print(f"{float(torch.mean(sums['bits_per_dim'])):.4f} bits/dim, wrote {asked.out}")


if __name__ == "__main__":
    main()
