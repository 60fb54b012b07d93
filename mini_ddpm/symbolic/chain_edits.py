"""Slips in lines about densities, undone."""

from collections.abc import Iterator

from sympy import Add, Expr, Mul, Pow, Sum, exp, log

from mini_ddpm.symbolic.chains import KL, Density, E_q, p, q
from mini_ddpm.symbolic.edits import Edit

OTHER = {p: q, q: p}


def edits(node: Expr) -> Iterator[Edit]:
    """Means missing or too many, arguments swapped, q for p."""
    if isinstance(node, KL):
        yield Edit(0, f"the arguments of {node} are swapped", KL(*reversed(node.args)))
    if isinstance(node, Density):
        yield Edit(1, f"{node}: {OTHER[type(node)](*node.args)} makes the line true", OTHER[type(node)](*node.args))
        if len(node.args) > 1:
            first, second, *rest = node.args
            yield Edit(1, f"the arguments of {node} are swapped", node.func(second, first, *rest))
    if isinstance(node, (KL, log, Density, Mul, Add, Sum)) and node.has(Density):
        words = f"{node} stands outside of a mean, so it differs from path to path: is an E_q missing?"
        yield Edit(0.9 if isinstance(node, (Add, Sum)) else 0.8, words, E_q(node))
    if isinstance(node, E_q):
        yield Edit(2, f"the mean E_q of {node.args[0]} is too many", node.args[0])
    if isinstance(node, (log, exp, Pow)) and isinstance(node.args[0], E_q):
        new = E_q(node.func(node.args[0].args[0], *node.args[1:]))
        yield Edit(1, f"the {type(node).__name__.lower()} belongs inside of the mean: {new}", new)
