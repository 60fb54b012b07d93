"""LaTeX for derivations: terms in the order written, indices as t - 1."""

import re

from sympy import Add, Basic, Expr, Function, Indexed, Mul, Pow, S, Symbol
from sympy.assumptions import AppliedPredicate
from sympy.printing.latex import LatexPrinter

NAMES = {"alpha_bar": r"\bar{\alpha}"}
SYMBOLS = {"eps": r"\epsilon", "eps_hat": r"\hat{\epsilon}", "x_hat": r"\hat{x}"}  # as they are typed
SYMBOLS |= {f"snr_{k}": rf"\mathrm{{SNR}}_{k}" for k in "st"}


class _Printer(LatexPrinter):
    def _print_Indexed(self, expr: Indexed) -> str:
        base = NAMES.get(str(expr.base)) or self._print(expr.base)
        indices = ", ".join(self._print(index) for index in expr.indices)
        return f"{base}_{{{indices.replace(' ', '')}}}"

    def _print_Symbol(self, expr: Symbol, style: str = "plain") -> str:
        return SYMBOLS.get(expr.name) or super()._print_Symbol(expr, style)

    def _print_Add(self, expr: Add, order: str | None = None) -> str:
        return super()._print_Add(expr, order="lex" if expr.is_integer else order)  # t - 1, not -1 + t

    def _print_AppliedPredicate(self, expr: AppliedPredicate) -> str:
        return rf"{self._print(expr.arg)} \text{{ {expr.function.name.replace('_', ' ')}}}"  # S positive definite


def tex(expr: Expr) -> str:
    """LaTeX source of an expression."""
    return _Printer({"order": "none", "ln_notation": False}).doprint(_flat(expr))


def _flat(expr: Basic) -> Basic:
    """Products in products as one: what SymPy keeps as 1 * (1/x), asked not to evaluate, is a fraction to a reader."""
    if not isinstance(expr, (Add, Mul, Pow, Function)):
        return expr
    parts = [_flat(part) for part in expr.args]
    if isinstance(expr, Mul):
        parts = [one for part in parts for one in (part.args if isinstance(part, Mul) else (part,)) if one != 1] or [
            S.One
        ]
    return expr.func(*parts, evaluate=False) if len(parts) > 1 or not isinstance(expr, Mul) else parts[0]


BLANK = ("left", "right", "displaystyle", "limits", ",", ";", "!", " ")


def columns(latex: str) -> float:
    """About how wide an expression is on a page, in letters: a fraction is as wide as its wider part."""
    width, rest = 0.0, latex
    while rest:
        sign, rest = _taken(rest)
        if sign == r"\frac":
            (above, rest), (below, rest) = (found := _taken(rest)), _taken(found[1])
            width += max(columns(above), columns(below))
        elif sign in ("_", "^"):
            small, rest = _taken(rest)
            width += 0.6 * columns(small)
        elif len(sign) > 1 and sign[0] != "\\":
            width += columns(sign)
        elif sign.strip("\\") not in BLANK:
            width += 2 if sign in "+-=" else 1
    return width


def _taken(latex: str) -> tuple[str, str]:
    """The first sign, command or group (a blank for its braces), and the rest."""
    latex = latex.lstrip()
    if not latex.startswith("{"):
        sign = re.findall(r"\\[a-zA-Z]+|\\.|.|$", latex, re.DOTALL)[0]
        return sign, latex[len(sign) :]
    ends = (k for k in range(len(latex)) if latex[: k + 1].count("{") == latex[: k + 1].count("}"))
    end = next(ends, len(latex))
    return " " + latex[1:end], latex[end + 1 :]


def escaped(text: str) -> str:
    """Words, for LaTeX's text: with its signs as they are, or signs that look like them."""
    return re.sub(r"([%&_#${}])", r"\\\1", text.translate(str.maketrans("^~\\", "\u02c6\u223c\u2216")))


def aligned(rows: list[str]) -> str:
    """Rows of an aligned chain of equations, for a notebook's output."""
    body = " \\\\[6pt]\n".join(rows)
    return f"$$\\begin{{aligned}}\n{body}\n\\end{{aligned}}$$"
