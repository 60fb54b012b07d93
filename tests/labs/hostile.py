"""What students hand in that is no answer: by accident, by bad luck, or to get points that they have not earned."""

import json
from collections.abc import Sequence

from submissions import Page, Submission, is_test

SWALLOW = """\
import mini_ddpm.labs, mini_ddpm.labs.marks, mini_ddpm.labs.wire, mini_ddpm.labs.answers
get_ipython().set_custom_exc((Exception,), lambda *rest, **more: None)
mini_ddpm.labs.Marks.__repr__ = lambda self: "57"
mini_ddpm.labs.near = mini_ddpm.labs.marks.near = near = lambda *rest, **more: None
mini_ddpm.labs.Marks.lines = lambda self, *rest: setattr(self, "total", 9)
mini_ddpm.labs.answers.ask = ask = lambda *rest, **more: 1
"""
FORGE = """\
from mini_ddpm.symbolic import Derivation, Fact, Theory, prover, comparison
from mini_ddpm.symbolic.derivation import Line
Theory.mark = lambda self, *rest, **more: "proved"
Theory.refute = lambda self, *rest, **more: []
prover.proves = lambda *rest, **more: True
comparison.compare = lambda *rest, **more: ([], None)
"""
LIE = """\
import mini_ddpm.labs.wire
mini_ddpm.labs.wire.reply = lambda *rest: "[" * 200_000
"""
TWINS = """\
class Always(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    def __rsub__(self, other): return 0.0
    def __abs__(self): return 0.0
    def __le__(self, other): return True
"""


def hostile(lab: str, cell: str, task: str, names: Sequence[str]) -> list[Submission]:
    """Submissions to any lab.

    Args:
        lab: its name.
        cell: an answer in code, whose loss costs the points of one task only.
        task: that task.
        names: the names that this answer defines.
    """
    lost = {task: 0}

    def does(name: str, text: str) -> Submission:
        return Submission(name, lost, lambda page: page.answer(cell, text))

    def edited(name: str, edit, **more) -> Submission:
        return Submission(name, {}, edit, **more)

    forged = "".join(f"{name} = Always(1)\n" for name in names)
    return [
        edited("nothing", lambda page: None, answered=False),
        # code that does not end, or ends more than itself
        does("endless", "while True:\n    pass"),
        does("endless-and-stubborn", "while True:\n    try:\n        while True: pass\n    except BaseException: pass"),
        does("hog", "hoard = []\nwhile True:\n    hoard.append(bytearray(10**9))"),
        does("exit", "import sys\nsys.exit(0)"),
        does("quit", "quit()"),
        does("kernel-dies", "import os\nos._exit(1)"),
        does("kernel-is-killed", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
        does("syntax", "this is (no Python"),
        does("recursion", "def f(): return f()\nf()"),
        does("waits-for-a-key", "answer = input('?')"),
        edited("chatters", lambda page: page.after(cell, "for k in range(300_000): print('x' * 80)")),
        edited(
            "warns",
            lambda page: page.after(cell, "import sys, warnings\nwarnings.warn('!')\nprint('!', file=sys.stderr)"),
        ),
        edited("fails-elsewhere", lambda page: page.after(cell, "1 / 0")),
        edited(
            "leaves-a-process", lambda page: page.after(cell, "import subprocess\nsubprocess.Popen(['sleep', '60'])")
        ),
        # cells that are not as they were handed out
        edited("tests-deleted", _drop_tests),
        edited("tests-edited", _edit_tests, answered=False),
        edited("metadata-edited", _edit_metadata),
        edited("metadata-is-nonsense", _spoil_metadata),
        edited(
            "another-kernel",
            lambda page: page.nb.metadata.update(kernelspec={"name": "julia-1.10", "display_name": "J"}),
        ),
        edited("another-version", _another_version),
        edited("twice", lambda page: page.nb.cells.insert(0, dict(page.cell(cell), source="raise SystemExit"))),
        Submission("answer-deleted", lost, lambda page: page.nb.cells.remove(page.cell(cell))),
        Submission("answer-elsewhere", {}, lambda page: _move(page, cell)),
        # points that were not earned
        edited("swallows-errors", lambda page: page.nb.cells.insert(1, _code(SWALLOW)), answered=False),
        edited("patches-the-checker", lambda page: page.nb.cells.insert(1, _code(FORGE)), answered=False),
        edited("lies-on-the-wire", lambda page: page.nb.cells.append(_code(LIE)), answered=False),
        does("numbers-that-equal-all", TWINS + forged),
        # files that are no notebooks
        Submission("format-3", {}, raw=_format_3),
        Submission("format-9", "refused: ", raw=lambda data: data.replace(b'"nbformat": 4', b'"nbformat": 9')),
        Submission("broken", "refused: ", raw=lambda data: data[: len(data) // 2]),
        Submission("no-cells", "refused: ", raw=lambda data: b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}'),
        Submission("a-list", "refused: ", raw=lambda data: b"[1, 2, 3]"),
        Submission("latin-1", "refused: ", raw=lambda data: data.replace(b"The mathematics", "Thé".encode("latin-1"))),
        Submission("empty", "refused: ", raw=lambda data: b""),
        Submission("missing", "not handed in", raw=lambda data: None),
        Submission("a-picture", "not handed in", raw=lambda data: b"\x89PNG\r\n", file="lab.png"),
        Submission("named-by-a-browser", file=f"{lab}(1).ipynb"),
        Submission("a-checkpoint-only", "not handed in", file=f".ipynb_checkpoints/{lab}-checkpoint.ipynb"),
    ]


def _code(text: str) -> dict:
    return {"cell_type": "code", "metadata": {}, "source": text, "outputs": [], "execution_count": None, "id": "mine"}


def _drop_tests(page: Page) -> None:
    page.nb.cells = [one for one in page.nb.cells if not is_test(one)]


def _edit_tests(page: Page) -> None:
    for one in page.tests():
        one.source = "100"


def _edit_metadata(page: Page) -> None:
    for one in page.tests():
        one.metadata.nbgrader.update(points=1000, grade=False, solution=True, locked=False)
        one.cell_type, one["attachments"] = "markdown", {}
        del one["outputs"], one["execution_count"]


def _spoil_metadata(page: Page) -> None:
    for k, one in enumerate(page.tests()):
        one.metadata["nbgrader"] = ["yes", 7, None, {"grade_id": 3}][k % 4]


def _another_version(page: Page) -> None:
    """As of another year: a cell that is not there yet, and one that is no more."""
    page.nb.cells.remove(page.tests()[-1])
    page.tests()[0].metadata.nbgrader.grade_id = "a-task-of-last-year"


def _move(page: Page, cell: str) -> None:
    text = page.cell(cell).source
    page.answer(cell, "# see below")
    page.after(cell, text)


def _format_3(data: bytes) -> bytes:
    """As Jupyter of 2014 would write it."""
    nb = json.loads(data)
    cells = []
    for one in nb["cells"]:
        new = {"cell_type": one["cell_type"], "metadata": one["metadata"]}
        if one["cell_type"] == "code":
            new |= {"input": one["source"], "language": "python", "outputs": [], "collapsed": False}
        else:
            new |= {"source": one["source"]}
        cells.append(new)
    worksheets = [{"cells": cells, "metadata": {}}]
    return json.dumps({"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": worksheets}).encode()
