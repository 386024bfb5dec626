"""What earlier workers left is taken over: one journal is written on, the others are sealed, shipped and let go."""

import asyncio
import threading
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path

import pytest

from link_events.events import Sealed
from link_events.streams import PARTITIONS_DEFAULT
from redirector.journal import adoption
from redirector.journal.adoption import adopt_all, is_done, new_journal
from redirector.journal.journal import Limits
from redirector.journal.recovery import Recovered, recover
from stage.journals import clicks_in, events_in, logged_records, records_in
from stage.redirectors import RunningRedirector, running_redirector
from stage.slices import EVERY_SLICE
from stage.waiting import eventually_async

ONE_BEAT = {"heartbeat_interval": 3600}


async def done(directory: Path) -> bool:
    return is_done(directory)


async def test_two_workers_on_one_disk_have_a_journal_each(
    redirector: RunningRedirector, database_dsn: str, journals: Path, key: str
) -> None:
    """Neither touches the other's, and both are shipped."""
    async with running_redirector(database_dsn, journals, key, **ONE_BEAT) as other:
        assert other.journal_directory != redirector.journal_directory
        code = (await redirector.issue())["code"]
        for one in (redirector, other, redirector):
            assert (await one.click(code)).status_code == HTTPStatus.FOUND
        assert (len(redirector.new_clicks()), len(other.new_clicks())) == (2, 1)


async def test_journals_that_nobody_writes_any_more_end_sealed(database_dsn: str, journals: Path, key: str) -> None:
    """Three workers yesterday, one today: it goes on in one journal, and every click of the others arrives."""
    async with AsyncExitStack() as yesterday:
        workers = [
            await yesterday.enter_async_context(running_redirector(database_dsn, journals, key, **ONE_BEAT))
            for _ in range(3)
        ]
        code = (await workers[0].issue())["code"]
        for worker in workers:
            assert (await worker.click(code)).status_code == HTTPStatus.FOUND
        directories = {worker.journal_directory for worker in workers}
    async with running_redirector(database_dsn, journals, key, **ONE_BEAT) as today:
        assert today.journal_directory in directories
        await eventually_async(today.knows_postgres, what="the links' changes are followed")
        assert (await today.click(code)).status_code == HTTPStatus.FOUND
        left = directories - {today.journal_directory}
        for directory in left:
            await eventually_async(lambda d=directory: done(d), what="it is shipped")  # type: ignore[misc]
            last = {(event.origin.stream, event.origin.partition): event.data for event in events_in(directory)}
            assert last == dict.fromkeys(EVERY_SLICE, Sealed())
        await today.shipped()
        logged = {record for records in (await logged_records(database_dsn)).values() for record in records}
        kept = {record for one in directories for records in records_in(one).values() for record in records}
        assert logged == kept
        assert sum(len(clicks_in(directory)) for directory in directories) == 4
    adopted = adopt_all(journals / "live", PARTITIONS_DEFAULT, Limits())
    assert {one.journal.directory for one in adopted} == directories - left
    for one in adopted:
        await one.close()


async def test_people_are_redirected_while_what_was_left_is_opened(
    database_dsn: str, journals: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take seconds; a stop meanwhile leaves it to the next who starts."""
    for one in [new_journal(journals / "live", PARTITIONS_DEFAULT, Limits()) for _ in range(3)]:
        await one.close()
    began, go_on = threading.Event(), threading.Event()

    def recover_late(directory: Path) -> Recovered | None:
        if threading.current_thread() is not threading.main_thread():
            began.set()
            go_on.wait(10)
        return recover(directory)

    with monkeypatch.context() as patched:
        patched.setattr(adoption, "recover", recover_late)
        async with running_redirector(database_dsn, journals, key, **ONE_BEAT) as today:
            assert await asyncio.to_thread(began.wait, 10)
            await today.click((await today.issue())["code"])
            asyncio.get_running_loop().call_soon(go_on.set)
    adopted = adopt_all(journals / "live", PARTITIONS_DEFAULT, Limits())
    assert len(adopted) == 3
    for one in adopted:
        await one.close()
