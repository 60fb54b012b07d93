"""LaTeX for derivations: terms in the order written, indices as t - 1."""

import re

from sympy import Add, Expr, Indexed
from sympy.assumptions import AppliedPredicate
from sympy.printing.latex import LatexPrinter

NAMES = {"alpha_bar": r"\bar{\alpha}"}


class _Printer(LatexPrinter):
    def _print_Indexed(self, expr: Indexed) -> str:
        base = NAMES.get(str(expr.base)) or self._print(expr.base)
        indices = ", ".join(self._print(index) for index in expr.indices)
        return f"{base}_{{{indices.replace(' ', '')}}}"

    def _print_Add(self, expr: Add, order: str | None = None) -> str:
        return super()._print_Add(expr, order="lex" if expr.is_integer else order)  # t - 1, not -1 + t

    def _print_AppliedPredicate(self, expr: AppliedPredicate) -> str:
        return rf"{self._print(expr.arg)} \text{{ {expr.function.name.replace('_', ' ')}}}"  # S positive definite


def tex(expr: Expr) -> str:
    """LaTeX source of an expression."""
    return _Printer({"order": "none", "ln_notation": False}).doprint(expr)


def escaped(text: str) -> str:
    """Words, for LaTeX's text: with its signs as they are."""
    return re.sub(r"([%&_#$])", r"\\\1", text)


def aligned(rows: list[str]) -> str:
    """Rows of an aligned chain of equations, for a notebook's output."""
    body = " \\\\[6pt]\n".join(rows)
    return f"$$\\begin{{aligned}}\n{body}\n\\end{{aligned}}$$"
