"""What a learned variance is worth in a short chain: beside it constants, the bound's own numbers, and later starts.

    python tests/bench/variances.py                        # an hour on a CPU core; needs MNIST's test images
    python tests/bench/variances.py --n 50 --steps 4 --seeds 0

All choices use the shipped `mnist-improved`, labels and no guidance, and for each seed the same noise. A number is a
constant f: nothing learned. "by the bound" is the best f of each pair of times, measured on 200 training digits;
nothing is drawn for it. "two constants" are those that notebook 10 finds best for steps of one. DDIM also begins below
T. "bound" is the sum over a chain's pairs but the last, bits/dim, of 200 digits of mnist-5k test. Sets of as many real
test digits, which neither the network nor the judge was trained on, stand beside them. Rows that are already in the
file are kept, so that an interrupted call goes on. Results go to runs/bench/variances.json.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from ablation import kept_rows
from made import command
from torch import Tensor

from mini_ddpm import measure, runs
from mini_ddpm.course.shares import BLACK, Errors, constant, errors, read_as, told
from mini_ddpm.data import load, to_model
from mini_ddpm.diffusion import Variance, fixed_small, learned_range, q_sample
from mini_ddpm.files import digest, write_json
from mini_ddpm.losses import Model, bound_term
from mini_ddpm.measure.distances import class_spread
from mini_ddpm.runs import Trained
from mini_ddpm.sampling import StepFunction, ancestral_step, ddim_step, sample
from mini_ddpm.training import autocast

BATCH = 200
CONSTANTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0)
BLACK_F, OTHER_F = 0.02, 0.9  # where the guess is black, and elsewhere


class Choice(NamedTuple):
    """How digits are drawn.

    Attributes:
        variance: of a step.
        step: one step of the walk.
        share: an f in the place of the network's, (guessed x_0, errors of the pair) -> f.
        times: those of a walk of n steps of T, where they are not the even ones from T on.
    """

    variance: Variance
    step: StepFunction = ancestral_step
    share: Callable[[Tensor, Errors], Tensor] | None = None
    times: Callable[[int, int], list[int]] | None = None


def by_guess(x_0: Tensor, black: Tensor | float, other: Tensor | float) -> Tensor:
    """One f where the guess x_0 is black, one elsewhere."""
    return torch.where(x_0 < BLACK, float(black), float(other))


def later(T: int, n: int, share: float) -> list[int]:
    """Even times from a share of T on."""
    return [round(share * T * k / n) for k in range(n, -1, -1)]


CHOICES = {
    **{f"{f:g}": Choice(constant(f)) for f in CONSTANTS},
    "learned": Choice(learned_range),
    "learned, one number for a digit": Choice(
        read_as(lambda f: f.mean(dim=(1, 2, 3), keepdim=True).expand_as(f)),
    ),
    "learned, kept in [0, 1]": Choice(read_as(lambda f: f.clamp(0, 1))),
    "by the bound, one number a pair": Choice(
        learned_range, share=lambda x_0, found: torch.full_like(x_0, float(found.best_for_all()))
    ),
    "by the bound, two by the guess": Choice(learned_range, share=lambda x_0, found: by_guess(x_0, *found.best())),
    "two constants by the guess": Choice(learned_range, share=lambda x_0, _: by_guess(x_0, BLACK_F, OTHER_F)),
    "ddim": Choice(fixed_small, ddim_step),
    "ddim, published times": Choice(
        fixed_small, ddim_step, times=lambda T, n: [*(1 + T // n * k for k in range(n - 1, -1, -1)), 0]
    ),
    "ddim from 0.975 T": Choice(fixed_small, ddim_step, times=lambda T, n: later(T, n, 0.975)),
}


def in_half_precision(trained: Trained, y: Tensor) -> Model:
    """The network with labels y (B,), in the precision in which the command line draws."""

    def model(x_t: Tensor, t: Tensor) -> Tensor:
        with autocast(x_t.device):
            return trained.model(x_t, t, y=y)

    return model


def measured(trained: Trained, steps: int, n: int = 200) -> dict[int, Errors]:
    """The errors of the means of a chain's steps but the last, by t, on n training digits."""
    chain, digits = replace(trained.diffusion, steps=steps), load("mnist-5k", "train")
    model = in_half_precision(trained, digits.labels[:n])
    torch.manual_seed(7)
    with torch.no_grad():
        pairs = list(pairwise(chain.timesteps))[:-1]
        return {t: errors(chain, model, to_model(digits.images[:n]), t, s) for t, s in pairs}


def drawn(trained: Trained, choice: Choice, labels: Tensor, steps: int, seed: int, found: dict[int, Errors]) -> Tensor:
    """Digits (n, 1, 28, 28) with these labels (n,); `found` is what was `measured` of the chain."""
    chain, images = replace(trained.diffusion, variance=choice.variance, steps=steps), []
    times = choice.times(chain.schedule.T, steps) if choice.times else None
    last = next(reversed(found.values()))  # its f stands in at s = 0, too, where no noise is added
    for k, y in enumerate(labels.split(BATCH)):
        torch.manual_seed(1000 * seed + k)
        model = in_half_precision(trained, y)
        if share := choice.share:
            model = told(chain, model, lambda x_0, t, share=share: share(x_0, found.get(int(t[0]), last)))
        *_, end = sample(choice.step, chain, model, torch.randn(len(y), 1, 28, 28), times)
        images.append(end.x_t)
    return torch.cat(images)


@torch.no_grad()
def bounds(trained: Trained, steps: int, seed: int, found: dict[int, Errors], n: int = 200) -> dict[str, float]:
    """For each choice the sum of the bound's terms over a chain's pairs but the last: bits/dim, mnist-5k test."""
    digits, chain = load("mnist-5k", "test"), replace(trained.diffusion, steps=steps)
    x_0, model = to_model(digits.images[:n]), in_half_precision(trained, digits.labels[:n])
    ours = {name: choice for name, choice in CHOICES.items() if choice.step is ancestral_step}
    total = dict.fromkeys(ours, 0.0)
    torch.manual_seed(seed)
    for t, s in list(pairwise(chain.timesteps))[:-1]:
        now, before = torch.full((n,), t), torch.full((n,), s)
        x_t = q_sample(x_0, torch.randn_like(x_0), chain.schedule.at(t))
        guess = chain.predict(model, x_t, now)
        for name, (variance, _, share, _) in ours.items():
            said = guess._replace(rho=2 * share(guess.x_0, found[t]) - 1) if share else guess
            total[name] += float(bound_term(replace(chain, variance=variance), said, x_0, x_t, now, before).mean())
    return {name: round(one, 5) for name, one in total.items()}


def add_bounds(rows: list[dict], trained: Trained, steps: int, found: dict[int, Errors]) -> None:
    """The bound of each row's choice, where it is not there yet, and the f that the bound has best."""
    lacking = [row for row in rows if row["steps"] == steps and "bound" not in row]
    for seed in {row["seed"] for row in lacking}:
        sums = bounds(trained, steps, seed, found)
        for row in lacking:
            if row["seed"] == seed and row["choice"] in sums:
                row["bound"] = sums[row["choice"]]
    for row in rows:
        if row["choice"].startswith("by the bound") and row["steps"] == steps:
            best = [one.best() if "two" in row["choice"] else one.best_for_all() for one in found.values()]
            row["f"] = [[round(f, 4) for f in one.flatten().tolist()] for one in best]


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
    settings = {"run": "mnist-improved", "weights": weights, "n": asked.n, "machine": machine, "command": command()}
    rows, labels = kept_rows(asked.out, settings), torch.arange(asked.n) % 10
    done = {(row["choice"], row["steps"], row["seed"]) for row in rows}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    if not any(row["choice"] == "real digits" for row in rows):
        for k, images, shown in real_sets(asked.n, asked.real):
            rows.append({"choice": "real digits", "steps": 0, "seed": k, **judged(images, shown, reference)})
        write_json(asked.out, {**settings, "rows": rows})
    for steps in asked.steps:
        found = measured(trained, steps)
        for seed in asked.seeds:
            for name in asked.choices:
                if (name, steps, seed) not in done:
                    images = drawn(trained, CHOICES[name], labels, steps, seed, found)
                    rows.append({"choice": name, "steps": steps, "seed": seed, **judged(images, labels, reference)})
                    write_json(asked.out, {**settings, "rows": rows})
                    print(rows[-1], flush=True)
        add_bounds(rows, trained, steps, found)
        write_json(asked.out, {**settings, "rows": rows})


if __name__ == "__main__":
    main()
