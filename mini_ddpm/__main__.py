"""The command line: `python -m mini_ddpm`, or `mini-ddpm`."""

import os
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from typing import NoReturn

import click

from mini_ddpm.terminal import Quiet, handled


def main() -> None:
    """Run the command line; an expected error is one line and exit status 1 (2 for wrong usage, 130 if interrupted).

    Of several processes that torchrun started, only the first one prints, but for errors.
    """
    first = os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK") == "0"
    out = Quiet(sys.stdout if first else None)
    with redirect_stdout(out), redirect_stderr(Quiet(sys.stderr)), handled(_leave):  # type: ignore[type-var]
        try:
            from mini_ddpm.commands import cli

            cli.main(prog_name="mini-ddpm", standalone_mode=False)
            out.flush()
            if out.lost is None or isinstance(out.lost, BrokenPipeError):  # as for | head, which has seen enough
                return
            said, status = f"what was to be shown could not be: {out.lost.strerror}", 1
        except click.ClickException as error:
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "mini-ddpm"
            said, status = f"{error.format_message()} (see {command} --help)", error.exit_code
        except OSError as error:
            named = f"{error.filename}: {error.strerror}" if error.filename else str(error)  # no [Errno 20]
            said, status = named, 1
        except ValueError as error:
            said, status = str(error), 1
        except MemoryError as error:
            said, status = str(error) or "not enough memory", 1
        except (click.Abort, KeyboardInterrupt):
            said, status = "interrupted", 130
        click.echo("mini-ddpm: " + " ".join(said.split()), err=True)
        sys.exit(status)


def _leave(number: int, frame: object) -> NoReturn:
    """Before the work there is nothing to lose, and modules that are being imported swallow a KeyboardInterrupt."""
    with suppress(OSError):
        os.write(2, b"mini-ddpm: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    main()
