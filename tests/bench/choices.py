"""Two peers with the choices of `mnist-laptop`, which anyone can make: then only the code is theirs.

Patches of 2x2, labels, velocity, widths, batch, learning rates, average, steps and guidance are the preset's, and
the precision. Not carried over: times spread evenly over a batch; and for smalldiffusion, whose loss and sampler are
its own, the min-SNR weight, half of DDIM's noise, and 24 channels (32, as its norms ask).
"""

import math
from collections.abc import Callable
from functools import partial

import ema_pytorch
import torch
import torch.nn.functional as F
from peers import diffusers, smalldiffusion
from torch import Tensor, nn

from mini_ddpm.data import ImageSet, to_model
from mini_ddpm.runs.presets import SampleConfig, preset
from mini_ddpm.training import TrainConfig, autocast

CONFIG = preset("mnist-laptop")
SHAPE, TRAINING, SAMPLING = CONFIG.unet, CONFIG.training, CONFIG.sampling
WIDTHS = [SHAPE.base_channels * mult for mult in SHAPE.channel_mults]
NO_LABEL = SHAPE.classes
Passed = Callable[[int], float]  # the share of the training that has passed, at a step
Ways = tuple[Callable[[], object], Callable[..., Tensor]]  # a step, and drawing n images, in a way if one is given


class Folded:
    """Random batches of digits, as 14x14 patches of 4 numbers, with their labels."""

    def __init__(self, data: ImageSet, device: torch.device) -> None:
        self.images = F.pixel_unshuffle(to_model(data.images), SHAPE.patch_size).to(device)  # (n, 4, 14, 14)
        self.labels = data.labels.to(device)

    def __call__(self) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(self.images), (TRAINING.batch_size,))
        return self.images[chosen], self.labels[chosen]


def optimisation(model: nn.Module, passed: Passed, training: TrainConfig) -> Callable[[Tensor], None]:
    """What follows the loss in a step; the learning rate falls over the share of the training that has passed."""

    def rate(step: int) -> float:
        falling = max(0.0, min(1.0, passed(step)) - training.decay_from) / (1 - training.decay_from)
        return min(1.0, (step + 1) / training.warmup_steps) * (1 + math.cos(math.pi * falling)) / 2

    optimizer = torch.optim.AdamW(model.parameters(), training.learning_rate, training.betas, weight_decay=0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)

    def step(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), training.clip_norm)
        optimizer.step()
        scheduler.step()

    return step


def with_diffusers(data: ImageSet, passed: Passed, device: torch.device, training: TrainConfig = TRAINING) -> Ways:
    """diffusers' network, schedulers and average."""
    batches = Folded(data, device)
    levels = len(WIDTHS)
    model = diffusers.UNet2DModel(
        14,
        4,
        4,
        layers_per_block=SHAPE.blocks,
        block_out_channels=WIDTHS,
        down_block_types=["DownBlock2D"] * levels,
        up_block_types=["UpBlock2D"] * levels,
        norm_num_groups=SHAPE.groups,
        add_attention=False,
        num_class_embeds=NO_LABEL + 1,
    ).to(device, memory_format=torch.channels_last)
    scheduler = diffusers.DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
    ema = diffusers.training_utils.EMAModel(model.parameters(), training.ema_decay)
    alpha_bar, optimise = scheduler.alphas_cumprod.to(device), optimisation(model, passed, training)

    def step() -> None:
        x_0, y = batches()
        y = torch.where(torch.rand(len(y), device=device) < TRAINING.label_dropout, NO_LABEL, y)
        eps, t = torch.randn_like(x_0), torch.randint(0, 1000, (len(y),), device=device)
        with autocast(device):
            v = model(scheduler.add_noise(x_0, eps, t), t, y).sample.float()
        error = (v - scheduler.get_velocity(x_0, eps, t)).square().mean(dim=(1, 2, 3))
        snr = alpha_bar[t] / (1 - alpha_bar[t])
        optimise((snr.clamp(max=5) * (1 - alpha_bar[t]) * error).mean())  # min-SNR: an error of v, as one of x_0
        ema.step(model.parameters())

    def draw(n: int, sampling: SampleConfig = SAMPLING) -> Tensor:
        ema.copy_to(model.parameters())
        sampler = diffusers.DDIMScheduler.from_config(scheduler.config, timestep_spacing="trailing")
        sampler.set_timesteps(sampling.steps)
        y, x = torch.arange(n, device=device) % 10, torch.randn(n, 4, 14, 14, device=device)
        for t in sampler.timesteps:
            with autocast(device):
                with_label, without = (model(x, t, label).sample.float() for label in (y, torch.full_like(y, NO_LABEL)))
            v = without + sampling.guidance * (with_label - without)
            x = sampler.step(v, t, x, eta=sampling.eta).prev_sample
        return F.pixel_shuffle(x, SHAPE.patch_size)

    return step, draw


def with_smalldiffusion(data: ImageSet, passed: Passed, device: torch.device, training: TrainConfig = TRAINING) -> Ways:
    """smalldiffusion's network, loss and sampler."""
    batches = Folded(data, device)
    network = smalldiffusion.Scaled(smalldiffusion.PredV(smalldiffusion.Unet))
    width = 32  # its norms have 32 groups, so that 24 channels are not to be had
    model = network(
        14,
        4,
        4,
        ch=width,
        ch_mult=SHAPE.channel_mults,
        num_res_blocks=SHAPE.blocks,
        attn_resolutions=(),
        cond_embed=smalldiffusion.CondEmbedderLabel(4 * width, NO_LABEL, TRAINING.label_dropout),
    ).to(device, memory_format=torch.channels_last)
    schedule = smalldiffusion.diffusion.ScheduleCosine(1000)
    average = ema_pytorch.EMA(model, beta=training.ema_decay, update_every=1, update_after_step=0)
    accelerator, optimise = smalldiffusion.diffusion.Accelerator(), optimisation(model, passed, training)

    def step() -> None:
        x_0, sigma, eps, y = smalldiffusion.generate_train_sample(batches(), schedule, conditional=True)
        with autocast(device):
            loss = model.get_loss(x_0, sigma, eps, cond=y)
        optimise(loss.float())
        average.update()

    def draw(n: int, sampling: SampleConfig = SAMPLING, gam: float = 1.0, mu: float = 0.0) -> Tensor:
        ema = average.ema_model.eval()
        y = torch.arange(n, device=device) % 10
        sigmas = schedule.sample_sigmas(sampling.steps)
        guided = partial(smalldiffusion.samples, gam=gam, mu=mu, cond=y, cfg_scale=sampling.guidance - 1)
        x_T = ema.rand_input(n).to(device) * sigmas[0]
        with autocast(device):
            *_, x = guided(ema, sigmas, xt=x_T, batchsize=n, accelerator=accelerator)
        return F.pixel_shuffle(x.float(), SHAPE.patch_size)

    return step, draw
