"""The log of a training, `metrics.csv`: a row for every few steps."""

import csv
import io
import math
from itertools import chain
from pathlib import Path

from mini_ddpm.files import CheckpointError, read_whole, write_whole

COLUMNS = ("step", "loss", "grad_norm", "learning_rate", "images_per_second", "seconds")
MEASURED = ("held_out_loss", "fd")  # empty in most rows; absent from files of 0.2


def write_metrics(folder: Path, rows: list[dict[str, float]]) -> None:
    """Write `metrics.csv`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS + MEASURED, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(folder / "metrics.csv", lambda file: file.write(text.getvalue().encode()))


def read_metrics(folder: Path, step: int | None = None) -> list[dict[str, float]]:
    """The rows of `metrics.csv` up to a step (all of them by default); what was not measured is not in a row.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / "metrics.csv"
    if not path.exists():
        return []
    content = read_whole(path)
    try:
        reader = csv.DictReader(io.StringIO(content.decode()), strict=True)
        rows = [{k: float(v) for k, v in row.items() if v != "" or k not in MEASURED} for row in reader]
        steps = [int(row["step"]) for row in rows]
        whole = tuple(reader.fieldnames or ()) in (COLUMNS, COLUMNS + MEASURED)
        whole = whole and all(map(math.isfinite, chain(*map(dict.values, rows))))
        if not whole or steps != sorted({*steps}) or steps != [row["step"] for row in rows]:
            raise ValueError
    except (TypeError, ValueError, KeyError, OverflowError, csv.Error):
        raise CheckpointError(f"{path} is damaged: remove it, and the run goes on without its past losses") from None
    return [{**row, "step": int(row["step"])} for row in rows if step is None or row["step"] <= step]
