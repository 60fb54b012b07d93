"""L against L_simple, the finding of DDPM's Tables 1 and 2, on 4,000 digits: two tables of notebook 14.

    python tests/bench/objective.py               # half an hour on a CPU core
    python tests/bench/objective.py --steps 12000 --seeds 0 --out runs/bench/objective-long.json
    python tests/bench/objective.py --choices "L, t by weight, no clip" --bits 0 --seeds 0 --out CLIP
    python tests/bench/objective.py --choices L "L, t by weight" --until 300 --n 0 --bits 0 --out NORMS
    python tests/bench/objective.py --steps 50 --n 20 --bits 2 --seeds 0 --out runs/bench/objective-try.json

The paper's process (linear, T = 1000, fixed-large) and the laptop's network, which predicts the noise: only what is
minimised differs. L draws t evenly. "L, t by weight" is L again, except for its decoder term: L_t is a squared error
of the noise times a weight, and here t is drawn in proportion to that weight, instead of multiplying by it.
Equal training images for every row: `--steps` steps of 32. Digits are drawn with labels, without guidance.

The bound of test digits clamps the guessed x_0, as sampling does. L is trained without the clamp, so L_0 is given
without it, too. Rows that are already in the file are kept, so that an interrupted call goes on. Beside the results
go the first seed's digits. By default that is in runs/bench; the shipped records stay as they are.

The controls: "L, t by weight" without the clip of the gradient's norm; "L" with the squared error at t = 1, too, which
leaves one difference to "L, t by weight", how t is drawn (no record yet). A row has the norms of its gradients, before
the clip, from step 51 on: the median, the largest, and the share that was above 1. CLIP and NORMS are
runs/bench/objective-clip.json and runs/bench/objective-norms.json.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from ablation import kept_rows

from mini_ddpm import runs
from mini_ddpm.data import load, to_model
from mini_ddpm.diffusion import Diffusion, step_beta
from mini_ddpm.files import write_json, write_whole
from mini_ddpm.losses import UniformTimes, vlb_loss
from mini_ddpm.runs import Trained
from mini_ddpm.runs.pictures import image_grid
from mini_ddpm.runs.presets import RunConfig, SampleConfig, preset
from mini_ddpm.training import train

COLUMNS = 20
SAMPLING = SampleConfig("ancestral", steps=100)
WARMING = 50  # steps whose gradients are left out of the norms


class WeightedTimes(UniformTimes):
    """t in proportion to the weight that L gives to an error of the noise (DDPM, Eq. 12, with sigma^2 = beta)."""

    def __init__(self, diffusion: Diffusion) -> None:
        super().__init__()
        alpha_bar = diffusion.schedule.alpha_bar
        beta = step_beta(alpha_bar[1:], alpha_bar[:-1])
        self.weights = beta / (2 * (1 - beta) * (1 - alpha_bar[1:]))

    def draw(self, T: int, n: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """n times (n,) and weights (n,), all 1: how often a time comes is its weight."""
        index = torch.multinomial(self.weights, n, replacement=True)
        return (index + 1).to(device), torch.ones(n, device=device)


class WeighedTimes(WeightedTimes):
    """t drawn evenly, and the error of the noise times the weight, in bits: L again, but for its term at t = 1."""

    def draw(self, T: int, n: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """n times (n,) and weights (n,)."""
        t = torch.randint(1, T + 1, (n,))
        return t.to(device), (self.weights[t - 1] / math.log(2)).float().to(device)


class Choice(NamedTuple):
    """What is minimised: the loss, how t is drawn, the bound on the gradient's norm."""

    loss: str = "simple"
    times: Callable[[Diffusion], UniformTimes] | None = None
    clip_norm: float = 1.0


CHOICES = {
    "L": Choice("vlb"),
    "L, t by weight": Choice(times=WeightedTimes),
    "L_simple": Choice(),
    "L, t by weight, no clip": Choice(times=WeightedTimes, clip_norm=1e9),
    "L, squared error at t = 1": Choice(times=WeighedTimes),
}


def main() -> None:
    """Fill the table, seed after seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--until", type=int, help="stop before the last step, for the norms")
    parser.add_argument("--choices", nargs="+", choices=CHOICES, default=[*CHOICES][:3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--n", type=int, default=500, help="digits to draw")
    parser.add_argument("--bits", type=int, default=50, help="test images to code, in a thousand steps each")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/objective.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)

    device, laptop = runs.pick_device(None), preset("mnist-laptop")
    settings = {
        "steps": asked.steps,
        **({"until": asked.until} if asked.until else {}),
        "n": asked.n,
        "bits": asked.bits,
        "machine": runs.machine(device),
    }
    rows = kept_rows(asked.out, settings)
    done = {(row["loss"], row["seed"]) for row in rows}
    for seed in asked.seeds:
        for name in asked.choices:
            if (name, seed) in done:
                continue
            choice = CHOICES[name]
            training = replace(laptop.training, steps=asked.steps, seed=seed, clip_norm=choice.clip_norm)
            config = RunConfig(laptop.data, laptop.unet, training, SAMPLING, loss=choice.loss)
            trained, figures = trained_by(choice, config, device, asked.until)
            if asked.n:
                drawn = runs.evaluate(trained, asked.n, seed)
                figures |= {key: drawn[key] for key in ("fd_judge", "accuracy")}
            if asked.bits:
                coded = runs.bits_per_dim(trained, asked.bits, seed)
                figures |= {key: coded[key] for key in ("bits_per_dim", "standard_error", "L_0")}
                figures["L_0, not clamped"] = free_decoder(trained, asked.bits, seed)
            if asked.n and seed == asked.seeds[0]:
                digits = runs.draw_many(trained, runs.default_labels(trained, COLUMNS), COLUMNS, seed)
                sheet = image_grid(digits, COLUMNS, zoom=1)
                picture = f"{asked.out.stem}-{[*CHOICES].index(name)}.png"
                write_whole(asked.out.with_name(picture), lambda file, sheet=sheet: sheet.save(file, "PNG"))
            rows.append({"loss": name, "seed": seed, **figures})
            write_json(asked.out, {**settings, "rows": rows})
            print(rows[-1], flush=True)


def trained_by(
    choice: Choice, config: RunConfig, device: torch.device, until: int | None = None
) -> tuple[Trained, dict[str, float]]:
    """A network trained from scratch, with its averaged weights, and what the norms of its gradients were."""
    torch.manual_seed(config.training.seed)
    state, process = config.new_state(device), config.diffusion.to(device)
    state.times = choice.times(process) if choice.times else state.times
    data = load(config.data, "train").to(device)
    steps = islice(train(process, state, data, config.loss_fn, config.training), until)
    norms = torch.stack([step.grad_norm.cpu() for step in steps])[WARMING:]
    found = {"norm": norms.median(), "norm, largest": norms.max(), "norm above 1": (norms > 1).float().mean()}
    return Trained(config, process, state.ema), {key: round(float(value), 4) for key, value in found.items()}


@torch.no_grad()
def free_decoder(trained: Trained, n: int, seed: int) -> float:
    """L_0 of the test images that `runs.bits_per_dim` codes, in bits/dim, with no clamp: L's own term at t = 1."""
    test = load(trained.config.data, "test").to(trained.device)
    chosen = torch.arange(n, device=trained.device) * len(test) // n
    x_0, y = to_model(test.images[chosen]), test.labels[chosen]
    torch.manual_seed(seed)
    model = partial(trained.model, y=y)
    return float(vlb_loss(trained.diffusion, model, x_0, torch.ones_like(y), torch.randn_like(x_0)).mean())


if __name__ == "__main__":
    main()
