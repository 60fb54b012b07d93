"""True steps: conversions between noise, x_0, v and score; VDM's and other weights; EDM and flow matching; VAEs."""

from sympy import (
    Abs,
    Derivative,
    E,
    Function,
    IndexedBase,
    Integer,
    Max,
    Min,
    Rational,
    Sum,
    cos,
    exp,
    log,
    pi,
    sin,
    sqrt,
    symbols,
)

from mini_ddpm.symbolic import Expectation, T, alpha_bar, beta, d, i, kl, log_density, s, snr, t, x

from .steps import Step, assuming, forward

y, z, e, m, n, h, w = symbols("y z e m n h w", real=True)
phi, gamma = symbols("phi gamma", real=True)
noise, data, tau, u, v, lam = symbols("sigma sigma_data tau u v lambda", positive=True)
mean, variance = IndexedBase("m", real=True), IndexedBase("v", positive=True)
f = Function("f", real=True)
g = Function("g", positive=True)


def step(kind, before, after, reason, given=forward):
    return Step(kind, before, after, reason, given=given)


a, a_s = alpha_bar[t], alpha_bar[s]
x_t = sqrt(a) * x[0] + sqrt(1 - a) * e
velocity = sqrt(a) * e - sqrt(1 - a) * x[0]
e_of, x_0_of = (lambda x_0: (y - sqrt(a) * x_0) / sqrt(1 - a)), (lambda noise: (y - sqrt(1 - a) * noise) / sqrt(a))
skip, out = data**2 / (noise**2 + data**2), noise * data / sqrt(noise**2 + data**2)
turned = cos(phi) * y + sin(phi) * z, cos(phi) * z - sin(phi) * y  # x and v at an angle
evidence = w**2 + v  # of y, given z ~ N(0, 1) and y ~ N(w z, v)
elbo = Expectation(log_density(y, w * z, v), z, m, u) - kl(m, u, 0, 1)
in_01 = assuming(tau < 1)

STEPS: list[Step] = [
    step("parameterisation", sqrt(a) * x_t - sqrt(1 - a) * velocity, x[0], "x_0 from x_t and v: the noise cancels"),
    step("parameterisation", sqrt(1 - a) * x_t + sqrt(a) * velocity, e, "the noise from x_t and v"),
    step("parameterisation", x_t**2 + velocity**2, x[0] ** 2 + e**2, "(x_t, v) is (x_0, noise), turned"),
    step(
        "parameterisation",
        sqrt(a) * (y - sqrt(a) * x[0]) / sqrt(1 - a) - sqrt(1 - a) * x[0],
        (sqrt(a) * y - x[0]) / sqrt(1 - a),
        "v by x_t and x_0",
    ),
    step(
        "parameterisation",
        sqrt(a) * e - sqrt(1 - a) * x_0_of(e),
        (e - sqrt(1 - a) * y) / sqrt(a),
        "v by x_t and the noise",
    ),
    step("parameterisation", (e_of(z) - e_of(x[0])) ** 2, snr(t) * (z - x[0]) ** 2, "the noise's error by x_0's"),
    step("parameterisation", (x_0_of(z) - x_0_of(e)) ** 2, (z - e) ** 2 / snr(t), "x_0's error by the noise's"),
    step(
        "parameterisation",
        ((sqrt(a) * y - x[0]) / sqrt(1 - a) - (sqrt(a) * y - z) / sqrt(1 - a)) ** 2,
        (1 + snr(t)) * (x[0] - z) ** 2,
        "v's error by x_0's",
    ),
    step(
        "parameterisation",
        ((e - sqrt(1 - a) * y) / sqrt(a) - (z - sqrt(1 - a) * y) / sqrt(a)) ** 2,
        (1 + 1 / snr(t)) * (e - z) ** 2,
        "v's error by the noise's",
    ),
    step(
        "parameterisation",
        (1 - a) * (-e_of(z) / sqrt(1 - a) + e_of(x[0]) / sqrt(1 - a)) ** 2,
        (e_of(z) - e_of(x[0])) ** 2,
        "score matching weighted by the variance is the simple loss",
    ),
    step(
        "parameterisation",
        x_0_of(-sqrt(1 - a) * z) - y / sqrt(a),
        (1 / sqrt(a) - sqrt(a)) * z,
        "x_0 by the score z: what it adds to the rescaled x_t",
    ),
    step(
        "parameterisation",
        cos(h) * turned[0] - sin(h) * turned[1],
        cos(phi - h) * y + sin(phi - h) * z,
        "DDIM turns x towards x_0 by an angle",
    ),
    step("parameterisation", Derivative(turned[0], phi), turned[1], "v is x's velocity along the angle"),
    step(
        "parameterisation",
        Expectation(Expectation(velocity**2, x[0]), e),
        Integer(1),
        "v has variance 1 where x_0 has",
    ),
    step("loss weights", Min(snr(t), 5) / snr(t), Min(1, 5 / snr(t)), "Min-SNR's weight of the noise's error"),
    step("loss weights", 1 + snr(t), Max(snr(t), 1) + Min(snr(t), 1), "the larger and the smaller of two"),
    step(
        "loss weights",
        snr(t) * (x[0] - z) ** 2 + (x[0] - z) ** 2,
        (x[0] - z) ** 2 / (1 - a),
        "SNR + 1 weighting is v prediction",
    ),
    step(
        "VDM weights", snr(s) - snr(t), snr(t) * (exp(log(snr(s)) - log(snr(t))) - 1), "by the difference of log SNRs"
    ),
    step(
        "VDM weights",
        (snr(s) - snr(t)) * (x_0_of(e) - x_0_of(z)) ** 2,
        (snr(s) / snr(t) - 1) * (e - z) ** 2,
        "the weight of the noise's error",
    ),
    step("VDM weights", (snr(s) - snr(t)) / (1 + snr(t)), (a_s - a) / (1 - a_s), "the weight of v's error"),
    step(
        "VDM weights",
        Sum((snr(t - 1) - snr(t)) / 2 * (x[0] - y) ** 2, (t, 2, T)),
        (snr(1) - snr(T)) / 2 * (x[0] - y) ** 2,
        "if every step predicts the same, only the ends of the schedule count",
    ),
    step(
        "VDM weights",
        Sum((snr(t - 1) - snr(t)) * f(t), (t, 2, T)),
        snr(1) * f(1) - snr(T) * f(T) + Sum(snr(t - 1) * (f(t) - f(t - 1)), (t, 2, T)),
        "summation by parts",
    ),
    step(
        "VDM weights",
        kl(sqrt(alpha_bar[T]) * x[0], 1 - alpha_bar[T], 0, 1),
        (snr(T) * (x[0] ** 2 - 1) / (1 + snr(T)) + log(1 + snr(T))) / 2,
        "the prior's term by the last SNR",
    ),
    step(
        "VDM weights",
        Expectation(-log_density(x[0], y / sqrt(a), 1 / snr(t)), y, sqrt(a) * x[0], 1 - a),
        (1 + log(2 * pi / snr(t))) / 2,
        "the cost of reading x_0 off x_t",
    ),
    step("VDM weights", 1 / (1 + exp(gamma)) / (1 - 1 / (1 + exp(gamma))), exp(-gamma), "the SNR by gamma"),
    step(
        "VDM weights",
        Derivative(1 / (1 + exp(f(u))), u),
        -Derivative(f(u), u) / (1 + exp(f(u))) * (1 - 1 / (1 + exp(f(u)))),
        "the sigmoid's derivative",
    ),
    step(
        "VDM weights",
        -Derivative(exp(-f(u)), u) / (2 * exp(-f(u))),
        Derivative(f(u), u) / 2,
        "with SNR = exp(-f), the weight of the noise's error is f'/2",
    ),
    step(
        "VDM weights",
        -Derivative(g(u), u) / g(u),
        -Derivative(log(g(u)), u),
        "a relative decrease is that of the logarithm",
    ),
    step(
        "EDM",
        (1 - skip) ** 2 * data**2 + skip**2 * noise**2,
        out**2,
        "the least variance of what the network must say",
    ),
    step(
        "EDM",
        Expectation(Expectation(((y - skip * (y + noise * z)) / out) ** 2, z), y, 0, data**2),
        Integer(1),
        "the network's target has variance 1",
    ),
    step(
        "EDM",
        Expectation(Expectation(((y + noise * z) / sqrt(noise**2 + data**2)) ** 2, z), y, 0, data**2),
        Integer(1),
        "the network's input has variance 1",
    ),
    step("EDM", 1 / out**2, 1 / noise**2 + 1 / data**2, "EDM's loss weight: precisions add"),
    step(
        "EDM",
        (sqrt(data) + tau * (sqrt(noise) - sqrt(data))) ** 2,
        ((1 - tau) * sqrt(data) + tau * sqrt(noise)) ** 2,
        "a line between roots",
    ),
    step("flow matching", (1 - tau) * y + tau * z - tau * (z - y), y, "going back along the straight line"),
    step("flow matching", (1 - tau) * y + tau * z + (1 - tau) * (z - y), z, "going on along the straight line"),
    step(
        "flow matching",
        (1 - tau) ** 2 + tau**2,
        1 - 2 * tau * (1 - tau),
        "the variance on the straight line, of data with variance 1",
    ),
    step(
        "flow matching",
        sqrt((1 - tau) ** 2 / tau**2),
        (1 - tau) / tau,
        "the root SNR; 1 - tau is positive",
        given=in_01,
    ),
    step(
        "flow matching",
        log((1 - tau) ** 2 / tau**2),
        2 * log(1 - tau) - 2 * log(tau),
        "the log SNR; both are positive",
        given=in_01,
    ),
    step(
        "flow matching",
        Abs(tau - Rational(1, 2)) + Rational(1, 2),
        Max(tau, 1 - tau),
        "the distance from the middle",
    ),
    step(
        "flow matching",
        (y - (1 - tau) * z) / tau - z,
        (y - z) / tau,
        "the velocity by x_t and the data",
    ),
    step(
        "VAE",
        Expectation(log_density(y, z, v), z, m, u),
        log_density(y, m, v) - u / (2 * v),
        "the decoder's mean cost: its own, and that of the encoder's variance",
    ),
    step(
        "VAE",
        Expectation(log_density(y, w * (m + sqrt(u) * e), v), e),
        Expectation(log_density(y, w * z, v), z, m, u),
        "the reparameterisation",
    ),
    step(
        "VAE",
        elbo,
        -((y - w * m) ** 2 + w**2 * u) / (2 * v) - log(2 * pi * v) / 2 - (m**2 + u - 1 - log(u)) / 2,
        "both parts of the bound written out",
    ),
    step(
        "VAE",
        log_density(y, 0, evidence) - elbo,
        kl(m, u, w * y / evidence, v / evidence),
        "the gap is the divergence from the true posterior",
    ),
    step(
        "VAE",
        elbo.subs({m: w * y / evidence, u: v / evidence}),
        log_density(y, 0, evidence),
        "with the true posterior the bound is tight",
    ),
    step("VAE", Derivative(elbo, m), w * (y - w * m) / v - m, "the slope in the encoder's mean"),
    step("VAE", Derivative(elbo, u), -(w**2) / (2 * v) - Rational(1, 2) + 1 / (2 * u), "the slope in its variance"),
    step(
        "VAE",
        Derivative(kl(m, exp(z), 0, 1), z),
        (exp(z) - 1) / 2,
        "the slope in the logarithm of the variance",
    ),
    step(
        "VAE",
        Sum(kl(mean[i], variance[i], 0, 1), (i, 1, d)),
        (Sum(mean[i] ** 2 + variance[i] - log(variance[i]), (i, 1, d)) - d) / 2,
        "the divergence is a sum over coordinates",
    ),
    step(
        "VAE",
        Sum(log_density(x[i], mean[i], v), (i, 1, d)),
        -Sum((x[i] - mean[i]) ** 2, (i, 1, d)) / (2 * v) - d * log(2 * pi * v) / 2,
        "the decoder's log-likelihood is a squared error",
    ),
    step(
        "VAE",
        Expectation(kl(w * y, u, h * y, u), y, m, v) + kl(m, v, n, v),
        (w - h) ** 2 * (m**2 + v) / (2 * u) + (m - n) ** 2 / (2 * v),
        "two levels: the chain rule of the divergence",
    ),
    step(
        "VAE",
        Expectation(-log_density(z, m, u), z, m, u) + Expectation(log_density(z, 0, 1), z, m, u),
        -kl(m, u, 0, 1),
        "entropy and prior",
    ),
    step(
        "VAE",
        log(2 * pi * E * lam * u) / 2 - log(2 * pi * E * u) / 2,
        log(lam) / 2,
        "the entropy of a scaled variable",
    ),
    step(
        "VAE",
        log_density(y, m, v) + (y - m) ** 2 / (2 * v),
        -log(sqrt(2 * pi * v)),
        "only the normalisation is left",
    ),
    step(
        "VAE",
        log(beta[1] / alpha_bar[1]) / 2,
        -log(snr(1)) / 2,
        "the decoder's standard deviation at t = 1, by the SNR",
    ),
]
