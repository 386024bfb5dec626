"""Recording a click: into the journal, in the partition of its advocate, before anybody is redirected."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from link_events.codec import encode
from link_events.events import Click
from link_events.identity import Origin
from link_events.streams import Partition, Stream, partition_of
from redirector.journal.journal import Journal, utc_now

MakeClick = Callable[[datetime], Click]


class Recorder:
    """Writes clicks to one journal."""

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
