"""Small edits of a line: the slips that people make, undone one at a time."""

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import NamedTuple

from sympy import (
    Abs,
    Add,
    Basic,
    Expr,
    Indexed,
    IndexedBase,
    Integral,
    Max,
    Min,
    Mul,
    Pow,
    Product,
    Sum,
    Symbol,
    ceiling,
    exp,
    floor,
    log,
    sqrt,
)
from sympy.core.function import AppliedUndef

from mini_ddpm.symbolic.gaussian import Expectation

FAMILY = ("alpha", "alpha_bar", "beta")  # which are taken for each other
OPPOSITES = {Max: Min, Min: Max, floor: ceiling, ceiling: floor, Sum: Product, Product: Sum}
Way = tuple[int, ...]


class Edit(NamedTuple):
    """An edit of one sub-expression; a small rank is a likely slip."""

    rank: float
    words: str
    new: Expr


class Slips:
    """What a kind of theory adds to the usual slips; nothing here."""

    def edits(self, node: Expr) -> Iterable[Edit]:
        """Slips undone at a sub-expression."""
        return ()

    def vocabulary(self, *lines: Expr) -> list[Expr]:
        """What may have been forgotten in such lines."""
        return []


def nodes(node: Expr, way: Way = ()) -> Iterator[tuple[Way, Expr]]:
    """Every sub-expression with the way to it, but for indices, matrices and what is bound."""
    yield way, node
    for k, argument in enumerate(node.args):
        bound = (isinstance(node, (Sum, Product, Integral)) and k > 0) or (isinstance(node, Expectation) and k == 1)
        known = isinstance(node, Indexed) or (isinstance(node, Pow) and k and argument.is_Rational)  # edited from above
        if not bound and not known and isinstance(argument, Expr) and not argument.is_Matrix:
            yield from nodes(argument, (*way, k))


def put(node: Basic, way: Way, new: Expr) -> Expr:
    """The expression with the sub-expression at the end of `way` replaced."""
    if not way:
        return new
    arguments = list(node.args)
    arguments[way[0]] = put(arguments[way[0]], way[1:], new)
    return node.func(*arguments)


def leaves(*lines: Expr) -> list[Expr]:
    """Quantities outside of indices, in a fixed order."""
    found = {node for line in lines for _, node in nodes(line) if type(node) in (Symbol, Indexed) and real(node)}
    return sorted(found, key=str)


def edits(node: Expr, others: list[Expr], in_log: bool) -> Iterator[Edit]:
    """Edits of this sub-expression, not of its parts; `others` are quantities that may be meant instead of it.

    A root or square directly in a log is left out: a factor of the log is likelier.
    """
    for rules in () if in_log else (_powers, _roots):
        yield from rules(node)
    for rules in (_signs, _leaves, _missing, _numbers, _sums, _means, _opposites, _nested, _swapped):
        yield from rules(node)
    if type(node) in (Symbol, Indexed) and not node.is_integer:
        for other in others:
            if other != node:
                index = isinstance(other, Indexed) and isinstance(node, Indexed) and other.base == node.base
                yield Edit(1.5, f"{'the index of ' * index}{node}: {other} makes the line true", other)


def everywhere(line: Expr, others: list[Expr]) -> Iterator[Edit]:
    """A quantity for another one, wherever it stands."""
    for one in others:
        family = [IndexedBase(name, positive=True)[one.indices] for name in FAMILY] if _in_family(one) else []
        for new in (1 - one, 1 + one, -one, *others, *family) if line.has(one) else ():
            try:
                yield Edit(2.2, f"{one} everywhere: {new} makes the line true", line.xreplace({one: new}))
            except ValueError:
                continue  # a variable of a derivative


def _in_family(node: Expr) -> bool:
    return isinstance(node, Indexed) and str(node.base) in FAMILY


def _signs(node: Expr) -> Iterator[Edit]:
    if isinstance(node, Add):
        for term in node.args:
            yield Edit(0.01 * term.is_number, f"the sign of {term}", node - 2 * term)
            yield Edit(2.5, f"the term {term}: without it the line is true", node - term)
    elif not node.is_number and real(node):
        yield Edit(0.5, f"the sign of {node}", -node)
    if isinstance(node, Mul):
        for factor in node.args:
            if factor != -1:
                yield Edit(2.5, f"the factor {factor}: without it the line is true", node / factor)


def _leaves(node: Expr) -> Iterator[Edit]:
    if isinstance(node, AppliedUndef) and len(node.args) == 1 and node.args[0].is_integer:
        for shifted in (node.func(node.args[0] - 1), node.func(node.args[0] + 1)):
            yield Edit(1, f"the argument of {node}: {shifted} makes the line true", shifted)
    if not isinstance(node, Indexed):
        return
    for name in FAMILY if _in_family(node) else ():
        other = IndexedBase(name, positive=True)[node.indices]
        if other != node:
            yield Edit(1, f"{node}: {other} makes the line true", other)
            yield Edit(2, f"{node}: {1 - other} makes the line true", 1 - other)
    for k, index in enumerate(node.indices):
        for shifted in (index - 1, index + 1):
            other = node.base[(*node.indices[:k], shifted, *node.indices[k + 1 :])]
            yield Edit(1, f"the index of {node}: {other} makes the line true", other)


def _powers(node: Expr) -> Iterator[Edit]:
    if isinstance(node, Pow) and node.exp.is_Rational and not node.base.is_number:
        e = node.exp
        for k, exponent in enumerate((2 * e, e / 2, -e, e + 1, e - 1, 4 * e, e / 4)):
            if exponent:
                new = node.base**exponent
                rank = 1 if k < 3 else 2 if e.is_integer else 3.2
                yield Edit(rank, f"the power of {node.base}: {new} makes the line true", new)
        if e == 2 and isinstance(node.base, Add):
            words = f"the square of {node.base}: without its cross terms the line is true"
            yield Edit(1.5, words, Add(*(term**2 for term in node.base.args)))


def _roots(node: Expr) -> Iterator[Edit]:
    if node.is_number or node.is_integer or isinstance(node, exp) or not real(node):
        return
    rank = 1 if isinstance(node, (Symbol, Indexed)) else 1.5
    yield Edit(rank, f"a square of {node} is missing", node**2)
    yield Edit(rank, f"a root of {node} is missing", sqrt(node))


def _missing(node: Expr) -> Iterator[Edit]:
    if node.is_number or node.is_integer or not real(node):
        return
    yield Edit(2, f"{node} is upside down: 1 over it makes the line true", 1 / node)
    yield Edit(2, f"a log of {node} is missing", log(node))
    yield Edit(2, f"an absolute value is missing: {Abs(node)}", Abs(node))
    if isinstance(node, (log, exp, Abs)):
        yield Edit(2, f"{node}: {node.args[0]} makes the line true", node.args[0])


def _numbers(node: Expr) -> Iterator[Edit]:
    if node.is_Rational and node not in (0, -1):
        for new in (2 * node, node / 2, 1 / node, node + 1, node - 1, -node):
            yield Edit(2, f"the number {node}: {new} makes the line true", new)


def _sums(node: Expr) -> Iterator[Edit]:
    if isinstance(node, (Sum, Product)) and len(node.limits) == 1:
        index, first, last = node.limits[0]
        for a, b in ((first + 1, last), (first - 1, last), (first, last - 1), (first, last + 1)):
            name = type(node).__name__.lower()
            words = f"the limits of the {name}: from {a} to {b} makes the line true"
            yield Edit(1, words, node.func(node.function, (index, a, b)))


def _means(node: Expr) -> Iterator[Edit]:
    if isinstance(node, Expectation):
        f, variable, mean, variance = node.args
        for square, words in ((variance**2, "square"), (sqrt(variance), "root")):
            yield Edit(
                1,
                f"the variance {variance} of the mean: its {words} makes the line true",
                Expectation(f, variable, mean, square),
            )


def _opposites(node: Expr) -> Iterator[Edit]:
    if type(node) in OPPOSITES:
        new = OPPOSITES[type(node)](*node.args)
        yield Edit(0.9, f"{node}: {new} makes the line true", new)


def _nested(node: Expr) -> Iterator[Edit]:
    """A function of a mean for the mean of the function."""
    inner = node.args[0] if isinstance(node, (log, exp, Pow)) else None
    if isinstance(inner, (Expectation, Sum, Product)):
        f, *rest = inner.args
        inside = type(node).__name__.lower()
        new = inner.func(node.func(f, *node.args[1:]), *rest)
        yield Edit(1, f"the {inside} belongs inside: {new}", new)


def _swapped(node: Expr) -> Iterator[Edit]:
    if not isinstance(node, (Add, Mul)):
        return
    free = [leaf for leaf in leaves(node) if {s for s in leaf.free_symbols if s.is_integer} <= node.free_symbols]
    for a, b in combinations(free, 2) if len(free) < 9 else ():
        yield Edit(2, f"{a} and {b} are swapped in {node}", node.xreplace({a: b, b: a}))
    for a, b in combinations(node.args, 2) if 2 < len(node.args) < 7 else ():
        if isinstance(node, Add):
            yield Edit(2.3, f"the signs of {a} and {b}", node - 2 * a - 2 * b)
        else:
            yield Edit(2.3, f"{a * b} is upside down in {node}", node / (a * b) ** 2)


def real(node: Expr) -> bool:
    """Whether it may stand for a number; SymPy does not know it of a fraction."""
    return node.is_extended_real is not False
