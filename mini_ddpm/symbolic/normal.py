"""Normal forms: an expression becomes a rational function of generators.

Roots and logarithms are split into irreducible factors, powers become exponentials of logarithms, fractions
0 < a < 1 become 1 / (1 + u) with u > 0, so that what is positive is seen to be. Sums, products, means and derivatives
have rooms of their own: `indefinite`, `binders`. All of it holds wherever both lines have a value.
"""

from typing import NamedTuple

import sympy
from sympy import (
    Abs,
    Add,
    Basic,
    Derivative,
    Expr,
    Indexed,
    Integer,
    Mul,
    Piecewise,
    Pow,
    Product,
    Rational,
    Sum,
    Symbol,
    factorint,
)
from sympy.core.function import Function, Subs

from mini_ddpm.symbolic import binders, cases, indefinite
from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.generators import Generators, NoForm
from mini_ddpm.symbolic.products import Products
from mini_ddpm.symbolic.ranges import Ranges
from mini_ddpm.symbolic.worlds import is_fraction


class Scope(NamedTuple):
    """What is known of bound indices where an expression stands: forms that are not negative."""

    forms: tuple[Expr, ...] = ()


class Normal:
    """Brings expressions of a theory to normal form; one object for two lines, so that they share generators."""

    def __init__(self, theory: "Theory", products: Products) -> None:
        self.theory, self.conditions = theory, theory.conditions
        self.generators = Generators()
        self.exponents: dict[Expr, Expr] = {}  # generator -> what it is the exponential of
        self.logs: dict[Expr, Expr] = {}  # generator -> what it is the logarithm of
        self.powers: dict[Expr | None, tuple[Expr, Expr]] = {}  # generator -> base and whole exponent
        self.sums, self.products = indefinite.Table(), products
        self.ranges = Ranges(theory.conditions.of_quantities())
        for form in self.ranges.others:
            self.generators.not_negative += self._unknown_part(form)

    def of(self, expr: Expr, scope: Scope = Scope()) -> Expr:
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
        if isinstance(part, sympy.Tuple):
            return sympy.Tuple(*(self.key(each, scope) for each in part))
        return self.generators.canonical(self.of(part, scope)) if isinstance(part, Expr) else part

    def sign(self, expr: Expr, scope: Scope) -> tuple[int, bool] | None:
        """1 or -1, and whether it can't be zero; None if it is not known."""
        if expr.is_integer and expr.free_symbols:
            low, high = self.conditions.least(expr, scope.forms), self.conditions.least(-expr, scope.forms)
            if max(low, high) >= 0:
                return (1 if low >= 0 else -1), max(low, high) >= 1
        return self.generators.weak_sign(self.of(expr, scope))

    def _unknown_part(self, form: Expr) -> list[Expr]:
        """Of what is not negative, the one factor whose sign would not be known."""
        constant, factors = self.generators.factors(self.of(form))
        unknown = [base for base, k in factors if k % 2 and self.generators.weak_sign(base) is None]
        signs = [self.generators.weak_sign(base)[0] for base, k in factors if k % 2 and base not in unknown]
        return [Mul(*unknown, *signs, sympy.sign(constant)).expand()] if len(unknown) == 1 else []

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
            below_1 = str(expr.base) != "alpha_bar" or self.conditions.at_least(
                expr.indices[0], Integer(1), scope.forms
            )
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

    def fraction_power(self, base: Expr, power: Expr, whole: bool = False) -> Expr:
        """base**power, factor by factor; `whole` says that the power is some whole number."""
        if power.is_positive and self.generators.is_zero(base):
            return Integer(0)
        result, rest = Integer(1), Integer(1)
        for factor, k in self.factors(base):
            if (found := self.generators.weak_sign(factor)) is not None and not (whole and found[0] < 0):
                rest *= Integer(found[0]) ** k
                result *= self.power_of(found[0] * factor, k * power) if found[0] * factor != 1 else 1
            elif whole:
                result *= self.whole_power(factor, k * power)
            elif k % 2 == 0 and (k * power).is_Integer:
                result *= self.size(factor) ** (k * power)
            else:
                rest *= factor**k
        return result * (1 if rest == 1 else self._root(rest, power))

    def whole_power(self, base: Expr, power: Expr) -> Expr:
        """base**n for a whole symbolic n, whatever the sign of the base: base**(n + 1) is base**n base."""
        numerator, denominator = self.generators.ratio(power)
        if not denominator.is_Integer:
            raise NoForm
        result = Integer(1)
        for term in Add.make_args(numerator.expand()):
            number, monomial = (term / denominator).as_coeff_Mul()
            if not number.is_Integer:
                raise NoForm
            key = ("whole power", base, monomial)
            origin = self.generators.meaning(base) ** self.generators.meaning(monomial)
            result *= base**number if monomial == 1 else self.generators.name(key, origin) ** number
            self.powers[self.generators.named.get(key)] = base, monomial
        return result

    def _root(self, base: Expr, power: Expr) -> Expr:
        """A power of something whose sign is not known: only g**q = base is."""
        base = self.generators.canonical(base)
        meaning = self.generators.meaning(base)
        if not power.is_Rational:
            return self.generators.name(("power", base, power), meaning ** self.generators.meaning(power))
        return self.generators.root(base, power.q, meaning ** Rational(1, power.q)) ** power.p

    def size(self, factor: Expr) -> Expr:
        """|factor|, whose square is that of the factor."""
        return self.generators.root((factor**2).expand(), 2, Abs(self.generators.meaning(factor)))

    def power_of(self, base: Expr, power: Expr) -> Expr:
        """base**power for an irreducible base that is not negative."""
        if not power.is_Rational:
            return self.exp_of(power * self.log_of(base))
        whole, left = divmod(power.p, power.q)
        if not left:
            return base**whole
        origin = self.generators.meaning(base) ** Rational(1, power.q)
        positive = self.generators.sign(base) == 1
        return base**whole * self.generators.root(base, power.q, origin, positive or None) ** left

    def exp_of(self, exponent: Expr) -> Expr:
        """The exponential of an expression in generators: a product over the terms of the exponent."""
        numerator, denominator = self.generators.ratio(exponent)
        result = Integer(1)
        for term in Add.make_args(numerator.expand()):
            number, monomial = self.generators.canonical(term / denominator).as_coeff_Mul()
            result *= self._exp_of_term(number, monomial)
        return result

    def _exp_of_term(self, number: Rational, monomial: Expr) -> Expr:
        if number == 0:
            return Integer(1)
        if monomial in self.logs and self.generators.sign(self.logs[monomial]) == 1:
            return self.power_of(self.logs[monomial], number)
        g = self.generators.name(("exp", monomial), sympy.exp(self.generators.meaning(monomial)), positive=True)
        self.exponents[g] = monomial
        return self.power_of(g, number)

    def exponent_of(self, g: Expr) -> Expr | None:
        """The exponent of exp(...) or of a root of it; None for other generators."""
        if g in self.exponents:
            return self.exponents[g]
        n, base = self.generators.relations.get(g, (1, None))
        return self.exponents[base] / n if base in self.exponents else None

    def exp(self, expr: Expr, scope: Scope) -> Expr:
        return self.exp_of(self.of(expr.args[0], scope))

    def log(self, expr: Expr, scope: Scope) -> Expr:
        """The logarithms of the factors' sizes: where the line has a value, their product is positive."""
        return self.log_of_all(self.of(expr.args[0], scope))

    def log_of_all(self, inside: Expr) -> Expr:
        """log |inside|, factor by factor."""
        return Add(*(k * self.log_of(factor) for factor, k in self.factors(inside) if factor != -1))

    def log_of(self, factor: Expr) -> Expr:
        """log |factor| of an irreducible one."""
        if factor in self.exponents:
            return self.exponents[factor]
        if factor in self.generators.relations:
            n, base = self.generators.relations[factor]
            return Add(*(k * self.log_of(part) for part, k in self.factors(base) if part != -1)) / n
        if factor.could_extract_minus_sign():
            factor = -factor
        origin = self.generators.meaning(factor)
        positive = self.generators.sign(factor) == 1
        g = self.generators.name(("log", factor), sympy.log(origin if positive else Abs(origin)))
        self.logs[g] = factor
        return g

    def factors(self, base: Expr) -> list[tuple[Expr, int]]:
        """-1, primes and irreducible polynomials, with their powers."""
        constant, found = self.generators.factors(base)
        if constant == 0:
            raise NoForm
        primes = [(Integer(p), k) for p, k in factorint(abs(constant.p)).items() if p != 1]
        primes += [(Integer(p), -k) for p, k in factorint(constant.q).items() if p != 1]
        return [*([(Integer(-1), 1)] if constant < 0 else []), *primes, *found]


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
    Expectation: binders.mean,
    Derivative: binders.derivative,
    Subs: binders.substituted,
}
