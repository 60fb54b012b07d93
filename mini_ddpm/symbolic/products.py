"""What is known of a product with a symbolic end: P(n) = f(1) ... f(n), so that P(0) = 1.

Where n <= m for certain, P(m) is P(n) times the factors between, and if these are at least 1, P(m) = P(n) (1 + w) with
w >= 0: this is how alpha_bar_t < alpha_bar_s < 1 is seen. Which ends occur is known only after a first round.
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
        return all(any(n in chain for chain in self.plan.get(f, [])) for f, ends in self.met.items() for n in ends)

    def next_plan(self, normal: "Normal") -> Plan:
        """Chains for all ends met so far."""
        return {f: _chains(normal, ends) for f, ends in self.met.items()}

    def value(self, normal: "Normal", f: Expr, place: Symbol, n: Expr, scope: "Scope") -> Expr:
        """P(n) in generators."""
        self.met.setdefault(f, {})[n] = scope.forms
        for chain in self.plan.get(f, []):
            if n in chain:
                before = chain[chain.index(n) - 1] if chain.index(n) else None
                return self._along(normal, f, place, before, n, scope)
        return normal.generators.name(("product", f, n), _origin(normal, f, place, n))

    def _along(self, normal: "Normal", f: Expr, place: Symbol, before: Expr | None, n: Expr, scope: "Scope") -> Expr:
        if n == 0:
            return Integer(1)
        if before is None:
            return normal.generators.name(("product", f, n), _origin(normal, f, place, n))
        start = self.value(normal, f, place, before, scope)
        steps = (n - before).expand()
        if steps.is_Integer and steps <= NEAR:
            return start * Mul(*(normal.of(f.xreplace({place: before + r}), scope) for r in range(1, int(steps) + 1)))
        k = Symbol(f"_{len(scope.forms)}:{before}:{n}", integer=True)
        inside = scope._replace(forms=(*scope.forms, k - before - 1, n - k))
        typical = normal.of(f.xreplace({place: k}), inside)
        several = normal.conditions.at_least(n, before + 1, scope.forms) or None
        origin = _origin(normal, f, place, n) / _origin(normal, f, place, before)
        sign = normal.generators.weak_sign(typical)
        ratio = normal.generators.name(("product", f, before, n), origin, positive=True if sign == (1, True) else None)
        from_1 = normal.generators.weak_sign(typical - 1)
        if sign == (1, True) and from_1:
            ends = (Integer(1), None) if from_1[0] >= 0 else (Integer(0), Integer(1))
            normal.generators.between(ratio, *ends, bool(from_1[1] and several))
        return start * ratio


def _origin(normal: "Normal", f: Expr, place: Symbol, n: Expr) -> Expr:
    from mini_ddpm.symbolic.indefinite import Indefinite

    return Indefinite(normal.sums.number(f, True), n)


def _chains(normal: "Normal", ends: dict[Expr, Forms]) -> list[list[Expr]]:
    """The ends in chains, each from small to large; 0 stands at the head of those that can't be below it."""

    def at_least(n: Expr, other: Expr) -> bool:
        return normal.conditions.at_least(n, other, (*ends.get(n, ()), *ends.get(other, ())))

    chains: list[list[Expr]] = []
    for n in sorted(ends.keys() - {Integer(0)}, key=str):
        for chain in chains:
            if all(at_least(n, other) or at_least(other, n) for other in chain):
                chain.insert(sum(at_least(n, other) for other in chain), n)
                break
        else:
            chains.append([n])
    chains = [[Integer(0), *chain] if at_least(chain[0], Integer(0)) else chain for chain in chains]
    return chains or [[Integer(0)]]
