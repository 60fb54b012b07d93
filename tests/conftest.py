"""What holds for every test."""

import pytest
import torch


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    """Whoever is left to choose a device takes the CPU, on every machine: on GPUs the last bits differ."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
