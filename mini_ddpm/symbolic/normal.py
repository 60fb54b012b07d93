"""Normal forms: an expression becomes a rational function of generators.

Fractions 0 < a < 1 become 1 / (1 + u) with u > 0, so that what is positive is seen to be. Powers and logarithms, sums
and products, means and derivatives have rooms of their own: `powers`, `indefinite`, `binders`. All of it holds
wherever both lines have a value.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import sympy
from sympy import (
    Abs,
    Add,
    Basic,
    Derivative,
    Determinant,
    Expr,
    Indexed,
    Integer,
    Integral,
    MatrixExpr,
    Mul,
    Piecewise,
    Pow,
    Product,
    Sum,
    Symbol,
    Trace,
)
from sympy.core.function import Function, Subs
from sympy.matrices.expressions.matexpr import MatrixElement

from mini_ddpm.symbolic import binders, cases, indefinite, integrals, traces, vectors
from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.generators import NoForm
from mini_ddpm.symbolic.powers import Powers
from mini_ddpm.symbolic.products import Products
from mini_ddpm.symbolic.ranges import Ranges
from mini_ddpm.symbolic.words import Letters
from mini_ddpm.symbolic.worlds import is_fraction

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory


class Scope(NamedTuple):
    """What is known of bound indices where an expression stands: forms that are not negative."""

    forms: tuple[Expr, ...] = ()


EVERYWHERE = Scope()


def known_of(index: Expr, scope: Scope) -> tuple[Expr, ...]:
    """What is known of an index wherever its name stands: nothing more, unless it has a bound index of this scope."""
    bound = any(symbol.name.startswith("_") for symbol in index.free_symbols)
    return scope.forms if bound else ()


class Normal(Powers):
    """Brings expressions of a theory to normal form; one object for two lines, so that they share generators."""

    def __init__(self, theory: "Theory", products: Products) -> None:
        super().__init__()
        self.theory, self.conditions = theory, theory.conditions
        self.sums, self.products = indefinite.Table(), products
        self.letters = Letters(theory.conditions)
        self.ranges = Ranges(theory.conditions.of_quantities())
        for form in self.ranges.others:
            self.generators.not_negative += self._unknown_part(form)

    def of(self, expr: Expr, scope: Scope = EVERYWHERE) -> Expr:
        """The expression in generators.

        Raises:
            NoForm: it has none.
        """
        for kind in type(expr).__mro__:
            if (rule := self.theory.rules.get(kind) or RULES.get(kind)) is not None:
                return rule(self, expr, scope)
        return self.opaque(expr, scope)

    def key(self, part: Basic, scope: Scope) -> Basic:
        """The same for equal expressions."""
        return self.generators.canonical(self.of(part, scope)) if isinstance(part, Expr) else part

    def sign(self, expr: Expr, scope: Scope) -> tuple[int, bool] | None:
        """1 or -1, and whether it can't be zero; None if it is not known."""
        if expr.is_integer and expr.free_symbols:
            low, high = self.conditions.least(expr, scope.forms), self.conditions.least(-expr, scope.forms)
            if max(low, high) >= 0:
                return (1 if low >= 0 else -1), max(low, high) >= 1
        return self.generators.weak_sign(self.of(expr, scope))

    def _unknown_part(self, form: Expr) -> list[Expr]:
        """Of what is not negative, the one factor whose sign is not known, if no other one can be zero."""
        constant, factors = self.generators.factors(self.of(form))
        signs = [(base, k, self.generators.sign(base)) for base, k in factors]
        unknown = [base for base, k, sign in signs if k % 2 and not sign]
        if len(unknown) != 1 or any(k > 0 and not sign for base, k, sign in signs if base not in unknown):
            return []
        return [Mul(*unknown, *(sign for _, k, sign in signs if k % 2 and sign), sympy.sign(constant)).expand()]

    def depends(self, g: Expr, symbols: Iterable[Expr]) -> bool:
        """Whether what a generator stands for has one of these symbols, in a summand of its sums too."""
        return any(not part.free_symbols.isdisjoint(symbols) for part in self.parts(self.generators.origin[g]))

    def hides(self, expr: Expr, symbol: Expr) -> bool:
        """Whether a symbol stands in a summand of an expression's sums, where it can't be replaced."""
        _, *summands = self.parts(expr)
        return any(symbol in part.free_symbols for part in summands)

    def parts(self, expr: Expr) -> Iterator[Expr]:
        """An expression, and the summands and factors of what it has as F(n)."""
        yield expr
        for node in expr.atoms(indefinite.Indefinite):
            yield from self.parts(self.sums.kinds[int(node.args[0])][0])

    # --- leaves

    def number(self, expr: Expr, scope: Scope) -> Expr:
        """Rationals stay; pi and the like are generators."""
        if expr.is_Rational:
            return expr
        if expr is sympy.E:
            return self.exp_of(Integer(1))
        if not expr.is_finite:
            raise NoForm
        return self.generators.name(expr, expr, positive=expr.is_positive)

    def leaf(self, expr: Expr, scope: Scope) -> Expr:
        """A quantity, whose range is noted: alpha_bar is below 1 where its index is 1 or more for certain."""
        if isinstance(expr, Indexed):
            expr = expr.base[tuple(index.expand() for index in expr.indices)]
        if str(expr) == "alpha_bar[0]":
            return Integer(1)
        known = {name: getattr(expr, f"is_{name}") or None for name in ("positive", "nonnegative", "integer")}
        g = self.generators.name(expr, expr, **known)
        self.ranges.note(expr, g, self.generators)
        if is_fraction(expr):
            forms = known_of(expr.indices[0], scope)
            below_1 = str(expr.base) != "alpha_bar" or self.conditions.at_least(expr.indices[0], Integer(1), forms)
            self.generators.between(g, Integer(0), Integer(1), below_1)
        return g

    def opaque(self, expr: Expr, scope: Scope) -> Expr:
        """A generator for something that is taken as it is, up to the form of its parts."""
        if not expr.args or expr.is_extended_real is False:
            raise NoForm
        key = (expr.func, *(self.key(part, scope) for part in expr.args))
        known = {name: getattr(expr, f"is_{name}") or None for name in ("positive", "nonnegative")}
        return self.generators.name(key, expr, **known)

    def function(self, expr: Function, scope: Scope) -> Expr:
        """Hyperbolic functions are exponentials, cos^2 = 1 - sin^2; others are taken as they are."""
        if isinstance(expr, (sympy.tanh, sympy.sinh, sympy.cosh, sympy.coth, sympy.sech)):
            return self.of(expr.rewrite(sympy.exp), scope)
        if isinstance(expr, (sympy.tan, sympy.cot, sympy.sec, sympy.csc)):
            return self.of(_sines(expr), scope)
        if isinstance(expr, (sympy.sin, sympy.cos)) and (wide := sympy.expand_trig(expr)) != expr:
            return self.of(wide, scope)
        if isinstance(expr, sympy.factorial) and self.conditions.at_least(expr.args[0], Integer(0), scope.forms):
            k = Symbol("_n", integer=True)
            return self.of(Product(k, (k, 1, expr.args[0])), scope)
        g = self.opaque(expr, scope)
        if isinstance(expr, sympy.cos) and g not in self.generators.relations:
            self.generators.relations[g] = 2, 1 - self.of(sympy.sin(expr.args[0]), scope) ** 2
        return g

    # --- operations

    def add(self, expr: Add, scope: Scope) -> Expr:
        return Add(*(self.of(argument, scope) for argument in expr.args))

    def mul(self, expr: Mul, scope: Scope) -> Expr:
        """Exponentials are taken together: their exponents may have to be, to have one form."""
        powers = [part for part in expr.args if isinstance(part, sympy.exp)]
        rest = Mul(*(self.of(part, scope) for part in expr.args if part not in powers))
        return rest * self.exp_of(self.of(Add(*(part.args[0] for part in powers)), scope)) if powers else rest

    def pow(self, expr: Pow, scope: Scope) -> Expr:
        """Whole powers stay; others are shared out among the factors of the base."""
        base = self.of(expr.base, scope)
        if expr.exp.is_Integer:
            if base == 0 and expr.exp < 0:
                raise NoForm
            return base**expr.exp
        power = expr.exp if expr.exp.is_Rational else self.of(expr.exp, scope)
        return self.fraction_power(base, power, bool(expr.exp.is_integer))

    def exp(self, expr: Expr, scope: Scope) -> Expr:
        return self.exp_of(self.of(expr.args[0], scope))

    def log(self, expr: Expr, scope: Scope) -> Expr:
        """The logarithms of the factors' sizes: where the line has a value, their product is positive."""
        return self.log_of_all(self.of(expr.args[0], scope))


def _sines(expr: Function) -> Expr:
    """tan and its kin, by sine and cosine."""
    sine, cosine = sympy.sin(expr.args[0]), sympy.cos(expr.args[0])
    return {"tan": sine / cosine, "cot": cosine / sine, "sec": 1 / cosine, "csc": 1 / sine}[type(expr).__name__]


RULES = {
    sympy.Number: Normal.number,
    sympy.core.numbers.NumberSymbol: Normal.number,
    Symbol: Normal.leaf,
    Indexed: Normal.leaf,
    Add: Normal.add,
    Mul: Normal.mul,
    Pow: Normal.pow,
    sympy.exp: Normal.exp,
    sympy.log: Normal.log,
    Function: Normal.function,
    Abs: cases.size,
    sympy.sign: cases.sign,
    sympy.Max: cases.largest,
    sympy.Min: cases.largest,
    Piecewise: cases.piecewise,
    Sum: indefinite.total,
    Product: indefinite.product,
    indefinite.Indefinite: indefinite.at,
    Expectation: vectors.mean,
    Derivative: binders.derivative,
    Integral: integrals.integral,
    Subs: binders.substituted,
    Trace: traces.trace,
    Determinant: traces.determinant,
    MatrixElement: traces.element,
    MatrixExpr: traces.no_number,
}
