"""Figures, animations, widgets and small data sets that the notebooks and the command line share."""

import os
from typing import TypeVar

Budget = TypeVar("Budget")


def budget(full: Budget, fast: Budget) -> Budget:
    """How much a notebook does: `full`, or `fast` where MINI_DDPM_FAST=1 asks for a short run, as the tests do."""
    return fast if os.environ.get("MINI_DDPM_FAST") == "1" else full
