"""Hints name the mistake, on slips that people make; `test_hint_shares` measures how many do."""

import pytest
from sympy import Abs, Derivative, Function, Integer, Product, Rational, Sum, exp, log, sqrt, symbols

from mini_ddpm.symbolic import (
    KL,
    ChainTheory,
    E_q,
    Expectation,
    T,
    Theory,
    WrongStep,
    alpha,
    alpha_bar,
    beta,
    eps,
    forward_process,
    hints,
    p,
    q,
    s,
    snr,
    t,
    x,
)
from mini_ddpm.symbolic.chains import Path

y, m, z, w = symbols("y m z w", real=True)
u, v = symbols("u v", positive=True)
n, k = symbols("n k", integer=True, positive=True)
f = Function("f", real=True)
FORWARD, CHAINS, PLAIN = forward_process(), ChainTheory(), Theory()

VARIANCE = alpha[t] * (1 - alpha_bar[t - 1]) + beta[t]
BETA_TILDE = beta[t] * (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t])
MEAN = (sqrt(alpha_bar[t - 1]) * beta[t] * x[0] + sqrt(alpha[t]) * (1 - alpha_bar[t - 1]) * x[t]) / (1 - alpha_bar[t])
JUMP = sqrt(alpha_bar[t]) * x[0] + sqrt(1 - alpha_bar[t]) * eps
STEP = (x[t] - beta[t] / sqrt(1 - alpha_bar[t]) * eps) / sqrt(alpha[t])
GAUSS = log(v / u) / 2 - Rational(1, 2) + (u + (m - y) ** 2) / (2 * v)
LOSS = E_q(log(q(x[t - 1], x[t], x[0]) / p(x[t - 1], x[t])))
PATH = q(Path(1, T), x[0])

SLIPS = [  # theory, line before, wrong line, what its hint must have
    (FORWARD, VARIANCE, alpha_bar[t] - 1, "a sign"),
    (FORWARD, VARIANCE, alpha[t] * (1 - alpha_bar[t - 1]) - beta[t], "the sign of -beta[t]"),
    (FORWARD, VARIANCE, alpha[t] * (1 - alpha_bar[t - 1]) + 2 * beta[t], "factor 1/2 is missing in 2*beta[t]"),
    (FORWARD, VARIANCE, alpha[t] * (1 - alpha_bar[t - 1]) + beta[t] / 2, "factor 2 is missing in beta[t]/2"),
    (FORWARD, VARIANCE, alpha[t] * (1 - alpha_bar[t - 1]) + beta[t] ** 2, "power of beta[t]"),
    (FORWARD, VARIANCE, alpha[t] * (1 - alpha_bar[t - 1]) + sqrt(beta[t]), "power of beta[t]"),
    (FORWARD, VARIANCE, sqrt(alpha[t]) * (1 - alpha_bar[t - 1]) + beta[t], "power of alpha[t]"),
    (FORWARD, VARIANCE, alpha[t] * (1 - alpha_bar[t]) + beta[t], "index of alpha_bar[t]: alpha_bar[t - 1]"),
    (FORWARD, VARIANCE, alpha[t] * (1 - alpha_bar[t - 1]) + beta[t - 1], "index of beta[t - 1]: beta[t]"),
    (FORWARD, VARIANCE, alpha[t] * (1 - alpha[t - 1]) + beta[t], "alpha[t - 1]: alpha_bar[t - 1]"),
    (FORWARD, VARIANCE, alpha[t] * (1 - alpha_bar[t - 1]) + alpha[t], "alpha[t]: beta[t]"),
    (FORWARD, VARIANCE, alpha[t] * alpha_bar[t - 1] + beta[t], "1 - alpha_bar[t - 1] makes"),
    (FORWARD, VARIANCE, alpha[t] * (1 - alpha_bar[t - 1]), "term beta[t] is missing"),
    (FORWARD, VARIANCE, 1 - alpha_bar[t - 1] + beta[t], "factor alpha[t] is missing in 1 - alpha_bar[t - 1]"),
    (FORWARD, VARIANCE, 1 - alpha_bar[t] + eps, "term epsilon: without it"),
    (FORWARD, VARIANCE, 1 - Product(alpha[s], (s, 2, t)), "limits of the product: from 1 to t"),
    (FORWARD, VARIANCE, 1 - Product(alpha[s], (s, 1, t - 1)), "limits of the product: from 1 to t"),
    (FORWARD, VARIANCE, 1 - Sum(alpha[s], (s, 1, t)), "Product(alpha[s], (s, 1, t)) makes"),
    (FORWARD, VARIANCE, 1 - Product(beta[s], (s, 1, t)), "beta[s]: alpha[s]"),
    (FORWARD, BETA_TILDE, beta[t] * (1 - alpha_bar[t]) / (1 - alpha_bar[t - 1]), "swapped"),
    (FORWARD, BETA_TILDE, (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t]), "factor beta[t] is missing"),
    (FORWARD, BETA_TILDE, beta[t] * (1 - alpha_bar[t - 1]), "factor 1/(1 - alpha_bar[t]) is missing"),
    (FORWARD, snr(t), (1 - alpha_bar[t]) / alpha_bar[t], "upside down"),
    (FORWARD, snr(t), alpha_bar[t] / (1 - alpha_bar[t - 1]), "index of alpha_bar[t - 1]"),
    (FORWARD, snr(t), alpha_bar[t], "factor 1/(1 - alpha_bar[t]) is missing"),
    (FORWARD, MEAN, MEAN.xreplace({beta[t]: Integer(1)}), "factor beta[t] is missing in sqrt(alpha_bar[t - 1])*x[0]"),
    (FORWARD, MEAN, MEAN.xreplace({x[0]: x[t], x[t]: x[0]}), "x[0] and x[t] are swapped"),
    (FORWARD, JUMP**2, alpha_bar[t] * x[0] ** 2 + (1 - alpha_bar[t]) * eps**2, "term 2*epsilon*sqrt(1 - alpha_bar[t])"),
    (FORWARD, STEP, (x[t] - beta[t] / (1 - alpha_bar[t]) * eps) / sqrt(alpha[t]), "power of 1 - alpha_bar[t]"),
    (FORWARD, STEP, (x[t] + beta[t] / sqrt(1 - alpha_bar[t]) * eps) / sqrt(alpha[t]), "the sign of epsilon*beta[t]"),
    (FORWARD, STEP, (x[t] - eps / sqrt(1 - alpha_bar[t])) / sqrt(alpha[t]), "factor beta[t] is missing in -epsilon"),
    (FORWARD, STEP, (x[t] - beta[t] / sqrt(1 - alpha_bar[t]) * eps) / alpha[t], "power of alpha[t]: 1/sqrt(alpha[t])"),
    (PLAIN, GAUSS, GAUSS + Rational(1, 2), "term -1/2 is missing"),
    (PLAIN, GAUSS, 2 * GAUSS, "factor 1/2 is missing"),
    (PLAIN, GAUSS, GAUSS - log(v / u), "the sign of"),
    (PLAIN, GAUSS, GAUSS.xreplace({2 * v: 2 * u, 1 / v: 1 / u}), "v makes"),
    (PLAIN, GAUSS, log(v / u) / 2 - Rational(1, 2) + (sqrt(u) + (m - y) ** 2) / (2 * v), "power of u"),
    (PLAIN, GAUSS, log(v / u) / 2 - Rational(1, 2) + (m - y) ** 2 / (2 * v), "term u is missing in (m - y)**2"),
    (PLAIN, GAUSS, v / u / 2 - Rational(1, 2) + (u + (m - y) ** 2) / (2 * v), "log(v/u)/2 makes"),
    (PLAIN, Expectation(y**2, y, m, u), m**2 + u**2, "power of u"),
    (PLAIN, Expectation(y**2, y, m, u), u, "term m**2 is missing"),
    (PLAIN, Expectation(y**2, y, m, u), Expectation((m + u * z) ** 2, z, 0, 1), "root of u"),
    (PLAIN, Expectation(y**4, y, 0, u), u**2, "here / before = 1/3"),
    (PLAIN, Derivative(f(y) ** 2, y), 2 * f(y), "factor Derivative(f(y), y) is missing"),
    (PLAIN, Derivative(exp(f(y)), y), exp(f(y)), "factor Derivative(f(y), y) is missing"),
    (PLAIN, Derivative(log(1 + y**2), y), 1 / (1 + y**2), "factor 2*y is missing"),
    (PLAIN, Sum(k, (k, 1, n)), n * (n + 1), "factor 1/2 is missing"),
    (PLAIN, log(u * v), log(u) - log(v), "the sign of -log(v)"),
    (PLAIN, log(u**2), log(u), "factor 2 is missing"),
    (PLAIN, 2 * Abs(y), 2 * y, "absolute value"),
    (CHAINS, KL(q(x[T], x[0]), p(x[T])), KL(p(x[T]), q(x[T], x[0])), "swapped"),
    (CHAINS, LOSS, KL(q(x[t - 1], x[t], x[0]), p(x[t - 1], x[t])), "is an E_q missing?"),
    (CHAINS, log(PATH), Sum(log(q(x[t], x[0])), (t, 1, T)), "condition of q(x[t], x[0]): q(x[t], x[t - 1])"),
    (CHAINS, log(PATH), Sum(log(q(x[t], x[t - 1])), (t, 2, T)), "limits of the sum: from 1 to T"),
    (CHAINS, q(x[t - 1], x[t], x[0]), q(x[t], x[t - 1]) * q(x[t - 1], x[0]), "factor 1/q(x[t], x[0]) is missing"),
    (CHAINS, log(p(Path(0, T))), Sum(log(p(x[t - 1], x[t])), (t, 1, T)), "term log(p(x[T])) is missing"),
]


@pytest.mark.parametrize(
    ("theory", "before", "wrong", "words"),
    SLIPS,
    ids=lambda each: str(each)[:60] if not isinstance(each, Theory) else "theory",
)
def test_a_slip_is_named(theory, before, wrong, words):
    with pytest.raises(WrongStep) as refusal:
        theory.refute(before, wrong)
    assert words in str(refusal.value).split("look at:")[-1]


@pytest.mark.parametrize(
    ("before", "wrong"),
    [(log(u * v), log(u) * log(v)), (Expectation(f(y), y, m, u), f(m) + w**3), (alpha_bar[t], sqrt(u) + exp(v))],
)
def test_no_hint_says_something_false(before, wrong):
    words, repaired = hints.hint(FORWARD, before, wrong, "=")
    assert "makes the line true" not in words
    assert repaired is None
