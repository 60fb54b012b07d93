"""Exercises of notebook 01, the forward process."""

from collections.abc import Sequence

from sympy import sqrt

from mini_ddpm.course.exercises.compute import Compute
from mini_ddpm.course.exercises.kinds import Debug, Derive, Exercise, Predict
from mini_ddpm.symbolic import alpha_bar, eps, forward_process, snr, t, x

FORWARD = forward_process()
JUMP = forward_process()
JUMP.define(x[t], sqrt(alpha_bar[t]) * x[0] + sqrt(1 - alpha_bar[t]) * eps)


def jump(x_0: float, noise: float, betas: Sequence[float], t: int) -> float:
    """x_t from x_0; betas[0] is the variance of step 1."""
    bar = 1.0
    for beta in betas[:t]:
        bar *= 1 - beta
    return bar**0.5 * x_0 + (1 - bar) ** 0.5 * noise


def _one_step_too_far(x_0: float, noise: float, betas: Sequence[float], t: int) -> float:
    return jump(x_0, noise, betas, t + 1)


def _without_roots(x_0: float, noise: float, betas: Sequence[float], t: int) -> float:
    bar = jump(1, 0, betas, t) ** 2
    return bar * x_0 + (1 - bar) * noise


def _last_step_only(x_0: float, noise: float, betas: Sequence[float], t: int) -> float:
    return (1 - betas[t - 1]) ** 0.5 * x_0 + betas[t - 1] ** 0.5 * noise


def _added_up(x_0: float, noise: float, betas: Sequence[float], t: int) -> float:
    return (1 - sum(betas[:t])) ** 0.5 * x_0 + sum(betas[:t]) ** 0.5 * noise


def _one_root_missing(x_0: float, noise: float, betas: Sequence[float], t: int) -> float:
    bar = jump(1, 0, betas, t) ** 2
    return bar**0.5 * x_0 + (1 - bar) * noise


def _first_step_left_out(x_0: float, noise: float, betas: Sequence[float], t: int) -> float:
    return jump(x_0, noise, betas[1:t], t)


def _last_entry_at_0(x_0: float, noise: float, betas: Sequence[float], t: int) -> float:
    return jump(x_0, noise, betas, t or len(betas))  # as a list of the products has it at index t - 1 = -1


def _image_without_root(x_0: float, noise: float, betas: Sequence[float], t: int) -> float:
    bar = jump(1, 0, betas, t) ** 2
    return bar * x_0 + (1 - bar) ** 0.5 * noise


def _same_noise_in_every_step(x_0: float, noise: float, betas: Sequence[float], t: int) -> float:
    for beta in betas[:t]:
        x_0 = (1 - beta) ** 0.5 * x_0 + beta**0.5 * noise
    return x_0


def _next_step_only(x_0: float, noise: float, betas: Sequence[float], t: int) -> float:
    return (1 - betas[t]) ** 0.5 * x_0 + betas[t] ** 0.5 * noise


EXERCISES: tuple[Exercise, ...] = (
    Predict(
        r"Every step adds noise of the variance 0.05; the pixels begin with the variance 1. What is their variance "
        r"after 100 steps with the factor $c = 1$, and with $c = 1-\beta = 0.95$? Guess both to within 0.1: "
        "`q.check(first, second)`.",
        (6.0, 0.5128),
        r"With $c = 1$ each step adds 0.05, and $1 + 100 \cdot 0.05 = 6$. With $c = 1-\beta$ the variance settles "
        r"where a step gives back what it takes: $V = (1-\beta)^2 V + \beta$, so $V = \frac{\beta}{1-(1-\beta)^2} = "
        r"\frac{1}{2-\beta} = 0.513$. After 100 steps it is there, to three decimals.",
        (
            "With the factor 1 nothing is lost: each step adds its variance to what is there.",
            "With the factor 0.95, at first more is lost than comes in. Where do both balance?",
            "V = c*c*V + 0.05. Solve it for V, with c = 0.95.",
        ),
        (
            ((6.0, 0.0), "The first is right. The second can't come near 0: fresh noise comes in at every step."),
            ((6.0, 1.0), "The first is right. The second factor takes away more than the noise puts in."),
            ((5.0, 1.0), "5 is what the noise alone puts in; and only the root of 0.95 would keep the variance 1."),
            ((1.0, 0.5128), "The second is right. With the factor 1 nothing is taken away, and noise comes in."),
            ((1.0, 1.0), "Only the root of 0.95 keeps the variance. What does a step do with these two factors?"),
            ((5.0, 0.5128), "The second is right. At the first: the pixels had the variance 1 before the noise came."),
            ((23.36, 0.5128), "The second is right. At the first you added deviations, sqrt(0.05). Variances add."),
            ((0.5128, 6.0), "The other way round: with the factor 1 nothing is taken away."),
            ((2.4495, 0.7161), "These are the standard deviations. Their squares, the variances, were asked for."),
        ),
        within=0.1,
    ),
    Predict(
        r"A white pixel, $x_0 = 1$, is noised for 500 steps. On the linear schedule $\bar\alpha_{500} = 0.0786$. "
        "What are the mean and the standard deviation of $x_{500}$? Two decimals: `q.check(mean, deviation)`.",
        (0.2804, 0.9599),
        r"The mean is $\sqrt{0.0786}\cdot 1 = 0.28$, the variance $1 - 0.0786 = 0.92$, the deviation its root, "
        "0.96. One such pixel is hard to tell from a black one, and yet 0.28 of the contrast is there.",
        (
            "The jump: what stands before the image, and what stands before the noise?",
            "The image is multiplied by the root of alpha_bar, standard noise by the root of the rest.",
        ),
        (
            ((0.0786, 0.9599), "The deviation is right. The image is multiplied by the root of alpha_bar."),
            ((0.2804, 0.9214), "The mean is right. 0.92 is the variance: its root is asked for."),
            ((0.0786, 0.9214), "Two roots are missing: of alpha_bar before the image, and of the variance."),
            ((0.9599, 0.2804), "The other way round: 0.28 belongs to the image, 0.96 to the noise."),
            ((0.0, 1.0), "That is the end of the walk. Half-way, something of the image is left."),
            ((0.2804, 0.7196), "The mean is right. It is the variances that add up to 1, not the factors."),
        ),
        within=0.006,
    ),
    Derive(
        r"Read the jump backwards. You know $x_t$, and someone tells you the noise $\epsilon$ that is in it. Which "
        "$x_0$ was it? `q.check(...)`, in which `x[t]`, `epsilon` and `alpha_bar[t]` may stand.",
        (x[t] - sqrt(1 - alpha_bar[t]) * eps) / sqrt(alpha_bar[t]),
        r"Bring the noise to the other side and divide: $x_0 = \frac{x_t - \sqrt{1-\bar\alpha_t}\,\epsilon}"
        r"{\sqrt{\bar\alpha_t}}$. So whoever guesses the noise has guessed the image. Notebook 05 lives on this line.",
        (
            "The jump is one equation with x_0 in it. Bring everything else to the other side.",
            "First subtract the noise from x_t, with its factor. Then divide by the factor of x_0.",
        ),
        (
            (
                (x[t] - (1 - alpha_bar[t]) * eps) / alpha_bar[t],
                "Both factors of the jump are roots: 1 - alpha_bar_t and alpha_bar_t are shares of power.",
            ),
            (
                (x[t] + sqrt(1 - alpha_bar[t]) * eps) / sqrt(alpha_bar[t]),
                "A sign: the jump has added the noise, so the way back takes it away.",
            ),
            (
                (x[t] - sqrt(1 - alpha_bar[t])) / sqrt(alpha_bar[t]),
                "You took away the factor of the noise, without the noise itself.",
            ),
            (
                (x[t] - sqrt(alpha_bar[t]) * eps) / sqrt(1 - alpha_bar[t]),
                "The two factors are exchanged: the root of alpha_bar_t stands before the image.",
            ),
            (
                x[t] / sqrt(alpha_bar[t]) - eps,
                "The noise in x_t has a factor of its own, and must be divided, too.",
            ),
            (
                x[t] - sqrt(1 - alpha_bar[t]) * eps,
                "That is what is left of the image. Turn the contrast up again: divide by its factor.",
            ),
            (
                x[t] / sqrt(alpha_bar[t]) - sqrt(1 - alpha_bar[t]) * eps,
                "The noise must be divided, too: take it away before you turn the contrast up.",
            ),
        ),
        theory=JUMP,
        question=x[0],
        without=[x[0]],
    ),
    Derive(
        r"The ratio $\mathrm{SNR}(t)$ says all that a schedule says. Get $\bar\alpha_t$ back from it: `q.check(...)`, "
        "in which nothing but `snr(t)` and numbers may stand.",
        snr(t) / (1 + snr(t)),
        r"$\mathrm{SNR} = \frac{\bar\alpha}{1-\bar\alpha}$, so $\mathrm{SNR} - \bar\alpha\,\mathrm{SNR} = \bar\alpha$, "
        r"and $\bar\alpha = \frac{\mathrm{SNR}}{1 + \mathrm{SNR}}$. In words: of $1 + \mathrm{SNR}$ parts of power, "
        "SNR parts are image.",
        (
            "Multiply the definition by 1 - alpha_bar_t, and collect what has alpha_bar_t.",
            "At SNR = 1 there is as much image as noise, so one half must come out.",
        ),
        (
            (snr(t), "That is image over noise. Asked is image over everything."),
            (snr(t) / (1 - snr(t)), "A sign: at SNR = 1 this has no value, and one half must come out."),
            (1 / snr(t), "That is noise over image. Asked is image over everything."),
            (
                1 - 1 / snr(t),
                "You took 1 / SNR for the share of the noise. It is noise over image, not over everything.",
            ),
            ((1 + snr(t)) / snr(t), "Upside down: that is everything over image."),
            (1 + snr(t), "That is everything over noise: 1 / (1 - alpha_bar_t)."),
            (1 / (1 + snr(t)), "That is the share of the noise, 1 - alpha_bar_t."),
        ),
        theory=FORWARD,
        question=alpha_bar[t],
        only=[snr],
    ),
    Debug(
        r"With $\beta = 0.02$ in each of 1000 steps, this program should end at variance 1. It ends at a variance near "
        "198. Which line is wrong, or in the wrong place? `q.check(number)`.\n\n"
        "```\n"
        "1  x = x_0\n"
        "2  noise = standard_normal(len(x_0))\n"
        "3  for t in range(1, T + 1):\n"
        "4      contrast = sqrt(1 - beta)\n"
        "5      x = contrast * x + sqrt(beta) * noise\n"
        "```",
        2,
        r"Line 2: it belongs into the loop. Every step must draw *fresh* noise. The same noise again and again isn't "
        r"independent of what is in $x$ already: then factors add, not variances. $\sqrt\beta\,(1 + \sqrt\alpha "
        r"+ \alpha + \cdots) = \frac{\sqrt\beta}{1-\sqrt\alpha} = 14.1$, and its square is 198.",
        (
            "Each line computes what it should, once. What happens on the second round?",
            "Variances add where the parts are independent. Is the noise of step 2 independent of that of step 1?",
        ),
        (
            (1, "The walk begins at the image: that is right."),
            (3, "1000 rounds, for t = 1 to T: that is right."),
            (4, "The root of 1 - beta keeps the variance, as section 2 found."),
            (5, "This is the step itself, with both roots. What is put into it?"),
        ),
    ),
    Compute(
        "Write the jump yourself: `jump(x_0, noise, betas, t)` returns $x_t$, for numbers. `betas` is a list with "
        r"$\beta_1$ in `betas[0]`, and $t$ may be 0. Then `q.check(jump)`.",
        jump,
        r"`bar = 1.0`, then `for beta in betas[:t]: bar *= 1 - beta`, and `return bar**0.5 * x_0 + (1 - bar)**0.5 * "
        r"noise`. `betas[:t]` holds $\beta_1$ to $\beta_t$, and nothing at $t = 0$, where `bar` stays 1.",
        (
            "You need alpha_bar: the product of all 1 - beta up to step t.",
            "betas[:t] holds beta_1 to beta_t. Begin with bar = 1.0 and multiply.",
            "At the end both factors are roots: of bar, and of 1 - bar.",
        ),
        (
            (_one_step_too_far, "You take one step too many: beta_t stands in betas[t - 1], so the slice ends at t."),
            (_without_roots, "alpha_bar is right. Both factors are roots of it."),
            (
                _one_root_missing,
                "The root of 1 - alpha_bar is missing: it is a variance, and noise is multiplied by a deviation.",
            ),
            (
                _first_step_left_out,
                "Step 1 is left out: betas[0] belongs to it, so the product takes the first t of them.",
            ),
            (_last_entry_at_0, "Right for every t but 0. There t - 1 is -1, and Python takes the last entry."),
            (_image_without_root, "The root before the image is missing: alpha_bar is a share of power."),
            (
                _same_noise_in_every_step,
                "A walk with the same noise in every step, the fault of 01.5. One jump needs one noise, and alpha_bar.",
            ),
            (_next_step_only, "betas[t] is the variance of step t + 1. And the product of t steps is needed, not one."),
            (_last_step_only, "That is one step, with beta_t alone. The product of all steps up to t is needed."),
            (_added_up, "Noise variances don't just add up: later steps turn down the noise of earlier ones."),
        ),
        cases=[
            (1.0, 0.5, [0.1, 0.2, 0.3, 0.25], 2),
            (-0.4, 1.0, [0.1, 0.2, 0.3, 0.25], 3),
            (0.7, 2.0, [0.5, 0.1], 1),
            (0.7, 2.0, [0.5, 0.1], 0),
        ],
    ),
)
