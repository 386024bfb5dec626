"""What an event log promises, whichever carries it.

A log holds streams, a stream holds partitions, a partition holds records at offsets 0, 1, 2, … in the order in
which they were appended. A record's value comes out byte for byte as it went in, with the origin that was pinned
when it was journaled. A record that was read once is read again from the same offset for as long as it is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from link_events.identity import JournalId, Seq
from link_events.reasons import DeadLetterReason
from link_events.streams import Offset, Partition, Stream
from link_events.values import value


class EventLogError(Exception):
    """What can go wrong: away (wait), rewound (send again), refused, expired, unreadable, misfit (a person decides)."""


class EventLogAwayError(EventLogError):
    """The log could not be reached or did not answer in time. What was asked may or may not have happened."""


class EventLogRefusedError(EventLogError):
    """The log answered and will not: not authorised, or a record larger than it takes. Nothing is dropped for it."""


class OffsetExpiredError(EventLogError):
    """The asked offset is no longer kept, or was never handed out."""


class UnreadableRecordError(EventLogError):
    """The log has a record there and hands it out, and it cannot be taken apart. It may be the first of several."""


class PartitionCountError(EventLogError):
    """The log has another number of partitions than expected. It is refused, never repaired."""


class LogRewoundError(EventLogError):
    """The log has lost what it had taken. Whoever sent it goes back to what the log still holds."""


NOTHING_ACKED: Final = Seq(0)
"""What the log has taken of a journal it never heard of."""


@value(frozen=True, slots=True)
class Record:
    """A value on its way into the log, and its origin (stream and partition are the log's)."""

    journal: JournalId
    seq: Seq
    value: bytes


@value(frozen=True, slots=True)
class LoggedRecord:
    """A record as it stands in the log."""

    offset: Offset
    record: Record
    logged_at: datetime


@dataclass(frozen=True, slots=True)
class StrayRecord:
    """A record in the log whose origin is missing or cannot be read: nobody we know wrote it.

    `detail` says what is wrong with the origin. A log that keeps origins in columns holds none.
    """

    offset: Offset
    value: bytes
    logged_at: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class DeadLetterMessage:
    """A dead letter on its way to where others can see it. Journal and seq are None where it has no origin."""

    stream: Stream
    partition: Partition
    offset: Offset
    journal: JournalId | None
    seq: Seq | None
    value: bytes
    reason: DeadLetterReason
    detail: str
    logged_at: datetime


class DeadLetterTopic(Protocol):
    """Where a log keeps dead letters for others to see. Not every log has one."""

    async def publish(self, dead_letters: Sequence[DeadLetterMessage]) -> None:
        """Write all of `dead_letters` in order; returns when the topic has them. After an error all are sent again.

        Raises:
            EventLogAwayError: the topic could not be reached; it may hold any of them.
            EventLogRefusedError: it will not take one of them; it may hold the others.
        """


class EventLog(Protocol):
    """One log.

    Every call may raise EventLogAwayError or EventLogRefusedError. Calls for different partitions run side by side; a
    second read of the same partition waits for the first.
    """

    async def check(self, stream: Stream, partitions: int) -> None:
        """Make sure that `stream` has exactly `partitions` partitions.

        Raises:
            PartitionCountError: it has not.
        """

    async def append(
        self, stream: Stream, partition: Partition, records: Sequence[Record], *, acked: Seq = NOTHING_ACKED
    ) -> None:
        """Append all of `records`, which are of one journal, in order.

        After an error they are sent again: the log may hold all of them, or none, or (where they are more than it takes
        at once, in Kafka half a megabyte) a leading part.

        `acked` is the highest seq of that journal which the caller was told the log has taken. A log that can know and
        holds less (it was restored from a backup, and connections were mended unseen) appends nothing.

        Raises:
            LogRewoundError: the log holds less of the journal than `acked`.
        """

    async def read(
        self,
        stream: Stream,
        partition: Partition,
        from_offset: Offset,
        *,
        records_max: int,
        wait: timedelta,
    ) -> Sequence[LoggedRecord | StrayRecord]:
        """Up to `records_max` records from `from_offset` on; none where nothing arrives within `wait`.

        Raises:
            OffsetExpiredError: `from_offset` is before the first kept record or beyond the end.
            UnreadableRecordError: the record at `from_offset` cannot be taken apart; what is before it can be read.
        """

    async def end_offsets(self, stream: Stream) -> Mapping[Partition, Offset]:
        """The offset that the next record of each partition will get."""

    async def bounds(self, stream: Stream) -> Mapping[Partition, tuple[Offset, Offset]]:
        """The first offset that each partition keeps, and the one that its next record will get."""

    async def last_seq(self, journal: JournalId, stream: Stream, partition: Partition) -> Seq | None:
        """The highest seq of `journal` in the log: 0 where it holds none, None where the log cannot know."""

    async def close(self) -> None:
        """Let go of every connection, within a bounded time. A read that still waits ends with EventLogAwayError."""
