"""One live process owns a journal; the next one adopts it and goes on where it ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from redirector.journal.adoption import (
    JournalTakenError,
    PartitionsChangedError,
    adopt_all,
    is_done,
    mark_done,
    new_journal,
    open_journal,
)
from stage.journals import JOURNAL, PARTITIONS, SMALL, append, opened, read_all, told
from stage.requirements import REPOSITORY

OWNER = """
import asyncio, sys
from pathlib import Path
from stage.journals import append, opened

async def own(directory):
    owned = opened(directory)
    print(*await append(owned.journal, "from another process"), flush=True)
    await asyncio.Event().wait()

asyncio.run(own(Path(sys.argv[1])))
"""


def start_owner(directory: Path) -> "subprocess.Popen[bytes]":
    """Another process that owns the journal in `directory` and has appended one event."""
    environment = {"PYTHONPATH": os.pathsep.join([str(REPOSITORY / "services"), str(REPOSITORY / "tests")])}
    command = [sys.executable, "-c", OWNER, str(directory)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"
    process.stdout.close()
    return process


async def test_a_new_journal_is_named_at_random(tmp_path: Path) -> None:
    """Two that never met have different names, and each says which it is."""
    owned = [new_journal(tmp_path, PARTITIONS, SMALL) for _ in range(2)]
    names = {one.journal.directory.name for one in owned}
    assert names == {one.journal.journal_id.hex() for one in owned}
    assert len(names) == 2
    for one in owned:
        await one.close()


async def test_a_journal_is_private(tmp_path: Path) -> None:
    """What people clicked is not for everybody on the machine."""
    owned = new_journal(tmp_path / "live", PARTITIONS, SMALL)
    assert [path.stat().st_mode & 0o077 for path in (owned.journal.directory, owned.journal.directory / "lock")] == [
        0,
        0,
    ]
    await owned.close()


async def test_nobody_else_opens_a_journal_that_is_owned(tmp_path: Path) -> None:
    """Not even this process, and adopting passes it by."""
    owned = opened(tmp_path / JOURNAL.hex())
    with pytest.raises(JournalTakenError):
        opened(tmp_path / JOURNAL.hex())
    assert adopt_all(tmp_path, PARTITIONS, SMALL) == []
    await owned.close()
    adopted = adopt_all(tmp_path, PARTITIONS, SMALL)
    assert [one.journal.journal_id for one in adopted] == [JOURNAL]
    await adopted[0].close()


async def test_two_processes_cannot_own_one_journal_and_the_lock_dies_with_its_owner(tmp_path: Path) -> None:
    """However it dies: after a kill -9 the next process goes on with the very next seq."""
    directory = tmp_path / JOURNAL.hex()
    owner = start_owner(directory)
    with pytest.raises(JournalTakenError, match=str(directory)):
        opened(directory)
    owner.send_signal(signal.SIGKILL)
    owner.wait(timeout=15)
    owned = opened(directory)
    assert await append(owned.journal, "from this process") == [2]
    await owned.close()
    assert told(read_all(directory)) == [(0, 1, "from another process"), (0, 2, "from this process")]


async def test_a_refused_opening_lets_go_of_the_lock(tmp_path: Path) -> None:
    """A wrong setting is put right without a restart of anything else."""
    directory = tmp_path / JOURNAL.hex()
    await opened(directory).close()
    with pytest.raises(PartitionsChangedError, match="was made for 2 partitions, not 3; set them back"):
        open_journal(directory, JOURNAL, 3, SMALL)
    await opened(directory).close()


async def test_adopting_skips_what_is_done_and_what_is_no_journal(tmp_path: Path) -> None:
    """A copy that somebody made, a disk's `lost+found`, a stray file: they are left alone."""
    made = [new_journal(tmp_path, PARTITIONS, SMALL) for _ in range(3)]
    names = sorted(one.journal.directory.name for one in made)
    for one in made:
        await one.close()
    mark_done(tmp_path / names[1])
    assert is_done(tmp_path / names[1])
    for name in ("lost+found", f"{names[0]}.bak", "0123456789ABCDEF"):
        (tmp_path / name).mkdir()
    (tmp_path / "README").touch()
    adopted = adopt_all(tmp_path, PARTITIONS, SMALL)
    assert [one.journal.directory.name for one in adopted] == [names[0], names[2]]
    for one in adopted:
        await one.close()


async def test_adopting_goes_on_over_and_over(tmp_path: Path) -> None:
    """Each life of the process continues the seqs of the one before."""
    seqs: list[int] = []
    for life in range(5):
        (owned,) = adopt_all(tmp_path, PARTITIONS, SMALL) or [new_journal(tmp_path, PARTITIONS, SMALL)]
        seqs += await append(owned.journal, f"life {life}", "x" * 1_500)
        await owned.close()
    assert seqs == list(range(1, 11))


async def test_a_death_before_the_first_segment_leaves_a_journal_to_begin(tmp_path: Path) -> None:
    """The directory is there, its lock file too, and nothing else."""
    directory = tmp_path / JOURNAL.hex()
    directory.mkdir()
    (directory / "lock").touch()
    (directory / "00000001.new").write_bytes(b"half")
    (adopted,) = adopt_all(tmp_path, PARTITIONS, SMALL)
    assert adopted.journal.journal_id == JOURNAL
    assert await append(adopted.journal, "first") == [1]
    await adopted.close()
