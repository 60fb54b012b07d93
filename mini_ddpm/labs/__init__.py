"""What the notebooks of labs use: tests that give points, and derivations that are marked line by line.

    marks = Marks(of=1)  # all points of the task
    with marks.award(1, "at sigma_s = 0 nothing is left to guess"):
        near(ask("posterior(0.5, 2.0, 3.0, 0.0)"), (2.0, 0.0), within=1e-9)
    marks  # the last line of a test: the points

A test runs in two places. In a student's notebook `ask` looks into that notebook. When a submission is graded, tests
run in a kernel of the teacher's, which no code of the student's has touched: `ask` sends its line to the student's
kernel, and numbers come back, nothing else. `grading` does that (it needs the extra `labs`); `python -m mini_ddpm.labs`
makes releases and grades folders.
"""

from mini_ddpm.labs.answers import NoAnswer, ask, either
from mini_ddpm.labs.forms import Answer, Goal, means, nested
from mini_ddpm.labs.lines import Lines
from mini_ddpm.labs.marks import Marks, between, near

__all__ = ["Answer", "Goal", "Lines", "Marks", "NoAnswer", "ask", "between", "either", "means", "near", "nested"]
