"""Where the answers are that a test looks at: in this notebook, or in a submission whose kernel is another process."""

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Empty
from typing import Any, Protocol

from mini_ddpm.labs import wire
from mini_ddpm.symbolic import cells


class NoAnswer(Exception):  # noqa: N818 - as learners meet it
    """There is no value: the code raised something, gave no numbers, or took too long."""


class Place(Protocol):
    """Where answers are."""

    def cells(self) -> Sequence[str]:
        """The code cells, in order."""

    def reply(self, code: str, given: str, seconds: float, instead: Mapping[str, str]) -> str:
        """What `wire.reply` says of an expression there."""


class Here:
    """The notebook that this runs in."""

    def cells(self) -> Sequence[str]:
        """What was run, in order."""
        return [*_shell().history_manager.input_hist_raw]

    def reply(self, code: str, given: str, seconds: float, instead: Mapping[str, str]) -> str:
        """The value here; nobody waits for it."""
        return wire.reply(code, given, _shell().user_ns, instead)


class Submission:
    """Cells that were handed in, and the kernel that has run them.

    Args:
        cells: the text of its code cells.
        connection: the file that describes its kernel, or None if it has none.
    """

    def __init__(self, cells: Sequence[str], connection: str | None) -> None:
        self._cells = cells
        self.client = None
        if connection is not None:
            from jupyter_client import BlockingKernelClient

            self.client = BlockingKernelClient()
            self.client.load_connection_info(json.loads(Path(connection).read_text(encoding="utf-8")))
            self.client.start_channels(iopub=False, stdin=False, hb=False)

    def cells(self) -> Sequence[str]:
        """The cells."""
        return self._cells

    def reply(self, code: str, given: str, seconds: float, instead: Mapping[str, str]) -> str:
        """Asked in the student's kernel, which may lie, hang, or be dead.

        Raises:
            NoAnswer: no text came back in time.
        """
        if self.client is None:
            raise NoAnswer("the notebook did not run")
        words = f"__import__('mini_ddpm.labs.wire').labs.wire.reply({code!r}, {given!r}, globals(), {dict(instead)!r})"
        asked = self.client.execute("", silent=True, user_expressions={"reply": words})
        try:
            while (message := self.client.get_shell_msg(timeout=seconds))["parent_header"].get("msg_id") != asked:
                pass  # an answer that came too late for another question
        except Empty:
            self.close()
            raise NoAnswer(f"no answer within {seconds:g} seconds") from None
        found = message["content"].get("user_expressions", {}).get("reply", {})
        text = found.get("data", {}).get("text/plain", "")
        if not 0 < len(text) < wire.LARGEST:
            raise NoAnswer(str(found.get("evalue", "the notebook's kernel gave no answer"))[:500])
        return ast.literal_eval(text)

    def close(self) -> None:
        """Ask no more."""
        if self.client is not None:
            self.client.stop_channels()
            self.client = None


_places: list[Place] = [Here()]


def at_home() -> bool:
    """Whether answers are looked for in the notebook that asks: a student's own, before it is handed in."""
    return isinstance(_places[0], Here)


def use(place: Place) -> None:
    """Look for answers there from now on."""
    old, _places[0] = _places[0], place
    if isinstance(old, Submission):
        old.close()


def ask(code: str, seconds: float = 10, instead: Mapping[str, str] | None = None, **given: Any) -> Any:
    """The value of an expression in the student's notebook: numbers, text, lists of these; arrays of float64.

    Args:
        code: the expression, as "posterior(x, 0.5, 2.0, 1.0)".
        seconds: how long to wait, when a submission is graded.
        instead: functions that take the place of the student's meanwhile, as expressions by name.
        given: names that it may use, and their values.

    Raises:
        NoAnswer: it has no such value.
    """
    said = json.loads(_places[0].reply(code, json.dumps(wire.packed(given)), seconds, instead or {}))
    if "error" in said:
        raise NoAnswer("there is no answer yet" if "ellipsis" in said["error"] else said["error"])
    if said["value"] is None:
        raise NoAnswer(f"{code} gives nothing")
    return wire.unpacked(said["value"])


def either(check: Callable[[Mapping[str, str]], None], right: Mapping[str, str]) -> None:
    """Run a check with {}, on the student's own functions; if it fails, with right ones: what is to be `instead`.

    So a mistake in an earlier task costs its own points alone, and who went another way consistently loses nothing.
    """
    try:
        check({})
    except Exception as own:
        try:
            check(right)
        except Exception:
            raise own from None


def derived(name: str) -> str:
    """The lines of the last cell that begins with `%%derive theory -> name`.

    Raises:
        NoAnswer: there is none.
    """
    head = re.compile(rf"\s*%%derive\s+\w+\s*->\s*{name}\b[^\n]*\n?")
    found = [cell[match.end() :] for cell in _places[0].cells() if (match := head.match(cell))]
    if not found:
        raise NoAnswer(f"no cell begins with %%derive ... -> {name}")
    return found[-1]


def leave_no_names() -> None:
    """Take back what the rest of this cell makes of the student's names, when it ends: a test has names of its own."""
    shell = _shell()
    if not at_home() or shell is None or not hasattr(shell, "events"):
        return
    before = dict(shell.user_ns)

    def end(_: Any) -> None:
        shell.events.unregister("post_run_cell", end)
        for name in [name for name in shell.user_ns if not name.startswith("_")]:
            if name not in before:
                del shell.user_ns[name]
            else:
                shell.user_ns[name] = before[name]

    shell.events.register("post_run_cell", end)


def changed(task: Any) -> str:
    """A sentence on names of a derivation that have another meaning in the notebook that asks, or ""."""
    return cells.changed(task.theory, _shell().user_ns) if at_home() and _shell() else ""


def _shell() -> Any:
    from IPython import get_ipython

    return get_ipython()
