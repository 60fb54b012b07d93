"""Labs as a teacher meets them: grading again, by hand, late, from the wrong folder, with points that differ."""

import csv
import shutil

import gradebook  # noqa: F401
import nbformat
import pytest
from click.testing import CliRunner
from nbformat import v4
from nbgrader.api import Gradebook

from mini_ddpm.labs import course
from mini_ddpm.labs.__main__ import main
from mini_ddpm.labs.course import Course
from mini_ddpm.labs.points import disagreements

LAB = "01_tiny"
WORDS = "Because noise adds up."


def known(name, **more):
    return {"nbgrader": dict(grade_id=name, schema_version=3, task=False, grade=False, locked=False, **more)}


def lab():
    """Two answers in code, each with a test, and one in words."""
    answer, test = {"solution": True}, {"solution": False, "grade": True, "locked": True}
    cells = [v4.new_markdown_cell("# Tiny\n\n**Points**: 8")]
    for name, points in (("one", 2), ("two", 2)):
        text = (
            f"marks = Marks(of={points})\nfor what, worth in (('it', 1), ('again', 1)):\n"
            f"    with marks.award(worth, what):\n        near(ask('{name}'), 1, within=0)\nmarks"
        )
        cells += [
            v4.new_markdown_cell(f"### Task {len(cells) // 3 + 1} · predict · {points} points"),
            v4.new_code_cell(
                f"### BEGIN SOLUTION\n{name} = 1\n### END SOLUTION", metadata=known(f"{name}-answer") | {}
            ),
            v4.new_code_cell(text, metadata=known(name)),
        ]
        cells[-2].metadata.nbgrader |= answer
        cells[-1].metadata.nbgrader |= test | {"points": points}
    cells.insert(1, v4.new_code_cell("from mini_ddpm.labs import Marks, ask, near", metadata=known("given")))
    cells[1].metadata.nbgrader |= {"solution": False, "locked": True}
    cells.append(v4.new_markdown_cell("### Task 3 · explain · 4 points\n\nWhy?"))
    cells.append(v4.new_markdown_cell("Because.\n\n**Rubric.** 4", metadata=known("why")))
    cells[-1].metadata.nbgrader |= answer | {"grade": True, "points": 4}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


class Class:
    """A course with that lab, and what is handed in."""

    def __init__(self, base):
        self.base, self.labs, self.folder = base, base / "notebooks" / "labs", base / "handed in"
        (self.labs / LAB).mkdir(parents=True)
        self.folder.mkdir()
        nbformat.write(lab(), self.labs / LAB / f"{LAB}.ipynb")
        (self.labs / "STUDENTS.md").write_text("Hello")
        self.course = Course(self.labs, base / "build")
        self.course.release()

    def hand_in(self, who, one="1", why=None, own=(), time=None):
        page = nbformat.read(self.base / "build" / "labs" / LAB / f"{LAB}.ipynb", as_version=4)
        for cell in page.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in ("one-answer", "two-answer"):
                cell.source = f"{name[:3]} = {one if name[:3] == 'one' else 1}"
            elif name == "why" and why is not None:
                cell.source = why
        page.cells += [v4.new_markdown_cell(text) for text in own]
        place = self.folder / who / f"{LAB}.ipynb"
        place.parent.mkdir(exist_ok=True)
        nbformat.write(page, place)
        if time is not None:
            (place.parent / "timestamp.txt").write_text(time)
        return place

    def grade(self):
        return [*self.course.grade(self.folder)]

    def row(self, who):
        with open(self.course.grading / f"{LAB}.csv", encoding="utf-8") as file:
            return {row["student"]: row for row in csv.DictReader(file)}.get(who)

    def by_hand(self, who, comment="Fine.", **marks):
        """As Formgrader does it."""
        with Gradebook(self.course.config.CourseDirectory.db_url) as book:
            for name, points in marks.items():
                grade = book.find_grade(name, LAB, LAB, who)
                grade.manual_score, grade.needs_manual_grade = points, False
            book.find_comment("why", LAB, LAB, who).manual_comment = comment
            book.db.commit()

    def feedback(self, who):
        return (self.course.grading / "feedback" / who / LAB / f"{LAB}.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    return Class(tmp_path_factory.mktemp("class"))


@pytest.fixture(autouse=True)
def _nobody(room):
    for path in sorted(room.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def shown(row, *names):
    return [row[name] for name in (*names, "total", "by hand", "note")]


def test_hand_marks_stay_with_an_answer_that_is_unchanged_and_go_with_one_that_is_not(room):
    room.hand_in("anna", one=0, why=WORDS)
    assert room.grade() == [f"anna: {LAB}: 2 of 8, and some to grade by hand"]
    assert shown(room.row("anna"), "one", "two", "why") == ["0.0", "2.0", "", "2.0", "1", ""]
    assert "Not graded yet, and shown as 0: why" in room.feedback("anna")
    room.by_hand("anna", one=1, why=3)
    room.course.export()
    room.hand_in("anna", one="0 ", why=WORDS)
    room.hand_in("anna", one=0, why=WORDS)
    assert room.grade() == [f"anna: {LAB}: 6 of 8"]  # the same again
    assert shown(room.row("anna"), "one", "two", "why") == ["1.0", "2.0", "3.0", "6.0", "0", ""]
    assert "Not graded yet" not in room.feedback("anna")
    assert "Fine." in room.feedback("anna")
    room.hand_in("anna", one=1, why=WORDS)
    room.grade()
    assert shown(room.row("anna"), "one", "two", "why") == ["2.0", "2.0", "3.0", "7.0", "0", ""]
    room.hand_in("anna", one=1, why="It is gone.")
    assert room.grade() == [f"anna: {LAB}: 4 of 8, and some to grade by hand"]
    assert shown(room.row("anna"), "one", "two", "why") == ["2.0", "2.0", "", "4.0", "1", ""]
    assert "Fine." not in room.feedback("anna")


def test_a_bad_file_that_comes_later_takes_nothing_away(room):
    place = room.hand_in("gina", why=WORDS)
    room.grade()
    room.by_hand("gina", why=4)
    place.write_text("")
    assert "is empty" in room.grade()[0]
    row = room.row("gina")
    assert shown(row, "one", "why")[:4] == ["2.0", "4.0", "8.0", "0"]
    assert row["note"] == f"refused: {LAB}.ipynb is empty; the points are of the one before"
    room.hand_in("gina", why=WORDS, time="no time at all")  # fails in nbgrader's hands
    assert "refused" in room.grade()[0]
    assert room.row("gina")["total"] == "8.0"
    (place.parent / "timestamp.txt").unlink()
    room.grade()
    assert shown(room.row("gina"), "why") == ["4.0", "8.0", "0", ""]


def test_an_explanation_in_another_cell_is_left_to_the_teacher(room):
    room.hand_in("olga", own=[WORDS])
    room.hand_in("nobody")
    room.grade()
    words = "no answer in its cell, but cells of the student's own: why"
    assert shown(room.row("olga"), "why") == ["", "4.0", "1", words]
    assert shown(room.row("nobody"), "why") == ["0.0", "4.0", "0", ""]
    room.by_hand("olga", why=4)
    room.grade()
    assert shown(room.row("olga"), "why") == ["4.0", "8.0", "0", ""]
    room.hand_in("olga", own=["It is gone."])
    room.grade()
    assert shown(room.row("olga"), "why") == ["", "4.0", "1", words]


def test_unknown_folders_and_files_harm_nothing_and_are_named(room):
    room.hand_in("Ida Hofmann_12345")
    (room.course.grading / "submitted" / "Somebody Else" / LAB).mkdir(parents=True)
    (room.folder / ".DS_Store").touch()
    (room.folder / "paul.zip").touch()
    (room.folder / "__MACOSX").mkdir()
    said = room.grade()
    assert said == [
        f"paul.zip: not looked at: a notebook lies in its student's folder, as ann/{LAB}.ipynb",
        f"Ida_Hofmann_12345: {LAB}: 4 of 8",
    ]
    assert room.row("Somebody Else") is None
    assert room.row("Ida_Hofmann_12345")["folder"] == "Ida Hofmann_12345"


def test_a_table_that_fails_leaves_the_old_one(room, monkeypatch):
    room.hand_in("ann")
    room.grade()
    monkeypatch.setattr(room.course, "table", lambda lab: [["student"], [1 / 0]])
    with pytest.raises(ZeroDivisionError):
        room.course.export()
    assert room.row("ann")["total"] == "4.0"


def test_late_files_stopped_cells_and_edited_tests_are_noted(room):
    with Gradebook(room.course.config.CourseDirectory.db_url) as book:
        book.update_or_create_assignment(LAB, duedate="2030-05-01 18:00:00 UTC")
    place = room.hand_in("late", time="2030-05-01 19:30:00 UTC")
    room.course.config.RunAndMark.seconds = 1.0
    page = nbformat.read(room.hand_in("slow", one="1\nwhile True: pass"), as_version=4)
    page.cells[4].source = "100"
    page.metadata["restored"] = 0
    nbformat.write(page, room.folder / "slow" / f"{LAB}.ipynb")
    room.grade()
    assert room.row("late")["note"] == "late by 90 minutes"
    assert room.row("slow")["note"] == "cells that were stopped: 1; cells that were put back: 1"
    shutil.rmtree(room.folder / "slow")  # once is enough
    room.course.config.LateSubmissionPlugin.penalty_method = "zero"
    room.grade()
    assert room.row("late")["note"] == "late by 90 minutes; penalty 4, not in the total"
    (place.parent / "timestamp.txt").unlink()
    room.grade()
    assert room.row("late")["note"] == ""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("", "", ""),
        ("predict · 2 points", "predict · 3 points", "one has 2 in the metadata, 3 in the heading"),
        ("explain · 4 points", "explain · 3 points", "why has 4 in the metadata, 3 in the heading"),
        ("Marks(of=2)", "Marks(of=3)", "2 in the heading, 3 in Marks(of=...), 2 in the awards"),
        ("('again', 1)", "('again', 2)", "2 in Marks(of=...), 3 in the awards"),
        ("**Points**: 8", "**Points**: 9", "the lab says 9 points, and its tasks have 8"),
    ],
)
def test_points_that_differ_are_found(old, new, words):
    page = lab()
    for cell in page.cells:
        cell.source = cell.source.replace(old, new)
    found = disagreements(page)
    assert bool(found) == bool(words)
    assert words in "".join(found)


def test_points_that_differ_make_no_labs(room, monkeypatch):
    monkeypatch.setattr(course, "disagreements", lambda page: ["one", "two"])
    made = CliRunner().invoke(main, ["release", "--labs", str(room.labs)])
    assert (made.exit_code, made.output) == (1, f"Error: {LAB}: points differ: one; two\n")


def test_awards_of_derivations_and_loops_are_counted():
    page = v4.new_notebook(
        cells=[
            v4.new_code_cell("task = Lines(t, 's', {}, [Goal(1, 'a', f), Goal(2, 'b', f)], answer=Answer(2, 'c'))"),
            v4.new_markdown_cell("### Task 1 · derive · 5 points"),
            v4.new_code_cell("marks = Marks(of=5)\nmarks.lines('x', task)\nmarks", metadata=known("x")),
            v4.new_markdown_cell("### Task 2 · measure · 3 points"),
            v4.new_code_cell(
                "marks = Marks(of=3)\nfor k, s in enumerate((1, 2)):\n    with marks.award(1, s):\n        pass\nmarks",
                metadata=known("y"),
            ),
        ]
    )
    for cell, points in ((page.cells[2], 5), (page.cells[4], 3)):
        cell.metadata.nbgrader |= {"grade": True, "locked": True, "solution": False, "points": points}
    assert disagreements(page) == ["y has 3 in the metadata, 3 in the heading, 3 in Marks(of=...), 2 in the awards"]


def test_from_another_folder_the_command_says_where_labs_should_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for words in (["release"], ["export"], ["grade", "in"]):
        said = CliRunner().invoke(main, words)
        assert said.exit_code == 1
        assert said.output.startswith("Error: no labs in")
        assert said.output.count("\n") == 1


def test_limits_of_the_teachers_settings_hold(tmp_path):
    room = Class(tmp_path)
    (room.labs / "nbgrader_config.py").write_text("c = get_config()\nc.RunAndMark.all_seconds = 7\n")
    assert Course(room.labs, tmp_path / "build").config.RunAndMark.all_seconds == 7


def test_once_graded_a_lab_keeps_its_tasks_and_may_change_its_points(tmp_path):
    room = Class(tmp_path)
    room.hand_in("ann", why=WORDS)
    room.grade()
    room.by_hand("ann", why=4)
    page = lab()
    page.cells[-1].metadata.nbgrader["points"] = 5
    page.cells[-2].source = page.cells[-2].source.replace("4 points", "5 points")
    page.cells[0].source = page.cells[0].source.replace("8", "9")
    nbformat.write(page, room.labs / LAB / f"{LAB}.ipynb")
    assert room.grade() == [f"ann: {LAB}: 8 of 9"]
    page.cells[-1].metadata.nbgrader["grade_id"] = "what-for"
    nbformat.write(page, room.labs / LAB / f"{LAB}.ipynb")
    said = CliRunner().invoke(main, ["release", "--labs", str(room.labs)])
    assert (said.exit_code, said.output.count("\n")) == (1, 1)
    assert "Cannot add or remove cells" in said.output
