"""The exercises of notebook 06."""

import math

import torch
from torch import Tensor

from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Debug, Exercise, Predict


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


def _mean_angle(d: int, k: int) -> Tensor:
    return torch.cos(_omega(k, k - 1).mean() * d)


def _fold(x: Tensor) -> Tensor:
    B, C, H, W = x.shape
    return x.reshape(B, C, H // 2, 2, W // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(B, 4 * C, H // 2, W // 2)


def _cut_into_pieces(x: Tensor) -> Tensor:
    B, C, H, W = x.shape
    return x.reshape(B, 4 * C, H // 2, W // 2)


def _transposed(x: Tensor) -> Tensor:
    B, C, H, W = x.shape
    return x.reshape(B, C, H // 2, 2, W // 2, 2).permute(0, 1, 5, 3, 2, 4).reshape(B, 4 * C, H // 2, W // 2)


def _places_first(x: Tensor) -> Tensor:
    B, C, H, W = x.shape
    return x.reshape(B, C, H // 2, 2, W // 2, 2).permute(0, 3, 5, 1, 2, 4).reshape(B, 4 * C, H // 2, W // 2)


def _quarters(x: Tensor) -> Tensor:
    B, C, H, W = x.shape
    return x.reshape(B, C, 2, H // 2, 2, W // 2).permute(0, 1, 2, 4, 3, 5).reshape(B, 4 * C, H // 2, W // 2)


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


def _one_head(q: Tensor, k: Tensor, v: Tensor, n: int) -> Tensor:
    return _collected(q, k, v, 1, math.sqrt(q.shape[-1]))


def _strided(q: Tensor, k: Tensor, v: Tensor, n: int) -> Tensor:
    q, k, v = (one.unflatten(-1, (-1, n)).permute(0, 3, 1, 2) for one in (q, k, v))
    weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1)
    return (weights @ v).permute(0, 2, 3, 1).flatten(2)


def _strided_in(q: Tensor, k: Tensor, v: Tensor, n: int) -> Tensor:
    out = _strided(q, k, v, n)
    return out.unflatten(-1, (-1, n)).transpose(-1, -2).flatten(2)


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

STRIDED = "Your heads take every n-th channel. Neighbouring ones were asked for: with 8 channels and 2 heads, 0-3, 4-7."
_GENERATOR = torch.Generator().manual_seed(0)


def _draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=_GENERATOR)


EXERCISES: tuple[Exercise, ...] = (
    Implement(
        "How similar are the vectors of two times that lie `d` apart? Write `similar(d, k)`, the scalar product of the "
        "two vectors divided by that of a vector with itself, for `k` clocks: one number, without making any vector. "
        "`q.check(similar)`.",
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
            (_never_the_slowest, "The slowest turns 1/10000 as fast: the exponent goes from 0 to 1 in k - 1 steps."),
            (_mean_angle, "That is the cosine of a mean angle. Take the mean of the cosines."),
        ),
        cases={"32 numbers, the same time": (0, 16), "32 numbers, 500 apart": (500, 16), "8 numbers": (3, 4)},
    ),
    Debug(
        "Someone writes this block. The network trains, but it draws badly, and a look inside shows that the block "
        f"answers the same at every $t$. Which line is wrong? `q.check(number)`.\n\n{PROGRAM}",
        4,
        "Line 4. As many groups as channels: each channel is a group of its own. Line 7 adds the same number to all "
        "pixels of a channel, and the norm in line 8 subtracts the mean of that channel: the time is gone. With "
        "several channels a group, only what they have in common is lost. The package refuses such a network.",
        (
            "Where does the time enter, and what is done to it next?",
            "GroupNorm subtracts a mean. If a constant was added to everything that the mean is taken over, what is "
            "left?",
        ),
        (
            (1, "Line 1 is sound: 8 groups, and the time has not been added yet."),
            (2, "Line 2 is sound: 3x3, and the padding keeps the size."),
            (3, "Line 3 is sound: one number for each channel, from the vector of the time."),
            (5, "Line 5 is sound: the second convolution keeps the number of channels, and starts at zero."),
            (6, "Line 6 is sound: norm, SiLU, convolution."),
            (7, "Line 7 is sound: it does add the time. What happens to it next?"),
            (8, "Line 8 has the right order: norm, SiLU, convolution. But look at which norm it is."),
            (9, "Line 9 is sound: the input is added back, with as many channels as h has."),
        ),
    ),
    Implement(
        "ADM (Section 3) splits the channels among several *heads*: each has its own share of the channels of $q$, $k$ "
        "and $v$, its own table of weights, and collects for its own share. Write `heads(q, k, v, n)`: three tensors "
        "(B, pixels, C), `n` heads of C/n neighbouring channels, and out comes (B, pixels, C): `q.check(heads)`.",
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
            (_one_head, "That is one head over all channels. Each of the n must have a table of weights of its own."),
            (_strided, STRIDED),
            (_strided_in, STRIDED),
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
        "Write `fold(x)`, which does what `F.pixel_unshuffle(x, 2)` does, with `reshape` and `permute`: each block of "
        "2x2 pixels becomes 4 channels, (B, C, H, W) to (B, 4 C, H/2, W/2). The four stand side by side, in reading "
        "order, and those of the first channel come first: `q.check(fold)`.",
        _fold,
        "`x.reshape(B, C, H // 2, 2, W // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(B, 4 * C, H // 2, W // 2)`. The row "
        "of a pixel is twice the row of its block, plus 0 or 1: `reshape` takes this apart, `permute` moves both "
        "remainders behind the channel, and `reshape` makes one axis of the three.",
        (
            "The row of a pixel is 2 i + a, with i the row of its block. `reshape` to (..., H/2, 2, ...) takes it "
            "apart.",
            "Six axes: B, C, i, a, j, b. In which order must they stand, so that C, a, b can become one axis?",
            "(B, C, a, b, i, j): that is permute(0, 1, 3, 5, 2, 4).",
        ),
        (
            (_cut_into_pieces, "Reshape alone cuts the rows of the image into pieces. The axes have to be moved, too."),
            (
                _transposed,
                "The four of a block are in columns first: upper left, lower left. Reading order goes by rows.",
            ),
            (
                _places_first,
                "All upper left pixels come first, then all others. The four of a channel belong together.",
            ),
            (
                _quarters,
                "That makes channels of the four quarters of the image. The four pixels of a small block were asked "
                "for.",
            ),
        ),
        cases={
            "a digit's size": (_draw(2, 1, 28, 28),),
            "3 colours": (_draw(1, 3, 4, 6),),
        },
    ),
    Predict(
        "A network without patches, for images of 32x32: `conv_in`, a block, `shrink`, a block, `shrink`, a block. How "
        "many pixels a side can change one number of the last block? Count by hand, as the section does: "
        "`q.check(number)`.",
        37,
        "37. `conv_in` sees 3. The block has two convolutions on pixels of side 1: 7. `shrink` still works on pixels "
        "of side 1, and steps over them in twos: 9. The next block works on pixels of side 2: two convolutions, 4 "
        "each: 17. `shrink`: 21. The last block, on side 4, adds 16: 37. It sees the whole image.",
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
        "How many weights has the block `down_2` of the shipped network, from 32 to 64 channels, with a vector `emb` "
        "of 128? Count all that is learned, norms and biases too: `q.check(number)`.",
        65_984,
        "65,984. `conv_1` has nine weights for each pair of an input and an output channel, and a bias for each "
        "output: 9 x 32 x 64 + 64 = 18,496. `conv_2`: 9 x 64 x 64 + 64 = 36,928. `embed`: 128 x 64 + 64 = 8,256. "
        "`shortcut`: 32 x 64 + 64 = 2,112. The norms have a scale and a shift for each channel: 64 and 128.",
        (
            "Six layers: `norm_1`, `conv_1`, `embed`, `norm_2`, `conv_2`, `shortcut`.",
            "A 3x3 convolution: nine weights for each pair of an input and an output channel, and a bias for each "
            "output.",
            "18,496 in `conv_1` and 36,928 in `conv_2`; four layers are left.",
        ),
        (
            (
                63_872,
                "The `shortcut` is missing: the number of channels changes, so the input passes a 1x1 convolution.",
            ),
            (65_792, "The norms are missing: each has a scale and a shift for every channel."),
            (57_728, "`embed` is missing: a linear layer from 128 to 64 numbers."),
            (65_728, "The biases are missing: one for each output of the four layers that have one."),
            (47_552, "`conv_2` goes from 64 to 64 channels: its input is the output of `conv_1`."),
        ),
        within=0.5,
    ),
)
