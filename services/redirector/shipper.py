"""Ships one journal to the event log: in order per (journal, stream, partition), at least once.

Reads what the journal has synced, sends a slice of it (one batch per partition, side by side), and goes on only when
every partition took its batch. After any failure it asks the log what it has, goes back to there and begins again. It
never holds up a request.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from event_log.backoff import Backoff
from event_log.contract import (
    NOTHING_ACKED,
    EventLog,
    EventLogAwayError,
    EventLogRefusedError,
    LogRewoundError,
    PartitionCountError,
    Record,
)
from link_events.identity import Seq
from link_events.streams import Partition, Stream
from redirector.journal.acks import Acks, Position, load_acks, save_acks
from redirector.journal.frames import Frame
from redirector.journal.journal import Journal
from redirector.journal.reading import first_position, read_batch
from redirector.journal.segments import Slice
from redirector.metrics import ShippingMetrics

APPEND_TIMEOUT: Final = timedelta(seconds=30)
"""A log that has not answered by then is treated as away; what was sent is sent again."""

SAVE_INTERVAL_S: Final = 1.0
"""Acks may be lazy: losing a second of them re-sends a second."""

log = logging.getLogger(__name__)


class JournalBehindError(Exception):
    """The log holds seqs that this journal has not given out: the journal is an older copy of itself.

    Shipping stops, for new clicks would fall to the watermark of the old ones; nothing is lost while it waits.
    """


class Shipper:
    """Takes a journal's events to the log until it is cancelled."""

    def __init__(
        self, journal: Journal, event_log: EventLog, metrics: ShippingMetrics, *, is_import: bool = False
    ) -> None:
        self._journal = journal
        self._log = event_log
        self._metrics = metrics
        acks = load_acks(journal.directory)
        self._position = acks.position if acks else first_position(journal.directory)
        self._acked: dict[Slice, Seq] = dict(acks.seqs) if acks else {}
        self._is_import = is_import
        self._reconciled = asyncio.Event()
        self._opened_with = {slice_: journal.last_seq(slice_) for slice_ in journal.slices}
        self._backoff = Backoff()
        self._saved_at_s = 0.0
        self._took_some = asyncio.Event()
        self.connected = False

    @property
    def position(self) -> Position:
        """Everything before it was taken by the log."""
        return self._position

    def unacked_events(self) -> int:
        """Events appended and not yet taken by the log."""
        journal = self._journal
        return sum(max(0, journal.last_seq(slice_) - self._acked.get(slice_, 0)) for slice_ in journal.slices)

    async def run(self) -> None:
        """Ship for ever, outliving every outage."""
        while True:
            try:
                await self._reconcile()
                self.connected = True
                await self._ship()
            except (EventLogAwayError, TimeoutError) as error:
                log.warning("the event log is away: %s", error)
            except LogRewoundError as error:
                log.warning("%s", error)
            except (PartitionCountError, EventLogRefusedError, JournalBehindError):
                log.exception("shipping waits for a person; clicks are kept in %s", self._journal.directory)
            except Exception:  # a redirect depends on nothing but its own disk: no fault here may end the process
                log.exception("shipping has failed by a fault of ours; it begins again")
            self.connected = False
            self._metrics.failures.inc()
            await self._backoff.wait()

    async def drained(self) -> None:
        """Wait until everything appended so far was taken."""
        while self.unacked_events():
            self._took_some.clear()
            await self._took_some.wait()

    async def confirmed(self) -> None:
        """The same, after the log was asked what it holds: it may have lost what an earlier process saw acked."""
        await self._reconciled.wait()
        await self.drained()

    def save(self) -> None:
        """Write down how far the log has taken this journal; where that cannot be, more is sent again one day."""
        try:
            save_acks(self._journal.directory, Acks(self._position, dict(self._acked)))
        except OSError as error:
            log.warning("what was acked cannot be written down: %s", error)

    async def _reconcile(self) -> None:
        """Compare what we believe acked with what the log holds, and go back to the older of both."""
        for stream in Stream:
            await self._log.check(stream, self._journal.partitions)
        partitions = [Partition(number) for number in range(self._journal.partitions)]
        slices = [(stream, partition) for stream in Stream for partition in partitions]
        known = {slice_: await self._known_seq(slice_) for slice_ in slices}
        if any(seq < self._acked.get(slice_, 0) for slice_, seq in known.items()):
            log.warning("the event log has lost what it had acked; sending it again from the segments that are kept")
            self._position = first_position(self._journal.directory)
            self._metrics.rewinds.inc()
        self._acked.update(known)
        self._reconciled.set()
        self._took_some.set()

    async def _known_seq(self, slice_: Slice) -> Seq:
        """The highest seq the log has of a slice, or what we believe where it cannot know."""
        async with asyncio.timeout(APPEND_TIMEOUT.total_seconds()):
            known = await self._log.last_seq(self._journal.journal_id, *slice_)
        if known is None:
            return self._acked.get(slice_, Seq(0))
        if self._is_import:  # another redirector may have shipped the same file, hence the same events
            return known
        given_out = self._journal.last_seq(slice_) if self._reconciled.is_set() else self._opened_with.get(slice_, 0)
        if known > given_out:
            raise JournalBehindError(f"the log holds {known} events of {slice_}, the journal had {given_out}")
        return known

    async def _ship(self) -> None:
        while True:
            batch = read_batch(self._journal.directory, self._position, self._journal.synced)
            if batch.damaged_bytes:
                self._metrics.damaged_bytes.inc(batch.damaged_bytes)
            if batch.frames:
                await self._send(batch.frames)
            self._advance(batch.end)
            if not batch.frames and not batch.damaged_bytes:
                await self._journal.more_synced()

    async def _send(self, frames: Sequence[Frame]) -> None:
        """Append every partition's share; remember which took theirs even where another failed."""
        shares = self._unacked_shares(frames)
        outcomes = await asyncio.gather(
            *(self._append(slice_, records) for slice_, records in shares.items()), return_exceptions=True
        )
        for failure in outcomes:
            if isinstance(failure, BaseException):
                raise failure

    def _unacked_shares(self, frames: Sequence[Frame]) -> Mapping[Slice, Sequence[Record]]:
        shares: dict[Slice, list[Record]] = defaultdict(list)
        for frame in frames:
            slice_ = (frame.stream, frame.partition)
            if frame.seq > self._acked.get(slice_, 0):
                shares[slice_].append(Record(self._journal.journal_id, frame.seq, frame.payload))
        return shares

    async def _append(self, slice_: Slice, records: Sequence[Record]) -> None:
        stream, partition = slice_
        async with asyncio.timeout(APPEND_TIMEOUT.total_seconds()):
            await self._log.append(stream, partition, records, acked=self._acked.get(slice_, NOTHING_ACKED))
        self._backoff.reset()
        self._acked[slice_] = records[-1].seq
        self._took_some.set()
        self._metrics.shipped.labels(stream).inc(len(records))

    def _advance(self, position: Position) -> None:
        self._position = position
        now_s = asyncio.get_running_loop().time()
        if now_s - self._saved_at_s >= SAVE_INTERVAL_S:
            self._saved_at_s = now_s
            self.save()
