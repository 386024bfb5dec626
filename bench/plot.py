"""The plot of the redirects' figures, an SVG that follows its reader's light or dark mode.

Drawn by hand: two rows of bars are sixty lines, and no plotting library that was looked at follows the reader's mode
(pygal brings scripts and a style for one mode; matplotlib brings forty megabytes).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from figures import Figure, Row, Table, shown

ROW_HEIGHT: Final = 30
BAR_HEIGHT: Final = 18
HEAD_HEIGHT: Final = 84
FOOT_HEIGHT: Final = 18
WIDTH: Final = 960
NAMES_END: Final = 318
NUMBER_WIDTH: Final = 62
"""Room for a number behind its bar."""

_LABELS: Final = 'aria-labelledby="title desc"'
_FONT: Final = "font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\""
_STYLE: Final = """
    .paper { fill: #ffffff; stroke: #d0d7de; }
    .bar { fill: #8c959f; }
    .ours { fill: #bc4c00; }
    .bound { stroke: #0969da; stroke-width: 1.5; stroke-dasharray: 4 3; }
    .foot { stroke: #d0d7de; }
    text { fill: #1f2328; font-size: 13px; }
    .name { text-anchor: end; }
    .title { font-weight: 600; font-size: 15px; }
    .note { fill: #59636e; font-size: 12px; }
    .mark { fill: #0969da; font-size: 12px; text-anchor: middle; }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #0d1117; stroke: #3d444d; }
      .bar { fill: #6e7681; }
      .ours { fill: #f0883e; }
      .bound { stroke: #58a6ff; }
      .foot { stroke: #3d444d; }
      text { fill: #f0f6fc; }
      .note { fill: #9198a1; }
      .mark { fill: #58a6ff; }
    }
  """


@dataclass(frozen=True)
class Panel:
    """A column of bars: what they show, where they begin, and how long the longest may be."""

    column: str
    title: str
    note: str
    left: int
    length: int
    bound: float | None = None
    """A bar to reach, drawn across."""


PANELS: Final = (
    Panel("x nginx", "requests/s, nginx with its log = 1", "longer is better", 330, 230, bound=0.6),
    Panel("CPU us", "processor time per request, µs", "shorter is better", 650, 230),
)


def drawn_redirects(table: Table) -> str:
    """An SVG with a bar for each candidate and panel. A candidate of which nothing is known has none."""
    height = HEAD_HEIGHT + ROW_HEIGHT * len(table.rows) + FOOT_HEIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" {_LABELS} {_FONT}>',
        '  <title id="title">Redirects on one core</title>',
        f'  <desc id="desc">{escape(_said(table))}</desc>',
        f"  <style>{_STYLE}</style>",
        f'  <rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="10"/>',
        *(_name(row, number) for number, row in enumerate(table.rows)),
        *(line for panel in PANELS for line in _panel(panel, table, height)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _said(table: Table) -> str:
    """What the bars show, for who cannot see them."""
    return " ".join(
        f"{row.name}: {', '.join(f'{panel.column} {shown(row.figures[panel.column])}' for panel in PANELS)}."
        for row in table.rows
    )


def _name(row: Row, number: int) -> str:
    return f'  <text class="name" x="{NAMES_END}" y="{_top(number) + 14}">{escape(row.name)}</text>'


def _panel(panel: Panel, table: Table, height: int) -> Iterator[str]:
    known = [figure for row in table.rows if (figure := row.figures[panel.column]) is not None]
    scale = (panel.length - NUMBER_WIDTH) / max(known, default=1.0)
    yield f'  <text class="title" x="{panel.left}" y="32">{panel.title}</text>'
    yield f'  <text class="note" x="{panel.left}" y="50">{panel.note}</text>'
    for number, row in enumerate(table.rows):
        yield from _bar(panel, row, number, lambda figure: figure * scale)
    bottom = height - FOOT_HEIGHT
    yield f'  <path class="foot" d="M{panel.left} {HEAD_HEIGHT - 8}V{bottom}"/>'
    if panel.bound is not None:
        x = panel.left + panel.bound * scale
        yield f'  <path class="bound" d="M{x:.1f} {HEAD_HEIGHT - 8}V{bottom}"/>'
        yield f'  <text class="mark" x="{x:.1f}" y="{HEAD_HEIGHT - 13}">{panel.bound}</text>'


def _bar(panel: Panel, row: Row, number: int, scaled: Callable[[float], float]) -> Iterator[str]:
    figure: Figure = row.figures[panel.column]
    if figure is None:
        return
    kind = "ours" if row.name.startswith("advolink") else "bar"
    top, width = _top(number), scaled(figure)
    yield f'  <rect class="{kind}" x="{panel.left}" y="{top}" width="{width:.1f}" height="{BAR_HEIGHT}" rx="2"/>'
    yield f'  <text x="{panel.left + width + 6:.1f}" y="{top + 14}">{shown(figure)}</text>'


def _top(number: int) -> int:
    return HEAD_HEIGHT + number * ROW_HEIGHT
