"""What the last step t = 1 of the shipped `mnist-improved` costs, and what becomes of the other steps if it is mended.

    python tests/bench/last_step.py                      # half an hour on a CPU core
    python tests/bench/last_step.py --judge mnist-5k     # without MNIST: by digits that the network has seen

Five copies of the network go on training for each seed: with t = 1 alone; with every doubling of t as often as any
other; the same with each loss divided by how often its t is drawn, so that the objective stays as it was; with all
times alike, the control; and these with each loss weighted as the doublings would draw it. Two tables of widths are
chosen on training digits. All are judged by the same 200 of MNIST's test digits, which the network has not seen, and at
each t by the same noise. Rows that are already in the file are kept, so that an interrupted call goes on.
"""

import argparse
import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from ablation import kept_rows
from made import command
from torch import Tensor

from mini_ddpm import data, runs
from mini_ddpm.diffusion import Diffusion, q_sample
from mini_ddpm.files import digest, write_json
from mini_ddpm.losses import bound_term, decoder_log_likelihood, hybrid_loss

Draw = Callable[[int], tuple[Tensor, Tensor]]  # T -> 32 times, and the weight of each

TIMES = [*range(1, 11), 12, 15, 20, 30, 50, 100, 200, 400, 1000, 2000, 3000]
WIDTHS = torch.tensor(
    [0.04, 0.05, 0.06, 0.07, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.22, 0.25, 0.28, 0.3, 0.33, 0.36, 0.4, 0.5]
)


def last_guess(process: Diffusion, model: torch.nn.Module, x_0: Tensor, y: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """At t = 1: the guess of the image, and the learned log variance, both (N, 1, 28, 28)."""
    torch.manual_seed(seed)
    one = torch.ones(len(x_0), dtype=torch.int64)
    x_1 = q_sample(x_0, torch.randn_like(x_0), process.schedule.at(1))
    prediction = process.predict(partial(model, y=y), x_1, one)
    return prediction.x_0, process.p_log_variance(1, 0, prediction.rho)


def bits(x_0: Tensor, guess: Tensor, log_variance: Tensor) -> Tensor:
    """What every pixel costs in L_0."""
    return -decoder_log_likelihood(x_0, guess, log_variance.expand_as(x_0).float()) / math.log(2)


def log_variance(width: Tensor) -> Tensor:
    """From widths in grey levels."""
    return 2 * (width / 127.5).log()


def tables(process: Diffusion, model: torch.nn.Module, seed: int) -> tuple[Tensor, Tensor]:
    """On training digits: the best width for all pixels (), and the best for those guessed black or not (2,)."""
    digits = data.load("mnist-5k", "train")
    torch.manual_seed(seed)
    which = torch.randperm(len(digits))[:200]
    x_0 = data.to_model(digits.images[which])
    guess, _ = last_guess(process, model, x_0, digits.labels[which], seed)
    cost = torch.stack([bits(x_0, guess, log_variance(width)) for width in WIDTHS])
    black = guess < -1 + 1 / 255
    each = [cost[:, part].mean(dim=1).argmin() for part in (black, ~black)]
    return WIDTHS[cost.flatten(1).mean(dim=1).argmin()], WIDTHS[torch.stack(each)]


def alone(T: int) -> tuple[Tensor, Tensor]:
    """t = 1."""
    return torch.ones(32, dtype=torch.int64), torch.ones(32)


def doublings(T: int) -> tuple[Tensor, Tensor]:
    """As many times between 1 and 2 as between 1000 and 2000: log-uniform."""
    return (torch.rand(32) * math.log(T + 1)).exp().long().clamp(1, T), torch.ones(32)


def doublings_weighted(T: int) -> tuple[Tensor, Tensor]:
    """The same times, weighted so that the mean is that over all times alike."""
    t, _ = doublings(T)
    return t, math.log(T + 1) / (T * torch.log1p(1 / t))


def alike(T: int) -> tuple[Tensor, Tensor]:
    """Uniform."""
    return torch.randint(1, T + 1, (32,)), torch.ones(32)


def alike_weighted(T: int) -> tuple[Tensor, Tensor]:
    """The same times, weighted so that the mean is that over all doublings alike."""
    t, _ = alike(T)
    return t, T * torch.log1p(1 / t) / math.log(T + 1)


def learn(process: Diffusion, model: torch.nn.Module, draw: Draw, steps: int, seed: int) -> torch.nn.Module:
    """A copy after more training at the times that are drawn."""
    digits, pupil = data.load("mnist-5k", "train"), copy.deepcopy(model).requires_grad_(True)
    optimizer = torch.optim.Adam(pupil.parameters(), lr=1e-3)
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    torch.manual_seed(seed)
    for _ in range(steps):
        x_0, y = digits.batch(torch.randint(len(digits), (32,)))
        t, weight = draw(process.schedule.T)
        loss = (weight * hybrid_loss(process, partial(pupil, y=y), x_0, t, torch.randn_like(x_0))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
    return pupil


def terms(process: Diffusion, model: torch.nn.Module, x_0: Tensor, y: Tensor) -> Iterator[float]:
    """The bound's term at each of `TIMES`, in bits/dim."""
    for time in TIMES:
        torch.manual_seed(time)
        t = torch.full((len(x_0),), time)
        x_t = q_sample(x_0, torch.randn_like(x_0), process.schedule.at(time))
        yield bound_term(process, process.predict(partial(model, y=y), x_t, t), x_0, x_t, t, t - 1).mean().item()


@torch.no_grad()
def row(
    name: str, seed: int, process: Diffusion, model: torch.nn.Module, width: Tensor | None, x_0: Tensor, y: Tensor
) -> dict:
    """L_0 in all, of black pixels and of the others; without widths of a table, the other terms as well."""
    guess, learned = last_guess(process, model, x_0, y, seed)
    if width is not None:
        learned = log_variance(width if width.ndim == 0 else torch.where(guess < -1 + 1 / 255, width[0], width[1]))
    cost, black = bits(x_0, guess, learned), x_0 == -1
    found = {"what": name, "seed": seed, "L_0": cost.mean().item()}
    found |= {"black": cost[black].mean().item(), "others": cost[~black].mean().item()}
    if width is None:
        found["terms"] = list(terms(process, model, x_0, y))
    else:
        found["width"] = width.tolist()
    print({key: value for key, value in found.items() if key != "terms"}, found.get("terms", [])[:4], flush=True)
    return found


def ways(
    process: Diffusion, model: torch.nn.Module, asked: argparse.Namespace, seed: int
) -> dict[str, Callable[[], tuple[torch.nn.Module, Tensor | None]]]:
    """What is done, by name: each makes a network, and widths for t = 1 if they are of a table."""

    def taught(draw: Draw, steps: int = asked.steps) -> tuple[torch.nn.Module, None]:
        return learn(process, model, draw, steps, seed), None

    with torch.no_grad():
        one, two = tables(process, model, seed)
    return {
        "as shipped": lambda: (model, None),
        "one width": lambda: (model, one),
        "two widths": lambda: (model, two),
        "t = 1 alone": lambda: taught(alone, asked.alone),
        "every doubling alike": lambda: taught(doublings),
        "every doubling alike, weighted": lambda: taught(doublings_weighted),
        "all times alike": lambda: taught(alike),
        "all times alike, weighted": lambda: taught(alike_weighted),
    }


def main() -> None:
    """Measure what is not in the file, and write all rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200, help="digits that judge")
    parser.add_argument("--judge", choices=("mnist", "mnist-5k"), default="mnist", help="where they are from")
    parser.add_argument("--alone", type=int, default=50, help="steps with t = 1 alone")
    parser.add_argument("--steps", type=int, default=300, help="steps of the other four")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/bench/last-step.json"))
    asked = parser.parse_args()

    trained = runs.open_run("mnist-improved", torch.device("cpu"))
    process, model = replace(trained.diffusion, steps=None), trained.model
    held_out = data.load(asked.judge, "test")
    which = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(0))[: asked.n]
    judged = data.to_model(held_out.images[which]), held_out.labels[which]
    what = {"n": asked.n, "judge": asked.judge, "alone": asked.alone, "steps": asked.steps}
    what |= {"weights": digest(model.state_dict()), "command": command()}
    what["machine"] = runs.machine(torch.device("cpu")).replace("bfloat16", "float32")  # as here
    what["times"] = TIMES
    rows = kept_rows(asked.out, what)
    done = {(found["what"], found["seed"]) for found in rows}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    for seed in asked.seeds:
        for name, way in ways(process, model, asked, seed).items():
            if (name, seed) not in done:
                rows.append(row(name, seed, process, *way(), *judged))
                write_json(asked.out, {**what, "rows": rows})


if __name__ == "__main__":
    main()
