"""Results as tables: HTML where a page can show it, and the same cells in columns of text everywhere else."""

import html
from collections.abc import Collection, Iterable, Sequence
from typing import Any

# GitHub drops styles and keeps `align`, so both say on which side a cell's text stands.
SIDES = ('align="left" style="text-align: left"', 'align="right" style="text-align: right"')


class Table:
    """Rows of cells under a head; a notebook shows it as the last value of a cell.

    Args:
        head: a name for each column.
        rows: as many cells each; text stays as it is, None is an empty cell, all else is for `str`. What can be
            compared belongs into text of equal precision: `f"{fd:.2f}"`.
        caption: what was measured, where and how, in a line or several.
        marked: places of rows that stand out, such as ours among others'; in text they begin with a star.
    """

    def __init__(
        self, head: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "", marked: Collection[int] = ()
    ) -> None:
        self.head, self.caption, self.marked = tuple(head), caption, {*marked}
        self.rows = [tuple("" if cell is None else str(cell) for cell in row) for row in rows]
        if uneven := [row for row in self.rows if len(row) != len(self.head)]:
            raise ValueError(f"a row has {len(uneven[0])} cells under {len(self.head)} names: {uneven[0]}")

    def _numeric(self, k: int) -> bool:
        """Whether column k holds numbers, which stand at the right."""
        cells = [row[k] for row in self.rows if row[k]]
        return k > 0 and all(cell[0] in "+-−≤0123456789" for cell in cells)

    def __repr__(self) -> str:
        numeric = [self._numeric(k) for k in range(len(self.head))]
        rows = [(("* " if k in self.marked else "") + row[0], *row[1:]) for k, row in enumerate(self.rows)]
        widths = [max(len(row[k]) for row in [self.head, *rows]) for k in range(len(self.head))]
        lines = [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(row, widths, numeric, strict=True)
            ).rstrip()
            for row in [self.head, *rows]
        ]
        return "\n".join([*filter(None, [self.caption]), lines[0], "-" * len(lines[0]), *lines[1:]])

    def _repr_html_(self) -> str:
        sides = [SIDES[self._numeric(k)] for k in range(len(self.head))]

        def line(tag: str, cells: Sequence[str], bold: bool = False) -> str:
            shown = [f"<b>{html.escape(cell)}</b>" if bold and cell else html.escape(cell) for cell in cells]
            pairs = zip(shown, sides, strict=True)
            return "<tr>" + "".join(f"<{tag} {side}>{cell}</{tag}>" for cell, side in pairs) + "</tr>"

        body = "".join(line("td", row, k in self.marked) for k, row in enumerate(self.rows))
        caption = "<br>".join(html.escape(self.caption).splitlines())
        caption = f'<caption style="caption-side: bottom; text-align: left">{caption}</caption>' if caption else ""
        return f"<table>{caption}<thead>{line('th', self.head)}</thead><tbody>{body}</tbody></table>"


def figure(value: float | None, digits: int = 2) -> str | None:
    """A measured number with so many digits after the point, or None where there is none."""
    return None if value is None else f"{value:,.{digits}f}"
