"""Traces and determinants in normal form.

The trace is linear, and a word in it is taken up to rotation and transposition; where a boundary of dimension 1 cuts
it, as in x^T A x, the pieces are numbers. Determinants multiply over square letters.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

from sympy import Determinant, Expr, Integer, MatrixExpr, MatrixSymbol, Mul, Trace
from sympy.matrices.expressions.matexpr import MatrixElement

from mini_ddpm.symbolic.generators import NoForm
from mini_ddpm.symbolic.polynomials import Polynomial, only_word, polynomial, primitive, sum_letter
from mini_ddpm.symbolic.words import Letter, Word

if TYPE_CHECKING:
    from mini_ddpm.symbolic.normal import Normal, Scope


def trace(normal: "Normal", expr: Trace, scope: "Scope") -> Expr:
    """The sum of the traces of words."""
    return trace_of(normal, polynomial(normal, expr.arg, scope), scope)


def trace_of(normal: "Normal", a: Polynomial, scope: "Scope") -> Expr:
    """The trace of a square polynomial."""
    if a.rows != a.columns:
        raise NoForm
    return sum((c * word_trace(normal, word, a.rows, scope) for word, c in a.words.items()), Integer(0))


def word_trace(normal: "Normal", word: Word, n: Expr, scope: "Scope") -> Expr:
    """The trace of a word: a product of those of its pieces, if it has boundaries of dimension 1."""
    letters = normal.letters
    if not word:
        return normal.of(n, scope)
    shorter = min(letters.rotations(word), key=len)
    if len(shorter) < len(word):
        return word_trace(normal, shorter, letters.shape(word[0])[0], scope)
    cuts = [k for k in range(len(word)) if letters.shape(word[k])[0] == 1]
    if not cuts:
        return _generator(normal, min(letters.rotations(word) + letters.rotations(letters.transposed(word))))
    word, ends = word[cuts[0] :] + word[: cuts[0]], [k - cuts[0] for k in cuts] + [len(word)]
    pieces = [word[a:b] for a, b in pairwise(ends)]
    return Mul(*(_number(normal, min(letters.reduced(piece), letters.transposed(piece))) for piece in pieces))


def _number(normal: "Normal", piece: Word) -> Expr:
    """A 1x1 word; the inverse of one letter is 1 over it."""
    if len(piece) == 1 and piece[0].inverted:
        return 1 / _generator(normal, (piece[0].opposite,))
    return _generator(normal, piece)


def _generator(normal: "Normal", word: Word) -> Expr:
    letters = normal.letters
    known = {
        "positive": letters.is_definite(word) or None,
        "nonnegative": any(map(letters.is_semidefinite, letters.rotations(word))) or None,
    }
    g = normal.generators.name(("trace", word), Trace(letters.expression(word)), **known)
    letters.traces[g] = word
    return g


def determinant(normal: "Normal", expr: Determinant, scope: "Scope") -> Expr:
    """det(c A B^-1) = c^n det A / det B; of a sum it is taken as it is."""
    a = polynomial(normal, expr.arg, scope)
    if a.rows != a.columns:
        raise NoForm
    if not a.words or a.rows == 1:
        return trace_of(normal, a, scope)
    c, a = primitive(normal, a)
    word = only_word(normal, a)
    factors = [_letter_determinant(normal, one) for one in ((sum_letter(normal, a),) if word is None else word)]
    scale = c**a.rows if a.rows.is_Integer else normal.fraction_power(c, normal.of(a.rows, scope), whole=True)
    return Mul(scale, *factors)


def _letter_determinant(normal: "Normal", letter: Letter) -> Expr:
    known = normal.letters.known[letter.label]
    origin = Determinant(normal.letters.meaning[letter.label])
    g = normal.generators.name(("det", letter.label), origin, positive="positive_definite" in known or None)
    if "orthogonal" in known:
        normal.generators.relations[g] = 2, Integer(1)
    return 1 / g if letter.inverted else g


def element(normal: "Normal", expr: MatrixElement, scope: "Scope") -> Expr:
    """An entry of a matrix, taken as it is; A[j, i] = A[i, j] if it is symmetric."""
    if not isinstance(expr.parent, MatrixSymbol):
        raise NoForm
    places = tuple(place.expand() for place in expr.indices)
    if "symmetric" in normal.conditions.kinds(expr.parent):
        places = tuple(sorted(places, key=str))
    return normal.generators.name((expr.parent, places), expr.parent[places])


def no_number(normal: "Normal", expr: MatrixExpr, scope: "Scope") -> Expr:
    """A matrix is not a number."""
    raise NoForm
