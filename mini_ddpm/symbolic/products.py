"""What is known of a product with a symbolic end: P(n) = f(1) ... f(n), so that P(0) = 1.

Where n <= m for certain, P(m) is P(n) times the factors between, and if these are at least 1, so is P(m) / P(n): this
is how alpha_bar_t < alpha_bar_s < 1 is seen. Which ends occur is known only after a first round.
"""

from typing import TYPE_CHECKING

from sympy import Expr, Integer, Mul, Symbol

if TYPE_CHECKING:
    from mini_ddpm.symbolic.normal import Normal, Scope

Forms = tuple[Expr, ...]
Plan = dict[Expr, list[list[Expr]]]  # factor -> chains of ends, each from small to large
NEAR = 12  # steps between two ends, for which the factors are written out


class Products:
    """The values of unknown products in one round, by the ends that were met in the round before."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.met: dict[Expr, dict[Expr, Forms]] = {}  # ends, each with what is known of bound indices there

    @property
    def complete(self) -> bool:
        """Whether every end was planned for."""
        return all(self._base(f, n) is not None for f, ends in self.met.items() for n in ends)

    def next_plan(self, normal: "Normal") -> Plan:
        """Chains for all ends met so far."""
        return {f: _chains(normal, ends) for f, ends in self.met.items()}

    def _base(self, f: Expr, n: Expr) -> Expr | None:
        """The planned end that is few steps below n."""
        planned = (base for chain in self.plan.get(f, []) for base in chain)
        return next((base for base in planned if (n - base).is_Integer and 0 <= n - base <= NEAR), None)

    def value(self, normal: "Normal", f: Expr, place: Symbol, n: Expr, scope: "Scope") -> Expr:
        """P(n) in generators."""
        self.met.setdefault(f, {})[n] = scope.forms
        base = self._base(f, n)
        if base is None:
            return normal.generators.name(("product", f, n), _origin(normal, f, n))
        steps = range(1, int(n - base) + 1)
        beyond = Mul(*(normal.of(f.xreplace({place: base + r}), scope) for r in steps))
        return self._at_base(normal, f, place, base, scope) * beyond

    def _at_base(self, normal: "Normal", f: Expr, place: Symbol, n: Expr, scope: "Scope") -> Expr:
        if n == 0:
            return Integer(1)
        chain = next(chain for chain in self.plan[f] if n in chain)
        if n == chain[0]:
            return normal.generators.name(("product", f, n), _origin(normal, f, n))
        before = chain[chain.index(n) - 1]
        start = self._at_base(normal, f, place, before, scope)
        k = Symbol(f"_p{len(scope.forms)}:{before}:{n}", integer=True)
        typical = normal.of(f.xreplace({place: k}), scope._replace(forms=(*scope.forms, k - before - 1, n - k)))
        origin = _origin(normal, f, n) / _origin(normal, f, before)
        sign, from_1 = normal.generators.weak_sign(typical), normal.generators.weak_sign(typical - 1)
        positive = sign == (1, True)
        ratio = normal.generators.name(("product", f, before, n), origin, positive=positive or None)
        if positive and from_1:
            low, high = (Integer(1), None) if from_1[0] >= 0 else (Integer(0), Integer(1))
            bound = any(symbol.name.startswith("_") for symbol in n.free_symbols | before.free_symbols)
            several = normal.conditions.at_least(n, before + 1, scope.forms if bound else ())
            normal.generators.between(ratio, low, high, from_1[1] and several)
        return start * ratio


def _origin(normal: "Normal", f: Expr, n: Expr) -> Expr:
    from mini_ddpm.symbolic.indefinite import Indefinite

    return Indefinite(normal.sums.number(f, True), n)


def _chains(normal: "Normal", ends: dict[Expr, Forms]) -> list[list[Expr]]:
    """The ends in chains, each from small to large; 0 stands at the head of those that can't be below it."""

    def at_least(n: Expr, other: Expr) -> bool:
        return normal.conditions.at_least(n, other, (*ends.get(n, ()), *ends.get(other, ())))

    chains: list[list[Expr]] = []
    for n in sorted(_bases(ends), key=str):
        for chain in chains:
            if all(at_least(n, other) or at_least(other, n) for other in chain):
                chain.insert(sum(at_least(n, other) for other in chain), n)
                break
        else:
            chains.append([n])
    chains = [[Integer(0), *chain] if at_least(chain[0], Integer(0)) else chain for chain in chains]
    return chains or [[Integer(0)]]


def _bases(ends: dict[Expr, Forms]) -> set[Expr]:
    """Of ends that differ by whole numbers the smallest: T - 1 of T - 1 and T. Numbers follow from 0."""
    smallest: dict[Expr, Expr] = {}
    for n in ends:
        number, rest = n.as_coeff_Add()
        if rest != 0 and (rest not in smallest or (number < smallest[rest].as_coeff_Add()[0])):
            smallest[rest] = n
    return {n for rest, n in smallest.items()} | {n for n in ends if n.is_Integer and n < 0}
