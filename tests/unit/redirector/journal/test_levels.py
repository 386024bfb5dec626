"""When an append is done: at level `process` with its write, at level `disk` with its sync; and many at once."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from types import NoneType

import pytest

from link_events.identity import Seq
from redirector.journal import journal as journal_module
from redirector.journal.adoption import OwnedJournal
from redirector.journal.frames import Frame, pack_frame
from redirector.journal.journal import Journal, JournalFullError, JournalLevel, JournalUnsyncedError, Limits, utc_now
from redirector.journal.segments import Slice
from stage.journals import JOURNAL, LEFT, RIGHT, append, append_until_full, opened, read_all, saying, told

SMALL = Limits(segment_bytes=1024, total_bytes_max=8 * 1024)


@pytest.fixture
async def owned(tmp_path: Path) -> AsyncIterator[OwnedJournal]:
    one = opened(tmp_path / JOURNAL.hex(), SMALL)
    yield one
    await one.close()


@pytest.fixture
def journal(owned: OwnedJournal) -> Journal:
    return owned.journal


class Together:
    """Appends `texts` at once to LEFT and RIGHT in turn, and notes what becomes of them."""

    def __init__(self, journal: Journal, *texts: str) -> None:
        self.settled: list[JournalFullError | None] = []
        self._texts = texts
        journal.append_together(utc_now(), self._pack, self.settled.append)

    def _pack(self, next_seqs: dict[Slice, Seq], captured_at: datetime) -> Sequence[bytes]:
        frames = []
        for number, text in enumerate(self._texts):
            slice_ = (LEFT, RIGHT)[number % 2]
            seq = next_seqs.get(slice_, Seq(1))
            next_seqs[slice_] = Seq(seq + 1)
            frames.append(pack_frame(Frame(*slice_, seq, captured_at, text.encode())))
        return frames


def texts_in(journal: Journal) -> list[tuple[int, int, bytes]]:
    return [(frame.partition, frame.seq, frame.payload) for frame in read_all(journal.directory, journal.end)]


async def test_many_at_once_are_written_behind_what_the_tick_appended_before(journal: Journal) -> None:
    """So seqs are in order in the file, whichever way they came."""
    waiting = journal.append(*LEFT, saying("alone"))
    together = Together(journal, "a", "b", "c")
    assert together.settled == [None]
    assert (await waiting).seq == 1
    assert [(part, seq) for part, seq, _ in texts_in(journal)] == [(0, 1), (0, 2), (1, 1), (0, 3)]
    assert await append(journal, "later") == [4]


async def test_seqs_of_many_that_could_not_be_written_are_given_to_others(journal: Journal) -> None:
    """As those of single ones."""
    await append_until_full(journal, "x" * 300)
    before = journal.last_seq(LEFT)
    [error] = Together(journal, "y" * 300, "y" * 300, "y" * 300).settled
    assert isinstance(error, JournalFullError)
    assert journal.full
    assert (journal.last_seq(LEFT), journal.last_seq(RIGHT)) == (before, 0)


async def test_at_level_disk_an_append_waits_for_its_sync(journal: Journal) -> None:
    """Whichever way it came; one sync is for all."""
    journal.level = JournalLevel.DISK
    waiting = [journal.append(*LEFT, saying(str(number))) for number in range(3)]
    together = Together(journal, "a", "b")
    assert not together.settled
    assert not any(one.done() for one in waiting)
    await journal.sync()
    assert together.settled == [None]
    assert [(await one).seq for one in waiting] == [1, 2, 3]


async def test_the_syncs_of_level_disk_follow_each_other_without_a_pause(journal: Journal) -> None:
    """What comes during one is in the next."""
    journal.level = JournalLevel.DISK
    syncing = asyncio.create_task(journal.keep_synced())
    async with asyncio.timeout(10):
        assert await append(journal, *map(str, range(10))) == list(range(1, 11))
        assert await append(journal, "more") == [11]
    syncing.cancel()


async def test_what_is_written_during_a_sync_waits_for_the_next(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync vouches only for what was written before it began."""
    journal.level = JournalLevel.DISK
    began, go_on = threading.Event(), threading.Event()

    def slow(_descriptor: int) -> None:
        began.set()
        go_on.wait(10)

    monkeypatch.setattr(os, "fdatasync", slow)
    early = Together(journal, "early")
    syncing = asyncio.create_task(journal.sync())
    await asyncio.to_thread(began.wait, 10)
    late = Together(journal, "late")
    go_on.set()
    await syncing
    assert (early.settled, late.settled) == ([None], [])
    await journal.sync()
    assert late.settled == [None]


async def test_a_sync_that_fails_is_told_to_those_who_wait_for_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And to those that were written to the same file meanwhile; the next file is another matter."""
    journal.level = JournalLevel.DISK
    began, go_on = threading.Event(), threading.Event()

    def failing(_descriptor: int) -> None:
        began.set()
        go_on.wait(10)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", failing)
        early = Together(journal, "early")
        syncing = asyncio.create_task(journal.sync())
        await asyncio.to_thread(began.wait, 10)
        meanwhile = Together(journal, "meanwhile")
        go_on.set()
        await syncing
    after = Together(journal, "after")
    await journal.sync()
    assert [type(error) for error in early.settled + meanwhile.settled] == [JournalUnsyncedError] * 2
    assert after.settled == [None]
    assert [payload for _, _, payload in texts_in(journal)] == [b"early", b"meanwhile", b"after"]
    assert journal.sync_failures == 1


async def test_nothing_in_a_file_whose_name_could_not_be_synced_is_safe(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what was in it then nor what comes later, which goes into the next file."""
    journal.level = JournalLevel.DISK
    before = Together(journal, "x" * 600)
    unnamed = Together(journal, "y" * 600)
    with monkeypatch.context() as patched:
        patched.setattr(journal_module, "sync_directory", _refuse)
        await journal.sync()
    later = Together(journal, "later")
    await journal.sync()
    assert [type(one.settled[0]) for one in (before, unnamed, later)] == [NoneType, JournalUnsyncedError, NoneType]
    assert journal.end.segment == 3
    assert [payload[:1] for _, _, payload in texts_in(journal)] == [b"x", b"y", b"l"]


def _refuse(_directory: Path) -> None:
    raise OSError(errno.EIO, "Input/output error")


async def test_a_closed_journal_has_told_everybody(tmp_path: Path) -> None:
    """The last sync is made at the close."""
    one = opened(tmp_path / JOURNAL.hex(), SMALL)
    one.journal.level = JournalLevel.DISK
    waiting = one.journal.append(*LEFT, saying("last"))
    together = Together(one.journal, "a")
    await one.close()
    assert together.settled == [None]
    assert (await waiting).seq == 1
    assert len(told(read_all(tmp_path / JOURNAL.hex()))) == 2
