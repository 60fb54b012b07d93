"""Symbolic matrices: what is true is proved and its near-twin refused; values are known; what has no value says why."""

import pytest
from derivations.matrices import S1, S2, A, B, D, S, U, W, c, density, divergence, m, m1, m2, one, square, x, y
from sympy import (
    Derivative,
    Determinant,
    HadamardProduct,
    Inverse,
    MatAdd,
    Matrix,
    MatrixSymbol,
    Q,
    Rational,
    Sum,
    Symbol,
    Trace,
    ZeroMatrix,
    log,
    sympify,
)

from mini_ddpm.symbolic import Derivation, Expectation, Theory, Unchecked, WrongStep, d
from mini_ddpm.symbolic.cells import derive, known

n = Symbol("n", integer=True, positive=True)
P, X = MatrixSymbol("P", 1, 1), MatrixSymbol("X", 2, 2)
definite = Q.positive_definite(S)


def theory(*assumed) -> Theory:
    found = Theory()
    found.assume(*assumed)
    return found


# assumptions, a line, what it equals for certain, and what it does not
TWINS = [
    ((), Trace(A * B), Trace(B.T * A.T), Trace(A.T * B)),
    ((), Trace(A * B * D), Trace(D * A * B), Trace(B * A * D)),
    ((Q.symmetric(A),), Trace(A.T * B), Trace(A * B), Trace(A) * Trace(B)),
    ((Q.diagonal(A), Q.diagonal(D)), Trace(A * D * B), Trace(D * A * B), Trace(A * B * D * A)),
    ((Q.orthogonal(U),), Trace(U * A * U.T), Trace(A), Trace(U.T * A)),
    ((Q.orthogonal(U),), Determinant(U) ** 3, Determinant(U), Determinant(U) ** 2),
    ((), Trace(A * Inverse(B * A)), Trace(B.I), Trace(A * B.I * A.I * A)),
    ((), Trace(Inverse(A + 2 * B)), Trace(Inverse(A.T / 2 + B.T)) / 2, Trace(Inverse(A / 2 + B))),
    ((), square(x + y, A), square(x, A) + Trace(x.T * (A + A.T) * y) + square(y, A), square(x, A) + square(y, A)),
    ((), Trace(x * y.T) ** 2, Trace(y * x.T * y * x.T), Trace(x * x.T) * Trace(y * y.T)),
    ((), Trace(P**2), Determinant(P) * Trace(P), None),
    ((), Trace(P.I), 1 / Trace(P), Trace(P)),
    ((), Trace(Inverse(2 * A).T), Trace(A.I) / 2, Trace(A.I) * 2),
    ((), Expectation(c * Trace(y.T * x) * Trace(x.T * A * m), x), c * Trace(y.T * A * m), c * Trace(y.T * m)),
    ((), Trace(A**2), Trace((A.T) ** 2), Trace(A) ** 2),
    ((), Trace(W.T * W), Trace(W * W.T), Trace(W.T * W) + 3 - d),
    ((), Determinant(-c * A), (-c) ** d * Determinant(A), -c * Determinant(A)),
    ((), Determinant(c * A + c * B), c**d * Determinant(A + B), c**d * (Determinant(A) + Determinant(B))),
    ((), Determinant(A * B.I), Determinant(A) / Determinant(B), Determinant(B) / Determinant(A)),
    ((), Determinant(one + x * y.T), Determinant(one + y * x.T), Determinant(one + x * x.T)),
    ((definite,), log(Determinant(S**2)), 2 * log(Determinant(S)), log(2 * Determinant(S))),
    ((definite,), log(Determinant(2 * one + 2 * S)), d * log(2) + log(Determinant(one + S)), log(2) * d),
    ((definite,), Expectation(square(x, A), x, m, S), square(m, A) + Trace(S * A), square(m, A) + Trace(S)),
    ((), Expectation(square(x), x, m, A * A.T), square(m) + Trace(A.T * A), square(m) + Trace(A**2)),
    ((definite,), Expectation(Trace(y.T * (x - m)) * square(x - m), x, m, S), 0, Trace(y.T * m)),
    ((definite,), Expectation(Trace(y.T * x) ** 2, x, m, S), Trace(y.T * m) ** 2 + square(y, S), square(y, S)),
    (
        (definite,),
        Expectation(square(x - m, A) * square(x - m, B), x, m, S),
        Trace(A * S) * Trace(B * S) + Trace(A * S * (B + B.T) * S),
        Trace(A * S) * Trace(B * S) + 2 * Trace(A * S * B * S),
    ),
    (
        (definite,),
        Expectation(Trace(y.T * (x - m)) ** 2 * square(x - m), x, m, S),
        square(y, S) * Trace(S) + 2 * square(S * y),
        square(y, S) * Trace(S) + 2 * square(y, S),
    ),
    ((), Expectation(Trace(y.T * x) ** 4, x), 3 * square(y) ** 2, square(y) ** 2),
    ((definite,), log(density(x, m, S)), log(density(m, x, S)), log(density(x, -m, S))),
]
TWINS = [(assumed, *(None if line is None else sympify(line) for line in lines)) for assumed, *lines in TWINS]


@pytest.mark.parametrize(("assumed", "old", "new", "twin"), TWINS, ids=lambda case: str(case)[:40])
def test_what_holds_is_proved_and_its_near_twin_is_not(assumed, old, new, twin):
    given = theory(*assumed)
    assert given.prove(old, new)
    assert not given.disagreement(old, new)
    if twin is not None:
        assert not given.prove(old, twin)
        assert given.disagreement(old, twin)


SIGNS = [
    ((), Trace(A * A.T), Trace(A**2)),
    ((), square(x, A * A.T), square(x, A)),
    ((definite,), square(x, S.I), -Trace(A)),
    ((definite,), Determinant(one + S + x * x.T), Determinant(one - S)),
]


@pytest.mark.parametrize(("assumed", "positive", "other"), SIGNS, ids=lambda case: str(case)[:40])
def test_signs_are_proved_only_where_they_are_certain(assumed, positive, other):
    assert theory(*assumed).prove(positive, sympify(0), relation=">=")
    assert not theory(*assumed).prove(other, sympify(0), relation=">=")


@pytest.mark.parametrize("assumed", [Q.symmetric(A), Q.diagonal(A), Q.orthogonal(A), Q.positive_definite(A)], ids=str)
def test_a_matrix_is_what_is_assumed_of_it_in_every_world(assumed):
    claims = {
        "symmetric": (Trace(A * B), Trace(A.T * B)),
        "diagonal": (Trace(A**2 * B * A), Trace(A.T * B * A * A)),
        "orthogonal": (Trace(A * A.T * B), Trace(B)),
        "positive_definite": (log(Determinant(A**2)), 2 * log(Determinant(A))),
    }
    old, new = claims[assumed.function.name]
    Derivation(theory(assumed), old).step(new)
    with pytest.raises((WrongStep, Unchecked)):
        Derivation(theory(), old).step(new)


VALUES = [
    (Determinant(Matrix([[1, 2], [3, 4]]) * X), -2 * (X[0, 0] * X[1, 1] - X[0, 1] * X[1, 0])),
    (Trace(Inverse(X)) * Determinant(X), Trace(X)),
    (Trace(Matrix([[1, 2], [3, 4]]) * X), X[0, 0] + 2 * X[1, 0] + 3 * X[0, 1] + 4 * X[1, 1]),
    ((x.T * A * y)[0, 0], Trace(x.T * A * y)),
    (Trace(X**3), Trace(X) ** 3 - 3 * Trace(X) * Determinant(X)),
    (Determinant(ZeroMatrix(2, 2) * X), sympify(0)),
    (Expectation(Trace(x * x.T) ** 2, x), d * (d + 2)),
    (Expectation(Trace(x.T * m) ** 4, x), 3 * square(m) ** 2),
]


@pytest.mark.parametrize(("old", "new"), VALUES, ids=str)
def test_values_are_those_of_explicit_matrices_and_known_moments(old, new):
    assert Derivation(Theory(), old).step(new).lines[-1].mark in ("proved", "checked")
    with pytest.raises(WrongStep):
        Derivation(Theory(), old).step(new + Rational(1, 10**6))


def test_the_divergence_of_two_gaussians_is_proved_from_their_densities():
    given = theory(Q.positive_definite(S1), Q.positive_definite(S2))
    start = Expectation(log(density(x, m1, S1) / density(x, m2, S2)), x, m1, S1)
    assert Derivation(given, start).step(divergence(m1, S1, m2, S2)).lines[-1].mark == "proved"
    with pytest.raises(WrongStep):
        Derivation(given, start).step(divergence(m1, S2, m2, S1))


NO_VALUE = [
    (A, "is a matrix, and a line is a number: write Trace"),
    (log(Determinant(A)), "no real number"),
    (Trace(A * x.T), "the shapes do not fit"),
    (Trace(x), "only a square matrix has a trace"),
    (Determinant(x), "only a square matrix has a determinant"),
    (Trace(Inverse(A - A.T)), "has no inverse"),
    (Trace(A**d), "needs a whole number"),
    (Trace(HadamardProduct(A, B)), "HadamardProduct can't be evaluated"),
    (A[7, 0], "is outside of its matrix"),
    (Sum(Trace(A), (d, 1, 3)), "d is the size of A"),
    (Trace(A * MatrixSymbol("A", d, 1) * x.T), "two different things are called A"),
    (Trace(x * x), "shapes do not fit"),
    (Expectation(square(x), x, m, A), "is no covariance"),
    (Expectation(square(x) ** 3, x), "no polynomial of degree 5 or less"),
    (Expectation(log(1 + square(x)), x), "no polynomial of degree 5 or less"),
]


@pytest.mark.parametrize(("line", "words"), NO_VALUE, ids=lambda case: str(case)[:40])
def test_what_has_no_value_says_why_and_is_not_proved(line, words):
    with pytest.raises(Unchecked, match=words):
        Derivation(Theory(), line).step(2 * line)


NO_FORM = [
    A,
    Trace(A + x),
    Trace(A * x.T),
    Trace(x),
    Determinant(x),
    Trace(Inverse(x)),
    Trace(A**d),
    Trace(HadamardProduct(A, B)),
    Trace(Inverse(MatAdd(A, -A.T, A.T, -A))),
    Trace(MatrixSymbol("N", d - 1, d - 1)),
    A.I[0, 1],
    Sum(Trace(A), (d, 1, n)),
    Derivative(Determinant(c * A), c),
    Expectation(square(x) ** 5, x),
    Expectation(1 / square(x), x),
    Expectation(log(1 + square(x)), x),
    Expectation(Trace(Inverse(one + x * x.T) * x * x.T), x),
    Expectation(square(x), x, m, A),
]


@pytest.mark.parametrize("line", NO_FORM, ids=str)
def test_nothing_is_proved_of_what_is_not_understood(line):
    assert not theory().prove(line, line)


def test_matrices_without_entries_are_left_out():
    small = MatrixSymbol("N", d - 1, d - 1)
    assert Derivation(Theory(), Trace(small)).step(Trace(small.T)).lines[-1].mark == "checked"


def test_many_dimensions_are_too_many_for_a_grid():
    many = Theory(indices={"d": (5, 6)})
    with pytest.raises(Unchecked, match="more than 4 entries"):
        Derivation(many, Expectation(square(x), x)).step(d)


REFUSED = [
    (lambda: theory(Q.symmetric(x)), TypeError, "what is assumed of a square matrix"),
    (lambda: theory(Q.fullrank(A)), TypeError, "Q.positive_definite"),
    (lambda: theory(Q.orthogonal(A), Q.diagonal(A)), ValueError, "nothing else can be assumed"),
    (lambda: Expectation(square(x), x, A, S), ValueError, "no Gaussian over x"),
    (lambda: Expectation(Trace(A), A), ValueError, "no Gaussian over A"),
    (lambda: Expectation(square(x), x).doit(), Unchecked, "no exact mean"),
]


@pytest.mark.parametrize(("call", "error", "words"), REFUSED)
def test_what_can_not_be_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_an_invertible_matrix_has_an_inverse_in_every_world():
    given = theory(Q.invertible(A), Q.symmetric(A))
    assert len(given.refute(Trace(A.I * B * A), Trace(B))) == len(list(given.interpreters([Trace(A * B)])))
    assert len(theory().refute(Trace(A.I * B * A), Trace(B))) < len(list(theory().interpreters([Trace(A * B)])))


def test_entries_outside_of_the_smallest_matrix_do_not_stop_the_prover():
    assert theory(Q.symmetric(A)).prove(A[0, 1], A[1, 0])
    assert not theory().prove(A[0, 1], A[1, 0])


def test_the_mean_of_a_mean_keeps_its_names_apart():
    inner = Expectation(Trace(x.T * y), x, y, S)  # E[x] = y
    assert theory(definite).prove(Expectation(inner, y, m, S), square(m) + Trace(S))
    assert not theory(definite).prove(Expectation(inner, y, x, S), square(x) + Trace(S) + 1)
    taken = Expectation(square(x) * Expectation(square(x), x, m, S), x, m, S)
    assert not theory(definite).disagreement(taken, (square(m) + Trace(S)) ** 2)


def test_matrices_are_shown_in_derivations_and_cells():
    shown = Derivation(theory(definite), log(Determinant(S.I))).step(-log(Determinant(S)))._repr_latex_()
    assert r"S \text{ positive definite}" in shown
    cell = derive(theory(definite), "Trace(S*x*x.T)\n= Trace(x.T*S*x)\n= Trace(x.T*x)", known({"S": S, "x": x}))
    assert [verdict.mark for verdict in cell.verdicts()] == ["proved", "refused"]
