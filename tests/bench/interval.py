"""Guidance on a part of the chain against guidance everywhere, on the shipped `mnist`: where does it help and harm?

    python tests/bench/interval.py                         # three quarters of an hour on two CPU cores
    python tests/bench/interval.py --scales 2 --without-places
    python tests/bench/interval.py --scales 1.25 1.75 --parts everywhere
    python tests/bench/interval.py --scales 2.5 --parts middle
    python tests/bench/interval.py --sampler ddim --scales 3 --two-steps --out runs/bench/interval-ddim.json
    python tests/bench/interval.py --seeds 3 4 5 --scales 1.25 1.5 1.75 2 --parts everywhere --out OUT
    python tests/bench/interval.py --seeds 3 4 5 --scales 2 --parts middle "all but the clean end" --out OUT
    python tests/bench/interval.py --seeds 3 4 5 --scales 3 --parts "600 to 800" --out OUT
    python tests/bench/interval.py --scales 2 4 --parts "600 to 800"
    python tests/bench/interval.py --scales 2.5 --parts "noisy end"
    python tests/bench/interval.py --scales 4 --parts "400 to 600"
    python tests/bench/interval.py --scales 12 20 --parts "200 to 400"
    python tests/bench/interval.py --scales 12 24 --parts "clean end"
    python tests/bench/interval.py --steps 6 --seeds 0 1 2 3 4 5 --scales 1.5 --parts everywhere --out FEWER

The second to the fourth look for the best scale of either way. The fifth is a control: DPM-Solver++ carries each guess
over into the step after, DDIM forgets it. The three after it try what was found best, and its rivals, with seeds on
which none was chosen; OUT is runs/bench/interval-fresh.json. Five look for the best scale of two steps at each place.
The last, and with 8 steps, is a control: as few passes, spent on guidance everywhere; FEWER is
runs/bench/interval-6.json, or -8. For each seed all ways start from the same
noise: compare them seed by seed. As many real digits are measured by real_sets.py. Rows that are already in the file
are kept, so that an interrupted call goes on. Results go to runs/bench/interval.json.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from ablation import kept_rows
from torch import Tensor

from mini_ddpm import measure, runs
from mini_ddpm.data import load
from mini_ddpm.files import digest, write_json
from mini_ddpm.guidance import classifier_free
from mini_ddpm.runs import Trained
from mini_ddpm.runs.presets import SAMPLERS
from mini_ddpm.sampling import sample
from mini_ddpm.training import autocast

# Shares of T between which guidance acts; elsewhere the label alone counts. Without any, the scale is 1.
PARTS = {
    "everywhere": (0.0, 1.0),
    "noisy end": (0.8, 1.0),
    "middle": (0.2, 0.8),
    "clean end": (0.0, 0.2),
    "all but the noisy end": (0.0, 0.8),
    "all but the clean end": (0.2, 1.0),
    "600 to 800": (0.6, 0.8),  # with both ends: a fifth of the steps, at five places
    "400 to 600": (0.4, 0.6),
    "200 to 400": (0.2, 0.4),
}
TWO_STEPS = ("noisy end", "600 to 800", "400 to 600", "200 to 400", "clean end")  # of ten
WIDE = tuple(PARTS)[:6]
BATCH = 200


def guided_between(trained: Trained, y: Tensor, scale: float, part: tuple[float, float]) -> Callable:
    """A model that is guided at times t with part[0] T < t <= part[1] T; at others it sees the label and no more."""
    guided, T = classifier_free(trained.model, y, scale), trained.diffusion.schedule.T

    def model(x_t: Tensor, t: Tensor) -> Tensor:
        with autocast(x_t.device):  # the precision in which the command line draws
            return guided(x_t, t) if part[0] * T < int(t[0]) <= part[1] * T else trained.model(x_t, t, y=y)

    return model


def drawn(
    trained: Trained, labels: Tensor, scale: float, part: tuple[float, float], steps: int, seed: int, sampler: str
) -> Tensor:
    """Digits (n, 1, 28, 28) with these labels (n,)."""
    diffusion, images = replace(trained.diffusion, steps=steps), []
    for k, y in enumerate(labels.split(BATCH)):
        torch.manual_seed(1000 * seed + k)
        model = guided_between(trained, y, scale, part)
        *_, last = sample(SAMPLERS[sampler](0.0), diffusion, model, torch.randn(len(y), 1, 28, 28))
        images.append(last.x_t)
    return torch.cat(images)


def kept(figures: dict[str, float]) -> dict[str, float]:
    """What a row keeps of what was measured."""
    return {key: round(figures[key], 4) for key in ("fd_judge", "accuracy", "diversity")}


def main() -> None:
    """Fill the table, one seed after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=400)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--sampler", choices=("dpm-solver", "ddim"), default="dpm-solver")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    parser.add_argument("--two-steps", action="store_const", dest="parts", const=TWO_STEPS, help="a fifth alone")
    parser.add_argument("--without-places", action="store_const", dest="parts", const=WIDE, help="but for three fifths")
    parser.add_argument("--scales", type=float, nargs="+", default=[1.5, 3.0, 6.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/bench/interval.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)

    trained = runs.open_run("mnist", torch.device("cpu"))
    settings = {
        "run": "mnist",
        "weights": digest(trained.model.state_dict()),
        "sampler": asked.sampler,
        "steps": asked.steps,
        "n": asked.n,
        "machine": runs.machine(trained.device),
    }
    rows, labels = kept_rows(asked.out, settings), torch.arange(asked.n) % 10
    done = {(row["part"], row["scale"], row["seed"]) for row in rows}
    reference = measure.load_reference()
    train, heldout = load("mnist-5k", "train"), load("mnist-5k", "test")
    figures = partial(measure.evaluate_images, reference=reference, train=train, heldout=heldout)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    ways = [("nowhere", 1.0), *((part, scale) for scale in asked.scales for part in asked.parts)]
    for seed in asked.seeds:
        for part, scale in ways:
            if (part, scale, seed) in done:
                continue
            images = drawn(trained, labels, scale, PARTS.get(part, (0.0, 1.0)), asked.steps, seed, asked.sampler)
            rows.append({"part": part, "scale": scale, "seed": seed, **kept(figures(images, labels))})
            write_json(asked.out, {**settings, "rows": rows})
            print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
