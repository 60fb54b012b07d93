"""How well the shipped classifier of noisy digits reads MNIST's test images, at eleven noise levels: its card's table.

    python tests/bench/classifier.py        # two minutes on a CPU core; needs full MNIST (mini-ddpm fetch mnist)

In float32 on any machine, with the weights as they are shipped. Results go to runs/bench/mnist-classifier.json.
"""

import argparse
from pathlib import Path

import torch
from made import command

from mini_ddpm import data, runs
from mini_ddpm.classifier import accuracy_per_t
from mini_ddpm.files import shipped, write_json
from mini_ddpm.limits import FLOAT32_ONLY
from mini_ddpm.runs.classifiers import load_classifier
from mini_ddpm.runs.presets import preset


def main() -> None:
    """Read all test images once at each level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/mnist-classifier.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)

    FLOAT32_ONLY.set(True)
    device, config, test = runs.pick_device(None), preset("mnist"), data.load("mnist", "test")
    classifier = load_classifier(shipped("weights/mnist-classifier.safetensors"), config, device)
    schedule = config.diffusion.schedule.to(device)
    torch.manual_seed(asked.seed)
    times = [schedule.T * k // 10 for k in range(11)]
    found = accuracy_per_t(classifier, schedule, test.to(device), times)
    rows = [{"t": t, "accuracy": accuracy} for t, accuracy in zip(times, found, strict=True)]
    write_json(
        asked.out,
        {"n": len(test), "seed": asked.seed, "machine": runs.machine(device), "command": command(), "rows": rows},
    )
    print(*rows, f"wrote {asked.out}", sep="\n")


if __name__ == "__main__":
    main()
