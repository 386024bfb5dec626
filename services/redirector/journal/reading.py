"""Reading a journal from a position on: what the shipper sends and what the tools show.

Damage is copied beside the segments, reported and skipped; it is never cut.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from redirector.journal.acks import Position
from redirector.journal.frames import Frame, frame_at, frame_end, next_frame_start
from redirector.journal.segments import (
    DAMAGED_DIRECTORY,
    SegmentError,
    read_header,
    segment_numbers,
    segment_path,
)

READ_BYTES_MAX: Final = 256 * 1024
"""One read: some hundred clicks, a millisecond of parsing."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames in the order of appending, and the position behind them."""

    frames: Sequence[Frame]
    end: Position
    damaged_bytes: int = 0


def read_batch(directory: Path, start: Position, limit: Position) -> Batch:
    """Frames from `start` on, none of them at or after `limit`. An empty batch that ends at `limit` is all there is."""
    numbers = [number for number in segment_numbers(directory) if start.segment <= number <= limit.segment]
    position = start
    for number in numbers:
        if number > position.segment:
            position = Position(number, 0)
        batch = _read_segment(directory, position, limit)
        if batch.frames or batch.damaged_bytes:
            return batch
        position = batch.end
    return Batch([], position)


def first_position(directory: Path) -> Position:
    """The oldest position that is kept."""
    return Position(min(segment_numbers(directory), default=0), 0)


def _read_segment(directory: Path, start: Position, limit: Position) -> Batch:
    path = segment_path(directory, start.segment)
    with path.open("rb") as file:
        begin = start.byte or _first_frame_at(file.read(READ_BYTES_MAX))
        end = limit.byte if start.segment == limit.segment else path.stat().st_size
        file.seek(begin)
        data = file.read(max(0, min(READ_BYTES_MAX, end - begin)))
        frames, used = _whole_frames(data)
        if frames or begin + used >= end:
            return Batch(frames, Position(start.segment, begin + used))
        rest = data + file.read(end - begin - len(data))
    return _step_over(directory, Position(start.segment, begin), rest)


def _first_frame_at(data: bytes) -> int:
    """Where the frames of a segment begin; a damaged header is stepped over like any damage."""
    try:
        return read_header(data).size_bytes
    except SegmentError:
        return 0


def _whole_frames(data: bytes) -> tuple[Sequence[Frame], int]:
    """The frames at the beginning of `data`, and how many bytes they take."""
    frames: list[Frame] = []
    position = 0
    while (frame := frame_at(data, position)) is not None:
        frames.append(frame)
        position = frame_end(position, frame)
    return frames, position


def _step_over(directory: Path, start: Position, rest: bytes) -> Batch:
    """What to do where no frame begins: the segment's unused end, or damage."""
    end = start.byte + len(rest)
    used = len(rest.rstrip(b"\0"))
    if used == 0:
        return Batch([], Position(start.segment, end))
    resumed = next_frame_start(rest, 0)
    damaged = rest[: used if resumed is None else resumed]
    _set_aside(directory, start, damaged)
    return Batch([], Position(start.segment, end if resumed is None else start.byte + resumed), len(damaged))


def _set_aside(directory: Path, start: Position, damaged: bytes) -> None:
    kept = directory / DAMAGED_DIRECTORY / f"{start.segment:08}-{start.byte}"
    log.error("%d damaged bytes at %s are skipped; a copy is %s", len(damaged), start, kept)
    try:
        kept.parent.mkdir(exist_ok=True)
        if not kept.exists():
            kept.write_bytes(damaged)
    except OSError:
        log.exception("the copy could not be made; the damage stays where it is until its segment goes")
