"""The exercises of notebook 07."""

from collections.abc import Callable

import torch
from torch import Tensor

from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Debug, Exercise, Predict

Model = Callable[[Tensor, Tensor], Tensor]

LOOP = """```
1  for step in range(1, steps + 1):
2      x_0, _ = data.batch(torch.randint(len(data), (512,)))
3      loss = game(network, x_0)
4      optimizer.zero_grad()
5      loss.backward()
6      nn.utils.clip_grad_norm_(network.parameters(), 1.0)
7      optimizer.step()
8      with torch.no_grad():
9          for mean, weight in zip(average.parameters(), network.parameters()):
10             mean.lerp_(weight, 0.999)
```"""


# --- a network that answers with the image ------------------------------------------------------------------


def _mixed(x_0: Tensor, eps: Tensor, bar: Tensor) -> Tensor:
    return bar.sqrt() * x_0 + (1 - bar).sqrt() * eps


def _noise_loss(model: Model, x_0: Tensor, t: Tensor, eps: Tensor, bar: Tensor) -> Tensor:
    x_t = _mixed(x_0, eps, bar)
    said = (x_t - bar.sqrt() * model(x_t, t)) / (1 - bar).sqrt()
    return (eps - said).square().mean(dim=(1, 2, 3))


def _image_loss(model: Model, x_0: Tensor, t: Tensor, eps: Tensor, bar: Tensor) -> Tensor:
    return (x_0 - model(_mixed(x_0, eps, bar), t)).square().mean(dim=(1, 2, 3))


def _untranslated(model: Model, x_0: Tensor, t: Tensor, eps: Tensor, bar: Tensor) -> Tensor:
    return (eps - model(_mixed(x_0, eps, bar), t)).square().mean(dim=(1, 2, 3))


def _not_divided(model: Model, x_0: Tensor, t: Tensor, eps: Tensor, bar: Tensor) -> Tensor:
    x_t = _mixed(x_0, eps, bar)
    return (eps - (x_t - bar.sqrt() * model(x_t, t))).square().mean(dim=(1, 2, 3))


def _not_shrunk(model: Model, x_0: Tensor, t: Tensor, eps: Tensor, bar: Tensor) -> Tensor:
    x_t = _mixed(x_0, eps, bar)
    return (eps - (x_t - model(x_t, t)) / (1 - bar).sqrt()).square().mean(dim=(1, 2, 3))


def _summed(model: Model, x_0: Tensor, t: Tensor, eps: Tensor, bar: Tensor) -> Tensor:
    return _noise_loss(model, x_0, t, eps, bar) * x_0[0].numel()


def _round(times: list[int]) -> tuple:
    """A network that answers with a pale image, images, times, noise and alpha-bar."""
    draw = torch.Generator().manual_seed(7)
    x_0, eps = (torch.randn(len(times), 1, 4, 4, generator=draw).clamp(-2, 2) for _ in range(2))
    t = torch.tensor(times)
    return (lambda x_t, t: 0.5 * x_t + t.reshape(-1, 1, 1, 1) / 2000), x_0, t, eps, 1 - t.reshape(-1, 1, 1, 1) / 1001


# --- times that are spread over the batch ---------------------------------------------------------------------


def _spread(T: int, u: Tensor) -> Tensor:
    n = len(u)
    return ((torch.arange(n) + u) / n * T).long() + 1


def _from_0(T: int, u: Tensor) -> Tensor:
    return _spread(T, u) - 1


def _independent(T: int, u: Tensor) -> Tensor:
    return (T * u).long() + 1


def _sorted(T: int, u: Tensor) -> Tensor:
    return _independent(T, u).sort().values


def _same_place(T: int, u: Tensor) -> Tensor:
    return ((torch.arange(len(u)) + u[0]) / len(u) * T).long() + 1


def _beyond(T: int, u: Tensor) -> Tensor:
    return ((torch.arange(1, len(u) + 1) + u) / len(u) * T).long() + 1


# --- which times count ----------------------------------------------------------------------------------------


def _weight(bar: Tensor) -> Tensor:
    return _of_the_image(bar) * (1 - bar)


def _of_the_image(bar: Tensor) -> Tensor:
    return (bar / (1 - bar)).clamp(max=5)


def _of_the_noise(bar: Tensor) -> Tensor:
    return _of_the_image(bar) * (1 - bar) / bar


def _the_wrong_way(bar: Tensor) -> Tensor:
    return _of_the_image(bar) / (1 - bar)


def _not_squared(bar: Tensor) -> Tensor:
    return _of_the_image(bar) * (1 - bar).sqrt()


def _at_least(bar: Tensor) -> Tensor:
    return (bar / (1 - bar)).clamp(min=5) * (1 - bar)


# --- a schedule -------------------------------------------------------------------------------------------------


def _table(T: int) -> Tensor:
    return torch.cat([torch.ones(1).double(), torch.linspace(9, -9, T, dtype=torch.float64).sigmoid()])


def _without_1(T: int) -> Tensor:
    return _table(T)[1:]


def _turned(T: int) -> Tensor:
    return torch.cat([torch.ones(1).double(), torch.linspace(-9, 9, T, dtype=torch.float64).sigmoid()])


def _of_roots(T: int) -> Tensor:
    return torch.cat([torch.ones(1).double(), (2 * torch.linspace(9, -9, T, dtype=torch.float64)).sigmoid()])


def _from_time_0(T: int) -> Tensor:
    return torch.linspace(9, -9, T + 1, dtype=torch.float64).sigmoid()


def _ratio_itself(T: int) -> Tensor:
    return torch.cat([torch.ones(1).double(), torch.linspace(9, -9, T, dtype=torch.float64).exp()])


EXERCISES: tuple[Exercise, ...] = (
    Debug(
        "With this loop the loss falls as it should. But the *average* draws no better than the network as the last "
        f"step left it, with the same flaws. Which line is wrong? `q.check(number)`.\n\n{LOOP}",
        10,
        "Line 10. `mean.lerp_(weight, share)` goes that share of the way *to the weight*: 0.999 throws away nearly all "
        "of the average at each step, and it is the last weights. It should be 0.001, 1 less the decay. (Line 10 "
        "also lacks a ramp. That is a choice, and no fault: section 1.)",
        (
            "The loss falls: which lines have a part in that?",
            "What does `a.lerp_(b, 0.999)` leave of `a`?",
        ),
        (
            (1, "Line 1 is sound: steps are counted from 1."),
            (2, "Line 2 is sound: 512 points, drawn anew for each step."),
            (3, "Line 3 is sound: it draws a time and a noise for each point, and compares."),
            (4, "Line 4 is sound: it must come before `backward`, or the last step's gradient would be added."),
            (5, "Line 5 is sound: the gradient of this batch."),
            (6, "Line 6 is sound: it stands between `backward` and `step`, where a gradient is there to be shortened."),
            (7, "Line 7 is sound. The loss falls, so the network itself does learn."),
            (8, "Line 8 is sound: the average needs no gradient."),
            (9, "Line 9 is sound: each weight meets its own average."),
        ),
    ),
    Implement(
        "A network that answers with the *image* can be trained by the error of the noise, too. Write "
        "`loss(model, x_0, t, eps, bar)`: mix, ask `model(x_t, t)` for an image, and return, for each image of the "
        "batch, the mean squared error of the *noise* that the answer stands for. `x_0` and `eps` are (B, C, H, W), "
        "`bar` is $\\bar\\alpha_t$, (B, 1, 1, 1); the result is (B,): `q.check(loss)`.",
        _noise_loss,
        r"Solve $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon$ for the noise: "
        "`said = (x_t - bar.sqrt() * model(x_t, t)) / (1 - bar).sqrt()`, and the loss is "
        "`(eps - said).square().mean(dim=(1, 2, 3))`. It is the error of the image times "
        r"$\bar\alpha_t/(1-\bar\alpha_t)$, the signal-to-noise ratio.",
        (
            "Which noise, mixed with the image that the network named, gives this `x_t`?",
            "Solve the jump for `eps`, with the network's image in the place of `x_0`.",
            "`(x_t - bar.sqrt() * image) / (1 - bar).sqrt()`. Then a mean over C, H and W.",
        ),
        (
            (_image_loss, "That is the error of the image. Which noise belongs to the image that the network named?"),
            (_untranslated, "The answer is an image: it is not to be compared with the noise as it is."),
            (_not_divided, "In x_t the noise is multiplied by the root of 1 - bar. Divide by it."),
            (
                _not_shrunk,
                "In x_t the image is shrunk by the root of bar, the network's image as well as the true one.",
            ),
            (_summed, "L_simple is a mean over C, H and W here, not a sum."),
        ),
        cases={"times 1 to 900": _round([1, 40, 300, 900]), "one image": _round([500])},
    ),
    Implement(
        "A batch of $n$ independent times may miss the whole lower half of $1, \\dots, T$. Cut $1, \\dots, T$ into $n$ "
        "equal parts instead, and take one time in each. Write `times(T, u)`: `u` holds $n$ uniform random numbers "
        "between 0 and 1, the result is (n,) int64, its number $i$ from part $i$: `q.check(times)`.",
        _spread,
        "`((torch.arange(n) + u) / n * T).long() + 1`, with `n = len(u)`. Each time still is uniform on 1 to T, seen "
        "over many batches, so the mean of the loss is the same; but batches resemble each other. "
        "`losses.StratifiedTimes` also cuts off at T, because in float32 `n - 1 + u` can round to `n`.",
        (
            "Part $i$ of $n$ begins at $i/n$ of the way, and is $1/n$ wide.",
            "`(torch.arange(n) + u) / n` is a place between 0 and 1 in each part.",
            "Stretch it by T, cut off what is behind the point, and remember that times begin at 1.",
        ),
        (
            (_from_0, "Times run from 1 to T. Yours begin at 0, where there is nothing to guess."),
            (_independent, "These are uniform, but independent: two may fall into one part, and none into another."),
            (_sorted, "Sorted, but still independent: each of the n parts must have exactly one."),
            (_same_place, "One random number for all parts: each part has its own, `u[i]`."),
            (_beyond, "The first part begins at 0: count the parts from 0."),
        ),
        cases={
            "four parts of 1000": (1000, torch.tensor([0.9, 0.1, 0.8, 0.3])),
            "one part": (1000, torch.tensor([0.25])),
            "eight parts of 20": (20, torch.tensor([0.1, 0.9, 0.5, 0.6, 0.3, 0.7, 0.2, 0.4])),
        },
    ),
    Implement(
        r"Min-SNR (arXiv 2303.09556) weighs the squared error of the *image* by $\min(\mathrm{SNR}, 5)$, with "
        r"$\mathrm{SNR} = \bar\alpha_t/(1-\bar\alpha_t)$. Our network answers with $v$, and an error of the image is "
        r"$\sqrt{1-\bar\alpha_t}$ times that of $v$ (notebook 05, section 8). Which weight must stand before the "
        "squared error of $v$, so that the loss is the same? Write `weight(bar)`: `q.check(weight)`.",
        _weight,
        r"$\min(\mathrm{SNR}, 5) \cdot (1-\bar\alpha_t)$, which is $\min(\mathrm{SNR}, 5)/(\mathrm{SNR}+1)$: squared, "
        r"the error of the image is $1-\bar\alpha_t$ times that of $v$. It is at most 5/6, at "
        r"$\mathrm{SNR} = 5$, and vanishes at both ends of the schedule.",
        (
            "Write the error of the image as a factor times that of $v$, and square it.",
            r"$1-\bar\alpha_t = 1/(\mathrm{SNR}+1)$.",
            "`clamp(max=5)` cuts a tensor off from above.",
        ),
        (
            (_of_the_image, "That is the weight of the image's error. Which multiple of v's error is that?"),
            (_of_the_noise, "That is the weight for a network that answers with the noise."),
            (_the_wrong_way, "The wrong way: an error of 1 in v is an error of less than 1 in the image."),
            (_not_squared, "The errors differ by that root. But the weight stands before their squares."),
            (_at_least, "The ratio is cut off from above: it is at most 5."),
        ),
        cases={
            "little noise": (torch.tensor([0.9999, 0.99, 0.9]),),
            "much noise": (torch.tensor([0.8, 0.5, 0.1, 0.001]),),
        },
    ),
    Predict(
        "An average with decay 0.9999 begins at the weights of the fresh network. What share of it are these still "
        "after 1,000 steps, and after 50,000? And with the ramp, whose decay at step $k$ is $(1+k)/(10+k)$ as long as "
        "that is less, after 1,000 steps? Three numbers between 0 and 1, within 0.02: "
        "`q.check(first, second, third)`.",
        (0.905, 0.0067, 0.0),
        r"(0.905, 0.007, 0). Each step keeps 0.9999 of what was there: $0.9999^{1000} = 0.905$, so such an average of "
        r"a short run is nearly the fresh network, which draws nothing. With the ramp the share is the product of the "
        r"$(1+k)/(10+k)$: neighbours cancel, and $10!\,(n+1)!/(n+10)!$ is left, about $10^{-21}$ at $n = 1000$.",
        (
            "How much of what was there does one step keep?",
            "A thousand steps multiply a thousand such factors.",
            "The ramp's first factors are 2/11, 3/12, 4/13: what is the product of the first ten, about?",
        ),
        (
            ((0.095, 0.993, 1.0), "These are the shares of all that came later. Asked is what is left of the start."),
            ((0.9999, 0.9999, 0.991), "Those are single factors. Each step multiplies by one."),
            ((0.905, 0.0067, 0.905), "The last: with the ramp the decay of step 1 is 2/11, far from 0.9999."),
            ((0.9, 0.0, 0.991), "The last: 1001/1010 is the factor of step 1,000. Multiply those of all steps."),
        ),
        within=0.02,
    ),
    Implement(
        r"A schedule of your own: $\log \mathrm{SNR}$ falls in equal steps from 9 at $t = 1$ to $-9$ at $t = T$, with "
        r"$\mathrm{SNR} = \bar\alpha_t/(1-\bar\alpha_t)$. Write `alpha_bar(T)`, the (T + 1,) numbers "
        r"$\bar\alpha_0, \dots, \bar\alpha_T$ in float64: `q.check(alpha_bar)`.",
        _table,
        "`torch.cat([torch.ones(1), torch.linspace(9, -9, T, dtype=torch.float64).sigmoid()])`: solved for "
        r"$\bar\alpha_t$ the ratio is $1/(1 + e^{-\log\mathrm{SNR}})$, the sigmoid; $\bar\alpha_0$ is 1, where the "
        "ratio is infinite. `NoiseSchedule(alpha_bar(1000))` takes it.",
        (
            r"Solve $r = \bar\alpha/(1-\bar\alpha)$ for $\bar\alpha$, with $r = e^{9}$ at first.",
            "`torch.linspace` and `sigmoid`.",
            r"There are T + 1 numbers. What is $\bar\alpha_0$?",
        ),
        (
            (_without_1, "T + 1 numbers, please: the first is that of t = 0, where there is no noise yet."),
            (_from_time_0, "The 9 belongs to t = 1. At t = 0 there is no noise at all."),
            (_turned, "Noise grows with t, so the ratio falls."),
            (_of_roots, "The ratio is that of the squares, bar over 1 - bar. Yours is that of their roots."),
            (_ratio_itself, "That is the ratio itself, not the alpha-bar that has it."),
        ),
        cases={"T = 1000": (1000,), "T = 10": (10,)},
    ),
)
