"""How exercises of notebook 02 know a usual mistake: terms of the bound, and estimates of it."""

import math
from collections.abc import Callable

from sympy import Expr, Sum

from mini_ddpm.course.exercises.compute import Compute, near
from mini_ddpm.course.exercises.kinds import Derive
from mini_ddpm.symbolic import Path, T, p, q, t, x

EARLY = (
    "The sum starts too early: at t = 1 the first density would be q(x_0 | x_1, x_0), a point mass. "
    "Which t is the first that has something to turn around?"
)
UNKNOWN = "The image is missing in what is given: q(x_{t-1} | x_t) is the density that nobody has for real images."
FORGOTTEN = (
    "E_q is forgotten: the divergence depends on x_t, which differs from path to path. The bound takes its mean."
)
TURNED = "The divergence is the wrong way round: the mean is over draws from q, so q comes first."


class Terms(Derive):
    """Terms of the bound. What is no expression of the chains at all is named before the checker sees it."""

    def fault(self, answer: Expr) -> str | None:
        """A sum from t = 1, and the two densities that the chains don't have."""
        if isinstance(answer, Expr):
            if as_listed := next((words for mistake, words in self.mistakes if mistake == answer), None):
                return as_listed  # at once, without a search for what to change
            if any(one.limits[0][1] == 1 and one.has(q(x[t - 1], x[t], x[0])) for one in answer.atoms(Sum)):
                return EARLY
            if answer.has(q(x[t - 1], x[t])) or answer.has(q(x[T - 1], x[T])):
                return UNKNOWN
            if answer.has(p(Path(1, T))):
                return "p of the whole path x_1 ... x_T stands in no sum of steps: take one divergence for each step."
        return super().fault(answer)

    def same(self, mistake: Expr, answer: Expr) -> bool:
        """Equal in every world; or written alike, if no world has it."""
        return mistake == answer or super().same(mistake, answer)


class Estimates(Compute):
    """A mistake is known by what it makes of small log ratios: large ones overflow, whatever else is wrong."""

    def same(self, mistake: Callable, answer: Callable) -> bool:
        """The same values in the two cases of small numbers."""
        return all(near(mistake(*case), answer(*case), 1e-6) for case in self.cases[:2])


def _mean(r: list[float]) -> float:
    return sum(r) / len(r)


def _likelihood(r: list[float]) -> float:
    """The logarithm of the mean, without overflow."""
    return max(r) + math.log(_mean([math.exp(one - max(r)) for one in r]))


def estimates(r: list[float]) -> tuple[float, float]:
    """Of the log-likelihood and of the ELBO, from log ratios along forward paths."""
    return _likelihood(r), _mean(r)


def _log(number: float) -> float:
    return math.log(number) if number > 0 else math.nan


ESTIMATES: tuple[tuple[Callable, str], ...] = (
    (
        lambda r: (math.log(_mean([math.exp(one) for one in r])), _mean(r)),
        "On paper this is right. But exp(800) is too large for a float, and exp(-1000) is 0: the logarithm of "
        "it is not finite. What can be taken out of the mean first?",
    ),
    (
        lambda r: (_mean(r), _likelihood(r)),
        "The two are swapped, Jensen the wrong way round: the ELBO, the mean of the logs, is the lower one.",
    ),
    (
        lambda r: (_mean(r), _mean(r)),
        "Both are the mean of the logarithms. For the likelihood exponentials are averaged first.",
    ),
    (
        lambda r: (_likelihood(r), _likelihood(r)),
        "Both are the log of the mean. For the ELBO the logarithms are averaged as they are.",
    ),
    (
        lambda r: estimates([-one for one in r]),
        "p and q are swapped: the signs of the log ratios are turned before they are averaged.",
    ),
    (
        lambda r: (-_likelihood(r), -_mean(r)),
        "The signs: these are losses, minus the two numbers that were asked for.",
    ),
    (
        lambda r: (sum(r), _mean(r)),
        "The first one is a sum of logarithms: the log of a product of ratios. The likelihood is their mean.",
    ),
    (lambda r: (_likelihood(r), sum(r)), "The ELBO is a mean over paths, not a sum: divide by their number."),
    (
        lambda r: (_likelihood(r) - max(r), _mean(r)),
        "The largest log ratio was taken out of the first one, and not added again after the log.",
    ),
    (
        lambda r: (_log(_mean(r)), _mean(list(map(_log, r)))),
        "The list holds logarithms of ratios already, not ratios: the likelihood needs `exp` first.",
    ),
    (
        lambda r: (_mean(list(map(math.exp, r))), _mean(r)),
        "The first one is the likelihood itself: its logarithm was asked for.",
    ),
    (
        lambda r: (_likelihood(r) + math.log(len(r)), _mean(r)),
        "The likelihood is a mean over paths, not a sum: divide by their number.",
    ),
)
