"""What a Markov chain is, as rules of normal forms.

A path has the density of its steps; q(x_t | x_{t-1}, x_0) is q(x_t | x_{t-1}); Bayes' rule turns a posterior around; a
mean is linear, enters a sum, and takes in a divergence of q from what is given along the path.
"""

from typing import TYPE_CHECKING

from sympy import Add, Expr, Integer, Mul, Product, Sum, Symbol, expand, expand_log, log

from mini_ddpm.symbolic.chains import KL, Density, E_q, Path, p, q
from mini_ddpm.symbolic.generators import NoForm
from mini_ddpm.symbolic.notation import T, s, x

if TYPE_CHECKING:
    from mini_ddpm.symbolic.normal import Normal, Scope
    from mini_ddpm.symbolic.theory import Rules


def density(normal: "Normal", node: Density, scope: "Scope") -> Expr:
    """In terms of single steps."""
    variable, *given = node.args
    if isinstance(variable, Path):
        return _path(normal, node, scope)
    if isinstance(node, q) and len(given) == 2:
        index, other = variable.indices[0], given[0].indices[0]
        if normal.conditions.at_least(index, other + 1, scope.forms):  # forward: Markov
            return normal.of(q(variable, given[0]), scope)
        if normal.conditions.at_least(other, index + 1, scope.forms) and index != 0:
            end = q(variable, x[0]) / q(given[0], x[0])
            return normal.of(q(given[0], variable), scope) * normal.of(end, scope)
    return normal.generators.name(node, node, positive=True)


def _path(normal: "Normal", node: Density, scope: "Scope") -> Expr:
    if isinstance(node, q):
        return normal.of(Product(q(x[s], x[s - 1]), (s, 1, T)), scope)
    joint = normal.of(p(x[T]), scope) * normal.of(Product(p(x[s - 1], x[s]), (s, 1, T)), scope)
    return joint / normal.of(p(x[0]), scope) if len(node.args) > 1 else joint


def mean(normal: "Normal", node: E_q, scope: "Scope") -> Expr:
    """Linear, and inside of sums."""
    f = normal.theory.unfold_some(node.args[0])
    if normal.theory.hides(f, x[0]):
        raise NoForm
    f = expand(expand_log(_opened(f)))
    return Add(*(_mean_of(normal, term, scope) for term in Add.make_args(f)))


def _opened(f: Expr) -> Expr:
    """Log densities of paths as sums, and divergences as log ratios whose mean they are."""
    f = expand_log(f)
    f = f.replace(lambda node: isinstance(node, log) and isinstance(node.args[0], Density), _log_density)
    return f.replace(lambda node: isinstance(node, KL) and _is_mean(node), lambda node: _log_ratio(node))


def _log_density(node: log) -> Expr:
    density = node.args[0]
    if not isinstance(density.args[0], Path):
        return node
    if isinstance(density, q):
        return Sum(log(q(x[s], x[s - 1])), (s, 1, T))
    joint = log(p(x[T])) + Sum(log(p(x[s - 1], x[s])), (s, 1, T))
    return joint - log(p(x[0])) if len(density.args) > 1 else joint


def _log_ratio(node: KL) -> Expr:
    return _opened(log(node.args[0]) - log(node.args[1]))


def _is_mean(node: KL) -> bool:
    """Whether a mean over paths of the log ratio is the mean of the divergence: q's, of what both are given."""
    a, b = node.args
    return isinstance(a, q) and a.args[0] == b.args[0] and {*b.args[1:]} <= {*a.args[1:], x[0]}


def _mean_of(normal: "Normal", term: Expr, scope: "Scope") -> Expr:
    constant, random = term.as_independent(x, Density, KL, as_Add=False)
    constant = normal.of(constant, scope)
    if random == 1:
        return constant
    if isinstance(random, Sum):
        return constant * normal.of(Sum(E_q(random.function), *random.limits), scope)
    inner = normal.of(random, scope)
    return constant * Add(*(_term(normal, c, h) for c, h in _split(normal, inner)))


def _split(normal: "Normal", inner: Expr) -> list[tuple[Expr, Expr]]:
    """Coefficients that do not differ from path to path, and the parts that do."""
    numerator, denominator = normal.generators.ratio(inner)
    pairs = []
    for term in Add.make_args(numerator.expand()):
        c, h = Integer(1), Integer(1)
        for factor in Mul.make_args(term / denominator):
            parts = (part for g in factor.free_symbols for part in normal.parts(normal.generators.origin[g]))
            varies = any(map(_varies, parts))
            c, h = (c, h * factor) if varies else (c * factor, h)
        pairs.append((c, h))
    return pairs


def _term(normal: "Normal", c: Expr, h: Expr) -> Expr:
    if h == 1:
        return c
    origin = E_q(normal.generators.meaning(h))
    return c * normal.generators.name(origin, origin)


def _varies(origin: Expr) -> bool:
    """Whether what a generator stands for may differ from path to path."""
    origin = origin.replace(lambda node: isinstance(node, E_q), lambda node: Symbol("mean", real=True))
    return origin.has(x) and origin != p(x[0]) and origin != log(p(x[0]))


def divergence(normal: "Normal", node: KL, scope: "Scope") -> Expr:
    """A divergence of q given x_0 alone is the mean of its log ratio; another one is taken as it is."""
    a, b = node.args
    if _is_mean(node) and {*a.args[1:], *b.args[1:]} <= {x[0]}:
        return mean(normal, E_q(_log_ratio(node)), scope)
    key = (KL, normal.key(a, scope), normal.key(b, scope))
    return normal.generators.name(key, node, nonnegative=True)


RULES: "Rules" = {Density: density, E_q: mean, KL: divergence}
