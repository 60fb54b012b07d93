"""False steps about traces, determinants and Gaussian vectors: what holds of numbers and not of matrices."""

from sympy import Determinant, Inverse, MatrixSymbol, Q, Rational, Trace, log, pi

from mini_ddpm.symbolic import Expectation, d

from .matrices import (
    S1,
    S2,
    A,
    B,
    C,
    D,
    S,
    U,
    W,
    b,
    c,
    covariance,
    covariances,
    density,
    diagonal,
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


ratio = log(Determinant(S2) / Determinant(S1))
shift = square(m1 - m2, S2.I)
spread = Trace(S2.I * S1)
closed = divergence(m1, S1, m2, S2)
log_ratio = mean(log(density(x, m1, S1) / density(x, m2, S2)))
two, three = assuming(Q.symmetric(A), Q.symmetric(B)), assuming(*map(Q.symmetric, (A, B, C)))
X = MatrixSymbol("X", 2, 2)

STEPS: list[Step] = [
    # the divergence of two Gaussians
    step(
        "divergence", closed, (ratio + spread + shift) / 2, "minus d: of N with itself 0 before, d/2 here", covariances
    ),
    step(
        "divergence",
        closed,
        (ratio - 1 + spread + shift) / 2,
        "d is 1 for numbers only: with itself (d-1)/2 here",
        covariances,
    ),
    step(
        "divergence",
        closed,
        (-ratio - d + spread + shift) / 2,
        "the log is turned: d=1, S1=1, S2=2, m1=m2",
        covariances,
    ),
    step(
        "divergence", closed, (ratio - d + Trace(S1.I * S2) + shift) / 2, "the trace is turned: S1=1, S2=2", covariances
    ),
    step(
        "divergence",
        closed,
        (ratio - d + spread + square(m1 - m2, S1.I)) / 2,
        "the other precision: S1=1, S2=2",
        covariances,
    ),
    step(
        "divergence",
        closed,
        (ratio - d + spread + square(m1 - m2, S2)) / 2,
        "covariance for precision: S2=2",
        covariances,
    ),
    step(
        "divergence",
        closed,
        (ratio - d + spread + square(m1 + m2, S2.I)) / 2,
        "the means are added: m1=m2=1",
        covariances,
    ),
    step(
        "divergence",
        closed,
        (ratio - d + spread + square(m1 - m2)) / 2,
        "the distance needs a precision: S2=2",
        covariances,
    ),
    step("divergence", closed, (ratio - d + shift) / 2, "the trace term is lost: with itself -d/2 here", covariances),
    step("divergence", closed, (ratio - d + spread) / 2, "the means are lost: S1=S2, m1=0, m2=1", covariances),
    step("divergence", closed, ratio - d + spread + shift, "one half: S1=S2, m1=0, m2=1", covariances),
    step(
        "divergence",
        closed,
        (2 * ratio - d + spread + shift) / 2,
        "the log of determinants, once: S1=1, S2=2",
        covariances,
    ),
    step("divergence", closed, divergence(m2, S2, m1, S1), "the divergence is not symmetric: S1=1, S2=2", covariances),
    step(
        "divergence",
        closed,
        (log(Trace(S2) / Trace(S1)) - d + spread + shift) / 2,
        "trace for determinant: d=2, S1=1, S2=diag(1, 2)",
        covariances,
    ),
    step(
        "divergence",
        closed,
        (ratio - d + Trace(S1) / Trace(S2) + shift) / 2,
        "a trace of a quotient: d=2, S1=S2",
        covariances,
    ),
    step(
        "divergence",
        divergence(m, u * one, b, v * one),
        (log(v / u) - d + d * u / v + square(m - b) / v) / 2,
        "d logs: d=2, u=1, v=2",
    ),
    step(
        "divergence",
        divergence(m, u * one, b, v * one),
        (d * log(v / u) - d + u / v + square(m - b) / v) / 2,
        "d quotients: d=2, u=v=1: -1/2 here",
    ),
    step(
        "divergence", log_ratio, mean(log(density(x, m2, S2) / density(x, m1, S1))), "the sign: S1=1, S2=2", covariances
    ),
    step(
        "divergence",
        log_ratio,
        (ratio - d + mean(square(x - m2, S1.I))) / 2,
        "the wrong precision: S1=1, S2=2",
        covariances,
    ),
    step("divergence", mean(square(x - m2, S2.I)), spread, "the distance of the means: m1=0, m2=1", covariances),
    step("divergence", mean(square(x - m2, S2.I)), d + shift, "S1 is not S2: S1=1, S2=2", covariances),
    step("divergence", mean(square(x - m2, S2.I)), Trace(S2 * S1) + shift, "the precision: S1=1, S2=2", covariances),
    step("divergence", mean(square(x - m2, S2.I)), spread + 2 * shift, "once: m1=0, m2=1", covariances),
    # entropies
    step(
        "entropy",
        -first(log(density(x, m, S))),
        log(2 * pi) / 2 + d * Rational(1, 2) + log(Determinant(S)) / 2,
        "d factors 2 pi: d=2, S=1",
        covariance,
    ),
    step(
        "entropy",
        -first(log(density(x, m, S))),
        d * log(2 * pi) / 2 + Rational(1, 2) + log(Determinant(S)) / 2,
        "the trace of the identity: d=2",
        covariance,
    ),
    step(
        "entropy",
        -first(log(density(x, m, S))),
        d * log(2 * pi) / 2 + d * Rational(1, 2) - log(Determinant(S)) / 2,
        "the sign of the log: S=2",
        covariance,
    ),
    step(
        "entropy",
        -first(log(density(x, m, S))),
        d * log(2 * pi) / 2 + d * Rational(1, 2) + log(Determinant(S)),
        "half of the log: S=2",
        covariance,
    ),
    # traces
    step("trace", Trace(A * B * C), Trace(A * C * B), "not a rotation: A = e1 e2^T, B = e2 e3^T, C = e3 e1^T"),
    step("trace", Trace(A * B * C), Trace(A.T * B.T * C.T), "transposing turns the order: the same matrices"),
    step("trace", Trace(A * B * A * B), Trace(A * A * B * B), "A and B do not commute, even if symmetric", two),
    step("trace", Trace(A * B * C * D), Trace(A * C * B * D), "four symmetric ones have an order", three),
    step("trace", Trace(A * B), Trace(A) * Trace(B), "A=B=1, d=2: 2 before, 4 here"),
    step("trace", Trace(A**2), Trace(A) ** 2, "A=1, d=2: 2 before, 4 here"),
    step("trace", Trace((A + B) ** 2), Trace(A**2) + Trace(A * B) + Trace(B**2), "the middle term twice: A=B=1"),
    step("trace", Trace((A + B) ** 3), Trace(A**3 + 3 * A**2 * B + 3 * A * B + B**3), "A B B in the last but one"),
    step("trace", Trace((A * B) ** 2), Trace(A**2 * B**2), "powers of products: A = e1 e2^T, B = A^T"),
    step("trace", Trace(A.I), 1 / Trace(A), "A=1, d=2: 2 before, 1/2 here", invertible),
    step("trace", Trace(A.I * B), Trace(B) / Trace(A), "A=B=1, d=2: 2 before, 1 here", invertible),
    step("trace", Trace(A.T * B), Trace(A * B), "a transpose is lost: A = e1 e2^T, B = A"),
    step("trace", Trace(A.T * A), Trace(A**2), "A is not symmetric: A = e1 e2^T: 1 before, 0 here"),
    step("trace", Trace(Inverse(A * B) * C), Trace(A.I * B.I * C), "the order of the inverse", invertible),
    step("trace", Trace((A + B).I), Trace(A.I + B.I), "the inverse of a sum: A=B=1, d=1: 1/2 and 2", invertible),
    step("trace", Trace(A * B * A.I), Trace(A), "the other matrix is left: A=1, B=2", invertible),
    step("trace", Trace(A * B * A.T), Trace(B), "A is not orthogonal: A=2, B=1"),
    step("trace", Trace(U * A * U), Trace(A), "U a quarter turn: d=2, A=1: -2 before, 2 here", rotation),
    step("trace", Trace(U), d, "a rotation is not the identity: a half turn", rotation),
    step("trace", Trace(D * A * B), Trace(D * B * A), "one diagonal matrix does not let all commute", diagonal),
    step("trace", Trace(c * one), c, "d times: d=2"),
    step("trace", Trace(one), 1, "the trace of the identity is d"),
    step("trace", Trace(r * A + one), r * Trace(A) + 1, "d ones: d=2"),
    step("trace", Trace(x * y.T * A), square(x, A), "x for y"),
    step("trace", square(x, A), Trace(A) * square(x), "a trace of a product: A=diag(1, 0), x=e2"),
    step("trace", Trace(x.T * A * y), Trace(y.T * A * x), "A is not symmetric: A = e1 e2^T, x=e1, y=e2"),
    step("trace", square(x + y), square(x) + square(y), "the middle term: x=y"),
    step("trace", square(x - y, A), square(x, A) - 2 * Trace(x.T * A * y) + square(y, A), "A is not symmetric"),
    step("trace", Trace(W.T * A * W), Trace(A) * Trace(W.T * W), "a trace of a product: A=diag(1, 0)"),
    step("trace", A[0, 1] * B[1, 0], A[1, 0] * B[1, 0], "A is not symmetric: A = e1 e2^T"),
    step("trace", X[0, 0] * X[1, 1], Determinant(X), "minus the other diagonal: X all ones"),
    # determinants
    step("determinant", Determinant(A + B), Determinant(A) + Determinant(B), "A=B=1, d=2: 4 before, 2 here"),
    step("determinant", Determinant(c * A), c * Determinant(A), "d factors: A=1, d=2, c=2: 4 before, 2 here"),
    step("determinant", Determinant(-A), -Determinant(A), "d signs: A=1, d=2: 1 before, -1 here"),
    step("determinant", Determinant(-A), Determinant(A), "d signs: A=1, d=1: -1 before, 1 here"),
    step("determinant", Determinant(A.T * B), Determinant(A) / Determinant(B), "a product: A=1, B=2"),
    step("determinant", Determinant(A.I), Determinant(A), "one over it: A=2, d=1", invertible),
    step("determinant", Determinant(A.I), -Determinant(A), "minus is for logarithms: A=2, d=1", invertible),
    step("determinant", Determinant(A**2), 2 * Determinant(A), "a square: A=1"),
    step("determinant", Determinant(A), Trace(A), "A=1, d=2: 1 before, 2 here"),
    step("determinant", Determinant(U), 1, "a reflection has -1", rotation),
    step("determinant", Determinant(one + A), 1 + Determinant(A), "A=1, d=2: 4 before, 2 here"),
    step("determinant", Determinant(one + A), 1 + Trace(A), "A=1, d=2: 4 before, 3 here"),
    step("determinant", Determinant(one + x * y.T), 1 + square(x), "x for y"),
    step("determinant", Determinant(x * x.T), square(x) ** d, "rank one: d=2, x=e1: 0 before, 1 here"),
    step("determinant", Determinant(W.T * W), Determinant(W * W.T), "another size: d=2: 0 before"),
    step("determinant", log(Determinant(c * S)), log(c) + log(Determinant(S)), "d factors: d=2, c=2", covariance),
    step("determinant", log(Determinant(S.I)), log(Determinant(S)), "the sign: S=2", covariance),
    step(
        "determinant",
        log(Determinant(S1 + S2)),
        log(Determinant(S1)) + log(Determinant(S2)),
        "a sum: d=1, S1=S2=1",
        covariances,
    ),
    step("determinant", log(Determinant(S)), log(Trace(S)), "d=2, S=1: 0 before, log 2 here", covariance),
    step(
        "determinant",
        log(Determinant(S1.I * S2)),
        log(Determinant(S1)) - log(Determinant(S2)),
        "turned: S1=1, S2=2",
        covariances,
    ),
    # means
    step("mean", first(square(x)), square(m), "the spread: m=0, S=1", covariance),
    step("mean", first(square(x)), square(m) + d, "the trace of S: S=2", covariance),
    step("mean", first(square(x)), square(m) + Determinant(S), "the trace: S=1, d=2", covariance),
    step("mean", first(square(x, A)), square(m, A) + Trace(A) * Trace(S), "A=S=1, d=2", covariance),
    step("mean", first(square(x, A)), square(m, A) + Trace(S), "A: A=2", covariance),
    step("mean", first(square(x, A)), square(m, A) + Trace(A * S * S), "S once: S=2", covariance),
    step(
        "mean",
        first(square(x, A)),
        square(m, A) + Trace(A.I * S),
        "A, not its inverse: A=2",
        assuming(Q.positive_definite(S), Q.positive_definite(A)),
    ),
    step("mean", first(square(x - m, S.I)), 1, "d: d=2", covariance),
    step("mean", first(square(x - m, S)), d, "the precision: S=2", covariance),
    step("mean", first(square(S.I * (x - m))), Trace(S), "the Fisher information is the precision: S=2", covariance),
    step("mean", first(square(S.I * (x - m))), d, "S=2, d=1: 1/2 before, 1 here", covariance),
    step("mean", first(Trace(b.T * x) ** 2), Trace(b.T * m) ** 2, "the variance of b^T x", covariance),
    step(
        "mean",
        first(Trace(b.T * x) * Trace(y.T * x)),
        Trace(b.T * m) * Trace(y.T * m) + Trace(b.T * y),
        "S between: S=2",
        covariance,
    ),
    step(
        "mean", first(square(A * x + b)), square(A * m + b) + Trace(A * S * A), "a transpose: A = e1 e2^T", covariance
    ),
    step("mean", first(square(x - y)), square(m - y) - Trace(S), "the sign: S=1", covariance),
    step(
        "mean",
        first(square(x - m, A) ** 2),
        Trace(A * S) ** 2,
        "the spread of a square: d=1: 3 before, 1 here",
        covariance,
    ),
    step(
        "mean",
        first(square(x - m, A) ** 2),
        Trace(A * S) ** 2 + 2 * Trace(A * S * A * S),
        "A is not symmetric",
        covariance,
    ),
    step("mean", Expectation(first(square(x)), m, b, S), square(b) + Trace(S), "two spreads: S=1", covariance),
    # inequalities
    step("bound", Trace(A**2), 0, "A a quarter turn: -2", relation=">="),
    step("bound", square(x, A), 0, "A=-1", symmetric, ">="),
    step("bound", Determinant(A.T * B), 0, "A=1, B=-1, d=1", relation=">="),
    step("bound", log(Determinant(S)), 0, "S=1/2", covariance, ">="),
    step("bound", log(Determinant(S)), Trace(S), "log x <= x - 1, not >= x: S=1", covariance, ">="),
    step("bound", Trace(A * B), Trace(A) * Trace(B), "A=1, B=-1, d=2: -2 before, -4 here", two, "<="),
]

# What was planted: the index of a step, and the symbol, number or term whose repair makes its line true.
EDITS: dict[int, str] = {
    0: "d",
    2: "sign",
    10: "factor 1/2",
    11: "factor 2",
    17: "sign",
    22: "factor 2",
    25: "sign",
    26: "factor 1/2",
    63: "reciprocal",
    74: "sign",
    77: "sign",
    92: "sign",
}
