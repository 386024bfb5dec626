"""Recording clicks and what others report: into the journal, each in its partition, before anybody is answered."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache

from link_events.codec import encode
from link_events.events import Click, Fact, key_of_fact, stream_of
from link_events.identity import Origin
from link_events.streams import Partition, Stream, partition_of
from redirector.journal.journal import Journal, utc_now

MakeClick = Callable[[datetime], Click]


class Recorder:
    """Writes to one journal."""

    def __init__(self, journal: Journal, now: Callable[[], datetime] = utc_now) -> None:
        self._journal = journal
        self._now = now
        self._partition = lru_cache(maxsize=65_536)(partition_of)

    async def record(self, advocate_id: str, make_click: MakeClick) -> Origin:
        """Append the click that `make_click` makes of the instant it occurred at; done when it is written.

        That instant is the clock's, whatever it says. The event's own time never decreases within the journal, and is
        later where the clock has been set back.

        Raises:
            JournalFullError: it could not be written.
        """
        partition: Partition = self._partition(advocate_id, self._journal.partitions)
        click = make_click(self._now())
        return await self._journal.append(
            Stream.CLICKS, partition, lambda origin, captured_at: encode(origin, captured_at, click)
        )

    async def keep(self, facts: Sequence[Fact]) -> Sequence[Origin]:
        """Append what was reported, all of it in one write; done when it is written.

        Raises:
            JournalFullError: it could not be written.
        """
        return await asyncio.gather(*map(self._append, facts))

    def _append(self, fact: Fact) -> asyncio.Future[Origin]:
        partition = partition_of(key_of_fact(fact), self._journal.partitions)
        return self._journal.append(
            stream_of(fact), partition, lambda origin, captured_at: encode(origin, captured_at, fact)
        )
