"""Marks: which conversions are to be looked at again, because something that they depend on has changed.

Whoever changes such a thing marks in the same transaction. It only ever adds rows, so it waits for nobody, and a mark
that is made while the attributor looks survives. Every call may raise DatabaseAwayError.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from aggregator.judge import Place
from database.pool import Connection
from database.queries import columns, load_queries
from link_events.identity import Currency, CustomerHash

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class Mark:
    """A conversion to be looked at."""

    conversion_id: int
    captured_at: datetime | None = None
    """Of the fact that is in no credit yet: freshness waits for it. None where only what was known is corrected."""
    left_customer: CustomerHash | None = None
    """Whose it was before another event came to stand for it: what followed it may follow another now."""


async def mark(connection: Connection, marks: Sequence[Mark]) -> None:
    """Have these looked at once the caller's transaction is committed."""
    if marks:
        rows = [(one.conversion_id, one.captured_at, one.left_customer) for one in marks]
        await connection.execute(_SQL["mark"], *columns(rows))


async def mark_by_clicks(connection: Connection, clicks: Collection[Place]) -> None:
    """Whatever names one of these clicks, whose verdicts the caller's transaction has changed before."""
    if clicks:
        names = [(one.journal, one.partition, one.seq) for one in clicks]
        await connection.execute(_SQL["mark_by_clicks"], *columns(names))


async def mark_by_currency(connection: Connection, currency: Currency, since: date) -> None:
    """Every conversion of that currency from a local day on. The caller holds the programme for a change."""
    await connection.execute(_SQL["mark_by_currency"], currency, since)


async def mark_all(connection: Connection) -> None:
    """Every conversion. The caller holds the programme for a change."""
    await connection.execute(_SQL["mark_all"])
