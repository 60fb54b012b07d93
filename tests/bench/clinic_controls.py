"""The controls of notebook 09: lines of the clinic in other chains, and halves of a line, over three seeds.

    python tests/bench/clinic.py             # first: it trains the networks
    python tests/bench/clinic_controls.py    # minutes; it goes on where it was interrupted

Each control draws as many digits as a patient of the clinic, with the healthy network of the same seed and from the
same noise. Results go to runs/bench/clinic-controls.json.
"""

import argparse
from itertools import product
from pathlib import Path

import torch
from ablation import kept_rows
from clinic import file_of

from mini_ddpm import runs
from mini_ddpm.course import patients
from mini_ddpm.course.p09_controls import CONTROLS
from mini_ddpm.files import read_tensors, write_json
from mini_ddpm.measure import load_reference
from mini_ddpm.unet import UNet


def main() -> None:
    """Fill the table, control by control."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--networks", type=Path, default=Path("runs/clinic"))
    parser.add_argument("--out", type=Path, default=Path("runs/bench/clinic-controls.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    settings = {
        "command": "tests/bench/clinic_controls.py",
        "machine": runs.machine(torch.device("cpu")),
        "steps": patients.STEPS,
        "n": asked.n,
    }
    rows = kept_rows(asked.out, settings)
    done = {(row["control"], row["seed"]) for row in rows}
    reference, labels = load_reference(), torch.arange(10).repeat(asked.n // 10)
    for name, seed in product(CONTROLS, asked.seeds):
        if (name, seed) not in done:
            tensors, _ = read_tensors(file_of("healthy", seed, patients.STEPS, asked.networks))
            network = UNet(patients.SHAPE).eval()
            network.load_state_dict({key: tensors[f"ema.{key}"] for key in network.state_dict()})
            found = patients.judged(CONTROLS[name].draw(network, labels, seed), labels, reference)
            rows.append({"control": name, "seed": seed} | {key: round(value, 4) for key, value in found.items()})
            write_json(asked.out, {**settings, "rows": rows})
            print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
