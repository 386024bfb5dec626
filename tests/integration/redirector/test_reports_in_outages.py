"""What is reported is taken with Kafka and Postgres gone; what a full journal cannot take is refused, and said."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest

from event_log.settings import EventLogKind
from link_events.events import EventType
from redirector.conversions.intake import WRITE_ROWS
from stage.conversions import ACTIVITY, CONVERSION, REPORTS, click_id_of, event_ids, facts_in
from stage.journals import append_until_full, read_all
from stage.ports import reserved_port
from stage.proxy import proxied
from stage.redirectors import RunningRedirector, running_redirector
from stage.waiting import eventually_async

MEBIBYTE: Final = 2**20
QUIET: Final[dict[str, Any]] = {"heartbeat_interval": timedelta(hours=1), "drain_seconds": 0.2}


async def test_everything_is_taken_with_kafka_and_postgres_gone(database_dsn: str, journals: Path, key: str) -> None:
    """Clicks that are verified, customers that are hashed, whoever's key was verified before: all from memory."""
    with reserved_port() as nobody:
        kafka = {"ADVOLINK_EVENT_LOG": EventLogKind.KAFKA, "ADVOLINK_KAFKA_BOOTSTRAP": f"127.0.0.1:{nobody}"}
        async with (
            proxied(database_dsn) as (way, dsn),
            running_redirector(dsn, journals, key, **QUIET, **kafka) as redirector,
        ):
            code = (await redirector.issue())["code"]
            await way.close()
            click_id = await click_id_of(redirector, code)
            for path, row in (REPORTS | {"/v1/conversions": CONVERSION | {"click_ids": [click_id]}}).items():
                for body in (row, {"rows": [row] * 10}):
                    ids = event_ids(await redirector.ask("POST", path, json=body))
                    assert len(ids) == len(body.get("rows", [row]))
                    assert set(ids) <= facts_in(redirector).keys()
            assert await redirector.ready()


async def test_a_restart_in_an_outage_knows_no_api_key(database_dsn: str, journals: Path, key: str) -> None:
    """503: who asks cannot be told. It is taken as soon as Postgres is back."""
    async with running_redirector(database_dsn, journals, key, **QUIET) as redirector:
        await redirector.issue()
    async with proxied(database_dsn) as (way, dsn):
        await way.close()
        async with running_redirector(dsn, journals, key, **QUIET) as redirector:
            answer = await redirector.ask("POST", "/v1/conversions", json=CONVERSION)
            assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
            await way.open()

            async def taken() -> bool:
                return (await redirector.ask("POST", "/v1/conversions", json=CONVERSION)).is_success

            await eventually_async(taken, what="the conversion is taken")


@asynccontextmanager
async def filled(dsn: str, journals: Path, key: str) -> AsyncIterator[RunningRedirector]:
    """A redirector whose journal takes not even the shortest report."""
    sizes = {"journal_segment_bytes": MEBIBYTE, "journal_bytes_max": 5 * MEBIBYTE}
    async with running_redirector(dsn, journals, key, **sizes, **QUIET) as redirector:
        await redirector.issue()
        for size in (60_000, 1_000, 300):
            await append_until_full(redirector.service.own.journal, "x" * size)
        yield redirector


@pytest.mark.parametrize("path", REPORTS)
async def test_a_full_journal_takes_no_report(database_dsn: str, journals: Path, key: str, path: str) -> None:
    """503, for one and for many; whatever the policy for redirects is. The redirector is not ready."""
    async with filled(database_dsn, journals, key) as redirector:
        end = redirector.service.own.journal.end
        for body in (REPORTS[path], {"rows": [REPORTS[path]] * 3}):
            answer = await redirector.ask("POST", path, json=body)
            assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
            assert answer.json()["type"] == "urn:advolink:problem:journal-full"
            assert answer.headers["retry-after"] == "2"
        assert await redirector.metric('advolink_reports_turned_away_total{why="journal_full"}') == 2
        assert redirector.service.own.journal.end == end
        assert not await redirector.ready()


async def test_what_is_invalid_is_told_by_a_full_journal_too(database_dsn: str, journals: Path, key: str) -> None:
    """Nothing has to be written for that."""
    async with filled(database_dsn, journals, key) as redirector:
        answer = await redirector.ask("POST", "/v1/activities", json=ACTIVITY | {"kind": "click"})
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        answer = await redirector.ask("POST", "/v1/activities", json={"rows": [{}]})
        assert answer.json()["rows"][0]["status"] == "invalid"


async def test_a_report_that_a_full_journal_took_half_of_may_be_sent_again(
    database_dsn: str, journals: Path, key: str
) -> None:
    """It is refused as a whole; what is there of it stands there twice then, and counts once."""
    async with filled(database_dsn, journals, key) as redirector:
        journal = redirector.service.own.journal
        await redirector.shipped()
        journal.drop_segment(1)
        rows = [ACTIVITY | {"external_id": f"{number}", "category": "x" * 200} for number in range(2_000)]
        answer = await redirector.ask("POST", "/v1/activities", json={"rows": rows})
        assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        frames = read_all(redirector.journal_directory)
        taken = sum(EventType.ACTIVITY.encode() in frame.payload for frame in frames)
        assert 0 < taken < len(rows)
        assert taken % WRITE_ROWS == 0
        await redirector.shipped()
        journal.drop_segment(2)
        again = await redirector.ask("POST", "/v1/activities", json={"rows": rows[:500]})
        assert len(event_ids(again)) == 500
