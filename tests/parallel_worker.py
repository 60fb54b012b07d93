"""What each process of `test_parallel` does; torchrun starts it: `parallel_worker.py FOLDER [COMMAND OF THE PACKAGE]`.

With a command it does that, and notes its process id in FOLDER/RANK.pid.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import torch

from mini_ddpm import __main__, parallel, runs
from mini_ddpm.data import ImageSet
from mini_ddpm.losses import simple_loss
from mini_ddpm.measure import frechet_distance, kernel_distance, moments_of
from mini_ddpm.runs import drawing
from mini_ddpm.runs import folder as run_folder
from mini_ddpm.runs.presets import RunConfig, preset
from mini_ddpm.training import train

CPU = torch.device("cpu")


def config(steps: int) -> RunConfig:
    """A tiny run, its gradient not clipped."""
    tiny = preset("tiny")
    return replace(tiny, training=replace(tiny.training, steps=steps, batch_size=8, clip_norm=1e9, label_dropout=0.0))


def one_step(rows: slice) -> list[torch.Tensor]:
    """The gradient of a training step on `rows` of a fixed batch, averaged over the processes."""
    torch.manual_seed(0)
    tiny = config(1)
    training = replace(tiny.training, batch_size=len(range(8)[rows]) * parallel.size())
    state = tiny.new_state(CPU)
    for weight in state.model.parameters():  # a fresh network is silent: its last layers are zero
        weight.data.add_(0.05 * torch.randn_like(weight))
    x_0, t, eps = torch.randn(8, 1, 28, 28), torch.randint(1, 1001, (8,)), torch.randn(8, 1, 28, 28)
    blank = ImageSet(torch.zeros(1, 1, 28, 28, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))
    state.network = parallel.wrap(state.model)

    def fixed(diffusion, model, *drawn):
        return simple_loss(diffusion, model, x_0[rows], t[rows], eps[rows])

    with patch("mini_ddpm.training.has_bf16", return_value=False):  # bfloat16 would round two halves differently
        list(train(tiny.diffusion, state, blank, fixed, training))
    return [weight.grad for weight in state.model.parameters() if weight.grad is not None]


def noise(run: runs.Run) -> torch.Tensor:
    """Everything random that a run's next steps draw: the noise, (images, 784)."""
    drawn = []

    def spy(diffusion, model, x_0, t, eps):
        drawn.append(eps.flatten(1))
        return simple_loss(diffusion, model, x_0, t, eps)

    for _ in train(run.config.diffusion, run.state, run.data, spy, run.config.training):
        pass
    return torch.cat(drawn)


def main() -> None:
    """Write what this process saw to FOLDER/RANK.pt, or do a command."""
    folder, *command = sys.argv[1:]
    folder = Path(folder)
    if command:
        (folder / f"{os.environ['RANK']}.pid").write_text(str(os.getpid()))
        run_folder.SAVE_EVERY = 1  # whoever waits for a checkpoint need not wait half a minute
        sys.argv[1:] = command
        __main__.main()
        return
    with parallel.job():
        me, each = parallel.rank(), 8 // parallel.size()
        gradient = one_step(slice(me * each, (me + 1) * each))
        run = runs.start(config(3), folder / "run", CPU)
        first = noise(run)
        run.save()
        resumed = runs.resume(folder / "run", CPU, steps=6)
        then = noise(resumed)
        trained = runs.open_run(str(folder / "run"), CPU)
        drawing.BATCH = 2  # three batches: two here, one there
        images = runs.draw_many(trained, None, 5, seed=0)
        seen = {"gradient": gradient, "first": first, "then": then, "images": images}
        torch.manual_seed(0)
        cloud, other = torch.randn(100, 8), torch.randn(100, 8)
        seen["distances"] = [frechet_distance(cloud, moments_of(other)), kernel_distance(cloud, other)]
        seen["weights"] = [weight.detach() for weight in resumed.state.model.parameters()]
        seen["average"] = [weight.detach() for weight in resumed.state.ema.parameters()]
        torch.save(seen, folder / f"{me}.pt")


if __name__ == "__main__":
    main()
