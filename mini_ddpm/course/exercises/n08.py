"""The exercises of notebook 08."""

import torch
from sympy import sqrt

from mini_ddpm.course import p08
from mini_ddpm.course.exercises import samplers as steps
from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Debug, Derive, Exercise
from mini_ddpm.sampling import ddim_step
from mini_ddpm.symbolic.notation import alpha_bar, s, t, x

PROGRAM = """```
1  x = torch.randn(10, 1, 28, 28)
2  for t, s in pairwise(diffusion.timesteps):
3      a_t, a_s = schedule.at(t).float(), schedule.at(s).float()
4      v = model(x, torch.full((10,), t))
5      x_0 = (a_t.sqrt() * x - (1 - a_t).sqrt() * v).clamp(-1, 1)
6      beta = 1 - a_t / a_s
7      mean = a_s.sqrt() * beta / (1 - a_t) * x_0
8      mean = mean + (1 - beta).sqrt() * (1 - a_s) / (1 - a_t) * x
9      sigma = beta.sqrt()
10     x = mean + sigma * torch.randn_like(x)
```"""

EXERCISES: tuple[Exercise, ...] = (
    Debug(
        "This sampler is to draw with $\\tilde\\beta_t$, in a chain of 10 steps; the network predicts $v$. Its digits "
        f"have grain all over them. Which line is wrong? `q.check(number)`.\n\n{PROGRAM}",
        9,
        r"Line 9. $\tilde\beta_t = \frac{1-\bar\alpha_s}{1-\bar\alpha_t}\beta_t$, and a factor is missing. In "
        r"the last step it is 0: $1-\bar\alpha_0 = 0$. Without it the walk ends on an image *and noise*: the grain. "
        r"(The package draws no noise at $s = 0$ whichever variance is chosen.)",
        (
            "Grain on the finished digits: which step put it there?",
            "What must sigma be in the last step, from the smallest kept time to 0? Put a_s = 1 in.",
        ),
        (
            (1, "Line 1 is sound: the walk begins with pure noise."),
            (2, "Line 2 is sound: neighbours in the list of times, from T down to 0."),
            (3, "Line 3 is sound: what is left of the image at both times."),
            (4, "Line 4 is sound: one call of the network, every image at the same time."),
            (5, "Line 5 is sound: the image from the velocity, clamped before it enters the mean."),
            (6, "Line 6 is sound: the noise that came in between s and t."),
            (7, "Line 7 is sound: the weight of the image in the posterior's mean."),
            (8, "Line 8 is sound: the weight of the noisy image."),
            (
                10,
                "Line 10 is sound, if sigma is: fresh noise, with a standard deviation before it. What is it at s = 0?",
            ),
        ),
    ),
    Derive(
        r"In DDIM's step with $\eta = 0$, write $x_s$ with $x_t$ and $x_0$, as the posterior's mean is written, "
        r"without the noise. What stands before $x_0$? `q.check(...)`, with `alpha_bar[t]` and `alpha_bar[s]`.",
        sqrt(alpha_bar[s]) - sqrt(alpha_bar[t]) * sqrt(1 - alpha_bar[s]) / sqrt(1 - alpha_bar[t]),
        r"$\sqrt{\bar\alpha_s} - \sqrt{\bar\alpha_t}\,\frac{\sqrt{1-\bar\alpha_s}}{\sqrt{1-\bar\alpha_t}}$. The image "
        r"is put in once, and taken out once: part of the image that $x_t$ holds comes along with its noise. Before "
        r"$x_t$ stands $\sqrt{1-\bar\alpha_s}/\sqrt{1-\bar\alpha_t}$.",
        (
            r"Put $\epsilon = (x_t - \sqrt{\bar\alpha_t}\,x_0)/\sqrt{1-\bar\alpha_t}$ into Eq. 12 with $\sigma = 0$.",
            r"$x_0$ stands in two places: in front, with $\sqrt{\bar\alpha_s}$, and inside of $\epsilon$.",
        ),
        (
            (sqrt(alpha_bar[s]), "x_0 stands in a second place: the noise is what is left of x_t without the image."),
            (
                sqrt(alpha_bar[s]) + sqrt(alpha_bar[t]) * sqrt(1 - alpha_bar[s]) / sqrt(1 - alpha_bar[t]),
                "A sign: the noise has the image taken away from x_t.",
            ),
            (
                sqrt(alpha_bar[s]) * (1 - alpha_bar[t] / alpha_bar[s]) / (1 - alpha_bar[t]),
                "That is the posterior's weight, which is DDIM's with eta = 1.",
            ),
            (sqrt(1 - alpha_bar[s]) / sqrt(1 - alpha_bar[t]), "That stands before x_t."),
        ),
        theory=p08.forward,
        question=(
            sqrt(alpha_bar[s]) * x[0]
            + sqrt(1 - alpha_bar[s]) * (x[t] - sqrt(alpha_bar[t]) * x[0]) / sqrt(1 - alpha_bar[t])
            - sqrt(1 - alpha_bar[s]) / sqrt(1 - alpha_bar[t]) * x[t]
        )
        / x[0],
        only=[alpha_bar],
    ),
    Implement(
        r"Write DDIM's step: `ddim(x_0, x_t, a_t, a_s, eta, z)` gives $x_s$. `x_0` is the guess, clamped already, "
        r"`a_t` and `a_s` are $\bar\alpha_t$ and $\bar\alpha_s$, and `z` is the fresh noise, of the shape of `x_t`. "
        "`q.check(ddim)`.",
        steps.ddim,
        r"First the noise that leads from the guess to $x_t$, $\epsilon = (x_t - \sqrt{\bar\alpha_t}\,x_0)"
        r"/\sqrt{1-\bar\alpha_t}$; then $\sigma^2 = \eta^2\tilde\beta$; then Eq. 12. In code: "
        "`eps = (x_t - a_t.sqrt() * x_0) / (1 - a_t).sqrt()`, "
        "`variance = eta**2 * (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)`, and "
        "`a_s.sqrt() * x_0 + (1 - a_s - variance).sqrt() * eps + variance.sqrt() * z`.",
        (
            "Three lines: the old noise, the variance of the fresh noise, and Eq. 12.",
            r"The old noise is Eq. 4 of DDPM, $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon$, "
            r"solved for $\epsilon$.",
            r"$\sigma^2 = \eta^2\,\frac{1-\bar\alpha_s}{1-\bar\alpha_t}\left(1 - \frac{\bar\alpha_t}{\bar\alpha_s}"
            r"\right)$: the square of eta stands before the variance.",
        ),
        (
            (steps.no_room, "Old noise in full and fresh noise on top: together they have more variance than 1 - a_s."),
            (steps.eta_not_squared, "Eta multiplies the deviation: before the variance stands its square."),
            (
                steps.beta,
                "That is beta. DDIM's eta takes a share of beta-tilde, with the factor (1 - a_s) / (1 - a_t).",
            ),
            (steps.variance_for_deviation, "The fresh noise is multiplied by its deviation: the root of the variance."),
            (steps.x_t_for_noise, "x_t is not the noise: it holds the image, too. Take the image out, and scale."),
        ),
        cases=steps.DDIM_CASES,
    ),
    Implement(
        r"For CIFAR-10 DDIM's authors keep times that are dense near the image: $t_i = T\,(i/n)^2$ for "
        r"$i = n, \dots, 0$ (their Appendix D.2). Write `dense(n, T)`, a list of $n + 1$ whole numbers, rounded to the "
        "nearest, that falls from `T` to 0. For many steps the smallest would be rounded to the same number: let $t_i$ "
        "be at least $i$. `q.check(dense)`.",
        p08.dense,
        "`[max(i, round(T * (i / n) ** 2)) for i in range(n, -1, -1)]`. Where the square is below $i$, the times are "
        "neighbours; above, they are further apart than 1, so none comes twice.",
        (
            "A list over i = n, n - 1, ..., 0: `range(n, -1, -1)`.",
            "Round first, then take the larger of that and i.",
        ),
        (
            (
                lambda n, T: [round(T * (i / n) ** 2) for i in range(n, -1, -1)],
                "With 50 steps a time comes twice: 0, or 1. From t to the same t there is no step.",
            ),
            (lambda n, T: p08.dense(n, T)[::-1], "A sampler walks from T down to 0. Yours rises."),
            (lambda n, T: p08.dense(n, T)[:-1], "The last time is 0: n + 1 numbers for n steps."),
            (
                lambda n, T: [max(i, round(T * i / n)) for i in range(n, -1, -1)],
                "Those are evenly spaced. Where is the square?",
            ),
        ),
        cases={"5 steps of 1000": (5, 1000), "10 steps of 1000": (10, 1000), "50 steps of 1000": (50, 1000)},
        within=0.5,
    ),
    steps.StepFunction(
        "Bring a sampler of your own, from these words alone: **Heun's step**. Take DDIM's step to $s$. Ask "
        "the network there, at time $s$, what the image is now. Then go back to $x_t$, and take DDIM's step again, "
        "with the mean of the two guesses. If $s = 0$ there is nothing to ask: DDIM's step is the answer. Write "
        "`heun(diffusion, model, x_t, t, s)`, which returns `Step(s, x_s, x_0)`, with the mean for `x_0`. You may call "
        "`ddim_step`, `diffusion.predict(model, x_t, times(x_t, t)).x_0`, which asks, and "
        "`p08.towards(diffusion, x_t, x_0, t, s)`, DDIM's step for a given image: `q.check(heun)`.",
        p08.heun_step,
        "`first = ddim_step(diffusion, model, x_t, t, s)`; at `s == 0` return it. "
        "`second = diffusion.predict(model, first.x_t, times(x_t, s)).x_0`, `x_0 = (first.x_0 + second) / 2`, and "
        "`Step(s, p08.towards(diffusion, x_t, x_0, t, s), x_0)`. `sample(heun, ...)` walks with it.",
        (
            "`first = ddim_step(diffusion, model, x_t, t, s)` has the first guess, `first.x_0`, and a place to ask "
            "from, `first.x_t`.",
            "The second question is asked from `first.x_t` at time `s`; the step itself begins at `x_t`, at time `t`.",
        ),
        (
            (ddim_step, "That is DDIM's step. Ask a second time, from where it arrives."),
            (steps.second_alone, "The second guess alone: take the mean of both."),
            (steps.from_the_guess, "The second step begins where the first one arrived. It begins at x_t."),
            (steps.same_time, "The second question is asked at time s: its noise is that of s."),
        ),
        cases={
            f"t = {now}, s = {then}": (steps.PROCESS, steps.peaked, steps.fixed(5), now, then)
            for now, then in ((900, 700), (400, 200), (30, 0))
        },
    ),
    Implement(
        "Guidance on an interval. Write `guided(with_label, without, t, scale, low, high)`: classifier-free guidance "
        "of this scale where `low < t <= high`, and elsewhere the answer with the label as it is. The "
        "answers are (B, C, H, W); `t` is (B,), and may differ within a batch: `q.check(guided)`.",
        steps.guided,
        "`inside = ((low < t) & (t <= high)).reshape(-1, 1, 1, 1)`, then `torch.where(inside, without + scale * "
        "(with_label - without), with_label)`. Outside of the interval scale is 1, and a sampler need not ask "
        "without the label: one run of the network instead of two.",
        (
            "Scale 1 is the answer with the label. So outside the scale is 1, and the formula is the same.",
            "`t` has one number for each image: reshape it to (B, 1, 1, 1) before it meets (B, C, H, W).",
        ),
        (
            (
                steps.no_label_outside,
                "Outside you draw without the label. It is guidance that stops there, not the label.",
            ),
            (
                steps.from_the_label,
                "One scale too much: start at the answer *without* the label. Yours is what the paper calls w, and "
                "this course's scale is w + 1.",
            ),
            (steps.turned_inside_out, "Inside and outside are swapped."),
            (steps.first_decides, "The first image's time decides for the whole batch."),
        ),
        cases={
            "in the middle": (*steps.ANSWERS, torch.full((4,), 500), 1.5, 200, 800),
            "at the edges": (*steps.ANSWERS, torch.tensor([200, 201, 800, 801]), 2.0, 200, 800),
            "near the image": (*steps.ANSWERS, torch.full((4,), 20), 3.0, 200, 800),
        },
    ),
)
