"""Streams, their partitions, and which partition a key belongs to."""

from enum import StrEnum
from typing import Final, NewType

Partition = NewType("Partition", int)
Offset = NewType("Offset", int)

PARTITIONS_DEFAULT: Final = 12
"""Partitions of a stream unless set otherwise at creation. Twelve divide evenly among 1, 2, 3, 4, 6 or 12
aggregators. Never changed under a live stream: resent events would land elsewhere."""

PARTITIONS_MAX: Final = 256
"""A partition is one byte of a click id."""


class Stream(StrEnum):
    """What kind of facts a stream carries."""

    __hash__ = str.__hash__  # an Enum's own is Python, and a stream is part of many a key

    CLICKS = "clicks"
    CONVERSIONS = "conversions"
    ACTIVITIES = "activities"

    @property
    def topic(self) -> str:
        """The Kafka topic that carries this stream."""
        return f"advolink.{self.value}.v1"

    @property
    def letter(self) -> str:
        """The letter that stands for this stream in an event id."""
        return _LETTERS[self]

    @property
    def number(self) -> int:
        """The byte that stands for this stream in a journal frame."""
        return _NUMBERS[self]


_LETTERS: Final = {Stream.CLICKS: "c", Stream.CONVERSIONS: "v", Stream.ACTIVITIES: "a"}
_NUMBERS: Final = {Stream.CLICKS: 1, Stream.CONVERSIONS: 2, Stream.ACTIVITIES: 3}

STREAM_BY_LETTER: Final = {letter: stream for stream, letter in _LETTERS.items()}
STREAM_BY_NUMBER: Final = {number: stream for stream, number in _NUMBERS.items()}


def partition_of(key: str, partitions: int) -> Partition:
    """The partition Kafka's default partitioner gives `key` among `partitions` of them.

    Source: `BuiltInPartitioner.partitionForKey` of Apache Kafka 4.
    """
    return Partition((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit MurmurHash2 of `data`, as an unsigned number.

    Source: `org.apache.kafka.common.utils.Utils.murmur2`.
    """
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    length = len(data)
    digest = 0x9747B28C ^ length
    whole = length - length % 4
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        digest = digest * multiplier & mask ^ word
    if whole < length:
        digest = (digest ^ int.from_bytes(data[whole:], "little")) * multiplier & mask
    digest = (digest ^ digest >> 13) * multiplier & mask
    return digest ^ digest >> 15
