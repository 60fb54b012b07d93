"""What a variable may hide in, whose a name is, and what a definition may be: attacks, by cause."""

import pytest
from sympy import (
    Abs,
    Derivative,
    Dummy,
    Function,
    IndexedBase,
    Integer,
    Integral,
    Max,
    Piecewise,
    Product,
    Rational,
    Subs,
    Sum,
    Symbol,
    cos,
    log,
    sign,
    sin,
    symbols,
)

from mini_ddpm.symbolic import (
    ChainTheory,
    Derivation,
    E_q,
    Expectation,
    Fact,
    T,
    Theory,
    Unchecked,
    WrongStep,
    alpha,
    alpha_bar,
    beta,
    q,
    s,
    t,
    x,
)
from mini_ddpm.symbolic.cells import derive, known

y, z, m = symbols("y z m", real=True)
u, v = symbols("u v", positive=True)
j, k = symbols("j k", integer=True)
Y = IndexedBase("Y", real=True)
f, fp = Function("f", real=True), Function("fp", positive=True)


def mark(theory, old, new, relation="="):
    return Derivation(theory, old).step(new, relation=relation).lines[-1].mark


HIDDEN = Piecewise((0, s <= 100), (y, True))  # no world has so large an s
FAR = Max(y - 10**5, 0)


def defined(lhs, rhs, make=Theory):
    theory = make()
    theory.define(lhs, rhs)
    return theory


@pytest.mark.parametrize(
    ("theory", "old", "new"),
    [
        (defined(m, HIDDEN), Sum(m, (s, 1, T)), T * m),
        (defined(m, HIDDEN), Product(1 + m, (s, 1, T)), (1 + m) ** T),
        (defined(Y[t], HIDDEN), Sum(Y[t], (s, 1, T)), T * Y[t]),
        (defined(f(z), HIDDEN), Sum(f(z), (s, 1, T)), T * f(z)),
        (defined(m, FAR), z + Subs(m, y, 3), z + m),
        (defined(m, FAR), Derivative(m, y), Integer(0)),
        (defined(m, FAR), Integral(m, (y, 0, 1)) + z, m + z),
        (defined(m, (T - 1) * (T - 2) * (T - 3) * (T - 4) * log(q(x[1], x[0])), ChainTheory), E_q(m), m),
    ],
)
def test_no_variable_hides_in_a_definition(theory, old, new):
    assert not theory.prove(old, new)


def test_a_fact_whose_variable_is_hidden_is_not_used_where_it_is_bound():
    theory = defined(m, Max(s - t, 0))
    assert not theory.prove(Sum(m, (s, 1, T)), Integer(0), [Fact(theory, m, Integer(0))])
    theory = defined(m, y - z)
    theory.assume(y > z)
    fact = Fact(theory, Abs(m), m)
    assert not theory.prove(Integral(Abs(m), (y, -1, 1)), Integral(m, (y, -1, 1)), [fact])


def test_what_is_known_of_an_index_is_of_its_own_sum():
    """The inner sum is the same twice, the outer one runs where the inner index is above 0, and where it is not."""

    def double(first, inside):
        return Sum(Sum(inside * cos(j) * Y[k], (j, T - 40, T - 28)), (k, first, T))

    sign_of = sign(1 - alpha_bar[j])
    old, new = double(41, sign_of) + double(1, 1), double(41, 1) + double(1, sign_of)
    assert not Theory().prove(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Derivative(Sum(k * y, (k, 5, t)), y), t * (t + 1) / 2 - 10),
        (Subs(Derivative(Sum(k * y, (k, 5, t)), y), y, 2), t * (t + 1) / 2 - 10),
        (Derivative(Expectation(y * Sum(k * z**2, (k, 5, t)), z, 0, 1), y), t * (t + 1) / 2 - 10),
        (Max(-Piecewise((5, t > 100), (0, True)), -1), -Piecewise((5, t > 100), (0, True))),
        (Sum(Y[k], (k, 1, Piecewise((5, t > 100), (0, True)))), Integer(0)),
    ],
)
def test_sums_that_may_be_empty_and_cases_that_no_world_has_are_not_proved(old, new):
    assert not Theory().prove(old, new)


@pytest.mark.parametrize(
    ("lhs", "rhs"),
    [
        (beta[t], t / 1000), (alpha[t], 4 + u), (u, y + 10**5), (fp(v), v + 10**5), (alpha_bar[t], t / 1000),
        (alpha_bar[0], Rational(1, 2)),        (fp(y), y**2 - 1), (IndexedBase("H", positive=True)[t], t - 30),
    ],
)  # fmt: skip
def test_what_has_a_sign_is_defined_by_what_is_proved_to_have_it(lhs, rhs):
    with pytest.raises(ValueError, match=r"nothing proves|may be|make it real"):
        Theory().define(lhs, rhs)
    Theory().define(alpha_bar[0], Integer(1))


def test_a_definition_of_what_is_positive_holds_where_it_is():
    H = IndexedBase("H", positive=True)
    theory = defined(H[t], t - Rational(1, 2))
    assert theory.evaluate(H[0]) > 0  # -1/2 by the definition, which is for t from 1 on


def test_a_definition_in_a_case_stays_there():
    theory = Theory()
    case = theory.where(T >= 2)
    case.define(m, FAR)
    assert theory.definitions == []
    assert mark(theory, Derivative(m, y), 0) == "proved"
    with pytest.raises(WrongStep):
        case.refute(m, y)


def test_what_gets_a_meaning_later_is_derived_again():
    theory = Theory()
    derivation = Derivation(theory, Derivative(m, y)).step(0)
    theory.define(m, y**2)
    for go_on in (derivation.fact, lambda: derivation.step(1)):
        with pytest.raises(ValueError, match="m was defined after this derivation began"):
            go_on()


@pytest.mark.parametrize(
    "line",
    [
        Expectation(Abs(u), u), Integral(Abs(u), (u, -1, 1)), Subs(Abs(u), u, -3), Sum(Abs(t), (t, -3, 3)),
        Symbol("x[1]", real=True), Dummy("y", real=True) * z, Sum(sin(Symbol("_", integer=True) * k), (k, 1, T)),
        f(y) + Function("f", positive=True)(y),
    ],
)  # fmt: skip
def test_what_sympy_took_for_something_else_is_refused(line):
    with pytest.raises(Unchecked, match=r"one sign|name"):
        mark(Theory(), line + z, line + z + 0 * y + sin(y) ** 2 + cos(y) ** 2 - 1)


def test_a_line_may_go_on_after_its_reason():
    text = "y**2\n= y*y*z/z   # cancel\n   + z"
    assert derive(Theory(), text, known({"y": y, "z": z})).lines[-1].mark == "refused"
    text = "y**2\n= y*y*z/z   # cancel\n   + z - z   # twice"
    assert derive(Theory(), text, known({"y": y, "z": z})).lines[-1].because.startswith("cancel twice")


def test_an_indexed_variable_is_put_in():
    assert mark(Theory(), Subs(x[t] ** 2, x[t], 3), 9) == "proved"
    with pytest.raises((WrongStep, Unchecked)):
        mark(Theory(), y * Subs(x[t] ** 2, x[t], 3), y * x[t] ** 2)


def test_a_name_for_what_should_not_be_in_an_answer_is_seen_through():
    theory = defined(m, alpha_bar[t])
    with pytest.raises(WrongStep, match="should not be"):
        Derivation(theory, alpha_bar[t] + 0 * y).answer(m, without=[alpha_bar])


def test_a_sum_of_positive_terms_is_positive():
    weight, share = IndexedBase("w", positive=True), IndexedBase("share", positive=True)
    Theory().define(share[t], weight[t] / Sum(weight[s], (s, 1, T)))
    with pytest.raises(ValueError, match=r"nothing proves|may be"):
        Theory().define(share[t], weight[t] / Sum(weight[s] - 1, (s, 1, T)))
    with pytest.raises(ValueError, match=r"nothing proves|may be"):
        Theory().define(share[t], Sum(weight[s], (s, 2, T)))  # there is no term at T = 1
