"""An import that is cut short, doubled or overtaken ends as one that nothing disturbed."""

import asyncio
import hashlib
from http import HTTPStatus
from pathlib import Path
from typing import Final

import asyncpg
import httpx2
import pytest

from link_events.events import Click
from link_events.streams import PARTITIONS_DEFAULT
from redirector.imports import importing
from redirector.journal.adoption import is_done
from stage.click_log import write_twin
from stage.journals import clicks_in, events_in, logged_records, told_once
from stage.proxy import proxied
from stage.redirectors import RunningRedirector, running_redirector
from stage.sql import fetch, session, waiting_for_locks
from stage.waiting import eventually_async

TWIN_CLICKS: Final = 1_000


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    """A log like the real one."""
    return write_twin(tmp_path / "twin.jsonl", TWIN_CLICKS).read_bytes()


def import_journal(redirector: RunningRedirector, content: bytes) -> Path:
    """Where the events of an import lie."""
    directory: Path = redirector.service.settings.journal_dir / "imports" / import_id_of(content)
    return directory


def import_id_of(content: bytes) -> str:
    """The file's own digest names its journal."""
    return hashlib.sha256(content).hexdigest()[:16]


async def progress(redirector: RunningRedirector, content: bytes) -> dict[str, int] | None:
    """How far a running import is; None where none is running."""
    answer = await redirector.ask("GET", f"/v1/clicks/import/{import_id_of(content)}")
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return None
    told: dict[str, int] = answer.json()
    return told


class Halfway:
    """Stops an import in the middle of its events, until it may go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.may_go_on = asyncio.Event()


@pytest.fixture
def halfway(monkeypatch: pytest.MonkeyPatch) -> Halfway:
    one = Halfway()
    flush = importing._Writer.flush  # noqa: SLF001 - between two writes nothing else can be held

    async def flush_and_wait(writer: importing._Writer) -> None:
        await flush(writer)
        one.reached.set()
        await one.may_go_on.wait()

    monkeypatch.setattr(importing._Writer, "flush", flush_and_wait)  # noqa: SLF001 - as above
    return one


async def test_an_import_cut_short_by_a_restart_is_taken_up_where_it_was(
    database_dsn: str, tmp_path: Path, key: str, content: bytes, halfway: Halfway
) -> None:
    """What was written is shipped by the next life; the rest follows when the file is imported again.

    Every event is as if nothing had happened: a redirector that met no trouble writes the same bytes.
    """
    async with running_redirector(database_dsn, tmp_path / "first", key) as first:
        importing_it = asyncio.create_task(first.import_file(content))
        await asyncio.wait_for(halfway.reached.wait(), 15)
        importing_it.cancel()
        await asyncio.gather(importing_it, return_exceptions=True)
    halfway.may_go_on.set()
    async with running_redirector(database_dsn, tmp_path / "first", key) as again:
        directory = import_journal(again, content)
        begun = len(clicks_in(directory))
        assert 0 < begun < TWIN_CLICKS
        await again.shipped()
        answer = await again.import_file(content)
        assert (answer.json()["clicks"], answer.json()["imported_before"]) == (TWIN_CLICKS, True)
        await again.shipped()
        events = events_in(directory)
    async with running_redirector(database_dsn, tmp_path / "other", key) as other:
        await other.import_file(content)
        await other.shipped()
        assert events_in(import_journal(other, content)) == events
    assert sum(isinstance(event.data, Click) for event in events) == TWIN_CLICKS
    logged = told_once(await logged_records(database_dsn))
    of_the_import = [one for records in logged.values() for one in records if one[0].hex() == import_id_of(content)]
    assert len(of_the_import) == TWIN_CLICKS + PARTITIONS_DEFAULT


async def test_how_far_an_import_is_can_be_asked_while_it_runs(
    redirector: RunningRedirector, content: bytes, halfway: Halfway
) -> None:
    """And the same file is not imported twice at once; another one is."""
    assert await progress(redirector, content) is None
    importing_it = asyncio.create_task(redirector.import_file(content))
    await asyncio.wait_for(halfway.reached.wait(), 15)
    told = await progress(redirector, content)
    assert told is not None
    assert 0 < told["journaled"] < told["surveyed"] == told["lines"] == content.count(b"\n")
    second = await redirector.import_file(content)
    assert (second.status_code, second.json()["type"]) == (HTTPStatus.CONFLICT, "urn:advolink:problem:import-running")
    halfway.may_go_on.set()
    assert (await importing_it).json()["clicks"] == TWIN_CLICKS
    assert await progress(redirector, content) is None


async def test_redirects_go_on_beside_an_import(
    redirector: RunningRedirector, content: bytes, halfway: Halfway
) -> None:
    """Live clicks go to the live journal."""
    code = (await redirector.issue())["code"]
    importing_it = asyncio.create_task(redirector.import_file(content))
    await asyncio.wait_for(halfway.reached.wait(), 15)
    assert (await redirector.click(code)).status_code == HTTPStatus.FOUND
    halfway.may_go_on.set()
    await importing_it
    assert [click.code for click in redirector.new_clicks()] == [code]


async def test_an_import_that_runs_while_the_one_before_it_ends_disturbs_nothing(
    redirector: RunningRedirector, database_dsn: str, content: bytes, halfway: Halfway
) -> None:
    """The same file twice in a row: the first has been shipped and let go before the second is through."""
    halfway.may_go_on.set()
    async with session(database_dsn) as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("LOCK TABLE log_record IN SHARE MODE")  # nothing is shipped
        assert (await redirector.import_file(content)).json()["clicks"] == TWIN_CLICKS
        halfway.reached.clear()
        halfway.may_go_on.clear()
        second = asyncio.create_task(redirector.import_file(content))
        await asyncio.wait_for(halfway.reached.wait(), 15)
        await transaction.commit()
    directory = import_journal(redirector, content)
    await eventually_async(lambda: done(directory), what="the first import is shipped and let go")
    halfway.may_go_on.set()
    assert (await second).json()["clicks"] == TWIN_CLICKS
    assert (await redirector.import_file(content)).json()["clicks"] == TWIN_CLICKS


async def done(directory: Path) -> bool:
    return is_done(directory)


async def test_two_redirectors_at_the_same_time_take_it_once(
    redirector: RunningRedirector, database_dsn: str, tmp_path: Path, key: str, content: bytes
) -> None:
    """One decides, the other follows; both write the same events."""
    async with running_redirector(database_dsn, tmp_path / "other", key) as other:
        answers = await asyncio.gather(*(one.import_file(content) for one in (redirector, other)))
        assert [answer.json()["clicks"] for answer in answers] == [TWIN_CLICKS] * 2
        await asyncio.gather(redirector.shipped(), other.shipped())
        mine, theirs = (events_in(import_journal(one, content)) for one in (redirector, other))
    assert mine == theirs
    assert await fetch(database_dsn, "SELECT count(*) FROM click_import") == [(1,)]


async def test_a_code_that_is_taken_while_a_file_is_pinned_is_nobody_elses_click(
    redirector: RunningRedirector, database_dsn: str
) -> None:
    """Somebody issues one of the file's codes after it was looked up: the lines of that code are left out."""
    content = b'{"l":"ada","h":"contended","u":"http://a.example/","t":1331923247}\n'
    content += b'{"l":"ada","h":"hers","u":"http://a.example/","t":1331923247}\n'
    async with session(database_dsn) as eve:
        transaction = eve.transaction()
        await transaction.start()
        await eve.execute("INSERT INTO advocate (advocate_id) VALUES ('ada'), ('eve')")  # holds up the pinning
        await issue_by_hand(eve, "contended", "eve")
        importing_it = asyncio.create_task(redirector.import_file(content))
        await eventually_async(lambda: waiting_for_locks(database_dsn), what="the import waits")
        await transaction.commit()
        answer: httpx2.Response = await importing_it
    told = answer.json()
    assert (told["clicks"], [row["reason"] for row in told["rows"]]) == (1, ["code_taken"])
    assert [click.code for click in clicks_in(import_journal(redirector, content))] == ["hers"]


async def issue_by_hand(connection: asyncpg.Connection, code: str, advocate_id: str) -> None:
    """Issue a link as a redirector does."""
    sql = "UPDATE link_change_counter SET last_change = last_change + 1 RETURNING last_change"
    change = await connection.fetchval(sql)
    sql = "INSERT INTO link (code, advocate_id, destination, change) VALUES ($1, $2, 'https://e.example/', $3)"
    await connection.execute(sql, code, advocate_id, change)


async def test_with_postgres_away_an_import_is_asked_to_come_again(
    database_dsn: str, journals: Path, key: str, content: bytes
) -> None:
    """503, nothing is half done, and the next try takes everything."""
    async with (
        proxied(database_dsn) as (way, dsn),
        running_redirector(dsn, journals, key, drain_seconds=0.5) as redirector,
    ):
        await redirector.put_advocate()
        await way.close()
        answer = await redirector.import_file(content)
        assert (answer.status_code, answer.headers["retry-after"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "2")
        assert not import_journal(redirector, content).exists()
        await way.open()
        assert (await redirector.import_file(content)).json()["clicks"] == TWIN_CLICKS
