"""The exercises of notebook 15."""

import torch
from sympy import symbols
from torch import Tensor

from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Debug, Derive, Exercise, Predict
from mini_ddpm.course.flows import Noise, heun
from mini_ddpm.symbolic.notation import alpha_bar, forward_process, snr, t

tau = symbols("tau", positive=True)


def _player(u: Tensor, r: Tensor) -> Tensor:
    """A guess of the noise that depends on both, and has a value at r = 0 that nobody should ask for."""
    return (u - torch.tanh(u / (1 + r**2))) / (r + 0.01)


def _euler(noise: Noise, u: Tensor, r: Tensor, nearer: Tensor) -> Tensor:
    return u + (nearer - r) * noise(u, r)


def _asks_at_the_end(noise: Noise, u: Tensor, r: Tensor, nearer: Tensor) -> Tensor:
    first = noise(u, r)
    return u + (nearer - r) * (first + noise(u + (nearer - r) * first, nearer)) / 2


def _old_place(noise: Noise, u: Tensor, r: Tensor, nearer: Tensor) -> Tensor:
    return _euler(noise, u, r, nearer) if nearer == 0 else u + (nearer - r) * (noise(u, r) + noise(u, nearer)) / 2


def _old_ratio(noise: Noise, u: Tensor, r: Tensor, nearer: Tensor) -> Tensor:
    there = _euler(noise, u, r, nearer)
    return there if nearer == 0 else u + (nearer - r) * (noise(u, r) + noise(there, r)) / 2


def _sum(noise: Noise, u: Tensor, r: Tensor, nearer: Tensor) -> Tensor:
    there = _euler(noise, u, r, nearer)
    return there if nearer == 0 else u + (nearer - r) * (noise(u, r) + noise(there, nearer))


def _from_there(noise: Noise, u: Tensor, r: Tensor, nearer: Tensor) -> Tensor:
    there = _euler(noise, u, r, nearer)
    return there if nearer == 0 else there + (nearer - r) * (noise(u, r) + noise(there, nearer)) / 2


def _only_the_second(noise: Noise, u: Tensor, r: Tensor, nearer: Tensor) -> Tensor:
    there = _euler(noise, u, r, nearer)
    return there if nearer == 0 else u + (nearer - r) * noise(there, nearer)


POINTS = torch.tensor([-2.0, -0.5, 0.3, 1.7])


def _at(*numbers: float) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(number) for number in numbers)


PROGRAM = """```
1  z, tau = torch.randn(n, 1, 1, 1), torch.linspace(1, 0, 101)
2  for now, then in pairwise(tau):
3      bar = 1 - now                         # alpha_bar
4      a, b = bar.sqrt(), (1 - bar).sqrt()
5      x_t = (a + b) * z
6      w = (b - a) * x_t + (a + b) * velocity(x_t, bar)
7      z = z + (then - now) * w
```"""

EXERCISES: tuple[Exercise, ...] = (
    Implement(
        "Write Heun's step, `heun(noise, u, r, nearer)`: take Euler's step, ask again *there*, and go from $u$ with "
        "the mean of the two answers. `noise(u, r)` is the player, `nearer` the smaller ratio. At `nearer == 0` there "
        "is no noise left to ask for: let Euler's step do. `q.check(heun)`.",
        heun,
        "`first = noise(u, r)`; `there = u + (nearer - r) * first`; if `nearer == 0`, return `there`; else return "
        "`u + (nearer - r) * (first + noise(there, nearer)) / 2`. That is Algorithm 1 of EDM, in this page's letters.",
        (
            "Euler's step is in the cell above. Call its result `there`.",
            "The second question is asked at the new place *and* the new ratio: `noise(there, nearer)`.",
            "Both answers count half, and the step starts at `u` again.",
        ),
        (
            (_euler, "That is Euler's step alone: one call. Ask a second time, where it leads."),
            (
                _asks_at_the_end,
                "Right between the ends. But at nearer == 0 the noise is 0 divided by 0: do not ask there.",
            ),
            (_old_place, "The second question is asked at the old place, u. Ask where Euler's step leads."),
            (_old_ratio, "The second question is asked at the old ratio, r. At the new place the ratio is `nearer`."),
            (_sum, "Twice too far: take the mean of the two answers, not their sum."),
            (_from_there, "The step starts at u. From `there` you go the way twice."),
            (_only_the_second, "The second answer alone gives a method of order 1 again. Take the mean of both."),
        ),
        cases={
            "a step from r = 2 to 1": (_player, POINTS, *_at(2.0, 1.0)),
            "a long step, from 5 to 0.5": (_player, POINTS, *_at(5.0, 0.5)),
            "the last step, to 0": (_player, POINTS, *_at(0.3, 0.0)),
        },
    ),
    Predict(
        "You want the error of the end a hundred times smaller. By what factor do the calls of the player grow with "
        "Euler's method (order 1), and with Heun's (order 2, two calls a step)? Two numbers, for many small steps: "
        "`q.check(first, second)`.",
        (100, 10),
        "(100, 10). The error of order 1 is proportional to the length of a step, that of order 2 to its square. "
        "Heun's two calls a step make a constant factor: it is in both budgets, the old and the new.",
        ("Order 2: half the step, a quarter of the error.", "A constant number of calls a step cancels in a ratio."),
        (
            ((10, 100), "Exchanged: the method of higher order needs the smaller growth."),
            ((100, 100), "100 for both would be two methods of order 1. What does order 2 mean?"),
            ((100, 20), "The two calls a step are in both budgets, the old and the new: in their ratio they cancel."),
            ((10000, 100), "The error is proportional to the step, or its square; not to their roots."),
        ),
        within=1,
    ),
    Derive(
        "A network is trained on the *velocity*, all weights 1. Which weight does that put on the squared error of the "
        "**noise**? `q.check(...)`, in which only `snr(t)` may stand.",
        1 + 1 / snr(t),
        r"An error of 1 in $v$ is one of $\sqrt{\bar\alpha_t}$ in the noise (notebook 05, section 8). So the squared "
        r"error of $v$ is that of the noise times $1/\bar\alpha_t = (\mathrm{SNR}(t)+1)/\mathrm{SNR}(t)$. Beside "
        r"$L_{\mathrm{simple}}$ it pays more where there is hardly any image left.",
        (
            r"How large is the error of the noise, if that of $v$ is 1? $\epsilon = \sqrt{1-\bar\alpha_t}\,x_t + "
            r"\sqrt{\bar\alpha_t}\,v$.",
            r"The weight is $1/\bar\alpha_t$. Write it with $\mathrm{SNR}(t) = \bar\alpha_t/(1-\bar\alpha_t)$.",
        ),
        (
            (1 + snr(t), "That is the weight on the squared error of the image."),
            (snr(t) / (1 + snr(t)), "Upside down: this is alpha_bar. The error of the noise is the smaller one."),
            (1 / (1 + snr(t)), "That is 1 - alpha_bar. Which of the two roots stands before v in the noise?"),
            (1 / snr(t), "That is the weight on the noise if the network is trained on the image."),
            (snr(t), "That is the weight on the image if the network is trained on the noise."),
        ),
        theory=forward_process(),
        question=1 / alpha_bar[t],
        only=[snr],
    ),
    Derive(
        r"Build the same shell in flow matching's place, $z = (1-\tau)\,x_0 + \tau\,\epsilon$, for data of size 1: the "
        r"network mends what $c\,z$ leaves of the image. Which number $c$ leaves the least, in mean square? "
        "($x_0$ and $\\epsilon$ are independent, both of mean square 1.) `q.check(...)`, in `tau`.",
        (1 - tau) / ((1 - tau) ** 2 + tau**2),
        r"$x_0 - c\,z = (1 - c\,(1-\tau))\,x_0 - c\,\tau\,\epsilon$ has the mean square $(1 - c\,(1-\tau))^2 + "
        r"c^2\tau^2$. Its derivative is 0 at $c = (1-\tau)/((1-\tau)^2 + \tau^2)$. It is EDM's number elsewhere: put "
        r"$r = \tau/(1-\tau)$ and $u = z/(1-\tau)$ in, and $c\,z$ is $u/(r^2+1)$.",
        (
            r"Write $x_0 - c\,z$ with $x_0$ and $\epsilon$ alone. Their mean squares add up.",
            r"Where is the derivative of $(1 - c\,(1-\tau))^2 + c^2\tau^2$ by $c$ zero?",
        ),
        (
            (1 - tau, "That is the image's share of z. Without noise it is 1, but near noise it is still too much."),
            (1 / (1 - tau), "That leaves noise alone, and at the noisy end without bound."),
            ((1 - tau) ** 2 / ((1 - tau) ** 2 + tau**2), "That is the image's share in the mean square of z."),
            (tau / ((1 - tau) ** 2 + tau**2), "That is the number for a guess of the noise."),
            (1 / ((1 - tau) ** 2 + tau**2), "One factor is missing: by how much the image enters z."),
        ),
        theory=forward_process(),
        question=tau * (1 - tau) / (tau * (1 - tau) ** 2 + tau**3),
        only=[tau],
    ),
    Debug(
        "Flow matching, with the exact velocity of the two peaks in the network's place: `velocity(x_t, alpha_bar)`. "
        "Two peaks come out, but the variance of 20,000 points is 0.90, where 1 would be right. "
        f"Which line is wrong? `q.check(number)`.\n\n{PROGRAM}",
        3,
        r"Line 3. $\tau = \sqrt{1-\bar\alpha}/(\sqrt{\bar\alpha} + \sqrt{1-\bar\alpha})$ is a share of the roots, not "
        r"of the squares. It means $r = \tau/(1-\tau)$, so $\bar\alpha = 1/(1+r^2)$ is `(1 - now)**2 / (now**2 + "
        r"(1 - now)**2)`. The two agree at $\tau = 0$, $\frac12$ and $1$; in between the player is asked at a wrong "
        "time.",
        (
            "Compare each line with the table at the top: clock and place. A wrong clock raises no error.",
            "What is the share of the noise, b / (a + b), at `now = 0.2`?",
        ),
        (
            (1, "Line 1 is sound: at tau = 1 all is noise, and the share of the noise falls to 0."),
            (2, "Line 2 is sound: neighbours, from noise to data."),
            (4, "Line 4 is sound: the two roots of alpha_bar and of 1 - alpha_bar, if that number is right."),
            (5, "Line 5 is sound: z is x_t divided by the sum of the roots."),
            (6, "Line 6 is sound: it is the checked line of section 5."),
            (7, "Line 7 is sound: tau falls, so then - now is negative, and the walk leaves the noise."),
        ),
    ),
)
