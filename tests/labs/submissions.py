"""Submissions made from a lab by edits, each with the points that it should get."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode, v4

Edit = Callable[["Page"], None]


class Page:
    """A student's notebook: what was handed out, with answers in it."""

    def __init__(self, release: NotebookNode, source: NotebookNode, answered: bool) -> None:
        self.nb = copy.deepcopy(release)
        if answered:
            for cell in source.cells:
                if is_answer(cell):
                    self.cell(name_of(cell)).source = without_marks(cell.source)

    def cell(self, name: str) -> NotebookNode:
        return next(cell for cell in self.nb.cells if name_of(cell) == name)

    def answer(self, name: str, text: str) -> None:
        """Write an answer; of a derivation, the lines after the first one, which is given."""
        cell = self.cell(name)
        if cell.source.startswith("%%derive") and not text.startswith("%%derive"):
            rows = cell.source.splitlines()
            given = [rows[0], rows[1], *(row for row in rows[2:3] if row.startswith(" "))]
            text = "\n".join([*given, text.strip()])
        cell.source = text.strip("\n")

    def after(self, name: str, text: str) -> None:
        """A cell of the student's own."""
        self.nb.cells.insert(self.nb.cells.index(self.cell(name)) + 1, v4.new_code_cell(text))

    def tests(self) -> list[NotebookNode]:
        return [cell for cell in self.nb.cells if is_test(cell)]


class Submission(NamedTuple):
    """What a student hands in, and what the table of points should say.

    `points` names the tasks that differ: from all points where the notebook is `answered`, from none where it is not. A
    text is the beginning of a refusal. `raw` makes the bytes of the file; of None there is no file.
    """

    name: str
    points: Mapping[str, float] | str = {}
    edit: Edit = lambda page: None
    answered: bool = True
    raw: Callable[[bytes], bytes | None] = lambda data: data
    file: str = ""


def answers(**given: str) -> Edit:
    """An edit that writes answers; `jump_answer` is the cell "jump-answer"."""

    def edit(page: Page) -> None:
        for name, text in given.items():
            page.answer(name.replace("_", "-"), text)

    return edit


def name_of(cell: NotebookNode) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def is_answer(cell: NotebookNode) -> bool:
    return cell.metadata.get("nbgrader", {}).get("solution", False)


def is_test(cell: NotebookNode) -> bool:
    return cell.metadata.get("nbgrader", {}).get("grade", False) and not is_answer(cell)


def without_marks(text: str) -> str:
    return "\n".join(row for row in text.splitlines() if "### BEGIN" not in row and "### END" not in row)


def write(folder: Path, lab: str, one: Submission, release: NotebookNode, source: NotebookNode) -> None:
    """Put a submission where a student would."""
    page = Page(release, source, one.answered)
    one.edit(page)
    place = folder / one.name
    place.mkdir(parents=True)
    data = one.raw(json.dumps(page.nb).encode())
    if data is not None:
        file = place / (one.file or f"{lab}.ipynb")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)


def expected(one: Submission, source: NotebookNode) -> dict[str, float] | str:
    """Points of each task that is graded by machine, or the beginning of a refusal."""
    if isinstance(one.points, str):
        return one.points
    most = {name_of(cell): float(cell.metadata.nbgrader.points) for cell in source.cells if is_test(cell)}
    assert one.points.keys() <= most.keys(), one.points.keys() - most.keys()
    return {name: float(one.points.get(name, points if one.answered else 0)) for name, points in most.items()}


def load(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)
