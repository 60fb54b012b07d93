"""Exercises of notebook 00: what is left after many steps, and the usual slips of reading."""

from collections.abc import Sequence

from sympy import sqrt

from mini_ddpm.course.exercises.compute import Compute
from mini_ddpm.course.exercises.kinds import Choose, Debug, Derive, Exercise, Predict
from mini_ddpm.symbolic import alpha, alpha_bar, beta, forward_process, t


def half_gone(alpha_bar: Sequence[float]) -> int:
    """The first time at which less than half is left."""
    return next(t for t in range(len(alpha_bar)) if alpha_bar[t] < 0.5)


STEPS_GROW = "shares multiply. What does the sum of the first 400 variances say? A hint leads there: `q.hint()`."

EXERCISES: tuple[Exercise, ...] = (
    Predict(
        r"Step $t$ adds noise of variance $\beta_t$, and keeps the share $1 - \beta_t$ of what the image still has "
        r"(of its mean square: the mean of the squared pixels). $\beta_t$ grows evenly, from 0.0001 in step 1 to "
        "0.02 in step 1000. What share, between 0 and 1, is left at $t = 400$? Guess to within 0.05: "
        "`q.check(your_number)`.",
        0.1951,
        r"About 0.2. Shares multiply. For a small $\beta$, $1 - \beta$ is nearly $e^{-\beta}$, so that the product "
        r"is nearly $e^{-(\beta_1 + \dots + \beta_{400})}$. The first 400 values go from 0.0001 to 0.008; their mean "
        "is 0.004, their sum about 1.6, and $e^{-1.6} = 0.2$.",
        (
            "Shares multiply. After two steps of 1 % each, 0.99 times 0.99 is left.",
            "For a small b, 1 - b is nearly exp(-b). So add up the variances of the first 400 steps first.",
            "Their mean is about 0.004, so their sum is about 1.6.",
        ),
        (
            (0.6, "40 % of the steps is not 40 % of the loss: each takes its share of what is left by then."),
            (0.44, "That is the factor on each pixel. The mean square has the square of it."),
            *((guess, "Too much: " + STEPS_GROW) for guess in (0.5, 0.36, 0.29)),
            (0.8, "That is what has been lost."),
            (0.99, "That is what step 400 alone keeps. There are 399 before it."),
            (0.0, "Too little. These are the smaller steps, and each leaves most of what it finds."),
        ),
        within=0.05,
    ),
    Derive(
        r"What is left after step $t+1$, written with what was left two steps before: $\bar\alpha_{t+1}$ with "
        r"$\bar\alpha_{t-1}$ and whatever the two steps keep. `q.check(...)`, in which `alpha_bar[t - 1]`, `alpha` "
        "and `beta` may stand.",
        alpha[t + 1] * alpha[t] * alpha_bar[t - 1],
        r"$\bar\alpha_{t+1} = \alpha_{t+1}\,\alpha_t\,\bar\alpha_{t-1}$: the product up to $t+1$ has two factors more "
        r"than the one up to $t-1$. Or, with what the steps take, $(1-\beta_{t+1})(1-\beta_t)\,\bar\alpha_{t-1}$.",
        (
            "Write both products out. Which factors does the longer one have in addition?",
            "Two: those of the steps t and t + 1.",
        ),
        (
            (alpha[t] * alpha_bar[t - 1], "That is what is left after step t. One step is still to come."),
            (alpha[t + 1] * alpha_bar[t - 1], "You have left out step t: from t - 1 to t + 1 there are two."),
            (beta[t + 1] * beta[t] * alpha_bar[t - 1], "A step takes beta. What it keeps is 1 - beta."),
            (
                sqrt(alpha[t + 1] * alpha[t]) * alpha_bar[t - 1],
                "A root too many: it turns a step's share of the mean square into the factor on each pixel. "
                "All three here are shares.",
            ),
            (
                sqrt(alpha[t + 1] * alpha[t] * alpha_bar[t - 1]),
                "A root too many: that is the factor on each pixel. The mean square has the square of it.",
            ),
            (
                alpha[t + 1] ** 2 * alpha[t] ** 2 * alpha_bar[t - 1],
                "Squared once too often: alpha is a share of the mean square already. The factor on a pixel is its "
                "root.",
            ),
            (
                (1 - sqrt(beta[t + 1])) * (1 - sqrt(beta[t])) * alpha_bar[t - 1],
                "The root of beta multiplies the noise. Of the mean square a step takes beta itself.",
            ),
            (alpha[t] ** 2 * alpha_bar[t - 1], "The two steps need not keep the same share: each has its own index."),
            (
                (1 - beta[t] - beta[t + 1]) * alpha_bar[t - 1],
                "Nearly: the second step takes its share of what the first has left. Multiply, don't add.",
            ),
        ),
        theory=forward_process(),
        question=alpha_bar[t + 1],
        only=(alpha_bar[t - 1], alpha, beta),
    ),
    Predict(
        "Two independent noises, one with the standard deviation 0.3, the other with 0.4, are added. What is the "
        "standard deviation of the sum? `q.check(your_number)`.",
        0.5,
        r"0.5. Variances add: $0.09 + 0.16 = 0.25$. The root of that is 0.5.",
        ("Which of the two adds up, the variance or the standard deviation?", "0.09 + 0.16 is a variance."),
        (
            (0.7, "Standard deviations don't add: now and then the two noises have opposite signs."),
            (0.25, "The root is missing: that is the variance of the sum."),
            (0.35, "That is the mean of the two. The sum is wider than either of them."),
            (0.12, "That is the product. Noises that are added have variances that add."),
        ),
        within=0.01,
    ),
    Choose(
        r"A paper writes $q(x_t \mid x_0) = \mathcal{N}(\sqrt{\alpha_t}\,x_0,\ (1-\alpha_t) I)$, which notebook 01 "
        r"derives. What is its "
        r"$\alpha_t$ called in this course? "
        '`q.check("alpha_t")`, `q.check("alpha_bar_t")`, `q.check("beta_t")` or '
        '`q.check("sqrt(alpha_bar_t)")`.',
        "alpha_bar_t",
        r"It is our $\bar\alpha_t$. The formula jumps from $x_0$ to $x_t$ at once, so it must hold the product of all "
        "steps. The paper on DDIM writes it so.",
        (
            "Does the formula go one step, or many?",
            "Put t = 1000 in. How much of the image does the formula have to keep? And how much does step 1000 keep?",
        ),
        (
            ("alpha_t", "Ours is what one step keeps. This formula begins at the image and goes t steps."),
            ("beta_t", "Ours is what one step adds. Here the letter stands before the image: it is what is kept."),
            ("sqrt(alpha_bar_t)", "The paper has its root in the mean, and the letter itself in the variance."),
        ),
    ),
    Debug(
        "This program noises an image in 1000 steps, and keeps account of the share of its mean square that is left. "
        "It runs, and says at the end that 0.6 % are left. Picture 1 said 0.004 %. Which line is wrong? "
        "`q.check(number)`.\n\n```\n"
        "1  left = 1\n"
        "2  x = image\n"
        "3  for beta in linear_betas(1000):\n"
        "4      noise = torch.randn_like(image)\n"
        "5      x = (1 - beta).sqrt() * x + beta.sqrt() * noise\n"
        "6      left = left * (1 - beta).sqrt()\n"
        "```",
        6,
        r"Line 6 multiplies by $\sqrt{1-\beta}$, the factor on each *pixel*. The mean square has the square of it: "
        r"`left * (1 - beta)`. (0.6 % is the root of 0.004 %: it is what is left of the contrast.)",
        (
            "0.006 is the root of 0.00004. So somewhere a root is missing, or there is one too many.",
            "A pixel is multiplied by a root. What is its square multiplied by?",
        ),
        (
            (1, "Before the first step the whole image is there: that is 1."),
            (2, "The first step begins at the image, and x is overwritten from there."),
            (3, "These are the 1000 variances, one a step."),
            (4, "Each step needs fresh noise, as large as the image, with variance 1."),
            (
                5,
                "The step itself, with both roots. Noise of variance beta is drawn with its root: that is right.",
            ),
        ),
    ),
    Compute(
        r"Write a function `half_gone(alpha_bar)`. It gets a list of $\bar\alpha_0, \bar\alpha_1, \dots, \bar\alpha_T$ "
        "and returns the first time $t$ at which less than half is left: `q.check(half_gone)`.",
        half_gone,
        "`next(t for t in range(len(alpha_bar)) if alpha_bar[t] < 0.5)`. The list begins with time 0, so that place "
        "and time are the same number, and nothing is to be added or subtracted.",
        (
            "At which place of the list does the value for time t stand?",
            "The list begins with time 0. Walk along it until a value is below 0.5, and return the place.",
        ),
        (
            (
                lambda alpha_bar: half_gone(alpha_bar) + 1,
                "One too many: this list has time 0 in front, so the place is the time.",
            ),
            (
                lambda alpha_bar: next(t for t in range(len(alpha_bar)) if alpha_bar[t] <= 0.5),
                "At exactly one half, less than half is not yet left: compare with <, not <=.",
            ),
            (lambda alpha_bar: alpha_bar[half_gone(alpha_bar)], "That is what is left then. The time is asked for."),
            (lambda alpha_bar: half_gone(alpha_bar) - 1, "That is the last time at which half or more is left."),
            (
                lambda alpha_bar: next(t for t in range(len(alpha_bar)) if alpha_bar[t] < 0.25),
                "You have waited until the factor on the pixels, the root, is below one half.",
            ),
        ),
        cases=(
            ([1.0, 0.8, 0.55, 0.45, 0.1],),
            ([1.0, 0.4, 0.2],),
            ([1.0, 0.9, 0.5, 0.49, 0.3, 0.2],),
        ),
    ),
)
