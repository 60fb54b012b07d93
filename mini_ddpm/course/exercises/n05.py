"""The exercises of notebook 05."""

import math

from sympy import Expr, Sum, expand, sqrt

from mini_ddpm.course.exercises.compute import Compute
from mini_ddpm.course.exercises.kinds import Debug, Derive, Exercise, Predict
from mini_ddpm.symbolic.notation import T, alpha, alpha_bar, beta, forward_process, recursion, snr, t

FORWARD = forward_process()
GROWTH = recursion(FORWARD)


def _mean(x_t: float, score: float, bar: float, before: float) -> float:
    kept = bar / before
    return (x_t + (1 - kept) * score) / math.sqrt(kept)


def _downhill(x_t: float, score: float, bar: float, before: float) -> float:
    kept = bar / before
    return (x_t - (1 - kept) * score) / math.sqrt(kept)


def _noise_for_score(x_t: float, score: float, bar: float, before: float) -> float:
    kept = bar / before
    return (x_t - (1 - kept) / math.sqrt(1 - bar) * score) / math.sqrt(kept)


def _whole_jump(x_t: float, score: float, bar: float, before: float) -> float:
    return (x_t + (1 - bar) * score) / math.sqrt(bar)


def _spare_root(x_t: float, score: float, bar: float, before: float) -> float:
    kept = bar / before
    return (x_t + (1 - kept) * math.sqrt(1 - bar) * score) / math.sqrt(kept)


def _root_left(x_t: float, score: float, bar: float, before: float) -> float:
    kept = bar / before
    return (x_t + (1 - kept) / math.sqrt(1 - bar) * score) / math.sqrt(kept)


def _bar_for_step(x_t: float, score: float, bar: float, before: float) -> float:
    return (x_t + (1 - bar / before) * score) / math.sqrt(bar)


def _not_scaled(x_t: float, score: float, bar: float, before: float) -> float:
    return x_t + (1 - bar / before) * score


def _half(x_t: float, score: float, bar: float, before: float) -> float:
    kept = bar / before
    return (x_t + (1 - kept) / 2 * score) / math.sqrt(kept)


def _image(x_t: float, bar: float) -> float:
    return math.tanh(math.sqrt(bar) * x_t / (1 - bar))


def _noise(x_t: float, bar: float) -> float:
    return _as_noise(_image(x_t, bar), x_t, bar)


def _as_noise(x_0: float, x_t: float, bar: float) -> float:
    return (x_t - math.sqrt(bar) * x_0) / math.sqrt(1 - bar)


def _not_divided(x_t: float, bar: float) -> float:
    return _as_noise(math.tanh(math.sqrt(bar) * x_t), x_t, bar)


def _doubled(x_t: float, bar: float) -> float:
    return _as_noise(math.tanh(2 * math.sqrt(bar) * x_t / (1 - bar)), x_t, bar)


def _root_lost(x_t: float, bar: float) -> float:
    return _as_noise(math.tanh(x_t / (1 - bar)), x_t, bar)


def _divided_by_root(x_t: float, bar: float) -> float:
    return _as_noise(math.tanh(math.sqrt(bar) * x_t / math.sqrt(1 - bar)), x_t, bar)


def _nearest(x_t: float, bar: float) -> float:
    return (x_t - math.copysign(math.sqrt(bar), x_t)) / math.sqrt(1 - bar)


def _straight(x_t: float, bar: float) -> float:
    return math.sqrt(1 - bar) * x_t


PROGRAM = """```
1  x = torch.randn(n, 1, 1, 1)
2  for t in range(T, 0, -1):
3      bar, before = schedule.at(t), schedule.at(t - 1)
4      beta = 1 - bar / before
5      mean = (x - beta / (1 - bar).sqrt() * guess(x, t)) / bar.sqrt()
6      sigma = ((1 - before) / (1 - bar) * beta).sqrt()
7      x = mean + sigma * torch.randn_like(x)
```"""


class _DeriveWithPole(Derive):
    """A mistake may be infinite, as snr(0) is: then no world compares it, and its form must do."""

    def same(self, mistake: Expr, answer: Expr) -> bool:
        return expand(mistake - answer) == 0 or super().same(mistake, answer)


EXERCISES: tuple[Exercise, ...] = (
    Compute(
        "Other data: $-1$ and $+1$, each with probability one half, and nothing between. Write the best guess of the "
        "noise, `guess(x_t, bar)`, a function of numbers; `bar` is $\\bar\\alpha_t$: `q.check(guess)`.",
        _noise,
        r"Bayes: the two images have probabilities in the ratio $\exp\left(2\sqrt{\bar\alpha_t}\,x_t/(1-\bar\alpha_t)"
        r"\right)$ to 1. So $\mathbb{E}[x_0 \mid x_t] = \tanh\left(\sqrt{\bar\alpha_t}\,x_t/(1-\bar\alpha_t)\right)$, "
        r"and the noise that belongs to it is $(x_t - \sqrt{\bar\alpha_t}\,\mathbb{E}[x_0 \mid x_t])"
        r"/\sqrt{1-\bar\alpha_t}$.",
        (
            "Guess the image first, then turn the guess into a noise, as section 4 does.",
            r"How likely is $+1$ if $x_t$ was seen? Compare $\exp(-(x_t - \sqrt{\bar\alpha_t})^2/2(1-\bar\alpha_t))$ "
            r"with the same for $-1$.",
            r"The mean of the two images is $\tanh(\sqrt{\bar\alpha_t}\,x_t/(1-\bar\alpha_t))$.",
        ),
        (
            (_image, "That is the best guess of the image. Which noise belongs to it?"),
            (_nearest, "That decides for the nearer image. The best guess in the mean square is an average of both."),
            (_not_divided, "The exponent of a Gaussian has its variance below: divide by 1 - bar inside the tanh."),
            (
                _root_lost,
                "In x_t the two images are shrunk: they stand at plus and minus the root of bar.",
            ),
            (_divided_by_root, "The exponent has the variance 1 - bar below, not its root."),
            (
                _doubled,
                "A factor 2: the log of the ratio of the two probabilities is twice the argument of the tanh.",
            ),
            (_straight, "That is the best straight line. It would be the best guess if the data were Gaussian."),
        ),
        cases=((0.3, 0.5), (-0.8, 0.9), (1.5, 0.2)),
    ),
    Predict(
        "The data of exercise 05.1, the schedule of this page. What is the "
        r"floor, the mean squared error of the best guess of the *noise*, at $t = 10$, 200 and 900 ($\bar\alpha_t = "
        r"0.998$, $0.659$ and $0.0003$)? Three numbers between 0, which is perfect, and 1, which is the error of the "
        "guess 0. Guess first, then let the `guess` of exercise 05.1 play some thousand rounds. Within 0.1: "
        "`q.check(first, second, third)`.",
        (0.0, 0.466, 0.0003),
        r"(0, 0.47, 0.0003). At $t = 10$ the clouds around $-1$ and $+1$ are 0.04 wide: $x_t$ tells the image, "
        r"and then the noise is known exactly. (A peak of width 0 has no doubt of its own.) At $t = 900$ $x_t$ is "
        "nearly all noise. Between, at $t = 200$, the clouds are 1.6 apart and 0.58 wide: where they meet, either "
        "image is possible, and between two far answers stands the mean.",
        (
            "How wide are the clouds around the two images at $t = 10$? Can you tell from $x_t$ which image it was?",
            "If the image is known, what is left to guess of the noise?",
            r"At $t = 200$ the clouds stand around $\pm 0.81$, 0.58 wide each: a good part of the points could be from "
            "either. How large a part, the rounds say: draw $x_0$ and $\\epsilon$, mix, and average the square of "
            "`guess(x_t, 0.659)` less the noise.",
        ),
        (
            (
                (0.98, 0.53, 0),
                "That is the floor of the two peaks, which are 0.3 wide. Here a peak has no width: what is left to "
                "guess at t = 10, when the image is known?",
            ),
            (
                (1, 0.66, 0),
                "That is the error of the best straight line. With data at two points only, a curve does far better.",
            ),
            (
                (0, 0.24, 1),
                "That is the error of the image. At t = 900 the image is hidden; is the noise?",
            ),
            ((0, 0, 0), "At t = 200 the clouds of the two images overlap: x_t does not always tell which it was."),
            ((0, 1, 0), "1 at t = 200 would be the guess 0. Far out, at x_t = 2 say, one can tell which image it was."),
        ),
        within=0.1,
    ),
    Debug(
        f"After the first step of this Algorithm 2 the numbers are more than a hundred times too large. Which line is "
        f"wrong? `q.check(number)`.\n\n{PROGRAM}",
        5,
        r"Line 5. It divides by $\sqrt{\bar\alpha_t}$, as if one step undid the whole chain; it should be "
        r"$\sqrt{\alpha_t}$, `(bar / before).sqrt()`. At $t = 1000$ the wrong one multiplies by 157.",
        (
            "Compare each line with section 6, or with what it is in the formulas.",
            "How much does the contrast change in *one* step?",
        ),
        (
            (1, "Line 1 is sound: the walk starts from standard normal noise."),
            (2, "Line 2 is sound: from T down to 1, for Python's range leaves the 0 out."),
            (3, "Line 3 is sound: the two neighbours, alpha-bar at t and at t - 1."),
            (4, "Line 4 is sound: alpha_t is the quotient of neighbours, beta_t is 1 less it."),
            (6, "Line 6 is sound: the root of beta-tilde. At t = 1 sigma is 0: the last step adds no noise."),
            (7, "Line 7 is sound: the mean, and fresh noise at every step."),
        ),
    ),
    Derive(
        r"Section 7 has the bound's weight, with $\sigma_t^2 = \tilde\beta_t$, on the squared error of the *noise*. "
        "A network may guess the image instead. Which weight must the squared error of the *image* have, so that the "
        "term of the bound is the same? `q.check(...)`, in which only `snr`, at any times, may stand.",
        (snr(t - 1) - snr(t)) / 2,
        r"$\frac12(\mathrm{SNR}(t-1) - \mathrm{SNR}(t))$: half of what the signal-to-noise ratio falls by in this "
        "step. A step in which nothing is lost teaches nothing about the image.",
        (
            r"At a given $x_t$, how large is the error of the noise, if that of the image is 1? Square it.",
            r"Section 7 has the weight of the noise with $\mathrm{SNR}$ alone.",
            r"Multiply $\frac12\left(\frac{\mathrm{SNR}(t-1)}{\mathrm{SNR}(t)} - 1\right)$ by $\mathrm{SNR}(t)$.",
        ),
        (
            ((snr(t) - snr(t - 1)) / 2, "A weight is positive, and the ratio falls with t: which is larger?"),
            (snr(t - 1) - snr(t), "A factor: the divergence of two Gaussians has a 2 below."),
            ((snr(t - 1) / snr(t) - 1) / 2, "That is the weight of the noise. An error in the image has other units."),
            (
                (snr(t - 1) / snr(t) - 1) / (2 * snr(t)),
                "The wrong way: an error of the noise is that of the image times the root of SNR(t).",
            ),
            (
                (1 / snr(t) - 1 / snr(t - 1)) / 2,
                "That is the weight of the noise divided by SNR(t - 1). An error of the noise is that of the image "
                "times the root of SNR(t): multiply, and at t.",
            ),
            (
                sqrt(snr(t)) * (snr(t - 1) / snr(t) - 1) / 2,
                "The errors differ by the root of SNR(t). But the weight stands before their squares.",
            ),
        ),
        theory=FORWARD,
        question=beta[t] * snr(t) / (2 * alpha[t] * (1 - alpha_bar[t - 1])),
        using=[GROWTH],
        only=[snr],
    ),
    _DeriveWithPole(
        r"Add the weights of exercise 05.4 over $t = 2, \dots, T$. (At $t = 1$ the weight is infinite.) Write the sum "
        "without a sum: `q.check(...)`, with `snr` and `T`.",
        (snr(1) - snr(T)) / 2,
        r"$\frac12(\mathrm{SNR}(1) - \mathrm{SNR}(T))$. Neighbours cancel, and only the two ends of the schedule are "
        "left: how the noise rises between them does not change the sum. *Variational diffusion models* "
        "(arXiv 2107.00630) builds on this.",
        ("Write out the terms for $T = 4$.", "What is added at one step is taken away at the next."),
        (
            (
                (snr(2) - snr(T)) / 2,
                "The sum starts at t = 2, but its first term begins with SNR(t - 1). Which time is that?",
            ),
            (
                (snr(1) - snr(T - 1)) / 2,
                "The last term, at t = T, takes SNR(T) away. Write out the sum for T = 3.",
            ),
            (snr(1) / 2, "One end is missing: the last term that is taken away, at T, has no partner."),
            (snr(1) - snr(T), "The 2 below is lost."),
            ((snr(0) - snr(T)) / 2, "The sum starts at t = 2. Which time is t - 1 there? And SNR(0) is infinite."),
            ((snr(T) - snr(1)) / 2, "All weights are positive; this sum is negative."),
        ),
        theory=FORWARD,
        question=Sum((snr(t - 1) - snr(t)) / 2, (t, 2, T)),
        without=[Sum],
    ),
    Compute(
        "A network predicts the score. Write the mean of a reverse step with it: a function "
        "`mean(x_t, score, bar, before)` of numbers, where `bar` is $\\bar\\alpha_t$ and `before` is "
        "$\\bar\\alpha_{t-1}$: `q.check(mean)`.",
        _mean,
        r"The noise is $-\sqrt{1-\bar\alpha_t}\,s$, with $s$ the score. Put in, the root cancels: "
        r"$\frac{1}{\sqrt{\alpha_t}}\left(x_t + \beta_t\,s\right)$. "
        r"Go *up* the log density, by $\beta_t$ times its slope.",
        (
            r"$\alpha_t = \bar\alpha_t/\bar\alpha_{t-1}$, and $\beta_t = 1 - \alpha_t$.",
            r"$s = -\epsilon/\sqrt{1-\bar\alpha_t}$. Solve for the noise.",
            "Put that noise into the mean of section 2.",
        ),
        (
            (_downhill, "A sign: this goes down the log density, to where x_t is less likely."),
            (_noise_for_score, "The score was put in as if it were the noise. They differ by a factor, and a sign."),
            (
                _root_left,
                "The sign is right. A root of 1 - bar is left in front of the score: put in the noise, and it cancels.",
            ),
            (_spare_root, "A root too many: it stands in the noise once, and below it once. They cancel."),
            (
                _bar_for_step,
                "Below stands the root of this step's alpha, bar / before. You have that of the whole jump.",
            ),
            (
                _half,
                "Half the way. A factor 1/2 at the score belongs to other samplers: put the noise into the mean of "
                "section 2, and see what is left in front.",
            ),
            (_not_scaled, "A step back also undoes the shrinking: divide by the root of this step's alpha."),
            (_whole_jump, "That jumps from t to 0 at once: bar where the step's own alpha belongs."),
        ),
        cases=((0.7, -0.4, 0.5, 0.6), (-1.2, 0.3, 0.9, 0.95), (0.1, 2.0, 0.02, 0.03)),
    ),
)
