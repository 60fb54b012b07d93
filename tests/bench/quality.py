"""Digits after the same five minutes: `mnist-laptop` against each peer's own recommended training code.

    make bench-quality                     # about an hour on two CPU cores
    make bench-quality ARGS="mini_ddpm smalldiffusion --minutes 1"

Every recipe trains on the 4,000 embedded images, kept in memory, and draws with at most 25 network evaluations
(`mini_ddpm`: its preset's chain). "recommended" is what the peer's README or example trains with, made for a GPU;
"narrow" is the same code at 32 channels and batch 64, which suits a laptop better; these recipes are unconditional.
"our choices" is their code with the choices of `mnist-laptop`, labels too: choices.py. Results go to runs/bench/.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import choices
import ema_pytorch
import torch
import torch.nn.functional as F
from ablation import kept_rows
from diffusers.optimization import get_cosine_schedule_with_warmup
from made import command
from peers import diffusers, lucidrains, smalldiffusion
from torch import Tensor, nn
from tqdm import tqdm

from mini_ddpm import measure, runs
from mini_ddpm.data import ImageSet, load, to_model
from mini_ddpm.files import write_json
from mini_ddpm.runs.pictures import image_grid
from mini_ddpm.runs.presets import preset

DEVICE = runs.pick_device(None)
EVALUATIONS = 25  # of the network, for every image a peer draws
PART = 50  # images drawn at a time


class Recipe(NamedTuple):
    """One library's way: an optimiser step on float images, and drawing n of them, (n, 1, S, S) in [-1, 1]."""

    step: Callable[[], object]
    draw: Callable[[int], Tensor]


class Batches:
    """Random batches of the images in [-1, 1], padded with black to `size` pixels."""

    def __init__(self, data: ImageSet, size: int) -> None:
        self.images = F.pad(to_model(data.images), [(size - 28) // 2] * 4, value=-1.0).to(DEVICE)

    def __call__(self, size: int) -> Tensor:
        return self.images[torch.randint(len(self.images), (size,))]


def with_diffusers(data: ImageSet, widths: tuple[int, ...], attends: tuple[bool, ...], batch: int) -> Recipe:
    """examples/unconditional_image_generation/train_unconditional.py of diffusers; drawn with DDIM."""
    batches = Batches(data, 32)
    model = diffusers.UNet2DModel(
        32,
        1,
        1,
        layers_per_block=2,
        block_out_channels=widths,
        down_block_types=["AttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        up_block_types=["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
    ).to(DEVICE)
    scheduler = diffusers.DDPMScheduler(1000)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, betas=(0.95, 0.999), weight_decay=1e-6)
    rate = get_cosine_schedule_with_warmup(optimizer, 500, 100 * len(data) // batch)
    ema = diffusers.training_utils.EMAModel(
        model.parameters(), 0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75, model_cls=type(model)
    )

    def step() -> None:
        x = batches(batch)
        eps, t = torch.randn_like(x), torch.randint(0, 1000, (batch,), device=DEVICE)
        F.mse_loss(model(scheduler.add_noise(x, eps, t), t).sample, eps).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
        optimizer.zero_grad()
        ema.step(model.parameters())

    def draw(n: int) -> Tensor:
        ema.copy_to(model.parameters())
        sampler = diffusers.DDIMScheduler.from_config(scheduler.config)
        sampler.set_timesteps(EVALUATIONS)
        x = torch.randn(n, 1, 32, 32, device=DEVICE)
        for t in sampler.timesteps:
            x = sampler.step(model(x, t).sample, t, x).prev_sample
        return x

    return Recipe(step, draw)


def with_smalldiffusion(data: ImageSet, channels: int, batch: int) -> Recipe:
    """examples/fashion_mnist_unet.py of smalldiffusion."""
    batches = Batches(data, 28)
    network = smalldiffusion.Scaled(smalldiffusion.Unet)
    model = network(28, 1, 1, ch=channels, ch_mult=(1, 1, 2), attn_resolutions=(14,)).to(DEVICE)
    schedule = smalldiffusion.ScheduleLogLinear(sigma_min=0.01, sigma_max=20, N=800)
    accelerator = smalldiffusion.diffusion.Accelerator()
    average = ema_pytorch.EMA(model, beta=0.99, update_every=1, update_after_step=0)
    endless = iter(lambda: batches(batch), None)
    loop = smalldiffusion.training_loop(endless, model, schedule, accelerator, epochs=1, lr=7e-4)

    def step() -> None:
        next(loop)  # pauses before the optimiser: the average lags by one step
        average.update()

    def draw(n: int) -> Tensor:
        x = model.rand_input(n).to(DEVICE) * schedule.sigmas[-1]
        sigmas = schedule.sample_sigmas(20)
        *_, x = smalldiffusion.samples(average.ema_model, sigmas, gam=1.6, xt=x, accelerator=accelerator)
        return x

    return Recipe(step, draw)


def with_lucidrains(data: ImageSet, channels: int, mults: tuple[int, ...], batch: int, accumulate: int) -> Recipe:
    """The README of denoising-diffusion-pytorch, with the defaults of its Trainer."""
    batches = Batches(data, 32)
    model = lucidrains.Unet(channels, dim_mults=mults, channels=1)
    process = lucidrains.GaussianDiffusion(model, image_size=32, timesteps=1000, sampling_timesteps=EVALUATIONS)
    process = process.to(DEVICE)
    optimizer = torch.optim.Adam(process.parameters(), 8e-5, betas=(0.9, 0.99))
    ema = ema_pytorch.EMA(process, beta=0.995, update_every=10)

    def step() -> None:
        for _ in range(accumulate):
            (process((batches(batch) + 1) / 2) / accumulate).backward()
        nn.utils.clip_grad_norm_(process.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.update()

    return Recipe(step, lambda n: ema.ema_model.sample(batch_size=n) * 2 - 1)


def elapsed(minutes: float) -> choices.Passed:
    """The share of the minutes that has passed since now, whatever the step."""
    begin = time.perf_counter()
    return lambda step: (time.perf_counter() - begin) / (60 * minutes)


RECIPES: dict[str, Callable[[ImageSet, float], Recipe]] = {
    "diffusers, our choices": lambda data, minutes: Recipe(*choices.with_diffusers(data, elapsed(minutes), DEVICE)),
    "smalldiffusion, our choices": lambda data, minutes: Recipe(
        *choices.with_smalldiffusion(data, elapsed(minutes), DEVICE)
    ),
    "smalldiffusion, recommended": lambda data, minutes: with_smalldiffusion(data, 64, 1024),
    "smalldiffusion, narrow": lambda data, minutes: with_smalldiffusion(data, 32, 64),
    "diffusers, recommended": lambda data, minutes: with_diffusers(
        data, (128, 128, 256, 256, 512, 512), (False, False, False, False, True, False), 16
    ),
    "diffusers, narrow": lambda data, minutes: with_diffusers(data, (32, 64, 64), (False, False, True), 64),
    "denoising-diffusion-pytorch, recommended": lambda data, minutes: with_lucidrains(data, 64, (1, 2, 4, 8), 32, 2),
    "denoising-diffusion-pytorch, narrow": lambda data, minutes: with_lucidrains(data, 32, (1, 2, 2), 64, 1),
}


def ours(minutes: float, n: int, seed: int) -> tuple[Tensor, dict]:
    """The preset as `make train` runs it."""
    config = preset("mnist-laptop")
    config = replace(config, training=replace(config.training, seed=seed))
    with tempfile.TemporaryDirectory() as folder:
        run = runs.start(config, Path(folder), DEVICE, minutes)
        runs.fit(run)
        trained = runs.open_run(folder, DEVICE)
        images = runs.draw_many(trained, runs.default_labels(trained, n), n, seed=seed)
    return images, {"optimizer_steps": run.state.step}


def theirs(make: Callable[[ImageSet, float], Recipe], minutes: float, n: int, seed: int) -> tuple[Tensor, dict]:
    """A peer's recipe, stopped after the first step that ends past the budget; building it is not counted."""
    torch.manual_seed(seed)
    recipe = make(load("mnist-5k", "train"), minutes)
    begin, steps = time.perf_counter(), 0
    with tqdm(unit="step") as bar:
        while time.perf_counter() - begin < 60 * minutes:
            recipe.step()
            steps += 1
            bar.update()
    torch.manual_seed(seed)
    with torch.no_grad():
        images = torch.cat([recipe.draw(PART) for _ in tqdm(range(0, n, PART), desc="drawing")])
    margin = (images.shape[-1] - 28) // 2
    images = images[:n, :, margin : margin + 28, margin : margin + 28].clamp(-1, 1).cpu()
    return images, {"optimizer_steps": steps}


class Jury:
    """Two figures for n images (n, 1, 28, 28): FD-judge to the 60,000 training images, and the readable share.

    Readable: in the judge's features, no further from the nearest of the 4,000 images than 95% of the
    held-out digits are. (The judge's own confidence will not do: it is sure of pure noise, too.)
    """

    def __init__(self) -> None:
        self.reference = measure.load_reference()
        self.known = self.features(to_model(load("mnist-5k", "train").images))
        self.reach = self.distance(self.features(to_model(load("mnist-5k", "test").images))).quantile(0.95)

    def features(self, images: Tensor) -> Tensor:
        return measure.judge_features(self.reference.judge, images)[0]

    def distance(self, features: Tensor) -> Tensor:
        return torch.cdist(features, self.known).amin(dim=1)

    def __call__(self, images: Tensor) -> dict[str, float]:
        features = self.features(images)
        fd = measure.frechet_distance(features, self.reference.moments)
        return {"fd_judge": fd, "readable": float((self.distance(features) <= self.reach).double().mean())}


def main() -> None:
    """Train, draw and judge with every recipe asked for, and store the figures with the machine they ran on."""
    names = ["real, held out", "mini_ddpm", *RECIPES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("who", nargs="*", help=f"beginnings of: {'; '.join(names)}")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--n", type=int, default=200, help="images drawn; FD depends on it")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=Path("runs/bench/quality.json"))
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    settings = {"machine": runs.machine(DEVICE), "command": command(), "minutes": asked.minutes, "n": asked.n}
    rows, jury, sheet = kept_rows(asked.out, settings), Jury(), []
    for name in names:
        if asked.who and not name.startswith(tuple(asked.who)):
            continue
        for seed in asked.seeds[:1] if name.startswith("real") else asked.seeds:
            if any(row["who"] == name and row["seed"] == seed for row in rows):
                continue
            begin = time.perf_counter()
            if name == "real, held out":
                images, figures = to_model(load("mnist-5k", "test").images[: asked.n]), {}
            elif name == "mini_ddpm":
                images, figures = ours(asked.minutes, asked.n, seed)
            else:
                images, figures = theirs(RECIPES[name], asked.minutes, asked.n, seed)
            figures |= {"seconds_in_all": time.perf_counter() - begin}
            rows.append({"who": name, "seed": seed, **jury(images), **figures})
            write_json(asked.out, {**settings, "rows": rows})
            sheet.append(images[:20])
            print(f"{name:42} FD-judge {rows[-1]['fd_judge']:8.2f}   readable {rows[-1]['readable']:6.1%}", flush=True)
    if sheet:
        image_grid(torch.cat(sheet), 20).save(asked.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
