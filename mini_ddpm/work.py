"""How a command does its work: what all of them need, once their options are understood."""

from typing import Any, NoReturn

import click

from mini_ddpm.terminal import handled


class Command(click.Command):
    """A command that works with the other processes of its job, can be interrupted, and says where memory runs out."""

    def invoke(self, ctx: click.Context) -> Any:
        """Work, once the options are understood."""
        from mini_ddpm import measure, parallel, runs  # noqa: F401 - before a KeyboardInterrupt may fall among them
        from mini_ddpm.runs.device import enough_memory

        remedy = "take fewer images (a smaller --n), or a smaller network"
        try:
            with handled(_interrupt), parallel.job(), enough_memory(remedy):
                return super().invoke(ctx)
        except click.Abort:
            raise
        except RuntimeError as error:
            if not parallel.is_lost(error):
                raise
            reason = f"{error}\n".splitlines()[0][:200]
            raise parallel.LostProcessError(f"another process stopped: {reason}") from None


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


class Group(click.Group):
    """Commands of that kind."""

    command_class = Command
