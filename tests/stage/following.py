"""Reading an event log the way its readers do: on from one offset, until enough has come."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from event_log.contract import EventLog, LoggedRecord, StrayRecord
from link_events.streams import Offset, Partition, Stream

SECONDS_MAX: Final = 15
READ_WAIT: Final = timedelta(seconds=1)
NO_WAIT: Final = timedelta(0)
RECORDS_MAX: Final = 10_000


async def read_now(
    log: EventLog, partition: int = 0, from_offset: int = 0, *, records_max: int = RECORDS_MAX
) -> list[LoggedRecord]:
    """What one read without waiting gives."""
    place = (Stream.CLICKS, Partition(partition), Offset(from_offset))
    return only_logged(await log.read(*place, records_max=records_max, wait=NO_WAIT))


def only_logged(records: Iterable[LoggedRecord | StrayRecord]) -> list[LoggedRecord]:
    """The records that have an origin."""
    return [one for one in records if isinstance(one, LoggedRecord)]


async def followed(log: EventLog, count: int, partition: int = 0, *, records_max: int = RECORDS_MAX) -> list[int]:
    """The offsets of the first `count` records, read one after another as they come."""
    offsets: list[int] = []
    async with asyncio.timeout(SECONDS_MAX):
        while len(offsets) < count:
            place = (Stream.CLICKS, Partition(partition), Offset(offsets[-1] + 1 if offsets else 0))
            offsets += [one.offset for one in await log.read(*place, records_max=records_max, wait=READ_WAIT)]
    return offsets
