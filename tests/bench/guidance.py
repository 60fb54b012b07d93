"""Guidance over its scale on the shipped `mnist`: places for the gradient, with a label and without, and controls.

    python tests/bench/guidance.py                         # half an hour on one CPU core
    python tests/bench/guidance.py --n 100 --seeds 0

For each seed all ways start from the same noise. Then small classifiers of three kinds are trained on 4,000 digits, for
each seed: how well they read, how coarse their slopes are, and how well they guide. Rows that are already in the file
are kept, so that an interrupted call goes on. Results go to runs/bench/guidance.json.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from ablation import kept_rows
from made import command
from torch import Tensor

from mini_ddpm import measure, runs
from mini_ddpm.classifier import Classifier, accuracy_per_t, train_classifier
from mini_ddpm.course.places import step_at_a_draw, step_at_matching_time
from mini_ddpm.data import load, to_model
from mini_ddpm.diffusion import Diffusion, fixed_small, q_sample
from mini_ddpm.files import digest, write_json
from mini_ddpm.guidance import classifier_free, classifier_gradient, classifier_step, tempered
from mini_ddpm.losses import Model
from mini_ddpm.runs import Trained
from mini_ddpm.runs.presets import preset
from mini_ddpm.sampling import StepFunction, ancestral_step, sample
from mini_ddpm.training import autocast

BATCH = 100
PLACES, FREE, WITH_LABEL = (1.0, 3.0, 5.0, 9.0), (1.0, 1.5, 2.0, 3.0, 8.0), (1.0, 2.0, 4.0, 8.0)
DRAWS = (3.0, 5.0, 9.0, 15.0)
FURTHER, TEMPERATURES = (15.0, 30.0), (0.8, 0.6)
PUPILS = {"at the mean": (3.0, 9.0), "at x_t": (3.0, 9.0, 30.0)}
BESIDE = 10**6  # is added to the seed of a batch for noise that is no part of its walk
LONG = ", five times the steps"  # ends the names of ways that take so many

WAYS = [
    ("free", 0.0),  # nobody asks: guidance of any kind starts here, but for the network that is told the label
    *(("free", scale) for scale in FREE),
    *((way, scale) for scale in PLACES for way in ("at the mean", "at x_t")),
    *(("at x_t", scale) for scale in FURTHER),
    *(("label and classifier", scale) for scale in WITH_LABEL),
    ("free, no clamp", FREE[-1]),
    *(("temperature", scale) for scale in TEMPERATURES),
    *((way + LONG, scale) for scale in (3.0, 9.0) for way in PUPILS),
    *(("at a draw", scale) for scale in DRAWS),
    ("at the same draw", 9.0),  # in every step
    *(("at the mean, matching time", scale) for scale in PLACES[1:]),
]


class Untold(Classifier):
    """A classifier that is never told t."""

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return super().forward(x_t, torch.zeros_like(t))


class Way(NamedTuple):
    """A step, a chain and a model: how to draw digits with labels."""

    step: StepFunction
    diffusion: Diffusion
    model: Model


def way_of(trained: Trained, name: str, scale: float, y: Tensor, classifier: Classifier | None = None) -> Way:
    """The way of that name; `classifier` takes the place of the shipped one."""
    diffusion, network = replace(trained.diffusion, variance=fixed_small), trained.model
    if name == "temperature":
        cool = replace(diffusion, variance=tempered(fixed_small, scale))
        return Way(ancestral_step, cool, partial(network, y=y))
    if name.startswith("free"):
        clip = None if name.endswith("no clamp") else diffusion.clip
        return Way(ancestral_step, replace(diffusion, clip=clip), classifier_free(network, y, scale))
    model = partial(network, y=y) if name == "label and classifier" else lambda x_t, t: network(x_t, t)
    if name in ("at a draw", "at the same draw"):
        beside = torch.Generator().manual_seed(torch.initial_seed() + BESIDE)
        step = step_at_a_draw(trained.classifier, y, scale, beside, fresh=name == "at a draw")
        return Way(step, diffusion, model)
    if name == "at the mean, matching time":
        return Way(step_at_matching_time(trained.classifier, y, scale), diffusion, model)
    return Way(classifier_step(classifier or trained.classifier, y, scale, name == "at the mean"), diffusion, model)


def drawn(way_for: Callable[[Tensor], Way], labels: Tensor, steps: int, seed: int) -> Tensor:
    """Digits (n, 1, 28, 28) with these labels (n,)."""
    images = []
    for k, y in enumerate(labels.split(BATCH)):
        torch.manual_seed(1000 * seed + k)
        step, diffusion, model = way_for(y)
        with autocast(torch.device("cpu")):  # the precision in which the command line draws
            *_, last = sample(step, replace(diffusion, steps=steps), model, torch.randn(len(y), 1, 28, 28))
        images.append(last.x_t.float())
    return torch.cat(images)


class Judged:
    """What is said of images: figures, against held-out digits."""

    def __init__(self, n: int) -> None:
        self.reference, heldout = measure.load_reference(), load("mnist-5k", "test")
        halves = to_model(heldout.images[: 2 * n]).split(n)
        self.real, _ = measure.judge_features(self.reference.judge, halves[0])
        self.others = halves[1], heldout.labels[n : 2 * n]

    def __call__(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        features, said = measure.judge_features(self.reference.judge, images)
        precision, recall = measure.precision_recall(features, self.real)
        found = {
            "fd_judge": measure.frechet_distance(features, self.reference.moments),
            "accuracy": float((said == labels).double().mean()),
            "precision": precision,
            "recall": recall,
        }
        return {name: round(number, 4) for name, number in found.items()}


def pupil(trained: Trained, kind: str, steps: int, seed: int) -> Classifier:
    """A small classifier: "told t", "never told t" or "clean digits"; it knows t = 0 alone in the last."""
    torch.manual_seed(seed)
    made = Classifier if kind == "told t" else Untold
    classifier, noised = made(preset("mnist-laptop").unet, 10), kind != "clean digits"
    for _ in train_classifier(classifier, load("mnist-5k", "train"), trained.diffusion.schedule, steps, noised=noised):
        pass
    return classifier


def coarse_shares(classifier: Classifier, trained: Trained, at: Iterable[int]) -> list[float]:
    """The share of the slope's square that is left when squares of 4x4 pixels are averaged: white noise keeps 1/16."""
    heldout, found = load("mnist-5k", "test"), []
    x_0, y = to_model(heldout.images[:200]), heldout.labels[:200]
    for t in at:
        x_t = q_sample(x_0, torch.randn_like(x_0), trained.diffusion.schedule.at(t))
        g = classifier_gradient(classifier, x_t, torch.full((len(y),), t), y)
        found.append(float(16 * F.avg_pool2d(g, 4).square().sum() / g.square().sum()))
    return found


def pupil_rows(
    trained: Trained, judged: Judged, labels: Tensor, asked: argparse.Namespace, kind: str, seed: int
) -> Iterator[dict]:
    """Train one; how well it reads at 0, 100, ..., T, and what it draws at each scale: two thirds as many."""
    classifier, heldout = pupil(trained, kind, asked.pupil_steps, seed), load("mnist-5k", "test")
    torch.manual_seed(seed)
    with autocast(torch.device("cpu")):
        reads = accuracy_per_t(classifier, trained.diffusion.schedule, heldout, range(0, trained.config.T + 1, 100))
    coarse = [round(share, 4) for share in coarse_shares(classifier, trained, range(100, trained.config.T, 200))]
    yield {"way": kind, "scale": 0.0, "seed": seed, "reads": reads, "coarse": coarse}
    y = labels[: 2 * len(labels) // 3]
    for place, scales in PUPILS.items():
        for scale in scales:
            images = drawn(lambda y, a=place, s=scale: way_of(trained, a, s, y, classifier), y, asked.steps, seed)
            accuracy = judged(images, y)["accuracy"]
            yield {"way": f"{kind}, {place}", "scale": scale, "seed": seed, "accuracy": accuracy}


def all_rows(trained: Trained, asked: argparse.Namespace, done: set[tuple]) -> Iterator[dict]:
    """The rows that are not done, one seed after the other."""
    labels, judged = torch.arange(asked.n) % 10, Judged(asked.n)
    if ("real digits", 0.0, 0) not in done:
        yield {"way": "real digits", "scale": 0.0, "seed": 0, **judged(*judged.others)}
    for seed in asked.seeds:
        for name, scale in WAYS:
            if (name, scale, seed) not in done:
                steps = 5 * asked.steps if name.endswith(LONG) else asked.steps
                way = partial(way_of, trained, name.removesuffix(LONG), scale)
                images = drawn(way, labels, steps, seed)
                yield {"way": name, "scale": scale, "seed": seed, **judged(images, labels)}
    for seed in asked.seeds:
        for kind in ("told t", "never told t", "clean digits"):
            if (f"{kind}, at x_t", PUPILS["at x_t"][-1], seed) not in done:
                rows = pupil_rows(trained, judged, labels, asked, kind, seed)
                yield from (row for row in rows if (row["way"], row["scale"], seed) not in done)


def main() -> None:
    """Fill the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--pupil-steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/bench/guidance.json"))
    asked = parser.parse_args()

    trained = runs.open_run("mnist", torch.device("cpu"), classifier="mnist-classifier")
    settings = {
        "run": "mnist",
        "weights": digest(trained.model.state_dict()),
        "classifier": digest(trained.classifier.state_dict()),
        "sampler": "ancestral",
        "steps": asked.steps,
        "n": asked.n,
        "pupil_steps": asked.pupil_steps,
        "command": command(),
        "machine": runs.machine(trained.device),
    }
    rows = kept_rows(asked.out, settings)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    for row in all_rows(trained, asked, {(row["way"], row["scale"], row["seed"]) for row in rows}):
        rows.append(row)
        write_json(asked.out, {**settings, "rows": rows})
        print(row, flush=True)


if __name__ == "__main__":
    main()
