"""What a perfect model would get: the figures of 2,000 real digits, at random and as they stand in MNIST's files.

    python tests/bench/real_digits.py       # half a minute on a CPU core; downloads MNIST if it is not there

`fd_ratio` and `diversity` have the first 2,000 test digits for a unit. Neighbours in the file are of few writers: so
digits drawn at random come nearer to the training set. Sets of one kind share no digit. The judge was trained on the
training digits: the last rows say what that does. Results go to runs/bench/real-digits.json.
"""

import argparse
from pathlib import Path

import torch
from made import command
from torch import Tensor

from mini_ddpm import measure, runs
from mini_ddpm.data import load, to_model
from mini_ddpm.files import write_json
from mini_ddpm.limits import N
from mini_ddpm.measure.distances import class_spread


def shuffled(count: int, seed: int) -> Tensor:
    """The numbers 0 to count - 1 at random."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def main() -> None:
    """Measure all sets, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/real-digits.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    reference, test, train = measure.load_reference(), load("mnist", "test"), load("mnist", "train")
    kinds = {
        "test digits at random": (test, shuffled(len(test), asked.seed), 5),
        "test digits in the file's order": (test, torch.arange(len(test)), 5),
        "training digits at random": (train, shuffled(len(train), asked.seed), 3),
    }
    rows = []
    for kind, (images, order, sets) in kinds.items():
        for k, part in enumerate(order.split(N)[:sets]):
            features, read = measure.judge_features(reference.judge, to_model(images.images[part]))
            fd = measure.frechet_distance(features, reference.moments)
            figures = {
                "fd_judge": round(fd, 5),
                "fd_ratio": round(fd / reference.fd_test, 4),
                "diversity": round(class_spread(features, read) / reference.spread_test, 4),
            }
            rows.append({"digits": kind, "set": k, **figures})
            print(rows[-1], flush=True)
    how = {"command": command(), "machine": runs.machine(torch.device("cpu"))}
    write_json(asked.out, {"n": N, "seed": asked.seed, **how, "rows": rows})


if __name__ == "__main__":
    main()
