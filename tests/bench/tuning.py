"""What tuning gains the peers that have the choices of `mnist-laptop`: their own best learning rate, average and walk.

    .bench-venv/bin/python tests/bench/tuning.py diffusers          # about an hour on a core each
    .bench-venv/bin/python tests/bench/tuning.py smalldiffusion --out runs/bench/tuning-smalldiffusion.json

On one seed the learning rate is chosen first, then the average's decay, each with all the walks, by the FD-judge of
`--n` images; what is best is then trained and judged with `--seeds`, as in quality.py. A network takes as many steps
as five quiet minutes gave it on two cores (data/bench/quality.json), so that a busy machine changes nothing.
Rows in the file are kept, so that an interrupted call goes on. Results go to runs/bench/tuning.json.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import choices
import torch
from ablation import kept_rows
from made import command
from quality import DEVICE, PART, Jury
from torch import Tensor
from tqdm import tqdm

from mini_ddpm import runs
from mini_ddpm.data import load
from mini_ddpm.files import write_json
from mini_ddpm.training import TrainConfig

Draw = Callable[[int], Tensor]
RATES = [0.002, 0.001, 0.004]  # the first is the preset's
DECAYS = [0.998, 0.996, 0.999]
SCALES = [1.75, 1.5, 2.25]
PEERS = {  # how it is made, its steps, and how it can walk: names of the draw's arguments, and values to try
    "diffusers": (choices.with_diffusers, 7400, {"eta": [0.5, 0.0, 1.0]}),
    "smalldiffusion": (choices.with_smalldiffusion, 3400, {"gam": [1.0, 1.6], "mu": [0.0, 0.5]}),
}


def ways(peer: str, draw: Callable[..., Tensor]) -> dict[str, Draw]:
    """Every walk to try, by a name that says what it is."""
    found = {}
    names, values = zip(*PEERS[peer][2].items(), strict=True)
    for scale, *chosen in product(SCALES, *values):
        given = dict(zip(names, chosen, strict=True))
        own = {"eta": given.pop("eta")} if "eta" in given else {}
        name = ", ".join(f"{name} {value}" for name, value in {"guidance": scale, **own, **given}.items())
        found[name] = partial(draw, sampling=replace(choices.SAMPLING, guidance=scale, **own), **given)
    return found


def trained(peer: str, training: TrainConfig, seed: int, steps: int) -> dict[str, Draw]:
    """The peer's network after its steps, and all its walks."""
    make, *_ = PEERS[peer]
    torch.manual_seed(seed)
    step, draw = make(load("mnist-5k", "train"), lambda step: step / steps, DEVICE, training)
    for _ in tqdm(range(steps), desc=f"{peer}, {training.learning_rate}, {training.ema_decay}, seed {seed}"):
        step()
    return ways(peer, draw)


def drawn(draw: Draw, n: int, seed: int) -> Tensor:
    """n images of one walk, (n, 1, 28, 28)."""
    torch.manual_seed(seed)
    with torch.no_grad():
        return torch.cat([draw(PART) for _ in range(0, n, PART)]).clamp(-1, 1).cpu()


def main() -> None:
    """Choose on one seed, measure on others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--steps", type=int, help="instead of those that five minutes gave")
    parser.add_argument("--n", type=int, default=500, help="images of a walk, to choose by")
    parser.add_argument("--seed", type=int, default=10, help="to choose on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/bench/tuning.json"))
    asked = parser.parse_args()
    steps = asked.steps or PEERS[asked.peer][1]
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    settings = {"machine": runs.machine(DEVICE), "peer": asked.peer, "steps": steps, "n": asked.n, "command": command()}
    rows, jury = kept_rows(asked.out, settings), Jury()

    def tried(rate: float, decay: float, seed: int, n: int, only: str = "") -> list[dict]:
        """A row for each walk, from the file or by training."""
        about = {"learning_rate": rate, "ema_decay": decay, "seed": seed}
        known = [row for row in rows if about.items() <= row.items()]
        if not known:
            walks = trained(asked.peer, replace(choices.TRAINING, learning_rate=rate, ema_decay=decay), seed, steps)
            asked_for = {name: draw for name, draw in walks.items() if not only or name == only}
            known = [{**about, "walk": name, **jury(drawn(draw, n, seed))} for name, draw in asked_for.items()]
            rows.extend(known)
            write_json(asked.out, {**settings, "rows": rows})
        print(*known, sep="\n", flush=True)
        return known

    def nearest(found: list[dict]) -> dict:
        return min(found, key=lambda row: row["fd_judge"])

    best = nearest([row for rate in RATES for row in tried(rate, DECAYS[0], asked.seed, asked.n)])
    rate = best["learning_rate"]
    best = nearest([row for decay in DECAYS for row in tried(rate, decay, asked.seed, asked.n)])
    print("chosen:", best)
    for seed in asked.seeds:
        tried(rate, best["ema_decay"], seed, 200, best["walk"])


if __name__ == "__main__":
    main()
