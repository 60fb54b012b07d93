"""Writes README's section on the command line from the commands' own help: `python tests/readme.py`."""

import html
import re
from pathlib import Path

import click

from mini_ddpm.commands import cli

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- made by tests/readme.py -->\n", "<!-- end of what tests/readme.py made -->"


def folded(name: str, command: click.Command) -> str:
    """A command with its arguments and what it does; its options, as `--help` lists them, folded away under it."""
    context = click.Context(command, info_name=name, show_default=True)
    arguments = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    what = re.sub("`(.*?)`", r"<code>\1</code>", html.escape(command.get_short_help_str(limit=500), quote=False))
    head = f"<code>{' '.join(['mini-ddpm', name, *arguments])}</code>: {what}"
    options = click.HelpFormatter(width=100)
    own = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    rows = [record for option in own if (record := option.get_help_record(context))]
    if not rows:
        return f"<p>{head}</p>\n"
    options.write_dl(rows)
    return f"<details><summary>{head}</summary>\n\n```\n{options.getvalue()}```\n</details>\n"


def updated(page: str) -> str:
    """The page with its generated section made anew."""
    before, rest = page.split(BEGIN)
    commands = "\n".join(folded(name, command) for name, command in cli.commands.items())
    return f"{before}{BEGIN}\n{commands}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
