"""The exercises of notebook 06."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Debug, Exercise, Predict
from mini_ddpm.unet import ResidualBlock, UNetConfig


def _omega(k: int, last: int) -> Tensor:
    return 10_000.0 ** (-torch.arange(k, dtype=torch.float64) / last)


def _similar(d: int, k: int) -> Tensor:
    return torch.cos(_omega(k, k - 1) * d).mean()


def _summed(d: int, k: int) -> Tensor:
    return torch.cos(_omega(k, k - 1) * d).sum()


def _sines(d: int, k: int) -> Tensor:
    return torch.sin(_omega(k, k - 1) * d).mean()


def _never_the_slowest(d: int, k: int) -> Tensor:
    return torch.cos(_omega(k, k) * d).mean()


def _split(x: Tensor, n: int) -> Tensor:
    B, P, C = x.shape
    return x.reshape(B, P, n, C // n).transpose(1, 2)  # (B, n, P, C / n)


def _collected(q: Tensor, k: Tensor, v: Tensor, n: int, below: float, dim: int = -1) -> Tensor:
    q, k, v = (_split(one, n) for one in (q, k, v))
    weights = torch.softmax(q @ k.transpose(-1, -2) / below, dim=dim)
    return (weights @ v).transpose(1, 2).flatten(2)


def _heads(q: Tensor, k: Tensor, v: Tensor, n: int) -> Tensor:
    return _collected(q, k, v, n, math.sqrt(q.shape[-1] / n))


def _scaled_by_all(q: Tensor, k: Tensor, v: Tensor, n: int) -> Tensor:
    return _collected(q, k, v, n, math.sqrt(q.shape[-1]))


def _not_scaled(q: Tensor, k: Tensor, v: Tensor, n: int) -> Tensor:
    return _collected(q, k, v, n, 1.0)


def _over_askers(q: Tensor, k: Tensor, v: Tensor, n: int) -> Tensor:
    return _collected(q, k, v, n, math.sqrt(q.shape[-1] / n), dim=-2)


def _strided(q: Tensor, k: Tensor, v: Tensor, n: int) -> Tensor:
    q, k, v = (one.unflatten(-1, (-1, n)).permute(0, 3, 1, 2) for one in (q, k, v))
    weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1)
    return (weights @ v).permute(0, 2, 3, 1).flatten(2)


def _not_put_back(q: Tensor, k: Tensor, v: Tensor, n: int) -> Tensor:
    q, k, v = (_split(one, n) for one in (q, k, v))
    weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1)
    return (weights @ v).reshape(len(q), q.shape[2], -1)


PROGRAM = """```
 1  self.norm_1 = nn.GroupNorm(8, c_in)
 2  self.conv_1 = nn.Conv2d(c_in, c_out, 3, padding=1)
 3  self.embed = nn.Linear(e, c_out)
 4  self.norm_2 = nn.GroupNorm(c_out, c_out)
 5  self.conv_2 = zeroed(nn.Conv2d(c_out, c_out, 3, padding=1))
    ...
 6  h = self.conv_1(F.silu(self.norm_1(x)))
 7  h = h + self.embed(emb)[:, :, None, None]
 8  h = self.conv_2(F.silu(self.norm_2(h)))
 9  return self.shortcut(x) + h
```"""

_GENERATOR = torch.Generator().manual_seed(0)


def _draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=_GENERATOR)


def _parts() -> SimpleNamespace:
    """The parts of the page's network, small, with weights drawn at random."""
    c, w = 16, 32
    config = UNetConfig(8, 1, c, (1, 2), attention=(), patch_size=2, groups=8)
    sizes = {"down_1": (c, c), "down_2": (c, w), "middle_1": (w, w), "middle_2": (w, w)}
    sizes |= {"up_1": (w + w, w), "up_2": (w + c, w), "up_3": (w + c, c), "up_4": (c + c, c)}
    with torch.random.fork_rng(devices=[]):
        parts: dict[str, nn.Module] = {name: ResidualBlock(*size, config) for name, size in sizes.items()}
        parts |= {"conv_in": nn.Conv2d(4, c, 3, padding=1), "shrink": nn.Conv2d(c, c, 3, 2, padding=1)}
        parts |= {"grow": nn.Conv2d(w, w, 3, padding=1), "conv_out": nn.Conv2d(c, 4, 3, padding=1)}
        parts["norm_out"] = nn.GroupNorm(8, c)
    for weight in nn.ModuleDict(parts).parameters():
        nn.init.normal_(weight, std=0.2, generator=_GENERATOR)
    return SimpleNamespace(**parts)


def _way(
    net: SimpleNamespace,
    x_t: Tensor,
    emb: Tensor,
    order: Sequence[int] = (3, 2, 1, 0),
    skip_first: bool = False,
    silu: Callable = F.silu,
    middle: bool = True,
) -> Tensor:
    skips = [net.conv_in(F.pixel_unshuffle(x_t, 2))]
    skips.append(net.down_1(skips[-1], emb))
    skips.append(net.shrink(skips[-1]))
    skips.append(net.down_2(skips[-1], emb))

    def join(h: Tensor, k: int) -> Tensor:
        skip = skips[order[k]] if order else h[:, : skips[3 - k].shape[1]]
        return torch.cat([skip, h] if skip_first else [h, skip], dim=1)

    h = net.middle_2(net.middle_1(skips[-1], emb), emb) if middle else skips[-1]
    h = net.up_2(join(net.up_1(join(h, 0), emb), 1), emb)
    h = net.grow(F.interpolate(h, scale_factor=2.0))
    h = net.up_4(join(net.up_3(join(h, 2), emb), 3), emb)
    return F.pixel_shuffle(net.conv_out(silu(net.norm_out(h))), 2)


EXERCISES: tuple[Exercise, ...] = (
    Implement(
        "How similar are the vectors of two times that lie `d` apart? Write `similar(d, k)`, the scalar product of the "
        "two vectors divided by that of a vector with itself, for `k` clocks: one number, without the vector of any "
        "time. `q.check(similar)`.",
        _similar,
        r"$\cos a\cos b + \sin a\sin b = \cos(a - b)$: each clock adds the cosine of the angle between its two hands. "
        r"A vector with itself gives $k$. So it is $\frac1k\sum_j \cos(\omega_j d)$: "
        "`(10_000.0 ** (-torch.arange(k) / (k - 1)) * d).cos().mean()`. It depends on the distance $d$ alone, not on "
        "where the two times are.",
        (
            r"Take one clock. What is $\sin a\sin b + \cos a\cos b$?",
            r"It is $\cos(a - b)$, and here $a - b = \omega_j d$. With $d = 0$, what is the sum over all clocks?",
            r"The mean of $\cos(\omega_j d)$ over $j = 1, \dots, k$.",
        ),
        (
            (_summed, "That is the scalar product. Divide by that of a vector with itself: at d = 0 it must be 1."),
            (
                _sines,
                "At d = 0 the two vectors are the same, and this gives 0. Which function of the angle is 1 there?",
            ),
            (
                _never_the_slowest,
                "Those are the Transformer's speeds. Here the slowest clock turns 1/10000 as fast as the first: the "
                "exponent goes from 0 to 1 in k - 1 steps.",
            ),
        ),
        cases={"32 numbers, the same time": (0, 16), "32 numbers, 500 apart": (500, 16), "8 numbers": (3, 4)},
    ),
    Debug(
        "Someone writes this block. The network trains, but whatever label is asked for, it draws any digit, and the "
        f"block answers the same for every $t$ and every label. Which line is wrong? `q.check(number)`.\n\n{PROGRAM}",
        4,
        "Line 4. As many groups as channels: each channel is a group of its own. Line 7 adds the same number to all "
        "pixels of a channel, and the norm in line 8 subtracts the mean of that channel: the time is gone, and the "
        "label with it. With several channels a group, only what they have in common is lost. The package refuses it.",
        (
            "Where do time and label enter, and what is done to them next?",
            "GroupNorm subtracts a mean. If a constant was added to everything that the mean is taken over, what is "
            "left?",
        ),
        (
            (1, "Line 1 is sound: 8 groups, and the time has not been added yet."),
            (2, "Line 2 is sound: 3x3, and the padding keeps the size."),
            (3, "Line 3 is sound: one number for each channel, from the vector of time and label."),
            (5, "Line 5 is sound: the second convolution keeps the number of channels, and starts at zero."),
            (6, "Line 6 is sound: norm, SiLU, convolution."),
            (7, "Line 7 is sound: it does add time and label. What happens to them next?"),
            (8, "Line 8 has the right order: norm, SiLU, convolution. But look at which norm it is."),
            (9, "Line 9 is sound: the input is added back, with as many channels as h has."),
        ),
    ),
    Implement(
        "The Transformer splits the channels among several *heads*, and ADM (Section 3) varies their number: each has "
        "its own share of the channels of $q$, $k$ and $v$, its own table of weights, and collects for its own share. "
        "Write `heads(q, k, v, n)`: three tensors (B, pixels, C), `n` heads of C/n neighbouring channels, and out "
        "comes (B, pixels, C): `q.check(heads)`.",
        _heads,
        "`split = lambda z: z.unflatten(-1, (n, -1)).transpose(1, 2)` gives (B, n, pixels, C/n), and the two matrix "
        "products work on the last two axes: `w = softmax(split(q) @ split(k).transpose(-1, -2) / (C / n) ** 0.5, "
        "-1)`, then `(w @ split(v)).transpose(1, 2).flatten(2)`. The scalar products have C/n summands now, so that is "
        "what stands below the root.",
        (
            "A head is one axis more, in front of the pixels: (B, n, pixels, C/n). Matrix products leave it alone.",
            "How many summands has the scalar product of a head? Its root stands below.",
            "At the end the axis of heads has to go back beside its channels before the two become one axis.",
        ),
        (
            (_scaled_by_all, "A head's scalar product has C/n summands. Below stands the root of C/n, not of C."),
            (_not_scaled, "The scalar products are not divided: below them stands the root of C/n."),
            (_over_askers, "The weights of the pixel that asks must add up to 1: softmax over the last axis."),
            (
                _strided,
                "Your heads take every n-th channel. Neighbouring ones were asked for: with 8 channels and 2 heads, "
                "0-3, 4-7.",
            ),
            (
                _not_put_back,
                "The heads are joined in the wrong order: (B, n, pixels, C/n) must become (B, pixels, n, C/n) before "
                "the last two axes are made one.",
            ),
        ),
        cases={
            "1 head": (_draw(2, 9, 8), _draw(2, 9, 8), _draw(2, 9, 8), 1),
            "2 heads": (_draw(2, 9, 8), _draw(2, 9, 8), _draw(2, 9, 8), 2),
            "4 heads, 25 pixels": (_draw(1, 25, 16), _draw(1, 25, 16), _draw(1, 25, 16), 4),
        },
    ),
    Implement(
        "Write the way of an image through the network: `forward(net, x_t, emb)`. `net` has the parts above, `x_t` is "
        "(B, 1, H, W), and the blocks are handed `emb`, (B, e), the vector of time and label. First comes "
        "`F.pixel_unshuffle(x_t, 2)`, before `grow` `F.interpolate(h, scale_factor=2.0)`, before `conv_out` `F.silu`, "
        "and at last `F.pixel_shuffle(h, 2)`. `q.check(forward)` tries it on a small network of random weights.",
        _way,
        "The next cell of the page has it. Four results go onto the pile, those of `conv_in`, `down_1`, `shrink` and "
        "`down_2`; four blocks take one off, the last one first, and join it as `torch.cat([h, skips.pop()], dim=1)`.",
        (
            "The table of section 1 says which part is handed what, and at which size.",
            "`skips = [net.conv_in(F.pixel_unshuffle(x_t, 2))]`, and then `skips.append(...)` for each part on the way "
            "down. What goes into `middle_1`?",
            "`h = net.up_1(torch.cat([h, skips.pop()], dim=1), emb)`, and so on; `grow` stands between `up_2` and "
            "`up_3`, and is handed nothing.",
        ),
        (
            (
                partial(_way, order=(3, 2, 0, 1)),
                "`up_3` and `up_4` have each other's skip, of the same shape. The pile gives the last one first.",
            ),
            (
                partial(_way, skip_first=True),
                "The channels are joined in the other order. First comes what the block has, then the skip.",
            ),
            (partial(_way, order=()), "No skip is used: the blocks are handed a copy of what is there anyway."),
            (partial(_way, silu=nn.Identity()), "Between `norm_out` and `conv_out` stands a SiLU, as in every block."),
            (partial(_way, middle=False), "The middle is left out: two blocks, between the way down and the way up."),
        ),
        cases={
            "two images": (_parts(), _draw(2, 1, 8, 8), _draw(2, 64)),
            "12x8": (_parts(), _draw(1, 1, 12, 8), _draw(1, 64)),
        },
    ),
    Predict(
        "A network without patches, for images of 64x64: `conv_in`, a block, `shrink`, a block, `shrink`, a block. How "
        "many pixels a side can change one number of the last block? Count by hand, as the section does: "
        "`q.check(number)`.",
        37,
        "37. `conv_in` sees 3. The block has two convolutions on pixels of side 1: 7. `shrink` still works on pixels "
        "of side 1, and steps over them in twos: 9. The next block works on pixels of side 2: two convolutions, 4 "
        "each: 17. `shrink`: 21. The last block, on side 4, adds 16: 37. Of an image of 32x32 that would be all.",
        (
            "Each 3x3 convolution adds one of *its* pixels on either side. How many convolutions has a block?",
            "`shrink` is a convolution, too. It works on the pixels of the level that it leaves.",
            "3, then 4 x 1, 2 x 1, 4 x 2, 2 x 2, and 4 x 4.",
        ),
        (
            (19, "That takes every pixel as 1 wide. After a `shrink` a step to the neighbour is a step of two pixels."),
            (23, "A block has two convolutions."),
            (43, "`shrink` works on the pixels that come in: those of the level that it leaves."),
            (74, "Twice too much: there are no patches here, so `conv_in` sees 3 pixels a side."),
        ),
        within=0.5,
    ),
    Predict(
        "Two blocks of the shipped network: `up_1` is handed 128 channels of 7x7 and makes 64, `up_4` is handed 64 of "
        "14x14 and makes 32. Look at their convolutions, and leave biases aside. How many times as many *weights* has "
        "`up_1`? And how many times as many *multiply-adds* does it take? Two numbers: `q.check(weights, work)`.",
        (4, 1),
        "(4, 1). A 3x3 convolution has nine weights for each pair of an input and an output channel, a 1x1 "
        "convolution one. `up_1` has twice the channels on both sides: 9 x 128 x 64 + 9 x 64 x 64 + 128 x 64 = "
        "118,784 weights, against 29,696. But each weight is used once at every pixel, 49 times against 196: "
        "5,820,416 multiply-adds in either block.",
        (
            "A convolution has weights for each pair of an input and an output channel. Either block has three.",
            "Each weight is used once at every pixel. How many pixels has either?",
        ),
        (
            ((2, 0.5), "The channels are doubled on both sides: there are four times as many pairs."),
            ((4, 4), "The work counts pixels, too: each weight is used at all of them."),
            ((4, 2), "Half the side means a quarter of the pixels."),
            ((4, 16), "`up_1` has fewer pixels, not more: 49 against 196."),
        ),
        within=0.05,
    ),
)
