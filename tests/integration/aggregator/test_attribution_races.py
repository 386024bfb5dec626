"""Who attributes and who changes what it depends on meet in every order, and neither is lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from aggregator.attributing import store as attributing
from aggregator.attributing.deciding import decide
from aggregator.attributing.running import attribute_all, attribute_some
from aggregator.attributing.store import AttributingStore
from aggregator.programme.store import Programme, ProgrammeStore
from database.pool import DatabaseAwayError, Pool, connected
from http_api.serving import cancel_all
from link_events.identity import CustomerHash
from link_events.reasons import ConversionState, Model, Via
from link_events.streams import Stream
from stage.attributed import misattributed
from stage.pipe import Pipe
from stage.sales import CARLA, NOON, PARTITIONS, SOON, Shop, money, refund, sale
from stage.sql import execute, fetch, fetch_value, session, waiting_for_locks
from stage.waiting import eventually_async

DAY = timedelta(days=1)
DORIS = CustomerHash(b"doris, 16 bytes.")

STATEMENTS_MIN = 15
"""An attribution that gives credits has more."""

PAUSE_BEFORE_COMMIT = """
    CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock_shared(hashtext(NEW.stream)); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER pause AFTER UPDATE OF next_offset ON partition_offset DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait_for_test();
"""
"""A batch has written everything and stops before its commit, for as long as a test holds the lock of its stream."""


@pytest.fixture
def shop(pipe: Pipe) -> Shop:
    """On a fresh migrated database."""
    return Shop(pipe)


@asynccontextmanager
async def _under_way(shop: Shop) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """An attribution that has read everything. What comes out writes what it has decided by then; the end commits."""
    async with shop.attributor().attribution() as writer:
        assert writer is not None
        due = await writer.due()

        async def write() -> None:
            await writer.write([(one.claim, decide(one.claim, one.found, writer.policy, writer.now)) for one in due])

        yield write


async def _locked_out(shop: Shop, *tasks: asyncio.Task[Any]) -> None:
    """Wait until all of these wait for a lock."""
    await eventually_async(lambda: _are_waiting(shop, len(tasks)), what="they wait")
    assert not any(task.done() for task in tasks)


async def _are_waiting(shop: Shop, sessions: int) -> bool:
    return await waiting_for_locks(shop.pipe.dsn) == sessions


@pytest.mark.parametrize("first", [Stream.CLICKS, Stream.CONVERSIONS])
async def test_both_transactions_are_open_and_credit_appears(shop: Shop, first: Stream) -> None:
    """Neither sees the other. Whichever commits first, and though the attributor looks before and in between."""
    touch, record = shop.next_click()
    await shop.pipe.append(record)
    await shop.pipe.append(*shop.records(sale("A", touch)), stream=Stream.CONVERSIONS)
    await execute(shop.pipe.dsn, PAUSE_BEFORE_COMMIT)
    last = Stream.CONVERSIONS if first is Stream.CLICKS else Stream.CLICKS
    async with session(shop.pipe.dsn) as test:
        for stream in (first, last):
            await test.execute("SELECT pg_advisory_lock(hashtext($1))", stream)
        tasks = [asyncio.create_task(shop.pipe.consumer(stream=stream).run()) for stream in (first, last)]
        await _locked_out(shop, *tasks)
        await shop.settles()
        assert await shop.states() == {}
        await test.execute("SELECT pg_advisory_unlock(hashtext($1))", first)
        table = "click" if first is Stream.CLICKS else "conversion"
        await eventually_async(lambda: fetch(shop.pipe.dsn, f"SELECT FROM {table}"))
        await shop.settles()
        assert set((await shop.states()).values()) <= {"pending_click"}
        await test.execute("SELECT pg_advisory_unlock(hashtext($1))", last)
        await eventually_async(lambda: shop.pipe.is_applied(tasks))
        await cancel_all(tasks)
    await shop.settles()
    assert await shop.states() == {"A": "credited"}
    assert await misattributed(shop.pipe.dsn, SOON) == []


async def test_a_verdict_change_waits_for_who_has_read_the_click(shop: Shop) -> None:
    """And marks what was credited meanwhile: the mark is newer than the credit."""
    touch = await shop.clicked()
    await shop.reports(sale("A", touch))
    async with _under_way(shop) as write:
        change = asyncio.create_task(shop.judges(touch))
        await _locked_out(shop, change)
        await write()
    await change
    assert await shop.states() == {"A": "credited"}
    await shop.settles()
    assert await shop.states() == {"A": "not_counted_click"}
    assert await misattributed(shop.pipe.dsn, SOON) == []


async def test_who_reads_a_click_waits_for_a_verdict_change_that_is_under_way(shop: Shop) -> None:
    """It sees the verdict that comes of it."""
    touch = await shop.clicked()
    await shop.reports(sale("A", touch))
    held = "LOCK TABLE conversion_mark IN SHARE MODE"  # the change has judged the click, and cannot mark yet
    async with session(shop.pipe.dsn) as test, test.transaction():
        await test.execute(held)
        change = asyncio.create_task(shop.judges(touch))
        await _locked_out(shop, change)
        attribution = asyncio.create_task(_read(shop))
        await _locked_out(shop, change, attribution)
    await change
    assert await attribution == ["not_counted"]
    await shop.settles()
    assert await shop.states() == {"A": "not_counted_click"}


async def _read(shop: Shop) -> list[str]:
    """What an attribution finds the verdicts to be that it depends on. It writes nothing of what it decides."""
    async with shop.attributor().attribution() as writer:
        assert writer is not None
        due = await writer.due()
    return [touch.facts.verdict for one in due for touch in one.found.touches if touch.facts]


async def test_a_follower_that_read_its_binder_as_it_was_is_looked_at_again(shop: Shop) -> None:
    """The binder comes, is attributed and committed while the follower is under way."""
    touch = await shop.clicked()
    await shop.reports(sale("F", customer=CARLA))
    async with _under_way(shop) as write:
        await shop.reports(sale("B", touch, occurred_at=NOON - timedelta(minutes=1), customer=CARLA))
        await attribute_some(shop.attributor())
        assert await shop.states() == {"F": "received", "B": "credited"}
        await write()
    assert await shop.states() == {"F": "pending_click", "B": "credited"}
    await shop.settles()
    assert await shop.states() == {"F": "credited", "B": "credited"}
    assert await misattributed(shop.pipe.dsn, SOON) == []


async def test_a_follower_of_a_binder_that_becomes_anothers_is_looked_at_again(shop: Shop) -> None:
    """Another event comes to stand for the binder, of another customer, while the follower is under way."""
    touch = await shop.clicked()
    bound = sale("B", touch, customer=CARLA, via=Via.SCRIPT)
    await shop.reports(bound)
    await shop.settles()
    await shop.reports(sale("F", customer=CARLA))
    async with _under_way(shop) as write:
        await shop.reports(replace(bound, customer=DORIS, via=Via.API))
        await attribute_some(shop.attributor())
        await write()
    assert await shop.states() == {"F": "credited", "B": "credited"}
    await shop.settles()
    assert await shop.states() == {"F": "pending_click", "B": "credited"}
    assert await misattributed(shop.pipe.dsn, SOON) == []


async def test_a_mark_that_is_made_meanwhile_survives(shop: Shop) -> None:
    """What came after everything was read is in the next attribution."""
    touch = await shop.clicked()
    await shop.reports(sale("A", touch, **money(1_000)))
    async with _under_way(shop) as write:
        await shop.reports(refund("A", 300))
        await write()
    assert await shop.credited() == [("A", "ada", 1_000_000, 1_000)]
    await shop.settles()
    assert await shop.credited() == [("A", "ada", 1_000_000, 700)]


async def test_a_change_of_rules_waits_for_who_credits_by_the_old_ones(shop: Shop) -> None:
    """And has everything looked at anew."""
    touches = [await shop.clicked(occurred_at=NOON - DAY), await shop.clicked("bo")]
    await shop.reports(sale("A", *touches))
    async with _under_way(shop) as write:
        change = asyncio.create_task(ProgrammeStore(shop.pipe.pool).change(Programme(attribution_model=Model.FIRST)))
        await _locked_out(shop, change)
        await write()
    await change
    assert await shop.credited() == [("A", "bo", 1_000_000, 0)]
    await shop.settles()
    assert await shop.credited() == [("A", "ada", 1_000_000, 0)]


async def test_a_change_of_rules_is_not_overtaken_by_who_comes_later(shop: Shop) -> None:
    """Attributors that follow each other without a pause would keep it waiting for ever."""
    touch = await shop.clicked()
    await shop.reports(sale("A", touch), sale("B", touch))
    async with _under_way(shop) as write:
        change = asyncio.create_task(ProgrammeStore(shop.pipe.pool).change(Programme(attribution_window_s=60)))
        await _locked_out(shop, change)
        await shop.reports(sale("C", touch))
        later = asyncio.create_task(attribute_some(shop.attributor()))
        await _locked_out(shop, change, later)
        await write()
    await change
    assert set(await later) == {ConversionState.OUTSIDE_WINDOW}


async def test_two_attributors_never_do_it_twice(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """With several marks a conversion, and few in a transaction, some of them left: they meet at the same rows."""
    monkeypatch.setattr(attributing, "MARKS_MAX", 5)
    monkeypatch.setattr(attributing, "TOUCHES_MAX", 4)
    touches = [await shop.clicked("ada"), await shop.clicked("bo"), await shop.clicked("cy")]
    sales = [sale(str(number), *touches[number % 3 :], customer=CARLA, **money(number)) for number in range(12)]
    await shop.reports(*sales, *(sale(f"F{number}", customer=CARLA) for number in range(6)))
    await execute(shop.pipe.dsn, "INSERT INTO conversion_mark (conversion_id) SELECT conversion_id FROM conversion")
    await asyncio.gather(*(_all_attributed(shop.attributor()) for _ in range(4)))
    await shop.settles()
    assert set((await shop.states()).values()) == {"credited"}
    assert await misattributed(shop.pipe.dsn, SOON) == []


async def _all_attributed(store: AttributingStore) -> None:
    """What gives way to another transaction is done again."""
    while True:
        try:
            await attribute_all(store)
        except DatabaseAwayError:
            continue
        return


async def test_killed_behind_any_statement_it_ends_at_the_same_numbers(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credits are given, moved and taken back on the way, of three advocates and of a follower."""
    touches = [await shop.clicked(name, occurred_at=NOON - DAY) for name in PARTITIONS]
    fatal = 0
    while True:
        number = str(fatal)
        customer = CustomerHash(fatal.to_bytes(16, "big"))
        await shop.reports(sale(number, *touches, customer=customer), sale(f"F{number}", customer=customer))
        await shop.reports(refund("F0", None if fatal % 2 else 1, number))
        with monkeypatch.context() as patch:
            patch.setattr(attributing, "connected", partial(_mortal, dsn=shop.pipe.dsn, fatal=fatal))
            if not await _is_killed(shop):
                break
        await shop.settles()
        assert await misattributed(shop.pipe.dsn, SOON) == []
        fatal += 1
    assert fatal > STATEMENTS_MIN


async def _is_killed(shop: Shop) -> bool:
    try:
        await attribute_some(shop.attributor())
    except DatabaseAwayError:
        return True
    return False


class _Mortal:
    """A connection that Postgres ends when it has answered so many statements."""

    def __init__(self, connection: Any, dsn: str, fatal: int) -> None:
        self._connection = connection
        self._dsn = dsn
        self._left = fatal

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._connection, name)
        if name not in {"execute", "executemany", "fetch", "fetchrow", "fetchval"}:
            return asked

        async def answered(*values: Any) -> Any:
            answer = await asked(*values)
            self._left -= 1
            if self._left < 0:
                pid = self._connection.get_server_pid()
                await fetch_value(self._dsn, "SELECT pg_terminate_backend($1, 5000)", pid)
            return answer

        return answered


@asynccontextmanager
async def _mortal(pool: Pool, dsn: str, fatal: int) -> AsyncIterator[Any]:
    async with connected(pool) as connection:
        yield _Mortal(connection, dsn, fatal)
