"""A notebook as a page of the site. Nothing is run: what is there is arranged for a reader.

Code is folded under a line that says what it does; a slider gets its frames; an exercise its hints and its solution,
folded; a refused line is folded until the reader has looked for the mistake.
"""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from derivations import refusal, rows
from notation import Notation
from summaries import one_line

from mini_ddpm.course.exercises import exercise

CODE_FIRST = {"06_unet", "08b_on_one_page"}  # whose subject is code: there it is open
CHECKED = ("00", "01", "02", "03", "04", "05")  # Part I, whose exercises the page "Check a line" knows


def page(notebook: nbformat.NotebookNode, stem: str, frames: Path, notation: Notation) -> nbformat.NotebookNode:
    """The notebook `stem`, rearranged."""
    cells = [new for cell in notebook.cells for new in _arranged(cell, stem, frames)]
    badge = r"\[!\[Open in Colab\]\(\S+\)\]\((\S+)\)"
    cells[0].source = re.sub(badge, lambda found: _ways(stem, found[1]), cells[0].source)
    for cell in cells[1:]:
        if cell.cell_type == "markdown":
            cell.source = notation.linked(cell.source, stem)
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def _ways(stem: str, colab: str) -> str:
    """Links to a notebook; to Colab only if the badge says where on GitHub it is."""
    there = "" if colab.endswith("/github/") else f'<a href="{colab}">Open in Colab</a> '
    return f'<p class="ways">{there}<a href="notebooks/{stem}.ipynb" download>Download the notebook</a></p>'


def _arranged(cell: nbformat.NotebookNode, stem: str, frames: Path) -> Iterator[nbformat.NotebookNode]:
    tags = cell.metadata.get("tags", [])
    asked = re.search(r'exercise\("([\w.]+)"\)', cell.source)
    if cell.cell_type == "markdown":
        yield cell
    elif "find_spec" in cell.source or all(line.startswith("#") or not line for line in cell.source.splitlines()):
        return  # the installation; places for answers
    elif "widget" in tags:
        yield nbformat.v4.new_markdown_cell(slider(frames / stem))
    elif asked and any("text/markdown" in output.get("data", {}) for output in cell.outputs):
        yield nbformat.v4.new_markdown_cell(_exercise(asked[1]))
    else:
        yield _folded(cell, opened=stem in CODE_FIRST)


def _folded(cell: nbformat.NotebookNode, opened: bool) -> nbformat.NotebookNode:
    """Code under one line, every picture with its sentence, derivations as rows that a phone can show."""
    line = one_line(cell.source)
    cell.metadata.mystnb = {"code_prompt_show": line, "code_prompt_hide": line}
    cell.metadata.tags = ["hide-input", *(["opened"] if opened else [])]
    for output in cell.outputs:
        data, about = output.get("data", {}), output.get("metadata", {})
        for kind in ("image/png", "image/gif"):
            if "alt" in about.get(kind, {}):
                cell.metadata.mystnb["image"] = {"alt": about[kind]["alt"]}
        if "text/html" in data and "text/latex" in data:
            output.data = {"text/html": refusal(data["text/html"])}
        elif "text/latex" in data:
            output.data = {"text/html": rows(data["text/latex"])}
    return cell


def _exercise(number: str) -> str:
    """The exercise, then its hints and its solution, each folded, in MyST Markdown."""
    asked = exercise(number)
    parts = ['<div class="exercise">', asked._repr_markdown_()]
    if number.startswith(CHECKED):
        parts.append(f'<a class="check" href="check.html?exercise={number}">Check your answer here, in the browser</a>')
    for n, hint in enumerate(asked.hints, 1):
        parts += [f"<details><summary>Hint {n} of {len(asked.hints)}</summary>", hint, "</details>"]
    parts += ["<details><summary>Solution</summary>", asked.solution().why, "</details>", "</div>"]
    return "\n\n".join(parts)


def slider(folder: Path) -> str:
    """A picture with native controls; static/slider.js moves it over the frames in the folder."""
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    where = f"frames/{folder.name}"
    controls = "".join(_control(name, *about["choices"][name]) for name in about["choices"])
    seen = html.escape(about["first"])
    return (
        f'<figure class="slider" data-frames="{where}"><div class="controls">{controls}</div>'
        f'<img src="{where}/{about["start"]}.webp" alt="{seen}" width="{about["width"]}" height="{about["height"]}">'
        f'<figcaption aria-live="polite">{seen}</figcaption>'
        "<noscript><p>Without JavaScript the picture stays as it is.</p></noscript></figure>"
    )


def _control(name: str, values: list[str], start: int) -> str:
    if not re.fullmatch(r"-?[\d.]+", values[0]):  # words
        options = "".join(f"<option{' selected' * (k == start)}>{value}</option>" for k, value in enumerate(values))
        return f"<label>{name} <select>{options}</select></label>"
    return (
        f'<label>{name} <input type="range" min="0" max="{len(values) - 1}" value="{start}" '
        f'aria-valuetext="{values[start]}" data-values="{" ".join(values)}"> <output>{values[start]}</output></label>'
    )
