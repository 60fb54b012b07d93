"""Train a CIFAR-10 preset, and keep what notebook 13 shows of it: loss, rate, and samples as training went on.

    python tests/bench/record.py cifar10-laptop                        # an hour or two on two CPU cores
    python tests/bench/record.py cifar10-25min --minutes 25 --compile  # on an H100-class GPU

The run goes to runs/PRESET, and an interrupted call goes on from there. To runs/bench, or where --out says, go the
averaged weights, cifar10.safetensors (in shards if they are large), the record, cifar10.json, and the samples,
cifar10-samples.png: a row each time, from the same noise. The shipped ones stay as they are.
"""

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from mini_ddpm import runs
from mini_ddpm.files import write_json, write_whole
from mini_ddpm.runs.pictures import image_grid
from mini_ddpm.runs.presets import preset

MOMENTS = (0.01, 0.03, 0.1, 0.3, 1.0)  # of the run, at which a row of samples is drawn
COLUMNS = 20


def row_of_samples(run: runs.Run) -> Image.Image:
    """Twenty images, the classes in turn if the network knows them, drawn with the averaged weights as they are now."""
    with torch.random.fork_rng(
        [run.state.device] if run.state.device.type == "cuda" else []
    ):  # training goes on as if nothing had been drawn
        trained = runs.open_run(str(run.folder), run.state.device)
        images = runs.draw_many(trained, runs.default_labels(trained, COLUMNS), COLUMNS, seed=0)
    return image_grid(images, COLUMNS, zoom=1)


def stacked(rows: list[Image.Image]) -> Image.Image:
    """Pictures of one size below one another."""
    sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)))
    for k, row in enumerate(rows):
        sheet.paste(row, (0, k * row.height))
    return sheet


def main() -> None:
    """Train in stretches, a row of samples after each; then keep the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="a folder")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)

    device, folder, config = runs.pick_device(asked.device), Path("runs") / asked.preset, preset(asked.preset)
    config = replace(config, training=replace(config.training, steps=asked.steps or config.training.steps))
    if (folder / runs.CHECKPOINT).exists():
        run = runs.resume(folder, device, asked.steps, asked.compile)
    else:
        run = runs.start(config, folder, device, asked.minutes, asked.compile)
    total, steps = run.config.training.steps, []
    for share in MOMENTS:
        steps.append(math.ceil(share * total))
        picture = folder / f"row-{len(steps)}.png"
        if picture.exists():
            continue
        if not runs.fit(run, steps[-1]):
            return
        row = row_of_samples(run)
        write_whole(picture, lambda file, row=row: row.save(file, "PNG"))

    rows = runs.read_metrics(folder)
    pictures = [Image.open(folder / f"row-{k}.png") for k in range(1, len(steps) + 1)]
    sheet = stacked(pictures)
    write_whole(asked.out / "cifar10-samples.png", lambda file: sheet.save(file, "PNG"))
    weights = runs.export(str(folder), asked.out / "cifar10.safetensors")
    record = {
        "command": " ".join(["python tests/bench/record.py", *sys.argv[1:]]),
        "preset": asked.preset,
        "steps": total,
        "batch_size": run.config.training.batch_size,
        "parameters": sum(p.numel() for p in run.state.model.parameters()),
        "seconds": rows[-1]["seconds"],
        "compiled": run.compiled,
        "machine": runs.machine(device),
        "seed": run.config.training.seed,
        "weights": [path.name for path in weights],
        "rows_of_samples": steps,
        "metrics": [{k: round(v, 5) for k, v in row.items()} for row in rows[:: max(1, len(rows) // 300)]],
    }
    write_json(asked.out / "cifar10.json", record)
    print(json.dumps({k: v for k, v in record.items() if k != "metrics"}, indent=1))


if __name__ == "__main__":
    main()
