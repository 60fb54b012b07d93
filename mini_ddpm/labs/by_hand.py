"""What a teacher has graded by hand, or has yet to, when a student hands in again."""

from typing import Any

from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_solution

from mini_ddpm.labs.grading import name_of


def settle(seen: Any, old: NotebookNode | None, new: NotebookNode, release: NotebookNode) -> None:
    """Keep marks and comments whose answers are what they were, drop the others, and say what is to be graded.

    Args:
        seen: nbgrader's submission, which has the machine's marks of the new notebook.
        old: the notebook that was graded before, if there was one.
        new: the one that is graded now.
        release: the lab as it was handed out.
    """
    now, before = answers(new, release), answers(old, release) if old else {}
    same = {name for name, text in now.items() if before.get(name) == text}
    look = elsewhere(new, release)
    for notebook in seen.notebooks:
        for comment in notebook.comments:
            if comment.name in look:
                comment.auto_comment = None  # and not "No response."
            if comment.name not in same:
                comment.manual_comment = None
        for grade in notebook.grades:
            if grade.name in look:
                grade.auto_score = None
            if grade.name not in same:
                grade.manual_score = grade.extra_credit = None
            grade.needs_manual_grade = grade.manual_score is None and grade.auto_score is None


def answers(page: NotebookNode, release: NotebookNode) -> dict[str, tuple[str, ...]]:
    """What the student wrote for each cell that has points or a comment: a test is about the answers before it."""
    own, look = _own(page, release), elsewhere(page, release)
    found: dict[str, tuple[str, ...]] = {}
    code: list[str] = []
    for cell in page.cells:
        name = name_of(cell)
        if name and is_solution(cell):
            found[name] = (cell.source, *(own if name in look else ()))
            code += [] if is_grade(cell) else [cell.source]
        elif name and is_grade(cell):
            found[name], code = tuple(code), []
    return found


def elsewhere(page: NotebookNode, release: NotebookNode) -> set[str]:
    """Answers in words whose cells are as they were handed out, while there are others that a student wrote."""
    blank = {name_of(cell): cell.source for cell in release.cells if name_of(cell)}
    words = {name_of(cell): cell.source for cell in page.cells if is_grade(cell) and is_solution(cell)}
    return {name for name, text in words.items() if name and text == blank.get(name)} if _own(page, release) else set()


def _own(page: NotebookNode, release: NotebookNode) -> list[str]:
    """Texts of a student's own, or changed by one."""
    given = {cell.source.strip() for cell in release.cells}
    texts = [cell.source for cell in page.cells if cell.cell_type == "markdown" and not name_of(cell)]
    return [text for text in texts if text.strip() and text.strip() not in given]
