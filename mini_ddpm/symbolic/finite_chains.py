"""Worlds for Markov chains: q and p with random tables, two or three states a step, one to four steps.

Every density, mean and divergence is a finite sum there. The states have weights, as points of a space have a
volume: a density is a probability divided by the weight of its state, so that it may be above 1 and an entropy may have
either sign, as for continuous variables. What only counting has, as log q <= 0, fails.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

import mpmath
from mpmath import mp, mpf
from sympy import Expr, Indexed, Integer, Symbol

from mini_ddpm.symbolic.chains import KL, Density, E_q, Path, q
from mini_ddpm.symbolic.environment import Env
from mini_ddpm.symbolic.interpreter import METHODS, Interpreter
from mini_ddpm.symbolic.notation import T, t, x
from mini_ddpm.symbolic.worlds import NoValue, Unchecked, World, WrongStep

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory

State = tuple[int, ...]  # of x_0, x_1, ..., along one path
LENGTHS = (2, 3, 1, 4)


def interpreters(theory: "Theory", lines: Sequence[Expr], most: int) -> Iterator["ChainInterpreter"]:
    """One for each of `most` chains; along a fixed path where a line depends on the path."""
    indices = {s for line in lines for s in line.free_symbols if isinstance(s, Symbol) and s.is_integer}
    if unknown := sorted(str(index) for index in indices - {t, T}):
        raise Unchecked(f"the index {unknown[0]} has no value in a Markov chain: use t, T or a number")
    cases = [case for case in _cases(t in indices) if _allowed(theory, case)]
    if not cases:
        raise Unchecked(f"no chain of one to four steps keeps to the assumptions: {theory.conditions}. Assume less")
    for k in range(most):
        yield ChainInterpreter(theory, World(k, cases[k % len(cases)], "middle"))


def _cases(with_t: bool) -> Iterator[dict[str, int]]:
    """Lengths of chains and, if it stands free, a time from 1 on; short and long ones in turn."""
    for length in LENGTHS:
        yield from ({"T": length, "t": time} for time in range(length, 0, -1)) if with_t else [{"T": length}]


def _allowed(theory: "Theory", case: dict[str, int]) -> bool:
    """Whether the assumptions hold for these integers."""
    numbers = {index: case[index.name] for index in (t, T) if index.name in case}
    known = [form for form in theory.conditions.of_indices() if form.free_symbols <= numbers.keys()]
    return all(form.xreplace({s: Integer(n) for s, n in numbers.items()}) >= 0 for form in known)


def kept(f: Callable) -> Callable:
    """Computed once for a chain, with so many digits: there is a handful of chains."""

    @cache
    def known(precision: int, *args: Any) -> Any:
        return f(*args)

    return lambda *args: known(mp.prec, *args)


class Chain:
    """x_0 is fixed; x_1..x_T have two or three states; q and p have random tables."""

    def __init__(self, number: int, length: int) -> None:
        self.number, self.length = number, length
        self.start = number % 2
        choices = [(self.start,), *(self.space(time) for time in range(1, length + 1))]
        self.paths: list[State] = list(product(*choices))

    def space(self, time: int) -> tuple[int, ...]:
        """The states that x_time can have."""
        return tuple(range(2 + _hash(f"{time}|{self.number}") % 2))

    @kept
    def weight(self, time: int, state: int) -> mpf:
        """The volume of a state."""
        scale = mpf(10) ** (self.number % 5 - 2)  # all densities large in some chains, and small in others
        return scale * (_hash(f"w|{time}|{state}|{self.number}") % 97 + 5) / 40

    @kept
    def _shares(self, name: str, time: int, given: int | None) -> list[int]:
        shares = [_hash(f"{name}|{time}|{k}|{given}|{self.number}") % 89 + 15 for k in self.space(time)]
        return [share**3 for share in shares] if self.number % 2 else shares  # some chains with unlikely steps

    @kept
    def transition(self, name: str, time: int, state: int, given: int | None) -> mpf:
        """The probability of x_time = state, given a neighbour's state."""
        shares = self._shares(name, time, given)
        return mpf(shares[state]) / sum(shares)

    @kept
    def q_path(self, path: State) -> mpf:
        """The probability of x_1..x_T, given x_0."""
        steps = range(1, self.length + 1)
        return mpmath.fprod(self.transition("q", time, path[time], path[time - 1]) for time in steps)

    @kept
    def p_path(self, path: State) -> mpf:
        """The probability of x_0..x_T in the reverse chain."""
        steps = range(1, self.length + 1)
        back = (self.transition("p", time - 1, path[time - 1], path[time]) for time in steps)
        return self.transition("p", self.length, path[self.length], None) * mpmath.fprod(back)

    @kept
    def evidence(self) -> mpf:
        """The probability of x_0 in the reverse chain."""
        return mpmath.fsum(map(self.p_path, self.paths))

    @kept
    def q_states(self, *states: tuple[int, int]) -> mpf:
        """The probability of these states, (time, state), given x_0: that of all paths through them."""
        through = (path for path in self.paths if all(path[time] == state for time, state in states))
        return mpmath.fsum(map(self.q_path, through))

    def volume(self, path: State, times: Sequence[int]) -> mpf:
        """The product of the weights of the states at these times."""
        return mpmath.fprod(self.weight(time, path[time]) for time in times)


@cache
def chain(number: int, length: int) -> Chain:
    """The chain of a world."""
    return Chain(number, length)


class ChainInterpreter(Interpreter):
    """Evaluates lines about densities; the path stands in the environment."""

    def __init__(self, theory: "Theory", world: World) -> None:
        super().__init__(theory, world)
        self.chain = chain(world.number, world.indices["T"])
        self.path = self.chain.paths[_hash(str(world.number)) % len(self.chain.paths)]

    def _leaf(self, leaf: Expr, name: str) -> mpf:
        raise Unchecked(f"{leaf} has no value in a Markov chain: use q, p, E_q and KL of x[t]")

    def touched(self, expr: Expr, env: Env) -> bool:
        """On another path all may differ."""
        return "path" in env or super().touched(expr, env)

    def at(self, env: Env) -> State:
        """The path along which a line is evaluated."""
        return env.get("path", self.path)

    def time(self, place: Expr, node: Expr, env: Env) -> int:
        """The time of a variable of the chain."""
        if isinstance(place, Indexed) and place.base == x:
            value = self(place.indices[0], env)
            if value == int(value) and 0 <= value <= self.chain.length:
                return int(value)
            if place.indices[0].is_Integer and value > 0:
                raise NoValue(f"{node} needs a longer chain than that of world {self.world.number}")
        raise WrongStep(f"{node} leaves the chain x_0, ..., x_T")

    def mean(self, node: E_q, env: Env) -> mpf:
        """The mean over all paths."""
        f, made = node.args[0], self.chain
        return mpmath.fsum(made.q_path(path) * self(f, env.binding({"path": path})) for path in made.paths)

    def divergence(self, node: KL, env: Env) -> mpf:
        """The sum over the states of the variable, weighted with the first density."""
        a, b = node.args
        if not (isinstance(a, Density) and isinstance(b, Density)) or a.args[0] != b.args[0]:
            raise WrongStep(f"KL compares two densities of the same variable, not {a} and {b}")
        variable, made, path = a.args[0], self.chain, self.at(env)
        if variable == x[0]:
            raise WrongStep("x_0 is the given image here: a divergence between densities of x_0 has no value")
        times: Sequence[int] = range(1, made.length + 1)
        if isinstance(variable, Path):
            others = made.paths
        else:
            self.density(a, env)  # whether there is such a density, first
            time = self.time(variable, node, env)
            others, times = [(*path[:time], state, *path[time + 1 :]) for state in made.space(time)], [time]
        inside = [(env.binding({"path": other}), made.volume(other, times)) for other in others]
        return mpmath.fsum(self._part(a, b, *each) for each in inside)

    def _part(self, a: Density, b: Density, env: Env, volume: mpf) -> mpf:
        first, second = self.density(a, env), self.density(b, env)
        return volume * first * mp.log(first / second)

    def density(self, node: Density, env: Env) -> mpf:
        """A probability divided by the weights of its states."""
        made, path = self.chain, self.at(env)
        if isinstance(node.args[0], Path):
            return self._path_density(node, path)
        times = [self.time(place, node, env) for place in node.args]
        first = times[0]
        if isinstance(node, q):
            return self._q_density(node, path, *times)
        if times == [0]:
            return made.evidence() / made.weight(0, path[0])
        if times == [made.length]:
            return made.transition("p", first, path[first], None) / made.weight(first, path[first])
        if len(times) == 2 and times[1] == first + 1:
            return made.transition("p", first, path[first], path[times[1]]) / made.weight(first, path[first])
        raise WrongStep(f"the reverse chain gives no {node}: it has p(x_T), p(x_(t-1) | x_t) and p(x_0)")

    def _path_density(self, node: Density, path: State) -> mpf:
        """q(x_{1:T} | x_0), p(x_{0:T}) and p(x_{1:T} | x_0)."""
        whole, *given = node.args
        complete = whole.last == T and whole.first == (1 if given else 0)
        if not complete or given not in ([], [x[0]]) or (isinstance(node, q) and not given):
            raise WrongStep(f"no such density of a path: {node}")
        made = self.chain
        volume = made.volume(path, range(1, made.length + 1))
        if isinstance(node, q):
            return made.q_path(path) / volume
        if not given:
            return made.p_path(path) / volume / made.weight(0, path[0])
        return made.p_path(path) / made.evidence() / volume

    def _q_density(self, node: Density, path: State, time: int, *given: int) -> mpf:
        """q(x_a | x_b) with b < a, and the posterior q(x_a | x_b, x_0) with 0 < a < b."""
        if time == 0:
            raise WrongStep(
                f"{node} is a point mass, not a density: x_0 is known there, so its divergence from a density is "
                f"infinite, and the term at t = 1 must stay a likelihood"
            )
        forward = given and given[0] < time and given[1:] in ((), (0,))
        back = given and given[0] > time and given[1:] == (0,)
        if not (forward or back):
            raise WrongStep(f"the forward chain gives no {node}: it has q(x_b | x_a) and q(x_a | x_b, x_0) for a < b")
        made, other = self.chain, given[0]
        both = made.q_states((time, path[time]), (other, path[other]))
        return both / made.q_states((other, path[other])) / made.weight(time, path[time])


ChainInterpreter.chosen = {}
ChainInterpreter.methods = METHODS | {
    E_q: ChainInterpreter.mean,
    KL: ChainInterpreter.divergence,
    Density: ChainInterpreter.density,
}


def _hash(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
