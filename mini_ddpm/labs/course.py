"""A folder of labs as a course of nbgrader: releases, grading a folder of submissions, and tables of points."""

import csv
import os
import re
import shutil
import sys
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from mini_ddpm.labs.grading import stop_teachers

STUB = "# YOUR ANSWER HERE"
REFUSED = "refused.txt"
LARGEST = 50_000_000  # bytes of a notebook
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
        self.config = config(labs, build)
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
            RuntimeError: one can't be made.
        """
        for lab in self.names:
            done = self.api.generate_assignment(lab)
            if not done["success"]:
                raise RuntimeError(f"{lab}: {_last(done)}")
        shutil.copy(self.labs / "STUDENTS.md", self.build / "labs" / "README.md")

    def grade(self, folder: Path, feedback: bool = True) -> Iterator[str]:
        """Grade what is in a folder, a folder in it for each student; yields a line for each notebook.

        Args:
            folder: holds STUDENT/NN_name.ipynb, or STUDENT/NN_name/NN_name.ipynb.
            feedback: write pages for students, too.
        """
        self.release()
        students, twins = _students(folder)
        found = {(who, lab): _files(path, lab) for who, path in students.items() for lab in self.names}
        handed_in = [lab for lab in self.names if any(found[who, lab] for who in students)]
        if not handed_in:
            yield f"nothing to grade: no STUDENT/NN_name.ipynb in {folder}"
        for path, first in twins.items():
            words = f"the gradebook can't tell {path.name} from {first}: give this folder another name"
            for lab in handed_in:
                self._refuse(path.name, lab, words)
            yield f"{path.name}: refused: {words}"
        for who in students:
            for lab in handed_in:
                yield f"{who}: {lab}: {self._one(who, lab, found[who, lab])}"
        stop_teachers()
        self.export(feedback)

    def _one(self, who: str, lab: str, paths: Sequence[Path]) -> str:
        """Grade one notebook, and say how it went."""
        shelf = self.grading / "submitted" / who / lab
        shutil.rmtree(shelf, ignore_errors=True)
        shelf.mkdir(parents=True)
        try:
            if len(paths) != 1:
                names = ", ".join(path.name for path in paths) or "none"
                raise ValueError(f"there should be one notebook whose name begins with {lab[:3]}, and there is {names}")
            nbformat.write(read(paths[0]), shelf / f"{lab}.ipynb")
            done = self.api.autograde(lab, who)
            if not done["success"]:
                raise ValueError(_last(done))
        except Exception as error:  # whatever is wrong with one, the others are graded
            words = " ".join(str(error).split())[:200] or type(error).__name__
            self._refuse(who, lab, words)
            return f"refused: {words}"
        with Gradebook(self.config.CourseDirectory.db_url) as book:
            seen = book.find_submission(lab, who)
            return f"{seen.score:g} of {seen.max_score:g}" + (", and some to grade by hand" if _waiting(seen) else "")

    def _refuse(self, who: str, lab: str, words: str) -> None:
        """Keep why a notebook was not graded, for the table."""
        shelf = self.grading / "submitted" / who / lab
        shelf.mkdir(parents=True, exist_ok=True)
        (shelf / REFUSED).write_text(words, encoding="utf-8")

    def export(self, feedback: bool = True) -> None:
        """Write feedback, and a table of points for each lab, anew; as after grading by hand.

        Raises:
            RuntimeError: a page of feedback can't be made.
        """
        for lab in self.names:
            with open(self.grading / f"{lab}.csv", "w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(self.table(lab))
            if feedback and any((self.grading / "autograded").glob(f"*/{lab}")):
                done = self.api.generate_feedback(lab)
                if not done["success"]:
                    raise RuntimeError(f"{lab}: {_last(done)}")

    def table(self, lab: str) -> list[list]:
        """Points of a lab: a row for each student, a column for each task; nothing where a teacher has yet to grade."""
        with Gradebook(self.config.CourseDirectory.db_url) as book:
            tasks = [cell.name for cell in book.find_assignment(lab).notebooks[0].grade_cells]
            rows: list[list] = [["student", *tasks, "total", "of", "by hand", "note"]]
            for folder in sorted((self.grading / "submitted").glob(f"*/{lab}")):
                who, refused = folder.parent.name, folder / REFUSED
                if refused.exists():
                    rows.append(
                        [who, *("" for _ in tasks), "", "", "", f"refused: {refused.read_text(encoding='utf-8')}"]
                    )
                    continue
                seen = book.find_submission(lab, who)
                grades = {grade.name: grade for notebook in seen.notebooks for grade in notebook.grades}
                points = ["" if grades[task].needs_manual_grade else grades[task].score for task in tasks]
                rows.append([who, *points, seen.score, seen.max_score, _waiting(seen), ""])
        return rows


def _students(folder: Path) -> tuple[dict[str, Path], dict[Path, str]]:
    """Folders by the names that nbgrader takes; and those whose name another folder has, with that one's."""
    students: dict[str, Path] = {}
    twins: dict[Path, str] = {}
    taken: dict[str, str] = {}
    found = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    for path in sorted(found, key=lambda path: path.name != _name(path)):  # who has the name itself keeps it
        first = taken.setdefault(_name(path).casefold(), path.name)  # some disks can't tell A from a
        if first == path.name:
            students[_name(path)] = path
        else:
            twins[path] = first
    return dict(sorted(students.items())), twins


def _name(folder: Path) -> str:
    """A student's name that nbgrader takes."""
    return re.sub(r"[^\w.@-]", "_", unicodedata.normalize("NFC", folder.name))


def _files(folder: Path, lab: str) -> list[Path]:
    """Notebooks of a lab, but for copies that Jupyter and macOS make."""
    found = folder.rglob(f"{lab[:3]}*.ipynb")
    return sorted(
        path for path in found if not re.search(r"/(\.|__MACOSX)", path.relative_to(folder.parent).as_posix())
    )


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook of any version.

    Raises:
        ValueError: it is none.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path.name} has more than {LARGEST // 10**6} MB")
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8: {error.reason} at byte {error.start}") from None
    if not text.strip():
        raise ValueError(f"{path.name} is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cells with the same id get others
            found = nbformat.reads(text, as_version=4)
            nbformat.validate(found)
    except Exception as error:  # as many kinds as there are ways to be no notebook
        raise ValueError(f"{path.name} is no notebook: {str(error).splitlines()[0]}") from None
    return found


def _waiting(seen: Any) -> int:
    return sum(grade.needs_manual_grade for notebook in seen.notebooks for grade in notebook.grades)


def _last(done: dict) -> str:
    """What went wrong, in one line."""
    lines = [line.strip() for line in f"{done.get('log', '')}\n{done.get('error', '')}".splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Stopped)\b", line)]
    return (raised or lines or ["it failed"])[0]
