"""The matrices that true_matrices and false_matrices share, and what is assumed of them."""

from sympy import Determinant, Expr, Identity, MatrixExpr, MatrixSymbol, Q, Trace, exp, log, pi, sqrt, symbols

from mini_ddpm.symbolic import d

from .steps import assuming

A, B, C, D, E, S, U, S1, S2 = (MatrixSymbol(name, d, d) for name in ["A", "B", "C", "D", "E", "S", "U", "S_1", "S_2"])
x, y, m, b, m1, m2 = (MatrixSymbol(name, d, 1) for name in ["x", "y", "m", "b", "m_1", "m_2"])
W = MatrixSymbol("W", d, 3)
one = Identity(d)
c, u, v, w = symbols("c u v w", positive=True)
r = symbols("r", real=True)

covariance, covariances = assuming(Q.positive_definite(S)), assuming(Q.positive_definite(S1), Q.positive_definite(S2))
symmetric, rotation, diagonal = assuming(Q.symmetric(A)), assuming(Q.orthogonal(U)), assuming(Q.diagonal(D))
diagonals, invertible = assuming(Q.diagonal(D), Q.diagonal(E)), assuming(Q.invertible(A), Q.invertible(B))


def square(a: MatrixExpr, weight: MatrixExpr = one) -> Expr:
    """a^T W a."""
    return Trace(a.T * weight * a)


def density(a: MatrixExpr, mean: MatrixExpr, spread: MatrixExpr) -> Expr:
    """That of N(mean, spread) at a."""
    return exp(-square(a - mean, spread.I) / 2) / sqrt((2 * pi) ** d * Determinant(spread))


def divergence(mean_1: MatrixExpr, spread_1: MatrixExpr, mean_2: MatrixExpr, spread_2: MatrixExpr) -> Expr:
    """D_KL(N(mean_1, spread_1) || N(mean_2, spread_2))."""
    volumes = log(Determinant(spread_2) / Determinant(spread_1))
    return (volumes - d + Trace(spread_2.I * spread_1) + square(mean_1 - mean_2, spread_2.I)) / 2
