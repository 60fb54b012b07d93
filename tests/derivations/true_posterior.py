"""True steps: the forward process's posterior, DDIM, and Improved DDPM's variances and losses."""

from sympy import (
    Derivative,
    Function,
    IndexedBase,
    Integer,
    Product,
    Sum,
    exp,
    log,
    sqrt,
    symbols,
)

from mini_ddpm.symbolic import (
    Expectation,
    T,
    Theory,
    alpha,
    alpha_bar,
    beta,
    eps,
    forward_process,
    kl,
    log_density,
    normal_density,
    s,
    snr,
    t,
    x,
)

from .steps import Step, assuming, forward

y, z, e, e_hat, x_hat, delta = symbols("y z e e_hat x_hat delta", real=True)
eta, sigma, lam = symbols("eta sigma lambda", nonnegative=True)
rho = symbols("rho", real=True)
large, small, v = symbols("B b v", positive=True)
f, simple, bound = (Function(name, real=True) for name in ("f", "L_simple", "L_vlb"))
weight, chance = IndexedBase("w", positive=True), IndexedBase("p", positive=True)


def jump():
    """x_t is the jump from x_0."""
    theory = forward_process()
    theory.define(x[t], sqrt(alpha_bar[t]) * x[0] + sqrt(1 - alpha_bar[t]) * eps)
    return theory, ()


def drawn():
    """Times are drawn with chances proportional to w."""
    theory = Theory()
    theory.define(chance[t], weight[t] / Sum(weight[s], (s, 1, T)))
    return theory, ()


def step(kind, before, after, reason, given=forward):
    return Step(kind, before, after, reason, given=given)


a, a_before, a_s = alpha_bar[t], alpha_bar[t - 1], alpha_bar[s]
tilde = (1 - a_before) / (1 - a) * beta[t]
of_x_0, of_x_t = sqrt(a_before) * beta[t] / (1 - a), sqrt(alpha[t]) * (1 - a_before) / (1 - a)
mean = of_x_t * x[t] + of_x_0 * x[0]
x_0_of_e = (x[t] - sqrt(1 - a) * e) / sqrt(a)
e_of_x_0 = (x[t] - sqrt(a) * x[0]) / sqrt(1 - a)
at_t, before_t = (sqrt(a) * x[0], 1 - a), (sqrt(a_before) * x[0], 1 - a_before)
pointing = sqrt(1 - a_before - sigma**2)
skipped = (1 - a_s) / (1 - a) * (1 - a / a_s)  # the posterior's variance from t back to s
real_sigma = assuming(sigma**2 <= 1 - a_before)
from_2 = assuming(t >= 2)

STEPS: list[Step] = [
    step("posterior", alpha[t] / beta[t] + 1 / (1 - a_before), (1 - a) / (beta[t] * (1 - a_before)), "precisions add"),
    step("posterior", 1 / (alpha[t] / beta[t] + 1 / (1 - a_before)), tilde, "the inverse of the precision"),
    step(
        "posterior",
        (sqrt(alpha[t]) * x[t] / beta[t] + sqrt(a_before) * x[0] / (1 - a_before)) * tilde,
        mean,
        "the linear term of the exponent times the variance",
    ),
    step(
        "posterior",
        of_x_t * x[t] + of_x_0 * x_0_of_e,
        (x[t] - beta[t] / sqrt(1 - a) * e) / sqrt(alpha[t]),
        "the mean, with x_0 expressed by the noise",
    ),
    step("posterior", of_x_t + of_x_0 / sqrt(a), 1 / sqrt(alpha[t]), "the factor of x_t"),
    step("posterior", of_x_t * sqrt(a) + of_x_0, sqrt(a_before), "without noise the mean is the mean at t - 1"),
    step("posterior", of_x_t**2 * (1 - a) + tilde, 1 - a_before, "the variance of the mean, and around it"),
    step(
        "posterior",
        -((x[t] - sqrt(alpha[t]) * y) ** 2) / (2 * beta[t])
        - (y - sqrt(a_before) * x[0]) ** 2 / (2 * (1 - a_before))
        + (x[t] - sqrt(a) * x[0]) ** 2 / (2 * (1 - a)),
        -((y - mean) ** 2) / (2 * tilde),
        "completing the square in y = x_(t-1), nothing is left over",
    ),
    step(
        "posterior",
        log_density(x[t], sqrt(alpha[t]) * y, beta[t]) + log_density(y, *before_t) - log_density(x[t], *at_t),
        log_density(y, mean, tilde),
        "Bayes, in logarithms",
    ),
    step(
        "posterior",
        normal_density(x[t], sqrt(alpha[t]) * y, beta[t]) * normal_density(y, *before_t) / normal_density(x[t], *at_t),
        normal_density(y, mean, tilde),
        "Bayes",
    ),
    step(
        "posterior",
        Expectation(normal_density(x[t], sqrt(alpha[t]) * y, beta[t]), y, *before_t),
        normal_density(x[t], *at_t),
        "one step after t - 1 steps: a Gaussian of Gaussian means",
        given=from_2,
    ),
    step("posterior", beta[t] - tilde, a_before * beta[t] ** 2 / (1 - a), "the part of the variance that x_0 explains"),
    step("posterior", log(tilde / beta[t]), log(1 - a_before) - log(1 - a), "beta cancels", given=from_2),
    step("posterior", tilde.subs(t, 1), Integer(0), "alpha_bar_0 = 1: no noise is left in the last step"),
    step("posterior", mean.subs(t, 1), x[0], "alpha_bar_0 = 1: the last step ends at x_0"),
    step(
        "posterior",
        Product((1 - alpha_bar[s - 1]) / (1 - alpha_bar[s]), (s, 2, t)),
        beta[1] / (1 - a),
        "the ratios of beta_tilde to beta telescope",
    ),
    step(
        "posterior",
        Sum(log((1 - a) / (1 - a_before)), (t, 2, T)),
        log(1 - alpha_bar[T]) - log(beta[1]),
        "the logarithms of beta / beta_tilde telescope",
    ),
    step(
        "posterior",
        (x[t] - beta[t] / sqrt(1 - a) * e) / sqrt(alpha[t]) - (x[t] - beta[t] / sqrt(1 - a) * e_hat) / sqrt(alpha[t]),
        beta[t] * (e_hat - e) / (sqrt(alpha[t]) * sqrt(1 - a)),
        "two means differ by their noises",
    ),
    step(
        "posterior",
        (x[t] - beta[t] * (x[t] - sqrt(a) * x[0]) / (1 - a)) / sqrt(alpha[t]),
        mean,
        "the mean by the score of x_t given x_0",
    ),
    step(
        "posterior",
        of_x_t * x[t] + of_x_0 * (sqrt(a) * x[t] - sqrt(1 - a) * v),
        sqrt(alpha[t]) * x[t] - sqrt(a_before) * beta[t] / sqrt(1 - a) * v,
        "the mean by v: x_t is only scaled by sqrt(alpha)",
    ),
    step(
        "posterior",
        Expectation((of_x_t * y + of_x_0 * x[0] - sqrt(a_before) * x[0]) ** 2, y, *at_t),
        1 - a_before - tilde,
        "the posterior's mean spreads by what its variance leaves",
    ),
    step("posterior", 1 / skipped, 1 / (1 - a_s) + a / a_s / (1 - a / a_s), "precisions add, from t back to s"),
    step(
        "posterior",
        tilde + of_x_0**2 * v * (1 - a) / (a * v + 1 - a),
        beta[t] * (a_before * v + 1 - a_before) / (a * v + 1 - a),
        "total variance, when x_0 has variance v",
    ),
    step(
        "loss weights",
        kl(mean, tilde, of_x_t * x[t] + of_x_0 * x_hat, tilde),
        a_before * beta[t] ** 2 / (2 * tilde * (1 - a) ** 2) * (x[0] - x_hat) ** 2,
        "equal variances: half the squared distance over the variance",
    ),
    step(
        "loss weights",
        a_before * beta[t] ** 2 / (tilde * (1 - a) ** 2),
        snr(t - 1) - snr(t),
        "the weight of x_0's error is what the SNR loses",
    ),
    step(
        "loss weights",
        beta[t] ** 2 / (tilde * alpha[t] * (1 - a)),
        snr(t - 1) / snr(t) - 1,
        "the weight of the noise's error",
    ),
    step(
        "loss weights",
        kl(
            (x[t] - beta[t] / sqrt(1 - a) * e) / sqrt(alpha[t]),
            v,
            (x[t] - beta[t] / sqrt(1 - a) * e_hat) / sqrt(alpha[t]),
            v,
        ),
        beta[t] ** 2 * (e - e_hat) ** 2 / (2 * v * alpha[t] * (1 - a)),
        "DDPM's weighted loss, for any variance v",
    ),
    step(
        "loss weights",
        a_s * (1 - a / a_s) ** 2 / ((1 - a) ** 2 * skipped),
        snr(s) - snr(t),
        "the weight of a step from t back to s",
    ),
    step(
        "DDIM",
        Expectation(sqrt(a_before) * x[0] + pointing * (y - sqrt(a) * x[0]) / sqrt(1 - a), y, *at_t),
        sqrt(a_before) * x[0],
        "the mean at t - 1, whatever sigma is",
        given=real_sigma,
    ),
    step(
        "DDIM",
        Expectation(
            Expectation(
                (sqrt(a_before) * x[0] + pointing * (y - sqrt(a) * x[0]) / sqrt(1 - a) + sigma * eps) ** 2, eps
            ),
            y,
            *at_t,
        ),
        a_before * x[0] ** 2 + 1 - a_before,
        "the marginal at t - 1, whatever sigma is",
        given=real_sigma,
    ),
    step(
        "DDIM",
        sqrt(1 - a_before - tilde),
        sqrt(alpha[t]) * (1 - a_before) / sqrt(1 - a),
        "eta = 1: sigma^2 = beta_tilde",
    ),
    step(
        "DDIM",
        sqrt(a_before) * x[0] + sqrt(1 - a_before - tilde) * e_of_x_0,
        mean,
        "at eta = 1 DDIM's mean is the posterior's",
    ),
    step(
        "DDIM",
        (eta * sqrt((1 - a_before) / (1 - a)) * sqrt(1 - a / a_before)) ** 2,
        eta**2 * tilde,
        "DDIM's sigma is eta times the root of beta_tilde",
    ),
    step(
        "DDIM",
        1 - a_before - eta**2 * tilde,
        (1 - a_before) * (1 - a - eta**2 * beta[t]) / (1 - a),
        "what is left for the direction to x_t",
    ),
    step(
        "DDIM",
        sqrt(a_before) * x_0_of_e + sqrt(1 - a_before) * e,
        x[t] / sqrt(alpha[t]) + (sqrt(1 - a_before) - sqrt(1 - a) / sqrt(alpha[t])) * e,
        "the deterministic step, sorted by x_t and noise",
    ),
    step(
        "DDIM",
        (sqrt(a_s) * x_0_of_e + sqrt(1 - a_s) * e) / sqrt(a_s),
        x[t] / sqrt(a) + (1 / sqrt(snr(s)) - 1 / sqrt(snr(t))) * e,
        "in the coordinates x / sqrt(alpha_bar) it is Euler's step",
    ),
    step(
        "DDIM",
        sqrt(a_s / a) * x[t] - sqrt(1 - a_s) * (exp(log(snr(s)) / 2 - log(snr(t)) / 2) - 1) * e,
        sqrt(a_s) * x_0_of_e + sqrt(1 - a_s) * e,
        "DPM-Solver's first order, by noise, is DDIM",
    ),
    step(
        "DDIM",
        sqrt(1 - a_s) / sqrt(1 - a) * x[t] - sqrt(a_s) * (exp(log(snr(t)) / 2 - log(snr(s)) / 2) - 1) * x[0],
        sqrt(a_s) * x[0] + sqrt(1 - a_s) * e_of_x_0,
        "DPM-Solver's first order, by x_0, is DDIM",
    ),
    step(
        "DDIM",
        sqrt(a_before) * (x[t] - sqrt(1 - a) * eps) / sqrt(a) + sqrt(1 - a_before) * eps,
        x[t - 1],
        "with the true noise, the step ends on the jump to t - 1",
        given=jump,
    ),
    step("jump", (x[t] - sqrt(1 - a) * eps) / sqrt(a), x[0], "the jump solved for x_0", given=jump),
    step("jump", (x[t] - sqrt(a) * x[0]) / sqrt(1 - a), eps, "the jump solved for the noise", given=jump),
    step("jump", -eps / sqrt(1 - a), (sqrt(a) * x[0] - x[t]) / (1 - a), "the score by the noise", given=jump),
    step("jump", x[t] / sqrt(a), x[0] + eps / sqrt(snr(t)), "in units of the signal", given=jump),
    step("jump", Expectation(x[t] * eps, eps), sqrt(1 - a), "x_t's correlation with the noise", given=jump),
    step(
        "jump",
        Expectation((x[t] - y) ** 2, eps),
        (sqrt(a) * x[0] - y) ** 2 + 1 - a,
        "the bias squared and the variance",
        given=jump,
    ),
    step(
        "jump",
        sqrt(a) * eps - sqrt(1 - a) * x[0],
        (sqrt(a) * x[t] - x[0]) / sqrt(1 - a),
        "v by x_t and x_0",
        given=jump,
    ),
    step(
        "Improved DDPM",
        exp(eta * log(beta[t]) + (1 - eta) * log(tilde)),
        beta[t] ** eta * tilde ** (1 - eta),
        "geometric interpolation: sums of logarithms are products of powers",
        given=assuming(t >= 2, eta <= 1),
    ),
    step(
        "Improved DDPM",
        exp((1 + rho) / 2 * log(beta[t]) + (1 - rho) / 2 * log(tilde)),
        sqrt(beta[t] * tilde) * (beta[t] / tilde) ** (rho / 2),
        "around the geometric mean; the network's output is rho in (-1, 1)",
        given=assuming(t >= 2, rho > -1, rho < 1),
    ),
    step(
        "Improved DDPM",
        eta * log(beta[t]) + (1 - eta) * log(tilde),
        log(beta[t]) + (1 - eta) * (log(1 - a_before) - log(1 - a)),
        "beta is common to both",
        given=from_2,
    ),
    step(
        "Improved DDPM",
        Derivative(exp(eta * log(large) + (1 - eta) * log(small)), eta),
        log(large / small) * large**eta * small ** (1 - eta),
        "the exponent's derivative times the power",
    ),
    step(
        "Improved DDPM",
        kl(z, small, y, large**eta * small ** (1 - eta)),
        (eta * log(large / small) + (1 + (z - y) ** 2 / small) * (small / large) ** eta - 1) / 2,
        "the divergence under an interpolated variance",
    ),
    step(
        "Improved DDPM",
        Derivative(kl(delta, small, 0, exp(y)), y),
        (1 - (small + delta**2) * exp(-y)) / 2,
        "the slope in the logarithm of the variance",
    ),
    step(
        "Improved DDPM",
        Sum((simple(t) + lam * bound(t)) / T, (t, 1, T)),
        Sum(simple(t), (t, 1, T)) / T + lam * Sum(bound(t), (t, 1, T)) / T,
        "the hybrid loss, averaged over the times",
    ),
    step("Improved DDPM", Sum(chance[t], (t, 1, T)), Integer(1), "chances sum to 1", given=drawn),
    step(
        "Improved DDPM",
        Sum(weight[t] ** 2 / chance[t], (t, 1, T)),
        Sum(weight[t], (t, 1, T)) ** 2,
        "the mean square under the best chances",
        given=drawn,
    ),
    step(
        "Improved DDPM",
        Sum(chance[t] * (f(t) / chance[t] - Sum(f(s), (s, 1, T))) ** 2, (t, 1, T)),
        Sum(f(t) ** 2 / chance[t], (t, 1, T)) - Sum(f(s), (s, 1, T)) ** 2,
        "the variance of an importance-sampled sum",
        given=drawn,
    ),
]
