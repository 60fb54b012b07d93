"""Mistakes that people make, planted into a true line at every place where they fit."""

from collections.abc import Iterator

from sympy import Add, Expr, Indexed, Integer, Mul, Pow, Product, S, Sum, Symbol, log, sqrt

from mini_ddpm.symbolic import KL, E_q, Expectation, alpha, alpha_bar, beta, eps, p, q, snr

LOOKALIKES = {
    alpha: [alpha_bar, beta],
    alpha_bar: [alpha],
    beta: [alpha],
}
PAIRS = [("mu_1", "mu_2"), ("sigma_1", "sigma_2"), ("x_0", "x_t"), ("epsilon", r"\epsilon_\theta"), ("v", "s")]
TWINS = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}


def mutants(line: Expr) -> Iterator[tuple[str, Expr]]:
    """(kind of mistake, the line with one such mistake), for every kind and place."""
    for kind, mutant, _, _ in changes(line):
        yield kind, mutant


def changes(line: Expr) -> Iterator[tuple[str, Expr, Expr, Expr]]:
    """Kind of mistake, the line with one, what was right there, and what became of it (0 or 1 where it was dropped)."""
    for path, node in places(line):
        for kind, wrong, *what in mistakes(node):
            try:
                mutant = put(line, path, wrong)
            except (TypeError, ValueError, AttributeError):
                continue  # the tree does not allow it there
            if mutant != line:
                yield kind, mutant, *(what or (node, wrong))


def places(node: Expr, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Expr]]:
    """Every sub-expression with the way to it, leaving out bases of indices and bound variables."""
    yield path, node
    for k, argument in enumerate(node.args):
        bound = isinstance(node, (Sum, Product)) and k > 0
        variable = isinstance(node, Expectation) and k == 1
        base = isinstance(node, Indexed) and k == 0
        if not (bound or variable or base):
            yield from places(argument, (*path, k))


def put(node: Expr, path: tuple[int, ...], new: Expr) -> Expr:
    """The expression with the node at `path` replaced."""
    if not path:
        return new
    arguments = list(node.args)
    arguments[path[0]] = put(arguments[path[0]], path[1:], new)
    return node.func(*arguments)


def mistakes(node: Expr) -> Iterator[tuple]:
    """(kind, wrong version of the node), and of a term or factor what it was and became."""
    yield from of_numbers(node)
    yield from of_powers(node)
    yield from of_terms(node)
    yield from of_symbols(node)
    yield from of_sums(node)
    yield from of_densities(node)


def of_numbers(node: Expr) -> Iterator[tuple[str, Expr]]:
    if node.is_Rational and node not in (0, 1, -1):
        yield "factor 2", node * 2
        yield "constant inverted", 1 / node
    if node.is_Integer:
        yield "off by one", node + 1


def of_powers(node: Expr) -> Iterator[tuple[str, Expr]]:
    if not isinstance(node, Pow):
        return
    base, exponent = node.args
    if exponent == 2:
        yield "square dropped", base
    if exponent in (S.Half, -S.Half):
        yield "root dropped", base ** (2 * exponent)
    if exponent == -1:
        yield "numerator for denominator", base
        yield "root added", 1 / sqrt(base)


def of_terms(node: Expr) -> Iterator[tuple]:
    if isinstance(node, Add):
        for term in node.args:
            yield "sign", node - 2 * term, term, -term
            yield "term dropped", node - term, term, S.Zero
    if isinstance(node, Mul):
        yield "sign", -node
        for factor in node.args:
            if factor != -1:
                yield "factor dropped", node / factor, factor, S.One
    if isinstance(node, log):
        yield "log dropped", node.args[0]
        yield "log inverted", -node


def of_symbols(node: Expr) -> Iterator[tuple[str, Expr]]:
    if isinstance(node, Indexed):
        index = node.indices[0]
        if index != 0:
            yield "index - 1", node.base[index - 1]
        yield "index + 1", node.base[index + 1]
        for other in LOOKALIKES.get(node.base, []):
            yield "wrong symbol", other[index]
    if node.func == snr:
        yield "index - 1", snr(node.args[0] - 1)
        yield "SNR inverted", 1 / node
    if isinstance(node, Symbol) and node.name in TWINS:
        yield "twin symbol", Symbol(TWINS[node.name], **node.assumptions0)
    if node == eps:
        yield "noise squared", eps**2


def of_sums(node: Expr) -> Iterator[tuple[str, Expr]]:
    if isinstance(node, (Sum, Product)):
        index, first, last = node.limits[0]
        yield "lower limit", node.func(node.function, (index, first + 1, last))
        yield "upper limit", node.func(node.function, (index, first, last - 1))
        yield "sum dropped", node.function.subs(index, first)


def of_densities(node: Expr) -> Iterator[tuple]:
    if isinstance(node, E_q):
        yield "mean dropped", node.args[0]
    if isinstance(node, KL):
        yield "divergence turned", KL(*reversed(node.args))
    if isinstance(node, (p, q)) and len(node.args) > 1:
        yield "arguments swapped", node.func(node.args[1], node.args[0], *node.args[2:])
        yield "condition dropped", node.func(*node.args[:-1])
        yield "q for p", (p if isinstance(node, q) else q)(*node.args)
    if isinstance(node, Expectation):
        f, variable, mean, variance = node.args
        yield "mean dropped", f.xreplace({variable: mean})
        yield "deviation for variance", Expectation(f, variable, mean, sqrt(variance)), variance, sqrt(variance)
        yield "centre forgotten", Expectation(f, variable, Integer(0), variance), mean, S.Zero
