"""Is guidance worth its second pass? The shipped `cifar10` guided, and the same calls spent on more steps instead.

    python tests/bench/second_pass.py       # half an hour on a CPU core
    python tests/bench/second_pass.py --n 50 --seeds 0

Guided, a step asks the network twice: 50 steps are 100 passes, as 100 steps without guidance are. Figures are those of
`cifar10-judge`. Rows that are already in the file are kept, so that an interrupted call goes on. Results go to
runs/bench/second-pass.json.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from ablation import kept_rows
from made import command

from mini_ddpm import measure, runs
from mini_ddpm.files import digest, write_json

WAYS = {"guided": (2.0, 50), "more steps": (1.0, 100), "neither": (1.0, 50)}  # the guidance's scale, steps


def main() -> None:
    """Draw and measure, seed after seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/bench/second-pass.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    cpu = torch.device("cpu")
    trained, judge = runs.open_run("cifar10", cpu), measure.extractors.get("cifar10-judge", cpu)
    real, labels = measure.real_images(judge, asked.n), runs.default_labels(trained, asked.n)
    how = {"machine": runs.machine(cpu), "command": command()}
    settings = {"n": asked.n, "weights": digest(trained.model.state_dict()), **how}
    rows = kept_rows(asked.out, settings)
    done = {(row["way"], row["seed"]) for row in rows}
    for seed in asked.seeds:
        for way, (scale, steps) in WAYS.items():
            if (way, seed) not in done:
                sampling = replace(trained.config.sampling, guidance=scale, steps=steps)
                config = replace(trained.config, sampling=sampling)
                changed = replace(trained, config=config, diffusion=config.diffusion)
                figures = real.measure(runs.draw_many(changed, labels, asked.n, seed), labels)
                found = {what: round(value, 4) for what, value in figures.items()}
                rows.append({"way": way, "guidance": scale, "steps": steps, "seed": seed, **found})
                write_json(asked.out, {**settings, "rows": rows})
                print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
