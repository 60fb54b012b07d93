"""Slips in lines about densities, undone."""

from collections.abc import Iterator

from sympy import Add, Expr, Indexed, Mul, Pow, Sum, exp, log

from mini_ddpm.symbolic.chains import KL, Density, E_q, Path, p, q
from mini_ddpm.symbolic.edits import Edit
from mini_ddpm.symbolic.notation import T, t, x

OTHER = {p: q, q: p}


def edits(node: Expr) -> Iterator[Edit]:
    """Means missing or too many, arguments swapped, q for p."""
    if isinstance(node, KL):
        yield Edit(0, f"the arguments of {node} are swapped", KL(*reversed(node.args)))
    if isinstance(node, Density):
        yield from _of_density(node)
    if isinstance(node, (KL, log, Density, Mul, Add, Sum)) and node.has(Density):
        words = f"{node} stands outside of a mean, so it differs from path to path: is an E_q missing?"
        yield Edit(0.9 if isinstance(node, (Add, Sum)) else 0.8, words, E_q(node))
    if isinstance(node, E_q):
        yield Edit(2, f"the mean E_q of {node.args[0]} is too many", node.args[0])
    if isinstance(node, (log, exp, Pow)) and isinstance(node.args[0], E_q):
        new = E_q(node.func(node.args[0].args[0], *node.args[1:]))
        yield Edit(1, f"the {type(node).__name__.lower()} belongs inside of the mean: {new}", new)


def _of_density(node: Density) -> Iterator[Edit]:
    other = OTHER[type(node)](*node.args)
    yield Edit(1, f"{node}: {other} makes the line true", other)
    if len(node.args) == 2:
        first, second = node.args
        yield Edit(1, f"the arguments of {node} are swapped", node.func(second, first))
        if isinstance(first, Indexed):
            for given in (x[0], x[first.indices[0] - 1], x[first.indices[0] + 1]):
                new = node.func(first, given)
                yield Edit(1, f"the condition of {node}: {new} makes the line true", new)


def vocabulary(with_t: bool) -> list[Expr]:
    """The densities of the chain, their logarithms and the terms of the bound; at t, if a line has it."""
    found = [p(x[T]), q(x[T], x[0]), q(x[1], x[0]), p(x[0], x[1]), p(x[0]), q(Path(1, T), x[0]), p(Path(0, T))]
    if with_t:
        found += [q(x[t], x[t - 1]), q(x[t - 1], x[0]), q(x[t], x[0]), q(x[t - 1], x[t], x[0]), p(x[t - 1], x[t])]
    ends = log(q(x[T], x[0]) / q(x[1], x[0]))
    logs = [log(one) for one in found]
    return [*found, *logs, ends, E_q(ends), *map(E_q, logs), KL(q(x[T], x[0]), p(x[T]))]
