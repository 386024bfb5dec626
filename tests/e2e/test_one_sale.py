"""A sale that is reported again and again, through two redirectors at once, is credited once."""

import asyncio
from collections import Counter
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest

from aggregator.app import build_public_app
from database.keys import Scope, create_key
from database.pool import open_pool
from stage.aggregators import aggregator_process
from stage.asking import asked
from stage.conversions import CONVERSION, click_id_of, event_ids, now_text
from stage.redirectors import running_redirector
from stage.sql import fetch
from stage.waiting import eventually_async

pytestmark = pytest.mark.timeout(120)

REPORTS: Final = 50
PATH: Final = "/v1/conversions"
VALUE: Final = {"value_minor": 12_999, "currency": "EUR"}

EVENTS: Final = (
    "SELECT count(*), count(DISTINCT (journal, partition, seq)), count(DISTINCT journal) FROM conversion_event"
)
HELD: Final = "SELECT state, value_minor FROM conversion"
CREDITS: Final = "SELECT advocate_id, counted_millionths, value_minor FROM credit"
MARKS: Final = "SELECT count(*) FROM conversion_mark"


async def rows_of(dsn: str, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await fetch(dsn, sql)]


async def states_of(dsn: str, key: str) -> Counter[str]:
    """What became of each report of the sale, as the API tells."""
    pool = await open_pool(dsn, connections_max=2, application="test")
    try:
        async with asked(build_public_app(pool), key) as api:
            named = {name: CONVERSION[name] for name in ("source", "kind", "external_id")}
            answer = await api.get(PATH, params=named)
    finally:
        pool.terminate()
    return Counter(row["state"] for row in answer.json()["rows"])


async def until_attributed(dsn: str, events: int) -> None:
    """Wait until so many reports are applied, and what they concern is attributed."""

    async def is_attributed() -> bool:
        return (await rows_of(dsn, EVENTS))[0][0] == events and await rows_of(dsn, MARKS) == [(0,)]

    await eventually_async(is_attributed, seconds_max=60, what=f"{events} reports are attributed")


async def test_fifty_reports_at_once_are_one_conversion(database_dsn: str, tmp_path: Path) -> None:
    """Every one is received, as an event of its own. One more changes nothing, nor does another body under its key."""
    key = await create_key(database_dsn, name="shop", scopes=[Scope.ADMIN])
    async with (
        running_redirector(database_dsn, tmp_path / "one", key) as one,
        running_redirector(database_dsn, tmp_path / "two", key) as two,
    ):
        code = (await one.issue("ada"))["code"]
        await eventually_async(two.signs, what="the other has the signing key")
        sale = CONVERSION | VALUE | {"click_ids": [await click_id_of(one, code)], "time": now_text()}
        answers = await asyncio.gather(
            *((one, two)[number % 2].ask("POST", PATH, json=sale) for number in range(REPORTS))
        )
        assert Counter(answer.status_code for answer in answers) == {HTTPStatus.ACCEPTED: REPORTS}
        assert len({event_id for answer in answers for event_id in event_ids(answer)}) == REPORTS
        with aggregator_process(database_dsn, tmp_path):
            await until_attributed(database_dsn, REPORTS)
            assert await rows_of(database_dsn, EVENTS) == [(REPORTS, REPORTS, 2)]
            assert await rows_of(database_dsn, HELD) == [("credited", 12_999)]
            assert await rows_of(database_dsn, CREDITS) == [("ada", 1_000_000, 12_999)]
            assert await states_of(database_dsn, key) == {"credited": 1, "duplicate": REPORTS - 1}
            for body in (sale, sale | {"value_minor": 1}):
                event_ids(await two.ask("POST", PATH, json=body))
            await until_attributed(database_dsn, REPORTS + 2)
            assert await rows_of(database_dsn, HELD) == [("credited", 12_999)]
            assert await rows_of(database_dsn, CREDITS) == [("ada", 1_000_000, 12_999)]
            assert await states_of(database_dsn, key) == {"credited": 1, "duplicate": REPORTS, "conflict": 1}
