"""The likeliest small edit that makes a line true: found by its number in one world, then tried in all."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import mpmath
from mpmath import mpf
from sympy import Abs, Add, Derivative, Expr, Indexed, IndexedBase, Integer, Mul, Pow, Rational, Sum, Symbol, expand, log, pi, sqrt
from sympy.concrete.expr_with_limits import ExprWithLimits

from mini_ddpm.symbolic.edits import FAMILY, Edit, Way, edits, everywhere, nodes, put, real
from mini_ddpm.symbolic.wanted import wanted
from mini_ddpm.symbolic.worlds import Unchecked, WrongStep

if TYPE_CHECKING:
    from mini_ddpm.symbolic.interpreter import Interpreter
    from mini_ddpm.symbolic.theory import Theory

DEEP = 400  # edits tried inside of sums, means and functions
WORK = 4_000  # evaluations of what is integrated
FULL = 12  # edits tried in all worlds
ERRORS = (Unchecked, WrongStep, ValueError, TypeError, AttributeError, ZeroDivisionError, OverflowError)


class Found(NamedTuple):
    """An edit and where."""

    edit: Edit
    way: Way


def same(a: mpf, b: mpf) -> bool:
    """Whether two numbers agree, as far as quadrature can tell."""
    return abs(a - b) <= mpf(10) ** -14 * max(abs(a), abs(b)) + mpf(10) ** -22


def repair(worlds: "Sequence[Interpreter]", before: list[mpf], old: Expr, new: Expr, limit: float) -> tuple[str, Expr] | None:
    """Words and the mended line: the likeliest edit, of a rank below `limit`, that holds in all worlds."""
    found = sorted(Search(worlds[0], old, new).found(), key=lambda one: one.edit.rank)
    for edit, way in found[:FULL]:
        if edit.rank < limit:
            line = put(new, way, edit.new)
            if all((here := number(there, line)) is not None and same(here, b) for there, b in zip(worlds[1:], before[1:], strict=True)):
                return edit.words, line
    return None


def number(there: "Interpreter", expr: Expr) -> mpf | None:
    """The value, if there is one."""
    try:
        return there(expr)
    except ERRORS:
        return None


class Search:
    """Edits of one line that make it true in one world."""

    def __init__(self, there: "Interpreter", old: Expr, new: Expr) -> None:
        self.there, self.old, self.new = there, old, new
        self.target = there(old)
        self.should: dict[Way, list[mpf]] = {}
        for way, value in wanted(there, new, self.target):
            self.should.setdefault(way, []).append(value)
        self.table = dict(self._table())
        self.others = [leaf for leaf in _leaves(old, new) if not leaf.is_integer and leaf.is_extended_real][:12]
        self.wholes = _wholes(old)
        self.sums = [one for one in pool(there, old, new) if isinstance(one, Add)]

    def found(self) -> Iterator[Found]:
        deep, at = [], dict(nodes(self.new))
        for way, node in at.items():
            inside = isinstance(at.get(way[:-1]) if way else None, (log, Abs))
            for edit in self._of_node(node, way):
                if inside and isinstance(edit.new, Pow):  # a factor of the log is likelier
                    edit = edit._replace(rank=edit.rank + 1.5)
                if way not in self.should:
                    deep.append(Found(edit, way))
                elif any(self.fits(edit.new, value) for value in self.should[way]):
                    yield Found(edit, way)
            for value in self.should.get(way, ()):
                for edit in self._of_table(node, value, way):
                    yield Found(edit, way)
            if way not in self.should:
                deep += [Found(edit, way) for edit in self._factors(node)]
        begin = self.there.terms
        for edit, way in sorted(deep, key=lambda one: one.edit.rank)[:DEEP]:
            try:
                line = put(self.new, way, edit.new)
            except ERRORS:
                continue
            if self.fits(line, self.target):
                yield Found(edit, way)
            if self.there.terms - begin > WORK:
                break

    def _of_node(self, node: Expr, way: Way) -> Iterator[Edit]:
        yield from edits(node, self.others)
        yield from self.there.theory.edits(node)
        if node == self.new:
            yield from everywhere(node, self.others)
        for part in self.sums if isinstance(node, Add) else ():
            if set(part.args) < set(node.args):
                for value in self.should.get(way, ()):
                    ratio = (value - self.there(node)) / self.there(part) + 1 if self.value(part) else None
                    if ratio and (hit := self.table.get(_key(ratio))) is not None and hit[1] != 1:
                        words = f"a factor {hit[1]} is missing in {part}"
                        yield Edit(2.8 + hit[0] / 20, words, node + (hit[1] - 1) * part)
        for whole in self.wholes.get(node, ()):
            missing = whole - node if isinstance(whole, Add) else whole / node
            kind = "term" if isinstance(whole, Add) else "factor"
            yield Edit(1.8, f"a {kind} {missing} is missing in {node}", whole)

    def is_base(self, way: Way) -> bool:
        node = self.new
        for k in way[:-1]:
            node = node.args[k]
        return bool(way) and isinstance(node, Pow)

    def _factors(self, node: Expr) -> Iterator[Edit]:
        if node.is_number or node.is_integer or not real(node) or isinstance(node, Sum):
            return
        for one in (Integer(2), Rational(1, 2)):
            yield Edit(2, f"a factor {one} is missing in {node}", one * node)
        for leaf in self.others[:6]:
            for one in (leaf, 1 / leaf, leaf**2, leaf**-2):
                yield Edit(3, f"a factor {one} is missing in {node}", one * node)
            for one in (leaf, -leaf):
                yield Edit(3, f"a term {one} is missing in {node}", one + node)

    def fits(self, expr: Expr, target: mpf) -> bool:
        return (value := self.value(expr)) is not None and same(value, target)

    def value(self, expr: Expr) -> mpf | None:
        return number(self.there, expr)

    def _table(self) -> Iterator[tuple[str, tuple[float, Expr]]]:
        """Numbers of what may be missing, with the simplest expression for each."""
        found: dict[str, tuple[float, Expr]] = {}
        for one in pool(self.there, self.old, self.new):
            for expr in (one, sqrt(one), one**2, one / 2, 2 * one):
                if (value := self.value(expr)) is not None and value:
                    cost = 1 + (0.0 if expr.is_Rational else float(expr.count_ops()))
                    key = _key(value)
                    if key not in found or found[key][0] > cost:
                        found[key] = cost, expr
        yield from found.items()

    def _of_table(self, node: Expr, target: mpf, way: Way) -> Iterator[Edit]:
        value = self.value(node)
        if not value or not target or (way and node.is_Rational):
            return
        bare = 1.0 if node.is_number else 0.3 * self.is_base(way)  # the factor of the root, not of what is under it
        for ratio, sign in ((target / value, 1), (value / target, -1)):
            if (hit := self.table.get(_key(ratio))) is not None and hit[1] != 1:
                cost, c = hit
                words = f"a factor {c**sign} is missing in {node}"
                yield Edit(3 + cost / 20 + bare - _simple(c), words, node * c**sign)
        for by, sign in ((target - value, 1), (value - target, -1)):
            if (hit := self.table.get(_key(by))) is not None:
                cost, c = hit
                extra = 0 if isinstance(node, Add) else 0.1
                yield Edit(3 + cost / 20 + extra, f"a term {sign * c} is missing in {node}", node + sign * c)
        if way and not node.is_number and not isinstance(node, Add) and (hit := self.table.get(_key(target))) is not None:
            cost, c = hit
            yield Edit(3.4 + (cost + float(node.count_ops())) / 20 + bare, f"{node}: {c} makes the line true", c)


def _simple(c: Expr) -> float:
    return 1.5 if c in (2, Rational(1, 2)) else 0


def _key(number: mpf) -> str:
    return mpmath.nstr(number, 12)


def pool(there: "Interpreter", old: Expr, new: Expr) -> list[Expr]:
    """What may have been forgotten: parts of both lines, small numbers, and the schedule at the times that occur."""
    found = [Integer(1), Integer(3), Integer(4), Integer(6), Rational(1, 3), pi]
    found += [leaf for leaf in _leaves(old, new) if leaf.is_extended_real]
    times = {leaf.indices[0] for leaf in _leaves(old, new) if isinstance(leaf, Indexed) and str(leaf.base) in FAMILY}
    for k in sorted(times, key=str):
        found += [IndexedBase(name, positive=True)[k] for name in FAMILY]
        found.append(1 - IndexedBase("alpha_bar", positive=True)[k])
    for line in (old, new):
        found += [node for _, node in nodes(line) if real(node) and not node.is_Rational]
        found += list(_inner_derivatives(line))
    found += there.theory.vocabulary(old, new)
    for square in old.atoms(Pow) | {old}:
        if not square.has(ExprWithLimits) and square.count_ops() < 60:
            found += list(Add.make_args(expand(square)))
    return list(dict.fromkeys(found))[:250]


def _leaves(*lines: Expr) -> list[Expr]:
    """Quantities outside of indices, in a fixed order."""
    found = {node for line in lines for _, node in nodes(line) if isinstance(node, (Symbol, Indexed)) and not str(node).startswith("x_{")}
    return sorted(found, key=str)


def _inner_derivatives(line: Expr) -> Iterator[Expr]:
    """What the chain rule multiplies with."""
    for node in line.atoms(Derivative):
        for _, part in list(nodes(node.expr))[1:12]:
            if part.has(node.variables[0]) and real(part):
                yield part.diff(node.variables[0])


def _wholes(old: Expr) -> dict[Expr, list[Expr]]:
    """Sums and products of the line before, by what remains of them if one term or factor is forgotten."""
    found: dict[Expr, list[Expr]] = {}
    for _, node in nodes(old):
        if isinstance(node, (Add, Mul)) and len(node.args) < 8:
            for part in node.args:
                found.setdefault(node - part if isinstance(node, Add) else node / part, []).append(node)
    return found
