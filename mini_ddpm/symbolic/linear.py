"""Linear inequalities between a few indices, with exact fractions: Fourier-Motzkin elimination."""

from collections.abc import Iterable
from fractions import Fraction

from sympy import Expr, Rational, oo

Row = tuple[dict[Expr, Fraction], Fraction]  # coefficients and a constant; their sum is not negative
GOAL = None  # the key of the quantity whose lower bound is asked for


def minimum(form: Expr, known: Iterable[Expr]) -> Expr:
    """The least value of a linear form where the known forms are not negative; -oo if it has none, oo if they clash."""
    coefficients, constant = _row(form)
    rows: list[Row] = [_row(one) for one in known]
    rows.append(({GOAL: Fraction(1), **{v: -c for v, c in coefficients.items()}}, -constant))  # goal - form >= 0
    rows.append(({GOAL: Fraction(-1), **coefficients}, constant))
    while variables := {v for row, _ in rows for v in row} - {GOAL}:
        rows = _without(rows, min(variables, key=str))
    if any(constant < 0 for row, constant in rows if not row):
        return oo
    bounds = [-constant / row[GOAL] for row, constant in rows if row.get(GOAL, 0) > 0]
    return Rational(*max(bounds).as_integer_ratio()) if bounds else -oo


def _row(form: Expr) -> Row:
    coefficients = {v: Fraction(int(c.p), int(c.q)) for v in form.free_symbols if (c := form.coeff(v))}
    constant = form.xreplace({v: 0 * v for v in form.free_symbols})
    return coefficients, Fraction(int(constant.p), int(constant.q))


def _without(rows: list[Row], v: Expr) -> list[Row]:
    """What follows from the rows for the other variables."""
    lower = [row for row in rows if row[0].get(v, 0) > 0]
    upper = [row for row in rows if row[0].get(v, 0) < 0]
    found = [row for row in rows if v not in row[0]]
    for a, first in lower:
        for b, second in upper:
            scale = -b[v] / a[v]
            mixed = {w: a.get(w, 0) * scale + b.get(w, 0) for w in a.keys() | b.keys()}
            found.append(({w: c for w, c in mixed.items() if c}, first * scale + second))
    return [(dict(row), constant) for row, constant in {(tuple(sorted(r.items(), key=str)), c) for r, c in found}]
