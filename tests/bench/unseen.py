"""What notebooks 10 and 11 measure on shipped digits, on MNIST's test digits: no network of this package has seen them.

    python tests/bench/unseen.py     # minutes on one CPU core; needs MNIST's test images

For notebook 11, how far xz packs them: a thousand evenly spread, three shuffled thousands, and all. For notebook 10,
terms of the bound of `mnist-improved` under several variances, with constants chosen on its training digits as there:
three seeds of the noise. Results go to runs/bench/unseen.json.
"""

import argparse
import lzma
from pathlib import Path

import torch
from made import command

from mini_ddpm import data, runs
from mini_ddpm.course import shares
from mini_ddpm.files import digest, write_json

TIMES = [2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 3000]  # as on the page


def packed(images: torch.Tensor) -> float:
    """Bits for each pixel by xz."""
    return 8 * len(lzma.compress(images.numpy().tobytes(), preset=9)) / images.numel()


@torch.no_grad()
def variances(held_out: data.ImageSet, which: torch.Tensor, n: int, times: list[int]) -> dict:
    """The constants by the guess, and the sum over t of each choice's terms, in bits/dim, one number a seed."""
    shipped, known = runs.open_run("mnist-improved", "cpu"), data.load("mnist-5k", "train")
    by_guess = shares.chosen(shipped, data.to_model(known.images[:n]), known.labels[:n], times)
    x_0, y = data.to_model(held_out.images[which[:n]]), held_out.labels[which[:n]]
    terms = shares.compared_terms(shipped, x_0, y, times, seeds=range(3), by_guess=by_guess)
    sums = {name: [round(float(one), 4) for one in shares.summed(times, each)] for name, each in terms.items()}
    return {"weights": digest(shipped.model.state_dict()), "n": n, "constants": by_guess.constants, "sums": sums}


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100, help="digits whose terms are computed")
    parser.add_argument("--times", type=int, nargs="+", default=TIMES)
    parser.add_argument("--digits", choices=("mnist", "mnist-5k"), default="mnist")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/unseen.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)

    held_out = data.load(asked.digits, "test")
    which = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(0))
    sets = {"evenly": held_out.images[:: len(held_out) // 1000]}
    sets |= {f"shuffled {k}": held_out.images[part] for k, part in enumerate(which.split(1000)[:3])}
    found = {
        "digits": f"{asked.digits}, test",
        "xz": {name: round(packed(images), 4) for name, images in (sets | {"all": held_out.images}).items()},
        "variances": variances(held_out, which, asked.n, asked.times),
        "command": command(),
        "machine": runs.machine(torch.device("cpu")).replace("bfloat16", "float32"),  # as here
    }
    write_json(asked.out, found)
    print(found)


if __name__ == "__main__":
    main()
