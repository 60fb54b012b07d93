"""How every notebook opens: with a badge that leads to Colab, and a cell that installs the package where it is missing.

Both need the repository's address. pyproject.toml holds it, once it is known:

    [project.urls]
    Repository = "https://github.com/NAME/mini-ddpm"

and `python tests/openings.py` copies it into the notebooks. Until then the badge leads to Colab's own page, which asks
for an address, and the cell names REPOSITORY.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
GITHUB, COLAB = "https://github.com/", "https://colab.research.google.com"


def address(pyproject: str) -> str:
    """The address in the text of pyproject.toml, or the word that stands for it."""
    return tomllib.loads(pyproject)["project"].get("urls", {}).get("Repository", "REPOSITORY")


def badge(address: str, name: str) -> str:
    """The badge of a notebook, in Markdown. Colab opens what is on GitHub."""
    place = f"{address.removeprefix(GITHUB)}/blob/main/notebooks/{name}" if address.startswith(GITHUB) else ""
    return f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({COLAB}/github/{place})"


def install(address: str) -> str:
    """The first code cell of a notebook. The tools of Jupyter are left as they are: Colab needs its own."""
    return f"""\
from importlib.util import find_spec

if not find_spec("mini_ddpm"):  # as on Colab; after git+ stands the address
    %pip install -q "mini-ddpm @ git+{address}" ipywidgets sympy"""


def with_address(notebook: str, address: str, name: str) -> str:
    """The text of a notebook's file, its badge and its first code cell renewed."""
    notebook = re.sub(r"\[!\[Open in Colab\]\(\S+?\)\]\(\S+?\)", badge(address, name), notebook)
    return re.sub(r'(mini-ddpm @ git\+)[^\s"\\]+', rf"\g<1>{address}", notebook)


if __name__ == "__main__":
    known = address((ROOT / "pyproject.toml").read_text())
    for path in sorted(ROOT.glob("notebooks/*.ipynb")):
        text = path.read_text(encoding="utf-8")
        path.write_text(with_address(text, known, path.name), encoding="utf-8", newline="\n")
