"""Time one training step and one sampling step against the libraries people would pick instead.

    make bench-steps                              # both networks, every precision this machine multiplies natively
    make bench-steps ARGS="small --rounds 9"

Every contender works at the same network shape, on the same images, with dropout 0.1, gradient clipping,
AdamW and a moving average. They take turns within each round, so that a slow moment of the machine
hits all of them; ratios are taken round by round. Results go to runs/bench/steps.json.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import ema_pytorch
import torch
import torch.nn.functional as F
from made import command
from peers import diffusers, lucidrains, smalldiffusion
from torch import Tensor, nn

from mini_ddpm import parallel
from mini_ddpm.course.architecture import flop_counter
from mini_ddpm.data import ImageSet
from mini_ddpm.diffusion import Diffusion
from mini_ddpm.files import write_json
from mini_ddpm.losses import simple_loss
from mini_ddpm.runs import machine
from mini_ddpm.sampling import ancestral_step
from mini_ddpm.schedules import NoiseSchedule, linear_betas
from mini_ddpm.training import TrainConfig, TrainState, autocast, has_bf16, place, train
from mini_ddpm.unet import UNet, UNetConfig

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Shape(NamedTuple):
    """A network and the batch it is timed at."""

    unet: UNetConfig
    batch: int


SHAPES = {
    "small": Shape(UNetConfig(32, 1, 32, (1, 2, 2), groups=8, dropout=0.1), 128),
    "cifar10": Shape(UNetConfig(dropout=0.1), 16),
}


class Contender(NamedTuple):
    """What is timed: one optimiser step, one reverse step; the network's work for one image; how compiling went."""

    train_step: Callable[[], object]
    sample_step: Callable[[], object]
    gflop: float  # of one forward pass of one image
    compiled: str = ""


def precision(bf16: bool) -> torch.autocast:
    """Autocast as any user of a peer would switch it on."""
    return torch.autocast(DEVICE.type, torch.bfloat16, enabled=bf16)


def gflop(network: Callable[[], object], batch: int) -> float:
    """Multiply-adds of convolutions and matrix products of a forward pass, two operations each, per image."""
    with flop_counter() as counter:
        network()
    return counter.get_total_flops() / batch / 1e9


def ours(shape: Shape, images: Tensor, bf16: bool, fast: bool = False) -> Contender:
    """This package, through its own training loop and step function; `fast` compiles both networks."""
    config = TrainConfig(steps=10**9, batch_size=shape.batch)
    state = TrainState(place(UNet(shape.unet), DEVICE), config)
    diffusion = Diffusion(NoiseSchedule.from_betas(linear_betas(1000)).to(DEVICE))
    data = ImageSet(((images + 1) * 127.5).byte(), torch.zeros(len(images), dtype=torch.long, device=DEVICE))
    loop = train(diffusion, state, data, simple_loss, config)
    x, t = images[: shape.batch], torch.full((shape.batch,), 500, device=DEVICE)
    work, average, how = gflop(lambda: state.ema(x, t), shape.batch), state.ema, ""
    if fast:
        state.network, how = parallel.compiled(state.model.train(), call := partial(predict, x=x, t=t))
        average, and_how = parallel.compiled(state.ema, call)
        how = f"training step {how}, sampling step {and_how}"

    def sample_step() -> None:
        with torch.no_grad(), precision(bf16):
            ancestral_step(diffusion, average, x, 500, 499)

    return Contender(lambda: next(loop), sample_step, work, how)


def predict(network: nn.Module, x: Tensor, t: Tensor) -> Tensor:
    """A call of a network as training and sampling make it."""
    with autocast(DEVICE):
        return network(x, t, None)


def optimise(model: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, average: Callable[[], object]) -> None:
    """The rest of a training step, as the peers' own training scripts write it."""
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    average()


def with_diffusers(shape: Shape, images: Tensor, bf16: bool) -> Contender:
    """UNet2DModel and DDPMScheduler, as in diffusers' unconditional training example."""
    c = shape.unet
    attends = [side in c.attention for side in c.resolutions]
    model = diffusers.UNet2DModel(
        c.image_size,
        c.in_channels,
        c.in_channels,
        block_out_channels=[c.base_channels * m for m in c.channel_mults],
        down_block_types=["AttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        up_block_types=["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
        layers_per_block=c.blocks,
        norm_num_groups=c.groups,
        dropout=c.dropout,
        attention_head_dim=None,
    ).to(DEVICE)
    scheduler = diffusers.DDPMScheduler(1000, variance_type="fixed_large")
    optimizer = torch.optim.AdamW(model.parameters(), 2e-4)
    ema = diffusers.training_utils.EMAModel(model.parameters(), decay=0.9999)
    x, t = images[: shape.batch], torch.full((shape.batch,), 500, device=DEVICE)

    def train_step() -> None:
        eps, times = torch.randn_like(x), torch.randint(0, 1000, (shape.batch,), device=DEVICE)
        with precision(bf16):
            loss = F.mse_loss(model(scheduler.add_noise(x, eps, times), times).sample.float(), eps)
        optimise(model, optimizer, loss, lambda: ema.step(model.parameters()))

    def sample_step() -> None:
        with torch.no_grad(), precision(bf16):
            scheduler.step(model.eval()(x, t).sample, 500, x)
        model.train()

    return Contender(train_step, sample_step, gflop(lambda: model(x, t), shape.batch))


def with_smalldiffusion(shape: Shape, images: Tensor, bf16: bool) -> Contender:
    """smalldiffusion's Unet, loss and sampler."""
    c = shape.unet
    model = smalldiffusion.Unet(
        c.image_size,
        c.in_channels,
        c.in_channels,
        ch=c.base_channels,
        ch_mult=c.channel_mults,
        num_res_blocks=c.blocks,
        attn_resolutions=c.attention,
        dropout=c.dropout,
    ).to(DEVICE)
    schedule = smalldiffusion.ScheduleDDPM()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-4)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9999)
    )
    x, accelerator = images[: shape.batch], smalldiffusion.diffusion.Accelerator()

    def train_step() -> None:
        model.train()
        x_0, sigma, eps, _ = smalldiffusion.generate_train_sample(x, schedule)
        with precision(bf16):
            loss = type(model).get_loss(model, x_0, sigma, eps)
        optimise(model, optimizer, loss.float(), lambda: average.update_parameters(model))

    def sample_step() -> None:
        with precision(bf16):
            next(smalldiffusion.samples(model, schedule[[500, 499]], mu=0.5, xt=x, accelerator=accelerator))

    sigma = schedule[500].to(x)
    return Contender(train_step, sample_step, gflop(lambda: model(x, sigma), shape.batch))


def with_lucidrains(shape: Shape, images: Tensor, bf16: bool) -> Contender:
    """denoising-diffusion-pytorch: its Unet has another design, so the shape is the nearest it offers."""
    c = shape.unet
    attends = tuple(side in c.attention for side in c.resolutions)
    model = lucidrains.Unet(
        c.base_channels, dim_mults=c.channel_mults, channels=c.in_channels, dropout=c.dropout, full_attn=attends
    )
    process = lucidrains.GaussianDiffusion(
        model, image_size=c.image_size, objective="pred_noise", beta_schedule="linear", auto_normalize=False
    ).to(DEVICE)
    optimizer = torch.optim.Adam(process.parameters(), 2e-4, betas=(0.9, 0.99))
    ema = ema_pytorch.EMA(process, beta=0.995, update_every=1)
    x, t = images[: shape.batch], torch.full((shape.batch,), 500, device=DEVICE)

    def train_step() -> None:
        process.train()
        with precision(bf16):
            loss = process(x)
        optimise(process, optimizer, loss, ema.update)

    def sample_step() -> None:
        process.eval()
        with torch.inference_mode(), precision(bf16):
            process.p_sample(x, 500)

    return Contender(train_step, sample_step, gflop(lambda: model(x, t), shape.batch))


CONTENDERS = {
    "mini_ddpm": ours,
    "diffusers": with_diffusers,
    "smalldiffusion": with_smalldiffusion,
    "denoising-diffusion-pytorch": with_lucidrains,
}


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call, the device's work included."""
    begin = time.perf_counter()
    action()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def convolution_limit(shape: Shape, bf16: bool) -> float:
    """The best rate, in GFLOP/s, of 3x3 convolutions of this network's widths: forward, or forward and backward."""
    rates = []
    for mult, side in zip(shape.unet.channel_mults, shape.unet.resolutions, strict=True):
        width = mult * shape.unet.base_channels
        conv = place(nn.Conv2d(width, width, 3, padding=1), DEVICE)
        x = torch.randn(shape.batch, width, side, side, device=DEVICE).contiguous(memory_format=torch.channels_last)
        gflop = 2 * shape.batch * 9 * width**2 * side**2 / 1e9

        def forward(conv: nn.Module = conv, x: Tensor = x) -> Tensor:
            with precision(bf16):
                return conv(x)

        def both(forward: Callable[[], Tensor] = forward) -> None:
            forward().sum().backward()

        x.requires_grad_()
        for passes, action in ((1, torch.no_grad()(forward)), (3, both)):
            rates += [passes * gflop / seconds(action) for _ in range(6)]
    return max(rates)


def take_turns(actions: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each action in each round."""
    times: dict[str, list[float]] = {key: [] for key in actions}
    for turn in range(rounds + 1):
        for key, action in actions.items():
            took = seconds(action)
            if turn:  # the first round warms up
                times[key].append(took)
    return times


def compare(name: str, bf16: bool, rounds: int) -> list[dict]:
    """Time all contenders in turn; a row for each contender and kind of step."""
    shape = SHAPES[name]
    torch.manual_seed(0)
    images = (
        torch.rand(512, shape.unet.in_channels, shape.unet.image_size, shape.unet.image_size, device=DEVICE) * 2 - 1
    )
    contenders = {key: make(shape, images, bf16) for key, make in CONTENDERS.items()}
    limit = convolution_limit(shape, bf16)
    rows = []
    for kind, passes in (("train_step", 3), ("sample_step", 1)):
        times = take_turns({key: getattr(contender, kind) for key, contender in contenders.items()}, rounds)
        peers = [key for key in contenders if key != "mini_ddpm"]
        fastest = min(peers, key=lambda key: statistics.median(times[key]))
        for key, contender in contenders.items():
            median = statistics.median(times[key])
            rate = passes * contender.gflop * shape.batch / median
            ratio = statistics.median(b / a for a, b in zip(times[key], times[fastest], strict=True))
            row = {
                "network": name,
                "precision": "bfloat16" if bf16 else "float32",
                "what": kind,
                "who": key,
                "images_per_s": shape.batch / median,
                "gflop_per_s": rate,
                "share_of_convolution_limit": rate / limit,
                "times_fastest_peer": ratio,
                "fastest_peer": fastest,
                "rounds": rounds,
            }
            rows.append(row)
            print(
                f"{name:8} {row['precision']:9} {kind:12} {key:28} {row['images_per_s']:8.1f} images/s "
                f"{rate:8.1f} GFLOP/s {row['share_of_convolution_limit']:6.1%} of limit {ratio:6.2f}x {fastest}",
                flush=True,
            )
    return rows


def main() -> None:
    """Run the comparisons asked for and store them with the machine they ran on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(SHAPES), help="small, cifar10; both by default")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/steps.json"))
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    bf16 = has_bf16(DEVICE)  # as this package trains there, and so all of them
    where = machine(DEVICE)
    print(where, flush=True)
    rows = [row for name in arguments.networks for row in compare(name, bf16, arguments.rounds)]
    write_json(arguments.out, {"machine": where, "command": command(), "rows": rows})


if __name__ == "__main__":
    main()
