"""What stands for something else: `lhs := rhs`, for a symbol, an indexed quantity or an applied function."""

from collections.abc import Callable, Sequence
from itertools import count

from mpmath import mpf
from sympy import Basic, Derivative, Dummy, Expr, Indexed, Integer, Symbol, oo, sympify
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.function import AppliedUndef

from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.printing import tex
from mini_ddpm.symbolic.worlds import Unchecked


class Definition:
    """`lhs := rhs`; symbols among the indices or arguments of lhs are parameters.

    One that refers to its own family, as x[t] := ... x[0] or f(t) := f(t - 1) + 1, holds for indices from 1 on;
    beside f(0) and f(1), f(t) holds from 2 on.
    """

    def __init__(self, lhs: Expr, rhs: Expr) -> None:
        if not isinstance(lhs, (Symbol, Indexed, AppliedUndef)):
            raise TypeError(f"can define a symbol, an indexed quantity or a function, not {lhs!r}")
        self.lhs, self.rhs, self.places = lhs, sympify(rhs), places(lhs)
        if isinstance(lhs, Symbol) and lhs.is_integer:
            raise ValueError(f"{lhs} is an index: its integers are given by Theory(indices=...)")
        if any(not (p.is_Symbol or p.is_number) for p in self.places) or len(set(self.places)) < len(self.places):
            raise ValueError(f"the places of {lhs} must be different symbols or numbers")
        if any(p.is_Symbol and p.name in ("T", "d") for p in self.places):
            raise ValueError(
                f"{lhs} := ... would hold for every index, not for the last: write it as a Fact, or with t"
            )
        recursive = bool(self.places) and any(family(node) == family(lhs) for node in composite(self.rhs))
        self.first = Integer(1) if recursive else -oo  # the smallest index for which it holds

        self.parameters = {place: Dummy(place.name, **place.assumptions0) for place in self.places if place.is_Symbol}
        self.body = self.rhs.xreplace(self.parameters)  # names of its own: t is not the t around it

    def covers(self, node: Expr) -> bool:
        """Whether it defines this instance already; f(t) defines f(1), but not f(0) beside it."""
        return self.unfold(node, lambda index, least: bool(index >= least) if index.is_number else True) is not None

    def after(self, other: "Definition") -> None:
        """Beside f(0), f(t) is for what comes after it."""
        if family(self.lhs) == family(other.lhs) and len(self.places) == len(other.places):
            numbers = [
                n for mine, n in zip(self.places, other.places, strict=True) if mine.is_positive and n.is_Integer
            ]
            self.first = max(self.first, Integer(1), *(n + 1 for n in numbers)) if numbers else self.first

    def stands_in(self, expr: Expr) -> bool:
        """Whether an expression has what this defines."""
        if not self.places:
            return self.lhs in expr.free_symbols
        return any(family(node) == family(self.lhs) for node in composite(expr))

    def bind(self, node: Expr, values: Sequence[mpf | int]) -> dict[Expr, mpf] | None:
        """Numbers for the parameters where `values` stand in the places of `node`; None if this does not define it."""
        if family(node) != family(self.lhs) or len(values) != len(self.places):
            return None
        bound = {}
        for place, value in zip(self.places, values, strict=True):
            if place.is_Symbol:
                if place.is_positive and value < self.first:
                    return None
                bound[self.parameters[place]] = mpf(value)
            elif mpf(place.p) / place.q != value:
                return None
        return bound

    def unfold(self, node: Expr, surely: Callable[[Expr, Expr], bool]) -> Expr | None:
        """The right side for this instance of the left side; None if it is none for certain."""
        if isinstance(self.lhs, Symbol):
            return self.rhs if node == self.lhs else None
        theirs = places(node)
        if family(node) != family(self.lhs) or len(theirs) != len(self.places):
            return None
        for mine, other in zip(self.places, theirs, strict=True):
            if not mine.is_Symbol and mine != other:
                return None
            if mine.is_Symbol and mine.is_positive and self.first > -oo and not surely(other, self.first):
                return None
        return apart(self.rhs, node.free_symbols).xreplace(dict(zip(self.places, theirs, strict=True)))

    def _repr_latex_(self) -> str:
        return rf"$${tex(self.lhs)} := {tex(self.rhs)}$$"

    def __repr__(self) -> str:
        return f"{self.lhs} := {self.rhs}"


def family(node: Basic) -> object:
    """What the indices or arguments are of: the base or the function."""
    return node.base if isinstance(node, Indexed) else node.func if isinstance(node, AppliedUndef) else node


def places(node: Basic) -> tuple[Expr, ...]:
    """Indices or arguments."""
    return node.indices if isinstance(node, Indexed) else node.args if isinstance(node, AppliedUndef) else ()


def composite(expr: Expr) -> set[Expr]:
    """Indexed quantities and undefined functions in an expression."""
    return expr.atoms(Indexed) | expr.atoms(AppliedUndef)


def apart(expr: Expr, taken: set[Basic]) -> Expr:
    """The expression with new names for its bound variables, none of them among `taken`."""
    if not expr.args:
        return expr
    if isinstance(expr, Derivative) and set(expr.variables) & taken:
        raise Unchecked(f"{expr} has two meanings of its variable here: rename one")
    rest = expr.func(*(apart(argument, taken) for argument in expr.args)) if _binds(expr) is None else expr
    if (variables := _binds(expr)) is None:
        return rest
    names = {symbol.name for symbol in taken | expr.atoms(Symbol) if isinstance(symbol, Symbol)}
    new = {v: _fresh(v, names) for v in variables if v.is_Symbol}
    if isinstance(expr, Expectation):
        f, variable, mean, variance = expr.args
        inner = apart(f, taken).xreplace(new)
        return Expectation(inner, new.get(variable, variable), apart(mean, taken), apart(variance, taken))
    limits = []
    for variable, *ends in expr.limits:  # an inner variable may stand in no outer limit, an outer one in inner limits
        limits.append((new[variable], *(apart(end, taken).xreplace(_later(expr, variable, new)) for end in ends)))
    return expr.func(apart(expr.function, taken).xreplace(new), *limits)


def _fresh(v: Symbol, names: set[str]) -> Symbol:
    """The symbol under the first name that is not taken: always the same one."""
    name = next(name for k in count(1) if (name := f"{v.name}_{k}") not in names)
    names.add(name)
    return Symbol(name, **v.assumptions0)


def _later(expr: ExprWithLimits, variable: Symbol, new: dict) -> dict:
    """New names of the variables that are bound outside of this one's limits."""
    order = list(expr.variables)
    return {v: new[v] for v in order[order.index(variable) + 1 :]}


def _binds(expr: Expr) -> tuple[Expr, ...] | None:
    if isinstance(expr, Expectation):
        return (expr.args[1],)
    return expr.variables if isinstance(expr, ExprWithLimits) else None
