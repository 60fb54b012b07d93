"""Matrices in normal form: sums of words with scalar coefficients. They are never compared by their entries."""

from typing import TYPE_CHECKING, NamedTuple

from sympy import (
    Expr,
    Identity,
    Integer,
    MatAdd,
    MatMul,
    MatPow,
    MatrixExpr,
    MatrixSymbol,
    Mul,
    Transpose,
    ZeroMatrix,
)

from mini_ddpm.symbolic.generators import NoForm
from mini_ddpm.symbolic.words import Letter, Word

if TYPE_CHECKING:
    from mini_ddpm.symbolic.normal import Normal, Scope

MOST_WORDS = 400


class Polynomial(NamedTuple):
    """A matrix: its shape, and the coefficients of its words."""

    rows: Expr
    columns: Expr
    words: dict[Word, Expr]


def polynomial(normal: "Normal", expr: MatrixExpr, scope: "Scope") -> Polynomial:
    """The sum of words that a matrix is.

    Raises:
        NoForm: it is another kind of matrix, or the shapes fit for some sizes only.
    """
    for kind in type(expr).__mro__:
        if (rule := MATRICES.get(kind)) is not None:
            return rule(normal, expr, scope)
    raise NoForm


def _symbol(normal: "Normal", expr: MatrixSymbol, scope: "Scope") -> Polynomial:
    return _sized(normal, expr, scope, {(normal.letters.of(expr),): Integer(1)})


def _sized(normal: "Normal", expr: MatrixExpr, scope: "Scope", words: dict[Word, Expr]) -> Polynomial:
    """A polynomial of this matrix's size, which must be 1 or more for certain, and not the variable of a sum."""
    for n in expr.shape:
        bound = any(symbol.name.startswith("_") for symbol in n.free_symbols)
        if bound or not normal.conditions.at_least(n, Integer(1), scope.forms):
            raise NoForm
    return Polynomial(expr.rows, expr.cols, words)


def _sum(normal: "Normal", expr: MatAdd, scope: "Scope") -> Polynomial:
    parts = [polynomial(normal, part, scope) for part in expr.args]
    words: dict[Word, Expr] = {}
    for part in parts:
        for word, c in part.words.items():
            words[word] = words.get(word, 0) + c
    return _made(normal, parts[0].rows, parts[0].columns, words, all(part[:2] == parts[0][:2] for part in parts))


def _made(normal: "Normal", rows: Expr, columns: Expr, words: dict[Word, Expr], fit: bool) -> Polynomial:
    """A polynomial without words that have the coefficient 0, if the shapes `fit` and it is not too long."""
    if not fit or len(words) > MOST_WORDS:
        raise NoForm
    words = {word: normal.generators.canonical(c) for word, c in words.items()}
    return Polynomial(rows, columns, {word: c for word, c in sorted(words.items()) if c != 0})


def _product(normal: "Normal", expr: MatMul, scope: "Scope") -> Polynomial:
    first, *others = (polynomial(normal, part, scope) for part in expr.args if part.is_Matrix)
    for other in others:
        first = times(normal, first, other)
    return _scaled(normal, first, Mul(*(normal.of(part, scope) for part in expr.args if not part.is_Matrix)))


def times(normal: "Normal", a: Polynomial, b: Polynomial) -> Polynomial:
    """The product, word by word."""
    words: dict[Word, Expr] = {}
    for left, c in a.words.items():
        for right, e in b.words.items():
            word = normal.letters.reduced(left + right)
            words[word] = words.get(word, 0) + c * e
    return _made(normal, a.rows, b.columns, words, bool(a.columns == b.rows))


def _scaled(normal: "Normal", a: Polynomial, c: Expr) -> Polynomial:
    return _made(normal, a.rows, a.columns, {word: c * e for word, e in a.words.items()}, True)


def transposed(normal: "Normal", a: Polynomial) -> Polynomial:
    """The transpose."""
    words = {normal.letters.transposed(word): c for word, c in a.words.items()}
    return _made(normal, a.columns, a.rows, words, len(words) == len(a.words))


def _power(normal: "Normal", expr: MatPow, scope: "Scope") -> Polynomial:
    if not expr.exp.is_Integer or abs(expr.exp) > 12:
        raise NoForm
    base = polynomial(normal, expr.base, scope)
    base = _inverse(normal, base) if expr.exp < 0 else base
    result = Polynomial(base.rows, base.rows, {(): Integer(1)})
    for _ in range(abs(int(expr.exp))):
        result = times(normal, result, base)
    return result


def _inverse(normal: "Normal", a: Polynomial) -> Polynomial:
    if a.rows != a.columns or not a.words:
        raise NoForm
    c, a = primitive(normal, a)
    word = only_word(normal, a)
    if word is None:
        word = (sum_letter(normal, a),)
    return Polynomial(a.rows, a.rows, {normal.letters.inverse(word): 1 / c})


def primitive(normal: "Normal", a: Polynomial) -> tuple[Expr, Polynomial]:
    """c and B with a = c B, where all coefficients are numbers times one of them."""
    c = next(iter(a.words.values()))
    shares = {word: normal.generators.canonical(e / c) for word, e in a.words.items()}
    return (c, a._replace(words=shares)) if all(e.is_Rational for e in shares.values()) else (Integer(1), a)


def only_word(normal: "Normal", a: Polynomial) -> Word | None:
    """The word of a product of square matrices; None for a sum."""
    (word, c), *others = a.words.items()
    return word if not others and c == 1 and all(map(normal.letters.is_square, word)) else None


def sum_letter(normal: "Normal", a: Polynomial) -> Letter:
    """A letter for a sum of matrices as a whole."""
    letters = normal.letters
    key, turned = tuple(a.words.items()), tuple(transposed(normal, a).words.items())
    for same in (key, turned):
        if same in letters.sums:
            return letters.tidy(Letter(letters.sums[same], turned=same != key))
    label = letters.sums[key] = f"+{len(letters.sums)}"
    letters.meaning[label] = _meaning(normal, a)
    letters.known[label] = frozenset(({"symmetric"} if key == turned else set()) | _definite(normal, a))
    return letters.tidy(Letter(label))


def _meaning(normal: "Normal", a: Polynomial) -> MatrixExpr:
    words = {word: normal.letters.expression(word) if word else Identity(a.rows) for word in a.words}
    return MatAdd(*(normal.generators.meaning(c) * words[word] for word, c in a.words.items()))


def _definite(normal: "Normal", a: Polynomial) -> set[str]:
    """A sum of V^T V or V^T S V, one of them definite for certain, with positive coefficients is positive definite."""
    signs = {word: normal.generators.weak_sign(c) for word, c in a.words.items()}
    good = all(s and s[0] == 1 and normal.letters.is_semidefinite(word) for word, s in signs.items())
    strict = any(s == (1, True) and (not word or normal.letters.is_definite(word)) for word, s in signs.items())
    return {"positive_definite", "symmetric", "invertible"} if good and strict else set()


MATRICES = {
    MatrixSymbol: _symbol,
    MatAdd: _sum,
    MatMul: _product,
    MatPow: _power,
    Transpose: lambda normal, expr, scope: transposed(normal, polynomial(normal, expr.arg, scope)),
    Identity: lambda normal, expr, scope: _sized(normal, expr, scope, {(): Integer(1)}),
    ZeroMatrix: lambda normal, expr, scope: _sized(normal, expr, scope, {}),
}
