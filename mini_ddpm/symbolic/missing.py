"""What may have been forgotten in a line: parts of both lines, small numbers, and what usually stands nearby."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sympy import Add, Derivative, Expr, Indexed, IndexedBase, Integer, Mul, Pow, Rational, Symbol, expand, pi
from sympy.concrete.expr_with_limits import ExprWithLimits

from mini_ddpm.symbolic.edits import FAMILY, leaves, nodes, real

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory

MOST = 250
NUMBERS = [Integer(1), Integer(3), Integer(4), Integer(6), Rational(1, 3), pi]


def parts(theory: "Theory", old: Expr, new: Expr) -> list[Expr]:
    """Factors and terms to try, those of the lines first."""
    found = [*NUMBERS, *leaves(old, new), *_schedule(leaves(old, new))]
    found += sorted((s for s in old.free_symbols | new.free_symbols if isinstance(s, Symbol) and s.is_integer), key=str)
    for line in (old, new):
        found += [node for _, node in nodes(line) if not node.is_Rational]
        found += _chain_rule(line)
    found += theory.vocabulary(old, new)
    for square in old.atoms(Pow) | {old}:
        if not square.has(ExprWithLimits) and square.count_ops() < 60:
            found += Add.make_args(expand(square))
    return list(dict.fromkeys(filter(real, found)))[:MOST]


def _schedule(found: list[Expr]) -> Iterator[Expr]:
    """alpha, beta and alpha_bar at the times that occur."""
    times = {leaf.indices[0] for leaf in found if isinstance(leaf, Indexed) and str(leaf.base) in FAMILY}
    alpha, alpha_bar, beta = (IndexedBase(name, positive=True) for name in FAMILY)
    for k in sorted(times, key=str):
        yield from (alpha[k], beta[k], alpha_bar[k], 1 - alpha_bar[k])
        if k - 1 in times:
            yield (1 - alpha_bar[k - 1]) / (1 - alpha_bar[k])


def _chain_rule(line: Expr) -> Iterator[Expr]:
    """What the chain rule multiplies with."""
    for node in sorted(line.atoms(Derivative), key=str):
        for _, part in list(nodes(node.expr))[1:12]:
            if part.has(node.variables[0]) and real(part):
                yield part.diff(node.variables[0])


def wholes(old: Expr) -> dict[Expr, list[Expr]]:
    """Sums and products of the line before, by what remains of them if one term or factor is forgotten."""
    found: dict[Expr, list[Expr]] = {}
    for _, node in nodes(old):
        if isinstance(node, (Add, Mul)) and len(node.args) < 8:
            for part in node.args:
                found.setdefault(node - part if isinstance(node, Add) else node / part, []).append(node)
    return found
