"""The page of notebook 08b, trained as it stands and without the line that hides labels: three seeds, three scales.

    python tests/bench/forgotten_line.py                   # seven minutes on one CPU core
    python tests/bench/forgotten_line.py --steps 2 --n 10 --seeds 0

Rows that are already in the file are kept, so that an interrupted call goes on. Results go to
runs/bench/forgotten-line.json.
"""

import argparse
import copy
import json
from pathlib import Path

import torch
from ablation import kept_rows
from made import command

from mini_ddpm import measure, runs
from mini_ddpm.data import load
from mini_ddpm.files import write_json

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "08b_on_one_page.ipynb"
LINE = "        y = torch.where(torch.rand(B) < 0.1, network.classes, y)  # for guidance\n"


def page(labels_hidden: bool) -> dict:
    """The names that the page's cells define, with that line or without it."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = "\n\n".join("".join(cell["source"]) for cell in cells if "page" in cell["metadata"].get("tags", []))
    if code.count(LINE) != 1:
        raise SystemExit(f"{NOTEBOOK.name} does not have this line once: {LINE}")
    names: dict = {}
    exec(code if labels_hidden else code.replace(LINE, ""), names)
    return names


def main() -> None:
    """Fill the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0, 2.0, 4.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/bench/forgotten-line.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)

    where = runs.machine(torch.device("cpu")).replace("bfloat16", "float32")  # as the page computes
    settings = {"steps": asked.steps, "n": asked.n, "sampling_steps": 30, "machine": where, "command": command()}
    rows = kept_rows(asked.out, settings)
    done = {(row["labels_hidden"], row["seed"], row["scale"]) for row in rows}
    train, heldout, reference = load("mnist-5k", "train"), load("mnist-5k", "test"), measure.load_reference()
    y = torch.arange(asked.n) % 10
    for labels_hidden in (False, True):
        for seed in asked.seeds:
            left = [scale for scale in asked.scales if (labels_hidden, seed, scale) not in done]
            if not left:
                continue
            names = page(labels_hidden)
            torch.manual_seed(seed)
            network = names["UNet"]().to(memory_format=torch.channels_last)
            average = copy.deepcopy(network)
            for _ in names["train"](network, average, train.images / 127.5 - 1, train.labels, asked.steps):
                pass
            for scale in left:
                torch.manual_seed(5)
                x_T = torch.randn(asked.n, 1, 28, 28)
                images = names["sample"](names["guided"](average, y, scale), x_T, steps=30)
                figures = measure.evaluate_images(images, y, reference, train, heldout)
                kept = {key: round(figures[key], 4) for key in ("accuracy", "fd_judge", "diversity")}
                rows.append({"labels_hidden": labels_hidden, "seed": seed, "scale": scale, **kept})
                write_json(asked.out, {**settings, "rows": rows})
                print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
