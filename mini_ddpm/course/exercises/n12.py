"""The exercises of notebook 12."""

from collections.abc import Callable

import torch
from sympy import sqrt, symbols
from torch import Tensor

from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Debug, Derive, Exercise, Predict
from mini_ddpm.symbolic.notation import alpha_bar, forward_process
from mini_ddpm.symbolic.notation import s as earlier
from mini_ddpm.symbolic.notation import t as time

Slope = Callable[[Tensor, int], Tensor]

FORWARD = forward_process()
g, w = symbols("g", real=True), symbols("w", positive=True)
bar_t, bar_s = alpha_bar[time], alpha_bar[earlier]


def guided_mean(slope: Slope, x_t: Tensor, t: int, mean: Tensor, s: int, sigma: Tensor, w: float) -> Tensor:
    """The mean of a guided step. Source: ADM (2105.05233), Eq. 10."""
    return mean + w * sigma**2 * slope(mean, s)


def _downhill(slope: Slope, x_t: Tensor, t: int, mean: Tensor, s: int, sigma: Tensor, w: float) -> Tensor:
    return mean - w * sigma**2 * slope(mean, s)


def _not_squared(slope: Slope, x_t: Tensor, t: int, mean: Tensor, s: int, sigma: Tensor, w: float) -> Tensor:
    return mean + w * sigma * slope(mean, s)


def _at_x_t(slope: Slope, x_t: Tensor, t: int, mean: Tensor, s: int, sigma: Tensor, w: float) -> Tensor:
    return mean + w * sigma**2 * slope(x_t, t)


def _wrong_time(slope: Slope, x_t: Tensor, t: int, mean: Tensor, s: int, sigma: Tensor, w: float) -> Tensor:
    return mean + w * sigma**2 * slope(mean, t)


def _scale_squared(slope: Slope, x_t: Tensor, t: int, mean: Tensor, s: int, sigma: Tensor, w: float) -> Tensor:
    return mean + (w * sigma) ** 2 * slope(mean, s)


def _slope(x: Tensor, t: int) -> Tensor:
    return torch.sigmoid(-(1 + t / 100) * x)


def guided_velocity(v: Tensor, slope: Tensor, bar: Tensor, w: float) -> Tensor:
    """The velocity, when the noise is shifted by -w sqrt(1 - bar) slope at the same x_t."""
    return v - w * ((1 - bar) / bar).sqrt() * slope


def _as_noise(v: Tensor, slope: Tensor, bar: Tensor, w: float) -> Tensor:
    return v - w * (1 - bar).sqrt() * slope


def _noise_alone(v: Tensor, slope: Tensor, bar: Tensor, w: float) -> Tensor:
    return v - w * (bar * (1 - bar)).sqrt() * slope


def _with(v: Tensor, slope: Tensor, bar: Tensor, w: float) -> Tensor:
    return v + w * ((1 - bar) / bar).sqrt() * slope


def _upside_down(v: Tensor, slope: Tensor, bar: Tensor, w: float) -> Tensor:
    return v - w * (bar / (1 - bar)).sqrt() * slope


POINTS, SLOPES = torch.tensor([-1.3, 0.2, 0.9]), torch.tensor([0.6, -1.5, 0.1])

PROGRAM = """```
1  x = mean.detach().requires_grad_()
2  log_p = classifier(x, torch.full((n,), s)).log_softmax(dim=1)
3  chosen = log_p[torch.arange(n), y].mean()
4  g = torch.autograd.grad(chosen, x)[0]
5  x_s = mean + w * sigma**2 * g + sigma * torch.randn_like(mean)
```"""

EXERCISES: tuple[Exercise, ...] = (
    Implement(
        "Write `guided_mean(slope, x_t, t, mean, s, sigma, w)`: the mean of the guided step from $t$ to $s$, as it was "
        r"derived. `slope(x, t)` is $\nabla_x \log p(y \mid x)$ of a classifier that is told $t$; `sigma` is the "
        "standard deviation of the step. Not every argument need be used. `q.check(guided_mean)`.",
        guided_mean,
        "`mean + w * sigma**2 * slope(mean, s)`. The line is drawn around the mean, where the step arrives, so the "
        "classifier is asked there, and told the time of arrival. ADM's published code asks at $x_t$ and $t$; "
        "the section below "
        "measures what that changes.",
        (
            r"By how much is the mean moved, in $\Sigma$, $w$ and $g$?",
            r"$\Sigma$ is a variance. Around which point was $\log p(y \mid x_s)$ made a straight line?",
            "The image there has the noise of time $s$, and that is what the classifier must be told.",
        ),
        (
            (_downhill, "A sign: this walks to where the classifier sees less of the label."),
            (_not_squared, "Multiply by the variance; sigma is its root."),
            (_at_x_t, "That is ADM's Algorithm 1. The derivation has the slope elsewhere: where does the step arrive?"),
            (_wrong_time, "The right place. But how noisy is the image there? Tell the classifier that time."),
            (_scale_squared, "The scale multiplies the slope once. Only sigma is squared."),
        ),
        cases={
            "scale 1": (_slope, POINTS, 500, 0.9 * POINTS + 0.1, 400, torch.tensor(0.5), 1.0),
            "scale 4": (_slope, POINTS, 900, 0.4 - POINTS, 100, torch.tensor(0.8), 4.0),
            "the last step": (_slope, POINTS, 20, 1.1 * POINTS, 0, torch.tensor(0.05), 10.0),
        },
    ),
    Predict(
        "A friend wants scale 3 from a *sharper* classifier, used at scale 1: its logits are multiplied by 3 before "
        r"the softmax. Take two labels, $p(y \mid x) = 1/(1 + e^{-x})$, at the $x$ where it is 0.8. How large is "
        r"the slope "
        "$3\\,g$ of guidance with scale 3, and how large is your friend's slope? `q.check(first, second)`.",
        (3 * 0.2, 3 / 65),
        r"The slope of $\log p$ is $1 - p = 0.2$, three times that is 0.6. Your friend's classifier is "
        r"$1/(1 + e^{-3x})$. With $e^x = 0.8/0.2 = 4$ it says $64/65$, and its slope is $3 \cdot 1/65 = 0.046$: a "
        "sharper classifier is sooner content, and pushes no more. The power $p^w$ is no probability: it does not sum "
        "to 1, and so it is never content.",
        (
            r"The slope of $\log\big(1/(1 + e^{-x})\big)$ is $1 - p$.",
            r"At $p = 0.8$, $e^x = 4$. What is $1/(1 + e^{-3x})$ there?",
            r"The chain rule gives your friend's slope a factor 3, too: $3\,(1 - p')$, with $p' = 64/65$.",
        ),
        (
            ((0.6, 0.6), "Is log p multiplied by 3 if the logits are? The softmax divides anew."),
            ((0.2, 3 / 65), "The first is the slope at scale 1."),
            ((0.6, 1 / 65), "The second has a factor of 3 from the chain rule."),
            ((2.4, 2.9538), "The slope of log p is 1 - p, not p: who is sure has nothing to gain."),
        ),
        within=0.005,
    ),
    Implement(
        r"Our network predicts $v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1-\bar\alpha_t}\,x_0$. Write "
        "`guided_velocity(v, slope, bar, w)`, which shifts it so that the noise is shifted by "
        r"$-w\sqrt{1-\bar\alpha_t}\,g$ at the same $x_t$; `bar` is $\bar\alpha_t$. `q.check(guided_velocity)`.",
        guided_velocity,
        r"$x_t$ stays, so if $\epsilon$ moves by $\delta$, the image moves by "
        r"$-\sqrt{(1-\bar\alpha_t)/\bar\alpha_t}\;\delta$. Then $v$ moves by $\sqrt{\bar\alpha_t}\,\delta + "
        r"\frac{1-\bar\alpha_t}{\sqrt{\bar\alpha_t}}\,\delta = \delta/\sqrt{\bar\alpha_t}$. In all: "
        "`v - w * ((1 - bar) / bar).sqrt() * slope`.",
        (
            r"$x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon$ stays as it is. If the noise moves, "
            "what must the image do?",
            r"If $\epsilon$ moves by $\delta$, $x_0$ moves by $-\sqrt{(1-\bar\alpha_t)/\bar\alpha_t}\;\delta$.",
            r"Put both moves into $v$, and use $\bar\alpha_t + (1-\bar\alpha_t) = 1$.",
        ),
        (
            (_as_noise, "That is the shift of the noise. A velocity has other units."),
            (_noise_alone, "The noise has moved, but the image has not: then x_t would be another one."),
            (_with, "A sign: noise is what a step takes away, and the velocity has it with a plus."),
            (_upside_down, "The ratio is upside down: where there is much noise, the velocity moves most."),
        ),
        cases={
            "little noise": (POINTS, SLOPES, torch.tensor(0.9), 1.0),
            "much noise": (POINTS, SLOPES, torch.tensor(0.1), 1.0),
            "scale 4": (POINTS, SLOPES, torch.tensor(0.6), 4.0),
        },
    ),
    Derive(
        "Guidance through the noise shifts the guessed noise by "
        r"$-w\sqrt{1-\bar\alpha_t}\,g$, and with it the guessed image. By how much does it move $x_s$ in *one "
        r"DDIM step* "
        r"from $t$ to $s$, $x_s = \sqrt{\bar\alpha_s}\,\hat x_0 + \sqrt{1-\bar\alpha_s}\,\hat\epsilon$? "
        "`q.check(...)`, with `w`, `g`, `alpha_bar[t]` and `alpha_bar[s]`.",
        w * g * (sqrt(bar_s) * (1 - bar_t) / sqrt(bar_t) - sqrt((1 - bar_s) * (1 - bar_t))),
        r"The image moves by $w\,g\,(1-\bar\alpha_t)/\sqrt{\bar\alpha_t}$, the noise by "
        r"$-w\,g\,\sqrt{1-\bar\alpha_t}$. So "
        r"$x_s$ moves by $w\,g\left(\sqrt{\bar\alpha_s/\bar\alpha_t}\,(1-\bar\alpha_t) - "
        r"\sqrt{(1-\bar\alpha_s)(1-\bar\alpha_t)}\right)$: uphill, since the first is the larger one. In short "
        r"steps it is "
        r"half of $\beta$.",
        (
            r"$x_t$ stays. If the noise moves by $\delta$, the image moves by "
            r"$-\sqrt{(1-\bar\alpha_t)/\bar\alpha_t}\;\delta$.",
            r"Both moves count in $x_s$: one times $\sqrt{\bar\alpha_s}$, the other times $\sqrt{1-\bar\alpha_s}$.",
            r"Put $\delta = -w\sqrt{1-\bar\alpha_t}\,g$ into the sum of both.",
        ),
        (
            (
                -w * g * sqrt((1 - bar_s) * (1 - bar_t)),
                "That leads downhill, for the image has not moved: at the same x_t it must.",
            ),
            (
                w * g * sqrt(bar_s) * (1 - bar_t) / sqrt(bar_t),
                "That is what the image does. The noise that is put back has moved, too.",
            ),
            (
                -w * g * (sqrt(bar_s) * (1 - bar_t) / sqrt(bar_t) - sqrt((1 - bar_s) * (1 - bar_t))),
                "A sign: the noise is shifted against the slope, so the image moves with it.",
            ),
            (
                w * g * (1 - bar_s) / (1 - bar_t) * (1 - bar_t / bar_s),
                "That is the guided step of section 1, which moves the mean by a variance. DDIM has none.",
            ),
        ),
        theory=FORWARD,
        question=sqrt(bar_s) * w * g * (1 - bar_t) / sqrt(bar_t) - sqrt(1 - bar_s) * sqrt(1 - bar_t) * w * g,
    ),
    Predict(
        r"What would a guided walk have to do to draw the sharpened density? Take data $\mathcal{N}(0, 1)$ and a label "
        r"whose data are $\mathcal{N}(m, \frac14)$, so that the sharpened density $q(x_0)\,p(y \mid x_0)^w$ is "
        r"$q(x_0)^{1-w}\,q(x_0 \mid y)^w$, up to a factor. At $w = 3$ and $\bar\alpha_t = \frac12$: what is the "
        r"variance of the *noised sharpened* density, and what that of the *sharpened noised* one, "
        r"$q(x_t)^{1-w}\,q(x_t \mid y)^w$? `q.check(first, second)`.",
        (0.55, 5 / 14),
        r"In a product of powers of Gaussians the precisions add up. Sharpened: $-2 + 3 \cdot 4 = 10$, a variance of "
        r"0.1, and noised $\frac12 \cdot 0.1 + \frac12 = 0.55$. The other order: noised, the label's variance is "
        r"$\frac18 + \frac12 = \frac58$, and that of all data stays 1; sharpened, $-2 + 3 \cdot \frac85 = 2.8$, a "
        r"variance of 0.36. The two orders part, so guidance follows other densities than those that lead to the "
        r"sharpened one.",
        (
            r"A Gaussian to the power $a$ has $a$ times the exponent: its precision is $a$ times as large.",
            r"Noise makes $\bar\alpha_t \cdot$ variance $+\,1 - \bar\alpha_t$ of a variance.",
            r"First: sharpen ($-2 \cdot 1 + 3 \cdot 4$), then noise. Second: noise both, then sharpen.",
        ),
        (
            ((0.1, 5 / 14), "The first is the sharpened density without its noise."),
            ((0.55, 0.1), "The second is to be sharpened at t, after both have been noised."),
            ((5 / 14, 0.55), "The other way round: which operation comes first?"),
            ((0.55, 0.55), "That would be so if the order did not matter. Noise both densities first, then sharpen."),
            ((7 / 12, 0.2083), "Where is $q(x)^{1-w}$? The label's density alone, to the power 3, is not the product."),
        ),
        within=0.005,
    ),
    Debug(
        "A program for one guided step draws the right digits when it is given one image at a time. With a batch of "
        "100 it draws any digits, and no error is raised. Which line is wrong?\n\n" + PROGRAM + "\n\n`q.check(line)`",
        3,
        r"Line 3. `.mean()` divides by $n$, so each image gets a hundredth of its slope. `.sum()` does not: image $k$ "
        "enters the $k$-th summand alone, so the sum's slope holds the slope of each.",
        (
            "For one image everything is right. What does the number of images change?",
            "How large is the slope with respect to *one* image of 100, of the number that line 4 is given?",
        ),
        (
            (1, "Line 1 is sound: the slope is taken at the mean, and leads no further back."),
            (2, "Line 2 is sound: logarithms of probabilities, at the time of arrival."),
            (4, "Line 4 is sound: the slope with respect to the images. Look at what it is the slope of."),
            (5, "Line 5 is sound: the mean moves by the scale times the variance times the slope; then noise."),
        ),
    ),
)
