"""Exercises of notebook 02, on the bound."""

import numpy as np
from sympy import Expr, Sum, log

from mini_ddpm.course.exercises.kinds import Choose, Compute, Debug, Derive, Exercise, Predict
from mini_ddpm.symbolic import KL, ChainTheory, E_q, T, p, q, t, x

chains = ChainTheory()
last, first = q(x[T], x[0]), q(x[1], x[0])
now, before = q(x[t], x[0]), q(x[t - 1], x[0])


class Telescope(Derive):
    """A sum that starts at t = 2: an answer with q(x_0 | x_0) started one term too early."""

    def fault(self, answer: Expr) -> str | None:
        """The early start is named; the checker would speak of a divergence, which is not in the question."""
        if isinstance(answer, Expr) and answer.has(q(x[0], x[0])):
            return (
                "q(x[0], x[0]) is not in this sum: the first term, t = 2, has t - 1 = 1. Which density does it leave?"
            )
        return super().fault(answer)


def _both(log_ratios: np.ndarray) -> tuple[float, float]:
    top = np.max(log_ratios)
    return top + np.log(np.mean(np.exp(log_ratios - top))), np.mean(log_ratios)


def _overflows(log_ratios: np.ndarray) -> tuple[float, float]:
    with np.errstate(all="ignore"):
        return np.log(np.mean(np.exp(log_ratios))), np.mean(log_ratios)


def _likelihood(log_ratios: np.ndarray) -> tuple[float, float]:
    with np.errstate(all="ignore"):
        return np.mean(np.exp(log_ratios)), np.mean(log_ratios)


def _adds(log_ratios: np.ndarray) -> tuple[float, float]:
    top = np.max(log_ratios)
    return top + np.log(np.sum(np.exp(log_ratios - top))), np.mean(log_ratios)


EXERCISES: tuple[Exercise, ...] = (
    Predict(
        r"On half of the forward paths $p_\theta(x_{0:T})/q(x_{1:T}\mid x_0)$ is 0.5, on the other half it is 8. "
        r"Give two numbers: $\log p_\theta(x_0)$, and the mean of the logarithms. Two decimals will do.",
        (np.log(4.25), np.log(2)),
        r"The likelihood is the mean of the ratio, $(0.5 + 8)/2 = 4.25$, and $\log 4.25 = 1.447$. The mean of the "
        r"logarithms is $(\log 0.5 + \log 8)/2 = \log 2 = 0.693$. The bound loses the difference, 0.754.",
        (
            "The likelihood is the mean of the ratio over forward paths: a mean of two numbers here.",
            r"First number: take the mean, then the logarithm. Second number: the logarithms first.",
            r"$\log 4.25$, and half of $\log 0.5 + \log 8 = \log 4$.",
        ),
        (
            (
                (np.log(2), np.log(4.25)),
                "The two numbers are in the wrong order: the log-likelihood is the logarithm of the mean.",
            ),
            (
                (np.log(4.25), np.log(4.25)),
                "The second one takes the logarithms first, then their mean: that is another number.",
            ),
            ((np.log(4.25), 2 * np.log(2)), "The second one is a sum of two logarithms: their mean is half of it."),
            ((4.25, np.log(2)), "The first one is the likelihood itself: its logarithm was asked for."),
        ),
        within=0.006,
    ),
    Telescope(
        r"What does the sum $\sum_{t=2}^{T}\left[\log q(x_t \mid x_0) - \log q(x_{t-1} \mid x_0)\right]$ leave? "
        r"Write it without a sum. In code $q(x_t \mid x_0)$ is `q(x[t], x[0])`.",
        log(last) - log(first),
        r"Write three terms below each other: every $\log q(x_t \mid x_0)$ stands once with a plus and one term later "
        r"with a minus. Only the last plus and the first minus have no partner: "
        r"$\log q(x_T \mid x_0) - \log q(x_1 \mid x_0)$. At $T = 1$ the sum is empty, and these two cancel.",
        (
            "Write the terms for t = 2, t = 3 and t = 4 below each other. What stands there twice?",
            "Two logarithms have no partner: one from the first term and one from the last.",
            "The last term leaves its first half, the first term (t = 2) its second half, with t - 1 = 1.",
        ),
        (
            (log(last), "The first term, t = 2, leaves something, too: its t - 1 is 1."),
            (last / first, "The two densities are the right ones: the sum leaves their logarithms."),
            (log(first) - log(last), "The right two, with the wrong signs: the later one has the plus."),
        ),
        theory=chains,
        question=Sum(log(now) - log(before), (t, 2, T)),
        without=[Sum],
    ),
    Derive(
        r"Write $\mathbb{E}_q[\log q(x_T \mid x_0)] - \mathbb{E}_q[\log p(x_T)]$ without `E_q`. "
        r"In code: `q(x[T], x[0])`, `p(x[T])`, `log`, and `KL(a, b)` for a divergence.",
        KL(last, p(x[T])),
        r"Both means are over the same paths, so it is $\mathbb{E}_q[\log \frac{q(x_T \mid x_0)}{p(x_T)}]$. "
        r"Only $x_T$ is inside, and along these paths it is drawn from $q(x_T \mid x_0)$, the density above the line: "
        r"by definition $D_{\mathrm{KL}}(q(x_T \mid x_0) \Vert p(x_T))$, which is $L_T$.",
        (
            "A difference of two means over the same paths is one mean. Of what?",
            "A mean of the logarithm of a ratio has a name, if the draws come from the density above the line.",
            "`KL(a, b)` with a the density that x_T is drawn from.",
        ),
        (
            (
                log(last / p(x[T])),
                "The mean is missing: this number differs from path to path, and can be negative on some of them.",
            ),
            (
                KL(p(x[T]), last),
                "Turned around: the mean is over draws from q, so q comes first.",
            ),
        ),
        theory=chains,
        question=E_q(log(last)) - E_q(log(p(x[T]))),
        without=[E_q],
    ),
    Compute(
        "Write `f(log_ratios)`: given an array of log ratios $\\log\\, p_\\theta(x_{0:T})/q(x_{1:T}\\mid x_0)$ along "
        "forward paths, return two numbers: the estimate of $\\log p_\\theta(x_0)$, and that of the ELBO. "
        "With many steps and pixels they can be large: it must work for 800 and for -1000, too.",
        _both,
        "The ELBO is the mean of the array. The likelihood is the mean of its exponentials, but `exp(800)` is too big "
        "for a float and `exp(-1000)` is 0. Take the largest log ratio $m$ out first: "
        r"$\log \operatorname{mean} e^{r} = m + \log \operatorname{mean} e^{r - m}$. "
        "In code: `m = r.max(); return m + np.log(np.mean(np.exp(r - m))), r.mean()`.",
        (
            "Which of the two takes the mean first, and which the logarithm?",
            "If all goes well for small numbers only: what is `np.exp(800)`?",
            "Subtract the largest one before `exp`, and add it again after `log`.",
        ),
        (
            (
                _overflows,
                "On paper this is right. But exp(800) is too large for a float, and exp(-1000) is 0: the logarithm of "
                "it is not finite. What can be taken out of the mean first?",
            ),
            (
                lambda log_ratios: (np.mean(log_ratios), _both(log_ratios)[0]),
                "The two are swapped: the ELBO is the mean of the logarithms.",
            ),
            (_likelihood, "The first one is the likelihood itself: its logarithm was asked for."),
            (_adds, "The likelihood is a mean over paths, not a sum: divide by their number."),
        ),
        cases=(
            (np.log([0.5, 4.0]),),
            (np.array([-0.3, 0.1, -1.2, -0.6]),),
            (np.array([-1000.0, -1001.0]),),
            (np.array([800.0, 802.0, 799.0]),),
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
