"""The terminal a command runs in: it may go away, and it may ask to stop."""

import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

# Ctrl-C, a request to end, a closed terminal, and Windows' Ctrl-Break
STOPS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


@contextmanager
def handled(handler: Callable) -> Iterator[None]:
    """Let `handler(number, frame)` answer requests to stop, but for a closed terminal that nohup told to ignore."""
    before = {number: signal.getsignal(number) for number in STOPS}
    mine = [n for n in STOPS if n in (signal.SIGINT, signal.SIGTERM) or before[n] != signal.SIG_IGN]
    try:
        for number in mine:
            signal.signal(number, handler)
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number])


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Turn requests to stop into a question that a loop asks between steps, so that no step is left half done."""
    asked: list[int] = []
    with handled(lambda number, frame: asked.append(number)):
        yield lambda: bool(asked)


class Quiet:
    """A stream that falls silent where its reader is gone, its disk full or it is closed; the work goes on."""

    lost: OSError | None = None  # why, if it fell silent

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - Python has None for a closed one
        if isinstance(self.stream, io.TextIOWrapper):
            self.stream.reconfigure(errors="backslashreplace")  # of names that the screen has no letters for

    def write(self, text: str) -> int:
        """Write, or fall silent."""
        try:
            return self.stream.write(text)
        except OSError as error:
            self._silence(error)
            return len(text)

    def flush(self) -> None:
        """Flush, or fall silent."""
        try:
            self.stream.flush()
        except OSError as error:
            self._silence(error)

    def _silence(self, error: OSError) -> None:
        self.lost = self.lost or error
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())  # what is still to be flushed goes there, too

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
