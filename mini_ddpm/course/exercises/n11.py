"""The exercises of notebook 11."""

import torch
from sympy import log, symbols
from torch import Tensor

from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Debug, Derive, Exercise, Predict
from mini_ddpm.symbolic import kl
from mini_ddpm.symbolic.notation import forward_process

LEVELS = torch.arange(256, dtype=torch.float64) / 127.5 - 1
r, sigma = symbols("r sigma", positive=True)


def _below(edges: Tensor, mean: float, sigma: float) -> Tensor:
    return torch.special.ndtr((edges - mean) / sigma)


def probabilities(mean: float, sigma: float) -> Tensor:
    """The probability of each of the 256 levels under a Gaussian, (256,) float64. Source: DDPM, Eq. 13."""
    inner = _below((LEVELS[1:] + LEVELS[:-1]) / 2, mean, sigma)
    return torch.cat([inner, torch.ones(1, dtype=torch.float64)]).diff(prepend=torch.zeros(1, dtype=torch.float64))


def _closed(mean: float, sigma: float) -> Tensor:
    return _below(LEVELS + 1 / 255, mean, sigma) - _below(LEVELS - 1 / 255, mean, sigma)


def _heights(mean: float, sigma: float) -> Tensor:
    return torch.distributions.Normal(mean, sigma).log_prob(LEVELS).exp() * 2 / 255


def _wide(mean: float, sigma: float) -> Tensor:
    return _below(LEVELS + 2 / 255, mean, sigma) - _below(LEVELS - 2 / 255, mean, sigma)


def _shifted(mean: float, sigma: float) -> Tensor:
    inner = _below(LEVELS[1:], mean, sigma)
    return torch.cat([inner, torch.ones(1, dtype=torch.float64)]).diff(prepend=torch.zeros(1, dtype=torch.float64))


def _shared_out(mean: float, sigma: float) -> Tensor:
    return _closed(mean, sigma) / _closed(mean, sigma).sum()


def sent(prior: Tensor, terms: Tensor) -> Tensor:
    """What has been sent before each step, in bits for each pixel: prior (), terms (T,) from t = T to 1 -> (T,)."""
    return torch.cat([prior.reshape(1), terms[:-1]]).cumsum(dim=0)


def _after(prior: Tensor, terms: Tensor) -> Tensor:
    return prior + terms.cumsum(dim=0)


def _no_prior(prior: Tensor, terms: Tensor) -> Tensor:
    return terms.cumsum(dim=0) - terms


def _from_the_image(prior: Tensor, terms: Tensor) -> Tensor:
    return prior + terms.flip(0).cumsum(dim=0).flip(0) - terms


def _not_summed(prior: Tensor, terms: Tensor) -> Tensor:
    return torch.cat([prior.reshape(1), terms[:-1]])


PROGRAM = """```
1  x_0 = grey / 127.5 - 1
2  nats = torch.zeros(())           # L_T is 0 to five digits
3  for t in range(T, 1, -1):
4      x_t = noised(x_0, t)
5      nats += kl(*posterior(x_0, x_t, t), *best_step(x_t, t)).mean()
6  bell = Normal(*best_step(noised(x_0, 1), 1))
7  area = bell.cdf(x_0 + 1 / 127.5) - bell.cdf(x_0 - 1 / 127.5)
8  nats -= area.log().mean()
9  bits = nats / math.log(2)
```"""

EXERCISES: tuple[Exercise, ...] = (
    Predict(
        "Two simple codes, for images of which 80% of all pixels are black. The first gives every one of the 256 "
        "levels the same probability. The second says: black with probability 0.8, and every other level with "
        "$0.2/255$. How many bits does each need for a pixel, on average? `q.check(first, second)`.",
        (8.0, 2.3207),
        r"$\log_2 256 = 8$. For the second, $-0.8 \log_2 0.8 - 0.2 \log_2 (0.2/255) = 0.26 + 2.06 = 2.32$. The rare "
        r"pixels cost nearly all of it, although the code tells nothing about strokes: to *know where black is* buys "
        r"two bits at most.",
        (
            r"What has the probability $p$ costs $-\log_2 p$ bits. Average over pixels.",
            r"A black pixel costs $-\log_2 0.8 = 0.32$ bits, another one $-\log_2(0.2/255) = 10.3$.",
        ),
        (
            ((8, 0.7219), "0.72 bits say whether a pixel is black. If it is not, its level must be told as well."),
            ((8, 5.3207), "The mean counts each kind by its share: 0.8 and 0.2, not one half each."),
            ((8, 1.6087), "These are nats: take the logarithm to base 2."),
            ((5.5452, 1.6087), "These are nats: take the logarithm to base 2."),
            ((256, 2.3207), "Not the number of levels: its logarithm."),
        ),
        within=0.05,
    ),
    Implement(
        "Write `probabilities(mean, sigma)`: the area under the bell over each of the 256 bins, `(256,)`. The levels "
        "are `torch.arange(256) / 127.5 - 1`; the first and the last bin have no end. (`torch.special.ndtr(z)` is the "
        "area to the left of z under the standard bell.) `q.check(probabilities)`.",
        probabilities,
        "255 edges lie between the 256 levels, `edges = levels[:-1] + 1 / 255`. `below = torch.special.ndtr((edges - "
        "mean) / sigma)`, with a 0 in front and a 1 at the end; the areas are its differences, `torch.diff`.",
        (
            "How many edges do 256 bins have, if the outer two have no end?",
            "The area over a bin is what lies left of its upper edge, less what lies left of its lower edge.",
            "Put a 0 in front of the 255 areas and a 1 behind them, and take differences.",
        ),
        (
            (_closed, "The probabilities don't sum to 1: the first and the last level have the tails as well."),
            (_heights, "That is the height of the bell times the width of a bin: nearly the area if the bell is wide."),
            (_wide, "Your bins overlap. Levels are 2/255 apart, so a bin reaches 1/255 to each side."),
            (_shifted, "Your bins have levels for edges. A level lies in the middle of its bin."),
            (_shared_out, "The tails belong to the two ends; you have shared them out among all levels."),
        ),
        cases={
            "near black": (-0.99, 0.012),
            "beyond white, wide": (1.2, 0.5),
            "in the middle": (0.1, 0.003),
        },
    ),
    Derive(
        r"A true step back is a Gaussian with the variance $r\,\sigma^2$; the model's step has the right mean and the "
        r"variance $\sigma^2$. What does the step lose? `q.check(...)`, in which only `r` may stand.",
        (r - 1 - log(r)) / 2,
        r"The divergence of notebook 03 with equal means: $\log\frac{\sigma}{\sqrt r\,\sigma} + \frac{r\sigma^2}{2 "
        r"\sigma^2} - \frac12 = \frac12(r - 1 - \log r)$. It is 0 at $r = 1$ only. The loss depends on the *ratio* of "
        r"the variances, not on their size.",
        (
            r"Which divergence is it? The truth comes first: $D_{\mathrm{KL}}(\mathcal{N}(0, r\sigma^2) \parallel "
            r"\mathcal{N}(0, \sigma^2))$.",
            r"Notebook 03: the logarithm of the two widths, plus the variance over twice the second one, less $1/2$.",
        ),
        (
            ((1 / r - 1 + log(r)) / 2, "That is the divergence the other way round: the truth comes first."),
            (r - 1 - log(r), "A factor 1/2: the logarithm is one of widths, not of variances."),
            (-log(r) / 2, "That is the logarithm alone; the squared distance from the mean has another mean, too."),
            (log(r) / 2, "That is half the logarithm, with the wrong sign; and the squares count as well."),
            ((r - 1) / 2, "Where is the logarithm of the two widths?"),
        ),
        theory=forward_process(),
        question=kl(0, r * sigma**2, 0, sigma**2),
        only=[r],
    ),
    Debug(
        "The bound of 8-bit pixels that are Gaussian with deviation 0.2, by the exact network and the true variance, "
        "in 20 steps. `posterior` and `best_step` give a mean and a deviation. The true cost is 6.72 bits. The program "
        "finds 5.72: less than any code can do! Which line is wrong? `q.check(number)`.\n\n" + PROGRAM,
        7,
        r"Line 7. Grey levels are $2/255 = 1/127.5$ apart, so a bin reaches $1/255$ to each side. Here each bin is "
        r"twice as wide, and overlaps its neighbours: the 256 probabilities sum to 2. Where the "
        r"bell is much wider than a bin, as here, each is twice too large, and $\log_2 2 = 1$ bit is missing. A bound "
        r"below the truth is always a mistake of the program.",
        (
            "Exactly one bit is missing: something that should be a probability is twice as large.",
            "Add up the areas of all 256 levels. What should the sum be?",
        ),
        (
            (1, "Line 1 is sound: levels 0 to 255 become -1 to 1."),
            (2, "Line 2 is sound: the chain ends in noise."),
            (3, "Line 3 is sound: t = 1 is not among the divergences. Its term is a likelihood."),
            (4, "Line 4 is sound: the jump of notebook 01."),
            (5, "Line 5 is sound: the posterior comes first, the model's step second."),
            (6, "Line 6 is sound: the last step is a bell over the grey levels."),
            (8, "Line 8 is sound: minus the logarithm of a probability, if it is one."),
            (9, "Line 9 is sound: nats become bits."),
        ),
    ),
    Implement(
        "Write `sent(prior, terms)`: how many bits the receiver *has* when asked for a guess at "
        "$t = T, T-1, \\dots, 1$. `prior` is $L_T$, a number; `terms` is `(T,)`, for the steps that start at $t = T$ "
        "first and at $t = 1$ last. At time $t$ the step from $t$ has not been sent yet. `q.check(sent)`.",
        sent,
        "`torch.cat([prior.reshape(1), terms[:-1]]).cumsum(0)`: at $t = T$ only $x_T$ is there, which cost $L_T$; each "
        "step adds its term for the *next* guess. The last term, $L_0$, is never in the rate of a guess: after it "
        "there is nothing left to guess.",
        (
            "What has been sent when the receiver holds $x_T$ and nothing else?",
            "Write the first two numbers by hand: `prior`, and `prior + terms[0]`. What is the last one?",
        ),
        (
            (_after, "That is what has been sent after each step. When it guesses, the receiver has not got it yet."),
            (_no_prior, "The first thing that is sent is x_T: it costs the prior."),
            (_from_the_image, "The code begins with the noise: sum from the first term, t = T."),
            (_not_summed, "That is the bits of each step alone. The receiver keeps what came before."),
        ),
        cases={
            "four steps": (torch.tensor(0.5), torch.tensor([1.0, 2.0, 4.0, 8.0])),
            "one step": (torch.tensor(0.25), torch.tensor([3.0])),
        },
    ),
)
