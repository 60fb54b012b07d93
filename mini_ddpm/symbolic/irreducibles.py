"""Decide whether an expression in square roots and logarithms of positive quantities is zero.

Every radicand and every argument of a logarithm is split into irreducible factors. The root of a factor gets a
name g, its logarithm a name l; then g^2 is replaced by the factor. What is left is a polynomial, and a
polynomial is zero when its coefficients are.
"""

from sympy import (
    Add,
    Expr,
    Indexed,
    Integer,
    Symbol,
    exp,
    expand,
    expand_log,
    factor,
    factor_list,
    factorint,
    fraction,
    log,
    rem,
    together,
)


def is_zero(expr: Expr) -> bool:
    """True if the expression vanishes; False says nothing."""
    names = _Names()
    plain = expand_log(expr).replace(_is_root, names.root).replace(log, names.log)
    return all(names.vanishes(coefficient) for coefficient in coefficients(plain).values())


def coefficients(expr: Expr) -> dict[Expr, Expr]:
    """Collect the terms by their part in x, eps and named logarithms, the quantities of unknown sign."""
    signless = [atom for atom in expr.atoms(Symbol, Indexed) if not atom.is_positive]
    groups: dict[Expr, Expr] = {}
    for term in Add.make_args(expand(expr)):
        coefficient, monomial = term.as_independent(*signless, as_Add=False)
        groups[monomial] = groups.get(monomial, 0) + coefficient
    return groups


class _Names:
    """The names given to roots and logarithms so far, by irreducible factor."""

    def __init__(self) -> None:
        self.roots: dict[Expr, Symbol] = {}
        self.logs: dict[Expr, Symbol] = {}

    def root(self, power: Expr) -> Expr:
        factors = positive_factors(power.base)
        if factors is None:
            return power
        result = Integer(1)
        for base, k in factors.items():
            result *= self.roots.setdefault(base, Symbol(f"g_{len(self.roots)}", positive=True)) ** (2 * power.exp * k)
        return result

    def log(self, argument: Expr) -> Expr:
        factors = positive_factors(argument)
        if factors is None:
            return log(argument)
        return sum(
            k * self.logs.setdefault(base, Symbol(f"l_{len(self.logs)}", real=True)) for base, k in factors.items()
        )

    def vanishes(self, expr: Expr) -> bool:
        """Whether a rational expression in the named roots is zero."""
        polynomial = fraction(together(expr))[0]
        for base, root in self.roots.items():
            if polynomial.has(root):
                polynomial = rem(expand(polynomial), root**2 - base, root)
        return expand(polynomial) == 0


def positive_factors(expr: Expr) -> dict[Expr, int] | None:
    """Irreducible factors and primes with their powers; None if one is not known to be positive."""
    result: dict[Expr, int] = {}
    for part, sign in zip(fraction(factor(together(expr))), (1, -1), strict=True):
        constant, factors = factor_list(part)
        for base, k in factors:
            flip = (-base).is_positive
            constant *= (-1) ** k if flip else 1
            base = expand(-base) if flip else base
            if not base.is_positive:
                return None
            result[base] = result.get(base, 0) + sign * k
        if not constant.is_Rational or constant < 0:
            return None
        for prime, k in [*factorint(constant.p).items(), *((b, -k) for b, k in factorint(constant.q).items())]:
            result[Integer(prime)] = result.get(Integer(prime), 0) + sign * k
    result.pop(Integer(1), None)
    return result


def _is_root(node: Expr) -> bool:
    return node.is_Pow and node.exp.is_Rational and node.exp.q == 2 and not node.base.has(log, exp)
