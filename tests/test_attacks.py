"""What outsiders made to break the checker's promise: causes, with several members; and what must stay accepted."""

import pytest
from sympy import (
    Abs,
    Derivative,
    Eq,
    Function,
    IndexedBase,
    Integer,
    Integral,
    KroneckerDelta,
    Max,
    Piecewise,
    Product,
    Rational,
    Sum,
    Symbol,
    exp,
    expand,
    log,
    oo,
    prod,
    sign,
    sin,
    sqrt,
    symbols,
)

from mini_ddpm.symbolic import (
    ChainTheory,
    Derivation,
    E_q,
    Expectation,
    Fact,
    Induction,
    Path,
    T,
    Theory,
    Unchecked,
    WrongStep,
    alpha,
    alpha_bar,
    d,
    eps,
    forward_process,
    i,
    normal_density,
    p,
    q,
    s,
    t,
    x,
)
from mini_ddpm.symbolic.answers import Unfinished

y, z, m = symbols("y z m", real=True)
a, u, v, w = symbols("a u v w", positive=True)
r = symbols("r", nonnegative=True)
j, k = symbols("j k", integer=True)
Y, H = IndexedBase("Y", real=True), IndexedBase("H", positive=True)
f, h = Function("f", real=True), Function("h", real=True)
USUAL = (1, 2, 3, 4, 5, 8, 12, 25)  # integers that every line is tried with
ZERO_FOR_USUAL = prod([t - n for n in USUAL])


def mark(theory, old, new, **options):
    return Derivation(theory, old).step(new, **options).lines[-1].mark


def under(*conditions):
    theory = forward_process()
    theory.assume(*conditions)
    return theory


def recursive():
    """h(t) = t y."""
    theory = Theory()
    theory.define(h(0), Integer(0))
    theory.define(h(t), h(t - 1) + y)
    return theory


JOINT = q(Path(1, T), x[0])
STEPS = Sum(log(q(x[s], x[s - 1])), (s, 1, T))
GROWING = Product(alpha_bar[k], (k, 1, T))
WAVES = Sum(sin(k * j), (j, 1, T))
NEVER_PROVED = [
    # a sum or product hides the index, or variable, around it
    (
        Theory(),
        2 * Sum(Sum(k * sin(k * j), (j, 1, T)), (k, 1, T)),
        (T + 1) * Sum(Sum(sin(k * j), (j, 1, T)), (k, 1, T)),
    ),
    (Theory(), Expectation(y * Product(1 + y * Y[k], (k, 1, T)), y), Integer(0)),
    (Theory(), Expectation(y * log(Sum(exp(y * Y[k]), (k, 1, T))), y), Integer(0)),
    (Theory(), Expectation(y / Sum(exp(y * Y[k]), (k, 1, T)), y), Integer(0)),
    (ChainTheory(), E_q(JOINT), JOINT),
    (ChainTheory(), E_q(STEPS * log(p(x[T]))), STEPS * E_q(log(p(x[T])))),
    (Theory(), Derivative(Sum(x[i] ** 2, (i, 1, d)), x[i]), Sum(2 * x[i], (i, 1, d))),
    (Theory(), Expectation(Sum(x[i] ** 2, (i, 1, d)), x[i]), d),
    (recursive(), Derivative(h(t), y), Integer(1)),
    (recursive(), Expectation(h(t) * y, y), Integer(1)),
    # the mean of a jump has a slope
    (Theory(), Derivative(Expectation(Piecewise((1, z + y > 0), (0, True)), z), y), Integer(0)),
    (Theory(), Derivative(Expectation(sign(z + y), z), y), Integer(0)),
    # alpha_bar[0] is 1
    (Theory(), GROWING * Sum(sign(1 - alpha_bar[k]), (k, 0, T)), GROWING * (T + 1)),
    # ends that are met, factors that may be 0
    (under(y >= Rational(1, 3), y <= 3), Piecewise((1, y > Rational(1, 3)), (0, True)), Integer(1)),
    (under(r * y >= 0), Abs(y), y),
    (under(y * (z - Rational(1, 3)) ** 2 >= 0), Abs(y), y),
]


@pytest.mark.parametrize(("theory", "old", "wrong"), NEVER_PROVED)
def test_what_is_false_is_not_proved(theory, old, wrong):
    assert not theory.prove(old, wrong)


def test_a_fact_of_a_case_stays_in_it():
    theory = Theory()
    fact = Fact(theory.where(y <= 10**4), Max(y, 10**4), Integer(10**4))
    with pytest.raises(ValueError, match="not checked in this theory"):
        mark(theory, Max(y, 10**4), Integer(10**4), using=[fact])


def test_a_recursion_may_hide_what_a_line_is_equal_up_to():
    with pytest.raises(Unchecked, match="may be, or have"):
        Derivation(recursive(), h(t), up_to=y).step(y, relation="~")


def test_a_chain_through_a_line_without_a_value_is_compared_at_its_ends():
    with pytest.raises((WrongStep, Unchecked)):
        Derivation(Theory(), Piecewise((1, t <= 1), (0, True))).step(1 / (t - 1) - (t + 1) / (t**2 - 1)).step(0).fact()
    one = Derivation(Theory(), (y**2 - z**2) / (y - z) + z - y).step((y + z) + z - y).step(2 * z)
    assert one.fact().mark == "proved"


def test_special_values_come_first():
    theory = Theory()
    theory.define(h(6), Integer(0))
    theory.define(h(t), t)
    assert not theory.prove(h(t), t)
    theory = Theory()
    theory.define(Y[0], z)
    theory.define(Y[t], alpha[t])
    assert not theory.prove(Y[t - 1], alpha[t - 1])
    assert theory.prove(Y[t], alpha[t])
    with pytest.raises(ValueError, match="defined already"):
        theory.define(Y[3], y)
    fibonacci = Theory()
    fibonacci.define(h(0), Integer(1))
    fibonacci.define(h(1), Integer(1))
    fibonacci.define(h(t), h(t - 1) + h(t - 2))
    fibonacci.assume(t >= 2)
    assert mark(fibonacci, h(t), h(t - 1) + h(t - 2)) == "proved"


def test_what_is_positive_is_defined_by_what_is():
    with pytest.raises(ValueError, match="is positive, and"):
        Theory().define(a, z)
    with pytest.raises(ValueError, match="is positive, and"):
        Theory().define(H[t], Y[t])
    Theory().define(a, 1 + z**2)


def test_what_is_known_is_not_defined_anew():
    theory = Theory()
    Fact(theory, Derivative(m, y), Integer(0))
    with pytest.raises(ValueError, match="known already"):
        theory.define(m, y**2)


def test_a_name_of_a_definition_is_not_the_name_around_it():
    theory, c = Theory(), Symbol("c", real=True)
    theory.define(c, y * t)
    theory.define(f(t), c + t)
    assert mark(theory, f(s), y * t + s) == "proved"
    with pytest.raises(WrongStep):
        mark(theory, f(s), y * s + s)


def test_a_step_of_an_induction_has_a_value_for_every_n():
    known_integers = Theory({"t": USUAL})
    claim = Induction(known_integers, ZERO_FOR_USUAL, Integer(0), over=t)
    before = ZERO_FOR_USUAL.subs(t, t - 1)
    claim.step(before * (1 + (ZERO_FOR_USUAL - before) / expand(before))).step(Integer(0), using=[claim.hypothesis])
    with pytest.raises(Unchecked, match="divides by zero"):
        claim.fact()
    with pytest.raises(WrongStep):  # and every line is tried with an integer of its own
        Induction(Theory(), ZERO_FOR_USUAL, Integer(0), over=t)


def test_what_follows_from_a_hypothesis_is_bound_to_it():
    claim = Induction(recursive(), h(t), t * y, over=t)
    zero = (z + 1) ** 2 - z**2 - 2 * z - 1
    chained = Derivation(claim.theory, h(t - 1)).step((t - 1) * y + zero, using=[claim.hypothesis]).fact()
    direct = Fact(claim.theory, 2 * h(t - 1), 2 * (t - 1) * y, using=[claim.hypothesis])
    for fact in (chained, direct):
        assert fact.fixed == {t}
    total = Sum(h(t - 1), (t, 2, T))
    assert not claim.theory.prove(total, Sum((t - 1) * y, (t, 2, T)), [chained])


@pytest.mark.parametrize(
    ("old", "new", "relation"),
    [
        (ZERO_FOR_USUAL, Integer(0), "="),
        (KroneckerDelta(t, 6), Integer(0), "="),
    ],
)
def test_few_values_do_not_pass(old, new, relation):
    with pytest.raises((WrongStep, Unchecked)):
        mark(Theory(), old, new, relation=relation)


def test_an_answer_may_not_hide():
    theory = Theory()
    theory.define(w, Expectation(z**4, z, 0, v))
    with pytest.raises(Unfinished, match="to be worked out"):
        Derivation(theory, Expectation(z**4, z, 0, v)).answer(w)
    with pytest.raises(Unfinished, match="restates"):
        Derivation(Theory(), Sum(f(s), (s, 1, t))).answer(Sum(f(k), (k, 1, t)))


def test_a_locked_theory_stays_locked_and_may_be_argued_in():
    theory = Theory()
    theory.lock()
    with pytest.raises(ValueError, match="locked"):
        theory.lock()
    fact = Fact(theory, (y + z) ** 2, y**2 + 2 * y * z + z**2)
    assert mark(theory, (y + z) ** 2 + 1, y**2 + 2 * y * z + z**2 + 1, using=[fact]) == "proved"


MANY = Y[i] * Y[d] * Y[s] * Y[t] * Y[T] * Y[j] * Y[k]


def nested(top):
    return Sum(Sum(sin(Y[k] * Y[j]), (j, 3, t)), (k, 1, top))


TRUE = [
    (under(y > 0), Abs(y), y),
    (under(y > 0), sqrt(y**2), y),
    (under(y >= 0), Max(y, 0), y),
    (under(Eq(y, z)), y**2, z * y),
    (Theory(), Sum(Sum(t * Y[t], (t, 1, T)), (t, 1, 3)), 3 * Sum(t * Y[t], (t, 1, T))),
    (Theory(), nested(T + 1), nested(T) + Sum(sin(Y[T + 1] * Y[j]), (j, 3, t))),
    (ChainTheory(), q(x[2], x[1]), q(x[2], x[1], x[0])),
    (Theory(), (1 + y) ** 2 * MANY, (1 + 2 * y + y**2) * MANY),
]


@pytest.mark.parametrize(("theory", "old", "new"), TRUE)
def test_what_is_true_is_accepted(theory, old, new):
    assert mark(theory, old, new) in ("proved", "checked")


def test_a_constant_may_be_left_out_under_an_assumption():
    assert Derivation(under(y > 0), log(y) + z, up_to=y).step(log(y), relation="~").lines[-1].mark == "proved"


def test_a_recursion_that_names_itself_twice_ends():
    theory = Theory()
    theory.define(H[0], a)
    theory.define(H[t], H[t - 1] / (1 + H[t - 1]))
    assert mark(theory, 1 / H[t], 1 + 1 / H[t - 1]) == "proved"


def test_the_derivative_of_an_integral_is_known_well_enough():
    evidence = Integral(normal_density(z, m, v) * normal_density(y, z, u), (z, -oo, oo))
    assert mark(Theory(), y + u * Derivative(log(evidence), y), (v * y + u * m) / (v + u)) in ("proved", "checked")


def test_one_name_for_one_thing():
    with pytest.raises(Unchecked, match="two different things are called epsilon"):
        mark(Theory(), eps**2 + IndexedBase("epsilon", real=True)[t], eps**2 + 1)
    with pytest.raises(Unchecked, match="two different things are called t"):
        mark(Theory(), Y[t] + Y[Symbol("t", integer=True)], 2 * Y[t])


def test_densities_have_no_value_outside_of_chains():
    with pytest.raises(Unchecked, match="E_q"):
        mark(Theory(), E_q(log(q(x[1], x[0]))), y)


@pytest.mark.parametrize(
    ("line", "always"),
    [
        (y / alpha[t] + log(alpha_bar[t]) + sqrt(1 - alpha_bar[t]), True),
        (sqrt(1 - alpha_bar[t - 1]), True),
        (Sum(1 / (1 - alpha_bar[s]), (s, 1, t)), True),
        (Expectation((y + eps) ** 2, eps) / (1 + y**2), True),
        (1 / (1 - alpha_bar[t - 1]), False),
        (Sum(1 / (1 - alpha_bar[s]), (s, 0, t)), False),
        (1 / y, False),
        (log(y), False),
        (sqrt(y), False),
        (y**-w, False),
        (Piecewise((y, y > 0)), False),
        (Expectation(exp(y * eps), eps), False),
    ],
)
def test_what_has_a_value_for_certain(line, always):
    assert forward_process().has_value(line) is always


def test_the_limits_of_one_sum_say_nothing_outside_of_it():
    theory = Theory()
    theory.define(h(0), Integer(7))
    theory.define(h(t), Integer(1))
    inner = Product(Y[j], (j, 1, s))  # empty at s = 0
    assert theory.unfold(Sum(h(s) * inner, (s, 0, T))) == Sum(h(s) * inner, (s, 0, T))
    assert not theory.prove(Sum(h(s) * inner, (s, 0, T)), Sum(inner, (s, 0, T)))
    assert theory.prove(Sum(h(s) * inner, (s, 1, T)), Sum(inner, (s, 1, T)))
    assert theory.unfold(h(t - 1) * Sum(Y[j], (j, 2, t))) == h(t - 1) * Sum(Y[j], (j, 2, t))
