"""Gaussian densities, exact expectations of polynomials, completing the square, and the divergence of two Gaussians.

Every Gaussian takes its mean and its *variance*. sigma is never an argument; sigma**2 is.
"""

from sympy import (
    Add,
    Dummy,
    Expr,
    Identity,
    Indexed,
    Integral,
    MatrixSymbol,
    Poly,
    PolynomialError,
    Symbol,
    ZeroMatrix,
    cancel,
    exp,
    expand,
    expand_log,
    factorial2,
    log,
    oo,
    pi,
    sqrt,
    sympify,
)
from sympy.printing.latex import LatexPrinter

from mini_ddpm.symbolic.worlds import Unchecked


def normal_density(x: Expr, mean: Expr, variance: Expr) -> Expr:
    """The density of N(mean, variance) at x."""
    return exp(-((x - mean) ** 2) / (2 * variance)) / sqrt(2 * pi * variance)


def log_density(x: Expr, mean: Expr, variance: Expr) -> Expr:
    """Its logarithm."""
    return -((x - mean) ** 2) / (2 * variance) - log(2 * pi * variance) / 2


class Expectation(Expr):
    """The mean of f(x) for x ~ N(mean, variance), f a polynomial in x; `doit` is exact, by Gaussian moments.

    The k-th central moment is variance^(k/2) (k - 1)!! for even k, and 0 for odd k. For x = MatrixSymbol("x", d, 1),
    the mean is a vector and the variance a covariance matrix.
    """

    is_extended_real = True

    def __new__(cls, f: Expr, x: Expr, mean: Expr = 0, variance: Expr = 1) -> "Expectation":
        if not isinstance(x, (Symbol, Indexed, MatrixSymbol)):
            raise TypeError(f"a mean is taken over a symbol or an indexed quantity, not {x!r}")
        f, mean, variance = map(sympify, (f, mean, variance))
        if isinstance(x, MatrixSymbol):
            mean, variance = _of_vector(x, mean, variance)
        if x.is_Symbol and any(other != x and other.name == x.name for other in f.atoms(Symbol)):
            raise ValueError(f"{f} has another {x}, with other assumptions: define the symbol once")
        return Expr.__new__(cls, f, x, mean, variance)

    def doit(self, **hints: bool) -> Expr:
        """The value.

        Raises:
            Unchecked: f is not a polynomial in x.
        """
        f, x, mean, variance = self.args
        if x.is_Matrix:
            raise Unchecked(f"no exact mean of {f} over the vector {x}: write it out, and let the step be checked")
        z = Dummy("z", real=True)
        centred = expand(expand_log(f.doit(**hints)).xreplace({x: mean + z}))
        try:
            terms = Poly(centred, z).terms()
        except PolynomialError:
            raise Unchecked(f"no exact mean of {f} over {x}: it is not a polynomial in {x}. Leave out doit()") from None
        return Add(*(c * variance ** (k // 2) * factorial2(k - 1) for (k,), c in terms if k % 2 == 0))

    def integral(self) -> Integral:
        """What the mean stands for: the integral of f times the density."""
        f, x, mean, variance = self.args
        return Integral(f * normal_density(x, mean, variance), (x, -oo, oo))

    @property
    def free_symbols(self) -> set:
        """All symbols but the integration variable."""
        f, x, mean, variance = self.args
        places = set().union(*(index.free_symbols for index in getattr(x, "indices", ())))
        return (f.free_symbols - {x}) | places | mean.free_symbols | variance.free_symbols

    def _latex(self, printer: LatexPrinter) -> str:
        f, x, mean, variance = map(printer._print, self.args)
        return rf"\mathbb{{E}}_{{{x} \sim \mathcal{{N}}({mean},\, {variance})}}\left[{f}\right]"


def _of_vector(x: MatrixSymbol, mean: Expr, variance: Expr) -> tuple[Expr, Expr]:
    """The mean and covariance of a vector, 0 and the identity where they are left out; their shapes must fit."""
    mean = ZeroMatrix(*x.shape) if mean == 0 else mean
    variance = Identity(x.rows) if variance == 1 else variance
    if x.cols != 1 or getattr(mean, "shape", None) != x.shape or getattr(variance, "shape", None) != (x.rows, x.rows):
        raise ValueError(f"N({mean}, {variance}) is no Gaussian over {x}: it needs a vector, and a matrix of its size")
    return mean, variance


def complete_square(exponent: Expr, x: Expr) -> tuple[Expr, Expr, Expr]:
    """Read a Gaussian off an exponent that is quadratic in x.

    Returns:
        mean, variance, remainder with exponent = -(x - mean)^2 / (2 variance) + remainder.
    """
    a, b, c = Poly(expand(exponent), x).all_coeffs()
    return cancel(-b / (2 * a)), cancel(-1 / (2 * a)), c - b**2 / (4 * a)


def kl(mean_1: Expr, variance_1: Expr, mean_2: Expr, variance_2: Expr) -> Expr:
    """D_KL( N(mean_1, variance_1) || N(mean_2, variance_2) ), derived in notebook 03."""
    mean_1, variance_1, mean_2, variance_2 = map(sympify, (mean_1, variance_1, mean_2, variance_2))
    return (log(variance_2 / variance_1) + (variance_1 + (mean_1 - mean_2) ** 2) / variance_2 - 1) / 2
