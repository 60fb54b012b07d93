"""Labs: what a line of a derivation is worth, what students are given, and how a folder is graded."""

import contextlib
import csv
import json
import linecache
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import run as harness
import sympy
from nbclient import NotebookClient
from nbgrader.utils import compute_checksum
from submissions import is_answer, is_test, load, name_of, write

from mini_ddpm.labs import (
    Answer,
    Goal,
    Lines,
    Marks,
    NoAnswer,
    answers,
    ask,
    between,
    either,
    means,
    near,
    nested,
    wire,
)
from mini_ddpm.labs.course import Course, read
from mini_ddpm.labs.slips import forgotten
from mini_ddpm.symbolic import Expectation, Fact, Theory, cells

LABS = Path(__file__).parent.parent / "notebooks" / "labs"
SOURCES = sorted(path for path in LABS.glob("*/*.ipynb") if path.stem == path.parent.name)
each = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
KINDS = ("derive", "predict", "implement", "measure", "explain")


# --- lines -----------------------------------------------------------------------------------------------------

a, b, c, y = sympy.symbols("a b c y", real=True)
FIRST = "Expectation((a + b*y)**2, y)\n"


def task(**more):
    theory = Theory()
    theory.define(c, a**2 + b**2)
    return Lines(
        theory,
        "Expectation((a + b*y)**2, y)",
        {"a": a, "b": b, "c": c, "y": y, "Expectation": Expectation},
        [Goal(1, "multiplied out", lambda line: line.atoms(Expectation) and line.has(2 * a * b * y)), NO_MEAN],
        Answer(3, "in c", only=[c]),
        **more,
    )


NO_MEAN = Goal(2, "no mean", lambda line: means(line) == 0 and line.has(a))
OUT, SUM, END = "= Expectation(a**2 + 2*a*b*y + b**2*y**2, y)\n", "= a**2 + b**2\n", "= c\n"


@pytest.mark.parametrize(
    ("lines", "points", "verdicts"),
    [
        ("", 0, []),
        (OUT + SUM + END, 6, ["right", "right", "right"]),
        (END, 3, ["right"]),  # a jump
        (SUM + END, 5, ["right", "right"]),
        (OUT + OUT + END + "= c + 0", 4, ["right"] * 4),  # padded
        (END + SUM + OUT, 3, ["right"] * 3),  # backwards
        (OUT + "= a**2 - b**2\n= a**2 - b**2 + 2*b**2 - 2*b**2\n" + END, 4, ["right", "wrong", "right", "right"]),
        (OUT + "= a**2 - b**2\n= c - 2*b**2\n", 1, ["right", "wrong", "right"]),  # a slip, to the end
        ("= 2*a\n= a + a\n= a*2", 0, ["wrong", "right", "right"]),
        # a form is paid once, though a wrong line led to it before a right one did
        ("= Expectation(a**2 - b**2*y**2, y)\n= a**2 - b**2\n" + SUM + END, 5, ["wrong", "right", "right", "right"]),
        (OUT + "= foo\n" + SUM, 3, ["right", "unread", "right"]),
        ("= c # known [c]\n<= c\n~ c\nc\n= 1/0\n=", 0, ["unread"] * 6),
        ("= __import__('os').system('true')\n= a.__class__\n= 10**10**10", 0, ["unread"] * 3),
    ],
)
def test_a_line_earns_what_it_is_the_first_to_reach(lines, points, verdicts):
    marked = task().mark(FIRST + lines)
    assert [line.verdict for line in marked.lines] == ["given", *verdicts]
    assert marked.points == points
    assert sum(goal.points for goal in marked.missed) == 6 - points


def test_a_line_may_have_two_neighbouring_forms_but_the_answer_is_paid_alone():
    def without(*gone):
        return lambda line: not line.has(*gone)

    steps = Lines(
        Theory(),
        "a + 0*b + 0*c + 0*y",
        {"a": a, "b": b, "c": c, "y": y},
        [Goal(1, "no b", without(b)), Goal(2, "no c", without(b, c)), Goal(4, "no y", without(b, c, y))],
        Answer(8, "a", has=lambda line: line == a),
    )
    for lines, points in (
        ("= a + 0*c + 0*y\n= a + 0*y\n= a + 0\n= a", 15),
        ("= a + 0*y\n= a + 0\n= a", 15),  # two at once
        ("= a + 0\n= a", 14),  # three at once: the first of them is not paid
        ("= a + 0*y\n= a", 11),
        ("= a", 8),  # the whole derivation in one line
        ("= a\n= a + 0\n= a + 0*y", 8),
    ):
        assert steps.mark("a + 0*b + 0*c + 0*y\n" + lines).points == points, lines


def test_a_number_in_one_term_is_a_slip_and_named():
    for start, up_to, line, words in (
        ("(a + b)**2", None, "= a**2 + a*b + b**2", "a factor 2 is missing in a*b"),
        ("a*b + a*c", None, "= 2*a*b + a*c", "a factor 1/2 is missing in 2*a*b"),
        ("2*a*a - a**2", None, "= a*a - a**2", "a factor 2 is missing in a*a"),  # 0, to SymPy
        ("(y - a)**2", y, "~ y**2 - y*a", "a factor 2 is missing in -a"),
        ("(y - a)**2 - y*b", y, "~ y**2 - 2*y*a + y*b", "the sign of"),
    ):
        letters = {"a": a, "b": b, "c": c, "y": y}
        answer = Answer(1, "no c", has=lambda line: not line.has(c))
        lines = Lines(Theory(), start, letters, [], answer, up_to=up_to)
        said = lines.mark(f"{start}\n{line}\n{line} + 0*a").lines
        assert f"look at: {words}" in said[1].words
        assert [one.verdict for one in said[1:]] == ["wrong", "right"]


def steps():
    """A derivation with two forms on the way."""

    def without(*gone):
        return lambda line: not line.has(*gone)

    theory = Theory()
    theory.define(b, 2 * a)
    theory.define(c, 3 * a)
    names = {"a": a, "b": b, "c": c}
    goals = [Goal(1, "no b", without(b)), Goal(2, "no c", without(b, c))]
    return Lines(
        theory, "b + c**2", names, goals, Answer(4, "one term", has=lambda line: line.is_Mul and not line.has(b, c))
    )


@pytest.mark.parametrize(
    ("lines", "points"),
    [
        ("= 2*a + c**2\n= 2*a + 9*a**2\n= a*(2 + 9*a)", [1, 2, 4]),
        ("= 4*a + c**2\n= 4*a + 9*a**2\n= a*(4 + 9*a)", [0, 2, 4]),  # a slip costs its form
        (
            "= 4*a + c**2\n= c**2 + c*4/3\n= 4*a + 9*a**2\n= a*(4 + 9*a)",
            [0, 1, 2, 3],
        ),  # or the next line has it; a slip costs a point
        ("= 4*a + c**2\n= 4*a + c**2 + 0\n= 4*a + 9*a**2", [0, 0, 2]),  # but not the same again
        ("= c**2\n= c*c\n= c*3*a", [0, 0, 0]),  # the form is there because of the slip
        ("= 4*a + 5*c\n= 5*c + c*4/3\n= 19*a\n= 20*a - a", [0, 0, 2, 0]),  # more than a slip
        ("= 2*a + 9*a**2\n= a*(2 + 8*a)\n= 2*a*(1 + 4*a)", [3, 0, 0]),  # a wrong answer said otherwise
    ],
)
def test_nobody_gains_by_a_slip(lines, points):
    said = steps().mark("b + c**2\n" + lines)
    assert [one.points for one in said.lines[1:]] == points, str(said)


def test_a_form_that_the_slip_gave_is_said():
    said = str(steps().mark("b + c**2\n= c**2\n= c*c"))
    assert 'has the form "no b" by the slip in a line before' in said
    assert "so far no line" not in str(steps().mark("b + c**2\n= 4*a + c**2\n= 4*a + 9*a**2"))


def test_the_answer_is_called_that_although_a_wrong_line_stands_before_it():
    said = steps().mark("b + c**2\n= 4*a + c**2\n= 4*a + 9*a**2\n= a*(2 + 9*a)")
    assert said.lines[-1].points == 4
    assert "not the answer itself" not in str(said)


def test_equals_for_tilde_is_wrong_once():
    square = Lines(
        Theory(),
        "-(y - a)**2",
        {"a": a, "y": y},
        [Goal(1, "collected", lambda line: line.subs(y, 0) == 0), Goal(2, "y", lambda line: line.has(y))],
        Answer(4, "once", has=lambda line: line.count(y) == 1),
        up_to=y,
    )
    said = square.mark("-(y - a)**2\n= -y**2 + 2*a*y\n= 7 - y**2 + 2*a*y\n= -(y - a)**2 + a**2")
    assert [one.verdict for one in said.lines[1:]] == ["wrong", "right", "right"]
    assert said.points == 6
    box = cells.derive(Theory(), "(y - a)**2\n= y**2 - 2*a*y", {"a": a, "y": y}, y)
    assert "true but for terms without y: begin such a line with ~" in box._repr_html_()


def test_an_answer_may_earn_the_form_before_it_but_a_jump_does_not():
    def lines(alone):
        goals = [Goal(1, "no b", lambda line: not line.has(b)), Goal(2, "no c", lambda line: not line.has(b, c))]
        theory = Theory()
        theory.define(b, 2 * a)
        theory.define(c, 3 * a)
        answer = Answer(4, "a", has=lambda line: line.is_Mul, alone=alone)
        return Lines(theory, "b + c", {"a": a, "b": b, "c": c}, goals, answer)

    assert lines(False).mark("b + c\n= 2*a + c\n= 5*a").points == 7
    assert lines(True).mark("b + c\n= 2*a + c\n= 5*a").points == 5
    assert lines(False).mark("b + c\n= 5*a").points == 4
    assert "not reached (2): no c, on a line of its own" in str(lines(True).mark("b + c\n= 2*a + c\n= 5*a"))


def test_a_line_that_comes_back_is_told_why_the_box_shows_a_cross():
    marked = task().mark(FIRST + "= Expectation(a**2 - b**2*y**2, y)\n" + SUM + END)
    assert [line.verdict for line in marked.lines] == ["given", "wrong", "right", "right"]
    assert marked.lines[2].words.endswith("so the cell's own box shows a cross")
    assert marked.lines[3].words == "in c"
    box = cells.derive(task().theory, FIRST + "= Expectation(a**2 - b**2*y**2, y)\n" + SUM + END, task().names)
    assert [line.mark for line in box.lines[1:]] == ["refused", "refused", "proved"]


def test_after_a_slip_the_answer_counts_and_after_nonsense_it_does_not():
    linear = Lines(
        Theory(), "a*(b + c)", {"a": a, "b": b, "c": c}, [], Answer(2, "multiplied out", has=lambda e: e.is_Add)
    )
    assert linear.mark("a*(b + c)\n= -a*(b + c)\n= -a*b - a*c").points == 1
    assert linear.mark("a*(b + c)\n= -a*(b + c)\n= -a*b - a*c\n= a*b + a*c").points == 2
    assert linear.mark("a*(b + c)\n= (a + 1)*(b + 7)*c**3\n= a*b*c**3 + 7*a*c**3 + b*c**3 + 7*c**3").points == 0


def test_a_slip_up_to_constants_is_a_slip():
    square = Lines(
        Theory(),
        "-(y - a)**2/2 - y**2/2",
        {"a": a, "y": y},
        [Goal(1, "collected", lambda line: line.subs(y, 0) == 0)],
        Answer(2, "y once", has=lambda line: line.count(y) == 1),
        up_to=y,
    )
    for lines, points in (
        ("~ a*y - y**2\n~ -(y - a/2)**2", 3),
        ("~ -a*y - y**2\n~ -(y + a/2)**2", 2),
        ("~ a**3*y - 7*y**2\n~ -7*(y - a**3/14)**2", 0),
    ):
        assert square.mark("-(y - a)**2/2 - y**2/2\n" + lines).points == points
    forgot = square.mark("-(y - a)**2/2 - y**2/2\n= a*y - y**2\n~ -(y - a/2)**2")
    assert (forgot.points, forgot.unfinished) == (2, "")
    assert forgot.lines[1].words == "true but for terms without y: begin such a line with ~"


def test_the_first_line_is_the_teachers():
    marked = task().mark("a\n" + OUT)
    assert "that one is taken" in marked.lines[0].words
    assert marked.points == 1
    assert task().mark(OUT).points == 1  # without it


def test_facts_are_the_teachers():
    theory = Theory()
    rule = Fact(theory, sympy.sin(a) ** 2 + sympy.cos(a) ** 2, sympy.Integer(1))
    lines = Lines(theory, "a", {"a": a, "b": b}, [], Answer(1, "b", only=[b]), using={"rule": rule})
    assert lines.mark("a\n= a # why [rule]").lines[1].verdict == "right"
    assert "[mine] is no fact" in lines.mark("a\n= a # why [mine]").lines[1].words


def test_what_is_said_names_both_numbers_the_hint_and_what_is_missing():
    said = str(task().mark(FIRST + "= Expectation(a**2 - 2*a*b*y - b**2*y**2, y)"))
    assert re.search(r"line 2  wrong .*\n +the line before is \S+, and this one \S+, for example with \w+ = ", said)
    assert "look at: " in said
    assert "not reached (3): in c" in said


# --- what a student who went wrong is told ------------------------------------------------------------------------

k, x = sympy.symbols("k x", real=True)
SQUARED = "Expectation((1 - k*a)**2 + k**2*b*x**2, x)"


def squares():
    return Lines(
        Theory(),
        SQUARED,
        {"k": k, "a": a, "b": b, "x": x, "Expectation": Expectation},
        [Goal(1, "no mean", lambda line: means(line) == 0)],
        Answer(2, "the answer: k once", has=lambda line: line.count(k) == 1),
    )


def test_no_mean_stands_inside_a_sum_of_means():
    inside = Expectation(Expectation((a * x + y) ** 2, x), y)
    assert nested(inside)
    for line in (Expectation(x**2, x) + Expectation(y**2, y), Expectation(x**2 + a, x), a, a + Expectation(y, y)):
        assert not nested(line)


def test_a_forgotten_factor_is_a_slip_and_named():
    marked = squares().mark(SQUARED + "\n= Expectation((1 - k*a)**2 + k**2*x**2, x)")
    assert "look at: a factor b is missing in k**2*x**2" in marked.lines[1].words
    assert forgotten(Theory(), a * c + b * c, a + y) == ("", None)
    assert forgotten(Theory(), a * c, (a + b) ** 3000) == ("", None)


def test_what_follows_from_a_slip_is_not_called_the_answer_and_the_answer_below_it_is():
    slip = SQUARED + "\n= Expectation((1 - k*a)**2 + k**2*b*x, x)\n= (1 - k*a)**2"
    alone, both = squares().mark(slip), squares().mark(slip + "\n= (a**2 + b)*(k - a/(a**2 + b))**2 + b/(a**2 + b)")
    assert alone.lines[2].points == 2
    assert "this is not the answer itself" in alone.lines[2].words
    assert [line.points for line in both.lines] == [0, 0, 0, 2]
    assert both.lines[3].words.startswith("the answer: k once")


def test_after_a_wrong_line_a_hint_is_about_the_last_true_one():
    said = squares().mark(SQUARED + "\n= k + 7\n= Expectation((1 + k*a)**2 + k**2*b*x**2, x)").lines[2].words
    assert said.startswith("your last true line is")
    assert said.endswith("look at: the sign of a*k")  # not of 1
    box = cells.derive(Theory(), "a*b\n= a + b + 7\n= a + b + 8", {"a": a, "b": b})._repr_html_()
    assert box.count("which is wrong itself") == 1
    assert box.count("look at") <= 1


def test_sentences_say_what_is_missing():
    assert "so far no line of yours is both true and new" in str(squares().mark(SQUARED + "\n= k"))
    said = str(squares().mark(SQUARED + "\n= 1 - 2*k*a + k**2*(a**2 + b)"))
    assert "your last true line is not the answer yet; it lacks: k once" in said
    assert "x0: there is no such name here. You may use k, a, b" in str(squares().mark(SQUARED + "\n= x0"))


def test_a_box_that_cannot_be_read_says_one_sentence():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    cells.load_ipython_extension(shell)
    shell.user_ns.update(a=a, t=Theory(), f=len)
    for head, text, words in (("f", "a", "f is no theory here"), ("t", "a\n= a^2", "a power is written")):
        with pytest.raises(cells.Unread, match=words) as caught:
            shell.run_cell_magic("derive", head, text)
        assert len(caught.value._render_traceback_()) == 1


def test_a_box_knows_the_symbols_of_its_task_and_shows_what_it_can_read(capsys):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    cells.load_ipython_extension(shell)
    one = task()
    shell.user_ns.update(a=3, c=np.ones(2), mine=one.theory, derived=None)
    shell.run_cell_magic("derive", "mine -> derived", FIRST + OUT + SUM + END)
    assert [line.mark for line in shell.user_ns["derived"].lines[1:]] == ["proved"] * 3
    assert "the symbols still in this derivation: a, c\n" in capsys.readouterr().out
    with pytest.raises(cells.Unread, match="x0: there is no such name here"):
        shell.run_cell_magic("derive", "mine", FIRST + "= x0")
    capsys.readouterr()
    with pytest.raises(cells.Unread, match=r"a product is written with \*"):
        shell.run_cell_magic("derive", "mine", FIRST + OUT + "= 2 a b\n= c")
    assert "2*a*b*y" in capsys.readouterr().out


def test_a_derivation_as_text_has_the_lines_that_were_written():
    made = cells.derive(Theory(), "a + b\n= b + a + 0*c\n= a + b", {"a": a, "b": b, "c": c})
    assert "  =  b + a + 0*c  [proved]" in str(made)


def test_checks_say_the_value_and_the_line(place, capsys):
    marks = Marks(of=1)
    with marks.award(0, "bare"):
        raise AssertionError
    with marks.award(0, "inside"):
        between([0.2, 1.3], 0, 1, "half_way")
    said = capsys.readouterr().out
    assert "bare: it is not so" in said
    assert "inside: half_way is 1.3" in said
    names = {}
    source = "def f():\n    return 1 / 0\n"
    linecache.cache["/tmp/ipykernel_1/2.py"] = (len(source), None, source.splitlines(True), "/tmp/ipykernel_1/2.py")
    exec(compile(source, "/tmp/ipykernel_1/2.py", "exec"), names)
    place(**names)
    with pytest.raises(NoAnswer, match=r"division by zero \(in your line: return 1 / 0\)"):
        ask("f()")


# --- answers ---------------------------------------------------------------------------------------------------


class Elsewhere:
    def __init__(self, cells=(), **names):
        self._cells, self.names = cells, names

    def cells(self):
        return self._cells

    def reply(self, code, given, seconds, instead):
        return wire.reply(code, given, self.names, instead)


@pytest.fixture
def place(monkeypatch):
    def put(*cells, **names):
        monkeypatch.setattr(answers, "_places", [Elsewhere(cells, **names)])

    return put


def test_numbers_come_through_and_nothing_else(place):
    place(f=lambda x: (x.mean(), [x, None, "text"]), g=lambda: object(), h=lambda: 1 / 0, nothing=None)
    mean, (x, none, text) = ask("f(x)", x=np.arange(3.0))
    assert (mean, [*x], none, text) == (1.0, [0.0, 1.0, 2.0], None, "text")
    assert ask("{'a': f(x)[0]}", x=np.ones(2)) == {"a": 1.0}
    for code, words in (
        ("g()", "a object is no number"),
        ("h()", "ZeroDivision"),
        ("k", "NameError"),
        ("nothing", "gives nothing"),
    ):
        with pytest.raises(NoAnswer, match=words):
            ask(code)


def test_a_right_function_takes_the_place_of_a_students_and_is_gone_again(place):
    held = {"f": lambda x: x + 1}
    exec("def g(x):\n    return f(x) * 2\ndef h(x):\n    return f(x) / 0", held)
    own = held["f"]
    place()
    answers._places[0].names = held
    assert ask("g(1)") == 4
    assert ask("g(1)", instead={"f": "lambda x: 10 * x"}) == 20
    for code in ("h(1)", "k", "g(1)"):
        for right in ({"f": "lambda x: x", "k2": "1"}, {"f": "no such thing"}):
            with contextlib.suppress(NoAnswer):
                ask(code, instead=right)
            assert held["f"] is own
            assert "k2" not in held


def test_own_functions_are_tried_first_and_right_ones_after_them():
    tried = []

    def check(passes):
        def one(instead):
            tried.append(dict(instead))
            assert bool(instead) in passes, f"not with {len(instead)}"

        return one

    for passes, times in (([False], 1), ([True], 2), ([True, False], 1)):
        tried.clear()
        either(check(passes), {"f": "1"})
        assert len(tried) == times
    with pytest.raises(AssertionError, match="not with 0"):  # what is said is about the student's own
        either(check([]), {"f": "1"})


def test_a_test_leaves_no_names_in_a_students_notebook(monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    monkeypatch.setattr(answers, "_shell", lambda: shell)
    monkeypatch.setattr(answers, "_places", [answers.Here()])
    shell.user_ns.update(rng=1, Marks=Marks)
    shell.run_cell("marks = Marks(of=1)\nrng, other = 2, 3")
    shell.run_cell("mine = rng")
    assert shell.user_ns["mine"] == shell.user_ns["rng"] == 1
    assert "other" not in shell.user_ns
    assert "marks" not in shell.user_ns


def test_the_last_derivation_of_a_name_counts(place):
    place("%%derive t -> one\na\n= b", "x = 1", "  %%derive t -> one up to a\na\n= c", "%%derive t -> oneself\na\n= d")
    assert answers.derived("one") == "a\n= c"
    with pytest.raises(NoAnswer, match="no cell begins with %%derive"):
        answers.derived("two")


def test_marks_are_the_number_that_nbgrader_reads(place, capsys):
    place()
    marks = Marks(of=8)
    with marks.award(1, "fine"):
        assert True
    with marks.award(0.5, "wrong"):
        raise AssertionError("not so")
    with marks.award(0, "a look"):
        near(1, 1, within=0)
    marks.lines("none", task())
    assert float(repr(marks)) == 1
    said = capsys.readouterr().out
    assert re.search(r"1 of 1 +fine\n0 of 0.5 +wrong: not so\nyes +a look\nno cell begins", said)


def test_a_students_notebook_says_the_points_in_words_and_feedback_does_not(place, monkeypatch):
    monkeypatch.setattr(answers, "_places", [answers.Here()])

    def shown(*tests, of):
        marks = Marks(of)
        for points, well in tests:
            with marks.award(points, "a test"):
                assert well
        return marks._repr_markdown_()

    assert shown((0, True), of=2) == (
        "All tests here are passed: they give no points. Tests worth 2 follow when your lab is graded; "
        "you don't see them."
    )
    assert shown((1, True), (1, False), of=4).startswith(
        "Not all tests here are passed: **1 of 2 points**. Tests worth 2 more follow"
    )
    assert shown((1, False), of=1) == "**0 of 1 points**. There are no other tests of this task."
    place()  # as when it is graded
    assert shown((1, True), of=4) is None


@pytest.mark.parametrize(
    ("given", "right", "words"),
    [
        (2, 1, "too large"),
        (0, 1, "too small"),
        ("x", 1, "no number"),
        (float("nan"), 1, "too small"),
        ([1, 2], np.array([1, 3]), "its entry 2 is 2, off by 1"),
        ([1], np.array([1, 3]), r"shape \(1,\), not \(2,\)"),
        (1, (1, 2), "2 things"),
        ([1], (1, 2), "2 things, not 1"),
        ([1, 3], (1, 2), "number 2, 3, is too large"),
        (3, 1, "^3 is too large"),
    ],
)
def test_near_says_how_far_and_not_what_is_right(given, right, words):
    with pytest.raises(AssertionError, match=words):
        near(given, right, within=0.1)


# --- the instructor's versions ---------------------------------------------------------------------------------


@each
def test_a_lab_is_complete_and_has_not_been_run(path):
    nb = load(path)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in nb.cells)
    names = [name_of(cell) for cell in nb.cells if name_of(cell)]
    assert len(names) == len({*names})
    assert all(name_of(cell) for cell in nb.cells if cell.cell_type == "code")
    prose = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    tasks = re.findall(r"^### Task (\d+) · (\w+) · (\d+) points$", prose, re.MULTILINE)
    assert [int(number) for number, _, _ in tasks] == [*range(1, len(tasks) + 1)]
    assert {kind for _, kind, _ in tasks} == {*KINDS}
    graded = [cell for cell in nb.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    assert [int(points) for *_, points in tasks] == [cell.metadata.nbgrader.points for cell in graded]
    assert f"**Points**: {sum(int(points) for *_, points in tasks)}" in prose
    for cell in graded:
        if is_test(cell):
            assert f"marks = Marks(of={cell.metadata.nbgrader.points})\n" in cell.source
            assert cell.source.endswith("\nmarks")
        else:
            assert "**Rubric.**" in cell.source
    for cell in nb.cells:
        assert not is_answer(cell) or "### BEGIN SOLUTION" in cell.source or cell.cell_type == "markdown"


@each
def test_the_instructors_version_gets_all_points_where_it_is_run(path):
    nb = load(path)
    NotebookClient(nb, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    for cell in filter(is_test, nb.cells):
        (shown,) = [one.data["text/plain"] for one in cell.outputs if one.output_type == "execute_result"]
        assert float(shown) == cell.metadata.nbgrader.points, name_of(cell)


# --- the release -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    made = Course(LABS, tmp_path_factory.mktemp("course"), seconds=20)
    made.release()
    return made


def secrets(nb):
    """Lines that students may not see: of solutions, hidden tests, and answers that a teacher grades."""
    kept, hidden = set(), set()
    for cell in nb.cells:
        inside = is_answer(cell) and cell.cell_type == "markdown"
        for row in cell.source.splitlines():
            inside = inside or "### BEGIN" in row
            (hidden if inside else kept).add(row.strip())
            inside = inside and "### END" not in row
    seen = "\n".join(kept)
    said = {row for row in hidden if not row.startswith(("except ", "### "))}
    return {row for row in said if len(row) > 8 and "### " not in row and row not in seen}


@each
def test_the_release_holds_no_answers(course, path):
    hidden = secrets(load(path))
    assert len(hidden) > 50
    made = course.build / "labs"  # this lab, and what is for all; another lab may give a line that is asked for here
    files = [made / "README.md", *(made / path.parent.name).iterdir()]
    ours = [*files, *(Path(harness.ROOT) / "mini_ddpm" / "labs").rglob("*.py")]
    for file in ours:
        text = file.read_text(encoding="utf-8")
        told = "\n".join(cell.source for cell in load(file).cells) + text if file.suffix == ".ipynb" else text
        assert not [row for row in hidden if row in told or json.dumps(row)[1:-1] in told], file


@each
def test_nothing_in_the_release_lets_answers_be_recovered(course, path):
    made = load(course.build / "labs" / path.parent.name / path.name)
    assert {*made.metadata} <= {"kernelspec", "language_info"}
    for cell in made.cells:
        assert not cell.get("outputs")
        assert not cell.get("attachments")
        assert not cell.get("execution_count")
        assert {*cell.metadata} <= {"nbgrader", "deletable", "editable", "seconds"}
        if known := cell.metadata.get("nbgrader"):
            fields = {
                "grade",
                "grade_id",
                "locked",
                "schema_version",
                "solution",
                "task",
                "points",
                "checksum",
                "cell_type",
            }
            assert {*known} <= fields
            assert known["checksum"] == compute_checksum(cell)  # of what is seen, so it says nothing of what is not
    assert {file.suffix for file in (course.build / "labs").rglob("*.*")} <= {".ipynb", ".md"}


# --- grading ---------------------------------------------------------------------------------------------------


def test_a_folder_is_graded_and_one_bad_file_harms_nobody(course, tmp_path):
    lab, path = SOURCES[0].stem, SOURCES[0]
    release = load(course.build / "labs" / lab / path.name)
    chosen = {
        one.name: one for one in harness.submissions(lab) if one.name in ("a-sign", "kernel-dies", "broken", "missing")
    }
    for one in chosen.values():
        write(tmp_path, lab, one, release, load(path))
    (tmp_path / "a-sign" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "a-sign" / ".ipynb_checkpoints" / f"{lab}-checkpoint.ipynb").touch()
    said = [*course.grade(tmp_path)]
    assert len(said) == 4
    with open(course.grading / f"{lab}.csv", encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows["a-sign"]["jump"] == "3.0"
    assert rows["kernel-dies"]["between"] == "0.0"
    assert rows["kernel-dies"]["walk"] == "5.0"
    assert rows["broken"]["note"].startswith("refused: ")
    assert rows["missing"]["note"] == "not handed in"
    assert rows["a-sign"]["by hand"] == "2"
    page = (course.grading / "feedback" / "a-sign" / lab / f"{lab}.html").read_text(encoding="utf-8")
    assert re.search(r"line 2 +wrong", page)
    assert '<a href="#end">Task 4 · predict (end)</a>' in page
    assert "look at: the sign of sigma_s**2" in page
    assert "BEGIN HIDDEN" not in page
    assert "by_counting" not in page


def test_of_two_folders_with_one_name_in_the_gradebook_one_is_graded_and_the_other_refused(course, tmp_path):
    lab, path = SOURCES[0].stem, SOURCES[0]
    empty = (course.build / "labs" / lab / path.name).read_bytes()
    for name in ("Ann Lee", "ann_lee", "Jos\u00e9", "Jose\u0301", "bo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / path.name).write_bytes(b"{" if name == "bo" else empty)
    said = [*course.grade(tmp_path, feedback=False)]
    assert len(said) == 5
    assert "Ann Lee: refused: the gradebook can't tell Ann Lee from ann_lee: give this folder another name" in said
    assert [line.split(": ")[:3] for line in said if "refused" not in line] == [
        ["Jos\u00e9", lab, "0 of 57"],
        ["ann_lee", lab, "0 of 57"],
    ]
    with open(course.grading / f"{lab}.csv", encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows["ann_lee"]["total"] == "0.0"
    assert rows["Ann Lee"]["note"].startswith("refused: the gradebook can't tell")
    assert "ann_lee" in rows["Ann Lee"]["note"]
    assert "refused" in rows["Jose\u0301"]["note"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"{", "is no notebook"),
        (b"\xff\xfe", "is not UTF-8"),
        (b'{"nbformat": 4}', "is no notebook"),
    ],
)
def test_what_is_no_notebook_is_refused_in_one_line(tmp_path, data, words):
    (tmp_path / "lab.ipynb").write_bytes(data)
    with pytest.raises(ValueError, match=words) as refused:
        read(tmp_path / "lab.ipynb")
    assert "\n" not in str(refused.value)


@each
def test_every_lab_has_thirty_submissions_and_three_other_ways(path):
    found = harness.submissions(path.stem)
    assert sum(one.name.startswith("other-way") for one in found) >= 3
    assert nbformat.validate(load(path)) is None
