"""What the page "Check a line" asks of the package, in the browser: text in, a dict of plain values out."""

import html
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from sympy import Expr, IndexedBase, Symbol, sqrt, symbols

from mini_ddpm.course.exercises import Compute, Derive, Predict, exercise
from mini_ddpm.symbolic import alpha_bar, eps, forward_process, recursion, t, x
from mini_ddpm.symbolic.cells import derive, known
from mini_ddpm.symbolic.reading import read

CALL = re.compile(r"\s*\w+\.check\((.*)\)\s*", re.DOTALL)


def lines(text: str, positive: str, real: str) -> dict[str, Any]:
    """The lines of a derivation cell over the forward process: the page's HTML, and whether all of them are right."""
    theory = forward_process()
    theory.define(x[t], sqrt(alpha_bar[t]) * x[0] + sqrt(1 - alpha_bar[t]) * eps)
    names = known({"epsilon": eps, "growth": recursion(theory)})
    try:
        for letters, kind in ((positive, {"positive": True}), (real, {"real": True})):
            names |= {name: symbols(name, **kind) for name in re.findall(r"\w+", letters)}
        found = derive(theory, text, names)
    except ValueError as error:
        return {"right": False, "html": f"<p>{html.escape(str(error))}</p>"}
    marks = [line.mark for line in found.lines[1:]]
    shown = found._repr_html_() or f"<div>{html.escape(found._repr_latex_(), quote=False)}</div>"
    told = ", ".join(f"line {k}: {mark}" for k, mark in enumerate(marks, 2)) or "one line alone claims nothing"
    right = bool(marks) and all(mark in ("proved", "checked") for mark in marks)
    return {"right": right, "html": shown, "words": told}


def reply(number: str, text: str) -> dict[str, Any]:
    """What an exercise says to an answer, typed as in the notebook, with q.check(...) around it or without."""
    asked = exercise(number)
    inside = CALL.fullmatch(text)
    text = (inside[1] if inside else text).strip()
    if not text:
        return {"right": False, "words": "Type an answer first."}
    try:
        if isinstance(asked, Compute):
            answers = [function(text)]
        elif isinstance(asked, (Derive, Predict)):
            answers = [read(part, letters(asked))[1] for part in parts(text)]
        else:
            answers = [text]
        if isinstance(asked, Predict):
            answers = [float(answer) for answer in answers]
    except (ValueError, TypeError) as error:
        return {"right": False, "words": str(error)}
    said = asked.check(*answers)
    return {"right": said.right, "words": said.words.replace("`q.hint()`", "the button")}


def function(text: str) -> Callable:
    """The last function that a learner's program defines; the names of `math` are there."""
    text = re.sub(r"^q\.check\(.*\)$", "", text, flags=re.MULTILINE)
    names = {"math": math, **vars(math)}
    given = set(names)
    try:
        exec(text, names)  # in the reader's own browser
    except Exception as error:  # a learner's program may raise anything, and is told what
        raise ValueError(f"{type(error).__name__}: {error}") from None
    found = [value for name, value in names.items() if name not in given and callable(value)]
    if not found:
        raise ValueError("Define the function that is asked for: def ...")
    return found[-1]


def letters(asked: Any) -> Mapping[str, Any]:
    """The course's names, and those that an exercise uses."""
    found = known({"epsilon": eps})
    if isinstance(asked, Derive):
        for expr in (asked.question, asked.answer, *(mistake for mistake, _ in asked.mistakes)):
            for atom in expr.atoms(Symbol, IndexedBase) if isinstance(expr, Expr) else ():
                found.setdefault(str(atom), atom)
    return found


def parts(text: str) -> list[str]:
    """What stands between the commas that are in no bracket; a bracket around all of it is taken off."""
    if re.fullmatch(r"[(\[][^()\[\]]*,[^()\[\]]*[)\]]", text):
        text = text[1:-1]
    found, depth = [""], 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return found


def hint(number: str, place: int) -> str:
    """The hint at that place, from 0; empty after the last one."""
    hints = exercise(number).hints
    return hints[place] if place < len(hints) else ""


def solution(number: str) -> str:
    """The solution, in Markdown."""
    return exercise(number).why
