"""Powers, roots, exponentials and logarithms, as generators.

Roots and logarithms are split into irreducible factors, powers become exponentials of logarithms: x^(1/2) x^(1/2) is x,
log(x y) is log x + log y, and x^y is exp(y log x), wherever these have a value.
"""

import sympy
from sympy import Abs, Add, Expr, Integer, Rational, factorint

from mini_ddpm.symbolic.generators import Generators, NoForm


class Powers:
    """Which generators are exponentials, logarithms and powers, and of what."""

    def __init__(self) -> None:
        self.generators = Generators()
        self.exponents: dict[Expr, Expr] = {}  # generator -> what it is the exponential of
        self.logs: dict[Expr, Expr] = {}  # generator -> what it is the logarithm of
        self.powers: dict[Expr | None, tuple[Expr, Expr]] = {}  # generator -> base and whole exponent

    def fraction_power(self, base: Expr, power: Expr, whole: bool = False) -> Expr:
        """base**power, factor by factor; `whole` says that the power is some whole number."""
        if power.is_positive and self.generators.is_zero(base):
            return Integer(0)
        result, rest = Integer(1), Integer(1)
        for factor, k in self.signed(base) if whole else self.factors(base):
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

    def signed(self, base: Expr) -> list[tuple[Expr, int]]:
        """The factors, with the sign drawn into one whose own is not known: (1 - b)**n is no (-1)**n (b - 1)**n."""
        found = self.factors(base)
        if found and found[0][0] == -1:
            for i, (factor, k) in enumerate(found):
                if i and k % 2 and self.generators.weak_sign(factor) is None:
                    return [*found[1:i], ((-factor).expand(), k), *found[i + 1 :]]
        return found

    def whole_power(self, base: Expr, power: Expr) -> Expr:
        """base**n for a whole symbolic n, whatever the sign of the base: base**(n + 1) is base**n base."""
        numerator, denominator = self.generators.ratio(power)
        result = Integer(1)
        for term in Add.make_args(numerator.expand()):
            number, monomial = (term / denominator).as_coeff_Mul()
            if not (number.is_Integer and denominator.is_Integer):
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
        sign = self.generators.sign(factor)
        if sign == -1 or (sign is None and factor.could_extract_minus_sign()):
            factor, sign = -factor, sign and -sign
        origin, positive = self.generators.meaning(factor), sign == 1
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
