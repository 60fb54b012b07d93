"""How nbgrader grades a lab: the student's cells run in one kernel, the tests in another, which belongs to the teacher.

`Restore` and `RunAndMark` are preprocessors of nbgrader's autograde step, `NotYet` is one of its feedback. `Restore`
puts the teacher's cells back into a submission. `RunAndMark` takes the place of nbgrader's `Execute`, which would run
tests where students' code could reach them.
"""

import copy
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbformat import NotebookNode, v4
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_locked
from traitlets import Float, Unicode

from mini_ddpm.labs.kernels import Kernel, Stopped

Resources = dict[str, Any]


def name_of(cell: NotebookNode) -> str | None:
    """The name that nbgrader knows a cell by."""
    known = cell.metadata.get("nbgrader")
    name = known.get("grade_id") if isinstance(known, dict) else None
    return name if isinstance(name, str) else None


def place(settings: Any, resources: Resources, step: str) -> Path:
    """The file of a lab, the teacher's ("source_directory") or as it was handed out ("release_directory")."""
    course, names = CourseDirectory(config=settings), resources["nbgrader"]
    folder = course.format_path(getattr(course, step), ".", names["assignment"])
    return Path(folder, f"{names['notebook']}.ipynb")


class Restore(NbGraderPreprocessor):
    """Put back the cells of a lab that were deleted, and what nbgrader knows of those that are there.

    Nothing else that a submission says of a cell is kept. Of two cells with one name the last one counts. nbgrader's
    `OverwriteCells` then puts back the texts of tests.
    """

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        """See above."""
        release = nbformat.read(place(self.config, resources, "release_directory"), as_version=4)
        theirs = [cell for cell in release.cells if name_of(cell)]
        left = {name_of(cell): cell for cell in theirs}
        cells: list[NotebookNode] = []
        edited = 0
        for cell in reversed(nb.cells):
            make = v4.new_code_cell if cell.cell_type == "code" else v4.new_markdown_cell
            known = left.pop(name_of(cell), None)
            cells.insert(0, copy.deepcopy(known) if known else make())
            cells[0].source = cell.source
            edited += bool(known and is_locked(known) and known.source.strip() != cell.source.strip())
        nb.metadata["restored"] = edited + len(left)  # for the table
        at = 0
        for cell in theirs:
            if name_of(cell) in left:
                cells.insert(at, copy.deepcopy(cell))
            else:
                at = next(k for k, one in enumerate(cells) if name_of(one) == name_of(cell))
            at += 1
        nb.cells = cells
        return nb, resources


class RunAndMark(NbGraderPreprocessor):
    """Run a submission within limits, and its tests out of its reach."""

    seconds = Float(30, help="for a cell, unless its metadata say otherwise").tag(config=True)
    all_seconds = Float(600, help="for a submission without its tests").tag(config=True)
    memory = Float(4, help="GiB that a student's kernel may take").tag(config=True)
    kernel_name = Unicode("python3", help="the kernel in which students' code runs").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        """Run everything; a test's outputs become what it says, and its points."""
        code = [cell for cell in nb.cells if cell.cell_type == "code"]
        theirs = [cell for cell in code if not is_grade(cell)]
        self.until = time.monotonic() + self.all_seconds
        student: Kernel | None = None
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            try:
                for test in (cell for cell in code if is_grade(cell)):
                    if student is None or not student.answers():
                        student = self._run(theirs, Path(folder), student)
                    self._mark(test, theirs, student, place(self.config, resources, "source_directory"))
            finally:
                if student is not None:
                    student.stop()
        return nb, resources

    def _run(self, cells: list[NotebookNode], folder: Path, old: Kernel | None) -> Kernel | None:
        """A kernel that has run these cells, but for those that a kernel does not survive. None if time is over."""
        if old is not None:
            old.stop()
        while time.monotonic() < self.until:
            student = Kernel(folder, self.kernel_name, self.memory)
            for cell in cells:
                if cell.metadata.get("stopped") or cell.source.lstrip().startswith("%%derive"):
                    continue  # derivations are read, not run
                seconds = min(cell.metadata.get("seconds", self.seconds), self.until - time.monotonic())
                try:
                    student.run(cell, seconds)
                except Stopped as error:
                    cell.outputs, cell.metadata["stopped"] = [_error(str(error))], True
                    student.stop()
                    break
            else:
                return student
        return None

    def _mark(self, test: NotebookNode, cells: list[NotebookNode], student: Kernel | None, lab: Path) -> None:
        """Run a test in the teacher's kernel, and keep what it says, and its points."""
        sources = [cell.source for cell in cells]
        connection = student and student.connection
        look = f"from mini_ddpm.labs import answers\nanswers.use(answers.Submission({sources!r}, {connection!r}))"
        teacher = teacher_of(lab, self.memory)
        teacher.size = 0
        try:
            _run_well(teacher, v4.new_code_cell(look), "a look at the submission")
            teacher.run(test, test.metadata.get("seconds", 4 * self.seconds))
        except Stopped as error:
            test.outputs = [v4.new_output("stream", name="stdout", text=f"no points: {error}")]
            stop_teachers()
        failed = [one for one in test.outputs if one.output_type == "error"]
        for one in failed:
            self.log.error("the test %s itself fails: %s: %s", name_of(test), one.ename, one.evalue)
        said = [one for one in test.outputs if one.get("name") == "stdout" or one.output_type == "execute_result"]
        if failed or not any(one.output_type == "execute_result" for one in said):
            zero = v4.new_output("execute_result", {"text/plain": "0"}, execution_count=1)
            said = [*(one for one in said if one.output_type == "stream"), zero]
        test.outputs = said


class NotYet(NbGraderPreprocessor):
    """Say in feedback which answers a teacher has yet to grade: nbgrader would show a 0."""

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        """See above."""
        names = resources["nbgrader"]
        with Gradebook(names["db_url"]) as book:
            seen = book.find_submission_notebook(names["notebook"], names["assignment"], names["student"])
            waiting = {grade.name for grade in seen.grades if grade.needs_manual_grade}
        for cell in nb.cells:
            if name_of(cell) in waiting:
                cell.metadata.nbgrader["comment"] = "**Not graded yet.**"
        if waiting:
            words = f"**Not graded yet, and shown as 0: {', '.join(sorted(waiting))}.**"
            nb.cells.insert(0, v4.new_markdown_cell(words))
        return nb, resources


_teachers: dict[Path, Kernel] = {}  # one for each lab, for all submissions


def teacher_of(lab: Path, memory: float) -> Kernel:
    """A kernel in which the cells of a lab have run that are given to students and not theirs to change."""
    if lab in _teachers:
        return _teachers[lab]
    teacher = Kernel(lab.parent, memory=memory)
    for cell in nbformat.read(lab, as_version=4).cells:
        if cell.cell_type == "code" and is_locked(cell) and not is_grade(cell):
            _run_well(teacher, cell, f"{name_of(cell)} in {lab}")
    return _teachers.setdefault(lab, teacher)


def stop_teachers() -> None:
    """End the teacher's kernels."""
    while _teachers:
        _teachers.popitem()[1].stop()


def _run_well(kernel: Kernel, cell: NotebookNode, name: str) -> None:
    kernel.run(cell, 120)
    for one in cell.outputs:
        if one.output_type == "error":
            raise RuntimeError(f"{name} fails: {one.ename}: {one.evalue}")


def _error(words: str) -> NotebookNode:
    return v4.new_output("error", ename="Stopped", evalue=words, traceback=[words])
