"""A database as it is after a season: raw clicks and their counts, made by Postgres itself and not by applying."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg

from database.queries import load_queries
from events import ADVOCATES, LINKS
from link_events.streams import PARTITIONS_DEFAULT, partition_of

DAYS: Final = 90
"""What the clicks are spread over, evenly; the last day is yesterday."""

WORKERS: Final = 2
COUNTS: Final = ("fill_link_days", "fill_advocate_days", "fill_advocate_quarters", "settle")

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


def fill(dsn: str, count: int) -> None:
    """Put `count` clicks, of the advocates and links of events.py, and their counts into the empty database at `dsn`.

    The journal is one of their own, so that others may add to it; the programme is in UTC.
    """
    asyncio.run(_fill(dsn, count))


async def _fill(dsn: str, count: int) -> None:
    partitions = [partition_of(f"bench{number}", PARTITIONS_DEFAULT) for number in range(ADVOCATES)]
    await asyncio.gather(*(_fill_days(dsn, count, range(first, DAYS, WORKERS), partitions) for first in range(WORKERS)))
    connection = await asyncpg.connect(dsn)
    for query in COUNTS:
        await connection.execute(_SQL[query])
    await connection.close()


async def _fill_days(dsn: str, count: int, days: range, partitions: Sequence[int]) -> None:
    connection = await asyncpg.connect(dsn)
    for number in days:
        day = (datetime.now(UTC) - timedelta(days=DAYS - number)).date()
        numbers = (count * number // DAYS + 1, count * (number + 1) // DAYS)
        await connection.fetchval("SELECT click_day_ensure($1)", day)
        await connection.execute(_SQL["fill_day"], day, *numbers, LINKS, partitions)
    await connection.close()
