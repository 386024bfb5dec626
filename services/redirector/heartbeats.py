"""Heartbeats: a journal says for every partition that it is alive, so that readers know how far counts are complete.

A partition that has just had an event needs none: the event says as much.
"""

import asyncio
import logging
from datetime import timedelta

from link_events.codec import encode
from link_events.events import Heartbeat
from link_events.identity import Seq
from link_events.streams import Partition, Stream
from redirector.journal.journal import Journal, JournalFullError
from redirector.journal.segments import Slice

log = logging.getLogger(__name__)


async def keep_beating(journal: Journal, interval: timedelta) -> None:
    """Beat once for every partition, then for each that was silent during the last `interval`."""
    slices = [(stream, Partition(number)) for stream in Stream for number in range(journal.partitions)]
    last_seen: dict[Slice, Seq] = dict.fromkeys(slices, Seq(-1))
    while True:
        silent = [slice_ for slice_ in slices if last_seen[slice_] in (-1, journal.last_seq(slice_))]
        await _beat(journal, silent)
        last_seen = {slice_: journal.last_seq(slice_) for slice_ in slices}
        await asyncio.sleep(interval.total_seconds())


async def _beat(journal: Journal, slices: list[Slice]) -> None:
    appends = [
        journal.append(stream, partition, lambda origin, captured_at: encode(origin, captured_at, Heartbeat()))
        for stream, partition in slices
    ]
    try:
        await asyncio.gather(*appends)
    except JournalFullError as error:
        log.warning("no heartbeat: %s", error)
