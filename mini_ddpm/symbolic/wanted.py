"""What a sub-expression would have to be, as a number, for its line to be true."""

from collections.abc import Callable, Iterator

from mpmath import mp, mpf
from sympy import Add, Expr, Mul, Pow, exp, log

Way = tuple[int, ...]
Value = Callable[[Expr], mpf]


def wanted(value: Value, node: Expr, target: mpf, way: Way = ()) -> Iterator[tuple[Way, mpf]]:
    """The number that each sub-expression should be, alone, for the whole to be `target`; not inside of sums or means.

    The base of an even power could be one of two.
    """
    yield way, target
    for k in range(len(node.args)):
        for number in _back(value, node, k, target):
            yield from wanted(value, node.args[k], number, (*way, k))


def _back(value: Value, node: Expr, k: int, target: mpf) -> list[mpf]:
    """What argument number k should be for the node to be `target`."""
    if isinstance(node, Add):
        return [target - value(node) + value(node.args[k])]
    if isinstance(node, Mul):
        return [target * value(node.args[k]) / value(node)] if value(node) else []
    if isinstance(node, log):
        return [mp.exp(target)] if target < 100 else []
    if isinstance(node, exp):
        return [mp.log(target)] if target > 0 else []
    return _back_of_power(value, node, k, target) if isinstance(node, Pow) else []


def _back_of_power(value: Value, node: Pow, k: int, target: mpf) -> list[mpf]:
    base, power = value(node.base), value(node.exp)
    if k == 1:
        return [mp.log(target) / mp.log(base)] if target > 0 and base > 0 and base != 1 else []
    if not power or not target:
        return []
    root = abs(target) ** (1 / power)
    if node.exp.is_odd:
        return [root if target > 0 else -root]
    if target < 0:
        return []
    return [root, -root] if node.exp.is_even else [root]
