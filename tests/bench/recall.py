"""Does a low recall show little variety? Test images, noisy or blurred and not one fewer, against other test images.

    python tests/bench/recall.py            # five minutes on a CPU core; downloads CIFAR-10 if it is not there

Three groups of 500 test images, each against 500 others, as two extractors see them; beside them 500 samples of the
shipped `cifar10`, seed 0, against the same three sets. Why does recall fall? Each cloud of features is measured beside
that of its group as it is: its spread (the trace of the covariance, as a share), and how far its mean has moved (in
roots of that trace). Then its mean is put back, and recall taken again; and put back and stretched to the same spread.
The group's number is the seed of its noise. Results go to runs/bench/recall.json.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from made import command
from torch import Tensor

from mini_ddpm import runs
from mini_ddpm.data import load, to_pixels
from mini_ddpm.files import digest, write_json
from mini_ddpm.measure import extractors, precision_recall

N, GROUPS = 500, 3
EXTRACTORS = ("cifar10-judge", "efficientnet-lite0")


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
    """Measure, and write after each extractor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/recall.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    trained, cpu = runs.open_run("cifar10", torch.device("cpu")), torch.device("cpu")
    drawn = to_pixels(runs.draw_many(trained, runs.default_labels(trained, N), N, 0))
    test, rows = load("cifar10", "test").images, []
    for name in EXTRACTORS:
        extractor = extractors.get(name, cpu)
        network = extractor.of(drawn)
        for group in range(GROUPS):
            torch.manual_seed(group)
            first = 2 * N * group
            real = extractor.of(test[first + N : first + 2 * N])
            found = {way: extractor.of(change(test[first : first + N])) for way, change in WAYS.items()}
            for way, features in {**found, "the shipped network": network}.items():
                row = figures(features, found["as they are"], real)
                rows.append({"extractor": name, "images": way, "group": group, **row})
                print(rows[-1], flush=True)
        how = {"command": command(), "machine": runs.machine(cpu)}
        write_json(asked.out, {"n": N, "weights": digest(trained.model.state_dict()), **how, "rows": rows})


if __name__ == "__main__":
    main()
