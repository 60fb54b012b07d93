"""The exercises of notebook 08b."""

import torch
from torch import Tensor

from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Choose, Exercise, Predict
from mini_ddpm.course.exercises.samplers import fixed
from mini_ddpm.schedules import linear_betas


def _guess(x_t: Tensor, eps: Tensor, a: Tensor) -> Tensor:
    return (x_t - (1 - a).sqrt() * eps) / a.sqrt()


def _linear(T: int) -> Tensor:
    beta = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
    return torch.cat([torch.ones(1, dtype=torch.float64), (1 - beta).cumprod(dim=0)])


EXERCISES: tuple[Exercise, ...] = (
    Predict(
        "The average of the weights forgets: step $k$ keeps $\\frac{1+k}{10+k}$ of what it held. The run has 3,500 "
        "steps. Half of the average's weight belongs to the newest how many? Within 30: `q.check(number)`.",
        3500 * (1 - 0.5 ** (1 / 9)),
        "260. Multiply the factors from step $k + 1$ to step $n$: all cancel but nine above and nine below, and what "
        "is left of the first $k$ steps is nearly $(k/n)^9$. That is one half at $k = n\\,2^{-1/9} = 0.926\\,n$: the "
        "newest 7.4%. The memory is a *share* of the run, short at first, when the network is bad.",
        (
            "What is left, at the end, of what the average held at step k? A product of fractions.",
            "Each denominator is a numerator nine steps on. About $(k/n)^9$ is left: when is that one half?",
        ),
        (
            (1750, "Half of the steps have far less than half of the weight: (1/2)^9 of it."),
            (350, "A tenth of the run is the mean age. Half of the weight is younger: (9/10)^9, of the rest, is 0.39."),
            (3240, "So many are the *oldest* steps that share the other half."),
        ),
        within=30,
    ),
    Choose(
        "*A line forgotten.* Somebody leaves out the line of `train` that hides some labels. The loss falls as before. "
        "What goes wrong?\n\n"
        "a. Nothing: the network knows the label more often, that is all.\n"
        "b. Digits of scale 1 come out wrong; guidance mends them.\n"
        "c. Nothing at scale 1; at any other scale the digits go away from what an untrained vector says.\n"
        "d. The network draws the same digit for all labels.\n\n"
        '`q.check("a")`, say.',
        "c",
        "c. The vector of label 10 is never trained: it stays what chance made it. Guidance goes away from what the "
        "network says for that vector, further the larger the scale, and no training saw to it that this is a mean "
        "over all digits. At scale 1 it takes no part. How bad it looks hangs on chance. Of three trainings of 800 "
        "steps the judge reads 0.55 to 0.57 of the digits as asked at scale 1, and 0.10, 0.90 and 0.49 at scale 4; "
        "with the line in its place 0.53 to 0.55, and 0.85, 0.75 and 0.86 (data/bench/forgotten-line.json). An assert"
        " does find it: take the line out of `train`, and run the comparison of section 2. Other labels, and from "
        "then on other random numbers, give other losses than the package's.",
        (
            "Which row of the table of labels is never trained?",
            "Where is that row used: in `train`, in `guided`? With which factor?",
        ),
        (
            ("a", "The line hides labels for a reason: something else on the page asks the network with no label."),
            ("b", "At scale 1 only the answer with the label counts, and that one is trained on every image."),
            ("d", "The labels are all there in training, on every image: the network can learn them."),
        ),
    ),
    Implement(
        r"*The noise instead of $v$.* DDPM's network predicts $\epsilon$. Two lines of the page change: the target "
        "becomes `eps`, and `reverse_step` must make its guess of the image from the noise. Write that line: "
        "`guess(x_t, eps, a)`, with `a` for $\\bar\\alpha_t$. `q.check(guess)`. "
        "(It wants DDPM's schedule, of the next exercise: with this page's, an error of 1 in the noise at $t = T$ is "
        "one of 20,291 in the image.)",
        _guess,
        "`(x_t - (1 - a).sqrt() * eps) / a.sqrt()`: Eq. 4, solved for $x_0$. The root of $\\bar\\alpha_t$ below is "
        "what makes a wrong noise so costly near $t = T$, and why this page has $v$.",
        (
            r"Eq. 4 mixes: $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon$.",
            "Take the noise away, with its root; then divide by the root before $x_0$.",
        ),
        (
            (
                lambda x_t, eps, a: a.sqrt() * x_t - (1 - a).sqrt() * eps,
                "That is the line for v. An eps is no v: solve Eq. 4 for x_0.",
            ),
            (lambda x_t, eps, a: x_t - (1 - a).sqrt() * eps, "That is the root of a times the image: divide by it."),
            (lambda x_t, eps, a: (x_t - (1 - a).sqrt() * eps) / a, "Divide by the root of a, not by a."),
            (lambda x_t, eps, a: (x_t - (1 - a) * eps) / a, "Roots are missing: Eq. 4 has deviations, no variances."),
        ),
        cases={f"a = {a}": (fixed(0), fixed(1), torch.tensor(a, dtype=torch.float64)) for a in (0.99, 0.5, 0.1)},
    ),
    Implement(
        r"*Another schedule.* DDPM's `beta` rises in a straight line from $10^{-4}$ to 0.02. Write `linear(T)`, which "
        "gives `alpha_bar`, (T + 1,), as the page's lines do: `q.check(linear)`.",
        _linear,
        "`beta = F.pad(torch.linspace(1e-4, 0.02, T), (1, 0))`, then `(1 - beta).cumprod(dim=0)`. The line is "
        "that of beta; alpha_bar is a product, and begins with 1. (For other `T` than 1000 the package scales beta, so "
        "that as much noise comes in all.)",
        (
            "`torch.linspace` makes the T betas; the page's last two lines do the rest.",
            "`alpha_bar[0]` is 1, and `alpha_bar[t]` is the product of t factors `1 - beta`.",
        ),
        (
            (
                lambda T: 1 - torch.linspace(0, 1, T + 1).double(),
                "That is a straight line of alpha_bar. Straight is beta; alpha_bar is a product.",
            ),
            (
                lambda T: torch.cat([torch.zeros(1), (1 - linear_betas(T)).cumprod(0)]),
                "alpha_bar[0] is 0 in yours. At time 0 all of the image is there: 1. (`F.pad` puts a 0 before `beta`.)",
            ),
            (lambda T: _linear(T)[1:], "There is one entry for each time 0, ..., T: at time 0 it is 1."),
            (
                lambda T: 1 - torch.cat([torch.zeros(1), linear_betas(T)]),
                "That is alpha, one factor for each step. alpha_bar is the product of the factors up to t.",
            ),
            (
                lambda T: 1 - torch.cat([torch.zeros(1), linear_betas(T)]).cumsum(0),
                "Variances don't just add up: each step shrinks what was there before. Multiply the factors.",
            ),
        ),
        cases={"T = 1000": (1000,)},
        within=1e-6,
    ),
)
