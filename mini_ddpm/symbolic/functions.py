"""The functions that have values: by mpmath, most of them under the name that SymPy gives them."""

from collections.abc import Callable, Iterator
from itertools import combinations

import mpmath
from mpmath import mp, mpf
from sympy import Expr, Piecewise
from sympy.core.relational import Relational

NAMES = (
    "exp sin cos tan tanh sinh cosh coth sech asin acos atan erf erfc gamma loggamma digamma factorial binomial floor"
)
FUNCTIONS: dict[str, Callable] = {name: getattr(mpmath, name) for name in NAMES.split()} | {
    "Abs": abs,
    "sign": mpmath.sign,
    "ceiling": mpmath.ceil,
    "Max": max,
    "Min": min,
    "KroneckerDelta": lambda a, b: mpf(a == b),
    "Heaviside": lambda x, at_0: mpf(x > 0) if x else at_0,
    "Mod": lambda a, b: a % b,
    "LambertW": mpmath.lambertw,
}
KINKED = {"Abs", "sign", "Max", "Min", "Heaviside", "floor", "ceiling", "Piecewise", "Mod", "KroneckerDelta"}


def is_kinked(node: Expr) -> bool:
    """Whether a function may have kinks or jumps."""
    return type(node).__name__ in KINKED


def smooth(places: list[mpf], numbers: Iterator[mpf]) -> mpf:
    """An unknown function at a point: lines and waves, by the numbers that are given."""
    total, mixed = next(numbers), next(numbers)
    for place in places:
        total += next(numbers) * place + next(numbers) * mp.sin(next(numbers) * place + next(numbers))
        mixed += next(numbers) * place
    return total + next(numbers) * mp.sin(mixed)


def way(name: str, values: list[mpf]) -> mpf | int:
    """Which way a kinked function goes."""
    if name in ("Max", "Min"):
        return values.index(FUNCTIONS[name](*values))
    return int(values[0] == values[1]) if name == "KroneckerDelta" else mpmath.sign(values[0])


def turning(node: Expr) -> list[Expr]:
    """What changes its sign where a kinked function has its kink."""
    if isinstance(node, Piecewise):
        return [c.lhs - c.rhs for _, condition in node.args for c in condition.atoms(Relational)]
    if type(node).__name__ in ("Max", "Min", "KroneckerDelta"):
        return [a - b for a, b in combinations(node.args, 2)]
    return [node.args[0]]
