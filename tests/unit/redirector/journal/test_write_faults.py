"""A disk that is full or broken: who appends is told, nothing half written is read, and it works again when it can.

Disks that are full are really full: a small tmpfs, a limit on file sizes. Only for a disk that breaks in the middle of
a write are the system calls themselves replaced.
"""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from redirector.journal.journal import JournalFullError, Limits
from redirector.journal.segments import segment_numbers, segment_path
from stage.journals import JOURNAL, LEFT, RIGHT, append, append_until_full, opened, read_all, saying, told
from stage.requirements import REPOSITORY
from stage.small_disk import PAGE_BYTES, fill, free_bytes, small_disk

TIGHT = Limits(segment_bytes=16 * 1024, total_bytes_max=2**20)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    with small_disk(tmp_path / "disk", 256 * 1024) as place:
        yield place


async def test_at_the_cap_the_journal_is_full_until_something_went(tmp_path: Path) -> None:
    """The cap is what all segments take. A full journal gives the seqs out again and says what it holds."""
    owned = opened(tmp_path / JOURNAL.hex(), Limits(4096, 5 * 4096))
    journal = owned.journal
    written, refusal = await append_until_full(journal, "x" * 1_000)
    assert str(refusal) == "the journal holds its cap of 20480 bytes"
    was_full = journal.full
    assert was_full
    assert journal.size_bytes() == 5 * 4096
    assert journal.last_seq(LEFT) == written
    journal.drop_segment(1)
    assert await append(journal, "goes on") == [written + 1]
    assert not journal.full
    await owned.close()


async def test_everybody_of_a_tick_that_does_not_fit_is_told(tmp_path: Path) -> None:
    """And the next tick gets their seqs, in both partitions."""
    owned = opened(tmp_path / JOURNAL.hex(), Limits(2048, 5 * 2048))
    journal = owned.journal
    await append_until_full(journal, "x" * 1_500)
    left, right = journal.last_seq(LEFT), journal.last_seq(RIGHT)
    waiting = [journal.append(*to, saying("y" * 900)) for to in (LEFT, RIGHT, LEFT, RIGHT)]
    for one in waiting:
        with pytest.raises(JournalFullError):
            await one
    assert (journal.last_seq(LEFT), journal.last_seq(RIGHT)) == (left, right)
    journal.drop_segment(1)
    assert await append(journal, "again") == [left + 1]
    assert await append(journal, "again", to=RIGHT) == [right + 1]
    await owned.close()


async def test_a_full_disk_is_met_between_two_segments_and_works_again_when_there_is_room(disk: Path) -> None:
    """ENOSPC on a real file system: the segment at hand was paid for ahead, the next one cannot be."""
    owned = opened(disk / JOURNAL.hex(), TIGHT)
    journal = owned.journal
    filler = fill(disk)
    written, refusal = await append_until_full(journal, "x" * 1_000)
    assert written > 10
    assert "No space left" in str(refusal)
    assert segment_numbers(journal.directory) == [1]
    was_full = journal.full
    assert was_full
    filler.unlink()
    assert await append(journal, "room") == [written + 1]
    assert not journal.full
    await owned.close()
    assert [text for _, _, text in told(read_all(disk / JOURNAL.hex()))] == ["x" * 1_000] * written + ["room"]


@pytest.fixture
def no_preallocation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot take space ahead, so that a full disk is met in the middle of a write."""

    def unknown(_descriptor: int, _offset: int, _length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unknown)


async def test_a_write_cut_short_by_a_full_disk_leaves_nothing_behind(disk: Path, no_preallocation: None) -> None:
    """Where space cannot be taken ahead: the half-written tick is cut off, its seqs are given out again."""
    owned = opened(disk / JOURNAL.hex(), Limits(2**20, 2**24))
    journal = owned.journal
    await append(journal, "before")
    filler = leave_free(disk, 3 * PAGE_BYTES)
    waiting = [journal.append(*LEFT, saying(f"{number} " + "x" * 2_000)) for number in range(20)]
    for one in waiting:
        with pytest.raises(JournalFullError, match="No space left"):
            await one
    assert journal.last_seq(LEFT) == 1
    assert told(read_all(journal.directory)) == [(0, 1, "before")]
    filler.unlink()
    assert await append(journal, "after") == [2]
    await owned.close()
    assert told(read_all(disk / JOURNAL.hex())) == [(0, 1, "before"), (0, 2, "after")]


async def test_a_death_after_a_write_cut_short_loses_and_repeats_nothing(disk: Path, no_preallocation: None) -> None:
    """The next process goes on where the whole frames end, on the disk that is still full."""
    owned = opened(disk / JOURNAL.hex(), Limits(2**20, 2**24))
    await append(owned.journal, "before")
    leave_free(disk, 3 * PAGE_BYTES)
    with pytest.raises(JournalFullError):
        await append(owned.journal, *["x" * 2_000] * 20)
    os.close(owned.lock)  # as a death would; the file was cut already
    survivor = opened(disk / JOURNAL.hex(), Limits(2**20, 2**24))
    assert survivor.journal.last_seq(LEFT) == 1
    assert told(read_all(disk / JOURNAL.hex())) == [(0, 1, "before")]
    await survivor.close()


def leave_free(disk: Path, free: int) -> Path:
    """Fill `disk` but for `free` bytes; the file that holds them."""
    filler = fill(disk)
    os.truncate(filler, filler.stat().st_size - free)
    assert free_bytes(disk) == free
    return filler


def failing_writes(monkeypatch: pytest.MonkeyPatch, *, after_bytes: int) -> Callable[[], None]:
    """From now on a write takes `after_bytes` bytes and the next call fails with EIO; until the returned call."""
    real, calls = os.pwrite, count()

    def failing(descriptor: int, data: bytes, position: int) -> int:
        if after_bytes and next(calls) == 0:
            return real(descriptor, data[:after_bytes], position)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwrite", failing)
    return lambda: monkeypatch.setattr(os, "pwrite", real)


@pytest.mark.parametrize("after_bytes", [0, 1, 27, 28, 80, 200])
async def test_a_write_that_breaks_at_any_byte_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after_bytes: int
) -> None:
    """EIO in the middle (a replaced pwrite): what was half written is cut off; another segment takes what follows."""
    owned = opened(tmp_path / JOURNAL.hex())
    journal = owned.journal
    await append(journal, "before")
    repair = failing_writes(monkeypatch, after_bytes=after_bytes)
    waiting = [journal.append(*LEFT, saying(f"lost {number}")) for number in range(4)]
    for one in waiting:
        with pytest.raises(JournalFullError, match="Input/output error"):
            await one
    repair()
    assert journal.full
    assert await append(journal, "after") == [2]
    assert journal.end.segment == 2
    assert journal.size_bytes() == sum(path.stat().st_size for path in segments_of(journal.directory))
    await owned.close()
    assert told(read_all(tmp_path / JOURNAL.hex())) == [(0, 1, "before"), (0, 2, "after")]


async def test_seqs_that_may_have_stayed_behind_are_not_given_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where even cutting fails: the event may be read, so its seq is its own; the ones after it are a hole."""
    owned = opened(tmp_path / JOURNAL.hex())
    journal = owned.journal
    await append(journal, "before")
    repair = failing_writes(monkeypatch, after_bytes=100)
    real_truncate = os.ftruncate

    def broken(_descriptor: int, _length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "ftruncate", broken)
    for one in [journal.append(*LEFT, saying(f"torn {number}")) for number in range(3)]:
        with pytest.raises(JournalFullError):
            await one
    monkeypatch.setattr(os, "ftruncate", real_truncate)
    repair()
    assert await append(journal, "after") == [5]
    await owned.close()
    assert told(read_all(tmp_path / JOURNAL.hex())) == [(0, 1, "before"), (0, 2, "torn 0"), (0, 5, "after")]
    again = opened(tmp_path / JOURNAL.hex())
    assert await append(again.journal, "next life") == [6]
    await again.close()


LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from redirector.journal.journal import JournalFullError, Limits
from stage.journals import LEFT, append, opened

async def run(directory):
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    owned = opened(directory, Limits(8_192, 2**20))
    journal = owned.journal
    await append(journal, "fits")
    for one in [journal.append(*LEFT, lambda origin, at: b"x" * 3_000) for _ in range(10)]:
        try:
            await one
        except JournalFullError as error:
            print(error)
    print(journal.full, journal.last_seq(LEFT))
    print(*await append(journal, "small"), journal.full)
    await owned.close()

asyncio.run(run(Path(sys.argv[1])))
"""


def test_a_limit_on_file_sizes_is_met_like_a_full_disk(tmp_path: Path) -> None:
    """A process under `ulimit -f` is refused by the kernel: the tick is refused, a smaller one goes through."""
    environment = {"PYTHONPATH": os.pathsep.join([str(REPOSITORY / "services"), str(REPOSITORY / "tests")])}
    command = [sys.executable, "-c", LIMITED, str(tmp_path / JOURNAL.hex())]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.splitlines() == [*["[Errno 27] File too large"] * 10, "True 1", "2 False"]
    assert told(read_all(tmp_path / JOURNAL.hex())) == [(0, 1, "fits"), (0, 2, "small")]


def segments_of(directory: Path) -> list[Path]:
    """The segment files."""
    return [segment_path(directory, number) for number in segment_numbers(directory)]
