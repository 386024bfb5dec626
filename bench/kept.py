"""The figures that docs/benchmarks.json keeps, and what is made of them: the tables of docs/benchmarks.md and its plot.

`make bench` measures and keeps; tests/docs finds out where tables or plot no longer say what is kept.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from figures import Row, Table
from plot import drawn_redirects

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
KEPT: Final = DOCS / "benchmarks.json"
DOCUMENT: Final = DOCS / "benchmarks.md"
PLOT: Final = DOCS / "redirects.svg"
PLOTTED: Final = "redirects"
"""The section that has a plot."""

DECIMALS: Final = 3
"""More are nothing that a benchmark knows."""

_BLOCK: Final = re.compile(
    r"(?P<begin><!-- begin (?P<section>\w+) -->\n).*?(?P<end><!-- end (?P=section) -->\n)", re.DOTALL
)


@dataclass(frozen=True)
class Measured:
    """A table, and where and when it was measured."""

    table: Table
    day: str
    machine: str

    def markdown(self) -> str:
        """As it stands in the document."""
        return f"{self.table.title}. Measured {self.day}: {self.machine}.\n\n{self.table.markdown()}"


def load(path: Path = KEPT) -> dict[str, Measured]:
    """Section → what is kept of it."""
    kept = orjson.loads(path.read_bytes())
    return {section: _measured(fields) for section, fields in kept.items()}


def keep(section: str, measured: Measured) -> None:
    """Put it in the place of what was kept of the section, and bring the document and the plot up to it."""
    kept = {**load(), section: measured}
    content = {name: _fields(one) for name, one in kept.items()}
    KEPT.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    write_all()


def write_all() -> None:
    """Bring the document and the plot up to what is kept."""
    kept = load()
    DOCUMENT.write_text(with_current_tables(DOCUMENT.read_text(encoding="utf-8"), kept), encoding="utf-8")
    PLOT.write_text(drawn_redirects(kept[PLOTTED].table), encoding="utf-8")


def with_current_tables(text: str, kept: Mapping[str, Measured]) -> str:
    """`text` with every table of a section as it should be."""

    def current(block: re.Match[str]) -> str:
        measured = kept.get(block["section"])
        table = f"\n{measured.markdown()}\n\n" if measured else ""  # of a new section, none is kept yet
        return f"{block['begin']}{table}{block['end']}"

    return _BLOCK.sub(current, text)


def sections_in(text: str) -> list[str]:
    """The sections that `text` has a place for."""
    return [block["section"] for block in _BLOCK.finditer(text)]


def _measured(fields: Mapping[str, Any]) -> Measured:
    table = fields["table"]
    return Measured(
        Table(table["title"], [Row(row["name"], row["figures"]) for row in table["rows"]]),
        fields["day"],
        fields["machine"],
    )


def _fields(measured: Measured) -> dict[str, Any]:
    fields = asdict(measured)
    for row in fields["table"]["rows"]:
        row["figures"] = {
            name: None if figure is None else round(figure, DECIMALS) for name, figure in row["figures"].items()
        }
    return fields


if __name__ == "__main__":
    write_all()
