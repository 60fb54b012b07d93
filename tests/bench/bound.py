"""The bound of test digits under the shipped `mnist-improved`, all T steps: the figures behind notebooks 10 and 11.

    python tests/bench/bound.py --n 100 --precision float32        # a quarter of an hour on a CPU core

Every term of every digit is kept in runs/, so that an interrupted call goes on; means over digits go to
runs/bench/bound.safetensors. `--precision float32` repeats the shipped record on machines with bfloat16, too.
"""

import argparse
from pathlib import Path

import torch
from made import command

from mini_ddpm import runs
from mini_ddpm.files import digest, write_tensors
from mini_ddpm.limits import FLOAT32_ONLY


def main() -> None:
    """Compute, or go on computing, and sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="mnist-improved")
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/bound.safetensors"))
    parser.add_argument("--precision", choices=["float32"], help="compute in it also where bfloat16 is faster")
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)

    FLOAT32_ONLY.set(asked.precision == "float32")
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
    what = {"run": asked.run, "n": asked.n, "seed": asked.seed, "weights": digest(trained.model.state_dict())}
    what |= {"command": command(), "machine": runs.machine(trained.device)}
    write_tensors(asked.out, sums, what)
    print(f"{float(torch.mean(sums['bits_per_dim'])):.4f} bits/dim, wrote {asked.out}")


if __name__ == "__main__":
    main()
