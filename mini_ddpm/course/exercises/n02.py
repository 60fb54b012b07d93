"""Exercises of notebook 02, on the bound."""

import math
from math import log as ln

from sympy import Expr, Sum, log

from mini_ddpm.course.exercises.bound import (
    EARLY,
    ESTIMATES,
    FORGOTTEN,
    TURNED,
    UNKNOWN,
    Estimates,
    Terms,
    estimates,
)
from mini_ddpm.course.exercises.kinds import Choose, Debug, Exercise, Predict
from mini_ddpm.symbolic import KL, ChainTheory, E_q, Path, T, p, q, t, x

chains = ChainTheory()
last, start, image = q(x[T], x[0]), p(x[T]), p(x[0], x[1])
known, step = q(x[t - 1], x[t], x[0]), p(x[t - 1], x[t])
whole, path = Path(0, T), Path(1, T)
blind = q(x[t - 1], x[0])
late = q(path, x[0]) / q(x[1], x[2], x[0]), p(whole) / (image * p(x[1], x[2]))  # of x_2 to x_T


def _summed(f: Expr, first: int = 3) -> Expr:
    return Sum(f, (t, first, T))


TURNS = (
    ((start, last), (step, known)),
    ((last, start), (step, known)),
    ((start, last), (known, step)),
)
FIRST_ATTEMPT = E_q(KL(q(x[T], x[T - 1]), start)) + Sum(E_q(KL(q(x[t], x[t - 1]), p(x[t], x[t + 1]))), (t, 2, T - 1))
BLIND_FIRST = "The divergence is the wrong way round: on forward paths x_{t-1} is drawn as q(x_{t-1} | x_t, x_0) says."


EXERCISES: tuple[Exercise, ...] = (
    Predict(
        r"On half of the forward paths $p_\theta(x_{0:T})/q(x_{1:T}\mid x_0)$ is 0.5, on the other half it is 8. "
        r"Give two numbers: $\log p_\theta(x_0)$, and the mean of the (natural) logarithms. Two decimals will do.",
        (ln(4.25), ln(2)),
        r"The likelihood is the mean of the ratio, $(0.5 + 8)/2 = 4.25$, and $\log 4.25 = 1.447$. The mean of the "
        r"logarithms is $(\log 0.5 + \log 8)/2 = \log 2 = 0.693$. The bound loses the difference, 0.754.",
        (
            "The likelihood is the mean of the ratio over forward paths: a mean of two numbers here.",
            r"First number: take the mean, then the logarithm. Second number: the logarithms first.",
            r"$\log 4.25$, and half of $\log 0.5 + \log 8 = \log 4$.",
        ),
        (
            (
                (ln(2), ln(4.25)),
                "The two are swapped. Jensen the wrong way round: the log of the mean is the larger one.",
            ),
            *(
                (wrong, "The second one takes the logarithms first, then their mean: that is another number.")
                for wrong in ((ln(4.25), ln(4.25)), (ln(4.25), 4.25))
            ),
            *(
                (wrong, "The first one is the logarithm of the mean. You took the mean of the logarithms for both.")
                for wrong in ((ln(2), ln(2)),)
            ),
            ((ln(4.25), 2 * ln(2)), "The second one is a sum of two logarithms: their mean is half of it."),
            ((ln(8.5), ln(2)), "The first one is a sum over both kinds of paths: take the mean, half of it."),
            ((ln(8.5), 2 * ln(2)), "Both are sums. A mean over two halves is half of the sum."),
            (
                (ln(4), ln(2)),
                "The first one is the log of a product, 0.5 times 8. The likelihood is a mean: add, and halve.",
            ),
            ((4.25, ln(2)), "The first one is the likelihood itself: its logarithm was asked for."),
            ((4.25, 2.0), "Both still need their logarithm."),
            (
                (ln(17 / 16), -ln(2)),
                "p and q are swapped: you averaged q/p, which is 2 and 1/8. What q draws too seldom counts more: p/q.",
            ),
            ((-ln(4.25), -ln(2)), "The signs: you give losses, minus the logarithms. They were not asked for."),
            (
                (math.log10(4.25), math.log10(2)),
                "These are logarithms to the base 10. All of this course's are natural ones.",
            ),
        ),
        within=0.006,
    ),
    Terms(
        r"The image is known; where is $x_{t-1}$? Who sees $x_t$ too pays $-\log q(x_{t-1} \mid x_t, x_0)$, who does "
        r"not pays $-\log q(x_{t-1} \mid x_0)$. How much does it save to see $x_t$, in the mean over forward paths? "
        r"Write it without a logarithm. In code: `q(x[t-1], x[0])`, `q(x[t-1], x[t], x[0])`, `E_q(...)`, and "
        "`KL(a, b)` for a divergence.",
        E_q(KL(known, blind)),
        r"$\mathbb{E}_q[-\log q(x_{t-1} \mid x_0)] - \mathbb{E}_q[-\log q(x_{t-1} \mid x_t, x_0)]$ is one mean, of "
        r"$\log \frac{q(x_{t-1} \mid x_t, x_0)}{q(x_{t-1} \mid x_0)}$. Average over $x_{t-1}$ first: for each $x_t$ "
        r"that is a divergence. It depends on $x_t$, so the mean over paths stays outside: "
        r"$\mathbb{E}_q[D_{\mathrm{KL}}(q(x_{t-1} \mid x_t, x_0) \Vert q(x_{t-1} \mid x_0))]$. By Bayes' rule the "
        r"ratio is also $q(x_t \mid x_{t-1})/q(x_t \mid x_0)$: each of the two states tells as much of the other.",
        (
            "A difference of two means over the same paths is one mean. Of what?",
            "A mean of the logarithm of a ratio has a name, if the draws come from the density above the line.",
            "That divergence depends on x_t. What makes one number of it?",
        ),
        (
            (KL(known, blind), FORGOTTEN),
            (E_q(KL(blind, known)), BLIND_FIRST),
            (KL(blind, known), "Two slips: the divergence is the wrong way round, and E_q is forgotten."),
            (
                -E_q(KL(known, blind)),
                "The sign: a divergence is never negative, and in the mean it never costs more to see more.",
            ),
            (-KL(known, blind), "Two slips: the sign, and E_q is forgotten."),
            (-E_q(KL(blind, known)), "Two slips: the sign, and the divergence is the wrong way round."),
            (
                log(known / blind),
                "E_q is forgotten: this number differs from path to path, and is negative on some of them.",
            ),
            (
                log(blind / known),
                "The ratio is turned, and E_q is forgotten. Who does not see x_t pays minus log of *his* density: it "
                "stands below.",
            ),
            (
                log(E_q(known / blind)),
                "The logarithm stands outside the mean. Jensen: that is another number, and the larger one.",
            ),
            (log(E_q(blind / known)), "The ratio is turned, and the logarithm stands outside the mean."),
            (
                E_q(known / blind),
                "The log is forgotten: what is paid are logarithms, and their difference is one, too.",
            ),
            (
                E_q(KL(known, step)),
                "That is a term of the bound: the step of the model. Here nobody uses the model, both know the image.",
            ),
            (E_q(KL(q(x[t - 1], x[t]), blind)), UNKNOWN),
        ),
        theory=chains,
        question=E_q(-log(blind)) - E_q(-log(known)),
        without=[log],
    ),
    Terms(
        r"Leave out the last *two* steps of the way back. How far are the forward paths of an image from the paths "
        r"$x_T, \dots, x_2$ of the model? Write $D_{\mathrm{KL}}(q(x_{2:T} \mid x_0) \Vert p_\theta(x_{2:T}))$ with "
        r"one divergence for each step, and without a logarithm. ($q(x_{2:T} \mid x_0)$ is "
        r"$q(x_{1:T} \mid x_0)/q(x_1 \mid x_2, x_0)$, and $p_\theta(x_{2:T})$ is "
        r"$p_\theta(x_{0:T})/(p_\theta(x_0 \mid x_1)\, p_\theta(x_1 \mid x_2))$.) In code: `KL(a, b)`, `E_q(...)`, "
        "`Sum(f, (t, first, last))`, and densities as on this page.",
        KL(last, start) + _summed(E_q(KL(known, step))),
        r"In $-\mathrm{ELBO}$ the steps from $x_1$ and $x_2$ have the terms $L_0$ and $L_1$. Without them "
        r"$D_{\mathrm{KL}}(q(x_T \mid x_0) \Vert p(x_T)) + \sum_{t=3}^{T} \mathbb{E}_q[L_{t-1}]$ is left: a part of "
        r"the sum is the divergence of a part of the paths. For the image 0.7 of the toy it is 0.06, and 0.25 if only "
        r"the very last step is left out.",
        (
            "Write the divergence as a mean of a log ratio, and compare with minus the ELBO. What is missing?",
            "Each factor that was divided out takes a part of a term of section 6 with it. Which two terms go?",
            "What is left is a divergence at the noisy end and a sum. Each divergence of the sum depends on x_t.",
        ),
        (
            (
                KL(last, start) + _summed(E_q(KL(known, step)), 2),
                "One step too many: t = 2 is the step from x_2 to x_1, and it was left out.",
            ),
            (
                KL(last, start) + _summed(E_q(KL(known, step)), 4),
                "One step too few: t = 3 is the step from x_3 to x_2, and x_2 is still there.",
            ),
            (KL(last, start) + _summed(E_q(KL(known, step)), 1), EARLY),
            (_summed(E_q(KL(known, step)), 1), EARLY),
            (
                _summed(E_q(KL(known, step))),
                "The noisy end is missing: the forward paths end at q(x_T | x_0), and the model starts at p(x_T).",
            ),
            (
                _summed(KL(last, start) + E_q(KL(known, step))),
                "L_T stands inside of the sum, so it is counted T - 2 times. It belongs to one place, the noisy end.",
            ),
            (KL(last, start) + _summed(KL(known, step)), FORGOTTEN),
            (KL(last, start) + E_q(KL(known, step)), "That is one step only: the sum over t is missing."),
            *((KL(*end) + _summed(E_q(KL(*each))), TURNED) for end, each in TURNS),
            (
                -KL(last, start) - _summed(E_q(KL(known, step))),
                "The sign: divergences are never negative, and a sum of them isn't, either.",
            ),
            (KL(last, start) - _summed(E_q(KL(known, step))), "The sign of the sum: all divergences add up."),
            (
                KL(last, start) + _summed(E_q(KL(known, step)), 2) - E_q(log(image)),
                "That is minus the whole ELBO. Two steps were left out, so L_0 and L_1 go, too.",
            ),
            (
                KL(last, start) + _summed(E_q(KL(known, step))) - E_q(log(image)),
                "L_1 is gone, but L_0 is still there: the step to x_0 was left out as well.",
            ),
            (
                FIRST_ATTEMPT,
                "These are the pairs of section 5, and their sum of divergences isn't true: exercise 02.6 says why.",
            ),
            (
                log(E_q(late[0] / late[1])),
                "The logarithm stands outside the mean. Jensen: that is another number, and the larger one.",
            ),
            (KL(last, start) + _summed(E_q(KL(q(x[t - 1], x[t]), step))), UNKNOWN),
        ),
        theory=chains,
        question=E_q(log(late[0] / late[1])),
        without=[log],
    ),
    Estimates(
        "Write `f(log_ratios)`: given a list of log ratios $\\log\\, p_\\theta(x_{0:T})/q(x_{1:T}\\mid x_0)$ along "
        "forward paths, return two numbers: the estimate of $\\log p_\\theta(x_0)$, and that of the ELBO. "
        "With many steps and pixels they can be large: it must work for 800 and for -1000, too.",
        estimates,
        "The ELBO is the mean of the list. The likelihood is the mean of its exponentials, but `exp(800)` is too big "
        "for a float and `exp(-1000)` is 0. Take the largest log ratio $m$ out first: "
        r"$\log \operatorname{mean} e^{r} = m + \log \operatorname{mean} e^{r - m}$. "
        "Code: `m, n = max(r), len(r)`, then `return m + math.log(sum(math.exp(a - m) for a in r) / n), sum(r) / n`.",
        (
            "Which of the two takes the mean first, and which the logarithm?",
            "If all goes well for small numbers only: what is `math.exp(800)`?",
            "Subtract the largest one before `exp`, and add it again after `log`.",
        ),
        ESTIMATES,
        cases=(
            ([math.log(0.5), math.log(4.0)],),
            ([-0.3, 0.1, -1.2, -0.6],),
            ([-1000.0, -1001.0],),
            ([800.0, 802.0, 799.0],),
        ),
    ),
    Debug(
        "This program should estimate $-\\mathrm{ELBO}$ by drawing. For the image 0.7 of this page it gives 0.872 in "
        "place of 0.716, with ever so many draws. Which line is wrong? Give its number.\n\n"
        "```\n"
        "1  x_T = sqrt(alpha_bar[4]) * x_0 + sqrt(1 - alpha_bar[4]) * randn(n)\n"
        "2  bound = mean(log(q(x_T, x_0) / p(x_T)))\n"
        "3  for t in (4, 3, 2):\n"
        "4      x_t = sqrt(alpha_bar[t]) * x_0 + sqrt(1 - alpha_bar[t]) * randn(n)\n"
        "5      before = draw_from_q(t - 1, x_t, x_0)\n"
        "6      bound += log(mean(q(before, x_t, x_0) / p(before, x_t)))\n"
        "7  x_1 = sqrt(alpha_bar[1]) * x_0 + sqrt(1 - alpha_bar[1]) * randn(n)\n"
        "8  bound -= mean(log(p(x_0, x_1)))\n"
        "```",
        6,
        "Line 6. It takes the mean first and then the logarithm. A divergence is a mean of logarithms: "
        "`mean(log(q(before, x_t, x_0) / p(before, x_t)))`. Jensen says where the slip leads: the log of the mean "
        "is the larger one, so this bound is too loose.",
        (
            "Name the term that each of the lines 2, 6 and 8 adds.",
            "The result is too large. Which inequality of this page says which of two numbers is the larger one?",
            "In which line is a logarithm outside of a mean?",
        ),
        (
            (1, "No fault here: it is the jump of notebook 01 to the end of the chain."),
            (2, "No fault here: L_T is the mean of a log ratio over draws from its first density."),
            (3, "No fault here: t from 4 down to 2 gives L_3, L_2 and L_1, and L_0 comes in line 8."),
            (
                4,
                "No fault here: a new draw for each t is allowed. Every term needs only its own x_t, and the mean of a "
                "sum is the sum of the means, whether the draws belong to one path or not.",
            ),
            (5, "No fault here: x_(t-1) is drawn from q given x_t and the image, as the divergence asks."),
            (7, "No fault here: it is the jump to x_1, which L_0 needs."),
            (8, "No fault here: it adds L_0, minus the mean of log p(x_0 | x_1), over x_1 from q."),
        ),
    ),
    Choose(
        "Suppose that somebody writes a term of section 5 as "
        r"$\mathbb{E}_q[D_{\mathrm{KL}}(q(x_t \mid x_{t-1}) \Vert p_\theta(x_t \mid x_{t+1}))]$ and says that their "
        "sum, with the two ends, is minus the ELBO. The checker refuses it. Why?\n\n"
        "* `a`: the two densities are of different variables, $x_t$ and $x_{t+1}$, and cannot be compared\n"
        "* `b`: a divergence needs draws of $x_t$ from its first density, and along a path on which $x_{t-1}$ and "
        "$x_{t+1}$ are both known, $x_t$ is drawn from another one\n"
        "* `c`: it is turned around: the mean is over draws from $q$, so $p_\\theta$ should stand first\n"
        "* `d`: it is right for densities, and only the checker's finite chains are too special for it",
        "b",
        r"`b`. In the mean of the log ratio, $x_{t-1}$, $x_t$ and $x_{t+1}$ come from one path. Inside the divergence "
        r"$x_t$ would be drawn from $q(x_t \mid x_{t-1})$ alone, as if $x_{t+1}$, the next state, told nothing "
        r"of it. In the toy of this page the sum is then 1.357 in place of 0.716. With $x_0$ all is well: "
        r"$x_{t-1}$ is drawn from $q(x_{t-1} \mid x_t, x_0)$, which is the first density itself.",
        (
            "What is a divergence? A mean of a log ratio: over draws from what?",
            "On a path with x_{t-1} and x_{t+1} known, is x_t spread as q(x_t | x_{t-1}) says?",
            "x_{t+1} was made from x_t, so it tells something of it.",
        ),
        (
            ("a", "Both are densities of x_t; what is given may differ."),
            ("c", "Draws from q ask for q in the first place, so the order is right."),
            (
                "d",
                "It is wrong for densities, too: for the image 0.7 it gives nearly twice the right number.",
            ),
        ),
    ),
)
