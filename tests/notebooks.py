"""Reading the notebooks as files, for the tests."""

from pathlib import Path

import nbformat

FOLDER = Path(__file__).parent.parent / "notebooks"
PART_1 = sorted(FOLDER.glob("0[0-5]_*.ipynb"))
ALL = sorted(FOLDER.glob("[0-9][0-9]*_*.ipynb"))  # 08b comes after 08
APPENDICES = sorted(FOLDER.glob("[A-Z]_*.ipynb"))


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def text_of(cell: nbformat.NotebookNode) -> str:
    """All text that a code cell has printed or displayed."""
    outputs = [output.get("text") or "".join(map(str, output.get("data", {}).values())) for output in cell.outputs]
    return "\n".join(outputs)


def teaches(path: Path) -> bool:
    """Whether a page has the exercises of `mini_ddpm.course.exercises`."""
    return any("import exercise" in cell.source for cell in code_cells(path))


def describes(path: Path) -> bool:
    """Whether the figures of a page have alternative texts."""
    return teaches(path) or any("figures import show" in cell.source for cell in code_cells(path))


DERIVING = [path for path in ALL if path in PART_1 or any("derivation" in tags(cell) for cell in code_cells(path))]
