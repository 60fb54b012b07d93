"""Figures, animations, widgets and small data sets that the notebooks and the command line share."""

import os


def budget(full: int, fast: int) -> int:
    """How long a notebook trains: `full`, or `fast` where MINI_DDPM_FAST=1 asks for a short run, as the tests do."""
    return fast if os.environ.get("MINI_DDPM_FAST") == "1" else full
