"""Decide whether an expression is identically zero, by normal forms; no time limits, so always the same answer."""

from collections.abc import Callable

from sympy import (
    Derivative,
    Dummy,
    Expr,
    Indexed,
    Integral,
    N,
    Pow,
    Product,
    Rational,
    Sum,
    count_ops,
    expand,
    expand_log,
    fraction,
    log,
    simplify,
    together,
)
from sympy.core.function import AppliedUndef

from mini_ddpm.symbolic import irreducibles, sums

SIMPLIFY_UP_TO = 60  # operations; beyond that `simplify` can take minutes

FORMS: tuple[Callable[[Expr], Expr], ...] = (
    expand,
    lambda e: expand(expand_log(e)),
    lambda e: expand(fraction(together(expand_log(e)))[0]),
)


def proves_zero(expr: Expr) -> bool:
    """True if some normal form of the expression is 0; False says nothing."""
    if expr.has(Integral):  # a mean stands for an integral; nothing else is proved about integrals
        return expand(expr.replace(lambda node: hasattr(node, "integral"), lambda node: node.integral())) == 0
    if expr.has(Derivative):  # not worked out in this form
        return False
    if expr.has(Sum, Product):
        expr = expand(sums.normal_form(expand(expr)))
    if expr == 0:
        return True
    if plainly_nonzero(expr):
        return False
    if any(form(expr) == 0 for form in FORMS):
        return True
    if expr.has(log) or any(power.exp.is_Rational and power.exp.q == 2 for power in expr.atoms(Pow)):
        return irreducibles.is_zero(expr)
    return count_ops(expr) <= SIMPLIFY_UP_TO and simplify(expr) == 0


def plainly_nonzero(expr: Expr) -> bool:
    """Whether it is nonzero with a number for every atom: no normal form can be zero then, which saves time."""
    atoms = sorted(expr.atoms(Indexed) | expr.atoms(AppliedUndef), key=str)
    names = {atom: Dummy() for atom in atoms}
    plain = expr.xreplace(names)
    numbers = {names[atom]: Rational(2 * k + 3, 2 * k + 11) for k, atom in enumerate(atoms)}
    bare = sorted(plain.free_symbols - set(numbers), key=str)
    numbers |= {symbol: Rational(2 * k + 5, 3 * k + 7) for k, symbol in enumerate(bare)}
    value = N(plain.xreplace(numbers), 30)
    return value.is_Float and value.is_finite and bool(abs(value) > Rational(1, 10**15))
