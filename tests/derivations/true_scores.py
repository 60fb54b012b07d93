"""True steps: scores, Tweedie, guidance and SDEs; derivatives and means of unknown functions."""

from sympy import (
    Derivative,
    Function,
    Integer,
    Subs,
    Sum,
    exp,
    log,
    pi,
    sqrt,
    symbols,
    tanh,
)

from mini_ddpm.symbolic import Expectation, T, alpha_bar, beta, eps, log_density, normal_density, s, snr, t, x

from .steps import Step, assuming, forward

y, z, m, n, w, theta = symbols("y z m n w theta", real=True)
u, v, r, c, tau = symbols("u v r c tau", positive=True)
f, h = Function("f", real=True), Function("h", real=True)
g, k = Function("g", positive=True), Function("k", positive=True)
unconditional, conditional = Function("epsilon_u", real=True), Function("epsilon_c", real=True)


def step(kind, before, after, reason, given=None):
    return Step(kind, before, after, reason) if given is None else Step(kind, before, after, reason, given=given)


a = alpha_bar[t]
jump = sqrt(a) * x[0] + sqrt(1 - a) * eps
bell, log_bell = normal_density(y, m, v), log_density(y, m, v)
left, right = normal_density(y, n, v), normal_density(y, m, v)
half = assuming(c < 1)
e_u, e_c = unconditional(x[t], t), conditional(x[t], t)
guided = e_u + w * (e_c - e_u)
marginal = a * v + 1 - a  # the variance of x_t, if x_0 has variance v


def log_slope(function, variable=y, order=1):
    return Derivative(log(function), (variable, order))


STEPS: list[Step] = [
    step("score", Derivative(log_bell, y), (m - y) / v, "a Gaussian pulls towards its mean"),
    step("score", Derivative(log_bell, (y, 2)), -1 / v, "minus the precision"),
    step("score", Derivative(bell, y), -(y - m) / v * bell, "the density times its score"),
    step("score", Derivative(log_bell, m), (y - m) / v, "the slope in the mean"),
    step("score", Derivative(log_bell, v), ((y - m) ** 2 / v - 1) / (2 * v), "the slope in the variance"),
    step("score", Derivative(bell, v), Derivative(bell, (y, 2)) / 2, "the heat equation"),
    step("score", Expectation(Derivative(log_bell, y), y, m, v), Integer(0), "the mean of a score is 0"),
    step("score", Expectation(Derivative(log_bell, y) ** 2, y, m, v), 1 / v, "Fisher's information"),
    step(
        "score",
        Expectation(Derivative(log_bell, v) ** 2, y, m, v),
        1 / (2 * v**2),
        "Fisher's information on the variance",
    ),
    step(
        "score",
        Expectation(Derivative(log_bell, y) ** 2 + 2 * Derivative(log_bell, (y, 2)), y, m, v),
        -1 / v,
        "Hyvarinen's loss of the true score",
    ),
    step(
        "score",
        Derivative(log_density(y, sqrt(a) * x[0], 1 - a), y),
        -(y - sqrt(a) * x[0]) / (1 - a),
        "the score of x_t given x_0",
        given=forward,
    ),
    step(
        "score",
        Expectation((-eps / sqrt(1 - a) - f(jump)) ** 2, eps),
        1 / (1 - a) + 2 * Expectation(eps * f(jump), eps) / sqrt(1 - a) + Expectation(f(jump) ** 2, eps),
        "the denoising loss, its square multiplied out",
        given=forward,
    ),
    step(
        "score",
        Derivative(log(c * right + (1 - c) * left), y),
        (c * right * (m - y) + (1 - c) * left * (n - y)) / (v * (c * right + (1 - c) * left)),
        "a mixture's score is the mean of scores",
        given=half,
    ),
    step(
        "score",
        Derivative(log(normal_density(y, m, v) + normal_density(y, -m, v)), y),
        (m * tanh(m * y / v) - y) / v,
        "two equal Gaussians around 0",
    ),
    step(
        "Tweedie",
        y + v * Derivative(log_density(y, m, u + v), y),
        (u * y + v * m) / (u + v),
        "the mean of the data N(m, u) given the data with noise v",
    ),
    step(
        "Tweedie",
        v + v**2 * Derivative(log_density(y, m, u + v), (y, 2)),
        u * v / (u + v),
        "Tweedie's variance",
    ),
    step(
        "Tweedie",
        (y + (1 - a) * Derivative(log_density(y, 0, marginal), y)) / sqrt(a),
        sqrt(a) * v * y / marginal,
        "the mean of x_0 given x_t",
        given=forward,
    ),
    step(
        "Tweedie",
        -sqrt(1 - a) * Derivative(log_density(y, 0, marginal), y),
        sqrt(1 - a) * y / marginal,
        "the best prediction of the noise",
        given=forward,
    ),
    step("Tweedie", v - a * v**2 / marginal, v / (1 + v * snr(t)), "what remains unknown of x_0", given=forward),
    step(
        "Tweedie", Derivative(log(1 + u * v) / 2, u), v / (1 + u * v) / 2, "information and least error, by the SNR u"
    ),
    step("Tweedie", y + v * log_slope(g(y)), (y * g(y) + v * Derivative(g(y), y)) / g(y), "over a common denominator"),
    step(
        "Tweedie",
        1 + v * log_slope(g(y), y, 2),
        1 + v * Derivative(g(y), (y, 2)) / g(y) - v * (Derivative(g(y), y) / g(y)) ** 2,
        "the derivative of the denoiser",
    ),
    step("unknown functions", log_slope(g(y)), Derivative(g(y), y) / g(y), "the derivative of a logarithm"),
    step("unknown functions", log_slope(g(y) * k(y)), log_slope(g(y)) + log_slope(k(y)), "scores of a product add"),
    step(
        "unknown functions",
        Derivative((z - f(y)) ** 2, y),
        -2 * (z - f(y)) * Derivative(f(y), y),
        "the chain rule",
    ),
    step(
        "unknown functions",
        Derivative(log(g(r * y)), y),
        r * Subs(Derivative(g(z), z), z, r * y) / g(r * y),
        "the chain rule, in other units",
    ),
    step("unknown functions", (f(y) - h(y)) ** 2 - (f(y) - z) ** 2, (h(y) - z) * (h(y) + z - 2 * f(y)), "two squares"),
    step(
        "unknown functions",
        g(y) * f(y) * log_slope(g(y)),
        Derivative(f(y) * g(y), y) - g(y) * Derivative(f(y), y),
        "the step of implicit score matching before integrating by parts",
    ),
    step(
        "unknown functions",
        Derivative(g(y) ** w, y),
        w * g(y) ** w * log_slope(g(y)),
        "a power's derivative by the score",
    ),
    step(
        "unknown functions",
        Derivative(exp(-f(y)), (y, 2)),
        (Derivative(f(y), y) ** 2 - Derivative(f(y), (y, 2))) * exp(-f(y)),
        "an energy's density, differentiated twice",
    ),
    step("unknown functions", Sum(Derivative(y**2 * f(s), y), (s, 1, T)), 2 * y * Sum(f(s), (s, 1, T)), "term by term"),
    step(
        "SDE",
        -Derivative(f(y) * g(y), y) + v / 2 * Derivative(g(y), (y, 2)),
        -Derivative((f(y) - v / 2 * log_slope(g(y))) * g(y), y),
        "the probability flow has the same densities",
    ),
    step(
        "SDE",
        Derivative(exp(-g(tau) / 2) * y, tau),
        -Derivative(g(tau), tau) / 2 * (exp(-g(tau) / 2) * y),
        "the drift of the mean",
    ),
    step(
        "SDE",
        Derivative(1 - exp(-g(tau)), tau),
        Derivative(g(tau), tau) * (1 - (1 - exp(-g(tau)))),
        "the variance grows towards 1",
    ),
    step(
        "SDE",
        Expectation(Expectation((y - u / (2 * v) * y + sqrt(u) * z) ** 2, z), y, 0, v),
        v + u**2 / (4 * v),
        "a step of Langevin's dynamics keeps the variance up to the square of its length",
    ),
    step(
        "SDE",
        -y / 2 - Derivative(log_density(y, 0, 1), y),
        y / 2,
        "the reverse drift at the end, where x is noise",
    ),
    step(
        "SDE",
        Derivative(normal_density(y, 0, 1 - exp(-tau)), tau),
        Derivative(y * normal_density(y, 0, 1 - exp(-tau)), y) / 2
        + Derivative(normal_density(y, 0, 1 - exp(-tau)), (y, 2)) / 2,
        "the noise's density solves Fokker and Planck's equation",
    ),
    step("guidance", guided, (1 - w) * e_u + w * e_c, "collect the predictions"),
    step("guidance", (1 + w) * e_c - w * e_u, e_c + w * (e_c - e_u), "the paper's form: away from the unconditional"),
    step(
        "guidance",
        (x[t] - sqrt(1 - a) * guided) / sqrt(a),
        (1 - w) * (x[t] - sqrt(1 - a) * e_u) / sqrt(a) + w * (x[t] - sqrt(1 - a) * e_c) / sqrt(a),
        "guiding x_0 is guiding the noise: the weights sum to 1",
        given=forward,
    ),
    step(
        "guidance",
        -sqrt(1 - a) * (log_slope(g(y)) + w * log_slope(k(y))),
        -sqrt(1 - a) * Derivative(log(g(y) * k(y) ** w), y),
        "the score of a density sharpened by a classifier",
        given=forward,
    ),
    step("guidance", log(k(y) ** (1 + w) / g(y) ** w), (1 + w) * log(k(y)) - w * log(g(y)), "logarithms of powers"),
    step(
        "guidance",
        log_slope(g(y) * k(y) / u) - log_slope(g(y)),
        log_slope(k(y)),
        "Bayes: the classifier's score; the evidence u does not depend on y",
    ),
    step("guidance", log(g(y) / (g(y) + k(y))), -log(1 + k(y) / g(y)), "a classifier of two classes"),
    step(
        "guidance",
        log_slope(g(y) / (g(y) + k(y))),
        k(y) / (g(y) + k(y)) * (log_slope(g(y)) - log_slope(k(y))),
        "the slope of a classifier of two classes",
    ),
    step(
        "guidance",
        bell * exp(w * z * y),
        normal_density(y, m + w * z * v, v) * exp(w * z * m + w**2 * z**2 * v / 2),
        "a Gaussian, tilted",
    ),
    step(
        "guidance",
        Derivative((1 - w) * log_density(y, n, v) + w * log_density(y, m, v), y),
        ((1 - w) * n + w * m - y) / v,
        "guided Gaussians: the mean is moved along the line",
    ),
    step(
        "guidance",
        c * log_bell - log_density(y, m, v / c),
        (log(v / c) - c * log(v) + (1 - c) * log(2 * pi)) / 2,
        "a Gaussian at the temperature 1/c: only the normalisation differs",
    ),
    step(
        "means of unknown functions",
        Expectation(f(y) + 2 * z * h(y), y),
        Expectation(f(y), y) + 2 * z * Expectation(h(y), y),
        "a mean is linear",
    ),
    step(
        "means of unknown functions",
        Expectation((z - f(y)) ** 2, y, m, v),
        (z - Expectation(f(y), y, m, v)) ** 2 + Expectation(f(y) ** 2, y, m, v) - Expectation(f(y), y, m, v) ** 2,
        "bias and variance",
    ),
    step(
        "means of unknown functions",
        Expectation((f(y) - Expectation(f(z), z)) ** 2, y),
        Expectation(f(y) ** 2, y) - Expectation(f(y), y) ** 2,
        "the variance; the name of a bound variable does not matter",
    ),
    step(
        "means of unknown functions",
        Expectation(Expectation(f(y) * h(z), y), z),
        Expectation(f(y), y) * Expectation(h(y), y),
        "independent: the mean of a product",
    ),
    step(
        "means of unknown functions",
        Expectation(Expectation(f(y) * z**2 + h(y), z, y, v), y),
        Expectation(f(y) * (y**2 + v) + h(y), y),
        "the inner mean first",
    ),
    step(
        "means of unknown functions",
        Expectation(f(y), y, m, v),
        Expectation(f(m + sqrt(v) * eps), eps),
        "the reparameterisation",
    ),
    step("means of unknown functions", Expectation(f(-eps), eps), Expectation(f(eps), eps), "noise is symmetric"),
    step(
        "means of unknown functions",
        Expectation(Sum((z - f(s) * y) ** 2, (s, 1, T)), y),
        T * z**2 + Sum(f(s) ** 2, (s, 1, T)),
        "the mean of a sum of squares",
    ),
    step(
        "means of unknown functions",
        Expectation((eps - f(jump)) ** 2, eps),
        1 - 2 * Expectation(eps * f(jump), eps) + Expectation(f(jump) ** 2, eps),
        "the simple loss, its square multiplied out",
        given=forward,
    ),
    step(
        "means of unknown functions",
        Sum(Expectation(beta[t] * (eps - f(jump)) ** 2, eps), (t, 1, T)),
        Sum(beta[t] * Expectation((eps - f(jump)) ** 2, eps), (t, 1, T)),
        "a factor without noise leaves the mean",
        given=forward,
    ),
    step(
        "derivatives of means",
        Derivative(Expectation((z - f(y)) ** 2, y), z),
        2 * (z - Expectation(f(y), y)),
        "the slope is zero at the mean",
    ),
    step(
        "derivatives of means",
        Derivative(Expectation(y**2, y, m, v), m),
        Expectation(y**2 * (y - m) / v, y, m, v),
        "the log-derivative trick",
    ),
    step(
        "derivatives of means",
        Derivative(Expectation(y**3, y, m, v), m),
        Expectation(3 * y**2, y, m, v),
        "the reparameterised gradient",
    ),
    step(
        "derivatives of means",
        Derivative(Expectation(y**4, y, m, v), v),
        Expectation(12 * y**2, y, m, v) / 2,
        "Price: the slope in the variance is half the mean of the second derivative",
    ),
    step(
        "derivatives of means",
        Derivative(Expectation(Expectation((z - theta * (sqrt(a) * y + sqrt(1 - a) * z)) ** 2, z), y, 0, v), theta),
        2 * theta * marginal - 2 * sqrt(1 - a),
        "a linear network's gradient",
        given=forward,
    ),
    step(
        "derivatives of means",
        Expectation(Expectation((y - sqrt(a) * v / marginal * (sqrt(a) * y + sqrt(1 - a) * z)) ** 2, z), y, 0, v),
        v * (1 - a) / marginal,
        "the error of the best linear denoiser",
        given=forward,
    ),
    step(
        "derivatives of means",
        Derivative(Expectation(exp(theta * y), y, m, v), theta),
        (m + theta * v) * exp(theta * m + theta**2 * v / 2),
        "the slope of the moment generating function",
    ),
]
