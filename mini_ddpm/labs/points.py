"""Whether the points of a lab, which stand in several places, agree."""

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_solution

HEADING = re.compile(r"^### Task \d+ · .* · (\S+) points?$", re.MULTILINE)


def disagreements(lab: NotebookNode) -> list[str]:
    """What differs of metadata, heading, `Marks(of=...)` and awards, for each task, and of the lab's total."""
    found, total, heading = [], 0.0, math.nan
    derivations = dict(pair for cell in lab.cells if cell.cell_type == "code" for pair in _derivations(cell.source))
    for cell in lab.cells:
        if not is_grade(cell):
            here = HEADING.findall(cell.source) if cell.cell_type == "markdown" else []
            heading = float(here[-1]) if here else heading
            continue
        points = float(cell.metadata.nbgrader.points)
        said = {"the metadata": points, "the heading": heading}
        if not is_solution(cell):
            tree = ast.parse(cell.source)
            awards = sum(_awards(tree.body, derivations, {}))
            said |= {"Marks(of=...)": _of(tree)} | ({} if math.isnan(awards) else {"the awards": awards})
        if {*said.values()} != {points}:
            shown = ", ".join(f"{number:g} in {place}" for place, number in said.items())
            found.append(f"{cell.metadata.nbgrader.grade_id} has {shown}")
        total, heading = total + points, math.nan
    for text in re.findall(r"\*\*Points\*\*: (\d+)", "\n".join(cell.source for cell in lab.cells)):
        if float(text) != total:
            found.append(f"the lab says {text} points, and its tasks have {total:g}")
    return found


def _calls(tree: ast.AST, name: str) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == name]


def _of(tree: ast.AST) -> float:
    given = [one.value for call in _calls(tree, "Marks") for one in call.keywords if one.arg == "of"]
    return float(ast.unparse(given[0])) if given else math.nan


def _derivations(source: str) -> Iterator[tuple[str, float]]:
    """Names of what `Lines(...)` makes, and the points of their forms and answers."""
    for node in ast.parse(source).body if "Lines(" in source and not source.startswith("%") else []:
        if isinstance(node, ast.Assign) and _calls(node, "Lines"):
            worth = [call.args[0] for name in ("Goal", "Answer") for call in _calls(node, name)]
            yield ast.unparse(node.targets[0]), sum(float(ast.unparse(one)) for one in worth)


def _awards(
    body: Sequence[ast.stmt], derivations: Mapping[str, float], known: Mapping[str, ast.expr]
) -> Iterator[float]:
    """The points of each award, in a loop over a table once a row; nan where they are not to be seen."""
    for node in body:
        if isinstance(node, ast.For) and "marks." in ast.unparse(node):
            for names in _rows(node):
                yield math.nan if names is None else sum(_awards(node.body, derivations, names))
        elif isinstance(node, ast.With):
            for call in _calls(node.items[0].context_expr, "marks.award"):
                worth = known.get(ast.unparse(call.args[0]), call.args[0])
                yield float(ast.literal_eval(worth)) if isinstance(worth, ast.Constant) else math.nan
        elif isinstance(node, ast.Expr):
            for call in _calls(node, "marks.lines"):
                yield derivations.get(ast.unparse(call.args[1]), math.nan)


def _rows(loop: ast.For) -> list[dict[str, ast.expr]] | list[None]:
    """What the names of a loop are, for each row of its table; None if that is no table."""
    table, names = loop.iter, loop.target.elts if isinstance(loop.target, ast.Tuple) else []
    if isinstance(table, ast.Call) and ast.unparse(table.func) == "enumerate":
        table, names = table.args[0], []
    if not isinstance(table, (ast.Tuple, ast.List)):
        return [None]
    values = [row.elts if isinstance(row, ast.Tuple) else [] for row in table.elts]
    return [dict(zip(map(ast.unparse, names), row, strict=False)) for row in values]
