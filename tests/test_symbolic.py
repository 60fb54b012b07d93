"""The checker accepts what is true, refuses what is not, and says why."""

import re
import subprocess
import sys

import pytest
from sympy import (
    Abs,
    Derivative,
    Eq,
    Function,
    IndexedBase,
    Integer,
    Integral,
    Max,
    Min,
    Piecewise,
    Product,
    Rational,
    Sum,
    Symbol,
    exp,
    expand,
    integrate,
    log,
    oo,
    pi,
    sqrt,
    symbols,
)

from mini_ddpm.symbolic import (
    KL,
    ChainTheory,
    Derivation,
    E_q,
    Expectation,
    Fact,
    Path,
    T,
    Theory,
    Unchecked,
    WrongStep,
    alpha,
    alpha_bar,
    attempt,
    beta,
    complete_square,
    d,
    forward_process,
    i,
    kl,
    log_density,
    normal_density,
    p,
    q,
    recursion,
    s,
    snr,
    t,
    x,
)
from mini_ddpm.symbolic.finite_chains import Chain

FORWARD, BARE = forward_process(), Theory()
GROWTH = recursion(FORWARD)
VARIANCE = alpha[t] * (1 - alpha_bar[t - 1]) + beta[t]
f = Function("f", real=True)
r, u = symbols("r u", positive=True)
y, z, m = symbols("y z m", real=True)


def marks(derivation):
    return [line.mark for line in derivation.lines[1:]]


# --- lines ---------------------------------------------------------------------------------------------


def test_a_true_chain_is_proved():
    chain = Derivation(FORWARD, VARIANCE)
    chain.step(1 - alpha[t] * alpha_bar[t - 1], because="multiply out").step(1 - alpha_bar[t], using=[GROWTH])
    assert marks(chain) == ["proved", "proved"]
    assert chain.fact().mark == "proved"


def test_what_cannot_be_proved_is_only_checked():
    assert marks(Derivation(FORWARD, Abs(y) + Abs(z)).step(sqrt(y**2 + z**2 + 2 * sqrt(y**2 * z**2)))) == ["checked"]


def test_an_inequality_is_checked_and_makes_no_fact():
    chain = Derivation(FORWARD, 1 - alpha_bar[t]).step(1 - alpha_bar[t - 1], relation=">=")
    assert marks(chain) == ["proved"]
    assert marks(Derivation(FORWARD, log(u)).step(u - 1, relation="<=")) == ["checked"]
    with pytest.raises(ValueError, match="not an equation"):
        chain.fact()
    with pytest.raises(WrongStep, match="is at most"):
        Derivation(FORWARD, 1 - alpha_bar[t]).step(1 - alpha_bar[t - 1], relation="<=")
    with pytest.raises(ValueError, match="relation must be"):
        Derivation(FORWARD, 1 - alpha_bar[t]).step(1 - alpha_bar[t - 1], relation="<")


def test_a_wrong_line_is_refused_with_everything_needed_to_mend_it():
    with pytest.raises(WrongStep) as refusal:
        Derivation(FORWARD, VARIANCE).step(2 * (1 - alpha_bar[t]))
    message = str(refusal.value)
    assert f"before:   {VARIANCE}" in message
    assert f"here:     {2 * (1 - alpha_bar[t])}" in message
    world, values = re.search(r"world \d+:  (.*)\n  values:   (.*)", message).groups()
    assert re.fullmatch(r"t = 3, alpha\[1\] = 0\.\d+, alpha\[2\] = 0\.\d+, alpha\[3\] = 0\.\d+", world)
    before, here = map(float, re.fullmatch(r"(\S+) before, (\S+) here", values).groups())
    assert here == pytest.approx(2 * before, rel=1e-3)  # four digits are shown
    assert "look at:  a factor 1/2 is missing in 2 - 2*alpha_bar[t]" in message


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (alpha_bar[t] - 1, "a sign"),
        ((1 - alpha_bar[t]) / 3, "here / before = 1/3"),
        (Rational(3, 2) - alpha_bar[t], r"a term -1/2 is missing in 3/2 - alpha_bar\[t\]"),
        (sqrt(1 - alpha_bar[t]), r"the power of 1 - alpha_bar\[t\]: 1 - alpha_bar\[t\] makes"),
        ((1 - alpha_bar[t]) ** 2, r"the power of 1 - alpha_bar\[t\]: 1 - alpha_bar\[t\] makes"),
        (1 - alpha_bar[t] * x[t], r"the factor x\[t\]: without it the line is true"),
        (1 - alpha_bar[t] + x[t] ** 2 / 3 + y, r"x\[t\], y: in this line only"),
        (1 - alpha_bar[t - 1], r"the index of alpha_bar\[t - 1\]: alpha_bar\[t\] makes the line true"),
        (alpha[t] * (1 - alpha_bar[t - 1]) + beta[t] ** 2, r"the power of beta\[t\]: beta\[t\] makes the line true"),
        (alpha[t] * (1 - alpha[t - 1]) + beta[t], r"alpha\[t - 1\]: alpha_bar\[t - 1\] makes the line true"),
        (alpha[t] * (1 - alpha_bar[t - 1]) - beta[t], r"the sign of .*beta\[t\]"),
        (1 - Product(alpha[s], (s, 2, t)), "the limits of the product: from 1 to t"),
    ],
)
def test_the_refusal_hints_at_the_kind_of_mistake(wrong, hint):
    with pytest.raises(WrongStep, match=hint):
        Derivation(FORWARD, VARIANCE).step(wrong)


def test_no_hint_is_given_where_nothing_is_known():
    with pytest.raises(WrongStep) as refusal:
        Derivation(FORWARD, alpha_bar[t] / (1 - alpha_bar[t]) + y).step(snr(t) * alpha_bar[t] + y**3)
    assert "look at" not in str(refusal.value)


def test_a_wrong_first_line_or_fact_is_refused():
    with pytest.raises(WrongStep):
        Derivation(FORWARD, alpha_bar[t], alpha[t] * alpha_bar[t])
    with pytest.raises(WrongStep):
        Fact(FORWARD, alpha_bar[t], alpha[t - 1] * alpha_bar[t - 1])


def test_a_tiny_difference_is_refused():
    with pytest.raises(WrongStep):
        Derivation(FORWARD, VARIANCE).step(1 - alpha_bar[t] + Rational(1, 10**14))


@pytest.mark.parametrize(("old", "new"), [(sqrt(y**2), y), (log(y**2), 2 * log(y)), (Abs(y), y)])
def test_branches_are_not_overlooked(old, new):
    with pytest.raises((WrongStep, Unchecked)):
        Derivation(FORWARD, old).step(new)


def test_attempt_prints_the_verdict(capsys):
    attempt(FORWARD, VARIANCE, 1 - alpha_bar[t], using=[GROWTH])
    attempt(FORWARD, VARIANCE, alpha_bar[t])
    accepted, refused = capsys.readouterr().out.split("\n", 1)
    assert accepted.startswith("accepted, proved")
    assert refused.startswith("refused, WrongStep")


def test_display_shows_lines_reasons_and_marks():
    chain = Derivation(FORWARD, VARIANCE).step(1 - alpha_bar[t], because="the recursion", using=[GROWTH])
    text = chain._repr_latex_()
    assert r"1 - \bar{\alpha}_{t} \;\blacksquare &&\text{the recursion}" in text
    assert "[proved] the recursion" in repr(chain)
    assert r":= 1 - \alpha_{t}" in FORWARD.definitions[0]._repr_latex_()


# --- bad input -----------------------------------------------------------------------------------------


def test_a_string_is_no_line():
    with pytest.raises(TypeError, match="an expression, not a string"):
        Derivation(FORWARD, "beta_tilde", beta[t])


def test_a_line_that_sympy_makes_equal_is_accepted_with_a_note():
    chain = Derivation(FORWARD, VARIANCE).step(VARIANCE, because="reordered")
    assert marks(chain) == ["proved"]
    assert "reordered (the same to SymPy)" in repr(chain)


def test_no_step_after_a_refused_one():
    chain = Derivation(FORWARD, VARIANCE)
    with pytest.raises(WrongStep):
        chain.step(alpha_bar[t])
    with pytest.raises(WrongStep, match="the step before this one was refused"):
        chain.step(1 - alpha_bar[t])


def test_any_index_has_values_and_some_may_be_given():
    k = Symbol("k", integer=True, positive=True)
    assert marks(Derivation(FORWARD, beta[k]).step(1 - alpha[k])) == ["proved"]
    with pytest.raises(WrongStep):
        Derivation(FORWARD, Sum(f(s), (s, 1, k))).step(f(1) + f(2) + Sum(f(s), (s, 3, k)))
    with pytest.raises(ValueError, match="needs several integers"):
        Theory(indices={"k": [2]})


def test_a_symbol_without_a_value_says_how_to_define_it():
    with pytest.raises(Unchecked, match=r"w has no value.*real=True.*theory.define\(w"):
        Derivation(FORWARD, Symbol("w")).step(Symbol("w") + y)


def test_a_value_that_is_no_real_number_is_unchecked():
    with pytest.raises(Unchecked, match="no real number"):
        Derivation(FORWARD, log(-alpha[t])).step(log(alpha[t]))


def test_definitions_are_of_symbols_and_come_to_an_end():
    theory = Theory()
    with pytest.raises(TypeError, match="can define a symbol"):
        theory.define(alpha[t] + 1, beta[t])
    theory.define(f(t), f(t - 1) + 1)  # down to f(0), which is whatever it is
    assert marks(Derivation(theory, f(t)).step(f(t - 1) + 1)) == ["proved"]
    theory.define(m, m + 1)
    with pytest.raises(Unchecked, match="no end"):
        Derivation(theory, m).step(m + 2)


def test_definitions_have_parameters_and_exceptions():
    theory = Theory()
    theory.define(f(0), Integer(7))
    theory.define(f(t), 2 * alpha[t])
    theory.define(y, z + 1)
    assert theory.unfold(f(0) + f(t) + y) == 7 + 2 * alpha[t] + z + 1
    assert theory.unfold(f(t - 1)) == f(t - 1)  # 7 at t = 1


def test_a_bound_index_does_not_clash_with_a_free_one():
    assert marks(Derivation(FORWARD, snr(t) + Sum(f(t), (t, 1, T))).step(Sum(f(s), (s, 1, T)) + snr(t))) == ["proved"]


# --- normal forms --------------------------------------------------------------------------------------

IDENTITIES = [
    Sum(f(t), (t, 1, T)) - f(1) - Sum(f(t), (t, 2, T)),
    Sum(f(t - 1) - f(t), (t, 2, T)) - f(1) + f(T),
    Sum(f(t), (t, 1, T)) - Sum(f(s + 1), (s, 0, T - 1)),
    Sum(3 * x[t] + x[0], (t, 2, T)) - 3 * Sum(x[t], (t, 1, T)) + 3 * x[1] - (T - 1) * x[0],
    Product(alpha[s], (s, 1, t)) - alpha[t] * Product(alpha[i], (i, 1, t - 1)),
    Product(alpha[s] / alpha[s - 1], (s, 1, t)) - alpha[t] / alpha[0],
    Product(u * alpha[s], (s, 1, t)) - u**t * Product(alpha[s], (s, 1, t)),
    Product(alpha[s] ** 2, (s, 1, t)) - Product(alpha[s], (s, 1, t)) ** 2,
]
NOT_IDENTITIES = [
    Sum(f(t), (t, 1, T)) - f(2) - Sum(f(t), (t, 2, T)),
    Sum(f(t - 1) - f(t), (t, 2, T)) - f(2) + f(T),
    Product(alpha[s], (s, 1, t)) - alpha[t - 1] * Product(alpha[i], (i, 1, t - 1)),
    Product(u * alpha[s], (s, 1, t)) - u * Product(alpha[s], (s, 1, t)),
]


@pytest.mark.parametrize("zero", IDENTITIES, ids=str)
def test_normal_form_of_sums_and_products(zero):
    assert BARE.prove(zero, Integer(0))


@pytest.mark.parametrize("other", NOT_IDENTITIES, ids=str)
def test_normal_form_of_what_is_not_zero(other):
    assert not BARE.prove(other, Integer(0))


@pytest.mark.parametrize(
    ("expr", "zero"),
    [
        (sqrt(8) - 2 * sqrt(2), True),
        (sqrt(8) - sqrt(2), False),
        (sqrt(r * u) - sqrt(r) * sqrt(u), True),
        (sqrt(r + u) - sqrt(r) - sqrt(u), False),
        (sqrt((r**2 - r) / (r - 1)) - sqrt(r), True),
        (log(r * u) - log(r) - log(u), True),
        (log(r / (1 + r)) + log(1 + 1 / r), True),
        (log(4 * r) - 2 * log(2) - log(r), True),
        (log(r) * y - log(r**2) * y / 2, True),
        (log(r) * y - log(r) * z, False),
    ],
)
def test_roots_and_logarithms(expr, zero):
    assert BARE.prove(expr, Integer(0)) is zero


# --- Gaussians -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", range(7))
def test_expectation_is_the_integral(power):
    exact = integrate(expand((m + sqrt(u) * z) ** power) * normal_density(z, 0, 1), (z, -oo, oo))
    assert expand(Expectation(y**power, y, m, u).doit() - exact) == 0


def test_a_mean_of_what_is_no_polynomial_is_computed():
    assert marks(Derivation(FORWARD, Expectation(Abs(y), y)).step(sqrt(2 / pi))) == ["checked"]
    with pytest.raises(WrongStep):
        Derivation(FORWARD, Expectation(Abs(y), y)).step(Integer(1))
    with pytest.raises(Unchecked, match="no exact mean"):
        Expectation(Abs(y), y).doit()


def test_complete_square():
    mean, variance, rest = complete_square(-((y - m) ** 2) / (2 * u) + 5, y)
    assert (mean, variance, expand(rest)) == (m, u, 5)


def test_kl_is_the_mean_of_the_log_ratio():
    ratio = log_density(y, m, r) - log_density(y, z, u)
    assert marks(Derivation(FORWARD, Expectation(ratio, y, m, r)).step(kl(m, r, z, u))) == ["proved"]


# --- Markov chains -------------------------------------------------------------------------------------

CHAINS = ChainTheory()
L_T = KL(q(x[T], x[0]), p(x[T]))
L_t = KL(q(x[t - 1], x[t], x[0]), p(x[t - 1], x[t]))
ELBO = E_q(log(p(Path(0, T)) / q(Path(1, T), x[0])))
BOUND = L_T + Sum(E_q(L_t), (t, 2, T)) - E_q(log(p(x[0], x[1])))


def test_the_bound_holds_in_finite_chains():
    CHAINS.refute(-ELBO, BOUND)


def test_a_bound_whose_sum_starts_at_1_is_refused_because_x_0_is_a_point_mass():
    with pytest.raises(WrongStep, match="point mass"):
        CHAINS.refute(-ELBO, L_T + Sum(E_q(L_t), (t, 1, T)))


def test_a_mean_is_linear_and_constants_leave_it():
    constant = KL(q(x[T], x[0]), p(x[T]))
    chain = Derivation(CHAINS, E_q(2 * log(p(x[T])) + 3)).step(2 * E_q(log(p(x[T]))) + 3)
    assert marks(chain) == ["proved"]
    with pytest.raises(WrongStep):
        CHAINS.refute(E_q(constant**2), E_q(log(p(x[T]))) ** 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (log(q(x[T + 1], x[0])), "leaves the chain"),
        (log(q(x[t], x[t - Rational(1, 2)])), "leaves the chain"),
        (log(q(alpha[1], alpha[0])), "leaves the chain"),
        (log(q(x[t - 1], x[t])), "the forward chain gives no"),
        (log(p(x[t], x[t - 1])), "the reverse chain gives no"),
        (log(p(x[t])), "the reverse chain gives no"),
        (KL(q(x[T], x[0]), p(x[t - 1], x[t])), "same variable"),
        (log(q(Path(0, T))), "no such density of a path"),
        (log(q(Path(1, T), x[1])), "no such density of a path"),
    ],
)
def test_densities_that_do_not_exist_are_refused(wrong, message):
    with pytest.raises(WrongStep, match=message):
        [there(wrong) for there in CHAINS.interpreters([wrong])]


def test_chains_know_t_and_T_only():
    with pytest.raises(Unchecked, match="index s has no value"):
        CHAINS.evaluate(log(q(x[s], x[0])), 0)
    with pytest.raises(Unchecked, match="y has no value in a Markov chain"):
        CHAINS.evaluate(y, 0)


def test_probabilities_add_up():
    chain = Derivation(CHAINS, E_q(p(Path(1, T), x[0]) / q(Path(1, T), x[0]))).step(Integer(1))
    assert marks(chain) == ["checked"]


def test_a_mean_over_paths_takes_one_argument():
    with pytest.raises(TypeError):
        E_q(log(p(x[T])), x[T])


def test_a_wrong_likelihood_in_a_world_is_found(monkeypatch):
    definition = p(x[0]), E_q(p(Path(0, T)) / q(Path(1, T), x[0]))  # the integral over paths, drawn from q
    CHAINS.refute(*definition)
    truth = Chain.evidence
    monkeypatch.setattr(Chain, "evidence", lambda chain: 5 * truth(chain))
    with pytest.raises(WrongStep):
        CHAINS.refute(*definition)


def test_a_refusal_in_a_chain_hints_at_a_missing_mean():
    first = -log(p(x[T]))
    steps = Sum(log(q(x[t], x[t - 1]) / p(x[t - 1], x[t])), (t, 1, T))
    with pytest.raises(WrongStep, match=r"stands outside of a mean.*is an E_q missing\?"):
        CHAINS.refute(-ELBO, first + steps)
    with pytest.raises(WrongStep, match=r"KL.* stands outside of a mean.*is an E_q missing\?"):
        CHAINS.refute(-ELBO, BOUND.xreplace({E_q(L_t): L_t}))
    nothing = E_q(Sum(log(q(x[t], x[t - 1])), (t, 3, T - 1)))  # in a chain of two steps
    with pytest.raises(WrongStep, match=r"values:   0.0 before"):
        CHAINS.refute(nothing, -E_q(log(q(x[2], x[1]))))


# --- attacks: false lines that looked true to an earlier checker, and true ones that did not -------------

h = Function("h", real=True)
c = IndexedBase("c", real=True)
ROOT = sqrt(Symbol("w", nonnegative=True))
DIVERGING = Integral(exp(y**2 / 2), (y, -oo, oo))
FALSE_LINES = [
    (Min(snr(t), 5), snr(t)),  # values must not all be small
    (Min(beta[t], Rational(999, 1000)), beta[t]),
    (Max(Min(x[0], 3), -3), x[0]),
    (sqrt(u**2 - 10 * u + 25), 5 - u),
    (log(Symbol("eps_theta", real=True) ** 2), 2 * log(Symbol("eps_theta", real=True))),  # nor all positive
    (sqrt((y - m) ** 2), y - m),
    ((2 * pi) ** (-20), 2 * (2 * pi) ** (-20)),  # small is not zero
    (Integral(h(z) * z, (z, 0, 1)), Integral(h(z), (z, 0, 1)) / 2),  # h is not a constant
    (DIVERGING, DIVERGING + 1),  # not even as much as a tolerance that grows with the number
    (Integral(1 / z**2, (z, 0, 1)), Integral(1 / z**2, (z, 0, 1)) + 1),
    (Integral(1 / z, (z, -1, 1)), Integer(0)),
    (
        Sum(beta[t] * Sum(alpha[t] * alpha[s], (s, 1, t)), (t, 1, T)),
        Sum(beta[t] * Sum(alpha[s] ** 2, (s, 1, t)), (t, 1, T)),
    ),
    (Integral(y * Integral(exp(-(y**2) * z**2), (z, 0, 1)), (y, 0, 1)), Integral(exp(-(y**4)), (y, 0, 1)) / 2),
    (Sum(beta[s], (s, 3, 1)), -beta[2]),  # an empty sum is 0, not what telescoping would leave
    (Derivative(alpha_bar[t], alpha[t]), Integer(0)),
    (Derivative(alpha_bar[t], beta[t]), Integer(0)),  # by what is defined: no value
    (Derivative(h(y), y), h(y)),
    (Abs(y * z), y * z),  # any two names must differ in sign somewhere, and agree somewhere
    (Abs(y * z), -y * z),
    (Abs(y + m), Abs(y) + Abs(m)),
    (log(x[0] ** 2 * y**2), 2 * log(x[0] * y)),
    (Min(alpha[t] / alpha[t - 1], 25), alpha[t] / alpha[t - 1]),  # nor must all be small or large together
    (T, d + 2),
    (Sum(x[i] ** 2, (i, 1, d)), Sum(x[i] ** 2, (i, 1, T - 2))),
    (Sum(x[s] ** 2, (s, 1, u)), Sum(x[s], (s, 1, u)) ** 2 / u),  # u is no integer
    (Integral(y / (1 + y**2), (y, -oo, oo)), Integer(0)),  # two halves that diverge
    (Integral(normal_density(y, 100, 1), (y, -oo, oo)), Integer(0)),  # narrow and far away
    (Abs(IndexedBase("beta", real=True)[t] - 1), 1 - IndexedBase("beta", real=True)[t]),  # not the course's beta
    (h(y**2), h(y)),
    (h(y) - h(z), Integer(0)),
]
TRUE_LINES = [
    (
        Derivative(
            Expectation(Expectation((z - u * (sqrt(alpha_bar[t]) * y + sqrt(1 - alpha_bar[t]) * z)) ** 2, z), y), u
        ),
        2 * u - 2 * sqrt(1 - alpha_bar[t]),
    ),
    (
        Sum(beta[t] * Sum(alpha[t] * alpha[s], (s, 1, t)), (t, 1, T)),
        Sum(beta[t] * alpha[t] * Sum(alpha[s], (s, 1, t)), (t, 1, T)),
    ),
    (Integral(y * 10**6, (y, 0, 10**12)), Integer(5 * 10**29)),  # a large number is not a diverging integral
    (Integral(normal_density(y, 0, 1 - alpha_bar[t]), (y, -oo, oo)), Integer(1)),
    (Expectation((x[t] - y) ** 2, y, 0, 1 - alpha_bar[t]), x[t] ** 2 + 1 - alpha_bar[t]),
    (sqrt(snr(t)), sqrt(alpha_bar[t]) / sqrt(1 - alpha_bar[t])),
    (log(snr(t)), log(alpha_bar[t]) - log(1 - alpha_bar[t])),
    (Sum(beta[t] * alpha[s], (s, 1, t), (t, 1, T)), Sum(beta[t] * Sum(alpha[s], (s, 1, t)), (t, 1, T))),
    (Sum(beta[s], (s, 3, 1)), Integer(0)),
    (Product(alpha_bar[t] / alpha_bar[t - 1], (t, 1, T)), alpha_bar[T]),
    (Expectation(z, z), Integer(0)),
    (Integral(normal_density(y, 100, 1), (y, -oo, oo)), Integer(1)),
    (Integral(normal_density(y, sqrt(alpha_bar[t]) * x[0], 1 - alpha_bar[t]), (y, -oo, oo)), Integer(1)),
    (Sum(Piecewise((h(s), s > 1), (0, True)), (s, 1, T)), Sum(h(s), (s, 2, T))),
    (Derivative(alpha_bar[t], alpha[t]), alpha_bar[t - 1]),
    (Derivative(kl(m, r, z, u), m), (m - z) / u),
    ((z - h(z)) ** 2, z**2 - 2 * z * h(z) + h(z) ** 2),  # z inside of a function and outside
    (h((y + z) ** 2), h(y**2 + 2 * y * z + z**2)),
    (h(h(sqrt(u) * (sqrt(u) + 1))), h(h(u + sqrt(u)))),
    (ROOT * (ROOT + 1), ROOT**2 + ROOT),
    (Expectation(log(m**2), y), log(m**2)),
]


@pytest.mark.parametrize(("old", "new"), FALSE_LINES, ids=str)
def test_false_lines_are_refused(old, new):
    with pytest.raises((WrongStep, Unchecked)):
        Derivation(FORWARD, old).step(new)


@pytest.mark.parametrize(("old", "new"), TRUE_LINES, ids=str)
def test_true_lines_are_accepted(old, new):
    assert marks(Derivation(FORWARD, old).step(new)) in (["proved"], ["checked"])


part, loss = Symbol("part", real=True), Function("loss", real=True)
NOISED = forward_process()
NOISED.define(x[t], sqrt(alpha_bar[t]) * y + sqrt(1 - alpha_bar[t]) * z)
NOISED.define(part, beta[t] ** 2)
NOISED.define(loss(y), Expectation((y - z) ** 2, z))
NOISED.define(c[t], Sum(alpha[s] * beta[t], (s, 1, t)))


@pytest.mark.parametrize(
    ("old", "wrong", "right"),
    [
        (Expectation(x[t] ** 2, z), x[t] ** 2, alpha_bar[t] * y**2 + 1 - alpha_bar[t]),
        (Derivative(x[t], z), Integer(0), sqrt(1 - alpha_bar[t])),
        (Integral(x[t] * normal_density(z, 0, 1), (z, -oo, oo)), x[t], sqrt(alpha_bar[t]) * y),
        (Sum(part, (t, 2, T)), (T - 1) * part, Sum(beta[t] ** 2, (t, 2, T))),
        (
            Sum(c[t], (t, 1, T)),
            Sum(Sum(alpha[s] * beta[s], (s, 1, t)), (t, 1, T)),
            Sum(beta[t] * Sum(alpha[s], (s, 1, t)), (t, 1, T)),
        ),
    ],
    ids=str,
)
def test_a_definition_may_depend_on_what_is_bound_around_it(old, wrong, right):
    with pytest.raises(WrongStep):
        Derivation(NOISED, old).step(wrong)
    assert marks(Derivation(NOISED, old).step(right)) in (["proved"], ["checked"])


def test_no_mean_over_what_is_defined():
    assert marks(Derivation(NOISED, loss(z)).step(z**2 + 1)) == ["proved"]  # the definition's own z is another one
    with pytest.raises(WrongStep):
        Derivation(NOISED, loss(z)).step(Integer(0))
    with pytest.raises(Unchecked, match=r"x\[t\] is defined, so it can't be the variable of"):
        Derivation(NOISED, Expectation(x[t] ** 2, x[t])).step(Integer(1))
    for wrong, message in [((y, "y"), "a mean is taken over"), ((Symbol("y"), y), "define the symbol once")]:
        with pytest.raises((TypeError, ValueError), match=message):
            Expectation(*wrong)


def test_indices_have_nothing_to_do_with_each_other():
    for line in (T - d - 2, i - s - t + 1, T - t - 1, t - s - 1, d - i):
        with pytest.raises(WrongStep):
            BARE.refute(line, Integer(0))


@pytest.mark.parametrize(
    ("lhs", "message"),
    [
        (x[T], "would hold for every index"),
        (T, "T is an index"),
        (x[t + 1], "must be different symbols or numbers"),
        (IndexedBase("w")[t, t], "must be different symbols or numbers"),
    ],
    ids=str,
)
def test_what_can_not_be_defined_is_refused(lhs, message):
    with pytest.raises(ValueError, match=message):
        forward_process().define(lhs, z)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (Integral(exp(-(y**2) - z**2), (y, -oo, oo), (z, -oo, oo)), "only an integral over one variable, with both"),
        (Integral(y, y), "only an integral over one variable, with both limits"),
        (Integral(1 / (y + 1), (y, -2, 0)), "is not known well enough: does it converge"),
        (Sum(x[s], (s, 1, u)), "the ends of a sum must be integers"),
        (DIVERGING, "does it converge"),
        (1 - alpha_bar, r"alpha_bar needs an index, as in alpha_bar\[t\]"),
        (IndexedBase("w")[t], r"make it IndexedBase\('w', real=True\)"),
        (Derivative(alpha_bar[t], t), "has no value: Can.t calculate derivative"),
    ],
    ids=str,
)
def test_what_has_no_value_is_said(line, message):
    with pytest.raises(Unchecked, match=message):
        Derivation(FORWARD, line).step(line + 1)


@pytest.mark.parametrize(("left", "right"), [(alpha_bar[t], Rational(1, 2)), (snr(t), 1), (x[0] ** 2, 5)])
def test_inequalities_are_tried_with_extreme_values(left, right):
    with pytest.raises(WrongStep):
        Derivation(FORWARD, left).step(right, relation="<=")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Product(alpha[s], (s, 1, t)), alpha[s] ** t),
        (Sum(alpha[s], (s, 1, T)), Sum(alpha[s], (s, 2, T + 1))),
        (sqrt(Product(x[s] ** 2, (s, 1, t))), Product(x[s], (s, 1, t))),
        (sqrt(y**2 - 2 * y * m + m**2), y - m),
    ],
    ids=str,
)
def test_the_prover_alone_does_not_prove_what_is_false(old, new):
    assert not FORWARD.prove(old, new, [])


def test_facts_must_be_facts_and_lines_exact_expressions():
    with pytest.raises(TypeError, match="using takes a list of facts"):
        Derivation(FORWARD, VARIANCE).step(1 - alpha_bar[t], using=[Eq(alpha_bar[t], alpha[t] * alpha_bar[t - 1])])
    with pytest.raises(TypeError, match="using takes a list of facts"):
        Derivation(FORWARD, VARIANCE).step(1 - alpha_bar[t], using=GROWTH)
    with pytest.raises(Unchecked, match=r"0.1\d* is rounded: .* Rational\(1, 10\)"):
        Derivation(FORWARD, 0.1 * y)
    assert Fact(FORWARD, 1 / 2 * y**2, y**2 / 2).lhs == y**2 / 2  # 1 / 2 is a float to Python, but an exact one
    with pytest.raises(TypeError, match="a line is an expression"):
        Derivation(FORWARD, Eq(y, z, evaluate=False))


def test_nothing_is_defined_twice():
    with pytest.raises(ValueError, match="defined already"):
        forward_process().define(alpha_bar[t], 1 / t)


def test_the_same_definition_may_be_given_again():
    """As when a cell of a notebook is run twice; also after facts about it are known."""
    theory = Theory()
    first = theory.define(beta[t], 1 - alpha[t])
    Fact(theory, 1 - beta[t], alpha[t])
    assert theory.define(beta[t], 1 - alpha[t]) is first
    assert theory.definitions == [first]


def test_chains_know_the_markov_property_and_whole_paths_only():
    assert marks(Derivation(CHAINS, q(x[t], x[t - 1], x[0])).step(q(x[t], x[t - 1]))) == ["proved"]
    with pytest.raises(WrongStep, match="no such density of a path"):
        CHAINS.evaluate(log(q(Path(1, T - 1), x[0])))
    with pytest.raises(WrongStep, match="densities of x_0"):
        CHAINS.evaluate(KL(p(x[0], x[1]), p(x[0])))


@pytest.mark.parametrize(
    ("before", "after", "relation"),
    [
        (E_q(1 / q(x[1], x[0])), Integer(2), "="),  # the number of states, where there are always two
        (E_q(1 / q(Path(1, T), x[0])), 2**T, "="),
        (E_q(L_t), Integer(1), "<="),  # in chains that are all alike
    ],
)
def test_what_holds_in_special_chains_only_is_refused(before, after, relation):
    with pytest.raises(WrongStep):
        CHAINS.refute(before, after, relation)


# --- the machine does not matter -----------------------------------------------------------------------


def test_symbolic_never_imports_torch():
    code = "import sys, mini_ddpm.symbolic; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_messages_and_displays_do_not_depend_on_the_hash_seed():
    code = (
        "from mini_ddpm.symbolic import *\n"
        "f = forward_process()\n"
        "attempt(f, alpha[t] * (1 - alpha_bar[t-1]) * x[t] + beta[t] * eps, alpha_bar[t] * x[0])\n"
        "print(Derivation(f, snr(t - 1) * x[0]).step(alpha_bar[t-1] / (1 - alpha_bar[t-1]) * x[0])._repr_latex_())\n"
    )

    def output(seed):
        environment = {"PYTHONHASHSEED": seed}
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout

    assert output("1") == output("2") == output("3") != b""


# --- marks -------------------------------------------------------------------------------------------


def test_facts_of_another_theory_and_forged_ones_are_refused():
    other = Fact(forward_process(), alpha_bar[t], alpha[t] * alpha_bar[t - 1])
    forged = Fact.__new__(Fact)
    forged.lhs, forged.rhs, forged.mark = y, z, "proved"
    changed = Fact(FORWARD, (y + z) ** 2, y**2 + 2 * y * z + z**2)
    changed.rhs = y
    for fact in (other, forged, changed):
        with pytest.raises(ValueError, match="was not checked in this theory"):
            Derivation(FORWARD, VARIANCE).step(1 - alpha_bar[t], using=[fact])


def test_a_mark_is_the_weakest_of_all_that_it_rests_on():
    weak = Fact(FORWARD, Expectation(Abs(y), y), sqrt(2 / pi))
    assert weak.mark == "checked"
    chain = Derivation(FORWARD, 2 * Expectation(Abs(y), y)).step(2 * sqrt(2 / pi), using=[weak])
    assert marks(chain) == ["checked"]
    assert chain.fact().mark == "checked"
    assert Fact(FORWARD, 3 * Expectation(Abs(y), y), 3 * sqrt(2 / pi), using=[chain.fact(), weak]).mark == "checked"


def test_a_locked_theory_takes_nothing_new():
    theory = forward_process()
    allowed, other = recursion(theory), Fact(theory, beta[t], 1 - alpha[t])
    theory.lock(using=[allowed])
    with pytest.raises(ValueError, match="locked: no further definitions"):
        theory.define(y, z)
    with pytest.raises(ValueError, match="locked: no further assumptions"):
        theory.assume(T >= 2)
    with pytest.raises(ValueError, match="may not be used here"):
        Derivation(theory, VARIANCE).step(1 - alpha_bar[t], using=[other])
    assert marks(Derivation(theory, VARIANCE).step(1 - alpha_bar[t], using=[allowed])) == ["proved"]


def test_a_chain_of_inequalities_goes_one_way():
    chain = Derivation(FORWARD, 1 - alpha_bar[t]).step(1 - alpha_bar[t - 1], relation=">=")
    with pytest.raises(ValueError, match="up or down, not both"):
        chain.step(Integer(1), relation="<=")


def test_what_holds_under_an_assumption_needs_it():
    line = Sum(f(s), (s, 1, T)), f(1) + f(2) + Sum(f(s), (s, 3, T))
    with pytest.raises(WrongStep):
        BARE.refute(*line)
    theory = Theory()
    theory.assume(T >= 2)
    assert theory.mark(*line, "=", []) == "proved"
    assert "assuming T >= 2" in repr(Derivation(theory, line[0]).step(line[1]))
    assert r"\text{assuming } T \geq 2" in Derivation(theory, line[0]).step(line[1])._repr_latex_()
    theory = Theory()
    theory.assume(y > -1, y < 1)
    assert theory.mark(Abs(1 - y**2), 1 - y**2, "=", []) == "proved"


def test_a_mean_that_goes_round_ends():
    step = Expectation(1 / (1 + exp(-(y**2))), y), Expectation(exp(y**2) / (1 + exp(y**2)), y)
    assert marks(Derivation(FORWARD, step[0]).step(step[1])) in (["proved"], ["checked"])
    mean = Expectation(exp(-(y**2)) + 1, y)
    assert marks(Derivation(FORWARD, mean).step(1 + 1 / sqrt(3))) == ["proved"]
