"""Small edits of a line: the slips that people make, undone one at a time."""

from collections.abc import Iterator

from sympy import Add, Basic, Expr, Indexed, IndexedBase, Integer, Mul, Pow, Product, Rational, Sum, Symbol, log, sqrt

from mini_ddpm.symbolic.gaussian import Expectation

MOST = 600
FAMILY = ("alpha", "alpha_bar", "beta")  # which are taken for each other
Path = tuple[int, ...]


def edits(line: Expr) -> Iterator[tuple[str, Expr]]:
    """(what the edit is, the line with it), the likeliest first."""
    found = [(rank, words, path, new) for path, node in nodes(line) for rank, words, new in _edits_of(node, line)]
    for _, words, path, new in sorted(found, key=lambda item: item[0])[:MOST]:
        try:
            yield words, put(line, path, new)
        except (TypeError, ValueError, AttributeError, ZeroDivisionError):
            continue  # the tree does not allow it there


def nodes(node: Expr, path: Path = ()) -> Iterator[tuple[Path, Expr]]:
    """Every sub-expression with the way to it, but for bases of indices, matrices and what is bound."""
    yield path, node
    for k, argument in enumerate(node.args):
        bound = (isinstance(node, (Sum, Product)) and k > 0) or (isinstance(node, Expectation) and k == 1)
        inside = isinstance(argument, Expr) and not argument.is_Matrix
        if inside and not bound and not (isinstance(node, Indexed) and k == 0):
            yield from nodes(argument, (*path, k))


def put(node: Basic, path: Path, new: Expr) -> Expr:
    """The expression with the node at `path` replaced."""
    if not path:
        return new
    arguments = list(node.args)
    arguments[path[0]] = put(arguments[path[0]], path[1:], new)
    return node.func(*arguments)


def _edits_of(node: Expr, line: Expr) -> Iterator[tuple[int, str, Expr]]:
    for rules in (_of_signs, _of_symbols, _of_powers, _of_numbers, _of_sums, _of_means):
        yield from rules(node)
    yield from _of_factors(node, line)


def _of_signs(node: Expr) -> Iterator[tuple[int, str, Expr]]:
    if isinstance(node, Add):
        for term in node.args:
            yield 0, f"the sign of {term}", node - 2 * term
        for term in node.args:
            yield 3, f"{term}: without it the line is true", node - term
    if isinstance(node, Mul):
        for factor in node.args:
            if factor != -1:
                yield 3, f"the factor {factor}: without it the line is true", node / factor


def _of_symbols(node: Expr) -> Iterator[tuple[int, str, Expr]]:
    if isinstance(node, Indexed):
        for name in FAMILY if str(node.base) in FAMILY else ():
            other = IndexedBase(name, positive=True)[node.indices]
            if other != node:
                yield 1, f"{node}: should it be {other}?", other
        index = node.indices[0]
        for shifted in (index - 1, index + 1):
            yield 1, f"the index of {node}: should it be {node.base[shifted]}?", node.base[shifted]


def _of_powers(node: Expr) -> Iterator[tuple[int, str, Expr]]:
    if isinstance(node, Pow):
        for exponent in {2 * node.exp, node.exp / 2, -node.exp} if node.exp.is_Rational else ():
            yield 1, f"the power of {node.base}: {node.base**exponent} makes the line true", node.base**exponent
    elif isinstance(node, (Symbol, Indexed, Add, log)) and not node.is_integer:
        for new, words in ((node**2, "a square"), (sqrt(node), "a root"), (1 / node, "1 over it")):
            yield 2, f"{node}: {words} is missing", new


def _of_numbers(node: Expr) -> Iterator[tuple[int, str, Expr]]:
    if node.is_Rational and node != 0:
        for new in (2 * node, node / 2, node + 1, node - 1, 1 / node):
            yield 2, f"the number {node}: {new} makes the line true", new


def _of_sums(node: Expr) -> Iterator[tuple[int, str, Expr]]:
    if isinstance(node, (Sum, Product)) and len(node.limits) == 1:
        index, first, last = node.limits[0]
        for a, b in ((first + 1, last), (first - 1, last), (first, last - 1), (first, last + 1)):
            yield (
                1,
                f"the limits of the sum: from {a} to {b} makes the line true",
                node.func(node.function, (index, a, b)),
            )


def _of_means(node: Expr) -> Iterator[tuple[int, str, Expr]]:
    if isinstance(node, Expectation):
        f, variable, mean, variance = node.args
        yield 2, "the mean's variance: its square makes the line true", Expectation(f, variable, mean, variance**2)
        yield 2, "the mean's variance: its root makes the line true", Expectation(f, variable, mean, sqrt(variance))


def _of_factors(node: Expr, line: Expr) -> Iterator[tuple[int, str, Expr]]:
    """A factor that may have been forgotten, of what the line has."""
    if not isinstance(node, (Add, Mul, Symbol, Indexed, Pow)) or node.is_integer:
        return
    kept = line.atoms(Indexed) | {
        s for s in line.free_symbols if s.is_Symbol and s.is_extended_real and not s.is_integer
    }
    for one in sorted((k for k in kept if k.is_extended_real), key=str)[:8]:
        for factor in (one, 1 / one, sqrt(one)) if one.is_positive else (one, 1 / one):
            yield 4, f"{factor}: as a factor of {node} it makes the line true", node * factor
    for number in (Integer(2), Rational(1, 2)):
        yield 2, f"a factor {number} of {node}", node * number
