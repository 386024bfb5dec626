"""Workers on one disk: each takes one journal, and what more there is is left behind only when all have theirs."""

import asyncio
import threading
from functools import partial
from pathlib import Path

import pytest

from redirector.journal import adoption
from redirector.journal.adoption import (
    OwnedJournal,
    adopt,
    is_done,
    mark_done,
    take_journal,
    take_left_behind,
)
from redirector.journal.recovery import Recovered, recover
from redirector.journal.segments import segment_path
from stage.journals import JOURNAL, PARTITIONS, SMALL, append, opened


def take(root: Path) -> OwnedJournal:
    return take_journal(root, PARTITIONS, SMALL)


def left_behind(root: Path, owners: int) -> list[OwnedJournal] | None:
    left = take_left_behind(root, owners)
    return None if left is None else [owned for one in left if (owned := one.open(PARTITIONS, SMALL)) is not None]


def _recover_late(began: threading.Event, go_on: threading.Event, directory: Path) -> Recovered | None:
    began.set()
    go_on.wait(10)
    return recover(directory)


async def test_each_worker_takes_one_and_a_new_one_where_none_is_left(tmp_path: Path) -> None:
    yesterday = [take(tmp_path) for _ in range(2)]
    for one in yesterday:
        await one.close()
    today = [take(tmp_path) for _ in range(3)]
    names = [one.journal.directory.name for one in today]
    assert names[:2] == sorted(one.journal.directory.name for one in yesterday)
    assert names[2] not in names[:2]
    for one in today:
        await one.close()


async def test_no_worker_waits_for_another_to_open_its_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To read what a full segment holds takes seconds."""
    for one in [take(tmp_path) for _ in range(2)]:
        await one.close()
    began, go_on = threading.Event(), threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr(adoption, "recover", partial(_recover_late, began, go_on))
        late = asyncio.create_task(asyncio.to_thread(take, tmp_path))
        await asyncio.to_thread(began.wait, 10)
    async with asyncio.timeout(10):
        other = await asyncio.to_thread(take, tmp_path)
        assert left_behind(tmp_path, 2) == []
    go_on.set()
    first = await late
    assert first.journal.journal_id != other.journal.journal_id
    for one in (first, other):
        await one.close()


async def test_what_cannot_be_continued_is_passed_over(tmp_path: Path) -> None:
    """It is left as it is, and is nobody's."""
    segment_path(tmp_path / JOURNAL.hex(), 1).mkdir(parents=True)
    fresh = take(tmp_path)
    assert fresh.journal.journal_id != JOURNAL
    await fresh.close()


async def test_what_nobody_has_is_left_behind_once_all_workers_have_theirs(tmp_path: Path) -> None:
    """Until then it may be the journal of a worker that is about to start."""
    yesterday = [take(tmp_path) for _ in range(4)]
    for one in yesterday:
        await one.close()
    first = take(tmp_path)
    assert left_behind(tmp_path, 2) is None
    second = take(tmp_path)
    left = left_behind(tmp_path, 2)
    assert left is not None
    assert len(left) == 2
    assert left_behind(tmp_path, 4) == []
    for one in (first, second, *left):
        await one.close()


async def test_a_journal_that_is_done_is_let_go_only_when_that_is_noted(tmp_path: Path) -> None:
    """Who took it for unfinished would write on in a journal that nobody ships any more."""
    owned = opened(tmp_path / JOURNAL.hex())
    await append(owned.journal, "last")
    await owned.close(done=True)
    assert is_done(tmp_path / JOURNAL.hex())
    fresh = take(tmp_path)
    assert fresh.journal.journal_id != JOURNAL
    await fresh.close()


async def test_a_journal_is_adopted_only_as_the_caller_knows_it(tmp_path: Path) -> None:
    """Done or let go since it was looked at: it is not opened, and not begun anew under its old id."""
    directory = tmp_path / JOURNAL.hex()
    assert adopt(directory, PARTITIONS, SMALL) is None
    assert not directory.exists()
    await opened(directory).close()
    assert adopt(directory, PARTITIONS, SMALL, done=True) is None
    mark_done(directory)
    assert adopt(directory, PARTITIONS, SMALL) is None
    again = adopt(directory, PARTITIONS, SMALL, done=True)
    assert again is not None
    await again.close()
