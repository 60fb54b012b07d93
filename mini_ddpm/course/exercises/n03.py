"""Exercises of notebook 03, the divergence of two Gaussians."""

import math
from collections.abc import Callable

from sympy import E, Rational, log, pi, symbols

from mini_ddpm.course.exercises.compute import Compute
from mini_ddpm.course.exercises.kinds import Debug, Derive, Exercise, Predict
from mini_ddpm.symbolic import Expectation, Theory, log_density

x, mu_1 = symbols("x mu_1", real=True)
sigma_1 = symbols("sigma_1", positive=True)

Numbers = list[float]  # one of each per pixel


def divergence(m_1: Numbers, s_1: Numbers, m_2: Numbers, s_2: Numbers) -> float:
    """D(a || b) for independent pixels: means and widths (standard deviations), one of each per pixel."""
    return _summed(lambda d, s, t: math.log(t / s) + (s**2 + d**2) / (2 * t**2))(m_1, s_1, m_2, s_2)


def _summed(summand: Callable[[float, float, float], float]) -> Callable[[Numbers, Numbers, Numbers, Numbers], float]:
    """With this summand, less 1/2, for each pixel: a function of the distance of the means and the two widths."""
    return lambda m_1, s_1, m_2, s_2: sum(
        summand(m - n, s, t) - 1 / 2 for m, s, n, t in zip(m_1, s_1, m_2, s_2, strict=True)
    )


def _widths_as_variances(m_1: Numbers, s_1: Numbers, m_2: Numbers, s_2: Numbers) -> float:
    return divergence(m_1, list(map(math.sqrt, s_1)), m_2, list(map(math.sqrt, s_2)))


def _half_once(m_1: Numbers, s_1: Numbers, m_2: Numbers, s_2: Numbers) -> float:
    return divergence(m_1, s_1, m_2, s_2) + (len(m_1) - 1) / 2


def _no_sum(*given: Numbers) -> Numbers:
    return [divergence(*([number] for number in pixel)) for pixel in zip(*given, strict=True)]


PROGRAM = """
```
1  def kl(mean_1, log_var_1, mean_2, log_var_2):
2      ratio = exp(log_var_1 - log_var_2)
3      shift = mean_1 - mean_2
4      far = shift**2 * exp(-log_var_1)
5      logs = log_var_2 - log_var_1
6      return (logs + ratio + far - 1) / 2
```
"""

SHIFTED = "mu_1 cannot be in it: shifting a bell does not change how spread it is."

EXERCISES: tuple[Exercise, ...] = (
    Predict(
        "All draws come from $a$, and the mean of the sum grows by 0.818 nats a draw. After how many draws does it "
        "stand for odds of a million to one? Any number within 0.5 of the exact one will do, whole or not: "
        "`q.check(number)`.",
        math.log(1e6) / (math.log(2) + 1 / 8),
        r"The logarithm of the odds is $\log 10^6 = 13.816$, and each draw brings 0.818 on average: "
        r"$13.816/0.818 = 16.89$, so about seventeen draws. That is twice as many as for a thousand to one: a million "
        r"is a thousand *squared*.",
        (
            "Odds multiply, logarithms add. Which number must the sum reach?",
            "It must reach the natural logarithm of a million: 13.816.",
        ),
        (
            (6 / 0.818147, "You took the logarithm to the base 10. A divergence in nats goes with the natural one."),
            (1e6 / 0.818147, "Odds multiply: it is their logarithm that grows by 0.818 a draw."),
            (math.log(1e6), "That is where the sum must stand. It gets there by 0.818 a draw, not by 1."),
            (
                math.log(1000) / 0.818147,
                "That takes you to a thousand to one, as in the text. For a million the sum must go on.",
            ),
            (
                math.log2(1e6) / 0.818147,
                "You took the logarithm to the base 2. A divergence in nats goes with the natural one.",
            ),
            (
                math.log(1e6) / 2.806853,
                "2.807 is the rate if the draws come from b. Here they come from a.",
            ),
            (math.log(1e6) * 0.818147, "Divide: a larger rate must need fewer draws."),
        ),
        within=0.5,
    ),
    Predict(
        "$a$ has the mean 0 and the variance 1. The mean of $b$ is wrong: it is 2, and we can't change it. Which "
        r"*variance* $\sigma_2^2$ of $b$ makes $D_{\mathrm{KL}}(a \Vert b)$ smallest? `q.check(variance)`.",
        5.0,
        r"5, which is $\sigma_1^2 + (\mu_1-\mu_2)^2 = 1 + 4$. The slope of the divergence in $\sigma_2$ is "
        r"$\frac{1}{\sigma_2} - \frac{\sigma_1^2 + (\mu_1-\mu_2)^2}{\sigma_2^3}$, and it is 0 only there. For "
        r"$\sigma_2 \to 0$ the squares go to infinity, for $\sigma_2 \to \infty$ the logarithm does, so it is the "
        "minimum. The width has to cover the distance of the means as well.",
        (
            "Which terms change with the width of b, and which way does each pull?",
            r"Take the derivative of $\log\sigma_2 + \frac{1 + 4}{2\sigma_2^2}$ and set it to 0.",
        ),
        (
            (1.0, "That is the variance of a. It would be best if the mean were right; then the width need not cover."),
            (4.0, "That covers the distance of the means, but a has a width of its own."),
            (9.0, "You added 1 and 2, and squared. Squares add, not the width and the distance themselves."),
            (3.0, "You added a's variance and the distance. It is the square of the distance that counts."),
            (2.0, "That is the distance of the means. Variances go with squares, and a has a width of its own."),
            (math.sqrt(5), "That is the best standard deviation. The question asks for the variance, its square."),
        ),
        within=0.05,
    ),
    Predict(
        r"Two densities for images of $28 \times 28 = 784$ pixels. All pixels are independent, all widths are equal. "
        "In each pixel the two means differ by a tenth of the width; from one pixel nobody could tell. How many nats "
        "is the divergence for the whole image? Within 0.1: `q.check(number)`.",
        3.92,
        r"$784 \cdot \frac{0.1^2}{2} = 784 \cdot 0.005 = 3.92$. So a single image brings the odds to about "
        r"$e^{3.92} = 50 : 1$, on average of the logarithm. Small evidence from many pixels adds up.",
        (
            "The density of an image of independent pixels is a product. What is its logarithm?",
            "Every pixel adds the same number, half of the square of a tenth. How many pixels are there?",
        ),
        (
            (0.005, "That is one pixel. The evidence of independent pixels adds up."),
            (50, "Those are the odds. Nats are their logarithm."),
            (math.exp(3.92), "Those are the odds, e to the answer. Nats are their logarithm."),
            (78.4, "You added the differences of the means. It is half of their *squares* that adds up."),
            (7.84, "The 2 below is lost: a pixel adds half of 0.1 squared."),
            (0.14, "That grows with the root of 784, as random errors do. These numbers all have one sign."),
            (39.2, "You halved the differences of the means, but did not square them."),
            (2.8, "That is the length of the difference of the means, in widths. It is half its *square* that counts."),
            (
                math.sqrt(3.92),
                "You took a root at the end, as for a length. Divergences of independent pixels add up as they are.",
            ),
        ),
        within=0.1,
    ),
    Derive(
        r"The *entropy* of a density $a$ is the mean of $-\log a(x)$ over $x \sim a$. Find it for a Gaussian with the "
        "mean `mu_1` and the variance `sigma_1**2`: `q.check(...)`. `log`, `pi` and, if you like, `E` may stand in it.",
        log(2 * pi * E * sigma_1**2) / 2,
        r"$-\log a(x) = \frac12\log(2\pi\sigma_1^2) + \frac{(x-\mu_1)^2}{2\sigma_1^2}$. The mean of the square is "
        r"$\sigma_1^2$, so the second term gives $\frac12$. Together: $\frac12\log(2\pi\sigma_1^2) + \frac12 = "
        r"\frac12\log(2\pi e\,\sigma_1^2)$. It depends on the width only. The divergence is what $-\log b$ costs on "
        "average, minus this.",
        (
            "Write down -log a(x). It has a constant and a square.",
            "The mean of the square of x - mu_1 is the variance. What does it leave, divided by twice the variance?",
        ),
        (
            (
                log(2 * pi * sigma_1**2) / 2 + (x - mu_1) ** 2 / (2 * sigma_1**2),
                "That is minus log a(x), before the mean: x still stands in it.",
            ),
            (
                log(2 * pi * sigma_1**2) / 2 - Rational(1, 2),
                "The sign of the square: in log a it has a minus, in *minus* log a it has none.",
            ),
            (log(E * sigma_1**2) / 2, "The 2 pi of the density is lost. In a quotient it cancels, but not here."),
            (
                log(2 * pi * sigma_1**2) / 2,
                "The square is missing. It is never negative, so its mean isn't 0: it adds 1/2.",
            ),
            (
                log(2 * pi * E * sigma_1) / 2,
                "The deviation stands where the variance belongs: a square is missing in the logarithm.",
            ),
            (
                -log(2 * pi * E * sigma_1**2) / 2,
                "The sign: entropy is the mean of minus log a. A wider bell has more of it.",
            ),
            (log(2 * pi * E * sigma_1**2) / 2 + mu_1, SHIFTED),
            (
                log(2 * pi * E * sigma_1**2) / 2 + mu_1**2 / (2 * sigma_1**2),
                "You took the mean of x**2. In the density stands x - mu_1: the mean of *its* square is the variance.",
            ),
            (log(2 * pi * E * mu_1**2) / 2, SHIFTED),
            (
                log(2 * pi * sigma_1**2) / 2 + sigma_1**2 / 2,
                "The mean of the square is the variance, and below it stands the variance too: they cancel.",
            ),
            (log(2 * pi * sigma_1**2) + 1, "That is twice the entropy: a half stands before the logarithm."),
            (
                log(2 * pi * sigma_1**2) + Rational(1, 2),
                "A half is missing: the density has the *root* of 2 pi sigma_1**2 below.",
            ),
            (
                log(2 * pi * sigma_1**2) / 2 + 1,
                "The mean of the square is the variance, and below it stands *twice* the variance.",
            ),
        ),
        theory=Theory(),
        question=Expectation(-log_density(x, mu_1, sigma_1**2), x, mu_1, sigma_1**2),
        without=[Expectation],
    ),
    Debug(
        "This function takes means and *logarithms of variances*, as networks like to give them. For equal variances "
        "it is right. For unequal ones it is right too, as long as the means are equal. Which line is wrong? "
        f"`q.check(number)`.\n{PROGRAM}",
        4,
        r"Line 4: it must be `exp(-log_var_2)`. The distance of the means is measured in units of *b*'s width, since "
        r"the square comes from $\log b$. With equal variances there is no difference, and with equal means the line "
        "gives 0 either way: two tests that it would pass.",
        (
            "It fails only if the means differ *and* the variances do. Which line has both in it?",
            "In whose units is the distance of the means measured, and why?",
        ),
        (
            (1, "The arguments are what they are said to be. Nothing is computed here."),
            (2, "The exponential of a difference of logarithms is the quotient of the variances: right."),
            (3, "The difference of the means. It gets squared, so its sign doesn't matter."),
            (5, "The logarithm of variance 2 over variance 1: right. The half stands in line 6."),
            (6, "Half of all four terms: right. If both bells are equal, it is 0 + 1 + 0 - 1."),
        ),
    ),
    Compute(
        "Write `divergence(m_1, s_1, m_2, s_2)` for images of independent pixels. All four are lists of one length: "
        "means and widths (standard deviations) of $a$, then of $b$, one for each pixel. It gives one number: "
        "`q.check(divergence)`.",
        divergence,
        "`sum(math.log(t / s) + (s**2 + (m - n)**2) / (2 * t**2) - 1/2 for m, s, n, t in zip(m_1, s_1, m_2, s_2))`: "
        "section 2 for each pixel, and the sum over pixels. The package's `normal_kl` is the same, from logarithms of "
        "variances.",
        (
            "Begin with one pixel: the last line of section 2.",
            "`for m, s, n, t in zip(m_1, s_1, m_2, s_2)` goes from pixel to pixel. What do you do with their numbers?",
        ),
        (
            (
                lambda *given: divergence(*given) / len(given[0]),
                "You took the mean over pixels. The logarithm of a product is a sum.",
            ),
            (lambda m, s, n, t: divergence(n, t, m, s), "That is D(b || a). The widths of b, s_2, belong below."),
            (_widths_as_variances, "You used the widths as if they were variances: square them."),
            (_half_once, "The 1/2 is subtracted once. Every pixel has its own: keep it inside the sum."),
            (
                _summed(lambda d, s, t: math.log(t / s) + (s**2 + d**2) / (2 * t**2) + 1 / 2),
                "The 1/2 is missing: two equal bells would not give 0.",
            ),
            (_no_sum, "You give a number for each pixel. The logarithm of a product is a sum: add them up."),
            (
                _summed(lambda d, s, t: math.log(t / s) + s**2 / (2 * t**2) + d**2 / (2 * s**2)),
                "The width of a stands under the distance. It is b that is surprised: s_2.",
            ),
            (
                _summed(lambda d, s, t: math.log(t / s) + (t**2 + d**2) / (2 * s**2)),
                "The quotients of the squares are upside down: the widths of b, s_2, belong below.",
            ),
            (
                _summed(lambda d, s, t: math.log(t / s) + (s + d**2) / (2 * t**2)),
                "A square is missing: s_1 stands above as a variance, s_1**2.",
            ),
            (
                _summed(lambda d, s, t: math.log(t / s) + (s**2 + d**2) / (2 * t)),
                "A square is missing: s_2 stands below as a variance, s_2**2.",
            ),
            (
                _summed(lambda d, s, t: math.log(t / s) + (s**2 + d) / (2 * t**2)),
                "A square is missing, that of the distance of the means.",
            ),
            (
                _summed(lambda d, s, t: math.log(s / t) + (s**2 + d**2) / (2 * t**2)),
                "The logarithm is upside down: a wider b must make it larger.",
            ),
            (
                _summed(lambda d, s, t: 2 * math.log(t / s) + (s**2 + d**2) / (2 * t**2)),
                "Before the logarithm of the *squares* stands a 1/2; before that of the widths, none.",
            ),
            (
                _summed(lambda d, s, t: math.log(t / s) / 2 + (s**2 + d**2) / (2 * t**2)),
                "The logarithm of the widths has no 1/2; only that of the variances has one.",
            ),
            (
                _summed(lambda d, s, t: math.log(t / s) + (s + d**2) / (2 * t)),
                "Squares are missing: widths stand as variances, s_1**2 above and s_2**2 below.",
            ),
            (
                _summed(lambda d, s, t: math.log(t / s) + (s**2 + d**2) / (2 * s**2)),
                "Below stands the width of a. It is b that is surprised: s_2.",
            ),
            (
                _summed(lambda d, s, t: math.log(t / s) + (s**2 + d**2) / 2 * t**2),
                "Brackets are missing: x / 2 * y is (x / 2) * y. Write x / (2 * y).",
            ),
            (
                _summed(lambda d, s, t: math.log(t / s) + (s + d) ** 2 / (2 * t**2)),
                "You squared a sum. Square the width and the distance, each by itself, then add.",
            ),
            (
                _summed(lambda d, s, t: math.log(t / s) + (s**2 + d**2) / t**2),
                "A 2 is lost: below the squares stands *twice* the variance of b.",
            ),
        ),
        cases=[
            ([0.0, 1.0, -0.5], [1.0, 2.0, 0.5], [2.0, 1.0, 0.0], [2.0, 1.0, 0.7]),
            ([0.3, 0.1], [0.6, 1.5], [0.0, 0.1], [1.2, 0.4]),
        ],
    ),
)
