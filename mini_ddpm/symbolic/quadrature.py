"""Integrals in one variable, by mpmath: cut at kinks and around narrow peaks, which a blind rule would step over."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import mpmath
from mpmath import mp, mpf

Function = Callable[[mpf], mpf]
RULES = ((3, 4), (9, 11), (30, 41))  # nodes of two rules that must agree
AGREE = mpf(10) ** -26
KNOWN = mpf(10) ** -17  # how well an integral must be known, relative to its parts


class Shape(NamedTuple):
    """Where to look for what a rule would step over.

    Attributes:
        peaks: exponents inside of the function: where one is quadratic and falls on both sides, there is a peak.
        lines: what changes its sign at a kink.
        turns: x -> which way each kinked function goes there; None where there is none.
    """

    peaks: Sequence[Function]
    lines: Sequence[Function]
    turns: Callable[[mpf], str] | None


class Diverges(ValueError):  # noqa: N818 - an answer, not an error
    """The integral is not known well enough."""


def gaussian_mean(g: Function, mean: mpf, deviation: mpf, shape: Shape) -> mpf:
    """The mean of g(x) for x ~ N(mean, deviation^2)."""
    if not deviation:
        return g(mean)
    low, high = mean - 16 * deviation, mean + 16 * deviation
    peaks = filter(None, (_peak(e, (mean, deviation)) for e in shape.peaks))
    tilted = [(center, width) for center, width in peaks if abs(center - mean) > deviation]
    for center, width in tilted:  # where a large exponential moves the weight
        low, high = min(low, center - 16 * width), max(high, center + 16 * width)
    marks = landmarks(shape, (low, high), (low, high), deviation / 2)
    marks += [center + k * width for center, width in tilted for k in (-16, -6, -2, 2, 6, 16)]
    for few, many in RULES if not marks else ():
        first, second = (hermite(g, mean, deviation, n) for n in (few, many))
        if abs(first[0] - second[0]) <= AGREE * max(first[1], second[1]):
            return second[0]
    at = {low, high, *(mean + k * deviation for k in (-6, -2, 2, 6)), *marks}
    return pieces(lambda x: g(x) * density((x - mean) / deviation) / deviation, sorted(at))


def density(z: mpf) -> mpf:
    """Of N(0, 1)."""
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


def hermite(g: Function, mean: mpf, deviation: mpf, n: int) -> tuple[mpf, mpf]:
    """The rule that is exact for polynomials of degree 2 n - 1, and the size of its terms."""
    terms = [weight * g(mean + deviation * node) for node, weight in nodes(n, mp.prec)]
    return mpmath.fsum(terms), mpmath.fsum(map(abs, terms))


@cache
def nodes(n: int, precision: int) -> list[tuple[mpf, mpf]]:
    """Nodes and weights for N(0, 1): the roots of He_n, as eigenvalues in few digits, then by Newton's steps."""
    with mp.workprec(60):
        matrix = mpmath.zeros(n)
        for k in range(1, n):
            matrix[k, k - 1] = matrix[k - 1, k] = mp.sqrt(k)
        near = mp.eigsy(matrix, eigvals_only=True)
    with mp.workprec(precision + 40):
        roots = [_polished(n, +x, precision) for x in near]
        return [(x, mp.factorial(n) / (n * _hermite(n, x)[1]) ** 2) for x in roots]


def _polished(n: int, x: mpf, precision: int) -> mpf:
    """A root of He_n, of which 50 bits are known; each step doubles them."""
    for _ in range(max(1, (precision // 25).bit_length())):
        value, before = _hermite(n, x)
        x -= value / (n * before)
    return x


def _hermite(n: int, x: mpf) -> tuple[mpf, mpf]:
    """He_n and He_{n-1} at x."""
    before, value = mpf(0), mpf(1)
    for k in range(n):
        before, value = value, x * value - k * before
    return value, before


def integral(g: Function, low: mpf, high: mpf, shape: Shape) -> mpf:
    """The integral of g from low to high, either of which may be infinite."""
    near = low if mpmath.isfinite(low) else min(mpf(-50), high - 50)
    far = high if mpmath.isfinite(high) else max(mpf(50), low + 50)
    marks = [mark for mark in landmarks(shape, (low, high), (near, far), mpf("inf")) if low < mark < high]
    return pieces(g, [low, *sorted(set(marks) or {_somewhere(low, high)}), high])


def _somewhere(low: mpf, high: mpf) -> mpf:
    """A cut, so that two halves can't cancel."""
    low, high = max(low, mpf(-1)), min(high, max(low, mpf(-1)) + 2)
    return low + (high - low) * 3 / 7


def pieces(g: Function, ends: list[mpf]) -> mpf:
    """The sum of the integrals between neighbouring ends.

    Raises:
        Diverges: one of them is not known well enough.
    """
    middles = [(a + b) / 2 for a, b in pairwise(ends) if mpmath.isfinite(a) and mpmath.isfinite(b)]
    size = max((abs(g(x)) for x in middles), default=mpf(1)) or mpf(1)  # mpmath's errors are those of numbers near 1

    def scaled(x: mpf) -> mpf:
        return g(x) / size

    found = [mpmath.quad(scaled, piece, error=True, maxdegree=5, method="gauss-legendre") for piece in pairwise(ends)]
    largest = max(abs(value) for value, _ in found)
    for k, piece in enumerate(pairwise(ends)):
        if not found[k][1] <= AGREE * largest:  # not smooth up to its ends
            found[k] = mpmath.quad(scaled, piece, error=True, maxdegree=6)
    largest = max(abs(value) for value, _ in found)
    for value, error in found:
        if not mpmath.isfinite(value) or error >= 1 or error > KNOWN * largest:  # 1 stands for all above it
            raise Diverges
    return size * mpmath.fsum(value for value, _ in found)


def landmarks(shape: Shape, ends: tuple[mpf, mpf], seen: tuple[mpf, mpf], widest: mpf) -> list[mpf]:
    """Between the ends: kinks, those of `turns` where they are seen, and points around peaks up to the `widest`."""
    found = [root for line in shape.lines if (root := _root(line)) is not None]
    for center, width in filter(None, map(_peak, shape.peaks)):
        if width < widest:
            found += [center + k * width for k in (-14, -5, -1, 1, 5, 14)]
    if shape.turns is not None:
        low, high = seen
        grid = [low + (high - low) * (mpf(k) + mpf("0.371")) / 65 for k in range(65)]
        ways = [shape.turns(x) for x in grid]
        for k in range(len(grid) - 1):
            if ways[k] != ways[k + 1]:
                found.append(_turn(shape.turns, grid[k], grid[k + 1]))
    return _apart(mark for mark in found if ends[0] < mark < ends[1])


def _apart(marks: Iterable[mpf]) -> list[mpf]:
    """In order, and each only once."""
    found: list[mpf] = []
    for mark in sorted(marks):
        if not found or mark - found[-1] > mpf(10) ** -25 * (1 + abs(mark)):
            found.append(mark)
    return found


def _root(line: Function) -> mpf | None:
    """Where a linear function is zero."""
    try:
        a, b, c = (line(mpf(k)) for k in (0, 1, 2))
    except (ValueError, ZeroDivisionError, RuntimeError):
        return None
    linear = abs(c - 2 * b + a) <= mpf(10) ** -20 * (abs(a) + abs(b) + abs(c))
    return a / (a - b) if linear and a != b else None


def _peak(exponent: Function, gaussian: tuple[mpf, mpf] | None = None) -> tuple[mpf, mpf] | None:
    """Center and width of exp(exponent), times a Gaussian if its mean and deviation are given.

    None unless the exponent is quadratic and falls both ways.
    """
    try:
        a, b, c, d = (exponent(mpf(k)) for k in (-1, 0, 1, 2))
    except (ValueError, ZeroDivisionError, RuntimeError):
        return None
    if abs(d - (3 * c - 3 * b + a)) > mpf(10) ** -20 * (abs(a) + abs(b) + abs(c) + abs(d)):
        return None
    second, first = a - 2 * b + c, (c - a) / 2
    if gaussian is not None:
        mean, deviation = gaussian
        second, first = second - 1 / deviation**2, first + mean / deviation**2
    return (-first / second, 1 / mp.sqrt(-second)) if second < 0 else None


def _turn(turns: Callable[[mpf], str], low: mpf, high: mpf) -> mpf:
    """Where the kinked functions change their way, by halving."""
    before = turns(low)
    for _ in range(mp.prec + 12):
        middle = (low + high) / 2
        low, high = (middle, high) if turns(middle) == before else (low, middle)
    return (low + high) / 2


def derivative(g: Function, x: mpf, order: int) -> mpf:
    """A derivative of a function that is known to some 25 digits: differences at several distances, extrapolated."""
    if order > 1:
        return derivative(lambda y: derivative(g, y, 1), x, order - 1)
    width = abs(x) / 8 or mpf(1) / 16  # what is positive must stay so
    for narrower in (1, 16, 256):
        steps = [width / narrower / 2**k for k in range(7)]
        table = [(g(x + step) - g(x - step)) / (2 * step) for step in steps]
        for m in range(1, 7):
            before, table = table, [(4**m * b - a) / (4**m - 1) for a, b in pairwise(table)]
        if abs(table[0] - before[-1]) <= mpf(10) ** -13 * max(abs(g(x)), abs(table[0])):
            return table[0]
    raise Diverges
