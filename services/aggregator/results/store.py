"""Results in the counts tables, beside the clicks that add_counts writes (aggregator.applying.store)."""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any, Final

from aggregator.results.adding import CREDIT_COLUMNS, RESULT_COLUMNS, ResultCounts, Results
from database.pool import Connection
from database.queries import columns, load_queries
from link_events.streams import Partition

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


async def add_results(connection: Connection, partition: Partition, results: Results) -> None:
    """Add to the counts of a partition. Nothing is written after them but those of a higher partition."""
    lists = [
        _columns(results.link_day, CREDIT_COLUMNS),
        _columns(results.advocate_day, RESULT_COLUMNS),
        _columns(results.advocate_quarter, RESULT_COLUMNS),
    ]
    changes = sum(len(columns[0]) for columns in lists)
    if changes:
        await connection.execute(_SQL["add_results"], partition, changes, *chain.from_iterable(lists))


def _columns(counts: Mapping[tuple[Any, date], ResultCounts], names: Sequence[str]) -> list[list[Any]]:
    """Rows of a counts table by columns, in key order: key, day, then `names`."""
    rows = [(*key, *(getattr(one, name) for name in names)) for key, one in sorted(counts.items())]
    return columns(rows) or [[] for _ in range(2 + len(names))]
