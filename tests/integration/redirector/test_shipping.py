"""What is journaled arrives in the log: all of it, in order, byte for byte, whatever breaks on the way."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest

from link_events.identity import Code
from redirector.journal.acks import FILE_NAME
from redirector.journal.segments import segment_path
from stage.forgetting import FORGET_ALL, FORGET_THE_TAIL
from stage.journals import frame_ends, logged_records, overwrite, records_in, told_once
from stage.postgres import Server, small_tablespace
from stage.proxy import Cut, Proxy, proxied
from stage.redirectors import RunningRedirector, running_redirector
from stage.slices import EVERY_SLICE
from stage.small_disk import fill
from stage.sql import execute, fetch_value
from stage.waiting import eventually_async

FAILURES: Final = "advolink_shipping_failures_total"
CODES: Final = ("one", "two", "three", "four", "five")
SETTINGS: Final = {"heartbeat_interval": 3600, "drain_seconds": 0.5}


@asynccontextmanager
async def on(dsn: str, journals: Path, key: str, **settings: Any) -> AsyncIterator[RunningRedirector]:
    async with running_redirector(dsn, journals, key, **SETTINGS, **settings) as one:
        yield one


@pytest.fixture
async def way_and_dsn(database_dsn: str) -> AsyncIterator[tuple[Proxy, str]]:
    async with proxied(database_dsn) as both:
        yield both


async def issue_all(redirector: RunningRedirector) -> None:
    """A link for each of several advocates, hence in several partitions."""
    for code in CODES:
        await redirector.issue(f"advocate.{code}", alias=code)


async def click_all(redirector: RunningRedirector, rounds: int = 4) -> None:
    for _ in range(rounds):
        for code in CODES:
            assert (await redirector.click(code)).status_code == HTTPStatus.FOUND


async def test_the_log_holds_exactly_what_was_journaled(redirector: RunningRedirector, database_dsn: str) -> None:
    """Heartbeats and clicks, partition by partition, in the order of their seqs."""
    await issue_all(redirector)
    await click_all(redirector)
    await redirector.shipped()
    logged = await logged_records(database_dsn)
    assert logged == records_in(redirector.journal_directory)
    assert sum(map(len, logged.values())) == len(EVERY_SLICE) + 20
    assert all([seq for _, seq, _ in records] == list(range(1, len(records) + 1)) for records in logged.values())
    assert await redirector.metric('advolink_shipped_events_total{stream="clicks"}') == 32
    assert await redirector.metric("advolink_journal_unacked_events") == 0
    assert await redirector.metric("advolink_event_log_connected") == 1


async def test_clicks_of_an_outage_arrive_after_it_in_order(
    way_and_dsn: tuple[Proxy, str], database_dsn: str, journals: Path, key: str
) -> None:
    """Before, during and after: the log tells them as they were journaled, some of them perhaps twice."""
    way, dsn = way_and_dsn
    async with on(dsn, journals, key) as redirector:
        await issue_all(redirector)
        await click_all(redirector)
        for _ in range(2):
            await way.close()
            await click_all(redirector)
            await eventually_async(lambda: is_away(redirector), what="the outage is noticed")
            assert await redirector.metric("advolink_journal_unacked_events") >= 20
            await way.open()
            await click_all(redirector)
            await redirector.shipped()
        assert told_once(await logged_records(database_dsn)) == records_in(redirector.journal_directory)
        assert await redirector.metric(FAILURES) >= 2


async def is_away(redirector: RunningRedirector) -> bool:
    return await redirector.metric("advolink_event_log_connected") == 0


@pytest.mark.parametrize("cut", list(Cut))
@pytest.mark.parametrize("words", [(b"INSERT INTO log_record",), (b"INSERT INTO log_record", b"COMMIT")])
async def test_a_wire_that_breaks_in_an_append_loses_and_repeats_nothing(
    database_dsn: str, journals: Path, key: str, cut: Cut, words: tuple[bytes, ...]
) -> None:
    """Also where the log has taken a batch and its answer is lost: the log's last seq says so."""
    async with proxied(database_dsn) as (wire, dsn):
        wire.cut(cut, *words)
        async with on(dsn, journals, key) as redirector:
            await issue_all(redirector)
            await click_all(redirector)
            await redirector.shipped()
            assert wire.cuts == 1
            assert await logged_records(database_dsn) == records_in(redirector.journal_directory)


async def test_a_restart_sends_nothing_again(database_dsn: str, journals: Path, key: str) -> None:
    """Not even where what was acked is forgotten: the log knows how far it is."""
    async with on(database_dsn, journals, key) as first:
        directory = first.journal_directory
        await issue_all(first)
        await click_all(first)
    async with on(database_dsn, journals, key) as second:
        assert second.journal_directory == directory
        await click_all(second)
    (directory / FILE_NAME).unlink()
    async with on(database_dsn, journals, key) as third:
        await click_all(third)
        await third.shipped()
    assert await logged_records(database_dsn) == records_in(directory)


async def test_what_was_journaled_without_a_log_is_shipped_by_the_next_life(
    way_and_dsn: tuple[Proxy, str], database_dsn: str, journals: Path, key: str
) -> None:
    """A redirector that was stopped in an outage."""
    way, dsn = way_and_dsn
    async with on(dsn, journals, key) as first:
        await issue_all(first)
        await way.close()
        await click_all(first)
    await way.open()
    async with on(dsn, journals, key) as second:
        await second.shipped()
        assert await logged_records(database_dsn) == records_in(second.journal_directory)


@pytest.mark.parametrize("forget", [FORGET_THE_TAIL, FORGET_ALL])
async def test_a_log_that_lost_what_it_had_taken_is_filled_again(
    way_and_dsn: tuple[Proxy, str], database_dsn: str, journals: Path, key: str, forget: str
) -> None:
    """A database restored from a backup: the shipper goes back, from what the journal has kept."""
    way, dsn = way_and_dsn
    async with on(dsn, journals, key) as redirector:
        await issue_all(redirector)
        await click_all(redirector)
        await redirector.shipped()
        await way.close()
        await execute(database_dsn, forget)
        lost = await fetch_value(database_dsn, "SELECT count(*) FROM log_record")
        assert lost < 32
        await way.open()
        await click_all(redirector)
        await eventually_async(lambda: has_rewound(redirector), what="it goes back")
        await redirector.shipped()
        assert await logged_records(database_dsn) == records_in(redirector.journal_directory)


async def has_rewound(redirector: RunningRedirector) -> bool:
    return await redirector.metric("advolink_shipping_rewinds_total") == 1


@pytest.mark.parametrize("rounds_before_the_copy", [0, 2])
async def test_a_journal_that_is_an_older_copy_of_itself_ships_nothing(
    way_and_dsn: tuple[Proxy, str], database_dsn: str, journals: Path, key: str, rounds_before_the_copy: int
) -> None:
    """New clicks would bear the names of old ones and be lost: it waits for a person, and redirects meanwhile.

    Also where it has caught up with the old numbers before it could ask the log.
    """
    way, dsn = way_and_dsn
    copy = journals.with_name("copy")
    async with on(dsn, journals, key) as first:
        await issue_all(first)
        await click_all(first, rounds_before_the_copy)
    shutil.copytree(journals, copy)
    async with on(dsn, journals, key) as first:
        await click_all(first)
        links = [link for code in CODES if (link := first.service.memory.get(Code(code)))]
    logged = await logged_records(database_dsn)
    await way.close()
    async with on(dsn, copy, key) as restored:
        for link in links:
            restored.service.memory.remember(link)
        await click_all(restored, 10)
        before = await restored.metric(FAILURES)
        await way.open()
        await eventually_async(lambda: has_failed(restored, before + 2), what="it has asked the log")
        assert (await restored.click("unknown1")).status_code == HTTPStatus.NOT_FOUND
        assert await is_away(restored)
        assert len(restored.new_clicks()) == 5 * (rounds_before_the_copy + 10)
    assert await logged_records(database_dsn) == logged


async def test_a_journal_that_was_begun_again_ships_nothing_either(database_dsn: str, journals: Path, key: str) -> None:
    """Its directory is there and its segments are gone: the log knows seqs of partitions that it has never used."""
    async with on(database_dsn, journals, key) as first:
        await issue_all(first)
        await click_all(first)
    logged = await logged_records(database_dsn)
    segment_path(first.journal_directory, 1).unlink()
    async with on(database_dsn, journals, key) as again:
        assert again.journal_directory == first.journal_directory
        await eventually_async(lambda: has_failed(again, 2), what="it has asked the log")
        await click_all(again, 10)
        await eventually_async(lambda: has_failed(again, 4), what="it has asked again")
    assert await logged_records(database_dsn) == logged


async def has_failed(redirector: RunningRedirector, times: float) -> bool:
    return await redirector.metric(FAILURES) >= times


async def says(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return text in caplog.text


async def test_another_number_of_partitions_is_refused(
    database_dsn: str, journals: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Events would land elsewhere. Redirects go on, nothing is shipped, and the log says why."""
    async with on(database_dsn, journals, key, ADVOLINK_PARTITIONS=5) as redirector:
        await issue_all(redirector)
        await click_all(redirector)
        await eventually_async(
            lambda: says(caplog, "clicks has 12 partitions where 5 are expected"), what="it says why"
        )
        assert len(redirector.new_clicks()) == 20
    assert await logged_records(database_dsn) == {}


@pytest.fixture(scope="module")
def log_disk(postgres_server: Server) -> Iterator[Path]:
    """The disk of a tablespace of Postgres."""
    with small_tablespace(postgres_server, "small", 2**20) as place:
        yield place


async def test_a_log_whose_disk_is_full_is_tried_again(
    log_disk: Path, redirector: RunningRedirector, database_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No answer of Postgres ends the redirector; when there is room, everything arrives."""
    await redirector.shipped()
    await execute(database_dsn, "ALTER TABLE log_record SET TABLESPACE small")
    filler = fill(log_disk)
    await issue_all(redirector)
    await click_all(redirector)
    await eventually_async(lambda: says(caplog, "No space left on device"), what="the log refuses")
    assert await redirector.ready()
    filler.unlink()
    await redirector.shipped()
    assert await logged_records(database_dsn) == records_in(redirector.journal_directory)


async def test_damage_costs_what_it_hit_and_nothing_else(
    way_and_dsn: tuple[Proxy, str], database_dsn: str, journals: Path, key: str
) -> None:
    """A click that can no longer be read is counted and skipped; all others arrive."""
    way, dsn = way_and_dsn
    async with on(dsn, journals, key) as first:
        await issue_all(first)
        await way.close()
        await click_all(first)
        path = segment_path(first.journal_directory, 1)
    ends = frame_ends(path)
    overwrite(path, ends[-10] + 40, b"\xff" * 8)
    await way.open()
    async with on(dsn, journals, key) as second:
        await second.shipped()
        assert await second.metric("advolink_journal_damaged_bytes_total") == ends[-9] - ends[-10]
        logged = await logged_records(database_dsn)
        assert logged == records_in(second.journal_directory)
        assert sum(map(len, logged.values())) == 2 * len(EVERY_SLICE) + 20 - 1
