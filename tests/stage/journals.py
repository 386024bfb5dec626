"""Journals on the disk, as tests write, hurt and read them."""

import asyncio
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import pytest

from link_events.codec import decode
from link_events.events import Click, Event
from link_events.identity import JournalId, Origin, Seq
from link_events.streams import Partition, Stream
from redirector.journal.acks import Position
from redirector.journal.adoption import OwnedJournal, open_journal
from redirector.journal.frames import Frame, frame_at, scan_frames
from redirector.journal.journal import Encode, Journal, JournalFullError, Limits, utc_now
from redirector.journal.reading import first_position, read_batch
from redirector.journal.segments import Slice, read_header, segment_numbers, segment_path
from stage.sql import fetch

T = TypeVar("T")

JOURNAL: Final = JournalId(bytes.fromhex("00c0ffee00c0ffee"))
"""The journal of tests that need one."""

PARTITIONS: Final = 2

SMALL: Final = Limits(segment_bytes=4096, total_bytes_max=64 * 1024)
"""Segments that a few events fill."""

LEFT: Final[Slice] = (Stream.CLICKS, Partition(0))
RIGHT: Final[Slice] = (Stream.CLICKS, Partition(1))


def opened(directory: Path, limits: Limits = SMALL, now: Callable[[], datetime] = utc_now) -> OwnedJournal:
    """JOURNAL in `directory`, made where it is missing."""
    return open_journal(directory, JOURNAL, PARTITIONS, limits, now)


def saying(text: str) -> Encode:
    """What an event says: its own id, and `text`."""
    return lambda origin, _captured_at: f"{origin.event_id} {text}".encode()


async def append(journal: Journal, *texts: str, to: Slice = LEFT) -> list[Seq]:
    """Append an event for each of `texts` in one tick, wait for all, and return their seqs."""
    origins = await asyncio.gather(*(journal.append(*to, saying(text)) for text in texts))
    return [origin.seq for origin in origins]


async def append_until_full(journal: Journal, text: str) -> tuple[int, JournalFullError]:
    """Append `text` again and again; how often it went, and what ended it."""
    for count in range(10_000):
        try:
            await append(journal, text)
        except JournalFullError as error:
            return count, error
    raise AssertionError("the journal never was full")


def noted_writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the writes that follow, as they are made."""
    sizes: list[int] = []
    real = os.pwrite

    def noting(descriptor: int, data: bytes, position: int) -> int:
        sizes.append(len(data))
        return real(descriptor, data, position)

    monkeypatch.setattr(os, "pwrite", noting)
    return sizes


def read_all(directory: Path, limit: Position | None = None) -> list[Frame]:
    """Every frame that is kept, as the shipper reads them."""
    frames: list[Frame] = []
    position = first_position(directory)
    end = limit or written_end(directory)
    while True:
        batch = read_batch(directory, position, end)
        if not batch.frames and not batch.damaged_bytes:
            return frames
        frames += batch.frames
        position = batch.end


def written_end(directory: Path) -> Position:
    """The end of the last segment file."""
    number = segment_numbers(directory)[-1]
    return Position(number, segment_path(directory, number).stat().st_size)


def told(frames: list[Frame]) -> list[tuple[int, int, str]]:
    """Of each frame: partition, seq, and the text it was appended with."""
    return [(frame.partition, frame.seq, frame.payload.decode().partition(" ")[2]) for frame in frames]


def frame_ends(path: Path) -> list[int]:
    """Where the first frame of a segment begins, and where each frame ends."""
    data = path.read_bytes()
    start = read_header(data).size_bytes
    return [start, *(end for end, found in scan_frames(data, start) if isinstance(found, Frame))]


def overwrite(path: Path, position: int, data: bytes) -> None:
    """Write `data` into a file, in place."""
    with path.open("r+b") as file:
        file.seek(position)
        file.write(data)


def whole_frame(data: bytes, position: int) -> Frame:
    """The frame at `position`.

    Raises:
        LookupError: there is none.
    """
    frame = frame_at(data, position)
    if frame is None:
        raise LookupError(f"no frame at byte {position}")
    return frame


def events_in(directory: Path) -> list[Event]:
    """Every event in the segments of `directory`, while its owner writes or after, whatever was synced or shipped."""
    events: list[Event] = []
    for number in segment_numbers(directory):
        data = segment_path(directory, number).read_bytes()
        header = read_header(data)
        for _, found in scan_frames(data, header.size_bytes):
            if isinstance(found, Frame):
                origin = Origin(header.journal, found.stream, found.partition, found.seq)
                events.append(decode(found.payload, origin))
    return events


def clicks_in(directory: Path) -> list[Click]:
    """Every click among them."""
    return [event.data for event in events_in(directory) if isinstance(event.data, Click)]


def records_in(directory: Path) -> dict[Slice, list[tuple[bytes, int, bytes]]]:
    """What the log must hold of the journal in `directory`: by slice, in order, (journal, seq, value)."""
    records: dict[Slice, list[tuple[bytes, int, bytes]]] = {}
    for number in segment_numbers(directory):
        data = segment_path(directory, number).read_bytes()
        header = read_header(data)
        for _, found in scan_frames(data, header.size_bytes):
            if isinstance(found, Frame):
                slice_ = (found.stream, found.partition)
                records.setdefault(slice_, []).append((header.journal, found.seq, found.payload))
    return records


async def logged_records(dsn: str) -> dict[Slice, list[tuple[bytes, int, bytes]]]:
    """What the Postgres log holds: by slice, in the order of offsets, (journal, seq, value)."""
    sql = "SELECT stream, partition, journal, seq, value FROM log_record ORDER BY stream, partition, log_offset"
    records: dict[Slice, list[tuple[bytes, int, bytes]]] = {}
    for stream, partition, *record in await fetch(dsn, sql):
        slice_ = (Stream(stream), Partition(partition))
        records.setdefault(slice_, []).append((bytes(record[0]), record[1], bytes(record[2])))
    return records


def told_once(records: dict[Slice, list[T]]) -> dict[Slice, list[T]]:
    """The same without repetitions: at least once, seen as readers see it."""
    return {slice_: list(dict.fromkeys(given)) for slice_, given in records.items()}
