"""Whether a hint names the mistake that was planted: in false steps of the corpus, and in true lines of notebooks."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import derivations
import planted
from sympy import Expr, expand, pi, sqrt, sympify

from mini_ddpm.symbolic import Theory, Unchecked, WrongStep, hints


class Case(NamedTuple):
    """A false line, what was done to it, and the words of which a hint must have one; `right` if it is known."""

    kind: str
    what: str
    theory: Theory
    old: Expr
    new: Expr
    right: Expr | None
    words: tuple[str, ...]


KINDS = {
    "sign": ("sign",),
    "square": ("square", "root", "power", "**2", "sqrt"),
    "root": ("square", "root", "power", "**2", "sqrt"),
    "reciprocal": ("upside down", "power", "1/", "swapped"),
    "index": ("index", "limits", "argument"),
    "cross term": ("term",),
    "swapped": ("swapped", "signs", "upside down", "everywhere"),
    "log inside": ("inside",),
    "Sum for Product": ("Sum",),
    "Product for Sum": ("Product",),
}


def corpus() -> Iterator[Case]:
    """The false steps whose slip is one small edit."""
    for path in sorted(Path(derivations.__file__).parent.glob("false_*.py")):
        module = import_module(f"derivations.{path.stem}")
        for number, what in getattr(module, "EDITS", {}).items():
            step = module.STEPS[number]
            if step.relation == "=":
                kind, words = needed(what, vars(module))
                yield Case(kind, f"{path.stem} {number}: {what}", step.given()[0], step.before, step.after, None, words)


def needed(what: str, names: dict) -> tuple[str, tuple[str, ...]]:
    """The kind of a slip, and the words of which its hint must have one."""
    if (kind := next((kind for kind in KINDS if what.startswith(kind)), None)) is not None:
        return kind, KINDS[kind]
    if what.startswith("factor"):
        value = read(what.removeprefix("factor ").split(" in ")[0], names)
        numbers = (value, 1 / value, -value)
        factors = [form.format(one) for form in ("factor {}", "number {}", "before = {}") for one in numbers]
        return "factor", (*factors, f"{value} makes")
    value = read(re.sub(r" \(.*|.* -> |^index of |.* of (?=\w+$)| inside of .*|index \w of", "", what), names)
    return "expression", tuple(dict.fromkeys([what, str(value)]))


def read(text: str, names: dict) -> object:
    """An expression in the words of EDITS, and the words themselves where they are none."""
    try:
        return sympify(text if text.replace("/", "").isdigit() else eval(text, {"sqrt": sqrt, "pi": pi, **names}))
    except (NameError, SyntaxError, TypeError):
        return text


def planted_in(steps: list) -> Iterator[Case]:
    """Every mistake that fits into the true equalities."""
    seen = set()
    for theory, old, new, relation in steps:
        for kind, mutant, was, became in planted.changes(new) if relation == "=" else ():
            if (old, mutant) not in seen and mutant != old:
                seen.add((old, mutant))
                differ = new.atoms(*LEAVES) ^ mutant.atoms(*LEAVES)
                words = [str(was), *(str(leaf) for leaf in was.atoms(*LEAVES) | differ), *SIGNS.get(kind, ())]
                words += [str(became)] if became not in (0, 1) else []
                yield Case(kind, f"{was} -> {became}", theory, old, mutant, new, tuple(words))


LEAVES = (planted.Symbol, planted.Indexed)
SIGNS = {"sign": ("sign",), "log inverted": ("sign",), "factor 2": ("factor",), "constant inverted": ("factor",)}


def same_form(line: Expr, right: Expr) -> bool:
    """Whether two lines are the same by algebra alone, without the definitions."""
    if line == right or expand(line - right) == 0:
        return True
    try:
        return not Theory().disagreement(line, right)
    except (WrongStep, Unchecked, AttributeError):  # the last for densities
        return False


def judge(case: Case) -> tuple[str, str]:
    """What a hint is, with its words: "named" (the planted edit), "other" (another edit, or other words), "silent".

    Or "true", where the line is true after all, or is refused for having no value.
    A hint without an edit names the mistake if all quantities that it lists are part of it.
    """
    try:
        if not case.theory.disagreement(case.old, case.new):
            return "true", ""
    except (WrongStep, Unchecked) as error:
        return "true", str(error)
    words, repaired = hints.hint(case.theory, case.old, case.new, "=")
    if not words:
        return "silent", ""
    if repaired is None:
        listed = words.split(":")[0].split(", ")
        return "named" if all(any(one in word for word in case.words) for one in listed) else "other", words
    mended = case.right is None or same_form(repaired, case.right)
    return "named" if mended and any(word in words for word in case.words) else "other", words
