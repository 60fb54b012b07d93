"""A factor that was forgotten in one term of a line: a slip that the checker's own hints, which try few edits inside of
means, may not find."""

from collections.abc import Iterator
from itertools import islice

from mpmath import mp
from sympy import Add, Expr, Mul, Pow

from mini_ddpm.symbolic import Derivation, Theory
from mini_ddpm.symbolic.edits import leaves, nodes, put
from mini_ddpm.symbolic.search import ERRORS, number, same

MOST = 300  # edits tried
LARGEST = 8  # power


def forgotten(theory: Theory, old: Expr, new: Expr) -> str:
    """What to look at if the new line follows from the old one with one more factor in one term of a sum, or "".

    The factor is one that stands in the old line, there or upside down.
    """
    if any(node.exp.is_number and abs(node.exp) > LARGEST for node in new.atoms(Pow)):
        return ""  # it would be multiplied out
    try:
        there = next(iter(theory.interpreters([old, new])))
        with mp.workdps(40):
            target = there(old)
        for term, factor, mended in islice(_edits(old, new), MOST):
            with mp.workdps(40):
                fits = same(number(there, mended) or 0, target)
            if fits and Derivation(theory, old).try_step(mended).lines[-1].error is None:
                return f"a factor {factor} is missing in {term}"
    except (*ERRORS, StopIteration, OverflowError, RecursionError):
        pass
    return ""


def _edits(old: Expr, new: Expr) -> Iterator[tuple[Expr, Expr, Expr]]:
    """Terms of sums in the new line, factors of the old one, and the new line with the factor in that term."""
    factors = [*leaves(old), *(part for _, node in nodes(old) if isinstance(node, Mul) for part in node.args)]
    factors = [one for one in dict.fromkeys(factors) if not one.is_number]
    terms = [(way, part) for way, part in nodes(new) if way and isinstance(_at(new, way[:-1]), Add)]
    for way, term in terms:
        for factor in factors:
            for one in (factor, 1 / factor, factor**2):
                try:
                    yield term, one, put(new, way, term * one)
                except ERRORS:
                    continue


def _at(node: Expr, way: tuple[int, ...]) -> Expr:
    for k in way:
        node = node.args[k]
    return node
