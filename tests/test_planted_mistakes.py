"""Every true line of Part I, and of later derivations, with every mistake that fits, must be refused."""

import collections
import warnings
from importlib import import_module

import matplotlib
import planted
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from sympy import Expr

import notebooks
from mini_ddpm.symbolic import Theory, Unchecked, WrongStep, derivation, facts

NOT_DERIVING = {"widget", "nbval-ignore-output"}
MORE_WORLDS = 60  # to tell a mutant that is true after all from a hole in the checker


class Shell:
    """What a notebook's magics need of IPython."""

    def __init__(self, names):
        self.user_ns, self.magics = names, {}

    def register_magic_function(self, magic, kind, name):
        self.magics[name] = magic

    def run_line_magic(self, name, line, *_):
        if name == "load_ext":
            import_module(line).load_ipython_extension(self)

    def run_cell_magic(self, name, line, text):
        self.magics[name](line, text)


def true_steps(path):
    """(theory, old line, new line, relation) of every step and fact that a notebook makes.

    Of the notebooks after Part I, which train, only cells tagged `derivation` are run.
    """
    matplotlib.use("Agg")
    steps, names = [], {}
    shell = Shell(names)
    names["get_ipython"] = lambda: shell
    honest = facts.mark_of

    def recorded(theory: Theory, old: Expr, new: Expr, relation: str, using: list, up_to: Expr | None = None) -> str:
        mark = honest(theory, old, new, relation, using, up_to)
        steps.append((theory, old, new, relation))
        return mark

    facts.mark_of = derivation.mark_of = recorded
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # figures that nobody shows
            for cell in notebooks.code_cells(path):
                tags = set(notebooks.tags(cell))
                if "derivation" in tags or (path in notebooks.PART_1 and not NOT_DERIVING & tags):
                    exec(TransformerManager().transform_cell(cell.source), names)  # as IPython would
            matplotlib.pyplot.close("all")
    finally:
        facts.mark_of = derivation.mark_of = honest
    return steps


@pytest.mark.parametrize("path", notebooks.DERIVING, ids=lambda path: path.stem)
def test_every_planted_mistake_is_refused(path, capsys):
    steps = true_steps(path)
    refused, equivalent, holes = collections.Counter(), collections.Counter(), []
    seen = set()
    for theory, old, new, relation in steps:
        for kind, mutant in planted.mutants(new) if relation == "=" else ():
            if (id(theory), old, mutant) in seen or mutant == old:
                continue
            seen.add((id(theory), old, mutant))
            try:
                accepted = not theory.disagreement(old, mutant)
            except (WrongStep, Unchecked):
                accepted = False
            if not accepted:
                refused[kind] += 1
            elif not theory.disagreement(old, mutant, most=MORE_WORLDS):
                equivalent[kind] += 1
            else:
                holes.append(f"{kind}: {new}  ->  {mutant}")
    with capsys.disabled():
        print(f"\n{path.stem}: {len(steps)} true steps; mistakes refused: {sum(refused.values())}: {dict(refused)}")
        print(f"changed in form but true after all: {dict(equivalent)}")
    assert not holes, "\n".join(holes)
    assert len(steps) >= 2
    assert len(refused) >= 4
