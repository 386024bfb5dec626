"""What may score, as it is stored: counted clicks, credits of conversions, and what links are about.

Every call may raise DatabaseAwayError.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from aggregator.scoring.days import CountedClick, CreditedConversion, DayFacts, LinkTraits
from database.pool import Connection
from database.queries import load_queries
from link_events.identity import AdvocateId, EventPlace, LinkId

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

AdvocateDay = tuple[AdvocateId, date]


async def advocates_between(
    connection: Connection, after: AdvocateId, first: date, last: date, rows_max: int
) -> Sequence[AdvocateId]:
    """The next advocates after one, in order, who have something between two local days that may score."""
    rows = await connection.fetch(_SQL["advocates_between"], after, first, last, rows_max)
    return [row["advocate_id"] for row in rows]


async def facts_between(
    connection: Connection,
    advocates: Collection[AdvocateId],
    first: date,
    last: date,
    utc_dates: tuple[date, date],
) -> Mapping[AdvocateDay, DayFacts]:
    """What some advocates have between two local days, day by day, which lie in `utc_dates`, the first and the last."""
    clicks: dict[AdvocateDay, list[CountedClick]] = defaultdict(list)
    credited: dict[AdvocateDay, list[CreditedConversion]] = defaultdict(list)
    for row in await connection.fetch(_SQL["clicks_between"], list(advocates), first, last, *utc_dates):
        place = EventPlace(row["journal"], row["partition"], row["seq"])
        click = CountedClick(row["occurred_at"], place, row["link_id"], row["visitor"])
        clicks[row["advocate_id"], row["local_day"]].append(click)
    for row in await connection.fetch(_SQL["credits_between"], list(advocates), first, last):
        credit = CreditedConversion(
            row["occurred_at"], row["conversion_id"], row["link_id"], row["counted_millionths"], row["value_minor"]
        )
        credited[row["advocate_id"], row["day"]].append(credit)
    return {key: DayFacts(clicks.get(key, ()), credited.get(key, ())) for key in sorted({*clicks, *credited})}


async def traits_of(connection: Connection, links: Collection[LinkId]) -> Mapping[LinkId, LinkTraits]:
    """What some links are about; those that are about nothing are left out."""
    rows = await connection.fetch(_SQL["traits_of"], list(links))
    return {row["link_id"]: LinkTraits(row["category"], row["channel"]) for row in rows}
