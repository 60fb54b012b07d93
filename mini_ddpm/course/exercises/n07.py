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


def _round(times: list[int]) -> tuple:
    """A network that answers with a pale image, images, times, noise and alpha-bar."""
    draw = torch.Generator().manual_seed(7)
    x_0, eps = (torch.randn(len(times), 1, 4, 4, generator=draw).clamp(-2, 2) for _ in range(2))
    t = torch.tensor(times)
    return (lambda x_t, t: 0.5 * x_t + t.reshape(-1, 1, 1, 1) / 2000), x_0, t, eps, 1 - t.reshape(-1, 1, 1, 1) / 1001


# --- the floor of two points ----------------------------------------------------------------------------------


def _two(bar: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
    """The points -1 and 1, each mixed with all noises, (2, M); and the evidence for the point 1."""
    x_t = bar.sqrt() * torch.tensor([[-1.0], [1.0]]) + (1 - bar).sqrt() * eps
    return x_t, 2 * bar.sqrt() * x_t / (1 - bar)


def _error(bar: Tensor, eps: Tensor, x_t: Tensor, x_0: Tensor) -> Tensor:
    return (eps - (x_t - bar.sqrt() * x_0) / (1 - bar).sqrt()).square().mean()


def _floor(bar: Tensor, eps: Tensor) -> Tensor:
    x_t, evidence = _two(bar, eps)
    return _error(bar, eps, x_t, 2 * evidence.sigmoid() - 1)


def _nearest(bar: Tensor, eps: Tensor) -> Tensor:
    x_t, _ = _two(bar, eps)
    return _error(bar, eps, x_t, x_t.sign())


def _middle(bar: Tensor, eps: Tensor) -> Tensor:
    x_t, _ = _two(bar, eps)
    return _error(bar, eps, x_t, torch.zeros_like(x_t))


def _whatever_the_noise(bar: Tensor, eps: Tensor) -> Tensor:
    x_t, evidence = _two(bar, eps)
    return _error(bar, eps, x_t, 2 * (evidence * (1 - bar)).sigmoid() - 1)


def _of_the_points(bar: Tensor, eps: Tensor) -> Tensor:
    return _floor(bar, eps) * (1 - bar) / bar


# --- the distance of two clouds -------------------------------------------------------------------------------


def _frechet(real: Tensor, drawn: Tensor) -> Tensor:
    return ((real.mean(0) - drawn.mean(0)) ** 2 + (real.std(0) - drawn.std(0)) ** 2).sum()


def _of_variances(real: Tensor, drawn: Tensor) -> Tensor:
    return ((real.mean(0) - drawn.mean(0)) ** 2 + (real.var(0) - drawn.var(0)) ** 2).sum()


def _with_n(real: Tensor, drawn: Tensor) -> Tensor:
    widths = [cloud.std(0, correction=0) for cloud in (real, drawn)]
    return ((real.mean(0) - drawn.mean(0)) ** 2 + (widths[0] - widths[1]) ** 2).sum()


def _means_alone(real: Tensor, drawn: Tensor) -> Tensor:
    return (real.mean(0) - drawn.mean(0)).square().sum()


def _clouds() -> tuple[Tensor, ...]:
    return torch.randn(82, 5, generator=torch.Generator().manual_seed(3)).mul(torch.arange(1, 6)).split((40, 42))


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
        "The smallest finite set: the data are $-1$ and $1$, equally often. Write `floor_of_two(bar, eps)`: "
        r"mix each of the two with each noise of `eps`, (M,), at $\bar\alpha_t$ = `bar` (a tensor without dimensions), "
        "let the perfect player answer, and return the mean squared error of the *noise* over all 2 M rounds: "
        "`q.check(floor_of_two)`.",
        _floor,
        r"`x_t = bar.sqrt() * torch.tensor([[-1.0], [1.0]]) + (1 - bar).sqrt() * eps`. The weight of a point $a$ is "
        r"$e^{-(x_t - \sqrt{\bar\alpha_t}\,a)^2/2(1-\bar\alpha_t)}$; for $-1$ and $1$ the mean that these weights "
        r"give is $\tanh(\sqrt{\bar\alpha_t}\,x_t/(1-\bar\alpha_t))$: `x_0 = (bar.sqrt() * x_t / (1 - bar)).tanh()`. "
        "Then `said = (x_t - bar.sqrt() * x_0) / (1 - bar).sqrt()` and `(eps - said).square().mean()`.",
        (
            "Two points, so two weights for each `x_t`; they are the softmax of what?",
            r"The weights' mean of $-1$ and $1$ is $\tanh(\sqrt{\bar\alpha_t}\,x_t/(1-\bar\alpha_t))$.",
            "With that in the place of the image, solve the jump for the noise. `eps` broadcasts against (2, M).",
        ),
        (
            (_nearest, "He who names the nearer point loses more than he who weighs both: the best answer is a mean."),
            (_middle, "The middle is the best answer without x_t. But x_t says which of the two is likelier."),
            (_whatever_the_noise, "How far a point is counts in units of the noise: divide by 1 - bar."),
            (_of_the_points, "That is the error of the image. Asked is that of the noise."),
        ),
        cases={
            "little noise": (torch.tensor(0.7), torch.linspace(-2.5, 2.5, 21)),
            "much noise": (torch.tensor(0.2), torch.linspace(-2, 3, 26)),
        },
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
        ),
        cases={"times 1 to 900": _round([1, 40, 300, 900]), "one image": _round([500])},
    ),
    Implement(
        r"Images have many features. If no two of a cloud's features are correlated, $\Sigma$ is diagonal, and the "
        "Fréchet distance is a sum over features, each as in one dimension. Write `frechet(real, drawn)` for clouds "
        "(n, D) and (m, D) under that assumption, with $n - 1$ in the variances: `q.check(frechet)`.",
        _frechet,
        "`((real.mean(0) - drawn.mean(0)) ** 2 + (real.std(0) - drawn.std(0)) ** 2).sum()`; `std` divides by n - 1. "
        "The roots of diagonal matrices are those of their entries, so the trace is a sum of "
        r"$\sigma_1^2 + \sigma_2^2 - 2\sigma_1\sigma_2$. Features that are correlated need the whole matrices.",
        (
            "One feature first: which two numbers of each cloud come into it?",
            "`real.mean(0)` and `real.std(0)` hold those numbers for all features.",
            "Square the two differences, and sum over everything.",
        ),
        (
            (_of_variances, "The deviations are subtracted, not the variances: the trace holds a root."),
            (_with_n, "The variances are to have n - 1 below, as `std` has it of itself."),
            (_means_alone, "That compares the means alone. Ten times the same good image may have the right mean."),
        ),
        cases={
            "three and three": (torch.tensor([[-1.0], [0.0], [1.0]]), torch.tensor([[1.0], [3.0], [5.0]])),
            "five features": _clouds(),
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
