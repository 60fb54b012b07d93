"""True steps: inequalities."""

from sympy import (
    Abs,
    Function,
    IndexedBase,
    Integer,
    Max,
    Min,
    Product,
    Rational,
    Sum,
    cos,
    exp,
    factorial,
    log,
    pi,
    sin,
    sqrt,
    symbols,
    tanh,
)

from mini_ddpm.symbolic import (
    Expectation,
    T,
    alpha,
    alpha_bar,
    beta,
    d,
    eps,
    i,
    kl,
    log_density,
    normal_density,
    s,
    snr,
    t,
    x,
)

from .steps import Step, assuming, forward

y, z, m, n, b, rho = symbols("y z m n b rho", real=True)
u, v, r, w, a, c = symbols("u v r w a c", positive=True)
eta, sigma = symbols("eta sigma", nonnegative=True)
f, h = Function("f", real=True), Function("h", real=True)
g = Function("g", positive=True)
loss = IndexedBase("L", real=True)


def above(kind, before, after, reason, given=None):
    return step(kind, before, after, reason, ">=", given)


def below(kind, before, after, reason, given=None):
    return step(kind, before, after, reason, "<=", given)


def step(kind, before, after, reason, relation, given):
    kind = f"inequality: {kind}"
    if given is None:
        return Step(kind, before, after, reason, relation)
    return Step(kind, before, after, reason, relation, given)


now, earlier, before = alpha_bar[t], alpha_bar[s], alpha_bar[t - 1]
tilde = (1 - before) / (1 - now) * beta[t]
interpolated = beta[t] ** eta * tilde ** (1 - eta)
marginal = now * v + 1 - now
share, interpolating = assuming(w < 1), assuming(t >= 2, eta <= 1)
evidence = m**2 + v
elbo = Expectation(log_density(y, m * z, v), z, n, u) - kl(n, u, 0, 1)

STEPS: list[Step] = [
    above("schedule", 1 - now, 1 - before, "noise grows", forward),
    below("schedule", now, alpha[t], "the other factors are at most 1", forward),
    below("schedule", alpha_bar[T], now, "t <= T", forward),
    above("schedule", earlier, now, "s < t", forward),
    above("schedule", sqrt(now), now, "a root of a number below 1", forward),
    above("schedule", 1 - now, beta[t], "the variance holds at least the last step's noise", forward),
    below("schedule", 1 - now, Sum(beta[s], (s, 1, t)), "Weierstrass: at most the sum of what is lost", forward),
    below("schedule", now, exp(-Sum(beta[s], (s, 1, t))), "1 - b <= exp(-b), factor by factor", forward),
    below("schedule", log(now), now - 1, "log r <= r - 1", forward),
    above("schedule", sqrt(1 - now), 1 - sqrt(now), "sin^2 + cos^2 = 1, and both are at most 1", forward),
    below("schedule", sqrt(now) + sqrt(1 - now), sqrt(2), "Cauchy", forward),
    below("schedule", beta[t] / (1 - now), Integer(1), "the last step's share of the noise", forward),
    below("schedule", sqrt(alpha[t]), 1 - beta[t] / 2, "a root lies below its tangent", forward),
    above("SNR", snr(s), snr(t), "the SNR decreases", forward),
    above("SNR", snr(t), now, "divided by less than 1", forward),
    below("SNR", Min(snr(t), 5) / snr(t), Integer(1), "a clamp from above", forward),
    below("SNR", snr(t) / (1 + snr(t)), Min(snr(t), 1), "each of both bounds it", forward),
    above("SNR", log(snr(s)) - log(snr(t)), log(earlier) - log(now), "the noise grows too", forward),
    above("posterior", beta[t], tilde, "x_0 tells something", forward),
    above("posterior", tilde, Integer(0), "a variance", forward),
    below("posterior", tilde, 1 - before, "x_t tells something", forward),
    below("posterior", tilde, beta[t] * (before * v + 1 - before) / marginal, "x_0 is not known", forward),
    below(
        "posterior",
        beta[t] * (before * v + 1 - before) / marginal,
        beta[t],
        "data narrower than the noise",
        assuming(v <= 1),
    ),
    below(
        "posterior", interpolated, eta * beta[t] + (1 - eta) * tilde, "the geometric mean is the smaller", interpolating
    ),
    below("posterior", interpolated, beta[t], "between the two variances", interpolating),
    above("posterior", interpolated, tilde, "between the two variances", interpolating),
    above(
        "posterior",
        sqrt(1 - before),
        sqrt(1 - before - sigma**2),
        "DDIM: noise is taken from the direction",
        assuming(sigma**2 <= 1 - before),
    ),
    above("data", marginal, Min(v, 1), "a weighted mean", forward),
    below("data", marginal, Max(v, 1), "a weighted mean", forward),
    below("data", v / (1 + v * snr(t)), v, "x_t does not mislead", forward),
    below("data", v / (1 + v * snr(t)), 1 / snr(t), "rescaling x_t is not the best guess", forward),
    above("divergence", kl(m, u, n, v), Integer(0), "Gibbs"),
    above("divergence", kl(m, u, n, v), kl(m, u, m, v), "a shift adds to it"),
    above("divergence", kl(0, u, z, v), log(1 + z**2 / u) / 2, "no variance is better than the best"),
    above("divergence", kl(m, u, n, v) + kl(n, v, m, u), (m - n) ** 2 / (2 * u), "Jeffreys: more than a half of it"),
    below(
        "divergence",
        kl(w * m + (1 - w) * n, u, 0, v),
        w * kl(m, u, 0, v) + (1 - w) * kl(n, u, 0, v),
        "convex in the mean",
        share,
    ),
    above("VAE", log_density(y, 0, evidence), elbo, "the evidence is above its bound"),
    below("VAE", Expectation(log_density(y, z, v), z, m, u), log_density(y, m, v), "the encoder's variance costs"),
    below("VAE", Max(kl(m, u, 0, 1), r), kl(m, u, 0, 1) + r, "free bits cost at most r"),
    below("densities", normal_density(y, m, v), 1 / sqrt(2 * pi * v), "the mode"),
    below("densities", log_density(y, m, v), -log(2 * pi * v) / 2, "the mode"),
    above(
        "densities", log_density(y, (m + n) / 2, v), (log_density(y, m, v) + log_density(y, n, v)) / 2, "log-concave"
    ),
    below("logarithm", log(u), u - 1, "the tangent at 1"),
    above("logarithm", log(u), 1 - 1 / u, "the tangent at 1, for 1/u"),
    below("logarithm", log(1 + u), u, "the tangent at 0"),
    above("logarithm", log((u + v) / 2), (log(u) + log(v)) / 2, "the logarithm is concave"),
    above("logarithm", log(exp(y) + exp(z)), Max(y, z), "one of the terms"),
    below("logarithm", log(exp(y) + exp(z)), Max(y, z) + log(2), "twice the larger term"),
    above("logarithm", log(1 + exp(y)), Max(y, 0), "softplus is above the rectifier"),
    above("logarithm", log(Sum(g(t), (t, 1, T)) / T), Sum(log(g(t)), (t, 1, T)) / T, "Jensen"),
    above("exponential", exp(y), 1 + y, "the tangent at 0"),
    below("exponential", 1 - exp(-u), Min(u, 1), "the tangent, and the limit"),
    below("exponential", tanh(u), u, "the tangent at 0"),
    below("exponential", 1 / (1 + exp(-y)) * (1 - 1 / (1 + exp(-y))), Rational(1, 4), "the sigmoid's steepest slope"),
    below("means", sqrt(u * v), (u + v) / 2, "arithmetic and geometric mean"),
    below("means", 2 / (1 / u + 1 / v), sqrt(u * v), "geometric and harmonic mean"),
    above("means", Expectation(exp(y), y, m, v), exp(m), "Jensen"),
    above("means", Expectation(y**4, y, m, v), Expectation(y**2, y, m, v) ** 2, "a variance is not negative"),
    above("means", Expectation(f(y) ** 2, y, m, v), Expectation(f(y), y, m, v) ** 2, "a variance is not negative"),
    below("means", Expectation(Abs(eps), eps), Integer(1), "Jensen: the root of the mean square"),
    above("means", Expectation((y - z) ** 2, y, m, v), v, "the mean is the best guess"),
    above(
        "means",
        Expectation((z - f(y)) ** 2, y),
        (z - Expectation(f(y), y)) ** 2,
        "only the bias is left",
    ),
    below("squares", (y + z) ** 2, 2 * y**2 + 2 * z**2, "the rest is (y - z)^2"),
    below("squares", y * z, r * y**2 / 2 + z**2 / (2 * r), "Young"),
    below("squares", (y + z) ** 2, (1 + r) * y**2 + (1 + 1 / r) * z**2, "Young, for a sum"),
    below("squares", Abs(y + z), Abs(y) + Abs(z), "the triangle inequality"),
    above("squares", Abs(y - z), Abs(Abs(y) - Abs(z)), "the triangle inequality, from below"),
    below("squares", sqrt(u + v), sqrt(u) + sqrt(v), "roots are subadditive"),
    below("squares", y * cos(b) + z * sin(b), sqrt(y**2 + z**2), "a projection is no longer than the point"),
    below("squares", w * (1 - w), Rational(1, 4), "largest in the middle"),
    below("squares", (w * y + (1 - w) * z) ** 2, w * y**2 + (1 - w) * z**2, "a square is convex", share),
    below(
        "sums",
        Sum(f(s) * h(s), (s, 1, t)) ** 2,
        Sum(f(s) ** 2, (s, 1, t)) * Sum(h(s) ** 2, (s, 1, t)),
        "Cauchy and Schwarz",
    ),
    above("sums", Sum(x[i] ** 2, (i, 1, d)), Sum(x[i], (i, 1, d)) ** 2 / d, "the variance over coordinates"),
    below("sums", Abs(Sum(f(s), (s, 1, t))), Sum(Abs(f(s)), (s, 1, t)), "the triangle inequality"),
    above("sums", Product(1 + g(s), (s, 1, t)), 1 + Sum(g(s), (s, 1, t)), "the other products are positive"),
    above("sums", (1 + u) ** t, 1 + t * u, "Bernoulli"),
    above("sums", Sum(1 / s, (s, 1, t)), log(t + 1), "the area below 1/s"),
    below("sums", Sum(1 / s**2, (s, 1, t)), 2 - 1 / t, "1/s^2 <= 1/(s - 1) - 1/s from s = 2"),
    above("sums", factorial(t), Integer(2) ** (t - 1), "all factors but the first are at least 2"),
    above("sums", Sum(loss[t] ** 2, (t, 1, T)), 2 * y * Sum(loss[t], (t, 1, T)) - T * y**2, "a sum of squares"),
    below("matrices", a * c - b**2, a * c, "Hadamard"),
    above("matrices", (a + c) ** 2, 4 * (a * c - b**2), "the eigenvalues of a symmetric matrix are real"),
    above("matrices", -log(1 - rho**2) / 2, rho**2 / 2, "information and correlation", assuming(rho > -1, rho < 1)),
]
