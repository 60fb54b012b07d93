"""How a command does its work: what all of them need, once their options are understood."""

import os
import sys
from typing import Any

import click


class Command(click.Command):
    """A command that works with the other processes of its job, and says what to do where memory runs out.

    Of several processes that torchrun started, only the first one prints, but for errors.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Work, once the options are understood."""
        from mini_ddpm import parallel
        from mini_ddpm.runs.device import enough_memory

        try:
            with parallel.job(), enough_memory("take fewer images (a smaller --n), or a smaller network"):
                if parallel.rank():
                    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
                return super().invoke(ctx)
        except click.Abort:
            raise
        except RuntimeError as error:
            if not parallel.is_lost(error):
                raise
            reason = f"{error}\n".splitlines()[0][:200]
            raise parallel.LostProcessError(f"another process stopped: {reason}") from None


class Group(click.Group):
    """Commands of that kind."""

    command_class = Command
