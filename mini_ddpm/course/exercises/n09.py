"""The exercises of notebook 09: a diagnosis for every case, two measurements, a program, a prediction."""

from collections.abc import Callable

import torch
from torch import Tensor

from mini_ddpm.course.exercises.diagnoses import DIAGNOSES
from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Debug, Exercise, Predict
from mini_ddpm.diffusion import Parameterization, predict_eps, predict_v, predict_x_0

# --- measurements to be written, a program to be read -----------------------------------------------------


def _draws_noise(step: Callable, x_t: Tensor) -> float:
    return float(not torch.equal(step(x_t), step(x_t)))


def _from_two_places(step: Callable, x_t: Tensor) -> float:
    return float(not torch.equal(step(torch.randn_like(x_t)), step(torch.randn_like(x_t))))


def _has_moved(step: Callable, x_t: Tensor) -> float:
    return float(not torch.equal(step(x_t), x_t))


def _same_seed(step: Callable, x_t: Tensor) -> float:
    torch.manual_seed(0)
    first = step(x_t)
    torch.manual_seed(0)
    return float(not torch.equal(first, step(x_t)))


def _agree(step: Callable, x_t: Tensor) -> float:
    return float(torch.equal(step(x_t), step(x_t)))


def _reading_error(target: Callable, to_x_0: Callable, x_0: Tensor, eps: Tensor, bar: Tensor) -> Tensor:
    x_t = bar.sqrt() * x_0 + (1 - bar).sqrt() * eps
    return (to_x_0(x_t, target(x_0, eps, bar), bar) - x_0).abs().max()


def _from_the_image(target: Callable, to_x_0: Callable, x_0: Tensor, eps: Tensor, bar: Tensor) -> Tensor:
    return (to_x_0(x_0, target(x_0, eps, bar), bar) - x_0).abs().max()


def _against_the_noise(target: Callable, to_x_0: Callable, x_0: Tensor, eps: Tensor, bar: Tensor) -> Tensor:
    x_t = bar.sqrt() * x_0 + (1 - bar).sqrt() * eps
    return (to_x_0(x_t, target(x_0, eps, bar), bar) - eps).abs().max()


def _without_sign(target: Callable, to_x_0: Callable, x_0: Tensor, eps: Tensor, bar: Tensor) -> Tensor:
    x_t = bar.sqrt() * x_0 + (1 - bar).sqrt() * eps
    return (to_x_0(x_t, target(x_0, eps, bar), bar) - x_0).max()


def _without_roots(target: Callable, to_x_0: Callable, x_0: Tensor, eps: Tensor, bar: Tensor) -> Tensor:
    x_t = bar * x_0 + (1 - bar) * eps
    return (to_x_0(x_t, target(x_0, eps, bar), bar) - x_0).abs().max()


def _pair(one: Parameterization, other: Parameterization) -> tuple:
    torch.manual_seed(1)
    x_0, eps = torch.randn(2, 4, 1, 8, 8).double()
    return one.target, other.to_x_0, x_0, eps, torch.tensor(0.4, dtype=torch.float64)


PROGRAM = """```
1   network = UNet(shape)
2   average = copy.deepcopy(network)
3   optimizer = torch.optim.Adam(average.parameters(), lr=1e-3)
4   for step in range(3000):
5       x_t, t, target = some_noised_digits()
6       loss = (network(x_t, t) - target).square().mean()
7       optimizer.zero_grad()
8       loss.backward()
9       optimizer.step()
10      lerp(average, network, 1 - decay_at(step))
```"""

OTHERS: tuple[Exercise, ...] = (
    Implement(
        "An *ancestral* sampler has lost its noise: not in the last step, where there must be none, but in all of "
        "them. (DDIM draws none, and is sound: notebook 08.) Write a measurement that is meant for this: "
        "`draws_noise(step, x_t)` returns `1.0` if the step draws fresh noise, and `0.0` if it does not. `step(x_t)` "
        "takes the step and returns $x_s$. `q.check(draws_noise)`.",
        _draws_noise,
        "Take the step twice *from the same* $x_t$: `float(not torch.equal(step(x_t), step(x_t)))`. Two tries "
        "that agree "
        "to the last digit have drawn nothing.",
        (
            "What is the same in two tries of a step that draws nothing, and differs otherwise?",
            "Everything else must be the same in both tries: the $x_t$ above all.",
            "Compare `step(x_t)` with `step(x_t)`.",
        ),
        (
            (_from_two_places, "Two tries from two places differ even if no noise is drawn. Start both from x_t."),
            (_has_moved, "A step without noise moves x_t, too: it goes to the mean. Compare two tries."),
            (_same_seed, "With the same seed before each try the noise is the same, too: you hide what you look for."),
            (_agree, "The other way round: 1.0 is for a step that draws noise."),
        ),
        cases={
            "a step with noise": (lambda x_t: 0.9 * x_t + 0.1 * torch.randn_like(x_t), torch.ones(4)),
            "a step that stays": (lambda x_t: x_t, torch.ones(4)),
            "a step to the mean": (lambda x_t: 0.9 * x_t, torch.ones(4)),
            "a step with very little noise": (lambda x_t: x_t + 1e-3 * torch.randn_like(x_t), torch.ones(4)),
        },
    ),
    Implement(
        "Write the measurement that finds a network whose answer is read in the wrong way: "
        "`reading_error(target, to_x_0, x_0, eps, bar)`. Mix $x_t$ as in training; let a *perfect* network "
        "answer, which "
        "says `target(x_0, eps, bar)`; read the image out of that with `to_x_0(x_t, answer, bar)`; return the largest "
        "error of any pixel. `q.check(reading_error)`.",
        _reading_error,
        r"`x_t = bar.sqrt() * x_0 + (1 - bar).sqrt() * eps`, then `(to_x_0(x_t, target(x_0, eps, bar), bar) - "
        "x_0).abs().max()`. It is 0, but for rounding, if both functions speak of the same thing. No network is "
        "needed.",
        (
            "Which image must come out, if the network is perfect?",
            r"The sampler reads with $x_t$ in its hand, the noisy image.",
            "Errors may be negative: which is the largest?",
        ),
        (
            (_from_the_image, "The sampler does not know x_0: to_x_0 gets x_t."),
            (_against_the_noise, "What is read is an image: compare it with x_0."),
            (_without_sign, "An error below 0 is an error, too: take its size before the maximum."),
            (_without_roots, "x_t is mixed with the roots of bar and of 1 - bar."),
        ),
        cases={
            "v, read as v": _pair(predict_v, predict_v),
            "v, read as the noise": _pair(predict_v, predict_eps),
            "the noise, read as v": _pair(predict_eps, predict_v),
            "x_0, read as x_0": _pair(predict_x_0, predict_x_0),
        },
    ),
    Debug(
        "A patient that is none of the above. Its loss is 1.0 at the first step, and 1.0 at the last; the digits "
        "are noise. "
        f"Which line is wrong? `q.check(number)`.\n\n{PROGRAM}",
        3,
        "Line 3. The optimiser holds the weights of the average, which gets no gradient: `loss.backward()` fills "
        "those of the network, and nobody moves them. It should be `network.parameters()`. The same happens when the "
        "network is made anew, or copied, after the optimiser was. First look: has any weight changed after ten steps?",
        (
            "A loss of 1.0 is that of a network which always answers 0, as a fresh one does. What would it mean "
            "if it still "
            "does after 3000 steps?",
            "Follow the weights: which are used in line 6, which get a gradient in line 8, which are moved in line 9?",
        ),
        (
            (1, "Line 1 is sound: a fresh network."),
            (2, "Line 2 is sound: the average begins as a copy, of its own."),
            (4, "Line 4 is sound: 3000 steps are enough for digits."),
            (5, "Line 5 is sound: fresh images, times and noise at every step."),
            (6, "Line 6 is sound: Eq. 14 of DDPM, for whatever the target is."),
            (7, "Line 7 is sound: old gradients are cleared before the new ones come."),
            (8, "Line 8 is sound: it fills the gradients of the network's weights. Are they used?"),
            (9, "Line 9 is sound: it moves what the optimiser holds. What does it hold?"),
            (10, "Line 10 is sound: the average follows the network. But does the network move?"),
        ),
    ),
    Predict(
        r"In training, the noise is multiplied by $1-\bar\alpha_t$ in the place of its root; the data have variance 1. "
        r"At which $\bar\alpha_t$ is the variance of $x_t$ most wrong, and what is it there? Two numbers, within 0.02: "
        "`q.check(first, second)`.",
        (0.5, 0.75),
        r"Signal and noise are independent, so their variances add: $\bar\alpha_t + (1-\bar\alpha_t)^2 = 1 - "
        r"\bar\alpha_t "
        r"(1 - \bar\alpha_t)$. That is least where $\bar\alpha_t = 1/2$: 0.75. At both ends it is 1, and nothing "
        r"shows.",
        (
            r"Which variance has $\sqrt{\bar\alpha_t}\,x_0$, and which has $(1-\bar\alpha_t)\,\epsilon$?",
            r"$\bar\alpha_t + (1-\bar\alpha_t)^2$: where is it smallest?",
        ),
        (
            (
                (0.5, 1.0),
                "1 is what it should be. With the root gone the variance of the noise is (1 - alpha-bar) squared.",
            ),
            ((0.5, 0.5), "Signal and noise add: 0.5 is the signal's part alone."),
            ((1.0, 0.0), "At alpha-bar = 1 there is no noise, and its factor is 0 either way."),
            ((0.0, 1.0), "At alpha-bar = 0 the factor is 1 either way."),
        ),
        within=0.02,
    ),
)

_one, *_to_five, _six, _seven, _eight = DIAGNOSES
_noise, _reading, _program, _variance = OTHERS
EXERCISES: tuple[Exercise, ...] = (  # in the order of the page
    *(_one, _program, *_to_five),
    *(_noise, _six, _seven, _eight),
    *(_reading, _variance),
)
