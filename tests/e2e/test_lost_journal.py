"""A redirector's disk is lost and turns up again: what it holds back is named, given up, and counted after all."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

from advolink.__main__ import main
from aggregator.app import running
from aggregator.settings import AggregatorSettings
from database.keys import Scope, create_key
from http_api.serving import Failures
from stage.asking import asked
from stage.redirectors import running_redirector
from stage.waiting import eventually_async

OFTEN = {"heartbeat_interval": 0.2}
SILENT_AFTER = 2


@pytest.fixture
async def stats(database_dsn: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The stats API of an aggregator that soon calls a journal silent."""
    settings = AggregatorSettings.model_validate({"ADVOLINK_POSTGRES_DSN": database_dsn, "silent_after": SILENT_AFTER})
    failures, key = Failures(), await create_key(database_dsn, name="test", scopes=[Scope.STATS_READ])
    async with running(settings, failures) as service, asked(service.public, key) as client:
        yield client
    failures.raise_first()


async def _answer(stats: httpx2.AsyncClient) -> dict[str, Any]:
    answer: dict[str, Any] = (await stats.get("/v1/counts?group_by=advocate")).json()
    return answer


async def _until_complete(stats: httpx2.AsyncClient) -> None:
    """Wait until everything captured before now is counted."""
    now = datetime.now(UTC)

    async def is_complete() -> bool:
        complete = (await _answer(stats))["complete_through"]
        return complete is not None and datetime.fromisoformat(complete) > now

    await eventually_async(is_complete)


async def _states(stats: httpx2.AsyncClient) -> dict[str, str]:
    rows = (await stats.get("/v1/journals")).json()["rows"]
    return {row["journal"]: row["state"] for row in rows}


async def test_a_lost_journal_is_named_given_up_and_counted_when_it_turns_up(
    database_dsn: str, tmp_path: Path, stats: httpx2.AsyncClient
) -> None:
    """Redirectors and an aggregator as they run; what the lost one holds is counted once, in the end."""
    key = await create_key(database_dsn, name="test", scopes=[Scope.ADMIN])
    lost, other = tmp_path / "lost", tmp_path / "other"
    async with running_redirector(database_dsn, lost, key, **OFTEN) as redirector:
        code = (await redirector.issue())["code"]
        await redirector.click(code)
        journal = redirector.journal_directory.name
        await redirector.shipped()
        await _until_complete(stats)
    async with running_redirector(database_dsn, other, key, **OFTEN) as redirector:
        await eventually_async(lambda: _is(stats, journal, "silent"), what="the lost one is silent")
        (held,) = (await _answer(stats))["held_back_by"]
        assert (held["journal"], held["state"], held["why"]) == (journal, "silent", "silent")
        await asyncio.to_thread(_retire, journal, database_dsn)
        await _until_complete(stats)
        assert (await _states(stats))[journal] == "retired"
    async with running_redirector(database_dsn, lost, key, **OFTEN) as redirector:
        assert redirector.journal_directory.name == journal
        await eventually_async(redirector.knows_postgres)
        await redirector.click(code)
        await redirector.shipped()
        await eventually_async(lambda: _is(stats, journal, "live"), what="the lost one is live again")
        (row,) = (await _answer(stats))["rows"]
        assert row["raw_clicks"] == 2


async def _is(stats: httpx2.AsyncClient, journal: str, state: str) -> bool:
    return (await _states(stats)).get(journal) == state


def _retire(journal: str, dsn: str) -> None:
    command = ["journal", "retire", journal, "--why", "its disk is gone", "--postgres-dsn", dsn]
    said = CliRunner().invoke(main, command, env={"ADVOLINK_AGGREGATOR_SILENT_AFTER": str(SILENT_AFTER)})
    assert said.exit_code == 0, said.output
