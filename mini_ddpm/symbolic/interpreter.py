"""The number that an expression stands for in a world.

Sums and products between integers are taken term by term (an empty sum is 0, an empty product 1), definitions are
followed, means and integrals are computed by quadrature. Nothing here simplifies: what two lines have in common
can't hide a difference between them.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import mpmath
import sympy
from mpmath import mp, mpf
from sympy import (
    Basic,
    Derivative,
    Determinant,
    Expr,
    Indexed,
    IndexedBase,
    Integral,
    MatrixExpr,
    Piecewise,
    Pow,
    Product,
    Subs,
    Sum,
    Symbol,
    Trace,
)
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Not, Or
from sympy.matrices.expressions.matexpr import MatrixElement

from mini_ddpm.symbolic import matrices, totals
from mini_ddpm.symbolic.functions import FUNCTIONS, is_kinked
from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.worlds import NoValue, Unchecked, World, _hashes

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory


class Env(dict):
    """What is bound: numbers by symbol or, of indexed quantities, by printed name; `names` has them without indices."""

    names: frozenset[str] = frozenset()

    def binding(self, more: Mapping) -> "Env":
        """This, and more."""
        inner = Env({**self, **more})
        inner.names = self.names.union(map(_name, more))
        return inner


@lru_cache(10_000)
def _name(key: object) -> str:
    return str(key) if isinstance(key, Symbol) else str(key).split("[")[0]


NOTHING = Env()
EXCLUDE = "exclude this case with theory.assume(...), or start the sum or index later"


class Interpreter:
    """Evaluates expressions of a theory in one world.

    `leaves` are the values taken for quantities without a definition, by name; `outcomes` which way each kinked
    function went; `approximate` whether a quadrature was used.
    """

    def __init__(self, theory: "Theory", world: World) -> None:
        self.theory, self.world = theory, world
        self.leaves: dict[str, mpf] = {}
        self.outcomes: dict[str, set] = {}
        self.approximate = False
        self.known: dict[tuple[Expr | str, int], mpf] = {}  # with so many bits: what depends on nothing bound
        self.drawn: dict[str, list[mpf]] = {}
        self.terms = 0
        self.depth = 0

    def __call__(self, expr: Expr, env: Env = NOTHING) -> mpf:
        """The value, a real number.

        Raises:
            NoValue: it divides by zero, say, in this world.
            Unchecked: it can't have one.
        """
        if self.touched(expr, env):
            return self._computed(expr, env)
        if (key := (expr, mp.prec)) not in self.known:
            self.known[key] = self._computed(expr, NOTHING)
        return self.known[key]

    def touched(self, expr: Expr, env: Env) -> bool:
        """Whether a value may depend on what is bound around it."""
        return bool(env) and not env.names.isdisjoint(self.theory.reach(expr))

    def _computed(self, expr: Expr, env: Env) -> mpf:
        for kind in type(expr).__mro__:
            if (method := METHODS.get(kind)) is not None:
                value = method(self, expr, env)
                break
        else:
            value = self._named(expr, env)
        if isinstance(value, mpmath.mpc):
            raise Unchecked(
                f"no real number: {expr} is {mpmath.nstr(value, 6)} in world {self.world.number}. "
                f"Make its symbols positive=True, or assume what keeps it real with theory.assume(...)"
            )
        if not mpmath.isfinite(value):
            raise NoValue(f"{expr} is not finite in world {self.world.number}: {EXCLUDE}")
        return value

    # --- leaves

    def _number(self, expr: Expr, env: Env) -> mpf:
        return mpf(expr.p) / expr.q

    def _constant(self, expr: Expr, env: Env) -> mpf:
        return mpf(expr.n(mp.dps + 5)) + 0

    def _symbol(self, expr: Symbol, env: Env) -> mpf:
        if expr in env:
            return env[expr]
        if (rhs := self.theory.meaning(expr)) is not None:
            return self._follow(rhs, env)
        if expr.name in self.world.indices and expr.is_integer:
            return mpf(self.world.indices[expr.name])
        return self._leaf(expr, expr.name)

    def _indexed(self, expr: Indexed, env: Env) -> mpf:
        places = [self.integer(index, env) for index in expr.indices]
        name = f"{expr.base}[{', '.join(map(str, places))}]"
        if name in env:
            return env[name]
        if (found := self.theory.definition_of(expr, places)) is None:
            return self._leaf(expr, name)
        rhs, bound = found
        if self.touched(rhs, env):
            return self._follow(rhs, env.binding(bound))
        if (key := (name, mp.prec)) not in self.known:
            self.known[key] = self._follow(rhs, NOTHING.binding(bound))
        return self.known[key]

    def _leaf(self, leaf: Expr, name: str) -> mpf:
        if not leaf.is_extended_real:
            kind, maker = (leaf.base, "IndexedBase") if isinstance(leaf, Indexed) else (leaf, "Symbol")
            raise Unchecked(
                f"{leaf} has no value: make it {maker}('{kind}', real=True) or positive=True, "
                f"or define it with theory.define({leaf}, ...)"
            )
        if (key := (name, mp.prec)) not in self.known:
            self.known[key] = self.leaves[name] = self.world.value(leaf, name)
        return self.known[key]

    def _follow(self, rhs: Expr, env: Env) -> mpf:
        self.depth += 1
        if self.depth > 60:
            raise Unchecked(f"the definitions have no end: {rhs}. Define a first case, as f(0)")
        try:
            return self(rhs, env)
        finally:
            self.depth -= 1

    def _function(self, expr: AppliedUndef, env: Env) -> mpf:
        """A function without a definition is a smooth one, another in every world."""
        places = [self(argument, env) for argument in expr.args]
        if (found := self.theory.definition_of(expr, places)) is not None:
            rhs, bound = found
            return self._follow(rhs, env.binding(bound))
        name = expr.func.__name__
        numbers = iter(self._numbers(name, 4 + 5 * len(places)))
        total, mixed = next(numbers), next(numbers)
        for place in places:
            total += next(numbers) * place + next(numbers) * mp.sin(next(numbers) * place + next(numbers))
            mixed += next(numbers) * place
        total += next(numbers) * mp.sin(mixed)
        if expr.is_positive or expr.is_nonnegative:
            return mp.exp(total / 4)
        if not expr.is_extended_real:
            raise Unchecked(f"{expr} has no value: make it Function('{name}', real=True), or define it")
        return total

    def _numbers(self, name: str, count: int) -> list[mpf]:
        """Between -2 and 2, another list for every name and world."""
        if name not in self.drawn or len(self.drawn[name]) < count:
            found = (_hashes(f"{name}#{k}", self.world.number, self.world.salt)[0] for k in range(count))
            self.drawn[name] = [share * 4 - 2 for share in found]
        return self.drawn[name]

    # --- operations

    def integer(self, expr: Expr, env: Env) -> int:
        """The integer that an index or a limit is."""
        value = self(expr, env)
        if value == (whole := int(value)):
            return whole
        if abs(value - mpmath.nint(value)) > mpf(10) ** -20:
            raise Unchecked(
                f"{expr} is {mpmath.nstr(value, 6)} in a world, but an index and the ends of a sum must be integers: "
                f"make it Symbol('{expr}', integer=True)"
            )
        return int(mpmath.nint(value))

    def _add(self, expr: Expr, env: Env) -> mpf:
        return mpmath.fsum(self(argument, env) for argument in expr.args)

    def _mul(self, expr: Expr, env: Env) -> mpf:
        return mpmath.fprod(self(argument, env) for argument in expr.args)

    def _pow(self, expr: Expr, env: Env) -> mpf:
        base, power = self(expr.base, env), self(expr.exp, env)
        if not base and power < 0:
            raise NoValue(f"{expr} divides by zero in world {self.world.number}: {EXCLUDE}")
        return base ** (int(power) if power == int(power) else power)

    def _log(self, expr: Expr, env: Env) -> mpf:
        value = self(expr.args[0], env)
        if not value:
            raise NoValue(f"{expr} has no value in world {self.world.number}: {EXCLUDE}")
        return mp.log(value)

    def _named(self, expr: Expr, env: Env) -> mpf:
        name = type(expr).__name__
        if isinstance(expr, IndexedBase):
            raise Unchecked(f"{expr} needs an index, as in {expr}[t]")
        if name not in FUNCTIONS:
            raise Unchecked(f"{name} can't be evaluated: {expr}. Use a function that has numbers, or define it")
        values = [self(argument, env) for argument in expr.args]
        if is_kinked(expr):
            which = values.index(FUNCTIONS[name](*values)) if name in ("Max", "Min") else mpmath.sign(values[0])
            self.outcomes.setdefault(str(expr), set()).add(which)
        try:
            return FUNCTIONS[name](*values)
        except (ValueError, ZeroDivisionError) as error:  # at a pole
            raise NoValue(f"{expr} has no value: {error}. {EXCLUDE}") from None

    def _piecewise(self, expr: Piecewise, env: Env) -> mpf:
        for k, (value, condition) in enumerate(expr.args):
            if self.truth(condition, env):
                self.outcomes.setdefault(str(expr), set()).add(k)
                return self(value, env)
        raise NoValue(f"{expr} has no case for world {self.world.number}: add a last one, (value, True)")

    def truth(self, condition: Basic, env: Env) -> bool:
        """Whether a condition holds."""
        if condition in (sympy.true, sympy.false):
            return bool(condition)
        if isinstance(condition, (And, Or, Not)):
            parts = [self.truth(part, env) for part in condition.args]
            return {"And": all, "Or": any, "Not": lambda x: not x[0]}[type(condition).__name__](parts)
        if not isinstance(condition, Relational):
            raise Unchecked(f"the condition {condition} can't be decided: compare two numbers, as in y > 0")
        a, b = self(condition.lhs, env), self(condition.rhs, env)
        close = abs(a - b) <= mp.eps * 2**20 * (abs(a) + abs(b))
        relation = condition.rel_op
        if close:
            return relation in ("==", "<=", ">=")
        return {"==": False, "!=": True}.get(relation, (a < b) == ("<" in relation))


METHODS: dict[type, Callable] = {
    sympy.Rational: Interpreter._number,
    sympy.core.numbers.NumberSymbol: Interpreter._constant,
    Symbol: Interpreter._symbol,
    Indexed: Interpreter._indexed,
    AppliedUndef: Interpreter._function,
    sympy.Add: Interpreter._add,
    sympy.Mul: Interpreter._mul,
    Pow: Interpreter._pow,
    sympy.log: Interpreter._log,
    Piecewise: Interpreter._piecewise,
    Sum: totals.total,
    Product: totals.total,
    Expectation: totals.mean,
    Integral: totals.integral,
    Derivative: totals.derivative,
    Subs: totals.substituted,
    Trace: matrices.trace,
    Determinant: matrices.determinant,
    MatrixElement: matrices.element,
    MatrixExpr: matrices.no_number,
}
