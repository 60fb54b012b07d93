"""What is defined, and the worlds in which a claim is tried.

A world gives every quantity that no definition explains an exact rational number, made from a hash of its
printed name: the same on every machine. Symbolic t and T become small integers. Two lines that are equal
have the same value in every world; two that are not differ in some world, almost surely in the first.
"""

from collections.abc import Iterator, Sequence

from sympy import (
    Basic,
    Derivative,
    Expr,
    Float,
    Indexed,
    Integer,
    Integral,
    N,
    Product,
    Rational,
    Sum,
    Symbol,
    expand,
    expand_log,
    preorder_traversal,
    sympify,
)
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.function import AppliedUndef

from mini_ddpm.symbolic import sums
from mini_ddpm.symbolic.printing import tex
from mini_ddpm.symbolic.prover import proves_zero
from mini_ddpm.symbolic.sums import rename_bound, written_out
from mini_ddpm.symbolic.worlds import (
    DIGITS,
    INDICES,
    TRIED,
    WORLDS,
    Unchecked,
    WrongStep,
    free_indices,
    holds,
    is_fraction,
    leaf_values,
    number_hint,
    primitives,
    quadrature,
)


class Definition:
    """`lhs := rhs` for a symbol, an indexed quantity or an applied function; symbolic arguments are parameters."""

    def __init__(self, lhs: Expr, rhs: Expr) -> None:
        self.lhs, self.rhs = lhs, rhs
        inside = (node for node in preorder_traversal(rhs) if _binds(node) and not isinstance(node, ExprWithLimits))
        self.bound = {variable for node in inside for variable in _variables(node)}  # of means and derivatives

    def matches(self, node: Basic) -> bool:
        """Whether the node is an instance of the left side."""
        if isinstance(self.lhs, Symbol) or type(node) is not type(self.lhs):
            return node == self.lhs
        mine, theirs = _places(self.lhs), _places(node)
        same = len(mine) == len(theirs) and (not isinstance(node, Indexed) or node.base == self.lhs.base)
        return same and all(a.is_Symbol or a == b for a, b in zip(mine, theirs, strict=True))

    def unfold(self, node: Basic) -> Expr:
        """The right side for this instance of the left side."""
        places = dict(zip(_places(self.lhs), _places(node), strict=True))
        if clash := [variable for variable in self.bound if node.has(variable)]:
            raise Unchecked(f"{clash[0]} has two meanings in {node}, for the definition {self} uses it too: rename one")
        outside = frozenset(symbol.name for symbol in node.free_symbols)
        return rename_bound(self.rhs, outside).xreplace(places)

    def _repr_latex_(self) -> str:
        return rf"$${tex(self.lhs)} := {tex(self.rhs)}$$"

    def __repr__(self) -> str:
        return f"{self.lhs} := {self.rhs}"


def _places(node: Basic) -> tuple[Expr, ...]:
    return node.indices if isinstance(node, Indexed) else node.args


class Theory:
    """The definitions, and the comparison of two lines under them.

    Trusted are the definitions, SymPy, and that every positive alpha, beta and alpha_bar lies between 0 and 1.

    Args:
        indices: integers for further symbolic indices, six each, by symbol name: {"k": (1, 2, 3, 1, 2, 3)}.
    """

    def __init__(self, indices: dict[str, Sequence[int]] | None = None) -> None:
        self.definitions: list[Definition] = []
        self.indices = INDICES | (indices or {})
        for name, values in self.indices.items():
            twins = [other for other, same in self.indices.items() if other != name and tuple(same) == tuple(values)]
            if len(values) != WORLDS or len(set(values)) == 1 or (twins and name in (indices or {})):
                raise ValueError(
                    f"the index {name} needs {WORLDS} integers, not all equal, and other ones than {twins}"
                )

    def define(self, lhs: Expr, rhs: Expr) -> Definition:
        """Add `lhs := rhs`. Symbols among the indices or arguments of lhs are parameters: alpha_bar[t] defines all."""
        if not isinstance(lhs, (Symbol, Indexed, AppliedUndef)):
            raise TypeError(f"can define a symbol, an indexed quantity or a function, not {lhs!r}")
        places = _places(lhs)
        if isinstance(lhs, Symbol) and lhs.is_integer:
            raise ValueError(f"{lhs} is an index: its integers are given by Theory(indices=...)")
        if any(not (place.is_Symbol or place.is_number) for place in places) or len(set(places)) < len(places):
            raise ValueError(f"the places of {lhs} must be different symbols or numbers")
        if any(place.is_Symbol and place.name in ("T", "d") for place in places):
            raise ValueError(
                f"{lhs} := ... would hold for every index, not for the last: write it as a Fact, or with t"
            )
        if any(definition.matches(lhs) for definition in self.definitions):
            raise ValueError(f"{lhs} is defined already: start a new Theory to define it otherwise")
        self.definitions.append(Definition(lhs, sympify(rhs)))
        return self.definitions[-1]

    def unfold(self, expr: Expr) -> Expr:
        """Replace what is defined by its definition, once."""
        for definition in self.definitions:
            expr = expr.replace(definition.matches, definition.unfold)
        return expr

    def unfold_fully(self, expr: Expr) -> Expr:
        """Replace definitions until none applies."""
        for _ in range(20):
            before, expr = expr, self.unfold(expr)
            if expr == before:
                return expr
        raise Unchecked(f"the definitions have no end: {expr}")

    def evaluate(self, expr: Expr, world: int) -> Float:
        """The number that an expression stands for in a world, to 30 digits.

        Raises:
            Unchecked: it has none; the message says what is missing.
        """
        return self.evaluate_with_values(expr, world)[0]

    def evaluate_with_values(self, expr: Expr, world: int) -> tuple[Float, dict[Expr, Rational]]:
        """The number, and the values of the primitive quantities that it was computed from."""
        try:
            unfolded = self._at(expr, world)
            leaves = leaf_values(unfolded, world)
            number = N(unfolded.xreplace(leaves).replace(Integral, quadrature), DIGITS)
        except (ValueError, TypeError, NameError, NotImplementedError) as error:  # SymPy's, as of missing limits
            raise Unchecked(f"{expr} has no value: {str(error).strip()}") from None
        if not (number.is_number and number.is_real and number.is_finite):
            raise Unchecked(f"no real number in world {world}: {unfolded} is {number}")
        return number, leaves

    def _at(self, expr: Expr, world: int) -> Expr:
        """The expression with the integers of a world for its indices, and without anything that is defined."""
        expr, before = rename_bound(expr.replace(_binds, self._opened)), None
        while expr != before:
            before = expr
            expr = expr.xreplace({index: self._index(index, world) for index in free_indices(expr)})
            expr = self.unfold_fully(written_out(expr))
        for node in expr.atoms(Integral, Sum, Product):
            if any(leaf.has(*node.variables) for leaf in primitives(node.function) if not leaf.is_Symbol):
                raise Unchecked(
                    f"an undefined function of a variable that is summed or integrated over has no value: {node} "
                    f"(the limits of a sum must be integers, as Symbol('n', integer=True))"
                )
        return worked_out(expr)  # means and derivatives last: their variable may be in a definition

    def _index(self, index: Symbol, world: int) -> Integer:
        if index.name not in self.indices:
            raise Unchecked(
                f"the index {index} has no value: give it {WORLDS}, other ones than any other index has, with "
                f"Theory(indices={{'{index}': (3, 1, 2, 2, 1, 4)}})"
            )
        return Integer(self.indices[index.name][world % WORLDS])

    def refute(self, old: Expr, new: Expr, relation: str = "=") -> None:
        """Try `old relation new` in every world.

        Raises:
            WrongStep: it fails in one.
            Unchecked: a side has no value.
        """
        world = self.disagreement(old, new, relation)
        if world is not None:
            raise WrongStep(self._complaint(old, new, relation, world))

    def disagreement(self, old: Expr, new: Expr, relation: str = "=", worlds: int = TRIED) -> int | None:
        """The first world in which `old relation new` fails, or None."""
        for k in range(worlds):
            if not holds(self.evaluate(old, k), self.evaluate(new, k), relation):
                return k
        return None

    def prove(self, old: Expr, new: Expr, facts: Sequence) -> bool:
        """Whether the difference of two lines is zero in normal form, given facts (each with `lhs` and `rhs`)."""
        return any(proves_zero(view) for view in self._views(old - new, facts))

    def _views(self, expr: Expr, facts: Sequence) -> Iterator[Expr]:
        expr = expr.replace(_binds, self._opened)  # or `doit` would take for constant what is not
        yield expr
        yield worked_out(expr)
        used = use(facts, expr)
        yield used
        unfolded = worked_out(self.unfold_fully(used))
        yield unfolded
        yield odds(sums.normal_form(used))
        yield odds(sums.normal_form(unfolded))

    def _opened(self, node: Expr) -> Expr:
        """A sum, integral, mean or derivative, unfolded inside if a definition there depends on its variable."""
        f, *rest = node.args
        variables = _variables(node)
        for variable in variables:
            if self.unfold(variable) != variable:
                raise Unchecked(f"{variable} is defined, so it can't be the variable of {node}")
        parts = f.atoms(Symbol, Indexed, AppliedUndef) - set(variables)
        if isinstance(node, ExprWithLimits):  # these can wait where their variable is to be seen
            parts = {part for part in parts if not part.has(*variables)}
        hidden = any(self.unfold_fully(part).has(*variables) for part in parts)
        return node.func(self.unfold_fully(f), *rest) if hidden else node

    def hint(self, old: Expr, new: Expr, pairs: list[tuple[Float, Float]]) -> str:
        """Where to look for the mistake, from the values (before, here) in all worlds."""
        return number_hint(pairs) or self._symbol_hint(old, new)

    def _symbol_hint(self, old: Expr, new: Expr) -> str:
        """Which symbols does one line depend on, and the other not?"""
        old, new = (expand(worked_out(side.replace(_binds, self._opened))) for side in (old, new))
        fresh = [str(leaf) for leaf in primitives(new) if not self._comes_from(leaf, old)]
        lost = [str(leaf) for leaf in primitives(old) if leaf not in primitives(new)]
        if fresh:
            return f"{', '.join(fresh)}: in this line only. Undefined, or a wrong index?"
        if lost:
            return f"{', '.join(lost)}: in the line before only"
        return "the same symbols on both lines: compare them term by term"

    def _comes_from(self, leaf: Expr, line: Expr) -> bool:
        meaning = self.unfold(leaf)
        defined_there = meaning != leaf and set(primitives(meaning)) <= set(primitives(line))
        return defined_there or leaf in primitives(line) + primitives(self.unfold(line))

    def _complaint(self, old: Expr, new: Expr, relation: str, k: int) -> str:
        pairs = [(self.evaluate(old, world), self.evaluate(new, world)) for world in range(TRIED)]
        values = self.evaluate_with_values(old, k)[1] | self.evaluate_with_values(new, k)[1]
        indices = {index: self._index(index, k) for index in free_indices(old) | free_indices(new)}
        numbers = {
            name: value if value.is_Integer else N(value, 4) for name, value in _sorted(indices) + _sorted(values)
        }
        world = ", ".join(f"{name} = {value}" for name, value in numbers.items())
        word = {"=": "equals", "<=": "is at most", ">=": "is at least"}[relation]
        return (
            f"it is not true that the line before {word} this one\n"
            f"  before:   {old}\n"
            f"  here:     {new}\n"
            f"  world {k}:  {world or 'no symbols'}\n"
            f"  values:   {N(pairs[k][0], 8)} before, {N(pairs[k][1], 8)} here\n"
            f"  look at:  {self.hint(old, new, pairs)}"
        )


def _binds(node: Basic) -> bool:
    return isinstance(node, (ExprWithLimits, Derivative)) or hasattr(node, "integral")


def _variables(node: Expr) -> tuple[Expr, ...]:
    return node.variables if isinstance(node, (ExprWithLimits, Derivative)) else node.args[1:2]


def worked_out(expr: Expr) -> Expr:
    """Everything done that can be, but for integrals."""
    try:
        return expr.doit(integrals=False)
    except RecursionError:  # SymPy's, of Product(f(t) / f(t - 1), (t, 1, T))
        return expr


def use(facts: Sequence, expr: Expr) -> Expr:
    """Replace the left sides of facts by their right sides, under sums too."""
    replacements = {fact.lhs: fact.rhs for fact in facts}
    return worked_out(expand(expand_log(expr)).xreplace(replacements).subs(replacements))


def odds(expr: Expr) -> Expr:
    """Write every fraction a as 1 / (1 + u) with u > 0, so that a and 1 - a are visibly positive."""
    fractions = filter(is_fraction, expr.atoms(Indexed))
    return expr.xreplace({atom: 1 / (1 + Symbol(f"u[{atom}]", positive=True)) for atom in fractions})


def _sorted(values: dict) -> list[tuple]:
    return sorted(values.items(), key=lambda item: str(item[0]))
