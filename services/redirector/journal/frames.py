"""Frames: how one event lies in a segment file.

    length u32 | crc32 u32 | stream u8 | version u8 | partition u16 | seq u64 | time u64 | payload

Little endian. `length` is the payload's; the checksum covers all that follows it; `time` is the instant of capture in
microseconds since 1970. Space that was preallocated and not yet written is zero: a length of zero ends a segment.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zlib import crc32

from link_events.identity import Seq
from link_events.streams import STREAM_BY_NUMBER, Partition, Stream

PAYLOAD_BYTES_MAX: Final = 65_536
"""A click is well under 3 kB; what claims to be larger than this is damage."""

FRAME_VERSION: Final = 0xA1
"""A byte that UTF-8 payloads hardly contain, so that the next frame behind damage is found quickly."""

_HEADER: Final = struct.Struct("<IIBBHQQ")
_LENGTH_AND_CRC: Final = struct.Struct("<II")
_CHECKED: Final = struct.Struct("<BBHQQ")
_VERSION_AT: Final = 9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

FRAME_OVERHEAD_BYTES: Final = _HEADER.size


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as it was appended."""

    stream: Stream
    partition: Partition
    seq: Seq
    captured_at: datetime
    payload: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes from `start` to `end` (excluded) that are no frames although frames follow them."""

    start: int
    end: int


def pack_frame(frame: Frame) -> bytes:
    """The bytes of `frame`.

    Raises:
        ValueError: its payload is empty or larger than PAYLOAD_BYTES_MAX.
    """
    if not 0 < len(frame.payload) <= PAYLOAD_BYTES_MAX:
        raise ValueError(f"a payload of {len(frame.payload)} bytes")
    time_us = microseconds(frame.captured_at)
    return frame_header(frame.stream.number, frame.partition, frame.seq, time_us, frame.payload) + frame.payload


def frame_header(stream: int, partition: int, seq: int, time_us: int, payload: bytes) -> bytes:
    """What stands before `payload`, which is of a size that fits, in its frame."""
    checked = _CHECKED.pack(stream, FRAME_VERSION, partition, seq, time_us)
    return _LENGTH_AND_CRC.pack(len(payload), crc32(payload, crc32(checked))) + checked


def microseconds(instant: datetime) -> int:
    """An instant as frames say it."""
    return (instant - _EPOCH) // _MICROSECOND


def frame_at(data: bytes, position: int) -> Frame | None:
    """The whole and undamaged frame at `position`, or None where there is none."""
    if position + FRAME_OVERHEAD_BYTES > len(data):
        return None
    length, crc, stream, version, partition, seq, time_us = _HEADER.unpack_from(data, position)
    end = position + FRAME_OVERHEAD_BYTES + length
    if version != FRAME_VERSION or not 0 < length <= PAYLOAD_BYTES_MAX or end > len(data):
        return None
    if stream not in STREAM_BY_NUMBER or crc32(data[position + _LENGTH_AND_CRC.size : end]) != crc:
        return None
    captured_at = _EPOCH + timedelta(microseconds=time_us)
    payload = data[position + FRAME_OVERHEAD_BYTES : end]
    return Frame(STREAM_BY_NUMBER[stream], Partition(partition), Seq(seq), captured_at, payload)


def frame_end(position: int, frame: Frame) -> int:
    """Where the frame that begins at `position` ends."""
    return position + FRAME_OVERHEAD_BYTES + len(frame.payload)


def scan_frames(data: bytes, position: int) -> Iterator[tuple[int, Frame | Damage]]:
    """Every frame from `position` on, and the damage between them, each with where it ends.

    What follows the last whole frame (zeros, a torn frame, rubbish) is not reported: whether it may be cut is for the
    caller to know.
    """
    while True:
        frame = frame_at(data, position)
        if frame is None:
            resumed = next_frame_start(data, position + 1)
            if resumed is None:
                return
            yield resumed, Damage(position, resumed)
            position = resumed
        else:
            position = frame_end(position, frame)
            yield position, frame


def next_frame_start(data: bytes, position: int) -> int | None:
    """Where the first whole frame at or after `position` begins, or None where none follows."""
    version = bytes([FRAME_VERSION])
    found = data.find(version, position + _VERSION_AT)
    while found != -1:
        if frame_at(data, found - _VERSION_AT) is not None:
            return found - _VERSION_AT
        found = data.find(version, found + 1)
    return None
