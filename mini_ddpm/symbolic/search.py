"""The likeliest small edit that makes a line true: found by its number in one world, then tried in others."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import mpmath
from mpmath import mpf
from sympy import Abs, Add, Expr, Integer, Pow, Rational, Sum, log, sqrt
from sympy.concrete.expr_with_limits import ExprWithLimits

from mini_ddpm.symbolic.edits import Edit, Way, edits, everywhere, leaves, nodes, put, real
from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.missing import parts, wholes
from mini_ddpm.symbolic.wanted import wanted
from mini_ddpm.symbolic.worlds import Unchecked, WrongStep

if TYPE_CHECKING:
    from mini_ddpm.symbolic.interpreter import Interpreter

DEEP = 250  # edits tried inside of sums, means and functions,
WORK = 2_000  # and evaluations of what is integrated there
FULL = 12  # edits tried in all worlds
OTHERS = 12  # quantities that may be taken for each other
ERRORS = (Unchecked, WrongStep, ValueError, TypeError, AttributeError, IndexError, ArithmeticError, NotImplementedError)
HALVES = (Integer(2), Rational(1, 2))


class Found(NamedTuple):
    """An edit and where."""

    edit: Edit
    way: Way


def same(a: mpf, b: mpf) -> bool:
    """Whether two numbers agree, as far as quadrature can tell."""
    return abs(a - b) <= mpf(10) ** -14 * max(abs(a), abs(b)) + mpf(10) ** -22


def number(there: "Interpreter", expr: Expr) -> mpf | None:
    """The value, if there is one."""
    try:
        return there(expr)
    except ERRORS:
        return None


def repair(
    worlds: "Sequence[Interpreter]", before: Sequence[mpf], old: Expr, new: Expr, limit: float
) -> tuple[str, Expr] | None:
    """Words and the mended line: the likeliest edit, of a rank below `limit`, that holds in these worlds."""
    try:
        found = sorted(Search(worlds[0], old, new).found(), key=lambda one: one.edit.rank)
    except ERRORS:  # an edit that SymPy can't write: a refusal without a hint is still a refusal
        return None
    for edit, way in found[:FULL]:
        if edit.rank < limit:
            line = put(new, way, edit.new)
            here = [number(there, line) for there in worlds]
            if all(a is not None and same(a, b) for a, b in zip(here, before, strict=True)):
                return edit.words, line
    return None


class Search:
    """Edits of one line that make it true in one world.

    `should` has, for each place, what would have to stand there; `table` the simplest expression for a number.
    """

    def __init__(self, there: "Interpreter", old: Expr, new: Expr) -> None:
        self.there, self.new, self.target = there, new, there(old)
        self.at = dict(nodes(new))
        self.should: dict[Way, list[mpf]] = {}
        for way, value in wanted(there, new, self.target):
            self.should.setdefault(way, []).append(value)
        found = parts(there.theory, old, new)
        self.sums = [one for one in found if isinstance(one, Add)]
        self.table = self._table(found)
        self.wholes = wholes(old)
        bound = {v for node in new.atoms(ExprWithLimits) for v in node.variables}
        bound |= {node.args[1] for line in (old, new) for node in line.atoms(Expectation)}
        self.others = [leaf for leaf in leaves(old, new) if not leaf.is_integer and leaf not in bound][:OTHERS]

    def found(self) -> Iterator[Found]:
        """All that fit: where `should` tells, by one look; inside of sums, means and functions by trying."""
        deep = []
        for way, node in self.at.items():
            tried = list(self._edits(way, node))
            if way in self.should:
                yield from self._fitting(way, node, tried)
            else:
                deep += [Found(edit, way) for edit in (*tried, *self._factors(node))]
        begin = self.there.terms
        for edit, way in sorted(deep, key=lambda one: one.edit.rank)[:DEEP]:
            if self.there.terms - begin < WORK and self._holds(way, edit.new):
                yield Found(edit, way)

    def _holds(self, way: Way, new: Expr) -> bool:
        try:
            return self._fits(put(self.new, way, new), self.target)
        except ERRORS:  # the tree does not allow it there
            return False

    def _fits(self, expr: Expr, target: mpf) -> bool:
        return (value := number(self.there, expr)) is not None and same(value, target)

    def _fitting(self, way: Way, node: Expr, tried: list[Edit]) -> Iterator[Found]:
        for target in self.should[way]:
            found = [edit for edit in tried if self._fits(edit.new, target)]
            for edit in (*found, *self._of_table(way, node, target)):
                yield Found(edit, way)

    def _edits(self, way: Way, node: Expr) -> Iterator[Edit]:
        yield from edits(node, self.others, way != () and isinstance(self.at.get(way[:-1]), (log, Abs)))
        yield from self.there.theory.edits(node)
        if not way:
            yield from everywhere(node, self.others)
        for whole in self.wholes.get(node, ()):
            yield _term(1.8, node, whole - node) if isinstance(whole, Add) else _factor(1.8, node, whole / node)

    def _table(self, found: list[Expr]) -> dict[str, tuple[float, Expr]]:
        """By its number: how complicated it is, and the expression."""
        table: dict[str, tuple[float, Expr]] = {}
        for one in found:
            for expr in (one, sqrt(one), one**2, one / 2, 2 * one):
                if value := number(self.there, expr):
                    cost = 0.05 if expr.is_Rational else float(expr.count_ops() + 1) / 20
                    table[_key(value)] = min(table.get(_key(value), (9.0, expr)), (cost, expr), key=lambda hit: hit[0])
        return table

    def _of_table(self, way: Way, node: Expr, target: mpf) -> Iterator[Edit]:
        """What is missing, or stands in the place of something else, by its number."""
        value = number(self.there, node)
        if not value or not target or (way and node.is_Rational):
            return
        under = bool(way) and isinstance(self.at[way[:-1]], Pow)  # a factor of the root is likelier
        rank = 3 + (1 if node.is_number else 0.3 if under else 0)
        for sign in (1, -1):
            if hit := self.table.get(_key((target / value) ** sign)):
                yield _factor(rank + hit[0] - 1.5 * (hit[1] in HALVES), node, hit[1] ** sign)
            if hit := self.table.get(_key(sign * (target - value))):
                yield _term(3 + hit[0] + 0.1 * (not node.is_Add), node, sign * hit[1])
        if way and not node.is_number and not node.is_Add and (hit := self.table.get(_key(target))):
            cost = hit[0] + float(node.count_ops()) / 20
            yield Edit(3.4 + cost, f"{node}: {hit[1]} makes the line true", hit[1])
        yield from self._of_partial_sum(node, target - value)

    def _of_partial_sum(self, node: Expr, by: mpf) -> Iterator[Edit]:
        """A factor that is missing in several terms, as in 1 - alpha_bar[t - 1] + beta[t]."""
        for part in self.sums if isinstance(node, Add) else ():
            value = number(self.there, part) if set(part.args) < set(node.args) else None
            if value and (hit := self.table.get(_key(by / value + 1))):
                words = _factor(0, part, hit[1]).words
                yield Edit(2.8 + hit[0], words, node + (hit[1] - 1) * part)

    def _factors(self, node: Expr) -> Iterator[Edit]:
        """What may be missing inside of a sum or mean, where it must be tried."""
        if node.is_number or node.is_integer or not real(node) or isinstance(node, Sum):
            return
        for one in HALVES:
            yield _factor(2, node, one)
        for leaf in self.others[:6]:
            for factor in (leaf, 1 / leaf, leaf**2, leaf**-2):
                yield _factor(3, node, factor)
            for term in (leaf, -leaf):
                yield _term(3, node, term)


def _factor(rank: float, node: Expr, factor: Expr) -> Edit:
    return Edit(rank, f"a factor {factor} is missing in {node}", node * factor)


def _term(rank: float, node: Expr, term: Expr) -> Edit:
    result = f": {node + term}" if node.is_Symbol else ""
    return Edit(rank, f"a term {term} is missing in {node}{result}", node + term)


def _key(value: mpf) -> str:
    return mpmath.nstr(value, 12)
