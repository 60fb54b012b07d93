"""True steps: the forward process, its schedules, and signal-to-noise ratios."""

from sympy import (
    Derivative,
    Function,
    Integer,
    Integral,
    Product,
    Sum,
    atan,
    cos,
    exp,
    log,
    pi,
    sin,
    sqrt,
    symbols,
    tan,
)

from mini_ddpm.symbolic import Expectation, T, Theory, alpha, alpha_bar, beta, eps, s, snr, t, x

from .steps import Step, assuming, forward

r = symbols("r", integer=True, positive=True)
b, v, w, c = symbols("b v w c", positive=True)
first, last = symbols("beta_first beta_last", positive=True)
phi = symbols("phi", real=True)
u = symbols("u", real=True)
f = Function("f", real=True)
g = Function("g", positive=True)


average, variance = Function("average", real=True), Function("V", real=True)


def unrolled():
    """Recursions with a base: alpha_bar, a moving average, and a variance of unit data's noise, step by step."""
    theory = Theory()
    theory.define(beta[t], 1 - alpha[t])
    theory.define(alpha_bar[0], Integer(1))
    theory.define(alpha_bar[t], alpha[t] * alpha_bar[t - 1])
    theory.define(average(0), Integer(0))
    theory.define(average(t), w * average(t - 1) + (1 - w) * f(t))
    theory.define(variance(0), Integer(0))
    theory.define(variance(t), alpha[t] * variance(t - 1) + beta[t])
    return theory, ()


def kept(a, z):
    """How much of the signal of step a is left at step z."""
    return alpha_bar[z] / alpha_bar[a]


def step(kind, before, after, reason, given=forward):
    return Step(kind, before, after, reason, given=given)


over_x_s = (x[s], sqrt(alpha_bar[s]) * x[0], 1 - alpha_bar[s])
one_step = sqrt(alpha[t]) * x[t - 1] + sqrt(beta[t]) * eps
over_x_before = (x[t - 1], sqrt(alpha_bar[t - 1]) * x[0], 1 - alpha_bar[t - 1])

STEPS: list[Step] = [
    step(
        "recursion", alpha[t] * (1 - alpha_bar[t - 1]) + beta[t], 1 - alpha_bar[t], "variances add up to 1 - alpha_bar"
    ),
    step("recursion", alpha_bar[t] / alpha_bar[t - 1], 1 - beta[t], "all factors but the last cancel"),
    step(
        "recursion",
        alpha_bar[s - 1] - alpha_bar[s],
        alpha_bar[s - 1] * beta[s],
        "alpha_bar_s = alpha_s alpha_bar_(s-1)",
    ),
    step(
        "recursion",
        alpha[t] * (alpha_bar[t - 1] * v + 1 - alpha_bar[t - 1]) + beta[t],
        alpha_bar[t] * v + 1 - alpha_bar[t],
        "one step of the variance of data with variance v",
    ),
    step("recursion", alpha[t + 1] * beta[t] + beta[t + 1], 1 - alpha[t] * alpha[t + 1], "the noise of two steps"),
    step(
        "recursion",
        1 / snr(t),
        1 / (alpha[t] * snr(t - 1)) + beta[t] / alpha[t],
        "noise-to-signal ratios: the old one grows by 1/alpha, the new noise is added",
    ),
    step("products", Product(alpha[s], (s, 1, t)), alpha[t] * Product(alpha[s], (s, 1, t - 1)), "the last factor out"),
    step("products", kept(s, t), Product(alpha[r], (r, s + 1, t)), "the first s factors cancel, since s < t"),
    step("products", alpha_bar[t], exp(Sum(log(1 - beta[s]), (s, 1, t))), "a product of exponentials of logarithms"),
    step("products", sqrt(alpha_bar[t]), Product(sqrt(alpha[s]), (s, 1, t)), "a root enters a product of positives"),
    step("products", Product(sqrt(alpha[s]), (s, 1, t)) ** 2, alpha_bar[t], "a square enters a product"),
    step("products", Product(1 - b, (s, 1, t)), (1 - b) ** t, "t equal factors"),
    step(
        "products",
        Product(exp(-f(s)), (s, 1, t)),
        exp(-Sum(f(s), (s, 1, t))),
        "exponents add: alpha_s = exp(-f_s)",
    ),
    step(
        "products",
        Product(alpha_bar[s], (s, 1, t)),
        Product(alpha[s] ** (t - s + 1), (s, 1, t)),
        "alpha_s is a factor of alpha_bar_s, ..., alpha_bar_t",
    ),
    step(
        "telescoping", Product(alpha_bar[s] / alpha_bar[s - 1], (s, 2, t)), alpha_bar[t] / alpha[1], "neighbours cancel"
    ),
    step(
        "telescoping",
        Sum(beta[s] * Product(alpha[r], (r, s + 1, t)), (s, 1, t)),
        1 - alpha_bar[t],
        "beta_s = 1 - alpha_s: what is left of the noise of each step",
    ),
    step(
        "telescoping",
        Sum(alpha_bar[s - 1] * beta[s], (s, 1, t)),
        1 - alpha_bar[t],
        "each term is alpha_bar_(s-1) - alpha_bar_s, and alpha_bar_0 = 1",
    ),
    step(
        "telescoping",
        Sum(beta[s] / alpha_bar[s], (s, 1, t)),
        1 / snr(t),
        "each term is 1/alpha_bar_s - 1/alpha_bar_(s-1)",
    ),
    step(
        "telescoping",
        Sum(1 / (1 - alpha_bar[s]) - 1 / (1 - alpha_bar[s - 1]), (s, 2, t)),
        1 / (1 - alpha_bar[t]) - 1 / beta[1],
        "only the ends stay; at t = 1 both sides are 0",
    ),
    step("telescoping", Sum(snr(s - 1) - snr(s), (s, 2, T)), snr(1) - snr(T), "only the ends stay, also at T = 1"),
    step("telescoping", Product(snr(s) / snr(s - 1), (s, 2, t)), snr(t) / snr(1), "neighbours cancel, also at t = 1"),
    step("schedule", 1 - (1 - b) ** t, b * Sum((1 - b) ** s, (s, 0, t - 1)), "a geometric sum: b is not 0"),
    step(
        "schedule",
        first + (t - 1) / (T - 1) * (last - first),
        (first * (T - t) + last * (t - 1)) / (T - 1),
        "a straight line as a weighted mean of its ends",
        given=assuming(T >= 2),
    ),
    step(
        "schedule",
        Sum(first + (s - 1) / (T - 1) * (last - first), (s, 1, T)),
        T * (first + last) / 2,
        "an arithmetic sum",
        given=assuming(T >= 2),
    ),
    step(
        "schedule",
        (sqrt(first) * (T - t) + sqrt(last) * (t - 1)) ** 2 / (T - 1) ** 2,
        (first * (T - t) ** 2 + last * (t - 1) ** 2 + 2 * sqrt(first * last) * (T - t) * (t - 1)) / (T - 1) ** 2,
        "the scaled linear schedule: a squared sum of roots",
        given=assuming(T >= 2),
    ),
    step(
        "schedule",
        sqrt(alpha_bar[1])
        - (sqrt(alpha_bar[t]) - sqrt(alpha_bar[T])) * sqrt(alpha_bar[1]) / (sqrt(alpha_bar[1]) - sqrt(alpha_bar[T])),
        sqrt(alpha_bar[1]) * (sqrt(alpha_bar[1]) - sqrt(alpha_bar[t])) / (sqrt(alpha_bar[1]) - sqrt(alpha_bar[T])),
        "rescaling to zero terminal SNR keeps the first value",
        given=assuming(T >= 2),
    ),
    step("schedule", cos(phi) ** 2 / (1 - cos(phi) ** 2), 1 / tan(phi) ** 2, "the SNR of the cosine schedule"),
    step(
        "schedule",
        cos(pi * t / (2 * T)) ** 2 - cos(pi * (t + 1) / (2 * T)) ** 2,
        sin(pi / (2 * T)) * sin(pi * (2 * t + 1) / (2 * T)),
        "what a cosine schedule loses in a step: cos^2 a - cos^2 b = sin(b - a) sin(b + a)",
    ),
    step(
        "schedule",
        cos(pi * (T + c * T) / (2 * T * (1 + c))) ** 2,
        Integer(0),
        "the cosine schedule ends at a right angle",
    ),
    step(
        "schedule",
        exp(-Integral(first + u * (last - first), (u, 0, w))),
        exp(-first * w - (last - first) * w**2 / 2),
        "the continuous linear schedule: a straight line integrated",
    ),
    step("SNR", snr(t), 1 / (1 / alpha_bar[t] - 1), "divide both by alpha_bar"),
    step("SNR", snr(t) / (1 + snr(t)), alpha_bar[t], "solved for alpha_bar"),
    step("SNR", 1 / (1 + snr(t)), 1 - alpha_bar[t], "the variance of the noise"),
    step("SNR", snr(1), alpha[1] / beta[1], "a product of one factor"),
    step("SNR", 1 + 1 / snr(t), 1 / alpha_bar[t], "noise and signal, in units of the signal"),
    step(
        "SNR",
        snr(t - 1) / snr(t),
        (1 - alpha_bar[t]) / (alpha[t] * (1 - alpha_bar[t - 1])),
        "definition and recursion; neither has a value at t = 1",
    ),
    step("SNR", 1 / snr(t) - 1 / snr(s), (1 - kept(s, t)) / alpha_bar[t], "the noise added between s and t, scaled"),
    step(
        "SNR",
        (1 - alpha_bar[t]) * (1 - snr(t) / snr(s)),
        1 - kept(s, t),
        "VDM's variance of x_t given x_s",
    ),
    step(
        "SNR",
        alpha_bar[t] * v + 1 - alpha_bar[t],
        (1 + v * snr(t)) / (1 + snr(t)),
        "the variance of noisy data",
    ),
    step("log SNR", log(snr(t)), -log(1 / alpha_bar[t] - 1), "the logarithm of an inverse"),
    step("log SNR", 1 / (1 + exp(-log(snr(t)))), alpha_bar[t], "alpha_bar is the sigmoid of the log SNR"),
    step(
        "log SNR",
        log(snr(t) / snr(s)),
        Sum(log(alpha[r]), (r, s + 1, t)) + log((1 - alpha_bar[s]) / (1 - alpha_bar[t])),
        "the signals' ratio is a product",
    ),
    step(
        "log SNR",
        exp((1 - w) * log(snr(s)) + w * log(snr(t))),
        snr(s) ** (1 - w) * snr(t) ** w,
        "a straight line in log SNR is a geometric interpolation",
    ),
    step(
        "half-log-SNR", log(sqrt(alpha_bar[t]) / sqrt(1 - alpha_bar[t])), log(snr(t)) / 2, "a root halves a logarithm"
    ),
    step(
        "half-log-SNR",
        sqrt(alpha_bar[t]) * exp(-log(snr(t)) / 2),
        sqrt(1 - alpha_bar[t]),
        "the noise's scale from the signal's",
    ),
    step("root SNR", sqrt(snr(t)) * sqrt(1 - alpha_bar[t]), sqrt(alpha_bar[t]), "the root of a ratio of positives"),
    step("root SNR", cos(atan(sqrt(1 / snr(t)))), sqrt(alpha_bar[t]), "signal and noise as the legs of an angle"),
    step(
        "root SNR",
        kept(s, t) ** (Integer(1) / 2) * (1 - alpha_bar[s]) / sqrt((1 - alpha_bar[s]) * (1 - alpha_bar[t])),
        sqrt(snr(t) / snr(s)),
        "the correlation of x_s and x_t given x_0",
    ),
    step(
        "means of noise",
        Expectation(Expectation(one_step**2, eps), *over_x_before),
        alpha_bar[t] * x[0] ** 2 + 1 - alpha_bar[t],
        "the mean square of x_t: over the new noise, then over x_(t-1)",
    ),
    step(
        "means of noise",
        Expectation(sqrt(kept(s, t)) * x[s] ** 2, *over_x_s) - sqrt(alpha_bar[s] * alpha_bar[t]) * x[0] ** 2,
        sqrt(kept(s, t)) * (1 - alpha_bar[s]),
        "the covariance of x_s and x_t given x_0",
    ),
    step(
        "means of noise",
        Expectation(Expectation((one_step - x[t - 1]) ** 2, eps), x[t - 1]),
        2 - 2 * sqrt(alpha[t]),
        "how far a step moves data of variance 1",
    ),
    step("derivatives", Derivative(alpha_bar[t], alpha[1]), alpha_bar[t] / alpha[1], "alpha_1 is one of the factors"),
    step(
        "derivatives", Derivative(log(alpha_bar[T]), alpha[t]), 1 / alpha[t], "t <= T: log alpha_t is one of the terms"
    ),
    step(
        "derivatives",
        Derivative(log(exp(-g(u)) / (1 - exp(-g(u)))), u),
        -Derivative(g(u), u) / (1 - exp(-g(u))),
        "the log SNR of a continuous schedule alpha_bar = exp(-g)",
    ),
    step(
        "double sums",
        Sum(log(alpha_bar[s]), (s, 1, t)),
        Sum((t - s + 1) * log(alpha[s]), (s, 1, t)),
        "log alpha_s occurs in the terms s, ..., t",
    ),
    step(
        "double sums",
        Sum(Sum(beta[s] * f(t), (s, 1, t)), (t, 1, T)),
        Sum(beta[s] * Sum(f(t), (t, s, T)), (s, 1, T)),
        "a triangle summed by its other side",
    ),
    step("recursion with a base", alpha_bar[3], alpha[1] * alpha[2] * alpha[3], "three steps down to 1", unrolled),
    step(
        "recursion with a base",
        alpha_bar[t + 1] / alpha_bar[t - 1],
        alpha[t] * alpha[t + 1],
        "two steps of the recursion",
        unrolled,
    ),
    step("recursion with a base", alpha_bar[t], Product(alpha[s], (s, 1, t)), "by induction from 1", unrolled),
    step("recursion with a base", variance(t), 1 - alpha_bar[t], "by induction from 0", unrolled),
    step("recursion with a base", variance(2), 1 - alpha[1] * alpha[2], "two steps down to 0", unrolled),
    step(
        "recursion with a base",
        average(t) - average(t - 1),
        (1 - w) * (f(t) - average(t - 1)),
        "one step towards the new value",
        unrolled,
    ),
    step("recursion with a base", average(2), (1 - w) * (w * f(1) + f(2)), "two steps down to 0", unrolled),
    step(
        "recursion with a base",
        average(t),
        (1 - w) * Sum(w ** (t - s) * f(s), (s, 1, t)),
        "by induction: what is left of each value",
        unrolled,
    ),
]
