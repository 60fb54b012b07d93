"""Conditional densities along a Markov chain, means over its paths, divergences -- and finite chains to test them.

`q(x[t], x[t - 1])` is q(x_t | x_{t-1}); `q(x[t-1], x[t], x[0])` is q(x_{t-1} | x_t, x_0); `E_q(f)` is the mean of f
over x_1..x_T ~ q(x_{1:T} | x_0); `KL(a, b)` is the divergence of two densities of the same variable.

A world is a pair of random Markov chains, q and p, with rational transition tables, two or three states a step and
T = 2..4. There every density, mean and divergence is a finite sum, computed exactly. An identity of this module is
marked "proved" when it follows from facts; the facts themselves are "checked" in those chains.
"""

import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product

import mpmath
from sympy import (
    Add,
    Basic,
    Dummy,
    Expr,
    Float,
    Function,
    Integer,
    Rational,
    Sum,
    Symbol,
    expand,
    expand_log,
    lambdify,
    prod,
    sympify,
)
from sympy.printing.latex import LatexPrinter

from mini_ddpm.symbolic.notation import T, t, x
from mini_ddpm.symbolic.sums import rename_bound, written_out
from mini_ddpm.symbolic.theory import Theory
from mini_ddpm.symbolic.worlds import DIGITS, Unchecked, WrongStep, free_indices, number_hint

State = dict[int, int]  # time -> state, along one path


class Density(Function):
    """A positive density of its first argument, given the others."""

    is_positive = True

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        variable, *given = map(printer._print, self.args)
        name = {"q": "q", "p": r"p_\theta"}[self.func.__name__]
        bar = rf" \mid {', '.join(given)}" if given else ""
        return rf"{name}({variable}{bar})" + (f"^{{{exp}}}" if exp else "")


class q(Density):  # noqa: N801 - the paper's symbol
    """A density of the forward chain, which adds noise."""


class p(Density):  # noqa: N801 - the paper's symbol
    """A density of the reverse chain, which the network describes."""


class Path(Symbol):
    """Several variables at once: Path(1, T) is x_1, ..., x_T."""

    def __new__(cls, first: Expr, last: Expr) -> "Path":
        path = Symbol.__new__(cls, f"x_{{{first}:{last}}}")
        path.first, path.last = first, last
        return path


class E_q(Expr):  # noqa: N801 - the paper's symbol
    """The mean over x_1, ..., x_T ~ q(x_{1:T} | x_0), linear under `expand`."""

    is_extended_real = True

    def __new__(cls, f: Expr) -> "E_q":
        return Expr.__new__(cls, sympify(f))

    def _eval_expand_basic(self, **hints: bool) -> Expr:
        terms = Add.make_args(expand(expand_log(self.args[0])))
        return Add(*(_mean_of(term) for term in terms))

    def _latex(self, printer: LatexPrinter) -> str:
        return rf"\mathbb{{E}}_q\left[{printer._print(self.args[0])}\right]"


def _mean_of(term: Expr) -> Expr:
    """Constants leave the mean, and the mean enters a sum."""
    constant, random = term.as_independent(x, Density, KL, as_Add=False)
    if isinstance(random, Sum):
        return constant * Sum(_mean_of(random.function), *random.limits)
    return constant * (E_q(random) if random != 1 else 1)


class KL(Expr):
    """The divergence of two densities of the same variable; a function of what they are given."""

    is_extended_real = True

    def _latex(self, printer: LatexPrinter) -> str:
        a, b = map(printer._print, self.args)
        return rf"D_{{\mathrm{{KL}}}}\left({a} \,\middle\|\, {b}\right)"


class ChainTheory(Theory):
    """A theory whose worlds are random finite Markov chains instead of random numbers."""

    def evaluate_with_values(self, expr: Expr, world: int) -> tuple[Float, dict]:
        """The value of an expression in a world, along one fixed path where it depends on the path."""
        chain = _chain(world)
        expr = rename_bound(self.unfold_fully(expr))
        expr = written_out(expr.xreplace({index: self._index(index, world) for index in free_indices(expr)}))
        path = chain.paths[_hash(str(world)) % len(chain.paths)]
        with mpmath.workdps(DIGITS):
            return Float(mpmath.nstr(chain.interpret(expr)(path), DIGITS), DIGITS), {}

    def hint(self, old: Expr, new: Expr, pairs: list[tuple[Float, Float]]) -> str:
        """Where to look for the mistake: a missing mean first, the commonest of all."""
        loose = [node for node in _outermost(new) if _depends_on_path(node)]
        if loose and not any(map(_depends_on_path, _outermost(old))):
            return f"{loose[0]} stands outside of a mean, so it differs from path to path: is an E_q missing?"
        return number_hint(pairs) or "indices, limits of sums, and the order of arguments"

    def _index(self, index: Symbol, world: int) -> Integer:
        length = _chain(world).length
        if index not in (t, T):
            raise Unchecked(f"the index {index} has no value in a Markov chain: use t, T or a number")
        return Integer(length if index == T else 2 + world // 3 % (length - 1))


class FiniteChain:
    """World k: x_0 is fixed; x_1..x_T have two or three states; q and p have random rational transition tables."""

    def __init__(self, world: int) -> None:
        self.world, self.length = world, 2 + world % 3
        self.start = world % 2
        self.times = {x[time]: time for time in range(self.length + 1)}
        states = [self.states(time) for time in range(self.length + 1)]
        self.paths: list[State] = [dict(enumerate(choice)) for choice in product(*states)]
        self.evidence = sum(self.p_path(path) for path in self.paths)

    def states(self, time: int) -> tuple[int, ...]:
        """The states that x_time can have."""
        return (self.start,) if time == 0 else self.space(time)

    def space(self, time: int) -> tuple[int, ...]:
        """The states among which a table of x_time chooses."""
        return tuple(range(2 + _hash(f"{time}|{self.world}") % 2))

    @cache  # noqa: B019 - there are twelve chains, kept for good
    def transition(self, name: str, time: int, state: int, given: int | None) -> Rational:
        """A number of the table of `name`: the probability of x_time = state, given a neighbour's state."""
        weights = [Integer(_hash(f"{name}|{time}|{k}|{given}|{self.world}") % 89 + 15) for k in self.space(time)]
        if self.world % 2:  # likely and unlikely steps, so that divergences are not all small
            weights = [weight**3 for weight in weights]
        return weights[state] / sum(weights)

    def q_path(self, path: State) -> Rational:
        """q(x_{1:T} | x_0)."""
        return prod(self.transition("q", time, path[time], path[time - 1]) for time in range(1, self.length + 1))

    def p_path(self, path: State) -> Rational:
        """p(x_{0:T})."""
        last = self.transition("p", self.length, path[self.length], None)
        return last * prod(
            self.transition("p", time - 1, path[time - 1], path[time]) for time in range(1, self.length + 1)
        )

    @cache  # noqa: B019
    def q_states(self, *states: tuple[int, int]) -> Rational:
        """The probability of these states, (time, state), given x_0: that of all paths through them."""
        through = (path for path in self.paths if all(path[time] == state for time, state in states))
        return sum(self.q_path(path) for path in through)

    def interpret(self, expr: Expr) -> Callable[[State], mpmath.mpf]:
        """The expression as a function of a path."""
        if isinstance(expr, E_q):
            inner = self.interpret(expr.args[0])
            return lambda path: mpmath.fsum(_real(self.q_path(other)) * inner(other) for other in self.paths)
        if isinstance(expr, KL):
            return self.divergence(*expr.args)
        if isinstance(expr, Density):
            return self.density(expr)
        nodes = list(_outermost(expr))
        functions = [self.interpret(node) for node in nodes]
        names = [Dummy() for _ in nodes]
        rest = expr.xreplace(dict(zip(nodes, names, strict=True)))
        for symbol in sorted(rest.free_symbols - set(names), key=str):
            raise Unchecked(f"{symbol} has no value in a Markov chain: use q, p, E_q and KL of x[t]")
        formula = lambdify(names, rest, "mpmath")

        def value(path: State) -> mpmath.mpf:
            number = mpmath.mpmathify(formula(*(function(path) for function in functions)))
            if not isinstance(number, mpmath.mpf):
                raise Unchecked(f"no real number: {expr} is {mpmath.nstr(number, 8)}")
            return number

        return value

    def divergence(self, a: Density, b: Density) -> Callable[[State], mpmath.mpf]:
        """sum_v a(v) log(a(v) / b(v)) over the states v of the variable, as a function of the rest of the path."""
        if not (isinstance(a, Density) and isinstance(b, Density)) or a.args[0] != b.args[0]:
            raise WrongStep(f"KL compares two densities of the same variable, not {a} and {b}")
        variable, first, second = a.args[0], self.interpret(a), self.interpret(b)

        if variable == x[0]:
            raise WrongStep("x_0 is the given image here: a divergence between densities of x_0 has no value")

        def total(path: State) -> mpmath.mpf:
            others = self.paths if isinstance(variable, Path) else self.changed(path, self.times[variable])
            return mpmath.fsum(first(other) * mpmath.log(first(other) / second(other)) for other in others)

        return total

    def changed(self, path: State, time: int) -> Iterator[State]:
        """The path with every possible state at one time."""
        return ({**path, time: state} for state in self.states(time))

    def density(self, node: Density) -> Callable[[State], mpmath.mpf]:
        """The density as a function of a path."""
        if isinstance(node.args[0], Path):
            return self.path_density(node)
        if not all(place in self.times for place in node.args):
            raise WrongStep(f"{node} leaves the chain x_0, ..., x_T")
        times = [self.times[place] for place in node.args]
        if isinstance(node, q):
            return self.q_density(node, *times)
        if times == [0]:
            return lambda path: _real(self.evidence)
        if times == [self.length]:
            return lambda path: _real(self.transition("p", self.length, path[self.length], None))
        if len(times) == 2 and times[1] == times[0] + 1:
            return lambda path: _real(self.transition("p", times[0], path[times[0]], path[times[1]]))
        raise WrongStep(f"the reverse chain gives no {node}: it has p(x_T), p(x_(t-1) | x_t) and p(x_0)")

    def path_density(self, node: Density) -> Callable[[State], mpmath.mpf]:
        """q(x_{1:T} | x_0), p(x_{0:T}) and p(x_{1:T} | x_0)."""
        path, *given = node.args
        whole = path.last == T and path.first == (1 if given else 0)
        if not whole or given not in ([], [x[0]]) or (isinstance(node, q) and not given):
            raise WrongStep(f"no such density of a path: {node}")
        if isinstance(node, q):
            return lambda path: _real(self.q_path(path))
        if not given:
            return lambda path: _real(self.p_path(path))
        return lambda path: _real(self.p_path(path) / self.evidence)

    def q_density(self, node: Density, time: int, *given: int) -> Callable[[State], mpmath.mpf]:
        """q(x_a | x_b) with b < a, and the posterior q(x_a | x_b, x_0) with 0 < a < b."""
        if time == 0:
            raise WrongStep(
                f"{node} is a point mass, not a density: x_0 is known there, so its divergence from a density is "
                f"infinite, and the term at t = 1 must stay a likelihood"
            )
        forward = given and given[0] < time and given[1:] in ((), (0,))
        back = given and given[0] > time and given[1:] == (0,)
        if forward or back:
            one, other = time, given[0]
            return lambda path: _real(
                self.q_states((one, path[one]), (other, path[other])) / self.q_states((other, path[other]))
            )
        raise WrongStep(f"the forward chain gives no {node}: it has q(x_b | x_a) and q(x_a | x_b, x_0) for a < b")


@cache
def _chain(world: int) -> FiniteChain:
    return FiniteChain(world)


def _outermost(expr: Basic) -> Iterator[Basic]:
    """The densities, means and divergences that are not inside another one."""
    if isinstance(expr, (E_q, KL, Density)):
        yield expr
    elif expr.args:
        seen = {node: None for argument in expr.args for node in _outermost(argument)}
        yield from seen


def _depends_on_path(node: Basic) -> bool:
    if isinstance(node, KL):
        return any(place != x[0] for density in node.args for place in density.args[1:])
    return isinstance(node, Density) and node.args != (x[0],)


def _real(number: Rational) -> mpmath.mpf:
    return mpmath.mpf(int(number.p)) / int(number.q)


def _hash(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
