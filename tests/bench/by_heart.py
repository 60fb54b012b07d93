"""The floor of the loss on CIFAR-10: what is left for a player who knows all 50,000 training images by heart.

    python tests/bench/by_heart.py          # a minute on a CPU core; downloads CIFAR-10 if it is not there

The best answer to x_t is the mean of the training images, each weighted by how likely it is to have become x_t: as in
notebook 07 for digits; 2506.13763 estimates such floors for several data sets. The images are mirrored as in training,
labels are given, the schedule is that of the shipped `cifar10`, and the loss is the squared error of the velocity, at
11 times; between them a straight line. 20 images of each class for a time and a seed. No goal: who reaches it copies.
Results go to runs/bench/cifar10-by-heart.json.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from made import command
from torch import Tensor

from mini_ddpm import runs
from mini_ddpm.data import load, to_model
from mini_ddpm.diffusion import q_sample
from mini_ddpm.files import write_json

TIMES = (1, 300, *range(600, 1001, 50))  # up to 600 nothing is left
EACH = 20


def losses(known: Tensor, alpha_bar_t: Tensor, n: int) -> Tensor:
    """Squared errors (n,) of the velocity that `known` (m, d) gives as the best, of n of them with noise."""
    x_0 = known[torch.randint(len(known), (n,))]
    x_t = q_sample(x_0, torch.randn_like(x_0), alpha_bar_t)
    near = x_t @ known.T * alpha_bar_t.sqrt() - known.square().sum(1) * alpha_bar_t / 2  # (n, m)
    best = torch.softmax(near / (1 - alpha_bar_t), dim=1) @ known
    return (x_0 - best).square().mean(1) / (1 - alpha_bar_t)  # of v = (sqrt(bar) x_t - x_0) / sqrt(1 - bar)


def main() -> None:
    """Measure at every time, seed after seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/bench/cifar10-by-heart.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    train, schedule = load("cifar10", "train"), runs.open_run("cifar10", torch.device("cpu")).diffusion.schedule
    kinds = [to_model(train.images[train.labels == y]) for y in range(10)]
    kinds = [torch.cat([x, x.flip(-1)]).flatten(1) for x in kinds]  # (10000, 3072) of each class
    rows, means = [], {}
    for seed in asked.seeds:
        torch.manual_seed(seed)
        curve = []
        for t in TIMES:
            alpha_bar_t = schedule.at(t).float().flatten()
            curve.append(float(torch.cat([losses(known, alpha_bar_t, EACH) for known in kinds]).mean()))
            rows.append({"seed": seed, "t": t, "loss": round(curve[-1], 5)})
            print(rows[-1], flush=True)
        means[seed] = round(float(np.trapezoid(curve, TIMES)) / (TIMES[-1] - TIMES[0]), 5)
    how = {"command": command(), "machine": runs.machine(torch.device("cpu")), "seeds": asked.seeds}
    write_json(asked.out, {**how, "n": 10 * EACH, "T": schedule.T, "means": [*means.values()], "rows": rows})


if __name__ == "__main__":
    main()
