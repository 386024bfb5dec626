"""A dead letter as it is stored, and what became of it. Values; `store` reads them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from link_events.identity import JournalId, Origin, Seq
from link_events.reasons import DeadLetterEnd, DeadLetterReason
from link_events.streams import Offset, Partition, Stream


class DeadLetterState(StrEnum):
    """What became of a dead letter.

    `open`: its hole is open, or it has no origin, hence never had one, and nobody closed it. `filled`: something else
    closed its hole: a good copy that came later, mostly, or a person who deleted the hole.
    """

    OPEN = "open"
    FILLED = "filled"
    REPLAYED = DeadLetterEnd.REPLAYED.value
    DISCARDED = DeadLetterEnd.DISCARDED.value


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """One row. `value` and `replacement` are read of a single one only, and are None in a list."""

    dead_letter_id: int
    stream: Stream
    partition: Partition
    offset: Offset
    journal: JournalId | None
    seq: Seq | None
    reason: DeadLetterReason
    detail: str
    logged_at: datetime
    dead_at: datetime
    state: DeadLetterState
    closed_at: datetime | None
    closed_why: str | None
    relayed_at: datetime | None
    value: bytes | None
    replacement: bytes | None

    @property
    def origin(self) -> Origin | None:
        """Where it was journaled, as far as that is known."""
        if self.journal is None or self.seq is None:
            return None
        return Origin(self.journal, self.stream, self.partition, self.seq)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters to look for; None is all."""

    stream: Stream | None = None
    partition: Partition | None = None
    reason: DeadLetterReason | None = None
    state: DeadLetterState | None = None
