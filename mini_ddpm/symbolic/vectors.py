"""Means over Gaussian vectors in normal form: x = m + z with E[z] = 0, E[z z^T] = S, and all higher moments from S."""

from typing import TYPE_CHECKING

from sympy import Expr, Integer, MatrixSymbol, Poly

from mini_ddpm.symbolic import binders
from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.generators import NoForm
from mini_ddpm.symbolic.polynomials import Polynomial, polynomial, times, transposed
from mini_ddpm.symbolic.traces import trace_of
from mini_ddpm.symbolic.words import Word

if TYPE_CHECKING:
    from mini_ddpm.symbolic.normal import Normal, Scope

MOST = 8  # degree in z


def mean(normal: "Normal", expr: Expectation, scope: "Scope") -> Expr:
    """E f(m + z) for z ~ N(0, S), term by term."""
    _, x, m, covariance = expr.args
    if not x.is_Matrix:
        return binders.mean(normal, expr, scope)
    f, z = _function(normal, expr, scope)
    spread = polynomial(normal, covariance, scope)
    if spread != transposed(normal, spread):
        raise NoForm
    numerator, denominator = normal.generators.ratio(normal.of(f.xreplace({x: m + z}), scope))
    if any(normal.depends(g, [z]) for g in denominator.free_symbols):
        raise NoForm
    found = [g for g in numerator.free_symbols if normal.depends(g, [z])]
    words = [_word(normal, g, z) for g in found]
    pairs, result = Pairs(normal, z, spread, scope), Integer(0)
    for powers, c in Poly(numerator, *found).terms() if found else [((), numerator)]:
        pieces = [word for word, k in zip(words, powers, strict=True) for _ in range(k)]
        result += c * pairs.moment(pieces)
    return result / denominator


def _function(normal: "Normal", expr: Expectation, scope: "Scope") -> tuple[Expr, MatrixSymbol]:
    """What the mean is of, with nothing in it that may hide x, and a new name for x - E[x]."""
    f, x, m, covariance = expr.args
    f = normal.theory.unfold_some(f)
    binders.check_seen(normal, f, x, scope)
    z = MatrixSymbol(f"_z{len(normal.letters.centred)}", *x.shape)
    inner = {one.args[1] for one in f.atoms(Expectation)}
    if x in inner or z in expr.atoms(MatrixSymbol) or inner & (m.free_symbols | covariance.free_symbols):
        raise NoForm  # a name that is taken
    normal.letters.centred.append(z)
    return f, z


def _word(normal: "Normal", g: Expr, z: MatrixSymbol) -> Word:
    """The word that a generator is the trace of, if z stands in it as a letter only."""
    word = normal.letters.traces.get(g)
    if word is None or any(normal.letters.meaning[a.label] != z for a in word if _has(normal, a.label, z)):
        raise NoForm
    return word


def _has(normal: "Normal", label: str, z: MatrixSymbol) -> bool:
    return z in normal.letters.meaning[label].atoms(MatrixSymbol)


class Pairs:
    """Means of products of numbers v z and z^T A z, for z ~ N(0, S): every z is paired with every other (Isserlis)."""

    def __init__(self, normal: "Normal", z: MatrixSymbol, spread: Polynomial, scope: "Scope") -> None:
        self.normal, self.z, self.spread, self.scope = normal, z, spread, scope

    def moment(self, pieces: list[Word]) -> Expr:
        """The mean of the product of 1x1 words."""
        degrees = [sum(_has(self.normal, letter.label, self.z) for letter in piece) for piece in pieces]
        if sum(degrees) % 2:
            return Integer(0)
        if sum(degrees) > MOST:
            raise NoForm
        rows = [self._row(piece) for piece, degree in zip(pieces, degrees, strict=True) if degree == 1]
        words = [piece[1:-1] for piece, degree in zip(pieces, degrees, strict=True) if degree == 2]
        n = self.z.rows
        return self._of(rows, [Polynomial(n, n, {word: Integer(1)}) for word in words])

    def _row(self, piece: Word) -> Polynomial:
        """v of v z."""
        if not _has(self.normal, piece[-1].label, self.z):
            piece = self.normal.letters.transposed(piece)
        return Polynomial(Integer(1), self.z.rows, {piece[:-1]: Integer(1)})

    def _of(self, rows: list[Polynomial], squares: list[Polynomial]) -> Expr:
        if rows:
            return self._first_row(rows[0], rows[1:], squares)
        return self._first_square(squares[0], squares[1:]) if squares else Integer(1)

    def _first_row(self, first: Polynomial, rows: list[Polynomial], squares: list[Polynomial]) -> Expr:
        """v z with another w z is v S w^T; with z^T A z it is a row again, v S A z or v S A^T z."""
        through, result = times(self.normal, first, self.spread), Integer(0)
        for k, row in enumerate(rows):
            joined = times(self.normal, through, transposed(self.normal, row))
            result += trace_of(self.normal, joined, self.scope) * self._of(rows[:k] + rows[k + 1 :], squares)
        for k, square in enumerate(squares):
            for inner in (square, transposed(self.normal, square)):
                joined = times(self.normal, through, inner)
                result += self._of([joined, *rows], squares[:k] + squares[k + 1 :])
        return result

    def _first_square(self, first: Polynomial, squares: list[Polynomial]) -> Expr:
        """z^T A z with itself is tr(A S); with z^T B z it is a square again, z^T A^T S B z or z^T A^T S B^T z."""
        result = trace_of(self.normal, times(self.normal, first, self.spread), self.scope) * self._of([], squares)
        through = times(self.normal, transposed(self.normal, first), self.spread)
        for k, square in enumerate(squares):
            for inner in (square, transposed(self.normal, square)):
                joined = times(self.normal, through, inner)
                result += self._of([], [joined, *squares[:k], *squares[k + 1 :]])
        return result
