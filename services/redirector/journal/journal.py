"""The journal: appends events, one write per event-loop tick, and gives back what is safe to ship.

One process owns a journal (redirector.journal.adoption). An append is done when its write(2) is done: it then survives
any kill. A background fdatasync follows, at level `disk` an append waits for it, and only what was synced is shipped: a
seq that left this machine is never given out again, not even after a power loss.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final

from link_events.identity import SEQ_MAX, JournalId, Origin, Seq
from link_events.streams import Partition, Stream
from redirector.journal.acks import Position
from redirector.journal.frames import Frame, pack_frame
from redirector.journal.recovery import Recovered
from redirector.journal.segments import (
    SegmentHeader,
    Slice,
    create_segment,
    segment_numbers,
    segment_path,
    sync_directory,
    write_all,
)

SEGMENT_BYTES: Final = 64 * 2**20
"""Large enough that a roll is rare, small enough that a retention lets go in steps."""

SYNC_INTERVAL: Final = timedelta(milliseconds=100)
"""The most that a power loss may take at level `process`."""

log = logging.getLogger(__name__)

Encode = Callable[[Origin, datetime], bytes]
Waiter = tuple[asyncio.Future[Origin], Origin]

Pack = Callable[[dict[Slice, Seq], datetime], Sequence[bytes]]
"""Makes frames captured at an instant, takes their seqs from the next ones that it is given, and moves these on."""


def utc_now() -> datetime:
    """The clock of a live journal."""
    return datetime.now(UTC)


class JournalLevel(StrEnum):
    """When an append is done."""

    PROCESS = "process"
    """It is written: it survives any kill."""
    DISK = "disk"
    """It is synced: it survives a power loss. One sync is for many appends."""


class JournalFullError(Exception):
    """The event could not be written: the cap is reached, or the disk is full or broken. Nothing was recorded."""


class JournalUnsyncedError(JournalFullError):
    """At level `disk`: the event is written and its sync has failed; a power loss may take it."""


class JournalTornError(JournalFullError):
    """As JournalFullError, but part of what was written could not be taken back: those seqs are not given out again."""


Settle = Callable[[JournalFullError | None], None]
"""Is told what became of an append."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a journal may grow."""

    segment_bytes: int = SEGMENT_BYTES
    total_bytes_max: int = 4 * 2**30


@dataclass(slots=True)
class _Pending:
    """Appends of this tick, waiting for its one write."""

    frames: list[bytes]
    first_seqs: dict[Slice, Seq]
    waiters: list[Waiter]


@dataclass(frozen=True, slots=True)
class _Unsynced:
    """What is written up to `end` of a file, and waits for its sync."""

    end: Position
    descriptor: int
    settle: Settle


class Journal:
    """An open journal. Not thread-safe: it belongs to one event loop."""

    def __init__(
        self,
        directory: Path,
        recovered: Recovered,
        limits: Limits,
        now: Callable[[], datetime],
    ) -> None:
        self.directory = directory
        self.journal_id: JournalId = recovered.journal
        self.partitions = recovered.partitions
        self._limits = limits
        self._now = now
        self._next_seqs: dict[Slice, Seq] = dict(recovered.next_seqs)
        self._last_captured_at = recovered.last_captured_at
        self._segment = recovered.segment
        self._descriptor = os.open(segment_path(directory, recovered.segment), os.O_RDWR | os.O_CLOEXEC)
        self._segment_room = recovered.size_bytes
        self._end = recovered.end
        self._segment_sizes = {
            number: segment_path(directory, number).stat().st_size for number in segment_numbers(directory)
        }
        self._pending: _Pending | None = None
        self._synced = Position(recovered.segment, 0)
        self._left_unsynced: list[int] = []
        self._syncing = asyncio.Lock()
        self._failed_descriptors: set[int] = set()
        self._synced_more = asyncio.Event()
        self._written_more = asyncio.Event()
        self._written_more.set()
        self._unsynced: list[_Unsynced] = []
        self.level = JournalLevel.PROCESS
        self.sync_failures = 0
        self.full = False

    # ------------------------------------------------------------ what is known of it

    @property
    def synced(self) -> Position:
        """Everything before this position may be shipped."""
        return self._synced

    @property
    def end(self) -> Position:
        """Everything before this position is written."""
        return Position(self._segment, self._end)

    def last_seq(self, slice_: Slice) -> Seq:
        """The highest seq given out, 0 before the first."""
        return Seq(self._next_seqs.get(slice_, 1) - 1)

    @property
    def slices(self) -> Iterable[Slice]:
        """Every stream and partition that was ever appended to."""
        return self._next_seqs.keys()

    def size_bytes(self, *, from_segment: int = 0) -> int:
        """What the segments take on the disk, all of them or those from one on."""
        return sum(size for number, size in self._segment_sizes.items() if number >= from_segment)

    @property
    def bytes_max(self) -> int:
        """The cap: what all segments may take on the disk."""
        return self._limits.total_bytes_max

    def drop_segment(self, number: int) -> None:
        """Let go of a segment that was shipped; never of the one being written."""
        if number != self._segment:
            segment_path(self.directory, number).unlink(missing_ok=True)
            self._segment_sizes.pop(number, None)

    def capture_at(self, now: Callable[[], datetime]) -> None:
        """Take the instants of capture from `now` from here on."""
        self._now = now

    # ------------------------------------------------------------ appending

    def append(self, stream: Stream, partition: Partition, encode: Encode) -> asyncio.Future[Origin]:
        """Append the event that `encode` makes of its origin and capture time; done when the journal's level says.

        Appends go out in the order of these calls. The future raises JournalFullError where the event was not
        written; its seq is then given to another event.
        """
        slice_ = (stream, partition)
        seq = self._next_seqs.get(slice_, Seq(1))
        if seq > SEQ_MAX:
            raise JournalFullError(f"{stream}/{partition} has no seqs left")
        origin = Origin(self.journal_id, stream, partition, seq)
        captured_at = max(self._now(), self._last_captured_at)
        frame = pack_frame(Frame(stream, partition, seq, captured_at, encode(origin, captured_at)))
        self._next_seqs[slice_] = Seq(seq + 1)
        self._last_captured_at = captured_at
        return self._join_tick(origin, frame)

    def append_together(self, instant: datetime, pack: Pack, settle: Settle) -> None:
        """Write the frames that `pack` makes, at once and in one write, behind what this tick has appended before.

        For many events that are ready at once: nothing is kept for each of them. `settle` is told what `append` tells
        its futures, from within this call where nothing has to be waited for.
        """
        self._write_tick()
        seqs, captured_at = dict(self._next_seqs), max(instant, self._last_captured_at)
        error = self._try_write(pack(seqs, captured_at), {})
        if error is None or isinstance(error, JournalTornError):
            self._next_seqs = seqs
        self._last_captured_at = captured_at
        self._settle(settle, error)

    def _join_tick(self, origin: Origin, frame: bytes) -> asyncio.Future[Origin]:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Origin] = loop.create_future()
        if self._pending is None:
            self._pending = _Pending([], {}, [])
            loop.call_soon(self._write_tick)
        self._pending.frames.append(frame)
        self._pending.first_seqs.setdefault((origin.stream, origin.partition), origin.seq)
        self._pending.waiters.append((waiter, origin))
        return waiter

    def _write_tick(self) -> None:
        """Write what this tick appended, in one write, and let every waiter know."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        error = self._try_write(pending.frames, pending.first_seqs)
        if error is not None and not isinstance(error, JournalTornError):
            self._next_seqs.update(pending.first_seqs)
        self._settle(partial(_tell, pending.waiters), error)

    def _settle(self, settle: Settle, error: JournalFullError | None) -> None:
        if error is None and self.level is JournalLevel.DISK:
            self._unsynced.append(_Unsynced(self.end, self._descriptor, settle))
        else:
            settle(error)

    def _try_write(self, frames: Sequence[bytes], first_seqs: Mapping[Slice, Seq]) -> JournalFullError | None:
        """Write `frames`; what has failed, if anything. `first_seqs` are those of them that are given out already."""
        try:
            self._write(b"".join(frames), first_seqs)
        except (JournalFullError, OSError) as error:
            self.full = True
            return error if isinstance(error, JournalFullError) else JournalFullError(str(error))
        self.full = False
        return None

    def _write(self, data: bytes, first_seqs: Mapping[Slice, Seq]) -> None:
        if self._end + len(data) > self._segment_room:
            self._roll(len(data), {**self._next_seqs, **first_seqs})
        try:
            write_all(self._descriptor, data, self._end)
        except OSError as error:
            self._take_back(error)
            raise
        self._end += len(data)
        self._written_more.set()

    def _take_back(self, cause: OSError) -> None:
        """Cut off what may have been half written, which takes no space; the next append goes into another segment.

        Raises:
            JournalTornError: even that failed.
        """
        self._segment_room = self._end
        try:
            os.ftruncate(self._descriptor, self._end)
        except OSError:
            raise JournalTornError(str(cause)) from cause
        self._segment_sizes[self._segment] = self._end

    def _roll(self, needed_bytes: int, next_seqs: Mapping[Slice, Seq]) -> None:
        """Begin a new segment.

        Raises:
            JournalFullError: the cap is reached.
            OSError: the disk is full, or refuses.
        """
        header = SegmentHeader(self.journal_id, self._segment + 1, self.partitions, next_seqs)
        size = max(self._limits.segment_bytes, header.size_bytes + needed_bytes)
        if self.size_bytes() + size > self.bytes_max:
            raise JournalFullError(f"the journal holds its cap of {self.bytes_max} bytes")
        descriptor = create_segment(self.directory, header, size)
        self._left_unsynced.append(self._descriptor)
        self._descriptor, self._segment = descriptor, header.number
        self._segment_room, self._end = size, header.size_bytes
        self._segment_sizes[header.number] = size

    # ------------------------------------------------------------ syncing

    async def keep_synced(self) -> None:
        """Sync what was written, again and again, without holding up appends."""
        while True:
            await self._written_more.wait()
            await self.sync()
            if self.level is JournalLevel.PROCESS:
                await asyncio.sleep(SYNC_INTERVAL.total_seconds())

    async def sync(self) -> None:
        """Sync everything written so far; then it may be shipped."""
        async with self._syncing:
            self._written_more.clear()
            target, current, finished = self.end, self._descriptor, tuple(self._left_unsynced)
            for descriptor in (*finished, current):
                await self._sync_file(descriptor)
            if finished and not await self._try_sync(sync_directory, self.directory):
                self._distrust(*finished[1:], current)  # new files without a name on the disk may be lost whole
            self._settle_synced(target)
            del self._left_unsynced[: len(finished)]
            for descriptor in finished:
                self._close(descriptor)
            self._synced = max(self._synced, target)
            self._synced_more.set()

    def _settle_synced(self, target: Position) -> None:
        """Let go who waits for a sync up to `target`."""
        due = [one for one in self._unsynced if one.end <= target]
        del self._unsynced[: len(due)]
        for one in due:
            is_safe = one.descriptor not in self._failed_descriptors
            one.settle(None if is_safe else JournalUnsyncedError("the journal could not be synced"))

    async def _sync_file(self, descriptor: int) -> None:
        """Sync one file, once.

        A failed sync is never tried again: the kernel may have dropped the pages that it could not write, and would
        then call them clean. What can still be read is shipped; what follows goes into a new segment.
        """
        if descriptor not in self._failed_descriptors and not await self._try_sync(os.fdatasync, descriptor):
            self._distrust(descriptor)

    def _distrust(self, *descriptors: int) -> None:
        """Nothing in these files is safe from a power loss, and nothing more is written to them."""
        self._failed_descriptors.update(descriptors)
        if self._descriptor in descriptors:
            self._segment_room = self._end

    async def _try_sync(self, sync: Callable[[Any], None], what: int | Path) -> bool:
        try:
            await asyncio.to_thread(sync, what)
        except OSError:
            self.sync_failures += 1
            log.exception("a part of %s could not be synced", self.directory)
            return False
        return True

    async def more_synced(self) -> None:
        """Wait until there is more to ship than when this was last called."""
        await self._synced_more.wait()
        self._synced_more.clear()

    async def close(self) -> None:
        """Write and sync what is pending and let go of the file."""
        self._write_tick()
        await self.sync()
        self._close(self._descriptor)

    def _close(self, descriptor: int) -> None:
        """Close a file; the number it had may soon be another's."""
        os.close(descriptor)
        self._failed_descriptors.discard(descriptor)


def _tell(waiters: Iterable[Waiter], error: JournalFullError | None) -> None:
    """Tell every waiter what became of its append."""
    for waiter, origin in waiters:
        if waiter.done():  # who waited was cancelled
            continue
        if error is None:
            waiter.set_result(origin)
        else:
            waiter.set_exception(error)
