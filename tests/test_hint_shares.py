"""How many hints name the mistake: on the corpus, and on true lines with a planted mistake.

`make test` takes a sample of them, `make test-long` all.
"""

import os
from collections import Counter

import hinted
from test_planted_mistakes import true_steps

import notebooks

EVERY = int(os.environ.get("MINI_DDPM_EVERY", "8"))  # 1 with `make test-long`
QUICK = ("01_forward_process", "05_simplified_loss", "12_guidance")  # whose lines are mutated by `make test`


def shares(title, cases, record_property):
    """Show, for each kind of slip and in all, what the hints are; returns how many in all."""
    judged = [(case.kind, hinted.judge(case)[0]) for case in cases]
    columns = ("named", "other", "silent")
    kinds = {kind: Counter(what for other, what in judged if other == kind) for kind, _ in sorted(judged)}
    kinds["all"] = Counter(what for _, what in judged)
    lines = [f"{title:28}" + "".join(f"{column:>8}" for column in columns)]
    lines += [f"{kind:28}" + "".join(f"{counts[column]:8}" for column in columns) for kind, counts in kinds.items()]
    counts = kinds["all"]
    share = counts["named"] / (counts["named"] + counts["other"])
    record_property("shown", "\n".join([*lines, f"{share:.0%} of the hints name the planted edit"]))
    return share, counts


def test_hints_name_the_slips_of_the_corpus(record_property):
    cases = list(hinted.corpus())[:: max(1, EVERY // 2)]
    share, counts = shares("slips of the corpus", cases, record_property)
    assert share >= 0.8
    assert counts["silent"] <= 0.3 * len(cases)


def test_hints_name_the_planted_mistakes(record_property):
    cases = []
    for path in notebooks.DERIVING:
        if EVERY == 1 or path.stem in QUICK:
            cases += list(hinted.planted_in(true_steps(path)))[:: 1 if EVERY == 1 else 2 * EVERY]
    share, counts = shares("planted mistakes", cases, record_property)
    assert share >= 0.8
    assert counts["named"] >= 20
