"""Journals that are done are shipped once more where the log has lost what it had of them, and else are left alone."""

import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from link_events.identity import Seq
from link_events.streams import PARTITIONS_DEFAULT
from redirector import recalling
from redirector.journal.adoption import is_done
from redirector.journal.journal import Limits
from redirector.journal.segments import Slice
from redirector.recalling import Place, recall
from stage.click_log import write_twin
from stage.forgetting import FORGET_ALL, FORGET_THE_TAIL
from stage.journals import logged_records, records_in
from stage.log_forms import opened_postgres_log
from stage.proxy import proxied
from stage.redirectors import RunningRedirector, running_redirector
from stage.sql import execute
from stage.waiting import eventually_async

REWINDS = "advolink_shipping_rewinds_total"


@asynccontextmanager
async def on(dsn: str, journals: Path, key: str, **settings: Any) -> AsyncIterator[RunningRedirector]:
    async with running_redirector(dsn, journals, key, heartbeat_interval=3600, drain_seconds=0.5, **settings) as one:
        yield one


async def says(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return text in caplog.text


@pytest.fixture
async def done(database_dsn: str, journals: Path, key: str, tmp_path: Path) -> list[Path]:
    """The journal of a worker that is gone and the journal of an import, both done; others are still written to."""
    async with AsyncExitStack() as yesterday:
        workers = [await yesterday.enter_async_context(on(database_dsn, journals, key)) for _ in range(2)]
        code = (await workers[0].issue())["code"]
        for worker in workers:
            assert (await worker.click(code)).status_code == HTTPStatus.FOUND
        assert (
            await workers[0].import_file(write_twin(tmp_path / "twin.jsonl", 50).read_bytes())
        ).status_code == HTTPStatus.OK
        await eventually_async(lambda: are_done(journals, 1), what="the import is done")
    async with on(database_dsn, journals, key) as today:
        await eventually_async(lambda: are_done(journals, 2), what="what was left is done")
        await today.shipped()
    return done_in(journals)


def done_in(journals: Path) -> list[Path]:
    return [directory for directory in journals.glob("*/*") if is_done(directory)]


async def are_done(journals: Path, count: int) -> bool:
    return len(done_in(journals)) == count


def journaled(journals: Path) -> set[tuple[object, ...]]:
    return {
        (*slice_, *record)
        for directory in journals.glob("*/*")
        if directory.is_dir()
        for slice_, records in records_in(directory).items()
        for record in records
    }


async def logged(dsn: str) -> set[tuple[object, ...]]:
    return {(*slice_, *one) for slice_, records in (await logged_records(dsn)).items() for one in records}


async def all_is_logged(dsn: str, journals: Path) -> bool:
    return await logged(dsn) == journaled(journals)


@pytest.mark.parametrize("forget", [FORGET_ALL, FORGET_THE_TAIL])
@pytest.mark.usefixtures("done")
async def test_what_a_restored_log_has_not_is_shipped_from_journals_that_are_done(
    database_dsn: str, journals: Path, key: str, forget: str
) -> None:
    """Those of earlier workers and of imports, besides the one that is written to; then they are done again."""
    await execute(database_dsn, forget)
    async with on(database_dsn, journals, key) as today:
        await eventually_async(lambda: all_is_logged(database_dsn, journals), what="everything is logged again")
        await eventually_async(lambda: are_done(journals, 2), what="they are done again")
        assert await today.metric(REWINDS) == 3


async def test_what_the_log_has_is_left_alone(database_dsn: str, journals: Path, key: str, done: list[Path]) -> None:
    """Nothing is opened, nothing sent; a journal whose acks nobody knows any more is none that lost something."""
    done_since = [(directory / "done").stat().st_mtime_ns for directory in done]
    (done[0] / "acks.json").unlink()
    before = await logged_of(database_dsn, done)
    async with on(database_dsn, journals, key) as today, opened_postgres_log(database_dsn) as event_log:
        place = Place(journals, PARTITIONS_DEFAULT, Limits())
        await recall(place, event_log, today.service.shipments)
        await today.shipped()
        assert len(list(today.service.shipments)) == 1
        assert await today.metric(REWINDS) == 0
    assert [(directory / "done").stat().st_mtime_ns for directory in done] == done_since
    assert await logged_of(database_dsn, done) == before


async def test_what_was_tidied_away_meanwhile_is_not_begun_anew(
    database_dsn: str, journals: Path, key: str, done: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty journal under an old id would number its events as others are numbered already."""
    async with on(database_dsn, journals, key) as today, opened_postgres_log(database_dsn) as event_log:

        async def forgotten(*_slice: object) -> Seq:
            for directory in done:
                shutil.rmtree(directory, ignore_errors=True)
            return Seq(0)

        monkeypatch.setattr(event_log, "last_seq", forgotten)
        await recall(Place(journals, PARTITIONS_DEFAULT, Limits()), event_log, today.service.shipments)
        assert len(list(today.service.shipments)) == 1
    assert [directory for directory in done if directory.exists()] == []


async def logged_of(dsn: str, directories: list[Path]) -> list[tuple[Slice, list[tuple[bytes, int, bytes]]]]:
    """What the log holds of some journals, repetitions included."""
    names = {directory.name for directory in directories}
    logged = await logged_records(dsn)
    found = {part: [one for one in records if one[0].hex() in names] for part, records in logged.items()}
    return sorted((part, records) for part, records in found.items() if records)


@pytest.mark.usefixtures("done")
async def test_a_log_that_is_away_is_asked_again(
    database_dsn: str, journals: Path, key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A redirector that starts before a restored database does."""
    await execute(database_dsn, FORGET_ALL)
    monkeypatch.setattr(recalling, "AGAIN", recalling.AGAIN / 50)
    caplog.set_level(logging.INFO)
    async with proxied(database_dsn) as (way, dsn):
        await way.close()
        async with on(dsn, journals, key):
            await eventually_async(lambda: says(caplog, "looked through again soon"), what="it finds no log")
            await way.open()
            await eventually_async(lambda: all_is_logged(database_dsn, journals), what="everything is logged again")


async def test_a_file_that_is_imported_again_after_a_restore_is_done_when_the_log_has_it(
    database_dsn: str, journals: Path, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when an earlier log had it: what was acked then is asked of this one first."""
    content = write_twin(tmp_path / "twin.jsonl", 50).read_bytes()
    async with on(database_dsn, journals, key) as first:
        await first.import_file(content)
        await eventually_async(lambda: are_done(journals, 1), what="the import is done")
    await execute(database_dsn, FORGET_ALL)
    monkeypatch.setattr(recalling, "done_journals", lambda _root: [])
    async with on(database_dsn, journals, key) as second:
        (directory,) = done_in(journals)
        (directory / "done").unlink()
        await second.import_file(content)
        await eventually_async(lambda: are_done(journals, 1), what="the import is done again")
        assert await logged_of(database_dsn, [directory]) == sorted(records_in(directory).items())
