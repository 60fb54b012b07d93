"""Kernels that run one cell at a time, within limits."""

import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode, v4

LARGEST = 1_000_000  # letters of output that are kept of a notebook


class Stopped(RuntimeError):  # noqa: N818 - it ends a cell
    """A cell took too long, or ended its kernel."""


class Kernel(NotebookClient):
    """A kernel of its own, in a folder.

    Args:
        folder: where it runs.
        name: of the kernel; its Python is this one, unless that name says otherwise.
        memory: the most that it may take, in GiB, where the system can hold it to that; None for no limit.
    """

    def __init__(self, folder: Path, name: str = "python3", memory: float | None = None) -> None:
        place = {"metadata": {"path": str(folder)}}
        page = v4.new_notebook(cells=[v4.new_code_cell()])
        self._stack = ExitStack()
        manager = AsyncKernelManager(kernel_name=name)
        if sys.platform != "win32":  # talk through files that other users can't open
            manager.transport, manager.ip = "ipc", f"{self._stack.enter_context(TemporaryDirectory())}/kernel"
        super().__init__(page, manager, resources=place, allow_errors=True, shutdown_kernel="immediate")
        self.size = 0
        self._stack.enter_context(self.setup_kernel(cleanup_kc=True))
        if memory is not None:
            self.run(v4.new_code_cell(f"from mini_ddpm.labs.limits import limit\nlimit({memory})\ndel limit"), 60)
            self.run(v4.new_code_cell("get_ipython().ask_exit = lambda: None"), 60)  # quit() would end it for all cells

    def run(self, cell: NotebookNode, seconds: float) -> None:
        """Run a cell and keep its outputs; an error in it is one of these.

        Raises:
            Stopped: it took longer than that, or ended the kernel. The kernel is of no use any more.
        """
        self.timeout = max(1, round(seconds))
        try:
            self.execute_cell(cell, 0)
        except CellTimeoutError:
            raise Stopped(f"stopped: it took longer than {self.timeout} seconds") from None
        except (DeadKernelError, CellExecutionError):
            raise Stopped("stopped: it ended its kernel, or took more memory than there is") from None

    def answers(self) -> bool:
        """Whether it still does."""
        try:
            self.run(v4.new_code_cell("0"), 3)
        except Stopped:
            return False
        return True

    def output(self, outs: list, msg: dict, display_id: str | None, cell_index: int) -> NotebookNode | None:
        """Keep an output, unless there are too many."""
        self.size += len(str(msg["content"]))
        return super().output(outs, msg, display_id, cell_index) if self.size < LARGEST else None

    @property
    def connection(self) -> str:
        """The file that says how to reach it."""
        assert self.km is not None
        return self.km.connection_file

    def stop(self) -> None:
        """End it."""
        with suppress(RuntimeError):
            self._stack.close()
