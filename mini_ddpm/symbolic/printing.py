"""LaTeX for derivations: terms in the order written, indices as t - 1."""

from sympy import Expr, Indexed, latex
from sympy.printing.latex import LatexPrinter

NAMES = {"alpha_bar": r"\bar{\alpha}"}


class _Printer(LatexPrinter):
    def _print_Indexed(self, expr: Indexed) -> str:
        base = NAMES.get(str(expr.base)) or self._print(expr.base)
        indices = ", ".join(latex(index) for index in expr.indices)  # t - 1, in the usual order
        return f"{base}_{{{indices.replace(' ', '')}}}"


def tex(expr: Expr) -> str:
    """LaTeX source of an expression."""
    return _Printer({"order": "none", "ln_notation": False}).doprint(expr)


def aligned(rows: list[str]) -> str:
    """Rows of an aligned chain of equations, for a notebook's output."""
    body = " \\\\[6pt]\n".join(rows)
    return f"$$\\begin{{aligned}}\n{body}\n\\end{{aligned}}$$"
