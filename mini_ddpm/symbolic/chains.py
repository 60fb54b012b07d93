"""Conditional densities along a Markov chain, means over its paths, divergences.

`q(x[t], x[t - 1])` is q(x_t | x_{t-1}); `q(x[t-1], x[t], x[0])` is q(x_{t-1} | x_t, x_0); `E_q(f)` is the mean of f
over x_1..x_T ~ q(x_{1:T} | x_0); `KL(a, b)` is the divergence of two densities of the same variable.

Lines are refuted in finite chains (`finite_chains`) and proved from what a Markov chain is (`chain_rules`).
"""

from collections.abc import Iterator, Sequence

from sympy import Expr, Function, Symbol, sympify
from sympy.printing.latex import LatexPrinter

from mini_ddpm.symbolic.conditions import Conditions
from mini_ddpm.symbolic.edits import Edit
from mini_ddpm.symbolic.notation import T, t, x
from mini_ddpm.symbolic.theory import Rules, Theory
from mini_ddpm.symbolic.worlds import MOST


class Density(Function):
    """A positive density of its first argument, given the others."""

    is_positive = True
    is_extended_real = True

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        variable, *given = map(printer._print, self.args)
        name = "q" if isinstance(self, q) else "p" if self == p(x[T]) else r"p_\theta"  # the start has no weights
        bar = rf" \mid {', '.join(given)}" if given else ""
        return rf"{name}({variable}{bar})" + (f"^{{{exp}}}" if exp else "")


class q(Density):  # noqa: N801 - the paper's symbol
    """A density of the forward chain, which adds noise."""


class p(Density):  # noqa: N801 - the paper's symbol
    """A density of the reverse chain, which the network describes."""


class Path(Symbol):
    """Several variables at once: Path(1, T) is x_1, ..., x_T."""

    def __new__(cls, first: Expr, last: Expr) -> "Path":
        path = Symbol.__new__(cls, f"x_{{{first}:{last}}}")
        path.first, path.last = first, last
        return path


class E_q(Expr):  # noqa: N801 - the paper's symbol
    """The mean over x_1, ..., x_T ~ q(x_{1:T} | x_0)."""

    is_extended_real = True

    def __new__(cls, f: Expr) -> "E_q":
        return Expr.__new__(cls, sympify(f))

    def _latex(self, printer: LatexPrinter) -> str:
        return rf"\mathbb{{E}}_q\left[{printer._print(self.args[0])}\right]"


class KL(Expr):
    """The divergence of two densities of the same variable; a function of what they are given."""

    is_extended_real = True

    def _latex(self, printer: LatexPrinter) -> str:
        a, b = map(printer._print, self.args)
        return rf"D_{{\mathrm{{KL}}}}\left({a} \,\middle\|\, {b}\right)"


class ChainTheory(Theory):
    """A theory whose worlds are random finite Markov chains instead of random numbers; where t stands free, t >= 2."""

    def __init__(self) -> None:
        super().__init__()
        self.conditions = Conditions([t >= 2])

    def edits(self, node: Expr) -> Iterator[Edit]:
        """Means and densities too."""
        from mini_ddpm.symbolic.chain_edits import edits

        return edits(node)

    def vocabulary(self, *lines: Expr) -> list[Expr]:
        """The densities of the chain, their logarithms and the terms of the bound."""
        from mini_ddpm.symbolic.chain_edits import vocabulary

        return vocabulary(any(line.has(t) for line in lines))

    @property
    def rules(self) -> Rules:
        """What the prover knows of Markov chains."""
        from mini_ddpm.symbolic.chain_rules import RULES

        return RULES

    def interpreters(self, lines: Sequence[Expr], most: int = MOST) -> Iterator:
        """Finite chains of one to four steps."""
        from mini_ddpm.symbolic.finite_chains import interpreters

        return interpreters(self, lines, most)
