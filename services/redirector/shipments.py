"""The journals of this process on their way to the event log: each with its shipper and its sync, until it is done.

The worker's own journal is never done. Journals left by earlier workers and by imports end sealed; once the log has
taken everything they are marked done and let go.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from event_log.contract import EventLog
from http_api.serving import Failures, cancel_all
from link_events.codec import encode
from link_events.events import Sealed
from link_events.identity import JournalId
from link_events.streams import Partition, Stream
from redirector.journal.adoption import OwnedJournal
from redirector.journal.journal import Journal, JournalFullError
from redirector.journal.retention import expire_segments, held_ratio
from redirector.metrics import ShippingMetrics
from redirector.shipper import Shipper

EXPIRE_INTERVAL: Final = timedelta(seconds=10)
"""How often shipped segments are looked through for what may go."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shipment:
    """One journal under way."""

    owned: OwnedJournal
    shipper: Shipper
    tasks: tuple[asyncio.Task[None], ...]

    @property
    def journal(self) -> Journal:
        """The journal that is shipped."""
        return self.owned.journal


class Shipments:
    """Every journal this process ships."""

    def __init__(
        self, event_log: EventLog, retention: timedelta | None, metrics: ShippingMetrics, failures: Failures
    ) -> None:
        self._log = event_log
        self._retention = retention
        self._metrics = metrics
        self._failures = failures
        self._shipments: dict[JournalId, Shipment] = {}
        self._endings: dict[JournalId, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[Shipment]:
        return iter(list(self._shipments.values()))

    def start(self, owned: OwnedJournal, *, is_import: bool = False) -> Shipment:
        """Ship `owned` from now on."""
        shipper = Shipper(owned.journal, self._log, self._metrics, is_import=is_import)
        jobs = (owned.journal.keep_synced(), shipper.run(), self._keep_expired(owned.journal, shipper))
        tasks = tuple(asyncio.create_task(job) for job in jobs)
        for task in tasks:
            self._failures.watch(task)
        shipment = Shipment(owned, shipper, tasks)
        self._shipments[owned.journal.journal_id] = shipment
        return shipment

    def under_way(self, journal: JournalId) -> Shipment | None:
        """The shipment of `journal`, where it is under way."""
        return self._shipments.get(journal)

    def finish(self, shipment: Shipment) -> None:
        """Let go of a sealed journal as soon as the log has taken everything."""
        journal = shipment.journal.journal_id
        if self._shipments.get(journal) is shipment and journal not in self._endings:
            ending = asyncio.create_task(self._end(shipment), name=f"end of journal {journal.hex()}")
            self._failures.watch(ending)
            ending.add_done_callback(lambda _: self._endings.pop(journal, None))
            self._endings[journal] = ending

    async def settled(self, journal: JournalId) -> None:
        """Where `journal` is just being let go of, wait until somebody can open it again."""
        ending = self._endings.get(journal)
        if ending is not None and journal not in self._shipments:
            await asyncio.wait({ending})

    async def abandon(self, shipment: Shipment) -> None:
        """Close a journal whose writing broke off, so that the next to open it learns from the disk where it stands."""
        if shipment.journal.journal_id in self._shipments:
            await self._let_go(shipment)

    def held_ratio(self) -> float:
        """How full the fullest journal is of what may not go."""
        return max((held_ratio(one.journal, one.shipper.position) for one in self), default=0)

    def unacked_events(self) -> int:
        """Events journaled by this process and not yet taken by the log."""
        return sum(shipment.shipper.unacked_events() for shipment in self)

    async def drain(self, wait: timedelta) -> None:
        """Sync every journal, and give the log a last chance to take what is left."""
        for shipment in self:
            await shipment.journal.sync()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait.total_seconds()):
                for shipment in self:
                    await shipment.shipper.drained()

    async def stop(self) -> None:
        """Stop shipping and close every journal."""
        await cancel_all(self._endings.values())
        for shipment in self:
            await self._let_go(shipment)

    async def _end(self, shipment: Shipment) -> None:
        await shipment.shipper.confirmed()
        await self._let_go(shipment, done=True)
        log.info("journal %s is sealed and shipped", shipment.journal.journal_id.hex())

    async def _let_go(self, shipment: Shipment, *, done: bool = False) -> None:
        del self._shipments[shipment.journal.journal_id]
        await cancel_all(shipment.tasks)
        shipment.shipper.save()
        await shipment.owned.close(done=done)

    async def _keep_expired(self, journal: Journal, shipper: Shipper) -> None:
        while True:
            try:
                expire_segments(journal, shipper.position, self._retention)
            except OSError:  # redirects go on whatever becomes of old segments
                log.exception("shipped segments of %s cannot be let go", journal.directory)
            await asyncio.sleep(EXPIRE_INTERVAL.total_seconds())


async def seal(journal: Journal) -> None:
    """Append the last record of every partition.

    Raises:
        JournalFullError: the journal takes no more.
    """
    slices = [(stream, Partition(number)) for stream in Stream for number in range(journal.partitions)]
    await asyncio.gather(
        *(
            journal.append(stream, partition, lambda origin, captured_at: encode(origin, captured_at, Sealed()))
            for stream, partition in slices
        )
    )


async def seal_and_finish(shipments: Shipments, left_behind: OwnedJournal) -> None:
    """Ship what an earlier worker left in a journal that nobody writes to any more, and end it."""
    shipment = shipments.start(left_behind)
    try:
        await seal(shipment.journal)
    except JournalFullError as error:
        log.warning("%s cannot be sealed yet: %s", shipment.journal.directory, error)
    else:
        shipments.finish(shipment)
