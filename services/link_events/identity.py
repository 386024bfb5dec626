"""How things are named: advocates, links, journals and events."""

import re
from functools import lru_cache
from typing import Final, NamedTuple, NewType

from link_events.streams import PARTITIONS_MAX, STREAM_BY_LETTER, Partition, Stream
from link_events.values import value

AdvocateId = NewType("AdvocateId", str)
LinkId = NewType("LinkId", int)
Code = NewType("Code", str)
JournalId = NewType("JournalId", bytes)
Seq = NewType("Seq", int)
EventId = NewType("EventId", str)
ReversalId = NewType("ReversalId", str)
Currency = NewType("Currency", str)
CustomerHash = NewType("CustomerHash", bytes)
ContestId = NewType("ContestId", int)
Team = NewType("Team", str)

NO_TEAM: Final = Team("")
"""Whoever is in none."""

JOURNAL_ID_BYTES: Final = 8
SEQ_MAX: Final = 2**48 - 1
"""A seq is six bytes of a click id: 280 billion clicks a day for a thousand days, per partition."""

ADVOCATE_ID_PATTERN: Final = r"[A-Za-z0-9._-]{1,64}"
"""No `@`: an advocate's id stands in URLs and keys, and is no address."""

CODE_PATTERN: Final = r"[A-Za-z0-9_-]{1,64}"
"""A code is one path segment, case-sensitive, the same in every encoding: no dot, no percent sign."""

SOURCE_PATTERN: Final = r"[A-Za-z0-9._-]{1,64}"
"""The system that reports: no `/`, which divides the parts of a key."""

KIND_PATTERN: Final = SOURCE_PATTERN
"""What kind of conversion it is, as the company calls it: lead, sale."""

EXTERNAL_ID_PATTERN: Final = r"[^\x00-\x1f\x7f]{1,200}"
"""What a system calls a thing of its own: any text without control characters."""

_ADVOCATE_ID = re.compile(ADVOCATE_ID_PATTERN)
_CODE = re.compile(CODE_PATTERN)
_SOURCE = re.compile(SOURCE_PATTERN)
_EXTERNAL_ID = re.compile(EXTERNAL_ID_PATTERN)
_JOURNAL_ID = re.compile(r"[0-9a-f]{16}")
_EVENT_ID = re.compile(r"([0-9a-f]{16})-([cva])(0|[1-9][0-9]{0,2})-([1-9][0-9]{0,14})")


class EventPlace(NamedTuple):
    """Where an event was journaled in its stream, and so which comes first of those of an instant."""

    journal: JournalId
    partition: Partition
    seq: Seq

    def in_stream(self, stream: Stream) -> "Origin":
        """The event's name."""
        return Origin(self.journal, stream, self.partition, self.seq)


@value(frozen=True, slots=True)
class Origin:
    """Where an event was journaled. It names the event for ever.

    `seq` is dense per (journal, stream, partition), from 1.
    """

    journal: JournalId
    stream: Stream
    partition: Partition
    seq: Seq

    @property
    def place(self) -> EventPlace:
        """The same within its stream."""
        return EventPlace(self.journal, self.partition, self.seq)

    @property
    def event_id(self) -> EventId:
        """`<journal>-<c|v|a><partition>-<seq>`, for example `00c0ffee00c0ffee-c7-42`."""
        return EventId(f"{_event_id_start(self.journal, self.stream, self.partition)}{self.seq}")

    @property
    def source(self) -> str:
        """The CloudEvents `source`: the redirector, by its journal."""
        return _source(self.journal)


class ConversionKey(NamedTuple):
    """What names a conversion for ever, whoever reports it and how often."""

    source: str
    kind: str
    external_id: str

    @property
    def text(self) -> str:
        """`source/kind/external_id`: what decides the partition of all that concerns the conversion."""
        return f"{self.source}/{self.kind}/{self.external_id}"


@lru_cache(maxsize=1024)  # asked for every event, and journals are few
def _source(journal: JournalId) -> str:
    return f"/redirector/{journal.hex()}"


@lru_cache(maxsize=4096)  # likewise, times partitions
def _event_id_start(journal: JournalId, stream: Stream, partition: Partition) -> str:
    return f"{journal.hex()}-{stream.letter}{partition}-"


def is_advocate_id(text: str) -> bool:
    """Whether `text` may name an advocate."""
    return _ADVOCATE_ID.fullmatch(text) is not None


def is_code(text: str) -> bool:
    """Whether `text` may be a link's code."""
    return _CODE.fullmatch(text) is not None


def is_source(text: str) -> bool:
    """Whether `text` may name a system that reports, or a kind of conversion."""
    return _SOURCE.fullmatch(text) is not None


def is_external_id(text: str) -> bool:
    """Whether `text` may be what another system calls a thing of its own."""
    return _EXTERNAL_ID.fullmatch(text) is not None


def parse_journal_id(text: str) -> JournalId | None:
    """The journal that `text` names, in hexadecimal, or None where it is no journal's id."""
    return JournalId(bytes.fromhex(text)) if _JOURNAL_ID.fullmatch(text) else None


def parse_event_id(text: str) -> Origin | None:
    """The origin that `text` names, or None where it is no event id."""
    found = _EVENT_ID.fullmatch(text)
    if found is None:
        return None
    journal, letter, partition, seq = found.groups()
    if int(partition) >= PARTITIONS_MAX or int(seq) > SEQ_MAX:
        return None
    return Origin(
        journal=JournalId(bytes.fromhex(journal)),
        stream=STREAM_BY_LETTER[letter],
        partition=Partition(int(partition)),
        seq=Seq(int(seq)),
    )
