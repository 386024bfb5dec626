"""Very many conversions are marked page by page: none is left out, however often it is asked for, broken off or met."""

import asyncio
from datetime import timedelta

import pytest

from aggregator.attributing import marks
from aggregator.attributing import store as attributing
from aggregator.attributing.running import attribute_all, attribute_some
from aggregator.explaining.store import ConversionStore
from aggregator.programme.store import Programme, ProgrammeStore
from database.pool import DatabaseAwayError, connected
from link_events.reasons import Model
from stage.attributed import misattributed
from stage.pipe import Pipe
from stage.sales import CARLA, NOON, SOON, Shop, money, sale
from stage.sql import execute, fetch_value, waiting_for_locks
from stage.waiting import eventually_async

HOUR = timedelta(hours=1)
ENDED_AMID_A_PAGE = """
    CREATE FUNCTION ended() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); RETURN NEW; END';
    CREATE TRIGGER ended BEFORE UPDATE ON conversion_marking FOR EACH ROW EXECUTE FUNCTION ended()
"""


@pytest.fixture
def shop(pipe: Pipe) -> Shop:
    """On a fresh migrated database."""
    return Shop(pipe)


@pytest.fixture(autouse=True)
def _pages_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "PAGE_MAX", 2)
    monkeypatch.setattr(marks, "CORRECTING_MAX", 3)
    monkeypatch.setattr(attributing, "FOLLOWERS_MAX", 2)


async def _change(shop: Shop, model: Model) -> None:
    await ProgrammeStore(shop.pipe.pool).change(Programme(attribution_model=model))


async def _marks(shop: Shop) -> int:
    return int(await fetch_value(shop.pipe.dsn, "SELECT count(*) FROM conversion_mark"))


async def _markings(shop: Shop) -> int:
    return (await ConversionStore(shop.pipe.pool).waiting()).markings


async def _sells(shop: Shop, count: int) -> None:
    early, late = await shop.clicked(occurred_at=NOON - 2 * HOUR), await shop.clicked("bo")
    await shop.reports(*(sale(f"A-{number}", early, late, **money(100)) for number in range(count)))
    await shop.settles()


async def test_a_change_of_rules_reaches_every_conversion(shop: Shop) -> None:
    """Its own transaction marks no more than a page, and no sweep marks more than are enough."""
    await _sells(shop, 7)
    await _change(shop, Model.FIRST)
    assert (await _marks(shop), await _markings(shop)) == (2, 1)
    for _ in range(3):
        await shop.attributor().sweep(given_up=False)
    assert (await _marks(shop), await _markings(shop)) == (4, 1)
    await shop.settles()
    assert (await _marks(shop), await _markings(shop)) == (0, 0)
    assert await shop.credited() == [(f"A-{number}", "ada", 1_000_000, 100) for number in range(7)]
    assert await misattributed(shop.pipe.dsn, SOON) == []
    assert await shop.pipe.drift() == []


async def test_a_change_amid_another_begins_anew_at_its_end(shop: Shop) -> None:
    """What was looked at by the first change's rules is looked at by the second's."""
    await _sells(shop, 5)
    await _change(shop, Model.FIRST)
    assert await attribute_all(shop.attributor()) == 2
    await _change(shop, Model.LAST)
    assert await _markings(shop) == 1
    await shop.settles()
    assert await _markings(shop) == 0
    assert await shop.credited() == [(f"A-{number}", "bo", 1_000_000, 100) for number in range(5)]
    assert await shop.pipe.drift() == []


async def test_a_page_that_is_broken_off_is_marked_again(shop: Shop) -> None:
    """Marks and how far it is are written in one transaction, or not: also where Postgres ends its session in it."""
    await _sells(shop, 5)
    await _change(shop, Model.FIRST)
    await attribute_all(shop.attributor())
    await execute(shop.pipe.dsn, ENDED_AMID_A_PAGE)
    with pytest.raises(DatabaseAwayError):
        await shop.attributor().sweep(given_up=False)
    await execute(shop.pipe.dsn, "DROP TRIGGER ended ON conversion_marking")
    assert await _marks(shop) == 0
    await shop.settles()
    assert {credit[1] for credit in await shop.credited()} == {"ada"}


async def test_a_conversion_that_is_set_aside_is_marked_all_the_same(shop: Shop) -> None:
    """The change may be what mends it."""
    await _sells(shop, 1)
    await execute(
        shop.pipe.dsn,
        "INSERT INTO conversion_mark (conversion_id, set_aside_at, error)"
        " SELECT conversion_id, now(), 'broken' FROM conversion",
    )
    await _change(shop, Model.FIRST)
    assert (await attribute_some(shop.attributor())).total() == 1


async def test_a_rate_reaches_every_conversion_of_its_days(shop: Shop) -> None:
    """Those before it are passed over; a rate for earlier days that comes meanwhile reaches these too."""
    click = await shop.clicked(occurred_at=NOON - 30 * HOUR)
    for day in range(2):
        at = NOON - timedelta(days=1 - day)
        await shop.reports(*(sale(f"{day}-{one}", click, occurred_at=at, **money(100, "SEK")) for one in range(3)))
    await shop.settles()
    assert set((await shop.states()).values()) == {"unknown_currency"}
    await shop.rates("SEK", NOON.date(), "0.1")
    await shop.settles()
    assert {name for name, state in (await shop.states()).items() if state == "credited"} == {"1-0", "1-1", "1-2"}
    await shop.rates("SEK", NOON.date(), "0.2")
    await shop.rates("SEK", NOON.date() - timedelta(days=1), "0.3")
    await shop.settles()
    assert [credit[3] for credit in await shop.credited()] == [30, 30, 30, 20, 20, 20]
    assert await _markings(shop) == 0


async def test_all_that_follow_a_customer_are_reached(shop: Shop) -> None:
    """A customer id that very many share costs no transaction more than a page."""
    await shop.reports(*(sale(f"F-{number}", customer=CARLA, **money(100)) for number in range(7)))
    await shop.settles()
    assert set((await shop.states()).values()) == {"pending_click"}
    click = await shop.clicked(occurred_at=NOON - 2 * HOUR)
    await shop.reports(sale("binder", click, occurred_at=NOON - HOUR, customer=CARLA, **money(100)))
    assert (await attribute_some(shop.attributor())).total() == 1
    assert (await _marks(shop), await _markings(shop)) == (2, 1)
    await shop.settles()
    assert (await _marks(shop), await _markings(shop)) == (0, 0)
    assert len(await shop.credited()) == 8
    assert await misattributed(shop.pipe.dsn, SOON) == []


async def test_no_transaction_reads_the_clicks_of_very_many_candidates(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Customers whose conversions name many clicks are looked at one after another; each gets its turn."""
    monkeypatch.setattr(attributing, "TOUCHES_MAX", 2)
    touches = [await shop.clicked(occurred_at=NOON - number * HOUR) for number in range(2, 5)]
    customers = [CARLA[:-1] + bytes([number]) for number in range(3)]
    for number, customer in enumerate(customers):
        await shop.reports(
            sale(f"binder-{number}", *touches, occurred_at=NOON - HOUR, customer=customer),
            sale(f"follower-{number}", customer=customer),
        )
    store, totals = shop.attributor(), []
    while total := (await attribute_some(store)).total():
        totals.append(total)
    assert max(totals) <= 2
    assert set((await shop.states()).values()) == {"credited"}
    assert await misattributed(shop.pipe.dsn, SOON) == []


async def test_a_change_of_rules_amid_a_page_is_not_lost(shop: Shop) -> None:
    """It waits until how far the page is has been written down, and has all of it begun again."""
    await _sells(shop, 5)
    await _change(shop, Model.FIRST)
    await attribute_all(shop.attributor())

    async def waits() -> bool:
        return await waiting_for_locks(shop.pipe.dsn) == 1

    async with connected(shop.pipe.pool) as connection:
        async with connection.transaction():
            assert await marks.mark_next(connection) == 2
            changing = asyncio.create_task(_change(shop, Model.LAST))
            await eventually_async(waits, what="the change waits")
        await changing
    await shop.settles()
    assert {credit[1] for credit in await shop.credited()} == {"bo"}


async def test_a_customer_who_buys_again_and_again_keeps_no_change_waiting(shop: Shop) -> None:
    """What is begun again takes its turn behind whatever else is to be marked."""
    await _sells(shop, 3)
    click = await shop.clicked(occurred_at=NOON - 2 * HOUR)
    await shop.reports(*(sale(f"F-{number}", customer=CARLA, **money(100)) for number in range(5)))
    await shop.reports(sale("binder", click, occurred_at=NOON - HOUR, customer=CARLA, **money(100)))
    await attribute_all(shop.attributor())
    await _change(shop, Model.FIRST)
    for number in range(20):
        await shop.reports(sale(f"again-{number}", click, customer=CARLA, **money(100)))
        await attribute_all(shop.attributor())
        await shop.attributor().sweep(given_up=False)
    assert {credit[1] for credit in await shop.credited() if credit[0].startswith("A-")} == {"ada"}
