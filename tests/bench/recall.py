"""Does a low recall show little variety? Test images, noisy or blurred and not one fewer, against other test images.

    python tests/bench/recall.py            # four minutes on a CPU core; downloads CIFAR-10 if it is not there
    python tests/bench/recall.py --extractor efficientnet-lite0 --n 300 --images "as they are" "noise of 10" "blur of 1"

Three groups of 500 test images, each against 500 others; beside them 500 samples of the shipped `cifar10`, seed 0,
against the same three sets. Why does recall fall? Each cloud of features is measured beside that of its group as it is:
its spread (the trace of the covariance, as a share), and how far its mean has moved (in roots of that trace). Then its
mean is put back, and recall taken again; and put back and stretched to the same spread. A group's number is the seed of
its noise. Rows that are already in the file are kept. Results go to runs/bench/recall.json.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from ablation import kept_rows
from made import command
from torch import Tensor

from mini_ddpm import runs
from mini_ddpm.data import load, to_pixels
from mini_ddpm.files import digest, write_json
from mini_ddpm.measure import extractors, precision_recall

GROUPS = 3
NETWORK = "the shipped network"


def noisy(level: float) -> Callable[[Tensor], Tensor]:
    """Gaussian noise of so many grey levels on uint8 images."""
    return lambda images: (images + level * torch.randn(images.shape)).round().clamp(0, 255).byte()


def blurred(width: float) -> Callable[[Tensor], Tensor]:
    """A Gaussian of that standard deviation, in pixels; at the rim the last pixel goes on."""
    reach = torch.arange(-3, 4)
    bell = torch.exp(-(reach.double() ** 2) / (2 * width**2)).float()
    bell = bell / bell.sum()

    def blur(images: Tensor) -> Tensor:
        x = images.float().flatten(0, 1)[:, None]  # (n * 3, 1, H, W)
        x = torch.nn.functional.pad(x, (3, 3, 3, 3), mode="replicate")
        x = torch.conv2d(torch.conv2d(x, bell.reshape(1, 1, 7, 1)), bell.reshape(1, 1, 1, 7))
        return x.reshape(images.shape).round().clamp(0, 255).byte()

    return blur


WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "as they are": lambda images: images,
    "noise of 5": noisy(5),
    "noise of 10": noisy(10),
    "blur of 0.5": blurred(0.5),
    "blur of 1": blurred(1.0),
}


def figures(features: Tensor, plain: Tensor, real: Tensor) -> dict[str, float]:
    """Of a cloud of features (n, d): precision and recall among `real`, and what moves and shrinks beside `plain`."""
    precision, recall = precision_recall(features, real)
    mean, around = plain.mean(0), features - features.mean(0)
    spread = (features.var(0).sum() / plain.var(0).sum()).item()
    found = {
        "precision": precision,
        "recall": recall,
        "spread": spread,
        "moved": ((features.mean(0) - mean).norm() / plain.var(0).sum().sqrt()).item(),
        "recall, put back": precision_recall(around + mean, real)[1],
        "recall, put back and stretched": precision_recall(around / spread**0.5 + mean, real)[1],
    }
    return {what: round(value, 4) for what, value in found.items()}


def main() -> None:
    """Measure, and write after each group."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extractor", choices=("cifar10-judge", "efficientnet-lite0"), default="cifar10-judge")
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--images", nargs="+", choices=(*WAYS, NETWORK), default=[*WAYS, NETWORK])
    parser.add_argument("--out", type=Path, default=Path("runs/bench/recall.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    trained, cpu = runs.open_run("cifar10", torch.device("cpu")), torch.device("cpu")
    how = {"machine": runs.machine(cpu), "command": command()}
    settings = {"weights": digest(trained.model.state_dict()), **how}
    rows = kept_rows(asked.out, settings)
    done = {(row["extractor"], row["n"], row["images"], row["group"]) for row in rows}
    extractor, test, n = extractors.get(asked.extractor, cpu), load("cifar10", "test").images, asked.n
    drawn = torch.empty(0)
    if NETWORK in asked.images:
        drawn = extractor.of(to_pixels(runs.draw_many(trained, runs.default_labels(trained, n), n, 0)))
    for group in range(GROUPS):
        torch.manual_seed(group)
        images = test[2 * n * group :][:n]
        plain, real = extractor.of(images), extractor.of(test[2 * n * group + n :][:n])
        for way in asked.images:
            known = {"as they are": plain, NETWORK: drawn}
            features = known[way] if way in known else extractor.of(WAYS[way](images))
            if (asked.extractor, n, way, group) not in done:
                row = {"extractor": asked.extractor, "n": n, "images": way, "group": group}
                rows.append({**row, **figures(features, plain, real)})
                print(rows[-1], flush=True)
        write_json(asked.out, {**settings, "rows": rows})


if __name__ == "__main__":
    main()
