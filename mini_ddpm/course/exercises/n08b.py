"""The exercises of notebook 08b."""

import torch
from torch import Tensor

from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Choose, Exercise, Predict
from mini_ddpm.course.exercises.samplers import DDIM_CASES, fixed, mixed
from mini_ddpm.schedules import linear_betas


def _guess(x_t: Tensor, eps: Tensor, a: Tensor) -> Tensor:
    return (x_t - (1 - a).sqrt() * eps) / a.sqrt()


def _linear(T: int) -> Tensor:
    beta = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
    return torch.cat([torch.ones(1, dtype=torch.float64), (1 - beta).cumprod(dim=0)])


def _ddim(x_0: Tensor, x_t: Tensor, a_t: Tensor, a_s: Tensor) -> Tensor:
    return mixed(x_0, x_t, a_t, a_s, (1 - a_s).sqrt(), torch.zeros(()), x_t)


def _noise_of_s(x_0: Tensor, x_t: Tensor, a_t: Tensor, a_s: Tensor) -> Tensor:
    eps = (x_t - a_s.sqrt() * x_0) / (1 - a_s).sqrt() if a_s < 1 else x_t
    return a_s.sqrt() * x_0 + (1 - a_s).sqrt() * eps


def _not_scaled(x_0: Tensor, x_t: Tensor, a_t: Tensor, a_s: Tensor) -> Tensor:
    return a_s.sqrt() * x_0 + (1 - a_s).sqrt() * (x_t - a_t.sqrt() * x_0)


EXERCISES: tuple[Exercise, ...] = (
    Implement(
        r"*The noise instead of $v$.* DDPM's network predicts $\epsilon$. Two lines of the page change: the target "
        "becomes `eps`, and `reverse_step` must make its guess of the image from the noise. Write that line: "
        "`guess(x_t, eps, a)`, with `a` for $\\bar\\alpha_t$. `q.check(guess)`. "
        "(Before you train with it, take DDPM's schedule, of the next exercise: with this page's, an error of 1 in the "
        "noise at $t = T$ is one of 20,291 in the image.)",
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
    Implement(
        "*DDIM.* Draw no fresh noise, keep the noise that is there: which noise makes $x_t$ of the guessed image? Mix "
        "the guess with that same noise at time $s$. Write `ddim(x_0, x_t, a_t, a_s)`, which gives $x_s$ and can "
        "replace the last five lines of `reverse_step`; `x_0` is clamped already, `a_t` and `a_s` are "
        "$\\bar\\alpha_t$ and $\\bar\\alpha_s$. `q.check(ddim)`.",
        _ddim,
        "`eps = (x_t - a_t.sqrt() * x_0) / (1 - a_t).sqrt()`, then `a_s.sqrt() * x_0 + (1 - a_s).sqrt() * eps`: Eq. 4 "
        "twice, solved for the noise at $t$, and as it stands at $s$ (DDIM, Eq. 12, with $\\sigma = 0$).",
        (
            "Solve Eq. 4 at $t$ for the noise, with the guess for $x_0$.",
            "Then use Eq. 4 as it stands, at $s$: the same guess, the same noise, other roots.",
        ),
        (
            (lambda x_0, x_t, a_t, a_s: x_0, "That jumps to the guess at once: the noise of time s is missing."),
            (
                lambda x_0, x_t, a_t, a_s: a_s.sqrt() * x_0 + (1 - a_s).sqrt() * x_t,
                "x_t is not the noise: it holds the image, too. Take the image out, and divide by the root.",
            ),
            (_noise_of_s, "The noise is read off at time t, with a_t: x_t was mixed with the roots of t."),
            (_not_scaled, "What is left without the image is the noise times its root at t: divide by that."),
        ),
        cases={name: case[:4] for name, case in DDIM_CASES.items() if "eta = 1.0" in name},
    ),
    Predict(
        "The average of the weights forgets: each step multiplies what it holds by 0.998 and adds 0.002 of the newest "
        "weights. Half of its weight belongs to the newest how many steps? Within 15: `q.check(number)`.",
        346.2,
        "346: $0.998^n = \\frac12$ at $n = \\ln 2 / 0.002$. Of 3,500 steps that is the last tenth. A longer memory "
        "would still hold weights of a worse network, which is why the page begins with a short one.",
        (
            "What is left, after n steps, of what the average held before?",
            "Which power of 0.998 is one half? A logarithm near 1: ln 0.998 is nearly -0.002.",
        ),
        (
            (500, "That is the mean age of the weights, 1 / 0.002. Half of the weight is younger than that."),
            (250, "Half of 1 / 0.002. But it fades as a power, not in a straight line."),
            (1000, "After 1000 steps 86% is newer. Half is reached far sooner."),
        ),
        within=15,
    ),
    Choose(
        "*A mistake that neither the loss nor a picture at scale 1 shows.* Somebody forgets the line that hides some "
        "labels. Training runs, and the loss falls as before. What goes wrong?\n\n"
        "a. Nothing: the network knows the label more often, that is all.\n"
        "b. Digits of scale 1 come out wrong; guidance mends them.\n"
        "c. At scale 1 all is well; with guidance the digits fall apart, the more the larger the scale.\n"
        "d. The network draws the same digit for all labels.\n\n"
        '`q.check("a")`, say.',
        "c",
        "c. The vector of label 10 is never trained: it stays what chance made it. Guidance goes away from what the "
        "network says for that vector, which means nothing, and further the larger the scale. At scale 1 it is not "
        "asked for. An assert does find it: take the line out of `train`, and run the comparison of section 2 again. "
        "Other labels, and from then on other random numbers, give other losses than the package's.",
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
)
