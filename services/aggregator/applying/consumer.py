"""One partition, from the event log into Postgres, for ever.

Where it stands is known to Postgres alone. After anything unexpected the offset row is read again and work goes on from
there: a batch whose commit had an unknown outcome is either in the row or is done again.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from aggregator.applying.dead_letter_limit import NOTHING_RECENT, DeadLetterLimit, DeadLetterRatioError
from aggregator.applying.facts import FactsWritten
from aggregator.applying.interruptions import Interruption, interruption_by
from aggregator.applying.preparing import Outcome, Preparation, Way
from aggregator.applying.store import ApplyingStore, Claim, LostPartitionError, OvertakenError
from aggregator.judge import Context, Rules
from aggregator.metrics import ApplyingMetrics
from database.pool import DatabaseAwayError
from event_log.backoff import Backoff
from event_log.contract import (
    EventLog,
    EventLogAwayError,
    EventLogError,
    LoggedRecord,
    OffsetExpiredError,
    PartitionCountError,
    StrayRecord,
    UnreadableRecordError,
)
from link_events.reasons import StopReason
from link_events.streams import Offset, Partition, Stream

BATCH_RECORDS_MAX: Final = 5_000
"""Records of one transaction: it then takes tens of milliseconds, and a redo costs no more."""

READ_RECORDS_MAX: Final = 1_000
"""Records read at once: a batch that catches up is read, judged and encoded bit by bit."""

READ_WAIT: Final = timedelta(seconds=1)
"""How long a read waits for the first record."""

ENDED_BY_RESET: Final = frozenset({StopReason.OFFSET_OUT_OF_RANGE})
"""What does not pass by itself: once a log has lost records, to go on when its offsets fit again would skip some."""

log = logging.getLogger(__name__)


class StoppedError(Exception):
    """The partition stands still until a person has moved it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What every partition's consumer works with.

    `partitions` is how many the log must have: were there more, nobody would apply them. `context` and `rules` are what
    clicks are judged by. A consumer takes one of `turns` while it works in Postgres, so that together they never ask
    for more connections than there are: waiting for a turn is no outage. `limit` keeps a broken decoder from turning
    everything into dead letters.
    """

    event_log: EventLog
    partitions: int
    store: ApplyingStore
    context: Context
    rules: Rules
    metrics: ApplyingMetrics
    turns: asyncio.Semaphore = field(default_factory=asyncio.Semaphore)
    limit: DeadLetterLimit = field(default_factory=DeadLetterLimit)


class PartitionConsumer:
    """Applies one partition."""

    def __init__(self, stream: Stream, partition: Partition, parts: Parts) -> None:
        self._stream = stream
        self._partition = partition
        self._log = parts.event_log
        self._partitions = parts.partitions
        self._store = parts.store
        self._judged_by = (parts.context, parts.rules)
        self._metrics = parts.metrics
        self._turns = parts.turns
        self._limit = parts.limit
        self._recent = NOTHING_RECENT
        self._claim: Claim | None = None
        self._ours = False
        self._stopped: StopReason | None = None
        self._is_moved = False
        self.applying = False

    def notice_epoch(self, owner_epoch: int) -> None:
        """What the partition's epoch is now. A higher one than ours: somebody moved it, and we begin again from there.

        A batch would find out by itself; a partition that nothing comes into has none.
        """
        self._is_moved = self._claim is not None and owner_epoch > self._claim.owner_epoch

    async def run(self) -> None:
        """Apply until cancelled, or until another aggregator has the partition."""
        backoff = Backoff()
        try:
            while True:
                await self._try(backoff)
                self.applying = False
                await backoff.wait()
        except LostPartitionError as error:
            log.info("left alone from now on: %s", error)
            self._metrics.interruptions.labels(Interruption.LOST).inc()
        finally:
            self.applying = False
            self._show_stop(None)

    async def _try(self, backoff: Backoff) -> None:
        """Apply until something is in the way.

        Raises:
            LostPartitionError: it is not ours any more.
        """
        try:
            await self._take()
            await self._apply_all(backoff)
        except (OvertakenError, DatabaseAwayError, EventLogAwayError) as error:
            log.warning("%s/%d begins again: %s", self._stream, self._partition, error)
            self._metrics.interruptions.labels(interruption_by(error)).inc()
        except StoppedError as error:
            log.debug("%s", error)
        except OffsetExpiredError as error:
            await self._stop(StopReason.OFFSET_OUT_OF_RANGE, str(error))
        except PartitionCountError as error:
            await self._stop(StopReason.PARTITION_COUNT, str(error))
        except DeadLetterRatioError as error:
            await self._stop(StopReason.DEAD_LETTER_RATIO, str(error))
        except UnreadableRecordError as error:
            await self._stop(StopReason.UNREADABLE, str(error))
        except EventLogError as error:
            await self._stop(StopReason.LOG_REFUSES, str(error))

    async def _take(self) -> None:
        """The partition, claimed the first time and read again after that.

        Raises:
            StoppedError: it has to be reset first.
        """
        async with self._turns:
            if self._ours:
                claim = await self._store.reload(self._stream, self._partition)
            else:
                claim = await self._store.claim(self._stream, self._partition)
                self._ours = True
        self._claim, self._is_moved = claim, False
        self._show_stop(claim.stopped)
        if claim.stopped in ENDED_BY_RESET:
            raise StoppedError(f"{self._stream}/{self._partition} has to be reset: {claim.stopped}")
        await self._log.check(self._stream, self._partitions)

    async def _apply_all(self, backoff: Backoff) -> None:
        """Apply what the log has from where the partition stands, batch after batch."""
        while True:
            claim = self._claim_here()
            if self._is_moved:
                raise OvertakenError(f"{self._stream}/{self._partition} was moved")
            records = await self._log.read(
                self._stream, self._partition, claim.next_offset, records_max=READ_RECORDS_MAX, wait=READ_WAIT
            )
            if records:
                async with self._turns:
                    self._claim = await self._apply(claim, records)
            elif claim.stopped is not None:
                async with self._turns:
                    self._claim = await self._store.resume(claim)
            self._show_stop(None)
            self.applying = True
            backoff.reset()

    def _claim_here(self) -> Claim:
        if self._claim is None:
            raise LostPartitionError(f"{self._stream}/{self._partition} was never claimed")
        return self._claim

    async def _apply(self, claim: Claim, records: Sequence[LoggedRecord | StrayRecord]) -> Claim:
        """One batch, from `records` on, in one transaction; then where the partition stands."""
        batch = await self._prepared(claim, records)
        await self._store.ensure_days(batch.dates)
        with self._metrics.batch_duration.time():
            async with self._store.batch(claim, batch.next_offset) as writer:
                book = await writer.book(batch.journals)
                outcome, recent = batch.settle(book, self._limit, self._recent)
                await writer.write_dead_letters(outcome.dead_letters)
                await writer.write_book(book)
                await writer.write_clicks(outcome.clicks)
                written = await writer.write_facts(outcome.facts, claim.programme.calendar.zone)
        self._recent = recent
        self._count(batch.record_count, outcome, written)
        return replace(claim, next_offset=batch.next_offset, stopped=None)

    async def _prepared(self, claim: Claim, records: Sequence[LoggedRecord | StrayRecord]) -> Preparation:
        """`records` made ready, and as many of those behind them as are at hand and fit into a batch."""
        judged_by = (claim.programme.calendar.zone, claim.programme.repeats, *self._judged_by)
        batch = Preparation(Way(self._stream, self._partition, *judged_by, datetime.now(UTC)))
        while records:
            batch.add(records)
            if batch.full or len(records) < READ_RECORDS_MAX or batch.record_count >= BATCH_RECORDS_MAX:
                break
            await asyncio.sleep(0)  # a partition that catches up holds up no answer of the stats API
            records = await self._read_on(batch.next_offset)
        return batch

    async def _read_on(self, offset: Offset) -> Sequence[LoggedRecord | StrayRecord]:
        """What is there from `offset` on. What is in the way is met again, by itself, at the next batch."""
        try:
            return await self._log.read(
                self._stream, self._partition, offset, records_max=READ_RECORDS_MAX, wait=timedelta(0)
            )
        except EventLogError:
            return ()

    def _count(self, record_count: int, outcome: Outcome, written: FactsWritten) -> None:
        """Tell Prometheus what has just been committed."""
        metrics = self._metrics
        metrics.applied.labels(self._stream).inc(record_count)
        metrics.duplicates.labels(self._stream).inc(outcome.duplicates)
        metrics.holes_filled.labels(self._stream).inc(outcome.holes_filled)
        for dead in outcome.dead_letters:
            metrics.dead_letters.labels(dead.reason).inc()
        for (verdict, reasons), clicks in outcome.clicks.judged.items():
            metrics.verdicts.labels(verdict, _deciding(reasons)).inc(clicks)
        metrics.slots_overtaken.inc(outcome.clicks.slots_overtaken)
        for cause, clicks in outcome.clicks.changed.items():
            metrics.verdict_changes.labels(cause).inc(clicks)
        for kind, facts in written.applied.items():
            metrics.facts.applied.labels(kind).inc(facts)
        for kind, facts in written.repeated.items():
            metrics.facts.repeated.labels(kind).inc(facts)
        now = datetime.now(UTC)
        metrics.visible_after.observe_all((now - instant).total_seconds() for instant in outcome.clicks.captured_at)

    async def _stop(self, reason: StopReason, detail: str) -> None:
        """Let everybody know that the partition stands still. Where Postgres is away, it will be found so again."""
        log.error("%s/%d stands still (%s): %s", self._stream, self._partition, reason, detail)
        self._show_stop(reason)
        if self._claim is not None:
            try:
                async with self._turns:
                    await self._store.stop(self._claim, reason, detail)
            except DatabaseAwayError as error:
                log.warning("that %s/%d stands still is not written down: %s", self._stream, self._partition, error)

    def _show_stop(self, reason: StopReason | None) -> None:
        if reason is not self._stopped:
            if self._stopped is not None:
                self._metrics.stopped.remove(self._stream, str(self._partition), self._stopped)
            if reason is not None:
                self._metrics.interruptions.labels(Interruption.STOPPED).inc()
                self._metrics.stopped.labels(self._stream, self._partition, reason).set(1)
            self._stopped = reason


def _deciding(reasons: tuple[str, ...]) -> str:
    """The reason that decided, a named one without its name; empty for a counted click."""
    return reasons[0].partition(":")[0] if reasons else ""
