"""What is taken for granted about quantities: which integers an index can be, and which inequalities hold.

The conventions of the course: 1 <= t <= T, 1 <= s < t, 1 <= i <= d. A theory may assume more, as T >= 2.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from sympy import Dummy, Expr, MatrixSymbol, Symbol, oo
from sympy.assumptions import AppliedPredicate
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.relational import Relational

from mini_ddpm.symbolic.linear import minimum

Assumption: TypeAlias = Relational | AppliedPredicate
IMPLIED = {  # what may be assumed of a matrix, and what follows from it; a covariance is symmetric
    "symmetric": {"symmetric"},
    "positive_definite": {"positive_definite", "symmetric", "invertible"},
    "invertible": {"invertible"},
    "orthogonal": {"orthogonal", "invertible"},
    "diagonal": {"diagonal", "symmetric"},
}


class Conditions:
    """Inequalities `expr >= 0` between indices (linear, used to prove) and between quantities; what matrices are."""

    def __init__(self, assumed: Iterable[Assumption] = ()) -> None:
        self.assumed = tuple(assumed)
        self.relations = [one for one in self.assumed if isinstance(one, Relational)]
        self._least: dict[tuple[Expr, tuple[Expr, ...]], Expr] = {}

    def with_(self, *more: Assumption) -> "Conditions":
        """These conditions and more of them."""
        for condition in more:
            if isinstance(condition, AppliedPredicate):
                _check_of_matrix(condition)
            elif not isinstance(condition, Relational) or condition.rel_op in ("!=",):
                raise TypeError(f"an assumption is an inequality, as T >= 2, not {condition!r}")
        found = Conditions([*self.assumed, *more])
        for one in more:
            if isinstance(one, AppliedPredicate) and found.kinds(one.arg) > IMPLIED["orthogonal"]:
                raise ValueError(f"{one.arg} is orthogonal: nothing else can be assumed of it")
        return found

    def kinds(self, matrix: MatrixSymbol) -> frozenset[str]:
        """What is assumed of a matrix of this name, of any size, and what follows."""
        named = [one for one in self.assumed if isinstance(one, AppliedPredicate) and one.arg.name == matrix.name]
        return frozenset().union(*(IMPLIED[one.function.name] for one in named))

    def of_indices(self) -> list[Expr]:
        """Assumed linear forms of indices that are not negative."""
        return [form for condition in self.relations for form in _forms(condition) if _is_index_form(form)]

    def of_quantities(self) -> list[Relational]:
        """The other assumptions."""
        return [condition for condition in self.relations if not all(map(_is_index_form, _forms(condition)))]

    def least(self, form: Expr, also: tuple[Expr, ...] = ()) -> Expr:
        """A lower bound of a linear form of indices under all conditions, and under `also` (forms >= 0); -oo if none.

        The bound is that of real numbers in these ranges, so that it holds for integers too.
        """
        form = form.expand()
        if form.is_number:
            return form
        if not _is_index_form(form):
            return -oo
        key = form, also
        if key not in self._least:
            self._least[key] = _minimum(form, [*self.of_indices(), *also])
        return self._least[key]

    def at_least(self, a: Expr, b: Expr, also: tuple[Expr, ...] = ()) -> bool:
        """Whether a >= b for certain."""
        return bool(self.least(a - b, also) >= 0)

    def apart(self, a: Expr, b: Expr, also: tuple[Expr, ...] = ()) -> bool:
        """Whether two indices are different for certain."""
        return bool(self.least(a - b, also) >= 1) or bool(self.least(b - a, also) >= 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Conditions) and self.assumed == other.assumed

    def __hash__(self) -> int:
        return hash(self.assumed)

    def __repr__(self) -> str:
        return ", ".join(map(str, self.assumed))


def _check_of_matrix(condition: AppliedPredicate) -> None:
    matrix = condition.arg
    if condition.function.name not in IMPLIED or not isinstance(matrix, MatrixSymbol) or matrix.rows != matrix.cols:
        known = ", ".join(f"Q.{name}" for name in IMPLIED)
        raise TypeError(f"what is assumed of a square matrix is one of {known}, not {condition!r}")


class Bound(NamedTuple):
    """New names for what is bound in an expression, of which no convention holds, and what their own limits say."""

    names: dict[Symbol, Symbol]
    forms: dict[Symbol, tuple[Expr, ...]]

    def of(self, part: Expr) -> tuple[Expr, tuple[Expr, ...]]:
        """A part in the new names, and the limits of what is bound in it: those of other sums may be empty."""
        renamed, found = part.xreplace(self.names), {}
        left = renamed.free_symbols & self.forms.keys()
        while left:
            v = min(left, key=str)
            found[v] = self.forms[v]
            left |= set().union(*(form.free_symbols for form in found[v])) & self.forms.keys()
            left -= found.keys()
        return renamed, tuple(form for forms in found.values() for form in forms)


def bound_in(expr: Expr) -> Bound:
    """What is bound in an expression."""
    limits = {limit for node in expr.atoms(ExprWithLimits) for limit in node.limits if limit[0].is_integer}
    order = [v for v, *_ in limits]
    names = {v: Symbol(f"_{v.name}", integer=True) for v in order}
    sure = [limit for limit in limits if len(limit) == 3 and order.count(limit[0]) == 1]
    sure = [limit for limit in sure if limit[0] not in expr.free_symbols]  # or it is bound here and free there
    return Bound(names, {names[v]: ((v - a).xreplace(names), (b - v).xreplace(names)) for v, a, b in sure})


def rules(symbols: set[Symbol]) -> list[Expr]:
    """The conventions for these indices, as forms that are not negative."""
    named = {symbol.name: symbol for symbol in symbols if not isinstance(symbol, Dummy)}
    found = [symbol - 1 for symbol in symbols if symbol.is_positive]
    found += [symbol for symbol in symbols if symbol.is_nonnegative and not symbol.is_positive]
    for smaller, larger, gap in (("t", "T", 0), ("s", "t", 1), ("s", "T", 1), ("i", "d", 0), ("j", "d", 0)):
        if smaller in named and larger in named:
            found.append(named[larger] - named[smaller] - gap)
    return found


def _forms(condition: Relational) -> list[Expr]:
    """Expressions that a relation says are not negative; a strict one between integers is one more."""
    difference = condition.gts - condition.lts if hasattr(condition, "gts") else condition.lhs - condition.rhs
    if condition.rel_op == "==":
        return [difference, -difference]
    strict = condition.rel_op in ("<", ">") and difference.is_integer
    return [difference - 1 if strict else difference]


def _is_index_form(form: Expr) -> bool:
    symbols = form.free_symbols
    whole = all(isinstance(s, Symbol) and s.is_integer for s in symbols)
    return bool(symbols) and whole and bool(form.is_polynomial()) and all(form.diff(s).is_Rational for s in symbols)


def _minimum(form: Expr, known: list[Expr]) -> Expr:
    symbols = set(form.free_symbols)
    while True:  # what is known of these indices, of those they are compared with, and so on
        linked = [f for f in known if f.free_symbols & symbols]
        if (more := symbols.union(*(f.free_symbols for f in linked))) == symbols:
            break
        symbols = more
    symbols |= {Symbol(n, integer=True, positive=True) for s in symbols for n in _RELATED.get(s.name, ())}
    return minimum(form, [*linked, *rules(symbols)])


_RELATED = {"t": ("T",), "s": ("t", "T"), "i": ("d",), "j": ("d",)}
