"""What is in a folder of submissions."""

import re
import unicodedata
import warnings
from pathlib import Path

import nbformat

LARGEST = 50_000_000  # bytes of a notebook


def students(folder: Path) -> tuple[dict[str, Path], dict[Path, str]]:
    """Folders by the names that nbgrader takes; and those whose name another folder has, with that one's."""
    those: dict[str, Path] = {}
    twins: dict[Path, str] = {}
    taken: dict[str, str] = {}
    found = [path for path in _seen(folder) if path.is_dir()]
    for path in sorted(found, key=lambda path: path.name != _name(path)):  # who has the name itself keeps it
        first = taken.setdefault(_name(path).casefold(), path.name)  # some disks can't tell A from a
        if first == path.name:
            those[_name(path)] = path
        else:
            twins[path] = first
    return dict(sorted(those.items())), twins


def strays(folder: Path) -> list[str]:
    """Names of what no student's folder holds."""
    return [path.name for path in _seen(folder) if not path.is_dir()]


def _seen(folder: Path) -> list[Path]:
    """What a system does not hide."""
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith((".", "__MACOSX"))]


def _name(folder: Path) -> str:
    """A student's name that nbgrader takes."""
    return re.sub(r"[^\w.@-]", "_", unicodedata.normalize("NFC", folder.name))


def files(folder: Path, lab: str) -> list[Path]:
    """Notebooks of a lab, but for copies that Jupyter and macOS make."""
    found = folder.rglob(f"{lab[:3]}*.ipynb")
    return sorted(
        path for path in found if not re.search(r"/(\.|__MACOSX)", path.relative_to(folder.parent).as_posix())
    )


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook of any version.

    Raises:
        ValueError: it is none.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path.name} has more than {LARGEST // 10**6} MB")
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8: {error.reason} at byte {error.start}") from None
    if not text.strip():
        raise ValueError(f"{path.name} is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cells with the same id get others
            found = nbformat.reads(text, as_version=4)
            nbformat.validate(found)
    except Exception as error:  # as many kinds as there are ways to be no notebook
        raise ValueError(f"{path.name} is no notebook: {str(error).splitlines()[0]}") from None
    return found
