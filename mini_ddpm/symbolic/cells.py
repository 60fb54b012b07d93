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

from sympy import Basic, Expr

from mini_ddpm.symbolic.derivation import Derivation
from mini_ddpm.symbolic.facts import Fact
from mini_ddpm.symbolic.induction import Induction
from mini_ddpm.symbolic.reading import UnknownName, read
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
    """A cell can't be read. The notebook shows the sentence alone: the way through this package says nothing more.

    `so_far` is the derivation up to the line that can't be.
    """

    def __init__(self, words: str, so_far: Derivation | None = None) -> None:
        super().__init__(words)
        self.so_far = so_far

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


def derive(
    theory: Theory, text: str, names: Mapping[str, Any], up_to: Expr | None = None, over: Expr | None = None
) -> Derivation:
    """The derivation that the lines of a cell are; it goes on after a refused line, as its author did.

    Raises:
        ValueError: a line can't be read; `Unread` if it is not the first one.
    """
    written = rows(text) or [""]
    first, unread = read_row(written[0], names), ""
    rest: list[Parsed] = []
    try:
        for line in written[1:]:
            rest.append(read_row(line, names))
            if rest[-1].relation is None:
                raise ValueError(f"a line begins with =, <=, >= or ~: {rest.pop().expr}")
    except ValueError as error:
        unread = str(told(error, theory))
    if unread and over is not None:
        raise Unread(unread)
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
        using = [_fact(facts, name) for name in row.using]
        because = row.because or ", ".join(row.using)
        derivation.try_step(row.expr, because, using, row.relation or "=", (row.written, row.source))
    if unread:
        raise Unread(unread, derivation if rest else None)
    return derivation


def told(error: ValueError, theory: Theory) -> ValueError:
    """The error; of a name that nobody gave, with those that a task allows."""
    if not theory.letters or not isinstance(error, UnknownName):
        return error
    return ValueError(f"{error.args[1]}: there is no such name here. You may use {', '.join(theory.letters)}")


def changed(theory: Theory, user: Mapping[str, Any]) -> str:
    """A sentence on names of a task to which the notebook has given another meaning, or ""."""
    new = [
        name
        for name, thing in theory.letters.items()
        if name in user and user[name] is not thing and not isinstance(user[name], Basic)
    ]
    words = "of another meaning in your notebook now, but the symbols still in this derivation"
    return f"{words}: {', '.join(new)}\n" if new else ""


def allowed(theory: Theory, names: dict[str, Any]) -> dict[str, Any]:
    """The names that lines may be written with: all, or those of a task and what can be used as a fact."""
    facts = {name: one for name, one in names.items() if isinstance(one, (Fact, Derivation))}
    return theory.letters | facts if theory.letters else names


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
        names = allowed(theory, names)
        try:
            up_to, over = (head[part] and read_row(head[part], names).expr for part in ("up_to", "over"))
            derivation = derive(theory, text, names, up_to, over)
        except ValueError as error:
            if (so_far := getattr(error, "so_far", None)) is not None:
                display(so_far)
            raise Unread(str(told(error, theory))) from None
        display(derivation)
        print(changed(theory, shell.user_ns), end="")
        if head["name"]:
            shell.user_ns[head["name"]] = derivation

    shell.register_magic_function(magic, "cell", "derive")


def known(user: Mapping[str, Any]) -> dict[str, Any]:
    """The course's symbols, and whatever the notebook has defined."""
    import mini_ddpm.symbolic as symbolic

    return {name: getattr(symbolic, name) for name in symbolic.__all__} | dict(user)
