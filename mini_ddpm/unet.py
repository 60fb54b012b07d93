"""The U-Net of DDPM: a network whose output has the shape of its input.

    x_t --conv--> [down levels] --> middle --> [up levels] --norm, conv--> prediction
                        |______ skip connections ______|

Every level works at half the resolution of the level above it. A level is a few residual blocks, some
followed by attention. The time t (and a class y) enters every residual block as a vector added to all
pixels. The last layer of every block starts at zero, so a fresh network outputs exactly 0.

Source: DDPM (2006.11239), appendix B. ADM's choices (2105.05233, section 3) are fields of the config; the defaults
are DDPM's.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mini_ddpm.checks import Count, Decay, Octave, Size, check_times, checked_dataclass


@checked_dataclass
class UNetConfig:
    """Shape of the network. The defaults are DDPM's CIFAR-10 network: 35.7M parameters.

    Attributes:
        image_size: pixels a side, or (height, width); divisible by `patch_size * 2^(levels - 1)`.
        in_channels: colour channels C.
        base_channels: channels at full resolution; a multiple of `groups`.
        channel_mults: one level per entry, with `base_channels * entry` channels.
        blocks: residual blocks a level (one more on the way up).
        attention: resolutions (side of the feature map, its height where it is no square) that get attention.
        patch_size: pixels are handled in blocks of this side, 1 for none.
        groups: groups of every GroupNorm.
        dropout: probability inside every residual block.
        classes: number of labels, 0 for an unconditional network; label `classes` means "no label".
        learned_variance: double the output channels, the second half being rho.
        fourier: n of sin(2^n pi x_t) and cos(2^n pi x_t), given to the network as further channels, so that it can
            tell neighbouring grey levels apart at small t. For likelihoods; source: VDM (2107.00630), appendix C.
        heads: heads of every attention.
        head_channels: channels of a head instead, so that wide levels have more heads; 0 for `heads`. ADM: 64.
        block_resample: change the resolution inside a residual block, as BigGAN does, not by a convolution of its own.
        adaptive_norm: time and class scale and shift the second norm of a block (AdaGN), not added before it.
        rescale: divide the sum at the end of a residual block by sqrt(2).
    """

    image_size: Size | tuple[Size, Size] = 32
    in_channels: Size = 3
    base_channels: Size = 128
    channel_mults: tuple[Size, ...] = (1, 2, 2, 2)
    blocks: Size = 2
    attention: tuple[Size, ...] = (16,)
    patch_size: Size = 1
    groups: Size = 32
    dropout: Decay = 0.0
    classes: Count = 0
    learned_variance: bool = False
    fourier: tuple[Octave, ...] = ()
    heads: Size = 1
    head_channels: Count = 0
    block_resample: bool = False
    adaptive_norm: bool = False
    rescale: bool = False

    def __post_init__(self) -> None:
        if not self.channel_mults:
            raise ValueError("channel_mults must name at least one level")
        factor = self.patch_size * 2 ** (len(self.channel_mults) - 1)
        if any(side % factor for side in self.size):
            raise ValueError(
                f"image_size {self.image_size} cannot be halved {len(self.channel_mults) - 1} times in patches "
                f"of {self.patch_size}: use a multiple of {factor}, or fewer levels"
            )
        if self.base_channels % self.groups:
            raise ValueError(f"base_channels {self.base_channels} must be a multiple of groups {self.groups}")
        if self.base_channels == self.groups and not self.adaptive_norm:
            raise ValueError(f"groups {self.groups} of one channel each would normalise the added time away")
        if missing := set(self.attention) - set(self.resolutions):
            raise ValueError(
                f"no level for attention at {missing.pop()}: the feature maps have sides {self.resolutions}"
            )
        for channels in (self.base_channels * multiple for multiple in self.channel_mults):
            if self.attention and channels % self.heads_of(channels):
                raise ValueError(f"{channels} channels can't be shared out among {self.heads_of(channels)} heads")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of an image."""
        return self.image_size if isinstance(self.image_size, tuple) else (self.image_size, self.image_size)

    @property
    def resolutions(self) -> list[int]:
        """Side of the feature map at each level; its height, where it is no square."""
        return [self.size[0] // self.patch_size // 2**i for i in range(len(self.channel_mults))]

    def heads_of(self, channels: int) -> int:
        """Number of heads of an attention over that many channels."""
        return max(1, channels // self.head_channels) if self.head_channels else self.heads


def timestep_embedding(t: Tensor, dim: int) -> Tensor:
    """Sines and cosines of t at `dim / 2` frequencies from 1 down to 1/10000, (B,) -> (B, dim).

    Source: DDPM, appendix B, after "Attention is all you need" (1706.03762), section 3.5.
    """
    half = dim // 2
    frequencies = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device) / (half - 1))
    angles = t[:, None].float() * frequencies  # (B, dim / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def zeroed(module: nn.Module) -> nn.Module:
    """Start a layer at exactly zero, so that its residual branch is silent at first."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class Dropout(nn.Module):
    """While training, set each number to 0 with probability p and divide the others by 1 - p. Keeps the shape.

    nn.Dropout does the same; on a CPU its Bernoulli numbers take twice as long as these uniform ones.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        keep = torch.rand_like(x, dtype=torch.float32).gt_(self.p)  # bfloat16 would round p
        return x * keep.div_(1 - self.p).to(x.dtype)


class ResidualBlock(nn.Module):
    """norm, SiLU, conv, + embedding, norm, SiLU, dropout, conv, + input. (B, C_in, H, W) -> (B, C_out, H, W).

    `resample`, if given, changes the resolution before the first convolution and of the input that is added.
    """

    def __init__(self, c_in: int, c_out: int, config: UNetConfig, resample: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.norm_1 = nn.GroupNorm(config.groups, c_in)
        self.resample = nn.Identity() if resample is None else resample
        self.conv_1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.embed = nn.Linear(4 * config.base_channels, 2 * c_out if config.adaptive_norm else c_out)
        self.norm_2 = nn.GroupNorm(config.groups, c_out)
        self.dropout = Dropout(config.dropout)
        self.conv_2 = zeroed(nn.Conv2d(c_out, c_out, 3, padding=1))
        self.shortcut = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.conv_1(self.resample(F.silu(self.norm_1(x))))
        emb = self.embed(emb)[:, :, None, None]  # (B, C_out or 2 C_out, 1, 1)
        if self.config.adaptive_norm:
            scale, shift = emb.chunk(2, dim=1)
            h = self.norm_2(h) * (1 + scale) + shift  # AdaGN, section 3 of ADM
        else:
            h = self.norm_2(h + emb)
        h = self.shortcut(self.resample(x)) + self.conv_2(self.dropout(F.silu(h)))
        return h / math.sqrt(2) if self.config.rescale else h


class Attention(nn.Module):
    """Every pixel looks at every pixel of the same feature map. Keeps (B, C, H, W)."""

    def __init__(self, channels: int, config: UNetConfig) -> None:
        super().__init__()
        self.heads = config.heads_of(channels)
        self.norm = nn.GroupNorm(config.groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        pixels = self.qkv(self.norm(x)).permute(0, 2, 3, 1).reshape(b, h * w, 3 * c)  # a view in channels_last
        q, k, v = (z.reshape(b, h * w, self.heads, -1).transpose(1, 2) for z in pixels.chunk(3, dim=-1))
        out = F.scaled_dot_product_attention(q, k, v)  # softmax(q k^T / sqrt(C/heads)) v, (B, heads, H W, C/heads)
        return x + self.out(out.transpose(1, 2).reshape(b, h, w, c).permute(0, 3, 1, 2))


class Stage(nn.Module):
    """One residual block, with attention after it where the resolution is in `config.attention`."""

    def __init__(self, c_in: int, c_out: int, resolution: int, config: UNetConfig) -> None:
        super().__init__()
        self.residual = ResidualBlock(c_in, c_out, config)
        self.attention = Attention(c_out, config) if resolution in config.attention else nn.Identity()

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        return self.attention(self.residual(x, emb))


class Downsample(nn.Conv2d):
    """Halve the resolution with a convolution of stride 2. The embedding is not used."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x)


class Upsample(nn.Module):
    """Double the resolution by repeating pixels, then smooth with a convolution. The embedding is not used."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


def downsample(channels: int, config: UNetConfig) -> nn.Module:
    """What halves the resolution: (x, emb) -> x."""
    if config.block_resample:
        return ResidualBlock(channels, channels, config, nn.AvgPool2d(2))
    return Downsample(channels)


def upsample(channels: int, config: UNetConfig) -> nn.Module:
    """What doubles the resolution: (x, emb) -> x."""
    if config.block_resample:
        return ResidualBlock(channels, channels, config, nn.Upsample(scale_factor=2, mode="nearest"))
    return Upsample(channels)


class Level(nn.Module):
    """The stages of one resolution, then the step to the next level (None at the end of a path)."""

    def __init__(self, stages: list[Stage], resample: nn.Module | None) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.resample = resample


class Encoder(nn.Module):
    """The way down and the middle: x_t and the embedding -> the smallest feature map, and the skips."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        base, patch = config.base_channels, config.patch_size
        widths = [base * m for m in config.channel_mults]
        last = len(widths) - 1

        self.time_mlp = nn.Sequential(nn.Linear(base, 4 * base), nn.SiLU(), nn.Linear(4 * base, 4 * base))
        self.class_embedding = nn.Embedding(config.classes + 1, 4 * base) if config.classes else None
        c_in = config.in_channels * (1 + 2 * len(config.fourier)) * patch**2
        self.conv_in = nn.Conv2d(c_in, base, 3, padding=1)

        self.skips = [base]  # channels of every feature map that a skip connection carries
        self.down = nn.ModuleList()
        for i, (width, resolution) in enumerate(zip(widths, config.resolutions, strict=True)):
            inputs = [self.skips[-1]] + [width] * (config.blocks - 1)
            stages = [Stage(c_in, width, resolution, config) for c_in in inputs]
            self.down.append(Level(stages, downsample(width, config) if i < last else None))
            self.skips += [width] * (config.blocks + (i < last))

        self.middle_1 = ResidualBlock(widths[-1], widths[-1], config)
        self.middle_attention = Attention(widths[-1], config) if config.attention else nn.Identity()
        self.middle_2 = ResidualBlock(widths[-1], widths[-1], config)

    def embed(self, t: Tensor, y: Tensor | None) -> Tensor:
        """The vector that every residual block receives: time plus class, (B, 4 base_channels)."""
        check_times(t)
        if y is not None and (y.ndim != 1 or len(y) != len(t) or y.is_floating_point()):
            raise ValueError(f"y must be whole numbers (B,), one label an image: {y.dtype} {tuple(y.shape)}")
        emb = self.time_mlp(timestep_embedding(t, self.config.base_channels))
        if self.class_embedding is not None:
            null = torch.full_like(t, self.config.classes)
            emb = emb + self.class_embedding(null if y is None else y)
        return F.silu(emb)

    def encode(self, x_t: Tensor, emb: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, C, H, W) and (B, 4 base_channels) -> the last feature map, and one for each skip connection."""
        B, C, dtype = len(emb), self.config.in_channels, self.conv_in.weight.dtype
        if x_t.ndim != 4 or x_t.shape[:2] != (B, C) or x_t.dtype != dtype:
            raise ValueError(f"x_t must be {dtype} ({B}, {C}, H, W), not {x_t.dtype} {tuple(x_t.shape)}")
        waves = [wave(2**n * math.pi * x_t) for n in self.config.fourier for wave in (torch.sin, torch.cos)]
        h = self.conv_in(F.pixel_unshuffle(torch.cat([x_t, *waves], dim=1), self.config.patch_size))
        skips = [h]
        for level in self.down:
            for stage in level.stages:
                h = stage(h, emb)
                skips.append(h)
            if level.resample is not None:
                h = level.resample(h, emb)
                skips.append(h)
        return self.middle_2(self.middle_attention(self.middle_1(h, emb)), emb), skips


class UNet(Encoder):
    """`unet(x_t, t, y)` -> prediction.

    Shapes: x_t (B, C, H, W); t (B,) in 1..T; y (B,) int64 labels, or None for "no label". Returns
    (B, C, H, W), or (B, 2 C, H, W) with learned variance. It is a `Network`.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config)
        self.classes = config.classes
        widths = [config.base_channels * m for m in config.channel_mults]
        skips, channels = list(self.skips), widths[-1]
        self.up = nn.ModuleList()
        for i, (width, resolution) in reversed(list(enumerate(zip(widths, config.resolutions, strict=True)))):
            stages = []
            for _ in range(config.blocks + 1):
                stages.append(Stage(channels + skips.pop(), width, resolution, config))
                channels = width
            self.up.append(Level(stages, upsample(channels, config) if i > 0 else None))

        c_out = config.in_channels * (2 if config.learned_variance else 1) * config.patch_size**2
        self.norm_out = nn.GroupNorm(config.groups, config.base_channels)
        self.conv_out = zeroed(nn.Conv2d(config.base_channels, c_out, 3, padding=1))

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        emb = self.embed(t, y)
        h, skips = self.encode(x_t, emb)
        for level in self.up:
            for stage in level.stages:
                h = stage(torch.cat([h, skips.pop()], dim=1), emb)
            if level.resample is not None:
                h = level.resample(h, emb)
        return F.pixel_shuffle(self.conv_out(F.silu(self.norm_out(h))), self.config.patch_size)
