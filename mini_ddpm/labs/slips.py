"""A factor or a number that is missing, or too much, in one term of a line: a slip that the checker's own hints, which
try few edits inside of means, and none of one term after "~", may not find."""

from collections.abc import Iterator
from itertools import islice

from mpmath import mp
from sympy import Add, Expr, Integer, Mul, Pow, Rational

from mini_ddpm.symbolic import Derivation, Theory
from mini_ddpm.symbolic.constants import change
from mini_ddpm.symbolic.edits import leaves, nodes, put
from mini_ddpm.symbolic.hints import Hint
from mini_ddpm.symbolic.search import ERRORS, number, same

MOST = 300  # edits tried
LARGEST = 8  # power
NUMBERS = (Integer(2), Rational(1, 2), Integer(4), Rational(1, 4))


def forgotten(theory: Theory, old: Expr, new: Expr, up_to: Expr | None = None) -> Hint:
    """Where to look if the new line follows from the old one with one more factor in one term of a sum; and that line.

    The factor is a small number, or stands in the old line, there or upside down. The new line is taken as it was
    written. With `up_to` the lines are compared as by "~"; then a sign may be the slip, too.
    """
    if any(node.exp.is_number and abs(node.exp) > LARGEST for node in new.atoms(Pow)):
        return Hint()  # it would be multiplied out
    try:
        before, here = _seen(theory, old, up_to), _seen(theory, new, up_to)
        there = next(iter(theory.interpreters([before, here])))
        with mp.workdps(40):
            target = there(before)
        for term, factor, mended in islice(_edits(old, new, up_to), MOST):
            with mp.workdps(40):
                fits = same(number(there, _seen(theory, mended, up_to)) or 0, target)
            if fits and _follows(theory, old, mended, up_to):
                words = f"the sign of {term}" if factor == -1 else f"a factor {factor} is missing in {term}"
                return Hint(words, mended)
    except (*ERRORS, StopIteration, OverflowError, RecursionError):
        pass
    return Hint()


def _follows(theory: Theory, old: Expr, new: Expr, up_to: Expr | None) -> bool:
    step = Derivation(theory, old, up_to=up_to).try_step(new, relation="=" if up_to is None else "~")
    return step.lines[-1].error is None


def _seen(theory: Theory, line: Expr, up_to: Expr | None) -> Expr:
    """A line as it is compared."""
    return line if up_to is None else change(theory, line, up_to)


def _edits(old: Expr, new: Expr, up_to: Expr | None) -> Iterator[tuple[Expr, Expr, Expr]]:
    """Terms of sums in the new line, factors, and the new line with the factor in that term."""
    factors = [*leaves(old), *(part for _, node in nodes(old) if isinstance(node, Mul) for part in node.args)]
    factors = [one for one in dict.fromkeys(factors) if not one.is_number]
    numbers = NUMBERS if up_to is None else (*NUMBERS, Integer(-1))
    terms = [(way, part) for way, part in nodes(new) if way and isinstance(_at(new, way[:-1]), Add)]
    likely: list[tuple[tuple[int, ...], Expr, tuple[Expr, ...]]] = [(way, term, numbers) for way, term in terms]
    if up_to is None:
        likely += [(way, term, (one, 1 / one, one**2)) for way, term in terms for one in factors]
    for way, term, ones in likely:
        for one in ones:
            try:
                yield term, one, put(new, way, term * one)
            except ERRORS:
                continue


def _at(node: Expr, way: tuple[int, ...]) -> Expr:
    for k in way:
        node = node.args[k]
    return node
