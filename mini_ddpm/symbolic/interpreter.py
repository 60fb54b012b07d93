"""The number that an expression stands for in a world.

Sums and products between integers are taken term by term (an empty sum is 0, an empty product 1), definitions are
followed, means and integrals are computed by quadrature. Nothing here simplifies: what two lines have in common
can't hide a difference between them.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import mpmath
import sympy
from mpmath import mp, mpf
from sympy import (
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
from sympy.matrices.expressions.matexpr import MatrixElement

from mini_ddpm.symbolic import matrices, totals, truths
from mini_ddpm.symbolic.environment import NOTHING, Env, name_of
from mini_ddpm.symbolic.functions import FUNCTIONS, is_kinked, smooth, way
from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.worlds import NoValue, Unchecked, World, _hashes

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory

LARGEST_POWER = 10**6
EXCLUDE = "exclude this case with theory.assume(...), or start the sum or index later"


class Interpreter:
    """Evaluates expressions of a theory in one world.

    `leaves` are the values of quantities without a definition; `outcomes` which way each kinked function went;
    `approximate` how far, relatively, quadratures may be off.
    """

    methods: Mapping[type, Callable]
    chosen: dict[type, Callable]  # of these, by the kinds seen so far

    def method_of(self, kind: type) -> Callable:
        """How expressions of a kind get their number."""
        if kind not in self.chosen:
            known = (self.methods[k] for k in kind.__mro__ if k in self.methods)
            self.chosen[kind] = next(known, Interpreter._named)
        return self.chosen[kind]

    def __init__(self, theory: "Theory", world: World) -> None:
        self.theory, self.world = theory, world
        self.leaves: dict[str, mpf] = {}
        self.outcomes: dict[str, set] = {}
        self.approximate = mpf(0)
        self.known: dict[tuple[Expr | str, int], mpf] = {}  # with so many bits: what depends on nothing bound
        self.drawn: dict[str, list[mpf]] = {}
        self.terms, self.largest = 0, mpf(0)  # of what is added, by which rounding is judged
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
        value = self.method_of(type(expr))(self, expr, env)
        if isinstance(value, mpmath.mpc):
            where = f"{expr} is {mpmath.nstr(value, 6)} in world {self.world.number}"
            keep = "Make its symbols positive=True, or assume what keeps it real with theory.assume(...)"
            raise Unchecked(f"no real number: {where}. {keep}")
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
        return self._defined(name, found, env)

    def _defined(self, name: str, found: tuple[Expr, Mapping], env: Env) -> mpf:
        """The value of a definition: once, unless what is bound around it counts."""
        rhs, bound = found
        if not env.names.isdisjoint(self.theory.reach(rhs) - set(map(name_of, bound))):
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
            return self._defined(f"{expr.func}({', '.join(map(str, places))})", found, env)
        name = expr.func.__name__
        total = smooth(places, iter(self._numbers(name, 4 + 5 * len(places))))
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
        terms = [self(argument, env) for argument in expr.args]
        self.largest = max(self.largest, *map(abs, terms))
        return mpmath.fsum(terms)

    def _mul(self, expr: Expr, env: Env) -> mpf:
        return mpmath.fprod(self(argument, env) for argument in expr.args)

    def _pow(self, expr: Expr, env: Env) -> mpf:
        base, power = self(expr.base, env), self(expr.exp, env)
        if abs(power) > LARGEST_POWER:
            raise NoValue(f"{expr} is too large in world {self.world.number}")
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
            self.outcomes.setdefault(str(expr), set()).add(way(name, values))
        try:
            return FUNCTIONS[name](*values)
        except (ValueError, ZeroDivisionError) as error:  # at a pole
            raise NoValue(f"{expr} has no value: {error}. {EXCLUDE}") from None

    truth = truths.truth  # whether a condition holds


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
    Piecewise: truths.piecewise,
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
Interpreter.methods, Interpreter.chosen = METHODS, {}
