"""Segment files: a header, then frames, then preallocated zeros.

The header says which journal and which file of it this is, and the next seq of every stream and partition when it was
begun, so that seqs go on even where every older segment is gone. A segment appears under its name only with its header
in place: it is written beside and renamed.
"""

import errno
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zlib import crc32

from link_events.identity import JOURNAL_ID_BYTES, JournalId, Seq
from link_events.streams import STREAM_BY_NUMBER, Partition, Stream

Slice = tuple[Stream, Partition]
"""A partition of a stream: what seqs are dense in."""

SUFFIX: Final = ".segment"
DAMAGED_DIRECTORY: Final = "damaged"
"""Where, beside the segments, copies of what cannot be read wait for a person."""

_MAGIC: Final = b"ADVOLNK1"
_FIXED: Final = struct.Struct(f"<8s{JOURNAL_ID_BYTES}sQII")
_ENTRY: Final = struct.Struct("<BxHQ")
HEADER_BYTES_MIN: Final = _FIXED.size

_CRC_BYTES: Final = 4
_PRIVATE: Final = 0o600


class SegmentError(Exception):
    """A file under a segment's name that is none."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What the first bytes of a segment say. `partitions` is the number the journal was made with."""

    journal: JournalId
    number: int
    partitions: int
    next_seqs: Mapping[Slice, Seq]

    def pack(self) -> bytes:
        """The header's bytes."""
        fixed = _FIXED.pack(_MAGIC, self.journal, self.number, self.partitions, len(self.next_seqs))
        entries = [_ENTRY.pack(stream.number, partition, seq) for (stream, partition), seq in self.next_seqs.items()]
        body = fixed + b"".join(entries)
        return body + crc32(body).to_bytes(_CRC_BYTES, "little")

    @property
    def size_bytes(self) -> int:
        """Where the first frame begins."""
        return _FIXED.size + _ENTRY.size * len(self.next_seqs) + _CRC_BYTES


def read_header(data: bytes) -> SegmentHeader:
    """The header at the beginning of a segment's bytes.

    Raises:
        SegmentError: there is none, or it is damaged.
    """
    if len(data) < _FIXED.size:
        raise SegmentError("shorter than a header")
    magic, journal, number, partitions, entry_count = _FIXED.unpack_from(data)
    end = _FIXED.size + _ENTRY.size * entry_count
    if magic != _MAGIC or end + _CRC_BYTES > len(data):
        raise SegmentError("no segment header")
    if crc32(data[:end]) != int.from_bytes(data[end : end + _CRC_BYTES], "little"):
        raise SegmentError("a damaged segment header")
    entries = _ENTRY.iter_unpack(data[_FIXED.size : end])
    next_seqs = {(STREAM_BY_NUMBER[stream], Partition(part)): Seq(seq) for stream, part, seq in entries}
    return SegmentHeader(JournalId(journal), number, partitions, next_seqs)


def segment_path(directory: Path, number: int) -> Path:
    """Where segment `number` of the journal in `directory` lies."""
    return directory / f"{number:08}{SUFFIX}"


def segment_numbers(directory: Path) -> Sequence[int]:
    """The segments in `directory`, oldest first."""
    return sorted(int(path.stem) for path in directory.glob(f"*{SUFFIX}") if path.stem.isdigit())


def create_segment(directory: Path, header: SegmentHeader, size_bytes: int) -> int:
    """Make a segment of `size_bytes` and return a file descriptor to it.

    Raises:
        OSError: the disk is full, or refuses.
    """
    path = segment_path(directory, header.number)
    unnamed = path.with_suffix(".new")
    descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE)
    try:
        _preallocate(descriptor, size_bytes)
        write_all(descriptor, header.pack(), 0)
        unnamed.replace(path)
    except OSError:
        os.close(descriptor)
        unnamed.unlink(missing_ok=True)
        raise
    return descriptor


def write_all(descriptor: int, data: bytes, position: int) -> None:
    """Write all of `data` at `position`.

    Raises:
        OSError: not all of it could be written.
    """
    written = os.pwrite(descriptor, data, position)
    while written < len(data):
        more = os.pwrite(descriptor, data[written:], position + written)
        if more == 0:
            raise OSError(errno.ENOSPC, "nothing more could be written")
        written += more


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` survive a power loss."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _preallocate(descriptor: int, size_bytes: int) -> None:
    """Take the space now, so that a full disk is met here and not in the middle of a click."""
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        os.ftruncate(descriptor, size_bytes)  # this file system cannot; a full disk is then met at the write
