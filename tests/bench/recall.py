"""Does a low recall show little variety? Test images that are changed, or fewer, against other test images.

    python tests/bench/recall.py            # four minutes on a CPU core; downloads CIFAR-10 if it is not there
    python tests/bench/recall.py --extractor efficientnet-lite0 --n 300 --without-network

Three groups of 500 test images, each against 500 others: as they are; noisy or blurred, and not one fewer; and some
taken away. Beside them 500 samples of the shipped `cifar10`, seed 0, against the same three sets. Each cloud of
features is measured beside that of its group as it is: its spread (the trace of the covariance, as a share), and how
far its mean has moved (in roots of that trace). What does that alone cost? The cloud of the untouched images is moved
as far, shrunk as far, and both, and its recall taken. A group's number is the seed of its noise, and says which classes
are left. Rows that are already in the file are kept. Results go to runs/bench/recall.json.
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
NETWORK, FIVE = "the shipped network", "five classes of ten"


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


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {  # of images
    "noise of 5": noisy(5),
    "noise of 10": noisy(10),
    "blur of 0.5": blurred(0.5),
    "blur of 1": blurred(1.0),
}
FEWER: dict[str, Callable[[Tensor], Tensor]] = {  # of their features
    "half of them": lambda plain: plain[::2],
    "half of them, twice": lambda plain: plain[::2].repeat(2, 1),
    "a tenth of them, ten times": lambda plain: plain[::10].repeat(10, 1),
}


def figures(features: Tensor, plain: Tensor, real: Tensor) -> dict[str, float]:
    """Of a cloud of features (n, d): precision and recall among `real`, how far it moved and shrank beside `plain`.

    And the recall of `plain`, moved as far, shrunk as far, and both.
    """
    precision, recall = precision_recall(features, real)
    mean, move = plain.mean(0), features.mean(0) - plain.mean(0)
    spread = (features.var(0).sum() / plain.var(0).sum()).item()
    shrunk = (plain - mean) * spread**0.5 + mean
    found = {
        "precision": precision,
        "recall": recall,
        "spread": spread,
        "moved": (move.norm() / plain.var(0).sum().sqrt()).item(),
        "recall, untouched but moved": precision_recall(plain + move, real)[1],
        "recall, untouched but shrunk": precision_recall(shrunk, real)[1],
        "recall, untouched but both": precision_recall(shrunk + move, real)[1],
    }
    return {what: round(value, 4) for what, value in found.items()}


def main() -> None:
    """Measure, and write after each group."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extractor", choices=("cifar10-judge", "efficientnet-lite0"), default="cifar10-judge")
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--changes", nargs="+", choices=CHANGES, default=[*CHANGES])
    parser.add_argument("--without-network", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/recall.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    trained, cpu = runs.open_run("cifar10", torch.device("cpu")), torch.device("cpu")
    how = {"machine": runs.machine(cpu), "command": command()}
    settings = {"weights": digest(trained.model.state_dict()), **how}
    rows = kept_rows(asked.out, settings)
    done = {(row["extractor"], row["n"], row["images"], row["group"]) for row in rows}
    extractor, test, n = extractors.get(asked.extractor, cpu), load("cifar10", "test"), asked.n
    drawn = {}
    if not asked.without_network:
        images = to_pixels(runs.draw_many(trained, runs.default_labels(trained, n), n, 0))
        drawn[NETWORK] = extractor.of(images)
    rest = 2 * n * GROUPS  # where no group has images
    for group in range(GROUPS):
        torch.manual_seed(group)
        images = test.images[2 * n * group :][:n]
        plain, real = extractor.of(images), extractor.of(test.images[2 * n * group + n :][:n])
        clouds = {"as they are": plain, **{what: extractor.of(CHANGES[what](images)) for what in asked.changes}}
        clouds |= {what: fewer(plain) for what, fewer in FEWER.items()}
        left = (test.labels[rest:] - 3 * group) % 10 < 5
        clouds |= {FIVE: extractor.of(test.images[rest:][left][:n]), **drawn}
        for what, features in clouds.items():
            if (asked.extractor, n, what, group) not in done:
                row = {"extractor": asked.extractor, "n": n, "images": what, "group": group}
                rows.append({**row, **figures(features, plain, real)})
                print(rows[-1], flush=True)
        write_json(asked.out, {**settings, "rows": rows})


if __name__ == "__main__":
    main()
