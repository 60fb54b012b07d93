"""Tables: the same cells in HTML and in text."""

import re

import pytest

from mini_ddpm.course.tables import Table, figure

ROWS = [("$L$", "13.51", "≤ 3.70"), ("a < b", "3.17", None)]
TABLE = Table(("objective", "FID", "bits/dim"), ROWS, "one run\nn = 50", marked=[1])


def test_text_and_html_hold_the_same_cells_in_the_same_order():
    cells = [cell for row in ROWS for cell in row if cell]
    text, page = repr(TABLE), TABLE._repr_html_()
    assert [cell for cell in re.findall(r"\$L\$|a < b|\d+\.\d+|≤ \d\.\d+", text) if cell in cells] == cells
    found = re.findall(r"<td[^>]*>(?:<b>)?(.*?)(?:</b>)?</td>", page)
    assert [cell.replace("&lt;", "<") for cell in found] == [*cells, ""]


def test_numbers_stand_below_one_another_and_names_at_the_left():
    _, _, head, rule, first, second = repr(TABLE).splitlines()
    assert head.endswith("bits/dim")
    assert set(rule) == {"-"}
    assert first.index("13.51") + 5 == second.index("3.17") + 4
    assert second.startswith("* a < b")
    assert 'align="right"' in TABLE._repr_html_()


def test_what_stands_out_and_what_the_caption_says_is_in_both():
    page = TABLE._repr_html_()
    assert "<b>3.17</b>" in page
    assert "<b>13.51</b>" not in page
    assert "one run<br>n = 50" in page
    assert repr(TABLE).startswith("one run\nn = 50\n")


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="a row has 1 cells under 2 names"):
        Table(("a", "b"), [("1",)])


@pytest.mark.parametrize(("value", "digits", "shown"), [(2.345, 2, "2.35"), (1234.0, 0, "1,234"), (None, 2, None)])
def test_figures(value, digits, shown):
    assert figure(value, digits) == shown
