"""Means over Gaussian vectors in normal form: x = m + z, E[z] = 0 and E[z^T A z] = tr(A S)."""

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


def mean(normal: "Normal", expr: Expectation, scope: "Scope") -> Expr:
    """E f(m + z), where every term of f is of degree 0 or 2 in z, or of odd degree."""
    _, x, m, covariance = expr.args
    if not x.is_Matrix:
        return binders.mean(normal, expr, scope)
    f, z = _function(normal, expr, scope)
    spread = polynomial(normal, covariance, scope)
    if spread != transposed(normal, spread):
        raise NoForm
    numerator, denominator = normal.generators.ratio(normal.of(f.xreplace({x: m + z}), scope))
    if any(normal.generators.depends(g, [z]) for g in denominator.free_symbols):
        raise NoForm
    found = [g for g in numerator.free_symbols if normal.generators.depends(g, [z])]
    words = [_word(normal, g, z) for g in found]
    result = Integer(0)
    for powers, c in Poly(numerator, *found).terms() if found else [((), numerator)]:
        pieces = [word for word, k in zip(words, powers, strict=True) for _ in range(k)]
        result += c * _moment(normal, pieces, z, spread, scope)
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


def _moment(normal: "Normal", pieces: list[Word], z: MatrixSymbol, spread: Polynomial, scope: "Scope") -> Expr:
    """The mean of a product of numbers z^T A z and v z."""
    degree = sum(_has(normal, letter.label, z) for piece in pieces for letter in piece)
    if degree % 2:
        return Integer(0)
    if degree == 0:
        return Integer(1)
    if degree != 2:
        raise NoForm
    if len(pieces) == 1:
        inside = Polynomial(z.rows, z.rows, {pieces[0][1:-1]: Integer(1)})
        return trace_of(normal, times(normal, inside, spread), scope)
    first, second = (Polynomial(Integer(1), z.rows, {_before(normal, piece, z): Integer(1)}) for piece in pieces)
    return trace_of(normal, times(normal, times(normal, first, spread), transposed(normal, second)), scope)


def _before(normal: "Normal", piece: Word, z: MatrixSymbol) -> Word:
    """v of v z."""
    if not _has(normal, piece[-1].label, z):
        piece = normal.letters.transposed(piece)
    return piece[:-1]
