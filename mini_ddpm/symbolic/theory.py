"""What is defined, and the worlds in which a claim is tried.

A world gives every quantity that no definition explains an exact rational number, made from a hash of its
printed name: the same on every machine. Symbolic t and T become small integers. Two lines that are equal
have the same value in every world; two that are not differ in some world, almost surely in the first.
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import count

import mpmath
from sympy import (
    Add,
    Basic,
    Derivative,
    Dummy,
    Expr,
    Float,
    Indexed,
    IndexedBase,
    Integer,
    Integral,
    Mul,
    N,
    Product,
    Rational,
    Sum,
    Symbol,
    Tuple,
    exp,
    expand,
    expand_log,
    lambdify,
    nsimplify,
    preorder_traversal,
    sqrt,
    sympify,
)
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.function import AppliedUndef

from mini_ddpm.symbolic import sums
from mini_ddpm.symbolic.printing import tex
from mini_ddpm.symbolic.prover import proves_zero

WORLDS = 6  # sets of indices; each is tried twice, with other numbers
TRIED = 2 * WORLDS
DIGITS = 30
RELATIVE, ABSOLUTE = Float("1e-20", DIGITS), Float("1e-26", DIGITS)  # tolerances
SMALL, LARGE = 4, 5  # the worlds of extreme values, so that a clipped value differs from an unclipped one
INDICES = {  # the integers that stand for symbolic indices, world by world: 1 <= s < t <= T
    "T": (4, 5, 4, 6, 5, 4),
    "t": (2, 3, 4, 3, 2, 4),
    "s": (1, 2, 3, 1, 1, 2),
    "d": (4, 3, 2, 5, 3, 6),  # coordinates have nothing to do with times: 1 <= i <= d
    "i": (3, 1, 2, 4, 1, 5),
}
FRACTIONS = ("alpha", "beta", "alpha_bar")  # indexed quantities between 0 and 1


class WrongStep(AssertionError):  # noqa: N818 - as learners meet it
    """A line that is not equal to the line before it."""


class Unchecked(RuntimeError):  # noqa: N818 - as learners meet it
    """A line that could not be compared, and so is not shown."""


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
            leaves = _values(unfolded, world)
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


def holds(a: Float, b: Float, relation: str) -> bool:
    """Compare two numbers, up to the rounding of the last digits."""
    slack = RELATIVE * max(abs(a), abs(b)) + ABSOLUTE
    return {"=": abs(a - b) < slack, "<=": a < b + slack, ">=": a > b - slack}[relation]


def number_hint(pairs: list[tuple[Float, Float]]) -> str:
    """What kind of mistake would explain the numbers?"""
    if all(holds(a, -b, "=") for a, b in pairs):
        return "a sign: the two are opposite in every world"
    ratios = [b / a for a, b in pairs if a and b]  # to SymPy, 0.0 != 0
    if len(ratios) == len(pairs) and all(holds(r, ratios[0], "=") for r in ratios):
        return f"a constant factor: here / before = {_neat(ratios[0])} in every world"
    if all(holds(a - b, pairs[0][0] - pairs[0][1], "=") for a, b in pairs):
        return f"a constant: here - before = {_neat(pairs[0][1] - pairs[0][0])} in every world"
    if all(holds(a, b**2, "=") for a, b in pairs):
        return "a square root too many: here, squared, is the line before"
    if all(holds(a**2, b, "=") for a, b in pairs):
        return "a square too many: the line before, squared, is this one"
    return ""


def _neat(number: Float) -> Expr:
    """2*pi for 6.28..., and six digits of what has no short name."""
    exact = nsimplify(number, tolerance=1e-15)
    return exact if len(str(exact)) < 15 else N(number, 6)


def quadrature(f: Expr, *limits: Tuple) -> Float:
    """An integral over one variable, between numbers or infinities."""
    variable, *ends = limits[0]
    if len(limits) > 1 or len(ends) != 2 or (f.free_symbols | Tuple(*ends).free_symbols) - {variable}:
        raise Unchecked(f"only an integral over one variable, with both limits, has a value: {Integral(f, *limits)}")
    with mpmath.workdps(DIGITS + 5):
        integrand = lambdify(variable, N(f, DIGITS + 10), "mpmath")  # N: constants are not worked out at every point
        points = [lambdify((), point, "mpmath")() for point in (ends[0], *_between(f, variable, *ends), ends[1])]
        try:
            number, error = mpmath.quad(integrand, points, error=True, maxdegree=10)
        except ZeroDivisionError:
            raise Unchecked(f"{f} has no value somewhere between {ends[0]} and {ends[1]}") from None
        # an error of 1 stands for any above it: the integral diverges
        if not isinstance(number, mpmath.mpf) or error >= 1 or error > abs(number) * 1e-18 + 1e-22:
            raise Unchecked(f"the integral of {f} is not known to {DIGITS} digits: does it converge?")
        return Float(mpmath.nstr(number, DIGITS), DIGITS)


def _between(f: Expr, variable: Symbol, first: Expr, last: Expr) -> list[Expr]:
    """Where to cut an interval: around Gaussians, which may be narrow; or anywhere, so that two halves can't cancel."""
    cuts = set()
    for power in f.atoms(exp):
        exponent = power.args[0].as_poly(variable)
        if exponent and exponent.degree() == 2 and exponent.LC().is_negative:
            a, b, _ = exponent.all_coeffs()
            cuts |= {-b / (2 * a) + side * 10 / sqrt(-2 * a) for side in (-1, 1)}
    return sorted(cut for cut in cuts or {Rational(3, 7)} if first < cut < last)


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


def written_out(expr: Expr) -> Expr:
    """Every sum and product between integers as its terms; none if the first index is above the last."""
    while (longer := expr.replace(_is_finite_sum, _terms)) != expr:
        expr = longer
    return expr


def _is_finite_sum(node: Basic) -> bool:
    return isinstance(node, (Sum, Product)) and all(end.is_Integer for end in node.limits[-1][1:])


def _terms(node: Sum | Product) -> Expr:
    *inner, (index, first, last) = node.limits
    term = node.func(node.function, *inner) if inner else node.function
    terms = [term.xreplace({index: Integer(k)}) for k in range(first, last + 1)]
    return Add(*terms) if isinstance(node, Sum) else Mul(*terms)


def rename_bound(expr: Expr, taken: frozenset[str] = frozenset()) -> Expr:
    """Give bound indices names of their own: t may be bound in a sum and free beside it, or in a sum around it."""
    return expr.replace(lambda node: isinstance(node, ExprWithLimits), lambda node: _renamed(node, taken))


def _renamed(node: ExprWithLimits, taken: frozenset[str]) -> ExprWithLimits:
    outside = {index: Dummy() for index in node.variables if index in node.free_symbols}  # as t in Sum(f(t), (t, 1, t))
    taken = taken | {symbol.name for symbol in node.atoms(Symbol) - set(node.variables)}
    free_names = (name for k in count() if (name := f"_{k}") not in taken)
    inside = {index: Symbol(name) for index, name in zip(node.variables, free_names, strict=False)}
    return node.subs(outside).xreplace(inside).xreplace({dummy: index for index, dummy in outside.items()})


def free_indices(expr: Expr) -> set[Symbol]:
    """The integer symbols that are not bound by a sum or a product."""
    return {symbol for symbol in expr.free_symbols if symbol.is_integer and isinstance(symbol, Symbol)}


def primitives(expr: Expr) -> list[Expr]:
    """Indexed quantities, undefined functions and bare symbols, in a fixed order."""
    composite = expr.atoms(Indexed) | expr.atoms(AppliedUndef)
    rest = expr.xreplace({atom: Dummy(integer=True) for atom in composite})
    if bases := rest.atoms(IndexedBase):
        raise Unchecked(f"{min(bases, key=str)} needs an index, as in {min(bases, key=str)}[t]")
    inside = set().union(*(Tuple(*atom.args).atoms(Symbol) for atom in expr.atoms(AppliedUndef)))
    bare = {symbol for symbol in rest.free_symbols | inside if isinstance(symbol, Symbol) and not symbol.is_integer}
    return sorted(composite | bare, key=str)


def _values(expr: Expr, world: int) -> dict[Expr, Rational]:
    """A value for every primitive quantity; equal ones for a function of equal numbers, however they are written."""
    values: dict[Expr, Rational] = {}
    for leaf in sorted(primitives(expr), key=lambda leaf: (isinstance(leaf, AppliedUndef), len(str(leaf)))):
        name = leaf
        if isinstance(leaf, AppliedUndef):
            name = leaf.func(*(N(argument.xreplace(values), 15) for argument in leaf.args))
        values[leaf] = _value(leaf, str(name), world)
    return values


def _value(leaf: Expr, name: str, world: int) -> Rational:
    """A rational made from a printed name: between 0 and 1 for a fraction, positive or of any sign."""
    if not (leaf.is_extended_real or isinstance(leaf, AppliedUndef)):
        kind, maker = (leaf.base, "IndexedBase") if isinstance(leaf, Indexed) else (leaf, "Symbol")
        raise Unchecked(
            f"{leaf} has no value: make it {maker}('{kind}', real=True) or positive=True, "
            f"or define it with theory.define({leaf}, ...)"
        )
    digest = int(hashlib.sha256(f"{name}|{world}".encode()).hexdigest()[:8], 16)
    kind = world % WORLDS
    if world >= WORLDS and kind in (SMALL, LARGE):  # not all small or all large at once
        kind = (SMALL, LARGE)[digest // 100_000 % 2]
    if _is_fraction(leaf):
        middle = Rational(digest % 89 + 5, 101)
        return {SMALL: middle / 5000, LARGE: 1 - middle / 5000}.get(kind, middle)
    size = Rational(digest % 389 + 20, 97) * {SMALL: Rational(1, 20), LARGE: 20}.get(kind, 1)
    if leaf.is_nonnegative or leaf.is_nonpositive:
        return size if leaf.is_nonnegative else -size
    first = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
    return size * (-1) ** (first + world if world < 2 else digest // 1000)  # every name has both signs


def use(facts: Sequence, expr: Expr) -> Expr:
    """Replace the left sides of facts by their right sides, under sums too."""
    replacements = {fact.lhs: fact.rhs for fact in facts}
    return worked_out(expand(expand_log(expr)).xreplace(replacements).subs(replacements))


def odds(expr: Expr) -> Expr:
    """Write every fraction a as 1 / (1 + u) with u > 0, so that a and 1 - a are visibly positive."""
    fractions = filter(_is_fraction, expr.atoms(Indexed))
    return expr.xreplace({atom: 1 / (1 + Symbol(f"u[{atom}]", positive=True)) for atom in fractions})


def _is_fraction(leaf: Expr) -> bool:
    return isinstance(leaf, Indexed) and str(leaf.base) in FRACTIONS and leaf.is_positive


def _sorted(values: dict) -> list[tuple]:
    return sorted(values.items(), key=lambda item: str(item[0]))
