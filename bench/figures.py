"""What a benchmark found: candidates and their figures side by side, as a terminal and docs/benchmarks.md show them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Figure = float | None
"""None where a candidate has no such figure."""

WHOLE_FROM: Final = 100
ONE_DECIMAL_FROM: Final = 10


@dataclass(frozen=True)
class Row:
    """One candidate and its figures, by column."""

    name: str
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class Table:
    """Figures of one run, side by side."""

    title: str
    rows: Sequence[Row]

    def markdown(self) -> str:
        """The table as Markdown."""
        columns = ["", *self.rows[0].figures]
        lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
        lines += [f"| {row.name} | {' | '.join(map(shown, row.figures.values()))} |" for row in self.rows]
        return "\n".join(lines)


def shown(figure: Figure) -> str:
    """A figure as a person reads it: with three digits, or all of those before the point."""
    if figure is None or math.isnan(figure):
        return "-"
    decimals = 0 if figure >= WHOLE_FROM else 1 if figure >= ONE_DECIMAL_FROM else 2
    return f"{figure:,.{decimals}f}"
