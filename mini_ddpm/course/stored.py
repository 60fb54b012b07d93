"""What was measured once and is kept in `data/bench`, for the pages that show it."""

import json
import statistics
from collections.abc import Sequence
from typing import Any

from mini_ddpm.files import shipped


def stored(name: str) -> Any:
    """The record of that name; `data/bench/README.md` has the command that makes it."""
    return json.loads((shipped("bench") / f"{name}.json").read_text(encoding="utf-8"))


def real_sets(n: int) -> list[dict[str, float]]:
    """Sets of n real test digits, shuffled, as many of each class: what the judge says of each."""
    return [row for row in stored("real-sets")["rows"] if row["n"] == n]


def precision(machine: str) -> str:
    """In which arithmetic networks ran there. Older records do not say: then the processor had float32 alone."""
    return "bfloat16" if "bfloat16" in machine else "float32"


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Several runs of one thing: their mean, and least and largest where these digits tell them apart."""
    mean, least, most = (f"{value:.{digits}f}" for value in (statistics.mean(values), min(values), max(values)))
    return mean if least == most else f"{mean} ({least} to {most})"
