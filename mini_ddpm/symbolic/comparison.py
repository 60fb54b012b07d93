"""Two lines in every world, until one shows that they differ."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from sympy import Derivative, Dummy, Expr, Indexed, Symbol, Tuple
from sympy.core.function import AppliedUndef

from mini_ddpm.symbolic.agreement import holds, pair
from mini_ddpm.symbolic.environment import NOTHING
from mini_ddpm.symbolic.interpreter import Interpreter
from mini_ddpm.symbolic.matrices import SIZES, sizes
from mini_ddpm.symbolic.worlds import MOST, NoValue, Unchecked, World, other_integer, worlds

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory

INEQUALITY = 60  # worlds in which an inequality is tried
MISSING = 6  # worlds without a value, after which a line is given up unless others had one
WORK, FEWEST = 8_000, 5  # evaluations of what is summed or integrated, after which so many worlds are enough


def interpreters(theory: "Theory", lines: Sequence[Expr], most: int = MOST) -> Iterator[Interpreter]:
    """The worlds in which lines are compared; those that break an assumption are left out."""
    asked = theory.conditions.of_quantities()
    inside = [*lines, *asked]
    inside += [theory.unfold_some(line) for line in inside]  # an index may hide in a definition
    _check_names(inside)
    sized = sizes(Tuple(*inside, *theory.conditions.assumed))
    symbols = sized.union(*(line.free_symbols for line in inside))
    for node in set().union(*(line.atoms(Derivative) for line in inside)):
        symbols |= set().union(*(variable.free_symbols for variable in node.variables))
    indices = {s for s in symbols if isinstance(s, Symbol) and s.is_integer and theory.meaning(s) is None}
    given = dict.fromkeys((size.name for size in sized), SIZES) | theory.given
    other = other_integer(" ".join(sorted(map(str, lines))))
    for world in worlds(indices, theory.conditions, given, most, other):
        for salt in range(200):
            there = Interpreter(theory, World(world.number, world.indices, _regime(world.regime, salt), salt))
            if all(there.truth(condition, NOTHING) for condition in asked):
                yield there
                break


def _check_names(lines: Sequence[Expr]) -> None:
    """One name for one thing: to SymPy, the x of x[t] and a symbol x are the same, and two kinds of t are two."""
    plain = [line.xreplace({node: Dummy() for node in line.atoms(Indexed)}) for line in lines]
    places = {s for line in lines for node in line.atoms(Indexed) for place in node.indices for s in place.free_symbols}
    alone = places.union(*(line.free_symbols for line in plain))
    names = {str(one): one for one in alone if not isinstance(one, Dummy)}
    bases = {str(node.base): node for line in lines for node in line.atoms(Indexed)}
    functions = {node.func for line in lines for node in line.atoms(AppliedUndef)}
    for first, second in combinations(functions, 2):
        if str(first) == str(second):  # one positive, say, and one of any sign
            raise Unchecked(f"two different functions are called {first} here: give one of them another name")
    for one in alone:
        if not isinstance(one, Dummy) and (names[str(one)] != one or str(one) in bases):
            raise Unchecked(f"two different things are called {one} here: give one of them another name")


def _regime(regime: str, salt: int) -> str:
    """After many failures to keep to the assumptions, another kind of world."""
    return regime if salt < 60 else ("middle", "mixed", "small")[salt % 3]


def compare(
    theory: "Theory", old: Expr, new: Expr, relation: str, most: int | None
) -> tuple[list[Interpreter], tuple | None]:
    """The worlds tried, and the first in which the step fails, with both values."""
    tried: list[Interpreter] = []
    skipped, work, last = 0, 0, ""
    for there in theory.interpreters([old, new], most or (MOST if relation == "=" else INEQUALITY)):
        try:
            a, b, slack = pair(there, old, new)
        except (NoValue, OverflowError) as error:
            skipped, last = skipped + 1, str(error)
            if skipped > MISSING + 2 * len(tried):
                break
            continue
        if not holds(a, b, slack, relation):
            return tried, (there, a, b)
        tried.append(there)
        work += there.terms
        if work > WORK and len(tried) >= FEWEST:  # means of means: fewer worlds must do
            break
    if len(tried) < 3 or skipped > 2 * len(tried):
        raise Unchecked(last or f"the assumptions leave too few cases: {theory.conditions}. Assume less")
    return tried, None
