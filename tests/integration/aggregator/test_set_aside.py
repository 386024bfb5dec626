"""A conversion that cannot be attributed stops no other: it is set aside, and tried again."""

import asyncio
import json
import logging
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from advolink.__main__ import main
from aggregator.attributing import running, sweeping
from aggregator.attributing import store as attributing
from aggregator.attributing.deciding import Attribution, Claim, decide
from aggregator.attributing.running import attribute_all, attribute_some, keep_attributing
from aggregator.attributing.store import AttributingStore
from aggregator.attributing.sweeping import TRY_AGAIN_AFTER, keep_sweeping
from aggregator.explaining.store import ConversionStore
from aggregator.metrics import AttributingMetrics
from http_api.serving import cancel_all
from stage.attributed import misattributed
from stage.pipe import Pipe
from stage.sales import SOON, Shop, money, sale
from stage.sql import execute, fetch
from stage.waiting import eventually_async

POISON = "ALTER TABLE conversion ADD CONSTRAINT poison CHECK (external_id <> 'B' OR state = 'received')"
ANTIDOTE = "ALTER TABLE conversion DROP CONSTRAINT poison"
ASIDE = """
    SELECT external_id, error FROM conversion_mark JOIN conversion USING (conversion_id)
    WHERE set_aside_at IS NOT NULL ORDER BY 1
"""


@pytest.fixture
async def shop(pipe: Pipe) -> Shop:
    """Three sales of one click are received, and looked at by nobody."""
    shop = Shop(pipe)
    touch = await shop.clicked()
    await shop.reports(*(sale(name, touch, **money(500)) for name in "ABC"))
    return shop


async def test_one_that_postgres_refuses_is_set_aside_and_the_others_are_credited(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """With the error, which the log names, too; it is measured, and complete_through waits for it."""
    await execute(shop.pipe.dsn, POISON)
    with caplog.at_level(logging.ERROR, running.__name__):
        await shop.settles()
    assert await shop.states() == {"A": "credited", "B": "received", "C": "credited"}
    ((name, error),) = await fetch(shop.pipe.dsn, ASIDE)
    assert (name, "poison" in error) == ("B", True)
    ((b,),) = await fetch(shop.pipe.dsn, "SELECT conversion_id FROM conversion WHERE external_id = 'B'")
    assert [record.getMessage() for record in caplog.records] == [
        f"conversion [{b}] cannot be attributed, and is set aside"
    ]
    waiting = await ConversionStore(shop.pipe.pool).waiting()
    assert (waiting.marks, waiting.oldest_mark_s, waiting.set_aside) == (0, 0, 1)
    ((waits_since,),) = await fetch(shop.pipe.dsn, "SELECT min(captured_at) FROM conversion_mark")
    assert waits_since is not None


async def test_a_database_of_another_version_sets_nothing_aside(shop: Shop) -> None:
    """It is no conversion that is wrong there: the aggregator says so and stops, and all wait."""
    await execute(shop.pipe.dsn, "ALTER TABLE credit RENAME COLUMN time_decay TO half_life")
    with pytest.raises(asyncpg.UndefinedColumnError):
        await attribute_all(shop.attributor())
    assert await fetch(shop.pipe.dsn, ASIDE) == []
    await execute(shop.pipe.dsn, "ALTER TABLE credit RENAME COLUMN half_life TO time_decay")
    await shop.settles()
    assert set((await shop.states()).values()) == {"credited"}


async def test_it_is_tried_again_after_a_while(shop: Shop) -> None:
    """Not before; it is set aside again while its cause is there, and credited once it is gone."""
    await execute(shop.pipe.dsn, POISON)
    await shop.settles()
    later = SOON + TRY_AGAIN_AFTER
    await shop.attributor(later - timedelta(microseconds=1)).try_again(TRY_AGAIN_AFTER)
    assert await attribute_all(shop.attributor(later)) == 0
    await shop.attributor(later).try_again(TRY_AGAIN_AFTER)
    await attribute_all(shop.attributor(later))
    assert [name for name, _ in await fetch(shop.pipe.dsn, ASIDE)] == ["B"]
    await execute(shop.pipe.dsn, ANTIDOTE)
    await shop.attributor(later + TRY_AGAIN_AFTER).try_again(TRY_AGAIN_AFTER)
    await shop.settles()
    assert await fetch(shop.pipe.dsn, "SELECT conversion_id FROM conversion_mark") == []
    assert await misattributed(shop.pipe.dsn, SOON) == []


async def test_one_that_is_not_understood_is_set_aside(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fault of ours it is that it meets."""

    def faulty(claim: Claim, *found: Any) -> Attribution:
        if claim.key.external_id == "B":
            raise ZeroDivisionError("nobody thought of it")
        return decide(claim, *found)

    monkeypatch.setattr(running, "decide", faulty)
    await shop.settles()
    assert await shop.states() == {"A": "credited", "B": "received", "C": "credited"}
    assert await fetch(shop.pipe.dsn, ASIDE) == [("B", "ZeroDivisionError: nobody thought of it")]


async def test_where_too_many_are_set_aside_it_is_not_them(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attributor stops: a fault that all conversions meet would otherwise set them all aside."""
    monkeypatch.setattr(attributing, "SET_ASIDE_MAX", 2)
    monkeypatch.setattr(running, "decide", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        await attribute_some(shop.attributor())
    assert [name for name, _ in await fetch(shop.pipe.dsn, ASIDE)] == ["A", "B"]


async def test_an_aggregator_goes_on_and_mends_itself(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to start it again, nor to say that the cause is gone."""
    monkeypatch.setattr(sweeping, "TRY_AGAIN_AFTER", timedelta(0))
    await execute(shop.pipe.dsn, POISON)
    store = shop.attributor()
    metrics = AttributingMetrics(CollectorRegistry())
    tasks = [asyncio.create_task(keep_attributing(store, metrics)), asyncio.create_task(keep_sweeping(store))]
    await eventually_async(lambda: _are(shop, {"A": "credited", "B": "received", "C": "credited"}))
    await execute(shop.pipe.dsn, ANTIDOTE)
    await eventually_async(lambda: _are(shop, dict.fromkeys("ABC", "credited")))
    await cancel_all(tasks)
    assert await misattributed(shop.pipe.dsn, SOON) == []


async def _are(shop: Shop, states: dict[str, str]) -> bool:
    return await shop.states() == states


async def test_an_operator_lists_them_and_has_them_tried_again_at_once(shop: Shop) -> None:
    """With the error, and without what Postgres says of the row: that holds the customer."""
    await execute(shop.pipe.dsn, POISON)
    await attribute_all(AttributingStore(shop.pipe.pool))
    shown = await _run(shop, "set-aside")
    assert "poison" in " ".join(shown.split())
    ((_, error),) = await fetch(shop.pipe.dsn, ASIDE)
    (row,) = json.loads(await _run(shop, "set-aside", "--json"))["rows"]
    assert (row["external_id"], row["error"]) == ("B", error)
    assert "Failing row" not in error
    await execute(shop.pipe.dsn, ANTIDOTE)
    assert (await _run(shop, "try-again")).startswith("1 conversions are tried again")
    await shop.settles()
    assert await misattributed(shop.pipe.dsn, SOON) == []
    assert json.loads(await _run(shop, "set-aside", "--json")) == {"rows": []}


async def _run(shop: Shop, *arguments: str) -> str:
    command = ["conversions", *arguments, "--postgres-dsn", shop.pipe.dsn]
    result = await asyncio.to_thread(CliRunner().invoke, main, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout
