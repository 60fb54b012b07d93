"""Rational functions of generators: the field in which two lines are compared.

A generator is a name for something that is taken as it is: a quantity, a root, a logarithm, an unknown function at a
point. `g**n = base` may hold for it. An expression in generators is zero if its numerator is, once every such
g**n is replaced; that is all that "proved" rests on.
"""

from collections.abc import Hashable

from sympy import QQ, Dummy, Expr, Integer, Poly, count_ops, factor_list

LARGEST = 3000  # operations of what is brought to one denominator
MOST_TERMS = 6000  # of a numerator


class NoForm(Exception):  # noqa: N818 - an answer, not an error
    """There is no normal form of this: nothing is proved, then."""


class Generators:
    """The names given so far, what they stand for, and the relations between them."""

    def __init__(self) -> None:
        self.named: dict[Hashable, Expr] = {}
        self.origin: dict[Expr, Expr] = {}  # generator -> the expression it stands for
        self.relations: dict[Expr, tuple[int, Expr]] = {}  # g -> n, base with g**n = base
        self.visible: dict[Expr, Expr] = {}  # generator -> a form that shows its range, as 1 / (1 + u) for a fraction
        self.not_negative: list[Expr] = []  # polynomials that assumptions say are not negative

    def name(self, key: Hashable, origin: Expr, **assumptions: bool | None) -> Expr:
        """The generator of this key, made at its first use."""
        if key not in self.named:
            known = {name: value for name, value in assumptions.items() if value is not None}
            self.named[key] = Dummy(f"g{len(self.named)}", **({"real": True} | known))
            self.origin[self.named[key]] = origin
        return self.named[key]

    def between(self, g: Expr, low: Expr | None, high: Expr | None, strict: bool, closed: bool = False) -> None:
        """Note that low <= g <= high, or < if `strict`; between two ends low < g, unless it is `closed` there."""
        if g in self.visible:
            return
        u = self.name(("range", g), g, nonnegative=True, positive=strict or None)
        if low is None or high is None:
            self.visible[g] = high - u if low is None else low + u
        else:
            part = self.name(("part", g), g, nonnegative=True) if closed else Integer(1)  # 0 at the lower end
            self.visible[g] = low + (high - low) * part / (part + u)

    def root(self, base: Expr, n: int, origin: Expr, positive: bool | None = None) -> Expr:
        """The n-th root of an expression in generators."""
        g = self.name(("root", base, n), origin, nonnegative=True, positive=positive)
        self.relations[g] = n, base
        return g

    # --- the field

    def ratio(self, expr: Expr) -> tuple[Expr, Expr]:
        """Numerator and denominator without a common factor, roots reduced; the denominator's leading sign is plus."""
        numerator, denominator = self._fraction(expr)
        for g in reversed(self.relations):
            if numerator.has(g) or denominator.has(g):
                reduced = self._reduced(numerator, g) / self._reduced(denominator, g)
                numerator, denominator = self._fraction(reduced)
        return numerator, denominator

    def is_zero(self, expr: Expr) -> bool:
        """Whether an expression in generators is zero for certain."""
        return self.ratio(expr)[0] == 0

    def canonical(self, expr: Expr) -> Expr:
        """One expression for all that are equal as rational functions."""
        numerator, denominator = self.ratio(expr)
        return numerator / denominator

    def _fraction(self, expr: Expr) -> tuple[Expr, Expr]:
        if expr.is_Rational:
            return Integer(expr.p), Integer(expr.q)
        if (not expr.is_finite and expr.is_number) or count_ops(expr) > LARGEST:
            raise NoForm
        symbols = sorted(expr.free_symbols, key=lambda g: (len(g.name), g.name, g.dummy_index))
        try:
            found = QQ.frac_field(*symbols).from_sympy(expr)
        except (ZeroDivisionError, ValueError, TypeError):
            raise NoForm from None
        if len(found.numer) + len(found.denom) > MOST_TERMS:
            raise NoForm
        return found.numer.as_expr(), found.denom.as_expr()

    def _reduced(self, expr: Expr, g: Expr) -> Expr:
        """A polynomial with g**n replaced by its base."""
        if not expr.has(g):
            return expr
        n, base = self.relations[g]
        parts: dict[int, Expr] = {}
        for (k,), coefficient in Poly(expr, g).terms():
            parts[k % n] = parts.get(k % n, 0) + coefficient * base ** (k // n)
        return sum(coefficient * g**k for k, coefficient in parts.items())

    def factors(self, expr: Expr) -> tuple[Expr, list[tuple[Expr, int]]]:
        """A rational number, and irreducible polynomials with their powers, whose product the expression is."""
        numerator, denominator = self.ratio(expr)
        constant, found = factor_list(numerator)
        below, others = factor_list(denominator)
        return constant / below, [*found, *((base, -k) for base, k in others)]

    # --- signs

    def sign(self, expr: Expr) -> int | None:
        """1 if an expression is positive for certain, -1 if negative, 0 if it is zero; None if that is not known."""
        found = self.weak_sign(expr)
        return None if found is None or not found[1] else found[0]

    def weak_sign(self, expr: Expr) -> tuple[int, bool] | None:
        """(1, True): positive wherever it has a value; (1, False): or zero; so for -1; (0, True): zero."""
        constant, factors = self.factors(expr)
        sign, strict = (0 if constant == 0 else 1 if constant > 0 else -1), True
        for base, k in factors if sign else ():
            found = self._sign_of(base)
            if found is None and k % 2:
                return None
            sign *= found[0] if found and k % 2 else 1
            strict &= k < 0 or (found is not None and found[1])
        return sign, strict

    def _sign_of(self, polynomial: Expr) -> tuple[int, bool] | None:
        for sign in (1, -1):
            for what in ("positive", "nonnegative"):
                if self._is(sign * polynomial, what):
                    return sign, what == "positive"
        seen = polynomial.xreplace(self.visible)
        return None if seen == polynomial else self.weak_sign(seen)

    def _is(self, polynomial: Expr, what: str) -> bool:
        """Whether a polynomial is positive or not negative: by its coefficients, or by what is assumed."""
        terms = polynomial.expand().as_ordered_terms()
        if all(term.is_nonnegative for term in terms):
            return what == "nonnegative" or any(term.is_positive for term in terms)
        if getattr(polynomial, f"is_{what}"):
            return True
        for known in self.not_negative:
            rest = (polynomial - known).expand()
            if rest == 0:
                return what == "nonnegative"
            if all(term.is_nonnegative for term in rest.as_ordered_terms()):
                return what == "nonnegative" or any(term.is_positive for term in rest.as_ordered_terms())
        return False

    def meaning(self, expr: Expr) -> Expr:
        """What an expression in generators stands for."""
        return expr.xreplace({g: self.origin[g] for g in expr.free_symbols if g in self.origin})
