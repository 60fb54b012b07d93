"""Derivation cells: lines of mathematics, each with its reason, checked and shown as they were written.

    %%derive forward -> variance
    1 / (alpha[t]/beta[t] + 1/(1 - alpha_bar[t-1]))
    = beta[t]*(1 - alpha_bar[t-1]) / (alpha[t] - alpha[t]*alpha_bar[t-1] + beta[t])   # common denominator
    = beta[t]*(1 - alpha_bar[t-1]) / (1 - alpha_bar[t])                               # the recursion [growth]

`forward` is a theory, `growth` a fact of it; `variance` becomes the derivation. A line that begins with white space
goes on with the one before. `%load_ext mini_ddpm.symbolic.cells` makes the magic known.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import sympy
from sympy import Expr
from sympy.parsing.sympy_parser import parse_expr

from mini_ddpm.symbolic.derivation import MARKS, SIGNS, Derivation
from mini_ddpm.symbolic.printing import escaped, tex
from mini_ddpm.symbolic.theory import Theory
from mini_ddpm.symbolic.worlds import Unchecked, WrongStep

LINE = re.compile(
    r"(?P<relation><=|>=|=)?\s*(?P<expr>[^#]*?)\s*(?:#\s*(?P<because>.*?)\s*(?:\[(?P<using>[\w, ]+)\])?)?\s*"
)
KNOWN: tuple[str, ...] = (
    "sqrt",
    "log",
    "exp",
    "Sum",
    "Product",
    "Integral",
    "Derivative",
    "Rational",
    "Abs",
    "Max",
    "Min",
)
KNOWN += ("Piecewise", "oo", "pi", "sin", "cos", "tanh")


class Verdict(NamedTuple):
    """What is said of a line: "proved", "checked", "refused" or "unchecked", the author's reason, and the message."""

    line: str
    mark: str
    because: str
    message: str


class Cell:
    """The lines of a derivation cell. After a refused line it goes on from that line, as its author did.

    `derivation` is the last unbroken part; `whole` says whether no line was refused.
    """

    def __init__(self, theory: Theory, text: str, names: Mapping[str, Any]) -> None:
        self.theory, self.names = theory, names
        self.verdicts: list[Verdict] = []
        self.shown: list[str] = []
        first, *rest = _rows(text) or [""]
        written, expr, _ = self._read(first)
        self.derivation = Derivation(theory, expr)
        self.shown.append(f"&{_tidy(tex(written))}")
        for row in rest:
            self._add(row)

    @property
    def whole(self) -> bool:
        """Whether every line was accepted."""
        return all(verdict.mark in MARKS for verdict in self.verdicts)

    def _read(self, row: str) -> tuple[Expr, Expr, re.Match]:
        """A line as it was written, the same for the checker, and its parts."""
        found = LINE.fullmatch(row)
        if found is None or not found["expr"]:
            raise ValueError(f"this is no line of mathematics: {row!r}")
        known = {name: getattr(sympy, name) for name in KNOWN} | dict(self.names)
        try:
            written, expr = (parse_expr(found["expr"], known, evaluate=evaluate) for evaluate in (False, True))
        except (SyntaxError, TypeError, AttributeError, sympy.SympifyError) as error:
            raise ValueError(f"{found['expr']} can't be read as mathematics: {error}") from None
        return written, expr, found

    def _add(self, row: str) -> None:
        written, expr, found = self._read(row)
        because = found["because"] or ""
        if found["relation"] is None:
            raise ValueError(f"a line begins with =, <= or >=: {row!r}")
        try:
            facts = [self.names[name.strip()] for name in (found["using"] or "").split(",") if name.strip()]
            self.derivation.step(expr, because, facts, found["relation"])
            mark, message = self.derivation.lines[-1].mark, ""
        except (WrongStep, Unchecked) as error:
            mark, message = ("refused" if isinstance(error, WrongStep) else "unchecked"), str(error)
            self.derivation = Derivation(self.theory, expr)
        self.verdicts.append(Verdict(found["expr"], mark, because, message))
        sign, box = SIGNS[found["relation"]], MARKS.get(mark, r"\;\times")
        self.shown.append(f"&{sign} {_tidy(tex(written))} {box}{_why(because)}")

    def _repr_latex_(self) -> str:
        body = " \\\\[6pt]\n".join(self.shown)
        return f"$$\\begin{{aligned}}\n{body}\n\\end{{aligned}}$$"

    def __repr__(self) -> str:
        rows = [f"[{v.mark}] {v.line}  {v.because}".rstrip() for v in self.verdicts]
        return "\n".join([str(self.derivation.lhs), *rows])


def _tidy(latex: str) -> str:
    """1/x as a fraction, where SymPy keeps it as 1 times 1/x."""
    return re.sub(r"(?<![\d}])1 (?=\\frac\{1\})", "", latex)


def _why(because: str) -> str:
    """The reason, under its line, where a narrow page does not cut it off."""
    return rf" \\ &\quad\scriptsize\text{{{escaped(because)}}}" if because else ""


def _rows(text: str) -> list[str]:
    """Lines; one that begins with white space goes on with the line before."""
    rows: list[str] = []
    for row in text.splitlines():
        if row[:1].isspace() and rows and row.strip():
            rows[-1] += " " + row.strip()
        elif row.strip():
            rows.append(row.strip())
    return rows


def load_ipython_extension(shell: Any) -> None:
    """Make `%%derive THEORY -> NAME` known to IPython."""

    def derive(line: str, text: str) -> None:
        theory, _, name = (part.strip() for part in line.partition("->"))
        cell = Cell(shell.user_ns[theory], text, known(shell.user_ns))
        from IPython.display import display

        display(cell)
        for verdict in cell.verdicts:
            if verdict.message:
                print(verdict.message)
        if name:
            shell.user_ns[name] = cell.derivation

    shell.register_magic_function(derive, "cell", "derive")


def known(user: Mapping[str, Any]) -> dict[str, Any]:
    """The course's symbols, and whatever the notebook has defined."""
    import mini_ddpm.symbolic as symbolic

    return {name: getattr(symbolic, name) for name in symbolic.__all__} | dict(user)
