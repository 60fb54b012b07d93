"""Make the release of the labs, hand in all submissions, grade them, and print a table of points.

python tests/labs/run.py [--lab 01] [--only NAME] [--keep FOLDER]
"""

import argparse
import csv
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path

import gradebook  # noqa: F401
from submissions import Submission, expected, load, write

from mini_ddpm.labs.course import Course

ROOT = Path(__file__).parent.parent.parent
LABS = ROOT / "notebooks" / "labs"
SECONDS = 15  # for a cell: enough to import torch on a busy machine, and those that never end are not many
SHARES = 3  # of a lab's submissions, graded side by side: cells that never end leave a core to the others


def graded(lab: str, names: Sequence[str], folder: Path, released: Path) -> list[tuple[str, str, str]]:
    """Grade some submissions: the name, what the table says, and what differs."""
    path = Path(lab, f"{lab}.ipynb")
    release, source = load(released / path), load(LABS / path)
    labs = folder / "labs"  # that one alone: all are released again when one is graded
    shutil.copytree(LABS / lab, labs / lab)
    for name in ("STUDENTS.md", "nbgrader_config.py"):
        shutil.copy(LABS / name, labs)
    course = Course(labs, folder / "build", SECONDS)
    course.config.RunAndMark.memory = 2.0
    chosen = [one for one in submissions(lab) if one.name in names]
    for one in chosen:
        write(folder / "submissions", lab, one, release, source)
    said = dict(line.split(": ", 1) for line in course.grade(folder / "submissions", feedback=False))
    with open(course.grading / f"{lab}.csv", encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    return [
        compared(one, said[one.name].removeprefix(f"{lab}: "), rows.get(one.name), expected(one, source))
        for one in chosen
    ]


def compared(one: Submission, said: str, row: dict | None, right: dict | str) -> tuple[str, str, str]:
    """A row of the table that is printed."""
    if isinstance(right, str):
        return one.name, said, "" if said.startswith(right) else f"should be {right}"
    if row is None or row["note"].startswith("refused"):
        return one.name, said, "should be graded"
    off = [
        f"{task}: {row[task]}, not {points:g}" for task, points in right.items() if float(row[task] or "nan") != points
    ]
    return one.name, f"{float(row['total']):g} of {float(row['of']):g}", ", ".join(off)


def submissions(lab: str) -> list[Submission]:
    """All of a lab; no two have the same name."""
    found = import_module(f"lab{lab[:2]}").SUBMISSIONS
    assert len({one.name for one in found}) == len(found) >= 30
    return found


def main(asked: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lab", default="")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args(asked)
    labs = sorted(path.stem for path in LABS.glob(f"{args.lab}*/*.ipynb"))
    if unknown := {*(args.only or ())} - {one.name for lab in labs for one in submissions(lab)}:
        parser.error(f"no submission is named {', '.join(sorted(unknown))}: see tests/labs/lab*.py and hostile.py")
    began, wrong = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as scratch, ProcessPoolExecutor(SHARES) as pool:
        base = args.keep or Path(scratch)
        Course(LABS, base).release()
        jobs = []
        for lab in labs:
            names = [one.name for one in submissions(lab) if not args.only or one.name in args.only]
            shares = [(names[k::SHARES], base / f"{lab}-{k}") for k in range(SHARES) if names[k::SHARES]]
            jobs += [pool.submit(graded, lab, share, folder, base / "labs") for share, folder in shares]
        for job in jobs:
            for name, said, off in job.result():
                print(f"{'WRONG' if off else 'right'}  {name:26} {said[:60]:62} {off}")
                wrong += bool(off)
    print(f"{wrong} of them wrong, {time.monotonic() - began:.0f} s")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
