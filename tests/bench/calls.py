"""Quality against calls of the network: which sampler reaches its full quality first, on the shipped `mnist`.

    python tests/bench/calls.py                           # some hours on two CPU cores
    python tests/bench/calls.py --n 200 --calls 5 10 20 50 --samplers ancestral "ancestral, beta" ddim "ddim, eta 0.5"

A call is one prediction for a batch; with guidance it runs the network twice, for every sampler alike. Heun's method
takes two calls a step, but one in its last: of an even number it leaves one. Rows that are already in the file are
kept, so that an interrupted call goes on. Results go to runs/bench/calls.json.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from ablation import kept_rows
from made import command
from torch import Tensor

from mini_ddpm import measure, runs
from mini_ddpm.course.p08 import heun_step, real_sets
from mini_ddpm.data import load
from mini_ddpm.diffusion import Variance, fixed_large
from mini_ddpm.files import digest, write_json
from mini_ddpm.guidance import classifier_free
from mini_ddpm.losses import Model
from mini_ddpm.runs import Trained
from mini_ddpm.sampling import DPMSolver, StepFunction, ancestral_step, ddim_step, sample
from mini_ddpm.training import autocast

BATCH = 250


def on_an_interval(trained: Trained, y: Tensor, scale: float) -> Model:
    """Guidance in the middle of the chain, and the label alone before and after; a call there runs the network once.

    Source: 2404.07724, which finds that guidance harms where there is most noise and idles where there is least.
    """
    guided, T = classifier_free(trained.model, y, scale), trained.diffusion.schedule.T

    def model(x_t: Tensor, t: Tensor) -> Tensor:
        return guided(x_t, t) if 0.2 * T < int(t[0]) <= 0.8 * T else trained.model(x_t, t, y=y)

    return model


def everywhere(trained: Trained, y: Tensor, scale: float) -> Model:
    """Guidance at every step."""
    return classifier_free(trained.model, y, scale)


class Way(NamedTuple):
    """A way to draw: a step function, new for each chain; the number of steps for so many calls; guidance; variance."""

    step: Callable[[], StepFunction]
    steps: Callable[[int], int]
    guide: Callable[[Trained, Tensor, float], Model] = everywhere
    variance: Variance | None = None  # None for the run's own


SAMPLERS = {
    "ancestral": Way(lambda: ancestral_step, lambda calls: calls),
    "ddim": Way(lambda: ddim_step, lambda calls: calls),
    "ddim, eta 0.5": Way(lambda: partial(ddim_step, eta=0.5), lambda calls: calls),
    "heun": Way(lambda: heun_step, lambda calls: (calls + 1) // 2),
    "dpm-solver": Way(DPMSolver, lambda calls: calls),
    "dpm-solver, guided in the middle": Way(DPMSolver, lambda calls: calls, on_an_interval),
}
WAYS = SAMPLERS | {"ancestral, beta": Way(lambda: ancestral_step, lambda calls: calls, variance=fixed_large)}


def autocasted(model: Model) -> Model:
    """The model in the precision in which the command line draws."""

    def predict(x_t: Tensor, t: Tensor) -> Tensor:
        with autocast(x_t.device):
            return model(x_t, t)

    return predict


def drawn(trained: Trained, name: str, calls: int, labels: Tensor, seed: int, scale: float) -> Tensor:
    """Digits (n, 1, 28, 28) with these labels (n,)."""
    way = WAYS[name]
    variance = way.variance or trained.diffusion.variance
    diffusion = replace(trained.diffusion, steps=way.steps(calls), variance=variance)
    images = []
    for k, y in enumerate(labels.split(BATCH)):
        torch.manual_seed(1000 * seed + k)
        model = way.guide(trained, y, scale)
        *_, last = sample(way.step(), diffusion, autocasted(model), torch.randn(len(y), 1, 28, 28))
        images.append(last.x_t)
    return torch.cat(images)


def kept(figures: dict[str, float]) -> dict[str, float]:
    """What is stored of an evaluation."""
    return {key: round(figures[key], 4) for key in ("fd_judge", "accuracy", "diversity")}


def main() -> None:
    """Fill the table, the short chains first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="mnist")
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--guidance", type=float, default=1.5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--calls", type=int, nargs="+", default=[5, 8, 10, 15, 20, 30, 50, 100])
    parser.add_argument("--samplers", nargs="+", choices=WAYS, default=[*SAMPLERS])
    parser.add_argument("--out", type=Path, default=Path("runs/bench/calls.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)

    trained = runs.open_run(asked.run, torch.device("cpu"))
    settings = {
        "run": asked.run,
        "weights": digest(trained.model.state_dict()),
        "guidance": asked.guidance,
        "machine": runs.machine(trained.device),
        "command": command(),
    }
    rows = kept_rows(asked.out, settings)
    done = {(row["sampler"], row["calls"], row["n"], row["seed"]) for row in rows}
    train = load("mnist-5k", "train")
    reference, heldout = measure.load_reference(), load("mnist-5k", "test")
    ruler = partial(measure.evaluate_images, reference=reference, train=train, heldout=heldout)
    if not rows:  # as many real digits, as many of each class, in sets that share none
        for k, (images, known) in enumerate(real_sets(train, asked.n)):
            figures = ruler(images, known)
            rows.append({"sampler": "real digits", "calls": 0, "n": asked.n, "seed": k, **kept(figures)})
    labels = torch.arange(asked.n) % 10
    for calls in asked.calls:
        for seed in asked.seeds:
            for name in asked.samplers:
                if (name, calls, asked.n, seed) in done:
                    continue
                begin = time.perf_counter()
                images = drawn(trained, name, calls, labels, seed, asked.guidance)
                seconds = time.perf_counter() - begin
                figures = ruler(images, labels)
                row = {"sampler": name, "calls": calls, "n": asked.n, "seed": seed}
                rows.append({**row, **kept(figures), "seconds": round(seconds, 1)})
                write_json(asked.out, {**settings, "rows": rows})
                print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
