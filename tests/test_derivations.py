"""The corpus of true and false steps in `derivations`: none that is false is proved, few that are true are refused.

`make test` takes every fourth step of each file, `make test-long` all of them.
"""

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import derivations

from mini_ddpm.symbolic import Unchecked, WrongStep

EVERY = int(os.environ.get("MINI_DDPM_EVERY", "4"))  # 1 with `make test-long`
LUCK = 0 if EVERY == 1 else 0.03  # a part of the corpus may miss a share by so much
FILES = sorted(path.stem for path in Path(derivations.__file__).parent.glob("*_*.py") if path.stem != "__init__")

# False steps that are accepted as "checked": file and claim -> why the worlds do not show it.
CHECKED = {
    "false_values: sign(1 - w) = Piecewise((1, w <= 1), (-1, True))": (
        "the sides differ at w = 1 only; the worlds take 1 for other names, never for w"
    ),
}


def marks_of(file):
    """What the checker says of the steps of a file; of a refused one, "refused"."""
    found = []
    for step in import_module(f"derivations.{file}").STEPS[::EVERY]:
        try:
            found.append(step.mark())
        except (WrongStep, Unchecked):
            found.append("refused")
    return found


def marks(truth):
    """(file, step, mark) of all steps of the true or false files, computed on all cores."""
    files = [file for file in FILES if file.startswith(truth)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for file, found in zip(files, pool.map(marks_of, files), strict=True):
            steps = import_module(f"derivations.{file}").STEPS[::EVERY]
            yield from ((file, step, mark) for step, mark in zip(steps, found, strict=True))


def table(title, found, record_property):
    """Show, for each file and in all, how many steps were proved, checked and refused; returns how many in all."""
    columns = ("proved", "checked", "refused")
    rows = {file: Counter(mark for other, _, mark in found if other == file) for file in FILES}
    rows = {file: counts for file, counts in rows.items() if counts} | {"all": Counter(mark for *_, mark in found)}
    lines = [f"{title:20}" + "".join(f"{column:>9}" for column in columns)]
    lines += [f"{name:20}" + "".join(f"{counts[column]:9}" for column in columns) for name, counts in rows.items()]
    record_property("shown", "\n".join(lines))  # at the end of all tests: conftest
    return rows["all"]


def words(file, step):
    """How a step is named in CHECKED."""
    return f"{file}: {step.before} {step.relation} {step.after}"


def test_no_false_step_is_proved_and_few_are_checked(record_property):
    found = list(marks("false"))
    counts = table("false steps", found, record_property)
    assert [words(file, step) for file, step, mark in found if mark == "proved"] == []
    assert {words(file, step) for file, step, mark in found if mark == "checked"} <= CHECKED.keys()
    assert counts["checked"] <= 0.02 * len(found)
    assert len(found) * EVERY >= 700


def test_true_steps_are_accepted_and_true_equalities_proved(record_property):
    found = list(marks("true"))
    equalities = [each for each in found if each[1].relation == "="]
    counts = table("true equalities", equalities, record_property)
    table("true inequalities", [each for each in found if each[1].relation != "="], record_property)
    refused = [words(file, step) for file, step, mark in found if mark == "refused"]
    assert len(refused) <= (0.03 + LUCK) * len(found), "\n".join(refused)
    assert counts["proved"] >= (0.9 - LUCK) * len(equalities)
    assert len(found) * EVERY >= 600
