"""The exercises of notebook 10."""

import math

import torch
from sympy import log, sqrt
from torch import Tensor

from mini_ddpm.course.exercises.implement import Implement
from mini_ddpm.course.exercises.kinds import Debug, Derive, Exercise, Predict
from mini_ddpm.course.p10 import any_variances, betatilde_t, delta, sigma
from mini_ddpm.schedules import cosine_betas
from mini_ddpm.symbolic.notation import t


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


def draws(losses: Tensor) -> Tensor:
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
    p = draws(losses)[0]
    return torch.stack([p, torch.ones_like(p)])


def _no_length(losses: Tensor) -> Tensor:
    p = draws(losses)[0]
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
        r"The network's mean is *exact*: at each $x_t$ it is the mean of $\tilde\mu_t$ over all images that fit. It "
        r"still does not know which image it was: the mean of $\delta^2$ is not 0. With the **best** variance "
        r"`sigma[t]**2`, what is the term worth, by `sigma[t]` and `betatilde_t` alone? `q.check(...)`.",
        log(sigma[t] ** 2 / betatilde_t) / 2,
        r"$\frac12 \log(\sigma_t^2/\tilde\beta_t)$: the best $\sigma_t^2$ is $\tilde\beta_t$ plus the mean of "
        r"$\delta^2$, so the last summand is $\frac12$, and cancels. It is 0 for $\delta = 0$ only, that is, for one "
        r"who knows $x_0$. Notebook 11 sums what is left.",
        (
            r"Which number does the numerator $\tilde\beta_t + \delta^2$ have, if the variance is the best one?",
            r"It is $\sigma_t^2$. So the last summand is one half.",
        ),
        (
            (log(1), "0 is for one who knows x_0: the exact mean does not, and pays for it."),
            (log(sigma[t] ** 2 / betatilde_t), "Half of that: the logarithm of a root."),
            (log(betatilde_t / sigma[t] ** 2) / 2, "Negative, since sigma is the larger one. A divergence never is."),
            (
                log(sigma[t] ** 2 / betatilde_t) / 2 - log(2) / 2,
                "The constant is 1/2, not a logarithm: the last summand is one half, and cancels it.",
            ),
        ),
        theory=any_variances,
        question=log(sigma[t] / sqrt(betatilde_t)),
        without=(delta,),
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
        "Write `draws(losses)`: `losses` (T, k) holds the last k losses of each t. Return the chances `p` and the "
        "weights, both (T,), as `torch.stack([p, weight])`. `q.check(draws)`.",
        draws,
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
        "Could importance sampling help $L_{\\mathrm{simple}}$ as well? Say that a loss is 7 at one t out of ten and "
        "1/3 at the other nine, always the same there. By what factor does the best sampler lower the *mean square* "
        "of weight times loss against even draws? `q.check(number)`.",
        5.0,
        "5. Even draws: $(49 + 9/9)/10 = 5$. The best sampler: $(7 + 9/3)^2/100 = 1$, the square of the mean: every "
        r"draw gives the same number. For $L_{\mathrm{vlb}}$ of this page it is thousands.",
        (
            "Even draws: the mean of the squares of ten losses.",
            "The best sampler reaches the square of the mean of m, by the last line of the derivation.",
        ),
        (
            (1.0, "1 is what the best sampler reaches. Divide what even draws have by it."),
            (7.0, "7 is the largest loss over the mean loss. Compare mean squares."),
            (21.0, "21 is the largest loss over the least."),
        ),
        within=0.05,
    ),
)
