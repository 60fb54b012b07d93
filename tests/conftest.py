"""What holds for every test, and what several share: the command line, called in this process."""

import sys
from functools import partial

import pytest
import torch

from mini_ddpm import __main__, runs


def pytest_terminal_summary(terminalreporter):
    """Print what tests record under the name `shown`; what they print themselves is lost in other processes."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, text in report.user_properties:
            if name == "shown" and report.when == "call":
                terminalreporter.write_line("\n" + text)


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    """Whoever is left to choose a device takes the CPU, on every machine: on GPUs the last bits differ."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Call the command line in this process, in an empty folder: (exit status, stdout, stderr). Reports are short."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "report", partial(runs.report, n=50))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["mini-ddpm", *map(str, arguments)])
        try:
            __main__.main()
            status = 0
        except SystemExit as exit_:
            status = exit_.code or 0
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def one_line(err):
    """The message that remains when progress bars are left out."""
    lines = [line for line in err.replace("\r", "\n").splitlines() if line and "it/s" not in line and "%|" not in line]
    assert len(lines) == 1, lines
    assert "Traceback" not in err
    return lines[0]


class Place:
    """Where a notebook's live figure stands: `shown` gets every figure that is put there, if it has an alt text."""

    def __init__(self, shown):
        self.shown = shown

    def update(self, figure, metadata):
        assert metadata["image/png"]["alt"].endswith(".")
        self.shown.append(figure)
