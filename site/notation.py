"""Links between a symbol's line in the table of notation and its first use."""

import re
from html import escape
from typing import NamedTuple

import nbformat

TABLE = "A_notation"


class Symbol(NamedTuple):
    """A line of the table: the notebook of the first use begins with `page`."""

    tex: tuple[str, ...]
    words: str
    page: str
    place: str


def _first_use(symbol: Symbol, markdown: str) -> str:
    """The formula in running text that is the symbol, or holds one that cannot be mistaken for something else."""
    for formula in re.findall(r"(?<![$\w>])\$(?!\$)[^$\n]+\$(?![$<])", markdown):
        for tex in symbol.tex:
            if formula == f"${tex}$" or (len(tex) > 5 and tex.partition("(")[0] in formula):
                return formula
    return ""


class Notation:
    """The table, and which of its symbols have been met."""

    def __init__(self, table: nbformat.NotebookNode, stems: list[str]) -> None:
        self.symbols: list[Symbol] = []
        self.met: set[str] = set()
        (section,) = (cell.source for cell in table.cells if "## 2. The symbols" in cell.source)
        for line in re.findall(r"^\| (\$.*) \|$", section.partition("\n## 3.")[0], flags=re.M):
            written, words, _, first = line.split(" | ")
            tex = tuple(part.strip() for part in written.strip("$").split(r",\ "))
            page = next((stem for stem in stems if stem.startswith(first[:2] + "_")), "")
            self.symbols.append(Symbol(tex, words, page, f"symbol-{len(self.symbols) + 1}"))

    def linked(self, markdown: str, stem: str) -> str:
        """A cell, in which each first use of a symbol leads to the table; or the table itself, which leads back."""
        if stem == TABLE:
            return self._leading_back(markdown) if "## 2. The symbols" in markdown else markdown
        for symbol in self.symbols:
            if symbol.page == stem and symbol.place not in self.met and (formula := _first_use(symbol, markdown)):
                self.met.add(symbol.place)
                told = escape(re.sub(r"[$\\{}*`]", "", symbol.words))
                where = f'href="{TABLE}.html#{symbol.place}" title="{told}: in the table of notation"'
                link = f'<a class="symbol" id="{symbol.place}" {where}>{formula}</a>'
                markdown = markdown.replace(formula, link, 1)
        return markdown

    def _leading_back(self, markdown: str) -> str:
        for symbol in self.symbols:
            written = "$" + r",\ ".join(symbol.tex) + "$"
            if symbol.page:
                place = f"#{symbol.place}" if symbol.place in self.met else ""
                line = re.search(rf"^\| {re.escape(written)} \|.*\| (\d\w+)(, \w+)* \|$", markdown, flags=re.M)
                if line:
                    first = line[1]
                    back = line[0][: line.start(1) - line.start()] + f'<a href="{symbol.page}.html{place}">{first}</a>'
                    back += line[0][line.end(1) - line.start() :]
                    back = back.replace(f"| {written}", f'| <span id="{symbol.place}"></span>{written}', 1)
                    markdown = markdown.replace(line[0], back)
        return markdown
