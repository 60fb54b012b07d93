"""What a learned variance is worth in a short chain: beside it constants, and the learned one made coarser.

    python tests/bench/variances.py                        # half an hour on a CPU core; needs MNIST's test images
    python tests/bench/variances.py --n 50 --steps 4 --seeds 0

All choices use the shipped `mnist-improved`, labels and no guidance, and for each seed the same noise. A number is a
constant f: nothing learned. Sets of as many real test digits, which neither the network nor the judge was trained on,
stand beside them. Rows that are already in the file are kept, so that an interrupted call goes on. Results go to
runs/bench/variances.json.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from ablation import kept_rows
from torch import Tensor

from mini_ddpm import measure, runs
from mini_ddpm.course.shares import constant, read_as
from mini_ddpm.data import load, to_model
from mini_ddpm.diffusion import fixed_small, learned_range
from mini_ddpm.files import digest, write_json
from mini_ddpm.losses import Model
from mini_ddpm.measure.distances import class_spread
from mini_ddpm.runs import Trained
from mini_ddpm.sampling import ancestral_step, ddim_step, sample
from mini_ddpm.training import autocast

BATCH = 200


CONSTANTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0)
CHOICES = {
    **{f"{f:g}": (constant(f), ancestral_step) for f in CONSTANTS},
    "learned": (learned_range, ancestral_step),
    "learned, one number for a digit": (
        read_as(lambda f: f.mean(dim=(1, 2, 3), keepdim=True).expand_as(f)),
        ancestral_step,
    ),
    "learned, kept in [0, 1]": (read_as(lambda f: f.clamp(0, 1)), ancestral_step),
    "ddim": (fixed_small, ddim_step),
}


def in_half_precision(trained: Trained, y: Tensor) -> Model:
    """The network with labels y (B,), in the precision in which the command line draws."""

    def model(x_t: Tensor, t: Tensor) -> Tensor:
        with autocast(x_t.device):
            return trained.model(x_t, t, y=y)

    return model


def drawn(trained: Trained, choice: str, labels: Tensor, steps: int, seed: int) -> Tensor:
    """Digits (n, 1, 28, 28) with these labels (n,)."""
    variance, step = CHOICES[choice]
    diffusion, images = replace(trained.diffusion, variance=variance, steps=steps), []
    for k, y in enumerate(labels.split(BATCH)):
        torch.manual_seed(1000 * seed + k)
        *_, last = sample(step, diffusion, in_half_precision(trained, y), torch.randn(len(y), 1, 28, 28))
        images.append(last.x_t)
    return torch.cat(images)


def judged(images: Tensor, labels: Tensor, reference: measure.Reference) -> dict[str, float]:
    """What is stored of a set of digits."""
    features, read = measure.judge_features(reference.judge, images)
    return {
        "fd_judge": round(measure.frechet_distance(features, reference.moments), 5),
        "accuracy": round(float((read == labels).double().mean()), 4),
        "diversity": round(class_spread(features, read) / reference.spread_test, 4),
    }


def real_sets(n: int, sets: int) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Sets of n test digits that share none, each digit as often as it is drawn: number, images, labels.

    They are shuffled: the writers of the first half of MNIST's test set are not those of the second.
    """
    if sets:
        test = load("mnist", "test")
        order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))
        for k in range(sets):
            ours = slice(k * n // 10, (k + 1) * n // 10)
            part = torch.cat([order[test.labels[order] == digit][ours] for digit in range(10)])
            yield k, to_model(test.images[part]), test.labels[part]


def main() -> None:
    """Fill the table, the short chains first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--steps", type=int, nargs="+", default=[10])
    parser.add_argument("--choices", nargs="+", default=list(CHOICES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--real", type=int, default=3, help="sets of real test digits")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/variances.json"))
    asked = parser.parse_args()

    trained, reference = runs.open_run("mnist-improved", torch.device("cpu")), measure.load_reference()
    weights, machine = digest(trained.model.state_dict()), runs.machine(trained.device)
    settings = {"run": "mnist-improved", "weights": weights, "n": asked.n, "machine": machine}
    rows, labels = kept_rows(asked.out, settings), torch.arange(asked.n) % 10
    done = {(row["choice"], row["steps"], row["seed"]) for row in rows}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    if not any(row["choice"] == "real digits" for row in rows):
        for k, images, shown in real_sets(asked.n, asked.real):
            rows.append({"choice": "real digits", "steps": 0, "seed": k, **judged(images, shown, reference)})
        write_json(asked.out, {**settings, "rows": rows})
    for steps in asked.steps:
        for seed in asked.seeds:
            for choice in asked.choices:
                if (choice, steps, seed) not in done:
                    images = drawn(trained, choice, labels, steps, seed)
                    found = judged(images, labels, reference)
                    rows.append({"choice": choice, "steps": steps, "seed": seed, **found})
                    write_json(asked.out, {**settings, "rows": rows})
                    print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
