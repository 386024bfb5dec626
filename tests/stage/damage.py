"""Records that stand in a topic and cannot be read: damaged on the broker's disk, where no broker refuses them."""

import struct
from pathlib import Path
from typing import Final

from aiokafka.record.util import calc_crc32c

from event_log.kafka.headers import ORIGIN_HEADER
from stage.kafka import Broker

_FRAME: Final = struct.Struct(">qi")
"""Base offset and length of a batch: https://kafka.apache.org/documentation/#recordbatch."""

_CRC_AT: Final = 17
_CODEC_AT: Final = 22
"""Where, in a batch, its CRC stands; and its compression, in the last byte of the attributes."""

ZSTD: Final = 4
NO_CODEC: Final = 7


def flip_last_byte(batch: bytearray) -> None:
    """As a disk does; the CRC tells."""
    batch[-1] ^= 0xFF


def claim_unknown_codec(batch: bytearray) -> None:
    """As one from the future."""
    batch[_CODEC_AT] |= NO_CODEC
    _sign(batch)


def claim_zstd(batch: bytearray) -> None:
    """What is compressed cannot be decompressed."""
    batch[_CODEC_AT] |= ZSTD
    _sign(batch)


def spoil_last_header_name(batch: bytearray) -> None:
    """Of its last record alone: bytes that are no UTF-8, as any producer may send them."""
    at = batch.rindex(ORIGIN_HEADER.encode())
    batch[at : at + 2] = b"\xff\xfe"
    _sign(batch)


def last_batch(broker: Broker, topic: str, partition: int = 0) -> tuple[Path, int, bytearray]:
    """The file that holds the last batch of a partition, where in it the batch begins, and the batch."""
    (segment,) = (broker.broker.data / f"{topic}-{partition}").glob("*.log")
    held = segment.read_bytes()
    start = end = 0
    while end < len(held):
        start = end
        _, length = _FRAME.unpack_from(held, start)
        end = start + _FRAME.size + length
    return segment, start, bytearray(held[start:end])


def write_over(segment: Path, start: int, batch: bytearray) -> None:
    """Have `batch` stand there instead, of the same length."""
    with segment.open("r+b") as file:
        file.seek(start)
        file.write(batch)


def _sign(batch: bytearray) -> None:
    """Give it the CRC that it would have if it were meant."""
    struct.pack_into(">I", batch, _CRC_AT, calc_crc32c(bytes(batch[_CRC_AT + 4 :])))
