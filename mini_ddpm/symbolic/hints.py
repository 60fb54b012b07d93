"""Where to look for a mistake: what explains the numbers, the one small edit that makes the line true, or what one line
has and the other not. Nothing is said where nothing is known."""

from typing import TYPE_CHECKING

from mpmath import mp, mpf
from sympy import Basic, Dummy, Expr, Float, Indexed, N, Symbol, nsimplify

from mini_ddpm.symbolic.definitions import composite, places
from mini_ddpm.symbolic.edits import edits
from mini_ddpm.symbolic.worlds import Unchecked, WrongStep

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory

TRIED = 7  # worlds in which a hint must explain the numbers


def hint(theory: "Theory", old: Expr, new: Expr, relation: str) -> str:
    """One sentence, or nothing."""
    if found := theory.hint(old, new):
        return found
    try:
        worlds = list(theory.interpreters([old, new]))[:TRIED]
        with mp.workdps(40):
            before = [there(old) for there in worlds]
            here = [there(new) for there in worlds]
    except (Unchecked, WrongStep):
        return _by_symbols(theory, old, new)
    pairs = list(zip(before, here, strict=True))
    if relation == "=":
        return _by_numbers(pairs) or _by_edits(worlds, before, new) or _by_symbols(theory, old, new)
    return "the other way round it holds in every world" if _turned(pairs, relation) else ""


def _same(a: mpf, b: mpf) -> bool:
    return abs(a - b) <= mpf(10) ** -14 * max(abs(a), abs(b))


def _turned(pairs: list[tuple[mpf, mpf]], relation: str) -> bool:
    return all(a >= b if relation == "<=" else a <= b for a, b in pairs)


def _by_numbers(pairs: list[tuple[mpf, mpf]]) -> str:
    """What kind of mistake would explain the numbers?"""
    if all(_same(a, -b) for a, b in pairs):
        return "a sign: the two are opposite in every world"
    ratios = [b / a for a, b in pairs if a and b]
    if len(ratios) == len(pairs) and all(_same(ratio, ratios[0]) for ratio in ratios):
        return f"a constant factor: here / before = {_neat(ratios[0])} in every world"
    if all(_same(a - b, pairs[0][0] - pairs[0][1]) for a, b in pairs):
        return f"a constant: here - before = {_neat(pairs[0][1] - pairs[0][0])} in every world"
    if all(_same(a, b**2) for a, b in pairs):
        return "a square root too many: here, squared, is the line before"
    if all(_same(a**2, b) for a, b in pairs):
        return "a square too many: the line before, squared, is this one"
    if len(ratios) == len(pairs) and all(_same(a * b, 1) for a, b in pairs):
        return "upside down: this line is 1 over the line before"
    return ""


def _neat(number: mpf) -> Expr:
    """2*pi for 6.28..., and six digits of what has no short name."""
    exact = nsimplify(Float(str(number), 30), tolerance=1e-15)
    return exact if len(str(exact)) < 15 else N(Float(str(number)), 6)


def _by_edits(worlds: list, before: list[mpf], new: Expr) -> str:
    """The first small edit of the line that makes it true."""
    for words, edited in edits(new):
        if _true(worlds, before, edited):
            return words
    return ""


def _true(worlds: list, before: list[mpf], line: Expr) -> bool:
    try:
        with mp.workdps(40):
            return all(_same(there(line), value) for there, value in zip(worlds, before, strict=True))
    except (Unchecked, WrongStep, ValueError, TypeError, ZeroDivisionError):
        return False


def _by_symbols(theory: "Theory", old: Expr, new: Expr) -> str:
    """Which quantities does one line have, and the other not?"""
    mine, theirs = _quantities(new), _quantities(old)
    reached = {str(leaf) for leaf in theirs} | {str(leaf) for leaf in _quantities(theory.unfold_some(old))}
    fresh = [str(leaf) for leaf in mine if not _reached(theory, leaf, reached)]
    lost = [str(leaf) for leaf in theirs if leaf not in mine]
    if fresh:
        return f"{', '.join(fresh)}: in this line only. Undefined, or a wrong index?"
    if lost:
        return f"{', '.join(lost)}: in the line before only"
    return ""


def _reached(theory: "Theory", leaf: Expr, reached: set[str]) -> bool:
    """Whether a quantity, or all that it is defined by, stands in the line before."""
    meaning = {str(part) for part in _quantities(theory.unfold(leaf))}
    return str(leaf) in reached or (theory.unfold(leaf) != leaf and meaning <= reached)


def _quantities(expr: Basic) -> list[Expr]:
    """Indexed quantities, functions and symbols, in a fixed order."""
    found = composite(expr)
    named = expr.xreplace({node: Dummy() for node in found}).free_symbols | {
        s for node in found if not isinstance(node, Indexed) for place in places(node) for s in place.free_symbols
    }
    bare = {s for s in named if isinstance(s, Symbol) and not isinstance(s, Dummy) and not s.is_integer}
    return sorted(found | {s for s in bare if s.is_extended_real}, key=str)
