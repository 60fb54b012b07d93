"""The distance of real digits, in sets as small as the pages draw: what a perfect model would get.

    python tests/bench/real_sets.py         # a minute on a CPU core; needs MNIST's test images

MNIST's test digits, which no network of this package and not the judge was trained on, shuffled, as many of each class;
the sets of one size share none. A distance falls with the number of digits: compare equal numbers. Results go to
runs/bench/real-sets.json.
"""

import argparse
from pathlib import Path

import torch
from made import command
from variances import judged, real_sets

from mini_ddpm import measure, runs
from mini_ddpm.files import write_json


def main() -> None:
    """Measure the sets of all sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[400, 500, 2000])
    parser.add_argument("--sets", type=int, default=8, help="at most; of 2,000 there are four")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/real-sets.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)

    reference, rows = measure.load_reference(), []
    for n in asked.sizes:
        for k, images, known in real_sets(n, min(asked.sets, 8000 // n)):  # of the rarest class there are 892
            rows.append({"n": n, "set": k, **judged(images, known, reference)})
            print(rows[-1], flush=True)
    how = {"machine": runs.machine(torch.device("cpu")), "command": command()}
    write_json(asked.out, {"digits": "MNIST, test", **how, "rows": rows})


if __name__ == "__main__":
    main()
