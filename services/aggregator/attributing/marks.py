"""Marks: which conversions are to be looked at again, because something that they depend on has changed.

Whoever changes such a thing marks in the same transaction. It only ever adds rows, so it waits for nobody, and a mark
that is made while the attributor looks survives. Where very many conversions depend on it, the transaction marks some
and writes down that others are to be marked: the sweep does it, page by page. Every call may raise DatabaseAwayError.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from aggregator.judge import Place
from database.pool import Connection
from database.queries import columns, load_queries
from link_events.identity import Currency, CustomerHash

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

PAGE_MAX: Final = 5_000
"""Conversions that are marked at once: a change of rules or rates holds attributions up for as long as that takes."""

CORRECTING_MAX: Final = 10_000
"""Marks of corrections that are enough: more are made when these have been looked at."""


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
    await connection.execute(_SQL["begin_marking_currency"], currency, since)
    await mark_next(connection)


async def mark_all(connection: Connection) -> None:
    """Every conversion. The caller holds the programme for a change."""
    await connection.execute(_SQL["begin_marking_all"])
    await mark_next(connection)


async def mark_next(connection: Connection) -> int:
    """Mark the next page of what is still to be marked, unless enough is; how many conversions were looked at."""
    if await connection.fetchval(_SQL["correcting"], CORRECTING_MAX) >= CORRECTING_MAX:
        return 0
    marking = await connection.fetchrow(_SQL["next_marking"])
    if marking is None:
        return 0
    statement, values = _page_of(marking)
    page = await connection.fetchrow(statement, marking["after_id"], PAGE_MAX, *values)
    looked_at: int = page["looked_at"] if page else 0
    if page and looked_at == PAGE_MAX:
        await connection.execute(_SQL["go_on"], marking["marking_id"], page["after_at"], page["after_id"])
    else:
        await connection.execute(_SQL["begin_again" if marking["again"] else "end"], marking["marking_id"])
    return max(1, looked_at)


def _page_of(marking: Any) -> tuple[str, Sequence[Any]]:
    """The statement that marks a page of it, and what that asks for."""
    if marking["customer"] is not None:
        return _SQL["mark_page_of_customer"], (marking["customer"], marking["after_at"])
    if marking["currency"] is not None:
        return "\n".join((_SQL["page_of_currency"], _SQL["mark_page"])), (marking["currency"], marking["since"])
    return "\n".join((_SQL["page"], _SQL["mark_page"])), ()
