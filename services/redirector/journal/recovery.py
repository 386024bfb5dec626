"""What an earlier process left in a journal's last segment: where to go on, and what is damaged.

A torn tail (bytes after the last whole frame with no whole frame behind them) was never answered and is cut. Damage
with whole frames behind it is left where it is; readers skip and report it.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from link_events.identity import JournalId, Seq
from redirector.journal.frames import Damage, Frame, scan_frames
from redirector.journal.segments import (
    DAMAGED_DIRECTORY,
    HEADER_BYTES_MIN,
    SegmentError,
    SegmentHeader,
    Slice,
    read_header,
    segment_numbers,
    segment_path,
    write_all,
)

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """Where a journal stands. `end` is the byte of the last segment after its last whole frame."""

    journal: JournalId
    partitions: int
    segment: int
    end: int
    size_bytes: int
    next_seqs: Mapping[Slice, Seq]
    last_captured_at: datetime
    cut_bytes: int


def recover(directory: Path) -> Recovered | None:
    """Open what is in `directory`, cutting a torn tail; None where it holds no segment yet.

    Raises:
        SegmentError: the last segment has no header; a person has to look (`docs/operations.md`).
    """
    for leftover in directory.glob("*.new"):
        leftover.unlink()
    numbers = list(segment_numbers(directory))
    while numbers and _was_never_begun(segment_path(directory, numbers[-1])):
        _set_aside(segment_path(directory, numbers.pop()))
    if not numbers:
        return None
    for number in numbers:
        _sync(segment_path(directory, number))
    path = segment_path(directory, numbers[-1])
    data = path.read_bytes()
    try:
        header = read_header(data)
    except SegmentError as error:
        raise SegmentError(f"{path}: {error}") from error
    recovered = _recover_segment(path, header, data)
    if recovered.last_captured_at == _LONG_AGO:
        return replace(recovered, last_captured_at=_last_captured_at(directory, numbers[:-1]))
    return recovered


def _recover_segment(path: Path, header: SegmentHeader, data: bytes) -> Recovered:
    next_seqs = dict(header.next_seqs)
    end, last_captured_at = header.size_bytes, _LONG_AGO
    for frame_ends_at, found in scan_frames(data, header.size_bytes):
        end = frame_ends_at
        if isinstance(found, Damage):
            log.error("%s is damaged from byte %d to %d", path, found.start, found.end)
        else:
            next_seqs[found.stream, found.partition] = Seq(found.seq + 1)
            last_captured_at = found.captured_at
    torn = len(data[end:].rstrip(b"\0"))
    if torn:
        _cut(path, end, torn)
    return Recovered(
        header.journal, header.partitions, header.number, end, len(data), next_seqs, last_captured_at, torn
    )


def _was_never_begun(path: Path) -> bool:
    """Whether a power loss has kept the name of a segment and not its header.

    Nothing in it was synced then, for a sync would have brought the header too; hence none of it was shipped.
    """
    with path.open("rb") as file:
        return not any(file.read(HEADER_BYTES_MIN))


def _set_aside(path: Path) -> None:
    log.error("%s has lost its header before it was synced; it is set aside", path)
    kept = path.parent / DAMAGED_DIRECTORY / path.name
    kept.parent.mkdir(exist_ok=True)
    path.replace(kept)


def _last_captured_at(directory: Path, numbers: Sequence[int]) -> datetime:
    """When the last event of these segments was captured: time goes on where the last segment holds nothing yet."""
    for number in reversed(numbers):
        last_captured_at = _LONG_AGO
        for _, found in scan_frames(segment_path(directory, number).read_bytes(), 0):
            if isinstance(found, Frame):
                last_captured_at = found.captured_at
        if last_captured_at != _LONG_AGO:
            return last_captured_at
    return _LONG_AGO


def _sync(path: Path) -> None:
    """What the earlier process wrote and did not live to sync is shipped next: it must be on the disk by then."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _cut(path: Path, position: int, torn_bytes: int) -> None:
    """Make the torn tail zeros again, as if it had never been written."""
    log.warning("%s ends in %d torn bytes, which were never answered; cut", path, torn_bytes)
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        write_all(descriptor, bytes(torn_bytes), position)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
