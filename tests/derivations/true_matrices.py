"""True steps: traces, determinants, means over Gaussian vectors, and the divergence of two of them."""

from sympy import Determinant, Identity, Inverse, MatrixSymbol, Q, Rational, Trace, ZeroMatrix, exp, log, pi

from mini_ddpm.symbolic import Expectation, d

from .matrices import (
    S1,
    S2,
    A,
    B,
    C,
    D,
    E,
    S,
    U,
    W,
    b,
    c,
    covariance,
    covariances,
    density,
    diagonals,
    divergence,
    invertible,
    m,
    m1,
    m2,
    one,
    r,
    rotation,
    square,
    symmetric,
    u,
    v,
    x,
    y,
)
from .steps import Step, assuming


def step(kind, before, after, reason, given=None, relation="="):
    return Step(kind, before, after, reason, relation, *([] if given is None else [given]))


def mean(f):
    """Over the first of two Gaussians."""
    return Expectation(f, x, m1, S1)


def first(f):
    return Expectation(f, x, m, S)


volumes = log(Determinant(S2)) / 2 - log(Determinant(S1)) / 2
number, other = MatrixSymbol("P", 1, 1), MatrixSymbol("R", 1, 1)
definite = assuming(Q.positive_definite(S), Q.symmetric(A))

STEPS: list[Step] = [
    # the divergence of two Gaussians, line by line
    step(
        "divergence",
        mean(log(density(x, m1, S1) / density(x, m2, S2))),
        mean(volumes - square(x - m1, S1.I) / 2 + square(x - m2, S2.I) / 2),
        "the logarithms of two densities; (2 pi)^d cancels",
        covariances,
    ),
    step(
        "divergence",
        mean(volumes - square(x - m1, S1.I) / 2 + square(x - m2, S2.I) / 2),
        volumes - mean(square(x - m1, S1.I)) / 2 + mean(square(x - m2, S2.I)) / 2,
        "the mean is linear",
        covariances,
    ),
    step(
        "divergence",
        volumes - mean(square(x - m1, S1.I)) / 2 + mean(square(x - m2, S2.I)) / 2,
        volumes - mean(Trace(S1.I * (x - m1) * (x - m1).T)) / 2 + mean(square(x - m2, S2.I)) / 2,
        "a number is its trace, and a trace may be rotated",
        covariances,
    ),
    step(
        "divergence",
        volumes - mean(Trace(S1.I * (x - m1) * (x - m1).T)) / 2 + mean(square(x - m2, S2.I)) / 2,
        volumes - Trace(S1.I * S1) / 2 + mean(square(x - m2, S2.I)) / 2,
        "the mean of (x - m)(x - m)^T is the covariance",
        covariances,
    ),
    step(
        "divergence",
        volumes - Trace(Identity(d)) / 2 + mean(square(x - m2, S2.I)) / 2,
        volumes - d / 2 + mean(square(x - m2, S2.I)) / 2,
        "the trace of the identity",
        covariances,
    ),
    step(
        "divergence",
        mean(square(x - m2, S2.I)),
        mean(square(x - m1, S2.I) + 2 * Trace((x - m1).T * S2.I * (m1 - m2)) + square(m1 - m2, S2.I)),
        "x - m2 = (x - m1) + (m1 - m2)",
        covariances,
    ),
    step(
        "divergence",
        mean(square(x - m1, S2.I) + 2 * Trace((x - m1).T * S2.I * (m1 - m2)) + square(m1 - m2, S2.I)),
        Trace(S2.I * S1) + square(m1 - m2, S2.I),
        "the term in the middle has the mean 0",
        covariances,
    ),
    step(
        "divergence",
        volumes - d / 2 + mean(square(x - m2, S2.I)) / 2,
        divergence(m1, S1, m2, S2),
        "the closed form",
        covariances,
    ),
    step(
        "divergence",
        mean(log(density(x, m1, S1)) - log(density(x, m2, S2))),
        divergence(m1, S1, m2, S2),
        "the closed form in one step",
        covariances,
    ),
    step(
        "divergence", divergence(m, S, b, S), square(m - b, S.I) / 2, "equal covariances leave the distance", covariance
    ),
    step(
        "divergence",
        divergence(m, u * one, b, v * one),
        (d * log(v / u) - d + d * u / v + square(m - b) / v) / 2,
        "isotropic covariances: d times that of numbers",
    ),
    step(
        "divergence",
        divergence(m1, S1, m2, S2) + divergence(m2, S2, m1, S1),
        (Trace(S2.I * S1) + Trace(S1.I * S2) + square(m1 - m2, S1.I + S2.I)) / 2 - d,
        "the symmetric divergence has no determinants",
        covariances,
    ),
    step(
        "divergence",
        divergence(U * m1, U * S1 * U.T, U * m2, U * S2 * U.T),
        divergence(m1, S1, m2, S2),
        "a rotation of the space changes nothing",
        assuming(Q.positive_definite(S1), Q.positive_definite(S2), Q.orthogonal(U)),
    ),
    step(
        "divergence",
        divergence(A * m1, A * S1 * A.T, A * m2, A * S2 * A.T),
        divergence(m1, S1, m2, S2),
        "nor does any other invertible map",
        assuming(Q.positive_definite(S1), Q.positive_definite(S2), Q.invertible(A)),
    ),
    step("divergence", divergence(m, S, m, c * S), (d * log(c) - d + d / c) / 2, "a scaled covariance", covariance),
    # entropies
    step(
        "entropy",
        -first(log(density(x, m, S))),
        d * log(2 * pi) / 2 + d * Rational(1, 2) + log(Determinant(S)) / 2,
        "log density and trace",
        covariance,
    ),
    step(
        "entropy",
        -first(log(density(x, b, S))),
        (d * log(2 * pi) + log(Determinant(S)) + d + square(m - b, S.I)) / 2,
        "the cross-entropy of a wrong mean",
        covariance,
    ),
    # traces
    step("trace", Trace(A * B * C), Trace(C * A * B), "a trace may be rotated"),
    step("trace", Trace(A * B * C), Trace(C.T * B.T * A.T), "and transposed"),
    step("trace", Trace((A + B) * (A - B)), Trace(A**2) - Trace(B**2), "AB and BA have one trace"),
    step(
        "trace",
        Trace(A * B * C),
        Trace(A * C * B),
        "of three symmetric matrices",
        assuming(*map(Q.symmetric, (A, B, C))),
    ),
    step("trace", Trace(x * x.T * A), square(x, A), "a number is its trace"),
    step("trace", square(x, A), square(x, (A + A.T) / 2), "only the symmetric part counts"),
    step("trace", Trace(A * B * A.I), Trace(B), "similar matrices", invertible),
    step("trace", Trace(U * A * U.T), Trace(A), "a rotated matrix", rotation),
    step("trace", Trace((r * A + one) ** 2), r**2 * Trace(A**2) + 2 * r * Trace(A) + d, "a square written out"),
    step("trace", Trace(W * W.T), Trace(W.T * W), "a matrix that is not square"),
    step("trace", Trace(W.T * A * W), Trace(W * W.T * A), "the size changes, the trace does not"),
    step("trace", Trace(D * E * A * E.I), Trace(D * A), "diagonal matrices commute", diagonals),
    step("trace", Trace(A * x * y.T * B * x * y.T), Trace(y.T * A * x) * Trace(y.T * B * x), "two numbers in a trace"),
    step("trace", Trace(Inverse(A * B) * C), Trace(B.I * A.I * C), "the inverse of a product", invertible),
    step("trace", Trace(Inverse(A.T) * B), Trace(B.T * A.I), "inverse and transpose may be swapped", invertible),
    step("trace", Trace((A + B).I * A) + Trace((A + B).I * B), d, "the inverse of a sum times that sum"),
    step("trace", Trace(number * other), Trace(number) * Trace(other), "1x1 matrices are numbers"),
    step("trace", Trace(ZeroMatrix(d, d) * A) + Trace(c * one), c * d, "zero and identity"),
    step("trace", square(A * x + b), square(x, A.T * A) + 2 * Trace(b.T * A * x) + square(b), "a squared length"),
    step("trace", A[0, 1] * B[1, 0], A[1, 0] * B[1, 0], "entries of a symmetric matrix", symmetric),
    # determinants
    step("determinant", Determinant(A * B), Determinant(B * A), "determinants multiply"),
    step("determinant", Determinant(A.T * A), Determinant(A) ** 2, "a transpose has the same determinant"),
    step("determinant", Determinant(-A), (-1) ** d * Determinant(A), "a sign in every row"),
    step("determinant", Determinant(Inverse(c * A)), c ** (-d) / Determinant(A), "a factor in every row", invertible),
    step("determinant", Determinant(U * A * U.T), Determinant(A), "a rotation does not change volumes", rotation),
    step("determinant", Determinant(U) ** 2, Determinant(one), "that of a rotation is 1 or -1", rotation),
    step("determinant", log(Determinant(c * S)), d * log(c) + log(Determinant(S)), "d factors", covariance),
    step("determinant", log(Determinant(S.I)), -log(Determinant(S)), "the precision", covariance),
    step("determinant", log(Determinant(S**3)), 3 * log(Determinant(S)), "a power", covariance),
    step("determinant", exp(log(Determinant(S)) / 2) ** 2, Determinant(S), "a root and a square", covariance),
    step(
        "determinant",
        log(Determinant(A.T * S * A)),
        2 * log(Determinant(A)) + log(Determinant(S)),
        "change of variables",
        assuming(Q.positive_definite(S), Q.positive_definite(A)),
    ),
    step("determinant", Determinant(one + A * B), Determinant(one + B * A), "Sylvester"),
    step("determinant", Determinant(one + x * y.T), 1 + Trace(y.T * x), "the matrix determinant lemma"),
    step("determinant", Determinant(2 * A + 2 * B), 2**d * Determinant(A + B), "a common factor"),
    step("determinant", Determinant(number * other), Trace(number) * Trace(other), "1x1 matrices are numbers"),
    # means
    step("mean", first(Trace(b.T * x)), Trace(b.T * m), "the mean", covariance),
    step("mean", first(square(x)), square(m) + Trace(S), "length and spread", covariance),
    step("mean", first(square(x, A)), square(m, A) + Trace(A * S), "a quadratic form", covariance),
    step("mean", first(square(x - m, S.I)), d, "the Mahalanobis distance", covariance),
    step(
        "mean",
        first(square(S.I * (x - m))),
        Trace(S.I),
        "the Fisher information: the mean square of the score",
        covariance,
    ),
    step(
        "mean",
        first(Trace(x.T * A * b) * Trace(b.T * x)),
        Trace(m.T * A * b) * Trace(b.T * m) + Trace(b.T * S * A * b),
        "a product of two numbers",
        covariance,
    ),
    step("mean", first(Trace((x - m).T * b) * square(x - m, A)), 0, "an odd moment", covariance),
    step(
        "mean",
        first(square(A * x + b - y)),
        square(A * m + b - y) + Trace(A * S * A.T),
        "the error of a linear denoiser",
        covariance,
    ),
    step("mean", Expectation(square(x, A), x), Trace(A), "Hutchinson's estimate of a trace"),
    step(
        "mean",
        Expectation(first(square(x, A)), m, b, S1),
        square(b, A) + Trace(A * (S + S1)),
        "covariances add",
        assuming(Q.positive_definite(S), Q.positive_definite(S1)),
    ),
    step(
        "mean", first(square(x - m, A) ** 2), Trace(A * S) ** 2 + 2 * Trace(A * S * A * S), "a fourth moment", definite
    ),
    # inequalities
    step("bound", Trace(A.T * A), 0, "a sum of squares", relation=">="),
    step("bound", square(x, S.I), 0, "a precision is positive definite", covariance, ">="),
    step("bound", Trace(A * A.T), Trace(A**2), "the antisymmetric part", relation=">="),
    step("bound", divergence(m1, S1, m2, S2), 0, "Gibbs", covariances, ">="),
    step("bound", log(Determinant(one + S)), 0, "every eigenvalue is above 1", covariance, ">="),
]
