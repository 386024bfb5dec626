"""A journal that takes no more: people are redirected and the loss is counted, or refused, as the policy says."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from redirector.pages import PAGES
from stage.journals import append_until_full, logged_records, records_in
from stage.proxy import proxied
from stage.redirectors import DESTINATION, RunningRedirector, running_redirector
from stage.small_disk import fill, small_disk
from stage.waiting import eventually_async

MEBIBYTE = 2**20
UNRECORDED = "advolink_clicks_unrecorded_total"
FILL_RATIO = "advolink_journal_fill_ratio"


@asynccontextmanager
async def on(dsn: str, journals: Path, key: str, **settings: Any) -> AsyncIterator[RunningRedirector]:
    sizes = {"journal_segment_bytes": MEBIBYTE, "journal_bytes_max": 5 * MEBIBYTE, "heartbeat_interval": 3600}
    async with running_redirector(dsn, journals, key, **sizes, drain_seconds=0.5, **settings) as one:
        yield one


async def fill_journal(redirector: RunningRedirector) -> None:
    """Append until not even a click has room."""
    for size in (60_000, 1_000, 300):
        await append_until_full(redirector.service.own.journal, "x" * size)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A journal disk of 4 MiB."""
    with small_disk(tmp_path / "disk", 4 * MEBIBYTE) as place:
        yield place


async def test_at_the_cap_people_are_redirected_and_the_loss_is_told(
    database_dsn: str, journals: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The default: no link of the company's breaks. It is counted, logged, and the redirector is not ready."""
    async with on(database_dsn, journals, key) as redirector:
        code, off = [(await redirector.issue())["code"] for _ in range(2)]
        await redirector.change(off, disabled=True)
        await fill_journal(redirector)
        assert (await redirector.click(code)).headers["location"] == DESTINATION, (
            "without an id: it would name no click"
        )
        assert (await redirector.click(off)).status_code == HTTPStatus.GONE
        assert await redirector.metric(UNRECORDED) == 2
        assert await redirector.metric("advolink_journal_full") == 1
        assert not await redirector.ready()
        assert f"a click on {code} is redirected unrecorded: the journal holds its cap" in caplog.text
        assert (await redirector.click("unknown1")).status_code == HTTPStatus.NOT_FOUND


async def test_at_the_cap_the_other_policy_refuses(database_dsn: str, journals: Path, key: str) -> None:
    """503 and a page: nobody is redirected whose click would not be kept."""
    async with on(database_dsn, journals, key, journal_full_policy="refuse") as redirector:
        code = (await redirector.issue())["code"]
        await fill_journal(redirector)
        for method in ("GET", "HEAD"):
            answer = await redirector.click(code, method)
            assert (answer.status_code, answer.headers["retry-after"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "2")
        assert (await redirector.click(code)).text == PAGES[HTTPStatus.SERVICE_UNAVAILABLE]
        assert await redirector.metric(UNRECORDED) == 0
        assert not await redirector.ready()


async def test_on_a_full_disk_redirecting_and_shipping_go_on(
    database_dsn: str, disk: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that is really full, from without: what was journaled is shipped though no ack can be written down.

    When there is room again, clicks are kept again, and none that was kept is missing.
    """
    async with on(database_dsn, disk, key) as redirector:
        code = (await redirector.issue())["code"]
        await redirector.shipped()
        filler = fill(disk)
        assert (await redirector.click(code)).status_code == HTTPStatus.FOUND
        assert await redirector.metric(UNRECORDED) == 0
        await redirector.shipped()
        await fill_journal(redirector)
        assert (await redirector.click(code)).status_code == HTTPStatus.FOUND
        assert await redirector.metric(UNRECORDED) == 1
        await redirector.shipped()
        redirector.service.own.shipper.save()
        assert "what was acked cannot be written down: [Errno 28]" in caplog.text
        assert not await redirector.ready()
        filler.unlink()
        assert (await redirector.click(code)).status_code == HTTPStatus.FOUND
        assert await redirector.metric(UNRECORDED) == 1
        assert await redirector.ready()
        await redirector.shipped()
        assert await logged_records(database_dsn) == records_in(redirector.journal_directory)


async def test_shipping_makes_room(database_dsn: str, journals: Path, key: str) -> None:
    """What the log has taken may go early when the journal fills: the redirector becomes ready by itself."""
    async with on(database_dsn, journals, key) as redirector:
        code = (await redirector.issue())["code"]
        await fill_journal(redirector)
        await redirector.shipped()
        redirector.service.own.journal.drop_segment(1)
        assert (await redirector.click(code)).status_code == HTTPStatus.FOUND
        assert await redirector.metric(UNRECORDED) == 0
        assert await redirector.ready()


async def test_a_journal_is_as_full_as_what_is_not_shipped(database_dsn: str, journals: Path, key: str) -> None:
    """What was shipped and is kept takes its bytes, and nobody need be told that the journal fills."""
    async with proxied(database_dsn) as (way, dsn):
        await way.close()
        async with on(dsn, journals, key) as redirector:
            await fill_journal(redirector)
            assert await redirector.metric(FILL_RATIO) == 1
            await way.open()
            await redirector.shipped()
            await eventually_async(lambda: is_acked(redirector), what="all but the segment being written is acked")
            assert await redirector.metric(FILL_RATIO) == pytest.approx(1 / 5)


async def is_acked(redirector: RunningRedirector) -> bool:
    return redirector.service.own.shipper.position.segment == redirector.service.own.journal.end.segment


@pytest.mark.parametrize("free", [0, 200_000])
async def test_an_import_that_finds_no_room_is_taken_up_when_there_is_some(
    database_dsn: str, disk: Path, key: str, free: int
) -> None:
    """503 and the reason, whether the file found no room or its journal; the next try takes every line once."""
    content = b'{"l":"ada","h":"wfLQtf","u":"http://www.nasa.gov/","t":1331923247}\n' * 50
    async with on(database_dsn, disk, key) as redirector:
        filler = fill(disk)
        os.truncate(filler, filler.stat().st_size - free)
        refused = await redirector.import_file(content)
        assert refused.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert "No space left" in refused.json()["detail"]
        filler.unlink()
        answer = await redirector.import_file(content)
        assert (answer.status_code, answer.json()["clicks"]) == (HTTPStatus.OK, 50)
