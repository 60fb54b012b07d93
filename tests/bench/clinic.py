"""The patients of notebook 09, each over three seeds: accuracy, distance to real digits, loss at each t.

    python tests/bench/clinic.py    # a quarter of an hour on one core; it goes on where it was interrupted

A patient is the package with one changed line (`course.clinic.FAULTS`). A fault that is at work in training gets
networks of its own; the others draw with the healthy ones, those of the same seed. Networks are kept in
runs/clinic/ until the end; those of one seed go to runs/bench/clinic.safetensors, in half precision. Results go to
runs/bench/clinic.json.
"""

import argparse
import re
import time
from contextlib import AbstractContextManager, nullcontext
from itertools import product
from pathlib import Path

import torch
from ablation import kept_rows

from mini_ddpm import runs
from mini_ddpm.course import patients
from mini_ddpm.course.clinic import FAULTS
from mini_ddpm.data import ImageSet, load
from mini_ddpm.files import read_tensors, write_json, write_tensors
from mini_ddpm.measure import load_reference
from mini_ddpm.training import TrainState
from mini_ddpm.unet import UNet

DIGITS, HELD_OUT, REFERENCE = load("mnist-5k", "train"), load("mnist-5k", "test"), load_reference()
SOME = ImageSet(HELD_OUT.images[:200], HELD_OUT.labels[:200])  # for the loss at each t
MEMORY = "too long a memory"
ORDER = ["real digits", "healthy", *sorted(FAULTS, key=lambda name: FAULTS[name].trains and name != MEMORY)]


def planted(name: str) -> AbstractContextManager:
    """The package with this fault; unharmed for the healthy patient."""
    return FAULTS[name].planted() if name in FAULTS else nullcontext()


def networks(name: str, seed: int, steps: int, folder: Path) -> tuple[dict[str, UNet], list[float], float]:
    """The network a patient draws with, averaged and raw, the loss in its training, and what that took."""
    own = name if name in FAULTS and FAULTS[name].trains else "healthy"
    if not file_of(own, seed, steps, folder).exists():
        treat("healthy" if own == MEMORY else own, seed, steps, folder)
    tensors, card = read_tensors(file_of(own, seed, steps, folder))
    both = {part: UNet(patients.SHAPE).eval() for part in ("ema", "model")}
    for part, network in both.items():
        network.load_state_dict({key: tensors[f"{part}.{key}"] for key in network.state_dict()})
    return both, card["losses"], card["seconds"]


def file_of(name: str, seed: int, steps: int, folder: Path) -> Path:
    """Where the networks of a patient are kept."""
    return folder / f"{re.sub('[^a-z0-9]+', '-', name)}-{seed}-{steps}.safetensors"


def treat(own: str, seed: int, steps: int, folder: Path) -> None:
    """Train a patient. The healthy one is trained with a second average, too long a memory's: no average steers."""
    begin = time.process_time()
    torch.manual_seed(seed)
    slow = UNet(patients.SHAPE)  # the same first weights
    averages = list(slow.requires_grad_(False).parameters())

    def watch(state: TrainState) -> None:
        with torch.no_grad(), FAULTS[MEMORY].planted():
            share = 1 - patients.recipe(steps, seed).ema_decay_at(state.step)
            torch._foreach_lerp_(averages, list(state.model.parameters()), share)

    with planted(own):
        state, losses = patients.trained(DIGITS, steps, seed, watch if own == "healthy" else lambda state: None)
    card = {"losses": losses, "seconds": time.process_time() - begin}
    for name, average in {own: state.ema, **({MEMORY: slow} if own == "healthy" else {})}.items():
        parts = {"ema": average, "model": state.model}
        tensors = {f"{part}.{key}": value for part, one in parts.items() for key, value in one.state_dict().items()}
        write_tensors(file_of(name, seed, steps, folder), tensors, card)


def examined(name: str, seed: int, asked: argparse.Namespace) -> dict:
    """One row: draw n digits with the fault at work, and judge what one would see."""
    both, losses, seconds = networks(name, seed, asked.steps, asked.networks)
    labels = torch.arange(10).repeat(asked.n // 10)
    with planted(name):
        pixels = patients.draw(both["ema"], labels, seed)
        at_times = patients.loss_at_times(both["ema"], SOME, 0)
    row = {"patient": name, "seed": seed, "cpu_seconds_of_training": round(seconds)}
    row |= {key: round(value, 4) for key, value in patients.judged(pixels, labels, REFERENCE).items()}
    if name == "healthy":
        raw = patients.judged(patients.draw(both["model"], labels, seed), labels, REFERENCE)
        row |= {f"raw_{key}": round(value, 4) for key, value in raw.items()}
    return {**row, "loss": [rounded(loss) for loss in losses], "loss_at_times": [rounded(loss) for loss in at_times]}


def rounded(loss: float) -> float:
    """Four digits."""
    return float(f"{loss:.4g}")


def main() -> None:
    """Fill the table, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=patients.STEPS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/clinic.json"))
    parser.add_argument("--networks", type=Path, default=Path("runs/clinic"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    asked.networks.mkdir(parents=True, exist_ok=True)
    settings = {
        "command": "tests/bench/clinic.py",
        "machine": runs.machine(torch.device("cpu")),
        "steps": asked.steps,
        "n": asked.n,
        "times": list(patients.TIMES),
        "steps_to_a_point": patients.BIN,
    }
    rows = kept_rows(asked.out, settings)
    done = {(row["patient"], row["seed"]) for row in rows}
    for name, seed in product(ORDER, asked.seeds):
        if (name, seed) not in done:
            row = (real, examined)[name != "real digits"](name, seed, asked)
            rows.append(row)
            write_json(asked.out, {**settings, "rows": rows})
            print({key: value for key, value in row.items() if "loss" not in key}, flush=True)
    kept, shown = {}, patients.SHOWN if patients.SHOWN in asked.seeds else asked.seeds[0]
    for name in ["healthy", *(name for name, fault in FAULTS.items() if fault.trains)]:
        network = networks(name, shown, asked.steps, asked.networks)[0]["ema"]
        kept |= {f"{name}.{key}": value.half() for key, value in network.state_dict().items()}
    write_tensors(asked.out.with_suffix(".safetensors"), kept, {"seed": shown, **settings})


def real(name: str, seed: int, asked: argparse.Namespace) -> dict:
    """A row for comparison: as many real digits that were held out."""
    torch.manual_seed(seed)
    chosen = torch.randperm(len(HELD_OUT))[: asked.n]
    found = patients.judged(HELD_OUT.images[chosen], HELD_OUT.labels[chosen], REFERENCE)
    return {"patient": name, "seed": seed} | {key: round(value, 4) for key, value in found.items()}


if __name__ == "__main__":
    main()
