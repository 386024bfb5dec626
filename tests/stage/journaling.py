"""Records as redirectors journal them, for tests that begin at the event log."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

from event_log.contract import Record
from link_events.codec import encode
from link_events.events import EventData
from link_events.identity import JOURNAL_ID_BYTES, JournalId, Origin, Seq
from link_events.streams import Partition, Stream

FIRST_CAPTURE: Final = datetime(2022, 2, 14, 9, 30, tzinfo=UTC)
"""When a pen captures its first event, unless told; each later one comes a second after the one before."""

FIRST_PARTITION: Final = Partition(0)

_numbers: Iterator[int] = count(1)


def new_journal() -> JournalId:
    """A journal that no other test of this run has."""
    return JournalId(next(_numbers).to_bytes(JOURNAL_ID_BYTES, "big"))


def plain_records(count: int, *, journal: JournalId | None = None, first_seq: int = 1) -> list[Record]:
    """Records that say nothing: `count` of them, with dense seqs."""
    name = journal or new_journal()
    return [Record(name, Seq(seq), b"%d" % seq) for seq in range(first_seq, first_seq + count)]


@dataclass
class Pen:
    """Writes one journal's records of one partition: seqs dense from 1, a second between two captures."""

    partition: Partition = FIRST_PARTITION
    journal: JournalId = field(default_factory=new_journal)
    stream: Stream = Stream.CLICKS
    last_seq: int = 0
    first_capture: datetime = FIRST_CAPTURE

    @property
    def last(self) -> Origin:
        """The last event's name."""
        return Origin(self.journal, self.stream, self.partition, Seq(self.last_seq))

    @property
    def captured_at(self) -> datetime:
        """When the last event was captured."""
        return self.first_capture + timedelta(seconds=self.last_seq - 1)

    def write(self, data: EventData) -> Record:
        """The next event's record."""
        origin = self._next_origin()
        return Record(self.journal, origin.seq, encode(origin, self.captured_at, data))

    def scribble(self, value: bytes = b"\x00 no event") -> Record:
        """The next record, which says nothing that can be read."""
        return Record(self.journal, self._next_origin().seq, value)

    def _next_origin(self) -> Origin:
        self.last_seq += 1
        return self.last
