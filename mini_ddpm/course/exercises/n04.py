"""Exercises of notebook 04, the posterior."""

from sympy import sqrt

from mini_ddpm.course.exercises import slices
from mini_ddpm.course.exercises.compute import Compute
from mini_ddpm.course.exercises.kinds import Debug, Derive, Exercise, Predict
from mini_ddpm.symbolic import alpha, alpha_bar, beta, forward_process, recursion, t

FORWARD = forward_process()
GROWTH = recursion(FORWARD)
LATER = FORWARD.where(t >= 2)  # at t = 1 there is no noise at t - 1
BETA_TILDE = (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t]) * beta[t]
FROM_NOW = sqrt(alpha[t]) * (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t])
OLD_SHARE = alpha_bar[t] / (1 - alpha_bar[t]) * (1 - alpha_bar[t - 1]) / alpha_bar[t - 1]


EXERCISES: tuple[Exercise, ...] = (
    Predict(
        r"A density is proportional to $e^{-8x^2 + 4x}$. Give its mean and its variance: "
        "`q.check(mean, variance)`. No paper needed.",
        (1 / 4, 1 / 16),
        r"$-8x^2 + 4x$ is $-\frac12 A x^2 + B x$ with $A = 16$ and $B = 4$. The variance is $1/A = 1/16$, the mean "
        r"$B/A = 1/4$. Back again: $-(x - \frac14)^2 / (2 \cdot \frac1{16}) = -8x^2 + 4x - \frac12$, and the "
        "constant goes into the normaliser.",
        (
            "Which number must A be, if -A/2 times the square of x is to be -8 times it?",
            "A is 16 and B is 4. The variance is 1/A, the mean B/A.",
        ),
        (
            ((1 / 2, 1 / 8), "You read A as 8. The exponent has -A/2 before the square, so A is 16."),
            ((1 / 2, 1 / 16), "The variance is right. For the mean you divided by 8, but A is 16."),
            (
                (1 / 4, 1 / 8),
                "The mean is right. The variance is 1/A, and A is 16: the exponent has -A/2 before the square.",
            ),
            (
                (1 / 4, 1 / 4),
                "The mean is right. Your second number is the standard deviation: the variance is its square.",
            ),
            ((1 / 4, 16.0), "The mean is right. 16 is A, the precision. The variance is one over it."),
            ((1 / 16, 1 / 4), "Both numbers are right, in the other order: the mean first."),
            ((4.0, 16.0), "These are B and A. The mean is B/A, the variance 1/A."),
            ((-1 / 4, 1 / 16), "The variance is right. The bell leans to the side that B pulls to, and B is positive."),
            ((4.0, 1 / 16), "The variance is right. The mean is B/A: how hard B pulls, against how stiff A is."),
        ),
        within=0.005,
    ),
    Predict(
        r"A walk back begins with pure noise at $t = 1000$ and takes one posterior after another, always with the same "
        r"$x_0$. The step at $t = 300$ puts 0.006 of $x_0$ into the mean, and no step before it (from 1000 to 301) "
        r"puts in more. What share of $x_0$, between 0 and 1, does the walk hold at $t = 300$? Guess to within 0.05: "
        "`q.check(your_number)`.",
        0.630,
        r"About 0.63, which is $\sqrt{\bar\alpha_{300}}$. The steps from 1000 to 301 put in 1.46 together. But every "
        r"later step keeps only its weight of $x_t$, a little less than 1, of what the walk held, so more than a half "
        r"of it fades again. What is held comes out as $\sqrt{\bar\alpha_{300}}$, what the forward process left of "
        r"the image at $t = 300$: section 5 proves it.",
        (
            "Where is a pixel at t = 300, seen from its image? The forward process says what is left.",
            "The mean of x_t given x_0 is x_0 times a number. Which one? It is in notebook 01.",
            "It is made of alpha_bar_t, which is 0.396 at t = 300.",
        ),
        (
            (0.006, "Too small. The step at t = 300 alone puts in 0.006, and seven hundred have been taken."),
            (0.396, "Too small. That is alpha_bar, but the image is multiplied by its root."),
            (0.3, "Too small. By time there are 300 of 1000 steps to go, but steps do not put in equal parts."),
            (0.7, "Too large. 700 of 1000 steps have been taken, but they do not put in equal parts."),
            (1.0, "Too large. The whole image is held at t = 0 only."),
            (1.46, "Too large. That is all that the steps have put in, but each later step fades it a little."),
            (4.2, "Too large: 700 times 0.006. Most steps put in less, and each later step fades it a little."),
            *((float(percent), "Give a share between 0 and 1, not a percentage.") for percent in range(2, 101)),
        ),
        within=0.05,
    ),
    Derive(
        r"The package never stores $\beta_t$ or $\alpha_t$. Write $\tilde\beta_t$ with $\bar\alpha_t$ and "
        r"$\bar\alpha_{t-1}$ alone: `q.check(...)`, in which `alpha_bar[t]` and `alpha_bar[t - 1]` may stand.",
        (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t]) * (1 - alpha_bar[t] / alpha_bar[t - 1]),
        r"$\alpha_t = \bar\alpha_t/\bar\alpha_{t-1}$ by the recursion, and $\beta_t = 1 - \alpha_t$. So $\tilde\beta_t "
        r"= \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\left(1 - \frac{\bar\alpha_t}{\bar\alpha_{t-1}}\right)$. This is "
        "the line of `posterior_variance`, and it holds for any earlier time in the place of $t-1$.",
        (
            "Only beta_t has to go. What is it, in terms of alpha_t?",
            "Solve the recursion alpha_bar_t = alpha_t alpha_bar_{t-1} for alpha_t.",
        ),
        (
            (
                (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t]) * alpha_bar[t] / alpha_bar[t - 1],
                "A one minus is missing: you put in alpha_t, and beta_t is 1 - alpha_t.",
            ),
            (
                (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t]) * (1 - alpha_bar[t] * alpha_bar[t - 1]),
                "The recursion is alpha_bar_t = alpha_t alpha_bar_{t-1}: alpha_t is a quotient of two, not a product.",
            ),
            (
                alpha_bar[t - 1] / alpha_bar[t] * (1 - alpha_bar[t] / alpha_bar[t - 1]),
                "beta_t is right. Above and below in the quotient stands one minus alpha_bar.",
            ),
            (
                1 - alpha_bar[t] / alpha_bar[t - 1],
                "That is beta_t alone. Multiply by the quotient that makes the step back surer.",
            ),
            (
                1 - alpha_bar[t - 1],
                "You took 1 - alpha_bar_t for beta_t. That is all the noise since the image; "
                "beta_t is the noise of one step.",
            ),
            (
                (1 - alpha_bar[t]) / (1 - alpha_bar[t - 1]) * (1 - alpha_bar[t] / alpha_bar[t - 1]),
                "The quotient stands on its head. Knowing the image makes the step back surer: it must be below 1.",
            ),
            (
                (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t]) * (1 - alpha_bar[t - 1] / alpha_bar[t]),
                "alpha_bar falls, so alpha_bar_{t-1} / alpha_bar_t is above 1, and your variance is negative.",
            ),
        ),
        theory=FORWARD,
        question=BETA_TILDE,
        using=[GROWTH],
        only=[alpha_bar],
    ),
    Derive(
        r"Given $x_0$, the forward process gives $x_{t-1}$ the variance $1-\bar\alpha_{t-1}$. In the walk back one "
        r"part of it is old: the variance $1-\bar\alpha_t$ of $x_t$, times the square of the weight of $x_t$. Which "
        r"share of $1-\bar\alpha_{t-1}$ is that? Write it with $\bar\alpha_t$ and $\bar\alpha_{t-1}$ alone: "
        "`q.check(...)`.",
        OLD_SHARE,
        r"With the weight $w$ of $x_t$: $\frac{w^2(1-\bar\alpha_t)}{1-\bar\alpha_{t-1}} = "
        r"\frac{\alpha_t(1-\bar\alpha_{t-1})}{1-\bar\alpha_t} = \frac{\bar\alpha_t}{1-\bar\alpha_t} \Big/ "
        r"\frac{\bar\alpha_{t-1}}{1-\bar\alpha_{t-1}}$, which is $\mathrm{SNR}(t)/\mathrm{SNR}(t-1)$. The fresh part, "
        r"$\tilde\beta_t$, has the share $\beta_t/(1-\bar\alpha_t)$. Together: $\alpha_t - \bar\alpha_t + \beta_t = "
        r"1-\bar\alpha_t$, over $1-\bar\alpha_t$: the whole. The walk back has the variance of the walk forward.",
        (
            "Square the weight of x_t, multiply by 1 - alpha_bar_t, divide by 1 - alpha_bar_{t-1}: two factors cancel.",
            "alpha_t is left over. The recursion writes it as a quotient.",
        ),
        (
            (FROM_NOW**2 * (1 - alpha_bar[t]), "That is the old part itself. For its share divide by the whole."),
            (FROM_NOW**2, "That is the square of the weight. It multiplies the variance that x_t has."),
            (
                FROM_NOW * (1 - alpha_bar[t]) / (1 - alpha_bar[t - 1]),
                "A factor before a random variable comes out of its variance squared.",
            ),
            (
                alpha[t] * (1 - alpha_bar[t]) / (1 - alpha_bar[t - 1]),
                "The weight of x_t is more than the root of alpha_t: it has the quotient that is below 1, too.",
            ),
            (
                (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t]),
                "The weight of x_t has the root of alpha_t in it, and you lost it.",
            ),
            (1 - OLD_SHARE, "That is the share of the fresh noise. The old part has the rest."),
            (1 / OLD_SHARE, "The quotient stands on its head: a share is below 1."),
            (
                1 - alpha_bar[t - 1],
                "That is the whole variance at t - 1, old and fresh. Asked is the share of the old.",
            ),
        ),
        theory=LATER,
        question=FROM_NOW**2 * (1 - alpha_bar[t]) / (1 - alpha_bar[t - 1]),
        using=[GROWTH],
        only=[alpha_bar],
    ),
    Debug(
        "This walk back from noise to `x_0` does arrive at `x_0`. But on their way, with 1000 steps, the walks go up "
        "to 18 times as far out as the image. Which line is wrong? `q.check(number)`.\n\n"
        "```\n"
        "1  x = noise\n"
        "2  for t in range(T, 0, -1):\n"
        "3      beta = 1 - alpha_bar[t]\n"
        "4      now = sqrt(1 - beta) * (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t])\n"
        "5      image = sqrt(alpha_bar[t - 1]) * beta / (1 - alpha_bar[t])\n"
        "6      beta_tilde = (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t]) * beta\n"
        "7      x = now * x + image * x_0 + sqrt(beta_tilde) * fresh_noise()\n"
        "```",
        3,
        r"Line 3. `1 - alpha_bar[t]` is the noise of the whole jump from the image to $t$. The $\beta_t$ of one step "
        r"is `1 - alpha_bar[t] / alpha_bar[t - 1]`. With the line as it stands the weight of the image is "
        r"$\sqrt{\bar\alpha_{t-1}}$: every step puts in all of the image that there should be, on top of what the walk "
        r"holds. The last step has the weights 0 and 1 all the same, and so the walks arrive.",
        (
            "Which weight would carry the walks too far out? Put in a t near the image: what do lines 4 and 5 give?",
            "The weight of x_0 comes out as sqrt(alpha_bar[t - 1]). Which of its factors is too large?",
        ),
        (
            (1, "At T next to nothing is left of the image: pure noise is the right start."),
            (2, "From T down to 1: the last step, t = 1, leads to time 0, and alpha_bar[0] is 1."),
            (4, "This is the weight of x_t, if beta is the noise of one step. Is it?"),
            (5, "This is the weight of the image, if beta is the noise of one step. Is it?"),
            (6, "This is the variance of the step, if beta is the noise of one step. Is it?"),
            (7, "The mean, and noise of variance beta_tilde: the root is where it belongs."),
        ),
    ),
    Compute(
        r"Now the early end is not the image but a noisy $x_r$, and $r < s < t$. Write a function "
        r"`between(x_r, x_t, bar_r, bar_s, bar_t)` that gives the mean and the variance of $q(x_s \mid x_t, x_r)$, for "
        r"numbers; `bar_r` is $\bar\alpha_r$, and so on. Return both: `q.check(between)`.",
        slices.between,
        r"Begin the chain at $r$. From there to $s$ it keeps $\bar\alpha_s/\bar\alpha_r$, and to $t$ it keeps "
        r"$\bar\alpha_t/\bar\alpha_r$. These take the places of $\bar\alpha_s$ and $\bar\alpha_t$ in section 6, and "
        r"$x_r$ that of $x_0$. In Python: `a, b, k = bar_s / bar_r, bar_t / bar_r, bar_t / bar_s`, then "
        "`mean = k**0.5 * (1 - a) / (1 - b) * x_t + a**0.5 * (1 - k) / (1 - b) * x_r` and "
        "`variance = (1 - a) / (1 - b) * (1 - k)`. With r = 0 this is section 6.",
        (
            "Section 6 began a jump at s instead of 0. Begin the whole chain at r.",
            "x_r is the image of that chain. What is its alpha_bar at s, the share kept since r?",
        ),
        (
            (slices.from_the_image, "Your numbers count the noise since the image. x_r is known: count from r."),
            (slices.half_from_r, "You count alpha_bar_s from r, but alpha_bar_t still from the image."),
            (slices.half_from_r_but_the_jump, "You count alpha_bar_s from r, but alpha_bar_t still from the image."),
            (slices.other_half_from_r, "You count alpha_bar_t from r, but alpha_bar_s still from the image."),
            (
                slices.root_from_the_image,
                "The variance is right, and the weight of x_t. In the weight of x_r you count alpha_bar_s from the "
                "image: count it from r.",
            ),
            (
                slices.with_the_whole_beta,
                "The mean is right. Your variance is that of the forward jump from s to t: x_r makes it smaller.",
            ),
            (
                slices.without_roots,
                "The variance is right. In the mean both roots are missing: x_t has the root of what is kept "
                "from s to t in its weight, x_r the root of what is kept from r to s.",
            ),
            (
                slices.without_the_first_root,
                "The variance is right, and the weight of x_r. In the weight of x_t a root is missing.",
            ),
            (
                slices.without_the_second_root,
                "The variance is right, and the weight of x_t. In the weight of x_r a root is missing.",
            ),
            (slices.exchanged, "The variance is right. In the mean x_t and x_r have each other's weight."),
            (slices.variance_first, "Both numbers are right, in the other order: the mean first."),
            (slices.with_a_deviation, "The mean is right. You return a standard deviation, the root of the variance."),
        ),
        cases=[(0.7, -0.2, 0.8, 0.6, 0.5), (-1.3, 0.4, 0.95, 0.9, 0.1), (0.7, 1.5, 1.0, 0.8, 0.3)],
    ),
)
