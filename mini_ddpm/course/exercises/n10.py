"""The exercises of notebook 10."""

import math

import torch
from sympy import Rational, exp, log
from torch import Tensor

from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Debug, Derive, Exercise, Predict
from mini_ddpm.course.p10 import any_variances, betatilde_t, f, g, h
from mini_ddpm.schedules import cosine_betas


def _curve(T: int, s: float, first: int = 0) -> Tensor:
    return torch.cos((torch.arange(first, T + 1) / T + s) / (1 + s) * math.pi / 2).double() ** 2


def _unclipped(T: int, s: float) -> Tensor:
    f = _curve(T, s)
    return 1 - f[1:] / f[:-1]


def _ratios(T: int, s: float) -> Tensor:
    f = _curve(T, s)
    return (f[1:] / f[:-1]).clamp(max=0.999)


def _products(T: int, s: float) -> Tensor:
    f = _curve(T, s)
    return (1 - f[1:] / f[0]).clamp(max=0.999)


def _no_square(T: int, s: float) -> Tensor:
    f = _curve(T, s).sqrt()
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


def _no_offset(T: int, s: float) -> Tensor:
    return cosine_betas(T, 0.0)


def _one_more(T: int, s: float) -> Tensor:
    f = _curve(T, s)
    return torch.cat([torch.zeros(1), (1 - f[1:] / f[:-1]).clamp(max=0.999)])


def log_variance(rho: Tensor, beta: Tensor, beta_tilde: Tensor) -> Tensor:
    """log sigma^2 between the logarithms of the bounds. Source: Improved DDPM, Eq. 15, with f = (rho + 1)/2."""
    f = (rho + 1) / 2
    return f * beta.log() + (1 - f) * beta_tilde.log()


def _of_variances(rho: Tensor, beta: Tensor, beta_tilde: Tensor) -> Tensor:
    f = (rho + 1) / 2
    return (f * beta + (1 - f) * beta_tilde).abs().log()


def _raw(rho: Tensor, beta: Tensor, beta_tilde: Tensor) -> Tensor:
    return rho * beta.log() + (1 - rho) * beta_tilde.log()


def _exchanged(rho: Tensor, beta: Tensor, beta_tilde: Tensor) -> Tensor:
    return log_variance(rho, beta_tilde, beta)


def _held(rho: Tensor, beta: Tensor, beta_tilde: Tensor) -> Tensor:
    return log_variance(rho.clamp(-1, 1), beta, beta_tilde)


def _variance(rho: Tensor, beta: Tensor, beta_tilde: Tensor) -> Tensor:
    return log_variance(rho, beta, beta_tilde).exp()


def chances_of(losses: Tensor) -> Tensor:
    """Chances and weights, (2, T), from the last losses (T, k) of each t. Source: Improved DDPM, Eq. 18."""
    size = losses.square().mean(dim=1).sqrt()
    p = size / size.sum()
    return torch.stack([p, 1 / (len(p) * p)])


def _means(losses: Tensor) -> Tensor:
    p = losses.mean(dim=1) / losses.mean(dim=1).sum()
    return torch.stack([p, 1 / (len(p) * p)])


def _squares(losses: Tensor) -> Tensor:
    size = losses.square().mean(dim=1)
    p = size / size.sum()
    return torch.stack([p, 1 / (len(p) * p)])


def _no_weight(losses: Tensor) -> Tensor:
    p = chances_of(losses)[0]
    return torch.stack([p, torch.ones_like(p)])


def _no_length(losses: Tensor) -> Tensor:
    p = chances_of(losses)[0]
    return torch.stack([p, 1 / p])


def _unequal(losses: Tensor) -> Tensor:
    size = losses.square().mean(dim=1).sqrt()
    return torch.stack([size, 1 / (len(size) * size)])


def _losses(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1)) ** 3 + 0.01


RHO = torch.tensor([-1.6, -1.0, -0.4, 0.0, 0.7, 1.0, 1.3])
ENDS = torch.tensor([0.02]), torch.tensor([0.013])

PROGRAM = """```
1  x_t = q_sample(x_0, eps, schedule.at(t))
2  output = model(x_t, t)                               # (B, 2C, H, W)
3  simple = (output[:, :C] - target).square().mean(dim=(1, 2, 3))
4  mean, rho = output[:, :C].detach(), output[:, C:].detach()
5  bound = term(torch.cat([mean, rho], dim=1), x_0, x_t, t)
6  loss = (simple + 0.001 * T * bound).mean()
```"""

EXERCISES: tuple[Exercise, ...] = (
    Implement(
        r"Write the cosine schedule, `cosine(T, s)`: the float64 numbers $\beta_1, \dots, \beta_T$, clipped at 0.999. "
        r"Which $\beta_t$ has the curve $f$ for its products $\bar\alpha_t$? `q.check(cosine)`.",
        cosine_betas,
        r"$\alpha_t = \bar\alpha_t/\bar\alpha_{t-1} = f(t)/f(t-1)$: $f(0)$ cancels. "
        "`k = torch.arange(T + 1).double()`; `f = torch.cos((k / T + s) / (1 + s) * math.pi / 2) ** 2`; return "
        "`(1 - f[1:] / f[:-1]).clamp(max=0.999)`.",
        (
            r"Notebook 01: $\bar\alpha_t = \alpha_t\,\bar\alpha_{t-1}$ and $\beta_t = 1 - \alpha_t$.",
            "You need f at T + 1 places, 0 to T, and the ratios of neighbours.",
        ),
        (
            (_unclipped, "Right but for the last: without the clip it is 1, and nothing of the image is left."),
            (_ratios, "Those are the alphas. beta is what they lack to 1."),
            (_products, "That is 1 - alpha_bar. A beta is about one step: divide neighbours."),
            (_no_square, "f has a square: a product of alphas is a share of the *variance*."),
            (_no_offset, "Where is s? At t = 0 the angle is not 0."),
            (_one_more, "T + 1 numbers: beta_1 is the first. f has T + 1 places, and so T ratios."),
        ),
        cases={"T = 10": (10, 0.008), "T = 1000": (1000, 0.008), "a large s": (50, 0.1)},
        within=1e-5,
    ),
    Derive(
        r"What does a wrong variance cost? The best one is $\tilde\beta_t\,e^{fg}$, where "
        r"$g = \log(\beta_t/\tilde\beta_t)$ is the width of the slit. You take another share $h$, and so "
        r"$\tilde\beta_t\,e^{hg}$. By how much does your term lie above the best one? By `f`, `g` and `h` "
        "alone: `q.check(...)`.",
        (exp((f - h) * g) - 1 - (f - h) * g) / 2,
        r"$\frac12\left(e^{(f-h)g} - 1 - (f-h)g\right)$: it is $\frac12(u - 1 - \log u)$ with $u = e^{fg}/e^{hg}$, "
        "the best variance over yours. In a narrow slit that is about $(f-h)^2g^2/4$, of a best term of $fg/2$: the "
        "price, as a share of the term, falls with $g$.",
        (
            r"Above, the term has a rest, $\frac12(u - 1 - \log u)$. What is $u$?",
            r"$u$ is the best variance over yours, $e^{fg}/e^{hg}$, and its logarithm is $(f-h)\,g$.",
        ),
        (
            ((exp((h - f) * g) - 1 - (h - f) * g) / 2, "Exchanged: u is the best variance over yours."),
            (exp((f - h) * g) - 1 - (f - h) * g, "Half of that: look at the rest once more."),
            ((exp((f - h) * g) - 1) / 2, "The logarithm of u is missing: the cost must be least, 0, at h = f."),
            (((f - h) * g) ** 2 / 4, "That is it for a narrow slit. Exactly, please: with the exponential."),
        ),
        theory=any_variances,
        question=log(betatilde_t * exp(h * g) / (betatilde_t * exp(f * g))) / 2 - Rational(1, 2) + exp((f - h) * g) / 2,
        without=(betatilde_t,),
    ),
    Implement(
        r"Write `log_variance(rho, beta, beta_tilde)`: the network's raw answer `rho`, a tensor, and the two bounds. "
        r"A fresh network answers 0 and is to sit in the middle; nothing is to hold $f$ between 0 and 1. "
        "`q.check(log_variance)`.",
        log_variance,
        "`f = (rho + 1) / 2`, and then Eq. 15: `f * beta.log() + (1 - f) * beta_tilde.log()`.",
        (
            r"Which $f$ belongs to $\rho = -1, 0, 1$?",
            "The mix is of logarithms, not of variances.",
        ),
        (
            (_of_variances, "Mix the logarithms: the line between the variances is another curve."),
            (_raw, "f is (rho + 1)/2: with f = rho a fresh network sits at the lower end."),
            (_exchanged, "Exchanged: f = 1 is to be beta, the larger one."),
            (_held, "The clamp is not in the definition. (Section 3 looks at what it would do.)"),
            (_variance, "That is the variance. The bound needs its logarithm."),
        ),
        cases={"ends far apart": (RHO, *ENDS), "ends close together": (RHO, ENDS[0], ENDS[0] * 0.99)},
    ),
    Debug(
        r"$L_{\mathrm{hybrid}}$, written anew. It trains and the digits look well, but $f$ stays at 0.5 everywhere. "
        f"Which line is wrong? `q.check(number)`.\n\n{PROGRAM}",
        4,
        r"Line 4. The second `detach` cuts the variance off, too: no gradient reaches $\rho$ by any way. Only the "
        "mean is to be detached.",
        (
            r"By which way can a gradient reach $\rho$?",
            r"Through the bound alone, for $L_{\mathrm{simple}}$ has no variance in it.",
        ),
        (
            (1, "Line 1 is sound: the jump."),
            (2, "Line 2 is sound: one call serves both parts."),
            (3, "Line 3 is sound: the simple loss sees the first C channels only."),
            (5, "Line 5 is sound: the term is told the mean and the variance."),
            (6, "Line 6 is sound: Eq. 16."),
        ),
    ),
    Implement(
        "Write `chances_of(losses)`: `losses` (T, k) holds the last k losses of each t. Return the chances `p` and the "
        "weights, both (T,), as `torch.stack([p, weight])`. `q.check(chances_of)`.",
        chances_of,
        "`size = losses.square().mean(dim=1).sqrt()`, `p = size / size.sum()`, and the weight is `1 / (len(p) * p)`.",
        (
            "p is proportional to the *root of the mean square* of the losses, and sums to 1.",
            "With the weights 1 / (T p) the mean of weight times loss is that of even draws.",
        ),
        (
            (_means, "The mean is not enough: a t whose losses vary needs more draws. Root of the mean square."),
            (_squares, "The root is missing: so the largest losses are drawn too often."),
            (_no_weight, "Without weights the rare t would count too little, and the mean would be another one."),
            (_no_length, "The weight lacks T: for even draws, p = 1/T, it is to be 1."),
            (_unequal, "The chances are to sum to 1."),
        ),
        cases={"three times, four losses each": (_losses(3, 4),), "fifty times, ten each": (_losses(50, 10),)},
    ),
    Predict(
        "Could importance sampling help $L_{\\mathrm{simple}}$ as well? Say that the size of its gradient is 11 at one "
        "t out of a hundred and 1 at the others, always the same there. By what factor does the best sampler lower "
        "the *mean square* of weight times gradient against even draws? `q.check(number)`.",
        20 / 11,
        "1.82. Even draws: $(121 + 99)/100 = 2.2$. The best sampler: $((11 + 99)/100)^2 = 1.21$, the square of the "
        "mean: every draw gives the same size. A few large ones among many that are alike are not worth much; in "
        r"$L_{\mathrm{vlb}}$ those many are next to nothing, and the factor is 320 to 340.",
        (
            "Even draws: the mean of the squares over a hundred times.",
            "The best sampler reaches the square of the mean of m, by the last line of the derivation.",
        ),
        (
            (1.21, "1.21 is what the best sampler reaches. Divide what even draws have by it."),
            (2.2, "2.2 is what even draws have. Divide it by what the best sampler reaches."),
            (11.0, "11 is the largest size over the least. Compare mean squares over all times."),
            (121.0, "121 is the largest square over the least. Compare means over all times."),
        ),
        within=0.02,
    ),
)
