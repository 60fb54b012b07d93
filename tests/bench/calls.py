"""Quality against calls of the network: which sampler reaches its full quality first, on the shipped `mnist`.

    .venv/bin/python tests/bench/calls.py                           # some hours on two CPU cores
    .venv/bin/python tests/bench/calls.py --calls 10 20 --n 500 --seeds 0

A call is one prediction for a batch; with guidance it runs the network twice, for every sampler alike. Heun's method
takes two calls a step, but one in its last. Rows that are already in the file are kept, so that an interrupted call
goes on. Results go to data/bench/calls.json.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from ablation import kept_rows
from torch import Tensor

from mini_ddpm import measure, runs
from mini_ddpm.data import load
from mini_ddpm.diffusion import Diffusion, eps_from_x_0, like
from mini_ddpm.files import digest, write_json
from mini_ddpm.guidance import classifier_free
from mini_ddpm.losses import Model
from mini_ddpm.runs import Trained
from mini_ddpm.sampling import Step, StepFunction, ancestral_step, ddim_step, sample, times

BATCH = 250


def towards(diffusion: Diffusion, x_t: Tensor, x_0: Tensor, t: int, s: int) -> Tensor:
    """DDIM's step for a given x_0: Eq. 12, DDIM, without noise."""
    alpha_bar_t, alpha_bar_s = diffusion.schedule.at(t), diffusion.schedule.at(s)
    eps = eps_from_x_0(x_t, x_0, alpha_bar_t)
    return like(alpha_bar_s.sqrt(), x_t) * x_0 + like((1 - alpha_bar_s).sqrt(), x_t) * eps


def heun_step(diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int) -> Step:
    """DDIM's step with the mean of the x_0 predicted before and after it; the last step is DDIM's.

    Source: Heun's method for d(x / sigma) = x_0 d(alpha / sigma); EDM (2206.00364), Algorithm 1, in other coordinates.
    """
    guess = ddim_step(diffusion, model, x_t, t, s)
    if s == 0:
        return guess
    after = diffusion.predict(model, guess.x_t, times(x_t, s)).x_0
    x_0 = (guess.x_0 + after) / 2
    return Step(s, towards(diffusion, x_t, x_0, t, s), x_0)


def dpm_solver() -> StepFunction:
    """A step that remembers the x_0 of the step before, and goes on along the line through both; new for each chain.

    Source: DPM-Solver++(2M) (2211.01095), Algorithm 2; lambda is half the log-SNR.
    """
    last: list[tuple[int, float, Tensor]] = []  # s, lambda_s - lambda_t and x_0 of the step before

    def step(diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int) -> Step:
        x_0 = diffusion.predict(model, x_t, times(x_t, t)).x_0
        far = float((diffusion.schedule.at(s).logit() - diffusion.schedule.at(t).logit()) / 2)
        beyond = x_0
        if last and last[0][0] == t and s > 0:
            _, before, x_0_before = last[0]
            beyond = x_0 + (x_0 - x_0_before) * far / (2 * before)
        last[:] = [(s, far, x_0)]
        return Step(s, towards(diffusion, x_t, beyond, t, s), x_0)

    return step


SAMPLERS: dict[str, tuple[Callable[[], StepFunction], Callable[[int], int]]] = {  # and steps for so many calls
    "ancestral": (lambda: ancestral_step, lambda calls: calls),
    "ddim": (lambda: ddim_step, lambda calls: calls),
    "heun": (lambda: heun_step, lambda calls: (calls + 1) // 2),
    "dpm-solver": (dpm_solver, lambda calls: calls),
}


def drawn(trained: Trained, name: str, calls: int, labels: Tensor, seed: int, scale: float) -> Tensor:
    """Digits (n, 1, 28, 28) with these labels (n,)."""
    make, steps = SAMPLERS[name]
    diffusion = replace(trained.diffusion, steps=steps(calls))
    images = []
    for k, y in enumerate(labels.split(BATCH)):
        torch.manual_seed(1000 * seed + k)
        model = classifier_free(trained.model, y, scale)
        *_, last = sample(make(), diffusion, model, torch.randn(len(y), 1, 28, 28))
        images.append(last.x_t)
    return torch.cat(images)


def main() -> None:
    """Fill the table, the short chains first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="mnist")
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--guidance", type=float, default=1.5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--calls", type=int, nargs="+", default=[5, 8, 10, 15, 20, 30, 50, 100])
    parser.add_argument("--out", type=Path, default=Path("data/bench/calls.json"))
    asked = parser.parse_args()

    trained = runs.open_run(asked.run, torch.device("cpu"))
    settings = {
        "run": asked.run,
        "weights": digest(trained.model.state_dict()),
        "guidance": asked.guidance,
        "machine": runs.machine(trained.device),
    }
    rows = kept_rows(asked.out, settings)
    done = {(row["sampler"], row["calls"], row["n"], row["seed"]) for row in rows}
    ruler = partial(
        measure.evaluate_images,
        reference=measure.load_reference(),
        train=load("mnist-5k", "train"),
        heldout=load("mnist-5k", "test"),
    )
    labels = torch.arange(asked.n) % 10
    for calls in asked.calls:
        for seed in asked.seeds:
            for name in SAMPLERS:
                if (name, calls, asked.n, seed) in done:
                    continue
                begin = time.perf_counter()
                images = drawn(trained, name, calls, labels, seed, asked.guidance)
                seconds = time.perf_counter() - begin
                figures = ruler(images, labels)
                kept = {key: round(figures[key], 4) for key in ("fd_judge", "accuracy", "diversity")}
                rows.append({"sampler": name, "calls": calls, "n": asked.n, "seed": seed, **kept, "seconds": seconds})
                write_json(asked.out, {**settings, "rows": rows})
                print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
