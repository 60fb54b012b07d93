"""Derivations as a page shows them: lines as they were written, reasons where they can't be cut off."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from typing import NamedTuple

from sympy import Add, Expr

from mini_ddpm.symbolic.complaints import Refusal
from mini_ddpm.symbolic.printing import aligned, columns, escaped, tex
from mini_ddpm.symbolic.worlds import Unchecked, WrongStep

MARKS = {"proved": r"\blacksquare", "checked": r"\square", "refused": r"\times", "unchecked": "?", "": ""}
SIGNS = {"=": "=", "<=": r"\le", ">=": r"\ge", "~": r"\simeq", "": "", "assuming": r"\text{assuming }"}
WIDEST = 66  # letters of mathematics, which take the room of 90 columns of text
TEXT = 90
SHORT = 24  # what stands before the first = of a chain


class Row(NamedTuple):
    """A line to be shown: relation to the one before, expression, reason, mark, and why it was refused."""

    relation: str
    expr: Expr
    because: str = ""
    mark: str = ""
    error: WrongStep | Unchecked | None = None


def latex(rows: Sequence[Row]) -> str:
    """An aligned chain. Reasons stand in a column of their own if all lines leave room for it, else under the lines."""
    longest = max(len(row.because) for row in rows) * WIDEST / TEXT
    beside = longest + max(columns(tex(row.expr)) for row in rows) <= WIDEST
    shown = list(_begun(rows, beside))
    if any(row.relation == "~" for row in rows):
        shown.append(r"&\scriptsize\text{(≃: equal up to what does not depend on the variable)}")
    return aligned(shown)


def _begun(rows: Sequence[Row], beside: bool) -> Iterator[str]:
    """The rows; a short left side shares its line with the first row after it."""
    left = ""
    for k, row in enumerate(rows):
        joined = k + 1 < len(rows) and not row.because and rows[k + 1].relation in ("=", "<=", ">=")
        if not row.relation and joined and columns(tex(row.expr)) <= SHORT:
            left = tex(row.expr) + " "
            continue
        yield from _lines(row, left, beside)
        left = ""


def _lines(row: Row, left: str, beside: bool) -> Iterator[str]:
    """A row; a wide sum is broken between its terms."""
    *parts, last = broken(row.expr)
    sign = f"{left}&{SIGNS[row.relation]} "
    for part in parts:
        yield sign + part
        sign = r"&\quad "
    mark = rf" \;{MARKS[row.mark]}" if row.mark else ""
    yield sign + last + mark + (rf" &&\text{{{escaped(row.because)}}}" if row.because and beside else "")
    if not beside:
        yield from (rf"&\quad\scriptsize\text{{{escaped(words)}}}" for words in _wrapped(row.because) if words)


def _wrapped(words: str) -> list[str]:
    lines = [""]
    for word in words.split():
        lines = [*lines, word] if len(lines[-1]) + len(word) >= TEXT else [*lines[:-1], f"{lines[-1]} {word}".strip()]
    return lines


def broken(expr: Expr) -> list[str]:
    """LaTeX of an expression, of a wide sum in several lines."""
    whole = tex(expr)
    if columns(whole) <= WIDEST or not isinstance(expr, Add):
        return [whole]
    groups: list[list[Expr]] = [[]]
    for term in expr.args:
        if groups[-1] and sum(columns(tex(one)) + 2 for one in (*groups[-1], term)) > WIDEST:
            groups.append([])
        groups[-1].append(term)
    shown = [tex(group[0] if len(group) == 1 else Add(*group, evaluate=False)) for group in groups]
    return [shown[0], *(line if line.startswith("-") else f"+ {line}" for line in shown[1:])]


def html(rows: Sequence[Row]) -> str:
    """The same with an explanation under every refused line; its case is folded away."""
    parts = []
    for _, group in groupby(enumerate(rows), key=lambda item: sum(row.error is not None for row in rows[: item[0]])):
        lines = [row for _, row in group]
        parts.append(f"<div>{escape(latex(lines), quote=False)}</div>")
        if (error := lines[-1].error) is not None:
            after_wrong = len(lines) == 1 and bool(parts[:-1])  # a hint to make it like a wrong line misleads
            parts.append(_explained(error.args[0], lines[-1].expr, after_wrong))
    return "\n".join(parts)


def _explained(why: object, yours: Expr, after_wrong: bool) -> str:
    if not isinstance(why, Refusal):
        return f"<p>{escape(str(why))}</p>"
    place = f"{escape(why.place)}:<br>" if why.place else ""
    yours = why.here if why.place else yours
    lines = rf"{place}given $\displaystyle {tex(why.before)}$<br>yours $\displaystyle {tex(yours)}$"
    values = f"<br>in one case {why.values[0]} given, {why.values[1]} yours"
    hint = f"<br><b>look at:</b> {escape(why.hint)}" if why.hint else ""
    if after_wrong:
        hint = "<br>It does not follow from the line before, which is wrong itself."
    case = f"<details><summary>the case</summary>{escape(why.world)}</details>"
    return f'<div style="margin-left:2em">{lines}{values}{hint}{case}</div>'
