"""One partition, from the event log into Postgres, for ever.

Where it stands is known to Postgres alone. After anything unexpected the offset row is read again and work goes on from
there: a batch whose commit had an unknown outcome is either in the row or is done again.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from aggregator.applying.batch import Admitted, admit, cut_by_dates, judge_clicks, raw_dates, read_records
from aggregator.applying.fold import JudgedClick, fold
from aggregator.applying.store import ApplyingStore, Claim, LostPartitionError, OvertakenError
from aggregator.judge import Context, Rules
from aggregator.metrics import ApplyingMetrics
from database.pool import DatabaseAwayError
from event_log.backoff import Backoff
from event_log.contract import EventLog, EventLogAwayError, EventLogError, LoggedRecord
from link_events.streams import Offset, Partition, Stream

BATCH_RECORDS_MAX: Final = 5_000
"""Records of one transaction: it then takes tens of milliseconds, and a redo costs no more."""

READ_WAIT: Final = timedelta(seconds=1)
"""How long a read waits for the first record."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What every partition's consumer works with.

    `partitions` is how many the log must have: were there more, nobody would apply them. `context` and `rules` are what
    clicks are judged by. A consumer takes one of `turns` while it works in Postgres, so that together they never ask
    for more connections than there are: waiting for a turn is no outage.
    """

    event_log: EventLog
    partitions: int
    store: ApplyingStore
    context: Context
    rules: Rules
    metrics: ApplyingMetrics
    turns: asyncio.Semaphore = field(default_factory=asyncio.Semaphore)


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
        self._ours = False
        self.applying = False

    async def run(self) -> None:
        """Apply until cancelled, or until another aggregator takes the partition over."""
        backoff = Backoff()
        while True:
            try:
                await self._apply_from(await self._take(), backoff)
            except LostPartitionError:
                log.exception("this aggregator leaves the partition alone")
                self._note_stop("lost")
                return
            except (OvertakenError, DatabaseAwayError, EventLogAwayError) as error:
                log.warning("%s/%d begins again: %s", self._stream, self._partition, error)
                cause = "overtaken" if isinstance(error, OvertakenError) else "away"
                self._metrics.interruptions.labels(cause).inc()
                self.applying = False
            except EventLogError:
                log.exception("%s/%d waits for a person", self._stream, self._partition)
                self._note_stop("log")
            await backoff.wait()

    async def _take(self) -> Claim:
        """The partition, claimed the first time and read again after that."""
        await self._log.check(self._stream, self._partitions)
        async with self._turns:
            if self._ours:
                return await self._store.reload(self._stream, self._partition)
            claim = await self._store.claim(self._stream, self._partition)
            self._ours = True
            return claim

    async def _apply_from(self, claim: Claim, backoff: Backoff) -> None:
        """Apply what the log has from where `claim` stands, batch after batch."""
        while True:
            records = await self._log.read(
                self._stream, self._partition, claim.next_offset, records_max=BATCH_RECORDS_MAX, wait=READ_WAIT
            )
            if records:
                async with self._turns:
                    claim = await self._apply(claim, records)
            self.applying = True
            self._metrics.stopped.labels(self._stream, self._partition).set(0)
            backoff.reset()

    async def _apply(self, claim: Claim, records: Sequence[LoggedRecord]) -> Claim:
        """One batch, as many of `records` as fit, in one transaction; then where the partition stands."""
        read = cut_by_dates(read_records(self._stream, self._partition, records, datetime.now(UTC)))
        await self._store.ensure_days(raw_dates(read))
        next_offset = Offset(read[-1].logged.offset + 1)
        journals = {one.logged.record.journal for one in read}
        with self._metrics.batch_duration.time():
            async with self._store.batch(claim, next_offset) as writer:
                book = await writer.book(journals)
                admitted = admit(read, book)
                judged = judge_clicks(admitted.clicks, claim.programme.calendar.zone, *self._judged_by)
                await writer.write_clicks(judged, fold(judged))
                await writer.write_dead_letters(admitted.dead_letters)
                await writer.write_book(book)
        self._count(len(read), admitted, judged)
        return replace(claim, next_offset=next_offset)

    def _count(self, record_count: int, admitted: Admitted, judged: Sequence[JudgedClick]) -> None:
        """Tell Prometheus what has just been committed."""
        metrics = self._metrics
        metrics.applied.labels(self._stream).inc(record_count)
        metrics.duplicates.labels(self._stream).inc(admitted.duplicates)
        metrics.holes_filled.labels(self._stream).inc(admitted.holes_filled)
        for dead in admitted.dead_letters:
            metrics.dead_letters.labels(dead.reason).inc()
        for (verdict, reason), clicks in Counter(map(_deciding, judged)).items():
            metrics.verdicts.labels(verdict, reason).inc(clicks)
        now = datetime.now(UTC)
        for one in judged:
            metrics.visible_after.observe((now - one.captured_at).total_seconds())

    def _note_stop(self, cause: str) -> None:
        self.applying = False
        self._metrics.interruptions.labels(cause).inc()
        self._metrics.stopped.labels(self._stream, self._partition).set(1)


def _deciding(one: JudgedClick) -> tuple[str, str]:
    """A click's verdict and the reason that decided, a named one without its name."""
    judgement = one.judgement
    return judgement.verdict, judgement.reasons[0].partition(":")[0] if judgement.reasons else ""
