"""The exercises of notebook 14."""

import math

import torch
from torch import Tensor

from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Choose, Exercise, Predict
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


EXERCISES: tuple[Exercise, ...] = (
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
    Choose(
        "One paper reports FID 2.9 and 3.4 bits/dim, another FID 3.2 and 3.2 bits/dim, both on CIFAR-10. Which model "
        'is better: `"first"`, `"second"`, or is there `"no order"`? `q.check(...)`.',
        "no order",
        "For what? The first draws samples that Inception likes better, the second codes images in fewer bits. Both "
        "pairs are close to rows of Improved DDPM's Table 2 (section 5), so this is no trick question.",
        ("Which number says something about samples, and which about likelihood?", "Does either rule the other out?"),
        (
            ("first", 'Its samples, by Inception. By likelihood it is the other one: what was "better" to mean?'),
            ("second", 'Its likelihood. By its samples it is the other one: what was "better" to mean?'),
        ),
    ),
    Choose(
        "Our digits' network needs 1.32 bits/dim, Improved DDPM's best for CIFAR-10 2.94. Which of these may be said? "
        '`"ours is better"`, `"theirs is better"`, `"digits cost less"`: `q.check(...)`.',
        "digits cost less",
        "Bits/dim compare models on the same data only. Most of a digit's numbers are black, and cost almost nothing "
        "(notebook 11), whichever model codes them.",
        ("What do the two rows have in common, and what not?", "What would a poor model of digits need?"),
        (
            ("ours is better", "Fewer bits, of other images. What would their network need for a digit?"),
            ("theirs is better", "It may well be, but these two numbers don't say so: they are of different images."),
        ),
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
        "base in each seed, so they are not even independent.)",
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
