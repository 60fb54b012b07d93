"""FD-judge against the number of sampling steps, for four choices of variance, with the shipped `mnist-improved`.

    python tests/bench/strided.py               # an hour on a CPU core, most of it for the full chain
    python tests/bench/strided.py --n 1000 --steps 10 25 50 100 250       # another hour
    python tests/bench/strided.py --n 1000 --steps 10 --seed 1 --out runs/bench/strided-seed1.json

Digits are drawn with labels and without guidance. Rows that are already in the file are kept, so that an
interrupted call goes on. Results go to runs/bench/strided.json; notebook 10 shows data/bench/strided.json.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

from ablation import kept_rows
from made import command

from mini_ddpm import runs
from mini_ddpm.files import digest, write_json
from mini_ddpm.runs.presets import SampleConfig

CHOICES = {
    "fixed-small": ("fixed-small", SampleConfig("ancestral")),
    "fixed-large": ("fixed-large", SampleConfig("ancestral")),
    "learned-range": ("learned-range", SampleConfig("ancestral")),
    "ddim": ("fixed-small", SampleConfig("ddim")),
}


def main() -> None:
    """Fill the table, the short chains first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="mnist-improved")
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 25, 50, 100, 250, 4000])
    parser.add_argument("--out", type=Path, default=Path("runs/bench/strided.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)

    trained = runs.open_run(asked.run, runs.pick_device(None))
    settings = {
        "run": asked.run,
        "weights": digest(trained.model.state_dict()),
        "seed": asked.seed,
        "machine": runs.machine(trained.device),
        "command": command(),
    }
    rows = kept_rows(asked.out, settings)
    done = {(row["choice"], row["steps"], row["n"]) for row in rows}
    for steps in asked.steps:
        for choice, (variance, sampling) in CHOICES.items():
            if (choice, steps, asked.n) in done:
                continue
            config = replace(trained.config, variance=variance, sampling=replace(sampling, steps=steps))
            begin = time.perf_counter()
            figures = runs.evaluate(
                replace(trained, config=config, diffusion=config.diffusion.to(trained.device)), asked.n, asked.seed
            )
            kept = {name: figures[name] for name in ("fd_judge", "accuracy", "diversity")}
            rows.append(
                {"choice": choice, "steps": steps, "n": asked.n, **kept, "seconds": time.perf_counter() - begin}
            )
            write_json(asked.out, {**settings, "rows": rows})
            print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
