"""The exercises of notebook 07."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Choose, Exercise, Predict
from mini_ddpm.course.exercises.steps import Steps, average_of, batch, clip, clip_each, forget, move, step

Model = Callable[[Tensor, Tensor], Tensor]

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


EXERCISES: tuple[Exercise, ...] = (
    Steps(
        "Write one whole step of training: `step(network, average, optimizer, x_0, t, eps, bar)`. `x_0` and `eps` are "
        r"(B, C, 1, 1), `t` is (B,), `bar` is $\bar\alpha_t$, (B, 1, 1, 1). Mix, ask, compare; then the five things: "
        "the gradient of *this* batch, clipped to length 1, `optimizer.step()` (the rate is set already), and "
        "`average`, whose weights go a tenth of the way. Nothing is returned: `q.check(step)` looks at the weights "
        "and at their average.",
        step,
        "The next cell of the page has the lines, in a loop: the loss, `optimizer.zero_grad()`, `loss.backward()`, "
        "`nn.utils.clip_grad_norm_(network.parameters(), 1.0)`, `optimizer.step()`, and for each pair of weights "
        "`mean.data.lerp_(weight.data, 0.1)`. Whether `zero_grad` comes before the loss or after it is all the same, "
        "as long as it comes before `backward`.",
        (
            "Six lines after the loss, if the `for` of the average counts as one. What must come before `backward`, "
            "and what between `backward` and `optimizer.step()`?",
            "`nn.utils.clip_grad_norm_(network.parameters(), 1.0)` changes the gradients in place; `optimizer.step()` "
            "reads them.",
            "`mean.data.lerp_(weight.data, share)` goes this share of the way from the mean to the weight.",
        ),
        (
            (partial(step, before=()), "Gradients add up: those of the last step are still there (`zero_grad`)."),
            (
                partial(step, before=(), after=(forget, clip, move, average_of)),
                "Nothing moves: the gradient is forgotten after it was found and before it is used.",
            ),
            (
                partial(step, after=(move, clip, average_of)),
                "A long gradient is not clipped, or only when the step has been taken.",
            ),
            (
                partial(step, after=(clip_each, move, average_of)),
                "You clip each number by itself. It is the *length* of the whole gradient that is clipped: "
                "`clip_grad_norm_`.",
            ),
            (
                partial(step, whole=torch.sum),
                "Your loss is a sum. It is to be a mean over all numbers: of a sum every gradient is so long that it "
                "is clipped.",
            ),
            (
                partial(step, after=(clip, move, partial(average_of, share=0.9))),
                "Your average keeps a tenth and takes nine tenths of the new: it is nearly the last weights.",
            ),
            (
                partial(step, after=(clip, average_of, move)),
                "Your average is one step late: it goes towards the weights as they were before the step.",
            ),
            (partial(step, after=(clip, move)), "The average stays where it was."),
            (partial(step, power=1.0), r"The mixture has the *roots* of $\bar\alpha_t$ and of $1 - \bar\alpha_t$."),
        ),
        cases={
            "one step": (batch(1, 1.0),),
            "three steps, long gradients in the second": (batch(1, 1.0), batch(2, 30.0), batch(3, 1.0)),
        },
        within=1e-5,
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
    Choose(
        "Four networks were trained on the 4,000 digits of this page, whose floor is 0.033. Which of them would you "
        'let draw *new* digits? `q.check("a")`, say.\n\n'
        "| | loss on digits trained with | on 1,000 held back |\n|---|---|---|\n"
        "| a | 0.036 | 0.520 |\n| b | 0.118 | 0.171 |\n| c | 0.145 | 0.148 |\n| d | 0.157 | 0.156 |",
        "c",
        "c. For new digits the loss on those held back decides, and c has the least. That its two numbers lie close "
        "together says that it copies little; but d's lie closer still, and it is worse at both. (The numbers are made "
        "up.)",
        (
            "Which of the two columns is about digits that a network has not seen?",
            "What do two equal columns say, and what do they not say?",
        ),
        (
            ("a", "It is the nearest to the floor of its training digits, and pays for it on new ones: it copies."),
            ("b", "It has begun to learn by heart: 0.118 is bought with 0.171 on digits held back. Stop earlier."),
            ("d", "Its two numbers agree, so it does not copy. But c loses less on digits that neither has seen."),
        ),
    ),
    Predict(
        "An average with decay 0.9999 begins at the weights of the fresh network. What share of it are these still "
        "after 1,000 steps, and after 50,000? And with the ramp, whose decay at step $k$ is $(1+k)/(10+k)$ as long as "
        "that is less, after 2 steps? Three numbers between 0 and 1, within 0.02: "
        "`q.check(first, second, third)`.",
        (0.905, 0.0067, 0.0455),
        r"(0.905, 0.007, 0.045). Each step keeps 0.9999 of what was there: $0.9999^{1000} = 0.905$, so such an average "
        r"of a short run is nearly the fresh network, which draws nothing. With the ramp two steps leave "
        r"$\frac{2}{11}\cdot\frac{3}{12} = 0.045$, and ten steps 0.00006.",
        (
            "How much of what was there does one step keep?",
            "A thousand steps multiply a thousand such factors.",
            "The ramp's first factor is 2/11. What is the second?",
        ),
        (
            ((0.095, 0.993, 0.955), "These are the shares of all that came later. Asked is what is left of the start."),
            ((0.9999, 0.9999, 0.25), "Those are single factors. Each step multiplies by one."),
            ((0.905, 0.0067, 0.9998), "The last: with the ramp the decay of step 1 is 2/11, far from 0.9999."),
            ((0.905, 0.0067, 0.25), "The last: 3/12 is the factor of step 2. Multiply those of both steps."),
        ),
        within=0.02,
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
)
