"""What has to be done now and then: raw partitions made ahead, and what is kept for a time only let go after it."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from aggregator.applying.store import ApplyingStore
from aggregator.raw_days.store import RawDayStore
from database.pool import DatabaseAwayError
from event_log.contract import EventLogAwayError
from event_log.postgres import EXPIRE_RECORDS_MAX, PostgresEventLog
from link_events.streams import Stream

ROUND: Final = timedelta(minutes=10)
"""Between two rounds; expiring then has thousands of records at a time to let go."""

DAYS_AHEAD: Final = 3
"""A long weekend without maintenance still finds its raw partitions made."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what could go is kept; None: for ever."""

    raw: timedelta | None = None
    log: timedelta | None = None


@dataclass(frozen=True, slots=True)
class House:
    """What is kept in order. Without `event_log` the log lets go of its records by itself, as Kafka does."""

    store: ApplyingStore
    raw_days: RawDayStore
    event_log: PostgresEventLog | None
    retention: Retention


async def keep_house(house: House) -> None:
    """Go round for ever."""
    while True:
        try:
            await tidy_up(house, datetime.now(UTC))
        except (DatabaseAwayError, EventLogAwayError) as error:
            log.warning("housekeeping waits for the next round: %s", error)
        await asyncio.sleep(ROUND.total_seconds())


async def tidy_up(house: House, now: datetime) -> None:
    """One round."""
    today = now.date()
    await house.store.ensure_days([today + timedelta(days=ahead) for ahead in range(-1, DAYS_AHEAD + 1)])
    if house.retention.raw is not None:
        await _let_raw_days_go(house.raw_days, now - house.retention.raw)
    await house.raw_days.let_slots_go()
    if house.event_log is not None and house.retention.log is not None:
        await _expire(house.store, house.event_log, house.retention.log)


async def _let_raw_days_go(raw_days: RawDayStore, before: datetime) -> None:
    """Let go of whole UTC dates, the oldest first, until somebody is in the way."""
    for day in await raw_days.before(before.date()):
        if not await raw_days.let_go(day):
            log.info("the raw clicks of %s are kept for another round: raw clicks are being read", day)
            return
        log.info("the raw clicks of %s were let go; their counts stay", day)


async def _expire(store: ApplyingStore, event_log: PostgresEventLog, retention: timedelta) -> None:
    for stream in Stream:
        for partition, applied_to in (await store.standings(stream)).items():
            while await event_log.expire(stream, partition, applied_to, retention) == EXPIRE_RECORDS_MAX:
                pass
