"""What the first reverse steps are worth: one network, two schedules of its steps, and walks that begin later.

    python tests/bench/skipped.py                          # half an hour on a CPU core; needs MNIST's test images
    python tests/bench/skipped.py --n 50 --steps 10 --seeds 0

Both schedules walk with the shipped `mnist-improved`, so that they differ in nothing but where their steps stand: a
step of the linear schedule is taken at the network's time of the nearest log-SNR. A walk that skips a share of its
steps begins with pure noise at the first time that is left. Rows that are already in the file are kept, so that an
interrupted call goes on. Results go to runs/bench/skipped.json.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from ablation import kept_rows
from made import command
from torch import Tensor
from variances import BATCH, in_half_precision, judged, real_sets

from mini_ddpm import measure, runs
from mini_ddpm.diffusion import fixed_small
from mini_ddpm.files import digest, write_json
from mini_ddpm.runs import Trained
from mini_ddpm.sampling import ancestral_step, sample
from mini_ddpm.schedules import NoiseSchedule, cosine_betas, linear_betas

SCHEDULES = {"linear": linear_betas, "cosine": cosine_betas}


def times_of(name: str, schedule: NoiseSchedule, steps: int) -> list[int]:
    """The times of `schedule` whose log-SNR is nearest to that of evenly spaced times of another one: steps + 1."""
    T = schedule.T
    other, own = (table.snr[1:].log() for table in (NoiseSchedule.from_betas(SCHEDULES[name](T)), schedule))
    asked = other[[round(T * k / steps) - 1 for k in range(steps, 0, -1)]]
    return [*((own[:, None] - asked).abs().argmin(dim=0) + 1).tolist(), 0]


def drawn(trained: Trained, times: list[int], labels: Tensor, seed: int) -> Tensor:
    """Digits (n, 1, 28, 28) with these labels (n,), from pure noise at times[0]."""
    diffusion, images = replace(trained.diffusion, variance=fixed_small), []
    for k, y in enumerate(labels.split(BATCH)):
        torch.manual_seed(1000 * seed + k)
        model = in_half_precision(trained, y)
        *_, last = sample(ancestral_step, diffusion, model, torch.randn(len(y), 1, 28, 28), times)
        images.append(last.x_t)
    return torch.cat(images)


def main() -> None:
    """Fill the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--steps", type=int, default=16, help="of a whole walk")
    parser.add_argument("--skip", type=int, nargs="+", default=[0, 1, 2, 4, 6, 8], help="how many of them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--real", type=int, default=3, help="sets of real test digits")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/skipped.json"))
    asked = parser.parse_args()

    trained, reference = runs.open_run("mnist-improved", torch.device("cpu")), measure.load_reference()
    settings = {
        "run": "mnist-improved",
        "weights": digest(trained.model.state_dict()),
        "steps": asked.steps,
        "n": asked.n,
        "machine": runs.machine(trained.device),
        "command": command(),
    }
    rows, labels = kept_rows(asked.out, settings), torch.arange(asked.n) % 10
    done = {(row["schedule"], row["skipped"], row["seed"]) for row in rows}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    if not any(row["schedule"] == "real digits" for row in rows):
        for k, images, shown in real_sets(asked.n, asked.real):
            found = judged(images, shown, reference)
            rows.append({"schedule": "real digits", "skipped": 0, "seed": k, **found})
        write_json(asked.out, {**settings, "rows": rows})
    for seed in asked.seeds:
        for skipped in asked.skip:
            for name in SCHEDULES:
                if (name, skipped, seed) in done:
                    continue
                times = times_of(name, trained.diffusion.schedule, asked.steps)[skipped:]
                log_snr = float(trained.diffusion.schedule.snr[times[0]].log())
                found = judged(drawn(trained, times, labels, seed), labels, reference)
                row = {"schedule": name, "skipped": skipped, "log_snr": round(log_snr, 3), "seed": seed}
                rows.append({**row, **found})
                write_json(asked.out, {**settings, "rows": rows})
                print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
