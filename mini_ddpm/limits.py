"""Numbers that the work and the command line's help share."""

from contextvars import ContextVar

N = 2000  # images in every comparison by default; the real ones are the first of the test set
BATCH = 250  # images drawn at a time
SHEET, MOST = 2500, 100_000  # images that a sheet can show, and that a folder or an .npz file can hold
FLOAT32_ONLY = ContextVar("float32 only", default=False)  # true: networks compute as on any other machine, slower
