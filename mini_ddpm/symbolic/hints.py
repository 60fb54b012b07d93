"""Where to look for a mistake: the one small edit that makes the line true, what explains the numbers, or what one line
has and the other not. Nothing is said where nothing is known."""

from typing import TYPE_CHECKING, NamedTuple

from mpmath import mp, mpf
from sympy import Basic, Derivative, Dummy, Expr, Float, Indexed, Symbol, nsimplify
from sympy.concrete.expr_with_limits import ExprWithLimits

from mini_ddpm.symbolic import search
from mini_ddpm.symbolic.definitions import composite, places
from mini_ddpm.symbolic.gaussian import Expectation
from mini_ddpm.symbolic.worlds import Unchecked, WrongStep

if TYPE_CHECKING:
    from mini_ddpm.symbolic.interpreter import Interpreter
    from mini_ddpm.symbolic.theory import Theory

TRIED, FEWEST = 7, 3  # worlds in which a hint must explain the numbers
Pairs = list[tuple[mpf, mpf]]


class Hint(NamedTuple):
    """What is said, and the line that it would make, if it is an edit."""

    words: str = ""
    repaired: Expr | None = None


def hint(theory: "Theory", old: Expr, new: Expr, relation: str) -> Hint:
    """One sentence, or nothing."""
    worlds, pairs = _worlds(theory, old, new)
    if relation != "=":
        return Hint("the other way round it holds in every world" if pairs and _turned(pairs, relation) else "")
    if len(pairs) >= FEWEST:
        with mp.workdps(40):
            if all(search.same(a, -b) for a, b in pairs):
                return Hint("a sign: the two are opposite in every world", -new)
            limit = 2 if _constant(pairs)[0] else 9
            if (edit := search.repair(worlds, [a for a, _ in pairs], old, new, limit)) is not None:
                return Hint(*edit)
            if (constant := _by_numbers(new, pairs)) is not None:
                return constant
    return Hint(_by_symbols(theory, old, new))


def _worlds(theory: "Theory", old: Expr, new: Expr) -> tuple[list["Interpreter"], Pairs]:
    """Some worlds in which both lines have values, and these; first one in which different indices differ."""
    found: list[Interpreter] = []
    pairs: Pairs = []
    try:
        for there in theory.interpreters([old, new]):
            if len(found) == TRIED:
                break
            try:
                with mp.workdps(40):
                    pairs.append((there(old), there(new)))
                found.append(there)
            except (Unchecked, WrongStep, OverflowError, RecursionError):
                continue
    except Unchecked:
        return [], []
    order = sorted(range(len(found)), key=lambda k: -len(set(found[k].world.indices.values())))
    return [found[k] for k in order], [pairs[k] for k in order]


def _turned(pairs: Pairs, relation: str) -> bool:
    return all(a >= b if relation == "<=" else a <= b for a, b in pairs)


def _constant(pairs: Pairs) -> tuple[mpf | None, mpf | None]:
    """here / before and here - before, where these are the same in every world."""
    ratios = [b / a for a, b in pairs if a and b]
    same = search.same
    ratio = ratios[0] if len(ratios) == len(pairs) and all(same(one, ratios[0]) for one in ratios) else None
    by = pairs[0][1] - pairs[0][0]
    return ratio, by if all(same(b - a, by) for a, b in pairs) else None


def _by_numbers(new: Expr, pairs: Pairs) -> Hint | None:
    if search.same(pairs[0][0], pairs[-1][0]):
        return None  # numbers only: any two differ by a constant
    ratio, by = _constant(pairs)
    if ratio is not None and (short := _neat(ratio)):
        return Hint(f"a constant factor: here / before = {short} in every world", new / short)
    if by is not None and (short := _neat(by)):
        return Hint(f"a constant: here - before = {short} in every world", new - short)
    return None


def _neat(number: mpf) -> Expr | None:
    """2*pi for 6.28..., if there is a short name."""
    exact = nsimplify(Float(str(number), 30), tolerance=1e-15)
    return exact if len(str(exact)) < 15 else None


def _by_symbols(theory: "Theory", old: Expr, new: Expr) -> str:
    """Which quantity does one line have, and the other not, not even through definitions?"""
    mine, theirs = _quantities(new), _quantities(old)
    fresh = [leaf for leaf in mine if leaf not in theirs and _unknown(theory, leaf, old)]
    lost = [leaf for leaf in theirs if leaf not in mine and _unknown(theory, leaf, new)]
    if 0 < len(fresh) < 3 and set(fresh) <= new.free_symbols | composite(new):
        return f"{', '.join(map(str, fresh))}: in this line only. Undefined, or a wrong index?"
    bound = old.has(ExprWithLimits, Expectation, Derivative)  # a variable may be gone
    if 0 < len(lost) < 3 and not fresh and new.free_symbols and not bound:
        return f"{', '.join(map(str, lost))}: in the line before only"
    return ""


def _unknown(theory: "Theory", leaf: Expr, line: Expr) -> bool:
    """Whether nothing in a line has to do with a quantity, through definitions or as another of its family."""
    indices = {str(s) for s in leaf.free_symbols | line.free_symbols if s.is_integer}
    return not (theory.reach(leaf) & theory.reach(line)) - indices


def _quantities(expr: Basic) -> list[Expr]:
    """Indexed quantities, functions and symbols, in a fixed order."""
    found = composite(expr)
    named = expr.xreplace({node: Dummy() for node in found}).free_symbols | {
        s for node in found if not isinstance(node, Indexed) for place in places(node) for s in place.free_symbols
    }
    bare = {s for s in named if isinstance(s, Symbol) and not isinstance(s, Dummy) and not s.is_integer}
    return sorted(found | {s for s in bare if s.is_extended_real}, key=str)
