"""Matrices as numbers: entries from hashes of their names, as other quantities have, and what is assumed of each kept.

A matrix of which nothing is assumed is any matrix; some worlds make it zero or singular. Means over Gaussian vectors
are exact: by Gauss-Hermite nodes, three in every dimension, which is enough for polynomials up to degree 5.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING

import mpmath
from mpmath import mp, mpf
from sympy import (
    Basic,
    Determinant,
    Identity,
    ImmutableDenseMatrix,
    MatAdd,
    MatMul,
    MatPow,
    MatrixExpr,
    MatrixSymbol,
    Symbol,
    Trace,
    Transpose,
    ZeroMatrix,
)
from sympy.matrices.expressions.matexpr import MatrixElement

from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.worlds import NoValue, Unchecked

if TYPE_CHECKING:
    from mini_ddpm.symbolic.environment import Env
    from mini_ddpm.symbolic.interpreter import Interpreter

SIZES = (1, 2, 3)  # that an index can be, where it is the size of a matrix
LARGEST = 4  # dimension of a Gaussian vector
ANY, POSITIVE = Symbol("_entry", real=True), Symbol("_scale", positive=True)


def sizes(expr: Basic) -> set[Symbol]:
    """The symbols in the shapes of an expression's matrices, which SymPy does not count as free."""
    shapes: dict[str, tuple] = {}
    for one in expr.atoms(MatrixSymbol):
        if shapes.setdefault(one.name, one.shape) != one.shape:
            shapes_seen = f"{one.shape} and {shapes[one.name]}"
            raise Unchecked(f"{one.name} has two shapes, {shapes_seen}: rename one of the matrices")
    return {symbol for shape in shapes.values() for n in shape for symbol in n.free_symbols}


def matrix(there: "Interpreter", expr: MatrixExpr, env: "Env") -> mpmath.matrix:
    """The value of a matrix; one that depends on nothing bound is computed once."""
    if there.touched(expr, env):
        return _computed(there, expr, env)
    if (key := (expr, mp.prec)) not in there.known:
        there.known[key] = _computed(there, expr, type(env)())
    return there.known[key]


def _computed(there: "Interpreter", expr: MatrixExpr, env: "Env") -> mpmath.matrix:
    for kind in type(expr).__mro__:
        if (method := KINDS.get(kind)) is not None:
            try:
                return method(there, expr, env)
            except ValueError:  # mpmath's word for it
                raise Unchecked(f"the shapes do not fit in world {there.world.number}: {expr}") from None
    raise Unchecked(f"{type(expr).__name__} can't be evaluated: {expr}")


def _letter(there: "Interpreter", expr: MatrixSymbol, env: "Env") -> mpmath.matrix:
    if expr in env:
        return env[expr]
    if bound := sizes(expr) & env.keys():
        raise Unchecked(f"{bound.pop()} is the size of {expr}, and can't be the variable of a sum: write another one")
    rows, columns = (there.integer(n, env) for n in expr.shape)
    if min(rows, columns) < 1:
        raise NoValue(f"{expr} has no entries in world {there.world.number}")
    names = {(k, m): f"{expr.name}[{k}, {m}]" for k in range(rows) for m in range(columns)}
    found = mpmath.matrix(rows, columns)
    for place, name in names.items() if there.world.value(ANY, expr.name) else ():  # or it is zero
        found[place] = there.world.value(ANY, name)
    if kinds := there.theory.conditions.kinds(expr):
        turned = there.world.value(ANY, f"{expr.name}#") < 0
        found = _kept(found, kinds, there.world.value(POSITIVE, f"{expr.name}+"), turned)
    there.leaves.update({name: found[place] for place, name in names.items()})
    return found


def _kept(a: mpmath.matrix, kinds: frozenset[str], scale: mpf, turned: bool) -> mpmath.matrix:
    """A matrix made from this one that is what is assumed of it."""
    one = mpmath.eye(a.rows)
    if "orthogonal" in kinds:  # Cayley's way to rotations, and a reflection
        mirror = mpmath.diag([-1 if turned and not k else 1 for k in range(a.rows)])
        return mirror * (one - (a - a.T)) * _solved(one + (a - a.T))[1]
    if "diagonal" in kinds:
        a = mpmath.diag([a[k, k] for k in range(a.rows)])
    if "positive_definite" in kinds:
        return a * a.T + scale * one
    if "symmetric" in kinds:
        a = (a + a.T) / 2
    while "invertible" in kinds and _solved(a)[1] is None:
        a = a + scale * one
    return a


def _solved(a: mpmath.matrix) -> tuple[mpf, mpmath.matrix | None]:
    """The determinant and the inverse, by Gauss and Jordan; 0 and None where only rounding is left of the first."""
    if a.rows != a.cols:
        raise ValueError
    n, found = a.rows, mpf(1)
    rows = [[*a[k, :], *mpmath.eye(n)[k, :]] for k in range(n)]
    for k in range(n):
        best = max(range(k, n), key=lambda j: abs(rows[j][k]))
        if not (pivot := rows[best][k]):
            return mpf(0), None
        found *= pivot if best == k else -pivot
        rows[k], rows[best] = rows[best], rows[k]
        rows[k] = [entry / pivot for entry in rows[k]]
        for j in {*range(n)} - {k}:
            rows[j] = [entry - rows[j][k] * above for entry, above in zip(rows[j], rows[k], strict=True)]
    most = mpmath.fprod(mpmath.norm(a[k, :], 2) for k in range(n))
    if abs(found) <= mpf(10) ** (8 - mp.dps) * most:
        return mpf(0), None
    return found, mpmath.matrix([row[n:] for row in rows])


def _power(there: "Interpreter", expr: MatPow, env: "Env") -> mpmath.matrix:
    base = matrix(there, expr.base, env)
    if not expr.exp.is_Integer:
        raise Unchecked(f"a power of a matrix needs a whole number: {expr}")
    if base.rows != base.cols:
        raise ValueError
    if expr.exp < 0:
        base = _solved(base)[1]
    if base is None:
        raise NoValue(f"{expr.base} has no inverse in world {there.world.number}")
    return base ** abs(int(expr.exp))


def _product(there: "Interpreter", expr: MatMul, env: "Env") -> mpmath.matrix:
    found = mpf(1)
    for factor in expr.args:
        found = found * (matrix(there, factor, env) if factor.is_Matrix else there(factor, env))
    return found


def _sum(there: "Interpreter", expr: MatAdd, env: "Env") -> mpmath.matrix:
    first, *others = (matrix(there, part, env) for part in expr.args)
    return sum(others, first)


def _explicit(there: "Interpreter", expr: ImmutableDenseMatrix, env: "Env") -> mpmath.matrix:
    return mpmath.matrix([[there(entry, env) for entry in row] for row in expr.tolist()])


KINDS: dict[type, Callable] = {
    MatrixSymbol: _letter,
    MatMul: _product,
    MatAdd: _sum,
    MatPow: _power,
    ImmutableDenseMatrix: _explicit,
    Transpose: lambda there, expr, env: matrix(there, expr.arg, env).T,
    Identity: lambda there, expr, env: mpmath.eye(there.integer(expr.rows, env)),
    ZeroMatrix: lambda there, expr, env: mpmath.zeros(*(there.integer(n, env) for n in expr.shape)),
}


# --- numbers made from matrices


def trace(there: "Interpreter", expr: Trace, env: "Env") -> mpf:
    """The sum of the diagonal."""
    a = matrix(there, expr.arg, env)
    if a.rows != a.cols:
        raise Unchecked(f"only a square matrix has a trace: {expr.arg}")
    return mpmath.fsum(a[k, k] for k in range(a.rows))


def determinant(there: "Interpreter", expr: Determinant, env: "Env") -> mpf:
    """The determinant."""
    try:
        return _solved(matrix(there, expr.arg, env))[0]
    except ValueError:
        raise Unchecked(f"only a square matrix has a determinant: {expr.arg}") from None


def element(there: "Interpreter", expr: MatrixElement, env: "Env") -> mpf:
    """One entry; rows and columns are counted from 0."""
    a, (row, column) = matrix(there, expr.parent, env), (there.integer(place, env) for place in expr.indices)
    if not (0 <= row < a.rows and 0 <= column < a.cols):
        raise NoValue(f"{expr} is outside of its matrix in world {there.world.number}: rows count from 0")
    return a[row, column]


def no_number(there: "Interpreter", expr: MatrixExpr, env: "Env") -> mpf:
    """A line can't be a matrix."""
    raise Unchecked(f"{expr} is a matrix, and a line is a number: write Trace({expr}), or an entry [0, 0]")


def mean(there: "Interpreter", expr: Expectation, env: "Env") -> mpf:
    """The mean of a polynomial over a Gaussian vector, x = m + L z."""
    f, x, center, covariance = expr.args
    there.theory.check_free(x)
    m, root = matrix(there, center, env), _root(there, matrix(there, covariance, env), covariance)
    if m.rows > LARGEST:
        raise Unchecked(f"{x} has more than {LARGEST} entries here: give fewer by Theory(indices=...)")

    def value(z: Sequence[mpf]) -> mpf:
        there.terms += 1
        return there(f, env.binding({x: m + root * mpmath.matrix(z)}))

    def along(s: Sequence[mpf]) -> mpf:
        return value([s[0] / k for k in range(1, m.rows + 1)])

    three, four = _nodes()
    rough, fine = _on_grid(along, 1, three), _on_grid(along, 1, four)
    size = mpmath.fsum(map(abs, fine))
    if abs(mpmath.fsum(rough) - mpmath.fsum(fine)) > mpf(10) ** (20 - mp.dps) * size:
        raise Unchecked(f"no exact mean of {f} over {x}: it is no polynomial of degree 5 or less in {x}")
    return mpmath.fsum(_on_grid(value, m.rows, three))


def _nodes() -> tuple[dict[mpf, mpf], dict[mpf, mpf]]:
    """Nodes with weights: three, exact up to degree 5, and four, which agree with them only up to there."""
    three, six = mp.sqrt(3), mp.sqrt(6)
    return (
        {mpf(0): mpf(2) / 3, three: mpf(1) / 6, -three: mpf(1) / 6},
        {s * mp.sqrt(3 + turn * six): (3 - turn * six) / 12 for s in (1, -1) for turn in (1, -1)},
    )


def _on_grid(value: Callable, n: int, nodes: dict[mpf, mpf]) -> list[mpf]:
    """What is to be added up over all points of a grid."""
    return [mpmath.fprod(nodes[z] for z in point) * value(point) for point in product(nodes, repeat=n)]


def _root(there: "Interpreter", s: mpmath.matrix, covariance: MatrixExpr) -> mpmath.matrix:
    """L with L L^T = S, lower triangular; S may be singular."""
    root, small = mpmath.zeros(s.rows), mpf(10) ** (10 - mp.dps) * mpmath.mnorm(s, 1)
    good = mpmath.mnorm(s - s.T, 1) <= small
    for k in range(s.rows):
        rest = [s[j, k] - mpmath.fsum(root[j, i] * root[k, i] for i in range(k)) for j in range(s.rows)]
        good &= rest[k] >= -small and (rest[k] > small or all(abs(r) <= small for r in rest[k:]))
        for j in range(k, s.rows) if rest[k] > small else ():
            root[j, k] = rest[j] / mp.sqrt(rest[k])
    if not good:
        number = there.world.number
        raise Unchecked(f"{covariance} is no covariance in world {number}: assume Q.positive_definite({covariance})")
    return root
