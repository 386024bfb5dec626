"""What has to be done now and then: raw partitions made ahead, applied records of the Postgres log let go."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Final

from aggregator.applying.store import ApplyingStore
from database.pool import DatabaseAwayError
from event_log.contract import EventLogAwayError
from event_log.postgres import EXPIRE_RECORDS_MAX, PostgresEventLog
from link_events.streams import STREAMS_CARRIED

ROUND: Final = timedelta(minutes=10)
"""Between two rounds; expiring then has thousands of records at a time to let go."""

DAYS_AHEAD: Final = 3
"""A long weekend without maintenance still finds its raw partitions made."""

log = logging.getLogger(__name__)


async def keep_house(store: ApplyingStore, event_log: PostgresEventLog | None, retention: timedelta) -> None:
    """Go round for ever. Without `event_log` the log lets go of its records by itself, as Kafka does."""
    while True:
        try:
            today = datetime.now(UTC).date()
            await store.ensure_days([today + timedelta(days=ahead) for ahead in range(-1, DAYS_AHEAD + 1)])
            if event_log is not None:
                await _expire(store, event_log, retention)
        except (DatabaseAwayError, EventLogAwayError) as error:
            log.warning("housekeeping waits for the next round: %s", error)
        await asyncio.sleep(ROUND.total_seconds())


async def _expire(store: ApplyingStore, event_log: PostgresEventLog, retention: timedelta) -> None:
    for stream in STREAMS_CARRIED:
        for partition, applied_to in (await store.standings(stream)).items():
            while await event_log.expire(stream, partition, applied_to, retention) == EXPIRE_RECORDS_MAX:
                pass
