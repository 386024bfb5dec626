"""Only what was synced may be shipped, and a sync that failed is never tried again on the same file.

No disk here can be made to fail a sync, so `os.fdatasync` is replaced where one must.
"""

import asyncio
import errno
import logging
import os
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from redirector.journal.acks import Position
from redirector.journal.adoption import OwnedJournal
from redirector.journal.journal import Journal, Limits
from stage.journals import JOURNAL, append, append_until_full, opened, read_all, told

SMALL_SEGMENTS = Limits(segment_bytes=1024, total_bytes_max=32 * 1024)
BIG = "x" * 700
"""Two of these never fit in one segment."""


@dataclass
class Disk:
    """What is synced, file by file, and which files cannot be."""

    synced: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    held: threading.Event | None = None
    began: threading.Event = field(default_factory=threading.Event)

    def fdatasync(self, descriptor: int) -> None:
        """As os.fdatasync, but for files that are broken and while syncs are held."""
        if self.held is not None:
            self.began.set()
            self.held.wait(timeout=10)
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        self.synced.append(name)
        if name in self.broken:
            raise OSError(errno.EIO, "Input/output error")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    one = Disk()
    monkeypatch.setattr(os, "fdatasync", one.fdatasync)
    return one


@pytest.fixture
async def owned(disk: Disk, tmp_path: Path) -> AsyncIterator[OwnedJournal]:
    one = opened(tmp_path / JOURNAL.hex(), SMALL_SEGMENTS)
    disk.synced.clear()
    yield one
    await one.close()


@pytest.fixture
def journal(owned: OwnedJournal) -> Journal:
    return owned.journal


async def test_what_is_written_and_not_synced_is_not_shipped(journal: Journal) -> None:
    """The position that may be shipped follows the syncs, not the writes."""
    await append(journal, "one")
    assert told(read_all(journal.directory, journal.synced)) == []
    await journal.sync()
    assert journal.synced == journal.end
    await append(journal, "two")
    assert told(read_all(journal.directory, journal.synced)) == [(0, 1, "one")]


async def test_a_journal_that_is_opened_syncs_what_an_earlier_process_wrote(disk: Disk, tmp_path: Path) -> None:
    """A process that was killed may not have; until then, nothing of its last segment is shipped."""
    directory = tmp_path / JOURNAL.hex()
    first = opened(directory, SMALL_SEGMENTS)
    await append(first.journal, BIG)
    await append(first.journal, BIG)
    os.close(first.lock)
    disk.synced.clear()
    second = opened(directory, SMALL_SEGMENTS)
    assert disk.synced == ["00000001.segment", "00000002.segment"]
    assert second.journal.synced == Position(2, 0)
    await second.close()


async def test_segments_that_were_left_are_synced_before_what_follows_them(journal: Journal, disk: Disk) -> None:
    """Each once, in order, the directory too: then all of it may be shipped."""
    for _ in range(3):
        await append(journal, BIG)
    await journal.sync()
    kept = [name for name in disk.synced if name.endswith(".segment")]
    assert kept == ["00000001.segment", "00000002.segment", "00000003.segment"]
    await append(journal, "small")
    await journal.sync()
    assert disk.synced[-1:] == ["00000003.segment"]
    assert journal.synced == journal.end


async def test_syncing_runs_beside_appends_and_wakes_the_shipper(journal: Journal) -> None:
    """Again and again, without being asked."""
    syncing = asyncio.create_task(journal.keep_synced())
    for number in range(3):
        await append(journal, str(number))
        end = journal.end
        while journal.synced < end:
            async with asyncio.timeout(10):
                await journal.more_synced()
    syncing.cancel()
    assert [text for _, _, text in told(read_all(journal.directory, journal.synced))] == ["0", "1", "2"]


async def test_two_syncs_at_once_never_call_unsynced_what_is_synced(journal: Journal, disk: Disk) -> None:
    """A stop syncs while the background sync is under way: the second waits, and nothing is shipped too early."""
    await append(journal, BIG)
    await append(journal, BIG)
    disk.held = threading.Event()
    syncs = [asyncio.create_task(journal.sync())]
    await asyncio.to_thread(disk.began.wait, 10)
    await append(journal, BIG)
    syncs.append(asyncio.create_task(journal.sync()))
    assert journal.synced == Position(1, 0)
    disk.held.set()
    await asyncio.gather(*syncs)
    assert journal.synced == journal.end
    assert journal.sync_failures == 0
    names = [name for name in disk.synced if name.endswith(".segment")]
    assert sorted(set(names)) == [f"{number:08}.segment" for number in (1, 2, 3)]
    assert names.count("00000001.segment") == 1


async def test_a_sync_that_is_given_up_is_made_up_for(journal: Journal, disk: Disk) -> None:
    """The background sync is cancelled at a stop: what it had begun is synced by the last one."""
    await append(journal, BIG)
    await append(journal, BIG)
    disk.held = threading.Event()
    given_up = asyncio.create_task(journal.sync())
    await asyncio.to_thread(disk.began.wait, 10)
    given_up.cancel()
    disk.held.set()
    await asyncio.gather(given_up, return_exceptions=True)
    assert journal.synced == Position(1, 0)
    await journal.sync()
    assert {"00000001.segment", "00000002.segment"} <= set(disk.synced)
    assert journal.synced == journal.end


async def test_a_failed_sync_is_counted_told_and_never_tried_again_on_that_file(
    journal: Journal, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel may call its lost pages clean the next time. What follows goes into a new segment."""
    await append(journal, "one")
    disk.broken.add("00000001.segment")
    with caplog.at_level(logging.ERROR):
        await journal.sync()
    assert journal.sync_failures == 1
    assert "could not be synced" in caplog.text
    await journal.sync()
    await append(journal, "two")
    assert journal.end.segment == 2
    for _ in range(3):
        await journal.sync()
    assert disk.synced.count("00000001.segment") == 1
    assert journal.sync_failures == 1
    assert told(read_all(journal.directory, journal.synced)) == [(0, 1, "one"), (0, 2, "two")]


async def test_a_sync_that_fails_after_the_segment_was_left_is_not_tried_again_either(
    journal: Journal, disk: Disk
) -> None:
    """A new segment was begun while the sync of the old one was under way."""
    await append(journal, BIG)
    disk.broken.add("00000001.segment")
    disk.held = threading.Event()
    syncing = asyncio.create_task(journal.sync())
    await asyncio.to_thread(disk.began.wait, 10)
    disk.held.set()
    await append(journal, BIG)
    await syncing
    await journal.sync()
    assert disk.synced.count("00000001.segment") == 1
    assert disk.synced[-1] != "00000001.segment"


async def test_later_segments_are_synced_whatever_number_their_file_gets(journal: Journal, disk: Disk) -> None:
    """The system gives a closed file's number to the next: a failure is remembered of the file, not of the number."""
    await append(journal, BIG)
    disk.broken.add("00000001.segment")
    await journal.sync()
    for _ in range(6):
        await append(journal, BIG)
        await journal.sync()
    expected = [f"{number:08}.segment" for number in range(2, journal.end.segment + 1)]
    assert journal.end.segment == 7
    assert [name for name in expected if name not in disk.synced] == []


async def test_a_journal_that_is_full_can_still_be_synced(journal: Journal) -> None:
    """What was taken is shipped, which is what makes room."""
    count, _ = await append_until_full(journal, BIG)
    await journal.sync()
    assert len(read_all(journal.directory, journal.synced)) == count
