"""What each choice in the recipe of `mnist-laptop` is worth, at equal steps, over three seeds.

    make bench-recipe                       # an hour on two CPU cores
    make bench-recipe ARGS="--steps 50 --n 50 --seeds 0"

Every network takes `--steps` steps of 32 of the 4,000 images, about what five minutes allow on two cores without
bfloat16, and draws digits in the same two ways. Each choice costs the same time a step. Rows that are already in the
file are kept, so that an interrupted call goes on. The seeds are not those on which the recipe was chosen.
Results go to runs/bench/recipe.json.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch
from ablation import kept_rows, trained_with
from made import command

from mini_ddpm import runs
from mini_ddpm.files import write_json
from mini_ddpm.runs import Trained
from mini_ddpm.runs.presets import RunConfig, SampleConfig, preset

CPU = torch.device("cpu")
CHOICES = {  # fields of the preset -> what they were before
    "the preset": {},
    "times drawn independently": {"times": "uniform"},
    "L_simple": {"loss": "simple"},
    "both": {"times": "uniform", "loss": "simple"},
}
WAYS = {
    "ddim, eta 0.5, 12 steps, guidance 1.75": preset("mnist-laptop").sampling,
    "before: ancestral, 30 steps, guidance 1.5": SampleConfig("ancestral", steps=30, guidance=1.5),
}


def measured(choice: str, seed: int, steps: int, n: int) -> list[dict]:
    """Train one network on one core, draw with it in both ways, and judge that: two rows."""
    torch.set_num_threads(1)
    laptop = replace(preset("mnist-laptop"), **CHOICES[choice])
    laptop = replace(laptop, training=replace(laptop.training, steps=steps, seed=seed))
    trained, rows = trained_with(laptop, CPU), []
    for way, sampling in WAYS.items():
        figures = runs.evaluate(drawing_with(trained, laptop, sampling), n, seed)
        kept = {
            name: round(figures[name], 4)
            for name in ("fd_judge", "fd_ratio", "accuracy", "diversity")
            if name in figures
        }
        rows.append({"choice": choice, "seed": seed, "way": way, **kept})
    return rows


def drawing_with(trained: Trained, config: RunConfig, sampling: SampleConfig) -> Trained:
    """The same network, drawing in another way."""
    config = replace(config, sampling=sampling)
    return replace(trained, config=config, diffusion=config.diffusion, model=trained.model.eval())


def main() -> None:
    """Fill the table, two networks at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[20, 21, 22])
    parser.add_argument("--choices", nargs="+", choices=CHOICES, default=[*CHOICES])
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/recipe.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    settings = {"steps": asked.steps, "n": asked.n, "machine": runs.machine(CPU), "command": command()}
    settings["preset"] = json.loads(json.dumps(preset("mnist-laptop").to_json()))
    rows = kept_rows(asked.out, settings)
    done = {(row["choice"], row["seed"]) for row in rows}
    missing = [(choice, seed) for seed in asked.seeds for choice in asked.choices if (choice, seed) not in done]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for found in pool.map(
            measured, *zip(*missing, strict=True), [asked.steps] * len(missing), [asked.n] * len(missing)
        ):
            rows += found
            write_json(asked.out, {**settings, "rows": rows})
            print(*found, sep="\n", flush=True)


if __name__ == "__main__":
    main()
