"""A folder of labs as a course of nbgrader: releases, grading a folder of submissions, and tables of points."""

import csv
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config, PyFileConfigLoader

from mini_ddpm.labs.by_hand import elsewhere, settle
from mini_ddpm.labs.grading import name_of, stop_teachers
from mini_ddpm.labs.handed_in import files, read, strays, students
from mini_ddpm.labs.points import disagreements

STUB = "# YOUR ANSWER HERE"
REFUSED, TIME = "refused.txt", "timestamp.txt"
NONE = "not handed in"
warnings.filterwarnings("ignore", "Object of type <Submitted", Warning)  # of SQLAlchemy to nbgrader


def config(labs: Path, build: Path) -> Config:
    """The settings of nbgrader.

    Args:
        labs: the folder of the instructor's versions.
        build: where releases go, to `labs`, and all that is the teacher's, to `grading`.
    """
    c, ours = Config(), "mini_ddpm.labs.grading"
    theirs = "nbgrader.preprocessors"
    c.CourseDirectory.root = str(labs.resolve())
    c.CourseDirectory.source_directory = "."
    c.CourseDirectory.release_directory = str(build.resolve() / "labs")
    for step in ("submitted", "autograded", "feedback", "solution"):
        c.CourseDirectory[f"{step}_directory"] = str(build.resolve() / "grading" / step)
    c.CourseDirectory.db_url = f"sqlite:///{build.resolve() / 'grading' / 'gradebook.db'}"
    c.ClearSolutions.code_stub = {"python": STUB}
    c.ClearSolutions.text_stub = "YOUR ANSWER HERE"
    c.Autograde.sanitize_preprocessors = [
        f"{ours}.Restore",
        *(f"{theirs}.{one}" for one in ("ClearOutput", "OverwriteKernelspec", "OverwriteCells", "CheckCellMetadata")),
    ]
    c.Autograde.autograde_preprocessors = [
        f"{ours}.RunAndMark",
        *(f"{theirs}.{one}" for one in ("LimitOutput", "SaveAutoGrades", "AssignLatePenalties", "CheckCellMetadata")),
    ]
    # feedback shows a test's words, and not its text
    c.GenerateFeedback.preprocessors = [
        f"{theirs}.GetGrades",
        f"{ours}.NotYet",
        f"{theirs}.ClearHiddenTests",
        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    ]
    return c


class Course:
    """Labs, what was handed out, and what came back.

    Args:
        labs: the folder of the instructor's versions.
        build: where everything goes that is made from them.
        seconds: how long a cell of a student's may take, unless the lab says otherwise.
    """

    def __init__(self, labs: Path, build: Path, seconds: float | None = None) -> None:
        self.labs, self.build = labs, build
        self.config = _settings(labs)
        self.config.merge(config(labs, build))
        if seconds is not None:
            self.config.RunAndMark.seconds = float(seconds)
        self.grading = build / "grading"
        self.grading.mkdir(parents=True, exist_ok=True)
        # nbgrader calls `alembic` by its name, to make a gradebook
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        self.api = NbGraderAPI(config=self.config)

    @property
    def names(self) -> list[str]:
        """The labs, in order."""
        return sorted(path.stem for path in self.labs.glob("*/*.ipynb") if path.stem == path.parent.name)

    def release(self) -> None:
        """Make the students' versions.

        Raises:
            RuntimeError: one can't be made, or its points don't agree.
        """
        for lab in self.names:
            if differ := disagreements(nbformat.read(self.labs / lab / f"{lab}.ipynb", as_version=4)):
                raise RuntimeError(f"{lab}: points differ: {'; '.join(differ)}")
            done = self.api.generate_assignment(lab)
            if not done["success"]:
                raise RuntimeError(f"{lab}: {_last(done)}")
        shutil.copy(self.labs / "STUDENTS.md", self.build / "labs" / "README.md")

    def grade(self, folder: Path, feedback: bool = True) -> Iterator[str]:
        """Grade what is in a folder, a folder in it for each student; yields a line for each notebook, and each stray.

        Args:
            folder: holds STUDENT/NN_name.ipynb, or STUDENT/NN_name/NN_name.ipynb.
            feedback: write pages for students, too.
        """
        self.release()
        those, twins = students(folder)
        found = {(who, lab): files(path, lab) for who, path in those.items() for lab in self.names}
        handed_in = [lab for lab in self.names if any(found[who, lab] for who in those)]
        if not handed_in:
            yield f"nothing to grade: no STUDENT/NN_name.ipynb in {folder}"
        for name in strays(folder):
            yield f"{name}: not looked at: a notebook lies in its student's folder, as ann/{self.names[0]}.ipynb"
        for path, first in twins.items():
            words = f"the gradebook can't tell {path.name} from {first}: give this folder another name"
            for lab in handed_in:
                self._note(path.name, lab, f"refused: {words}")
            yield f"{path.name}: refused: {words}"
        for who in those:
            for lab in handed_in:
                yield f"{who}: {lab}: {self._one(those[who], who, lab, found[who, lab])}"
        stop_teachers()
        self.export(feedback)

    def _one(self, folder: Path, who: str, lab: str, paths: Sequence[Path]) -> str:
        """Grade one notebook, and say how it went. What was there before stays if this one can't be graded."""
        shelf = self.grading / "submitted" / who / lab
        shelf.mkdir(parents=True, exist_ok=True)
        (shelf / REFUSED).unlink(missing_ok=True)
        if not paths:
            return self._note(who, lab, NONE)
        copied, time, graded = shelf / f"{lab}.ipynb", shelf / TIME, self._graded(who, lab)
        before = {path: path.read_bytes() if path.exists() else None for path in (copied, time, graded)}
        try:
            if len(paths) != 1:
                names = ", ".join(path.name for path in paths)
                raise ValueError(f"there should be one notebook whose name begins with {lab[:3]}, and there is {names}")
            old = read(graded) if graded.exists() else None
            nbformat.write(read(paths[0]), copied)
            time.unlink(missing_ok=True)
            if paths[0].with_name(TIME).exists():
                shutil.copy(paths[0].with_name(TIME), time)
            with Gradebook(self.config.CourseDirectory.db_url) as book:
                book.update_or_create_student(who, lms_user_id=folder.name)
                book.update_or_create_submission(lab, who, timestamp=None)
            done = self.api.autograde(lab, who)
            if not done["success"]:
                raise ValueError(_last(done))
            with Gradebook(self.config.CourseDirectory.db_url) as book:
                settle(book.find_submission(lab, who), old, read(graded), self._release(lab))
                book.db.commit()
        except Exception as error:  # whatever is wrong with one, the others are graded
            words = " ".join(str(error).split())[:200] or type(error).__name__
            for path, data in before.items():
                _put_back(path, data)
            return self._note(who, lab, f"refused: {words}")
        with Gradebook(self.config.CourseDirectory.db_url) as book:
            seen = book.find_submission(lab, who)
            points = sum(grade.score for grade in _grades(seen) if not grade.needs_manual_grade)
            return f"{points:g} of {seen.max_score:g}" + (", and some to grade by hand" if _waiting(seen) else "")

    def _graded(self, who: str, lab: str) -> Path:
        return self.grading / "autograded" / who / lab / f"{lab}.ipynb"

    def _release(self, lab: str) -> nbformat.NotebookNode:
        return read(self.build / "labs" / lab / f"{lab}.ipynb")

    def _note(self, who: str, lab: str, words: str) -> str:
        """Keep why a notebook was not graded, for the table."""
        shelf = self.grading / "submitted" / who / lab
        shelf.mkdir(parents=True, exist_ok=True)
        (shelf / REFUSED).write_text(words, encoding="utf-8")
        return words

    def export(self, feedback: bool = True) -> None:
        """Write feedback, and a table of points for each lab, anew; as after grading by hand.

        Raises:
            RuntimeError: a page of feedback can't be made.
        """
        for lab in self.names:
            table = self.grading / f"{lab}.csv"
            new = table.with_suffix(".new")  # a table is never half written
            with open(new, "w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(self.table(lab))
            new.replace(table)
            if feedback and any((self.grading / "autograded").glob(f"*/{lab}")):
                done = self.api.generate_feedback(lab)
                if not done["success"]:
                    raise RuntimeError(f"{lab}: {_last(done)}")
                for page in (self.grading / "feedback").glob(f"*/{lab}/{lab}.html"):
                    page.write_text(self._titled(page.read_text(encoding="utf-8"), lab), encoding="utf-8")

    def _titled(self, page: str, lab: str) -> str:
        """A page of feedback whose table of contents names tasks; nbgrader calls all of them "Test cell"."""
        task = ""
        for cell in read(self.labs / lab / f"{lab}.ipynb").cells:
            task = next(iter(re.findall(r"^### (Task \d+ · \w+)", cell.source, re.MULTILINE)), task)
            if name := name_of(cell):
                link = f'<a href="#{re.escape(name)}">(Test cell|Written response)<'
                page = re.sub(link, f'<a href="#{name}">{task} ({name})<', page)
        return page

    def table(self, lab: str) -> list[list]:
        """Points of a lab: a row for each student, a column for each task; nothing where a teacher has yet to grade."""
        with Gradebook(self.config.CourseDirectory.db_url) as book:
            tasks = [cell.name for cell in book.find_assignment(lab).notebooks[0].grade_cells]
            rows: list[list] = [["student", "folder", *tasks, "total", "of", "by hand", "note"]]
            for shelf in sorted((self.grading / "submitted").glob(f"*/{lab}")):
                who, refused = shelf.parent.name, shelf / REFUSED
                notes = [refused.read_text(encoding="utf-8")] if refused.exists() else []
                try:
                    seen = book.find_submission(lab, who)
                except MissingEntry:
                    seen = None
                if seen is None or not self._graded(who, lab).exists():
                    if notes:  # otherwise nobody that we know put it there
                        rows.append([who, who, *("" for _ in tasks), "", "", "", *notes])
                    continue
                points = {grade.name: grade.score for grade in _grades(seen) if not grade.needs_manual_grade}
                shown = [points.get(task, "") for task in tasks]
                notes += ["the points are of the one before"] if notes else []
                notes += _notes(seen, read(self._graded(who, lab)), self._release(lab))
                folder = seen.student.lms_user_id or who
                total = sum(points.get(task, 0) for task in tasks)
                rows.append([who, folder, *shown, total, seen.max_score, shown.count(""), "; ".join(notes)])
        return rows


def _settings(labs: Path) -> Config:
    """What the teacher's `nbgrader_config.py` says."""
    there = (labs / "nbgrader_config.py").exists()
    return PyFileConfigLoader("nbgrader_config.py", str(labs.resolve())).load_config() if there else Config()


def _put_back(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _notes(seen: Any, page: nbformat.NotebookNode, release: nbformat.NotebookNode) -> list[str]:
    """What a teacher would like to know of a submission."""
    late = seen.total_seconds_late / 60
    penalty = sum(notebook.late_submission_penalty or 0 for notebook in seen.notebooks)
    stopped = sum(cell.metadata.get("stopped", False) for cell in page.cells)
    restored = page.metadata.get("restored", 0)
    waiting = {grade.name for grade in _grades(seen) if grade.needs_manual_grade}
    words = ", ".join(sorted(waiting & elsewhere(page, release)))
    said = {
        f"late by {late:.0f} minutes": late,
        f"penalty {penalty:g}, not in the total": penalty,
        f"cells that were stopped: {stopped}": stopped,
        f"cells that were put back: {restored}": restored,
        f"no answer in its cell, but cells of the student's own: {words}": words,
    }
    return [note for note, so in said.items() if so]


def _grades(seen: Any) -> list:
    return [grade for notebook in seen.notebooks for grade in notebook.grades]


def _waiting(seen: Any) -> int:
    return sum(grade.needs_manual_grade for grade in _grades(seen))


def _last(done: dict) -> str:
    """What went wrong, in one line."""
    lines = [line.strip() for line in f"{done.get('log', '')}\n{done.get('error', '')}".splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Stopped)\b", line)]
    return (raised or lines or ["it failed"])[0]
