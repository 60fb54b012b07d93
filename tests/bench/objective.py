"""L against L_simple, the finding of DDPM's Tables 1 and 2, on 4,000 digits: a table of notebook 14.

    .venv/bin/python tests/bench/objective.py               # three quarters of an hour on a CPU core
    .venv/bin/python tests/bench/objective.py --steps 50 --n 20 --bits 2 --seeds 0

The paper's process (linear, T = 1000, fixed-large) and the laptop's network, which predicts the noise: only the loss
differs. Equal training images for every row: `--steps` steps of 32. Digits are drawn with labels, without guidance.
Rows that are already in the file are kept, so that an interrupted call goes on. Results go to
data/bench/objective.json, and the first seed's digits to objective-vlb.png and objective-simple.png.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from ablation import kept_rows, trained_with

from mini_ddpm import runs
from mini_ddpm.course.figures import image_grid
from mini_ddpm.files import write_json, write_whole
from mini_ddpm.presets import RunConfig, SampleConfig, preset

LOSSES = {"L": "vlb", "L_simple": "simple"}
COLUMNS = 20
SAMPLING = SampleConfig("ancestral", steps=100)


def main() -> None:
    """Fill the table, seed after seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--n", type=int, default=500, help="digits to draw")
    parser.add_argument("--bits", type=int, default=50, help="test images to code, in a thousand steps each")
    parser.add_argument("--out", type=Path, default=Path("data/bench/objective.json"))
    asked = parser.parse_args()

    device, laptop = runs.pick_device(None), preset("mnist-laptop")
    settings = {"steps": asked.steps, "n": asked.n, "bits": asked.bits, "machine": runs.machine(device)}
    rows = kept_rows(asked.out, settings)
    done = {(row["loss"], row["seed"]) for row in rows}
    for seed in asked.seeds:
        for name, loss in LOSSES.items():
            if (name, seed) in done:
                continue
            training = replace(laptop.training, steps=asked.steps, seed=seed)
            config = RunConfig(laptop.data, laptop.unet, training, SAMPLING, loss=loss)
            trained = trained_with(config, device)
            drawn, coded = runs.evaluate(trained, asked.n, seed), runs.bits_per_dim(trained, asked.bits, seed)
            figures = {key: drawn[key] for key in ("fd_judge", "accuracy")} | {"bits_per_dim": coded["bits_per_dim"]}
            if seed == asked.seeds[0]:
                digits = runs.draw_many(trained, runs.default_labels(trained, COLUMNS), COLUMNS, seed)
                sheet = image_grid(digits, COLUMNS, zoom=1)
                write_whole(asked.out.with_name(f"{asked.out.stem}-{loss}.png"), sheet.save)
            rows.append({"loss": name, "seed": seed, **figures})
            write_json(asked.out, {**settings, "rows": rows})
            print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
