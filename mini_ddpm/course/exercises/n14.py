"""The exercises of notebook 14."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Exercise, Predict
from mini_ddpm.schedules import cosine_betas, linear_betas


def _bits(nats: Tensor, channels: int, side: int) -> Tensor:
    return nats / (channels * side**2 * math.log(2))


def _in_nats(nats: Tensor, channels: int, side: int) -> Tensor:
    return nats / (channels * side**2)


def _per_pixel(nats: Tensor, channels: int, side: int) -> Tensor:
    return nats / (side**2 * math.log(2))


def _per_image(nats: Tensor, channels: int, side: int) -> Tensor:
    return nats / math.log(2)


def _wrong_way(nats: Tensor, channels: int, side: int) -> Tensor:
    return nats * math.log(2) / (channels * side**2)


def _weights(betas: Tensor) -> Tensor:
    return betas / (2 * (1 - betas) * (1 - torch.cumprod(1 - betas, dim=0)))


def _how_often(betas: Tensor) -> Tensor:
    return _weights(betas) / _weights(betas).sum()


def _no_chances(betas: Tensor) -> Tensor:
    return _weights(betas)


def _small_variance(betas: Tensor) -> Tensor:
    bars = torch.cumprod(1 - betas, dim=0)
    weights = betas / (2 * (1 - betas) * (1 - torch.cat([bars[:1], bars[:-1]])))
    return weights / weights.sum()


def _inverse(betas: Tensor) -> Tensor:
    return (1 / _weights(betas)) / (1 / _weights(betas)).sum()


def _alpha_for_bar(betas: Tensor) -> Tensor:
    weights = betas / (2 * (1 - betas) * betas)
    return weights / weights.sum()


def _squared(betas: Tensor) -> Tensor:
    return _weights(betas) ** 2 / (_weights(betas) ** 2).sum()


def _evenly(betas: Tensor) -> Tensor:
    return torch.full_like(betas, 1 / len(betas))


class Match(Predict):
    """Which belongs to which: numbers, of which it is told how many are right."""

    kind = "match"

    def fault(self, answer: float | Sequence[float]) -> str | None:
        """How many are right."""
        words = super().fault(answer)
        if words is None or words.startswith("Give"):
            return words
        right = sum(abs(a - b) < 0.5 for a, b in zip(np.atleast_1d(answer), np.atleast_1d(self.answer), strict=True))
        return f"{right} of {len(np.atleast_1d(self.answer))} are right."


EXERCISES: tuple[Exercise, ...] = (
    Match(
        "Which formula says it? (a) What the bound loses is how wrong a guess of the latents is. (b) Two sources tell "
        "where the step before is, and their precisions add up. (c) The guessed image, with less of the guessed noise. "
        "(d) A term of the bound is a squared error of the noise, times a number. (e) Any time is reached in one jump. "
        "(f) On in the direction in which the label changes the answer. (g) The more a step may vary, the farther "
        "another network's opinion moves it. Seven numbers of the table: `q.check(a, b, c, d, e, f, g)`.",
        (3, 5, 10, 7, 2, 13, 14),
        "(3, 5, 10, 7, 2, 13, 14). Of the other seven: 1 is the noise that many steps add, 4 and 8 are what formulas "
        "are written with, 6 is where a step goes, 9 is that step with fresh noise, 11 is a schedule that keeps the "
        "image longer, and 12 makes a likelihood of grey levels from a density.",
        (
            "Say each formula aloud, with its words for its letters: precision is one over variance.",
            "Begin with those that have a name: the bound, DDIM, guidance without and with a classifier.",
        ),
        (
            ((3, 5, 9, 7, 2, 13, 14), "(c): formula 9 adds fresh noise. Which one keeps the guessed noise?"),
            ((3, 6, 10, 7, 2, 13, 14), "(b): formula 6 says where the step goes. Precision is one over variance."),
            ((4, 5, 10, 7, 2, 13, 14), "(a): formula 4 computes a KL. In which one is a KL what the bound loses?"),
            ((3, 5, 10, 7, 1, 13, 14), "(e): formula 1 is needed for the jump. Which one is the jump?"),
            ((3, 5, 10, 7, 2, 14, 13), "(f) and (g) are exchanged: in which one does a variance stand?"),
        ),
        within=0.4,
    ),
    Implement(
        "A model codes images in so many nats each. Write `bits_per_dim(nats, channels, side)`: `nats` is (n,), of "
        "whole images of `side` x `side` pixels: `q.check(bits_per_dim)`.",
        _bits,
        "`nats / (channels * side ** 2 * math.log(2))`. A dimension is one number of one channel: a CIFAR-10 image has "
        "3,072, a digit 784. 3.75 bits/dim are 1,440 bytes for a photograph, less than half of the 3,072 that it "
        "takes uncoded.",
        (
            "How many nats is a bit? A fair coin has one bit, and its probability is one half.",
            "How many numbers does an image have?",
        ),
        (
            (_in_nats, "Nats for each dimension. A bit is log 2 nats, so there are more bits than nats."),
            (_per_pixel, "Bits for each pixel. A colour pixel has three dimensions."),
            (_per_image, "Bits for the whole image. How many numbers does it have?"),
            (_wrong_way, "A bit is log 2 nats: the smaller unit makes the larger number."),
        ),
        cases={
            "photographs": (torch.tensor([7985.0, 6000.0]), 3, 32),
            "digits": (torch.tensor([700.0]), 1, 28),
        },
    ),
    Predict(
        "In a digit four pixels of five are black, and a model codes each of these in 0.05 bits; the others cost it 5 "
        "bits each, more than a photograph's. How many bits/dim is that? Within 0.02: `q.check(bits)`.",
        0.8 * 0.05 + 0.2 * 5,
        "1.04. Fewer than any model in this page's tables needs for CIFAR-10, and no praise: most of a digit is black, "
        "and costs almost nothing. Bits/dim compare models of the same data.",
        ("A mean over all pixels.", "0.8 of them at 0.05, 0.2 of them at 5."),
        (
            ((0.05 + 5) / 2, "The two kinds are not equally many."),
            (5.05, "A sum over one pixel of each kind. Bits/dim are a mean over the pixels."),
            (0.2 * 0.05 + 0.8 * 5, "Four of five are the cheap ones."),
            (1.0, "That leaves out what the black ones cost: little, but not nothing."),
        ),
        within=0.02,
    ),
    Implement(
        "Draw times by weight: write `how_often(betas)`, the probability of each $t = 1, \\dots, T$ under which the "
        "squared error of the noise *alone* is, on average and up to a factor, the sum of the bound's terms. The "
        r"weights are those of DDPM's Eq. 12 with $\sigma_t^2 = \beta_t$, "
        r"$\frac{\beta_t^2}{2\sigma_t^2\alpha_t(1-\bar\alpha_t)}$; give a tensor (T,): `q.check(how_often)`.",
        _how_often,
        "`w = betas / (2 * (1 - betas) * (1 - torch.cumprod(1 - betas, dim=0)))`, and `w / w.sum()`. An average over "
        "draws counts each error as often as its time comes, so how often can take the place of how heavily. It is "
        "the same mean with less luck in it: no single draw pulls hundreds of times as hard as another.",
        (
            "Put the variance in and cancel.",
            r"$\alpha_t = 1 - \beta_t$, and $\bar\alpha_t$ is the product of all of them up to $t$.",
            "Probabilities add up to 1.",
        ),
        (
            (_no_chances, "These are the weights. Probabilities add up to 1."),
            (
                _small_variance,
                "One minus alpha-bar of the step before: the variance here is beta, and alpha-bar is at t.",
            ),
            (_inverse, "Upside down: a heavy time must come more often."),
            (_alpha_for_bar, "One minus alpha-bar, the product of all steps so far, not one minus this step's alpha."),
            (_squared, "Squared: the weight itself is how often the time should come."),
            (_evenly, "That is how L_simple draws, and what is to be changed."),
        ),
        cases={"linear, T = 1000": (linear_betas(1000),), "cosine, T = 50": (cosine_betas(50),)},
        within=1e-6,
    ),
    Predict(
        "Suppose none of the five single choices in the table did anything, and each seed's sign came from a fair "
        "coin, all of them independent. How likely is it that *at least one* of the five agrees with its paper's "
        "sign in all three seeds? Within 0.02: `q.check(probability)`.",
        1 - (1 - 1 / 8) ** 5,
        "0.487. One choice agrees three times with probability 1/8, none of the five with (7/8)^5 = 0.513. So one "
        "agreement among five is what luck alone gives in every second table. Three seeds are few. (Ours share their "
        "base in each seed, so they are not even independent.) With the sixth row, all but rescaling, it is 0.55: the "
        "sign alone is no evidence there either; the size of the change is.",
        (
            "How likely is one choice to have the paper's sign three times?",
            "How likely is it that none of five has?",
        ),
        (
            (5 / 8, "Five times 1/8 counts tables with two agreements twice."),
            (1 / 8, "That is for one choice. There are five."),
            (
                1 - (1 - 1 / 4) ** 5,
                "Three equal signs have 1/4; but they must also be the paper's.",
            ),
            ((7 / 8) ** 5, "That is the probability that none of them agrees."),
        ),
        within=0.02,
    ),
)
