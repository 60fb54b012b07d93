"""Derivation cells: lines of mathematics, each with its reason, checked and shown as they were written.

    %%derive forward -> variance
    1 / (alpha[t]/beta[t] + 1/(1 - alpha_bar[t-1]))
    = beta[t]*(1 - alpha_bar[t-1]) / (alpha[t] - alpha[t]*alpha_bar[t-1] + beta[t])   # common denominator
    = beta[t]*(1 - alpha_bar[t-1]) / (1 - alpha_bar[t])                               # the recursion [growth]

`forward` is a theory, `growth` a fact of it; `variance` becomes the derivation. A line that begins with white space
goes on with the one before. After `%%derive forward -> post up to x[t-1]` a line may begin with `~`: equal, but for
what does not depend on x[t-1]. `%%derive forward -> closed by induction over t` claims that the first line equals the
last one, and proves it from t - 1 to t; `[hypothesis]` stands for the claim for t - 1.
`%load_ext mini_ddpm.symbolic.cells` makes the magic known.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from sympy import Expr

from mini_ddpm.symbolic.derivation import Derivation
from mini_ddpm.symbolic.facts import Fact
from mini_ddpm.symbolic.induction import Induction
from mini_ddpm.symbolic.reading import read
from mini_ddpm.symbolic.theory import Theory

HEAD = re.compile(
    r"(?P<theory>\w+)(?:\s*->\s*(?P<name>\w+))?(?:,?\s+up to\s+(?P<up_to>.+?))?"
    r"(?:,?\s+by induction over\s+(?P<over>\w+))?"
)
RELATION = re.compile(r"\s*(<=|>=|=|~)")
LINE = re.compile(
    r"(?P<relation><=|>=|=|~)?\s*(?P<expr>[^#]*?)\s*(?:#\s*(?P<because>.*?)\s*(?:\[(?P<using>[\w, ]+)\])?)?\s*"
)


class Parsed(NamedTuple):
    """A row of a cell: its text, as it was written, the same for the checker, and its parts."""

    source: str
    written: Expr
    expr: Expr
    relation: str | None
    because: str
    using: list[str]


class Unread(ValueError):  # noqa: N818 - it says what is in the way
    """A cell can't be read. The notebook shows the sentence alone: the way through this package says nothing more."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


def derive(
    theory: Theory, text: str, names: Mapping[str, Any], up_to: Expr | None = None, over: Expr | None = None
) -> Derivation:
    """The derivation that the lines of a cell are; it goes on after a refused line, as its author did.

    Raises:
        ValueError: a line can't be read.
    """
    first, *rest = [read_row(row, names) for row in rows(text)] or [read_row("", names)]
    if over is None:
        derivation = Derivation(theory, first.expr, up_to=up_to)
        facts = dict(names)
    else:
        derivation = Induction(theory, first.expr, (rest or [first])[-1].expr, over)
        facts = dict(names) | {"hypothesis": derivation.hypothesis}
    derivation.lines[0] = derivation.lines[0]._replace(
        written=first.written, source=first.source, because=first.because
    )
    for row in rest:
        if row.relation is None:
            raise ValueError(f"a line begins with =, <=, >= or ~: {row.expr}")
        using = [_fact(facts, name) for name in row.using]
        because = row.because or ", ".join(row.using)
        derivation.try_step(row.expr, because, using, row.relation, (row.written, row.source))
    return derivation


def _fact(names: Mapping[str, Any], name: str) -> Fact:
    found = names.get(name)
    if isinstance(found, Derivation):
        return found.fact()
    if not isinstance(found, Fact):
        raise ValueError(f"[{name}] is no fact: give a Fact or a derivation's name there")
    return found


def read_row(row: str, names: Mapping[str, Any]) -> Parsed:
    """A row of a cell.

    Raises:
        ValueError: it can't be read.
    """
    found = LINE.fullmatch(row)
    if found is None or not found["expr"]:
        raise ValueError(f"this is no line of mathematics: {row!r}")
    using = [name.strip() for name in (found["using"] or "").split(",") if name.strip()]
    return Parsed(found["expr"], *read(found["expr"], names), found["relation"], found["because"] or "", using)


def rows(text: str) -> list[str]:
    """Lines; one that begins with white space, and not with a relation, goes on with the line before.

    A line that has nothing but a comment is none.
    """
    found: list[list[str]] = []  # what is before a #, and what is after it
    for row in text.splitlines():
        line, _, because = (part.strip() for part in row.partition("#"))
        if row[:1].isspace() and found and row.strip() and not RELATION.match(row):
            found[-1] = [f"{before} {more}".strip() for before, more in zip(found[-1], (line, because), strict=True)]
        elif line:
            found.append([line, because])
    return [f"{line} # {because}" if because else line for line, because in found]


def load_ipython_extension(shell: Any) -> None:
    """Make `%%derive THEORY -> NAME` known to IPython."""

    def magic(line: str, text: str) -> None:
        from IPython.display import display

        if (head := HEAD.fullmatch(line.strip())) is None:
            raise ValueError(f"%%derive theory -> name, then up to x, or by induction over t; not {line!r}")
        names = known(shell.user_ns)
        if not isinstance(theory := names.get(head["theory"]), Theory):
            raise Unread(f"{head['theory']} is no theory here: run the cell above that makes it, again if need be")
        try:
            up_to, over = (head[part] and read_row(head[part], names).expr for part in ("up_to", "over"))
            derivation = derive(theory, text, names, up_to, over)
        except ValueError as error:
            raise Unread(str(error)) from None
        display(derivation)
        if head["name"]:
            shell.user_ns[head["name"]] = derivation

    shell.register_magic_function(magic, "cell", "derive")


def known(user: Mapping[str, Any]) -> dict[str, Any]:
    """The course's symbols, and whatever the notebook has defined."""
    import mini_ddpm.symbolic as symbolic

    return {name: getattr(symbolic, name) for name in symbolic.__all__} | dict(user)
