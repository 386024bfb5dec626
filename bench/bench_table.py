"""Tables that a terminal and docs/benchmarks.md can both show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One candidate and its figures, as they are printed."""

    name: str
    figures: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """Figures of one run, side by side."""

    title: str
    rows: Sequence[Row]

    def markdown(self) -> str:
        """The table as Markdown."""
        columns = ["", *self.rows[0].figures]
        lines = [f"### {self.title}", "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
        lines += [f"| {row.name} | {' | '.join(row.figures.values())} |" for row in self.rows]
        return "\n".join(lines)
