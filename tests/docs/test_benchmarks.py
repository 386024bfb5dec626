"""docs/benchmarks.md and its plot say what docs/benchmarks.json keeps."""

from dataclasses import replace
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from figures import Row, Table, shown
from kept import DOCUMENT, PLOT, PLOTTED, load, sections_in, with_current_tables
from plot import PANELS, drawn_redirects
from run import SECTIONS

SVG: Final = "{http://www.w3.org/2000/svg}"
TABLE: Final = Table("Redirects", [Row("nginx", {"x nginx": 1.0, "CPU us": 10.0})])


def test_every_section_that_is_measured_has_its_table() -> None:
    assert set(sections_in(DOCUMENT.read_text(encoding="utf-8"))) == set(SECTIONS) == set(load())


def test_the_tables_say_what_is_kept() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_current_tables(text, load()) == text


def test_another_figure_is_another_table() -> None:
    text, kept = DOCUMENT.read_text(encoding="utf-8"), load()
    kept[PLOTTED] = replace(kept[PLOTTED], table=TABLE)
    assert with_current_tables(text, kept) != text


def test_the_plot_shows_what_is_kept() -> None:
    assert PLOT.read_text(encoding="utf-8") == drawn_redirects(load()[PLOTTED].table)


def test_the_plot_has_a_bar_for_each_figure_as_long_as_it_is() -> None:
    table = load()[PLOTTED].table
    bars = bars_of(table)
    for panel in PANELS:
        figures = [figure for row in table.rows if (figure := row.figures[panel.column]) is not None]
        widths = [float(bar.attrib["width"]) for bar in bars if bar.get("x") == str(panel.left)]
        scale = max(widths) / max(figures)
        assert widths == [pytest.approx(figure * scale, abs=0.1) for figure in figures]


def test_what_was_not_measured_has_no_bar() -> None:
    unknown = Table("Redirects", [*TABLE.rows, Row("advolink", {"x nginx": None, "CPU us": 20.0})])
    assert len(bars_of(unknown)) == 1 + 2


@pytest.mark.parametrize(
    ("figure", "text"),
    [(41892.4, "41,892"), (121.3, "121"), (18.94, "18.9"), (0.604, "0.60"), (None, "-"), (float("nan"), "-")],
)
def test_a_figure_is_shown_with_three_digits(figure: float | None, text: str) -> None:
    assert shown(figure) == text


def bars_of(table: Table) -> list[ET.Element]:
    """The bars of a table's plot."""
    drawn = ET.fromstring(drawn_redirects(table))  # noqa: S314 - our own
    return [shape for shape in drawn.iter(f"{SVG}rect") if shape.get("class") != "paper"]
