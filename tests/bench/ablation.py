"""ADM's choices of architecture, each against the same base, on 4,000 digits: the table of notebook 12.

    python tests/bench/ablation.py               # two hours on a CPU core
    python tests/bench/ablation.py --steps 50 --seeds 0

Equal training images for every row: `--steps` steps of 32. Digits are drawn with labels, without guidance. Rows
that are already in the file are kept, so that an interrupted call goes on. Results go to runs/bench/ablation.json; the
shipped record, data/bench/ablation.json, stays as it is.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from made import command

from mini_ddpm import runs
from mini_ddpm.course.architecture import flop_counter
from mini_ddpm.data import load, to_model
from mini_ddpm.files import write_json
from mini_ddpm.losses import Times
from mini_ddpm.measure import loss_per_t
from mini_ddpm.runs import Trained
from mini_ddpm.runs.presets import RunConfig, SampleConfig, preset
from mini_ddpm.training import train

BASE = replace(preset("mnist-laptop").unet, attention=(7,))
CHOICES = {
    "base": {},
    "4 heads": {"heads": 4},
    "attention at 14 and 7": {"attention": (14, 7)},
    "BigGAN resampling": {"block_resample": True},
    "rescaled residuals": {"rescale": True},
    "AdaGN": {"adaptive_norm": True},
    "all but rescaling": {"heads": 4, "attention": (14, 7), "block_resample": True, "adaptive_norm": True},
}


def main() -> None:
    """Fill the table, seed after seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/ablation.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)

    device = runs.pick_device(None)
    settings = {"steps": asked.steps, "n": asked.n, "machine": runs.machine(device)}
    settings["command"] = command()
    rows = kept_rows(asked.out, settings)
    done = {(row["choice"], row["seed"]) for row in rows}
    for seed in asked.seeds:
        for choice, changes in CHOICES.items():
            if (choice, seed) in done:
                continue
            rows.append({"choice": choice, "seed": seed, **measure(changes, seed, asked.steps, asked.n, device)})
            write_json(asked.out, {**settings, "rows": rows})
            print(rows[-1], flush=True)


def kept_rows(path: Path, settings: dict) -> list[dict]:
    """The rows that are in the file already; ends the program if they were made with other settings.

    On another machine, or by another command, a call goes on all the same, and `settings` then names both.
    """
    if not path.exists():
        return []
    stored = json.loads(path.read_text())
    rows, both = stored.pop("rows"), {name for name in ("machine", "command") if name in settings}
    if {**stored, **dict.fromkeys(both)} != {**settings, **dict.fromkeys(both)}:
        raise SystemExit(f"{path} was made with {stored}, not {settings}: choose another --out, or remove it")
    for name in both:
        before = stored.get(name, "")
        if before and settings[name] not in before.split("; "):
            settings[name] = f"{before}; {settings[name]}"
        elif before:
            settings[name] = before
    return rows


def trained_with(config: RunConfig, device: torch.device, times: Times | None = None) -> Trained:
    """A network trained from scratch, with its averaged weights; `times` in the place of those that config names."""
    torch.manual_seed(config.training.seed)
    state, process = config.new_state(device), config.diffusion.to(device)
    state.times = times or state.times
    for _ in train(process, state, load(config.data, "train").to(device), config.loss_fn, config.training):
        pass
    return Trained(config, process, state.ema)


def measure(changes: dict, seed: int, steps: int, n: int, device: torch.device) -> dict:
    """Train one network and judge what it draws."""
    laptop = replace(preset("mnist-laptop"), loss="simple", times="uniform")
    training = replace(laptop.training, steps=steps, seed=seed)
    sampling = SampleConfig("ancestral", steps=25)
    config = replace(laptop, unet=replace(BASE, **changes), training=training, sampling=sampling)
    trained = trained_with(config, device)
    with flop_counter() as counter:
        trained.model(torch.zeros(1, 1, 28, 28, device=device), torch.ones(1, dtype=torch.long, device=device))
    torch.manual_seed(0)
    held_out = load(config.data, "test")
    x_0 = to_model(held_out.images).to(device)
    losses = loss_per_t(
        config.loss_fn,
        trained.diffusion,
        lambda x, t: trained.model(x, t, held_out.labels.to(device)),
        x_0,
        range(50, 1000, 100),
    )
    figures = runs.evaluate(trained, n, seed)
    return {
        **{name: figures[name] for name in ("fd_judge", "accuracy")},
        "loss": float(losses.mean()),
        "parameters": sum(p.numel() for p in trained.model.parameters()),
        "gflop": counter.get_total_flops() / 1e9,
    }


if __name__ == "__main__":
    main()
