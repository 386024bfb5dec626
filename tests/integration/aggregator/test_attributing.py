"""What becomes of conversions, and of their credits when what they depend on changes."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from aggregator.attributing import store as attributing
from aggregator.attributing.running import attribute_all, attribute_some, keep_attributing
from aggregator.attributing.sweeping import keep_sweeping
from aggregator.metrics import AttributingMetrics
from aggregator.programme.store import Programme, ProgrammeStore
from http_api.serving import cancel_all
from link_events.events import Fact
from link_events.identity import Currency, CustomerHash
from link_events.reasons import ConversionState, Earning, Model, Via
from stage.attributed import misattributed
from stage.pipe import Pipe, opened_pipe
from stage.postgres import Server
from stage.sales import CARLA, LONG_AFTER, NOON, PARTITIONS, SOON, Shop, money, refund, sale
from stage.sql import execute, fetch, fetch_value, session
from stage.waiting import eventually_async

DAY = timedelta(days=1)


@pytest.fixture
def shop(pipe: Pipe) -> Shop:
    """On a fresh migrated database."""
    return Shop(pipe)


async def _one_of_each(shop: Shop) -> Mapping[str, list[Fact]]:
    """For every state that is stored in the end, what is reported of the conversion that is called like it."""
    clicked, earlier = await shop.clicked(), await shop.clicked("bo", occurred_at=NOON - 30 * DAY)
    own, bot = await shop.clicked(self_click=True), await shop.clicked(method="HEAD")
    later = await shop.clicked("cy", occurred_at=NOON + timedelta(microseconds=1))
    unknown, _ = shop.next_click()
    await shop.rates("JPY", NOON.date(), "100000000000")
    reports: dict[str, list[Fact]] = {
        "credited": [sale("credited", clicked, earlier, **money(1_000))],
        "pending_click": [sale("pending_click", bot, unknown)],
        "unknown_click": [sale("unknown_click", unknown)],
        "outside_window": [sale("outside_window", earlier, later, own)],
        "precedes_click": [sale("precedes_click", later, own)],
        "self": [sale("self", own)],
        "not_counted_click": [sale("not_counted_click", bot, earlier)],
        "unknown_currency": [sale("unknown_currency", clicked, **money(1_000, "USD"))],
        "value_too_large": [sale("value_too_large", clicked, **money(1_000, "JPY"))],
        "reversed": [refund("reversed"), sale("reversed", clicked, **money(1_000))],
        "test": [sale("test", clicked, test=True)],
    }
    assert {*reports, "received", "duplicate", "conflict"} == set(ConversionState)
    return reports


async def _check_states(shop: Shop, *names: str) -> None:
    """Each is what it is called: what waits while it waits, and what is given up when it is."""
    await shop.settles()
    while_waiting = {name: "pending_click" if name == "unknown_click" else name for name in names}
    assert await shop.states() == while_waiting
    assert await misattributed(shop.pipe.dsn, SOON) == []
    await shop.settles(LONG_AFTER)
    assert await shop.states() == {name: "not_counted_click" if name == "pending_click" else name for name in names}
    assert await misattributed(shop.pipe.dsn, LONG_AFTER) == []


async def test_every_state_is_reached_in_bulk(shop: Shop) -> None:
    """All of them in one batch, and looked at in one transaction."""
    reports = await _one_of_each(shop)
    await shop.reports(*(fact for facts in reports.values() for fact in facts))
    assert set((await shop.states()).values()) == {"received"}
    await _check_states(shop, *reports)


async def test_every_state_is_reached_one_by_one(shop: Shop) -> None:
    """Each in a batch of its own and looked at by itself."""
    reports = await _one_of_each(shop)
    for facts in reports.values():
        for fact in facts:
            await shop.reports(fact)
            await shop.settles()
    await _check_states(shop, *reports)


async def test_a_conversion_that_comes_before_its_click_is_credited_when_it_comes(shop: Shop) -> None:
    """The sweep finds it; and also after it was given up."""
    (touch, record), (late, late_record) = shop.next_click(), shop.next_click("bo")
    await shop.reports(sale("A", touch), sale("B", late))
    await shop.settles()
    assert await shop.states() == {"A": "pending_click", "B": "pending_click"}
    await shop.pipe.take(record)
    await shop.settles()
    assert await shop.states() == {"A": "credited", "B": "pending_click"}
    await shop.settles(LONG_AFTER)
    assert await shop.states() == {"A": "credited", "B": "unknown_click"}
    await shop.pipe.take(late_record, partition=PARTITIONS["bo"])
    await shop.settles(LONG_AFTER)
    assert await shop.states() == {"A": "credited", "B": "credited"}
    assert await misattributed(shop.pipe.dsn, LONG_AFTER) == []


async def test_a_follower_that_sees_its_binders_click_first_leaves_it_to_the_sweep(shop: Shop) -> None:
    """It is credited at once. What it has seen is not kept for the binder, which would never be looked for then."""
    touch, record = shop.next_click()
    await shop.reports(sale("B", touch, customer=CARLA), sale("F", customer=CARLA))
    await shop.settles()
    await shop.pipe.take(record)
    mark_f = "INSERT INTO conversion_mark (conversion_id) SELECT conversion_id FROM conversion WHERE external_id = 'F'"
    await execute(shop.pipe.dsn, mark_f)
    await attribute_all(shop.attributor())
    assert await shop.states() == {"B": "pending_click", "F": "credited"}
    await shop.settles()
    assert await shop.states() == {"B": "credited", "F": "credited"}


async def test_only_touches_that_are_known_earn_until_the_others_come(shop: Shop) -> None:
    """A conversion is credited in whole by those; then anew, by all."""
    await ProgrammeStore(shop.pipe.pool).change(Programme(attribution_model=Model.LINEAR))
    (touch, record), known = shop.next_click("bo"), await shop.clicked()
    await shop.reports(sale("A", touch, known, **money(999)))
    await shop.settles()
    assert await shop.credited() == [("A", "ada", 1_000_000, 999)]
    await shop.pipe.take(record, partition=PARTITIONS["bo"])
    await shop.settles()
    assert await shop.credited() == [("A", "ada", 500_000, 499), ("A", "bo", 500_000, 500)]
    assert await misattributed(shop.pipe.dsn, SOON) == []


async def test_a_verdict_that_changes_takes_its_credit_away(shop: Shop) -> None:
    """The touch before it earns instead; and so do those that follow by the customer."""
    first, last = await shop.clicked(occurred_at=NOON - 2 * DAY), await shop.clicked("bo")
    await shop.reports(sale("A", first, last, customer=CARLA, **money(500)), sale("B", customer=CARLA))
    await shop.settles()
    assert await shop.credited() == [("A", "bo", 1_000_000, 500), ("B", "bo", 1_000_000, 0)]
    await shop.judges(last)
    await shop.settles()
    assert await shop.credited() == [("A", "ada", 1_000_000, 500), ("B", "ada", 1_000_000, 0)]
    await shop.judges(first)
    await shop.settles()
    assert await shop.states() == {"A": "not_counted_click", "B": "pending_click"}
    assert await misattributed(shop.pipe.dsn, SOON) == []


async def test_a_customer_is_bound_by_when_things_happened(shop: Shop) -> None:
    """An earlier conversion that comes later re-attributes what depends on it; what happened before stays unbound."""
    ada, bo = await shop.clicked(occurred_at=NOON - 3 * DAY), await shop.clicked("bo", occurred_at=NOON - 3 * DAY)
    of_carla = {"customer": CARLA}
    await shop.reports(
        sale("before", occurred_at=NOON - 2 * DAY, **of_carla),
        sale("second", ada, occurred_at=NOON - timedelta(hours=1), **of_carla),
        sale("after", **of_carla),
    )
    await shop.settles()
    assert await shop.credited() == [("after", "ada", 1_000_000, 0), ("second", "ada", 1_000_000, 0)]
    await shop.reports(sale("first", bo, occurred_at=NOON - DAY, **of_carla))
    await shop.settles()
    assert ("after", "bo", 1_000_000, 0) in await shop.credited()
    await shop.reports(refund("first"))
    await shop.settles()
    assert ("after", "bo", 1_000_000, 0) in await shop.credited()
    assert await shop.states() == {
        "before": "pending_click",
        "first": "reversed",
        "second": "credited",
        "after": "credited",
    }
    assert await misattributed(shop.pipe.dsn, SOON) == []


@pytest.mark.parametrize("other", [{"customer": CustomerHash(b"doris, 16 bytes.")}, {"occurred_at": NOON + 9 * DAY}])
async def test_what_followed_an_event_that_gives_way_follows_another(shop: Shop, other: Mapping[str, Any]) -> None:
    """A browser's report bound the customer; the server's, which outranks it, says otherwise."""
    touch = await shop.clicked()
    await shop.reports(sale("A", touch, customer=CARLA, via=Via.SCRIPT), sale("B", customer=CARLA))
    await shop.settles()
    assert await shop.states() == {"A": "credited", "B": "credited"}
    await shop.reports(sale("A", touch, **{"customer": CARLA, **other}))
    await shop.settles()
    assert await shop.states() == {"A": "credited", "B": "pending_click"}
    assert await misattributed(shop.pipe.dsn, SOON) == []


async def test_a_programme_that_credits_otherwise_does_so_for_all(shop: Shop) -> None:
    """What has nothing to do with it changes nothing."""
    touches = [
        await shop.clicked(occurred_at=NOON - 2 * DAY),
        await shop.clicked("bo"),
        await shop.clicked(method="HEAD"),
    ]
    await shop.reports(sale("A", *touches, **money(1_000)), sale("B", touches[0]))
    await shop.settles()
    programmes = ProgrammeStore(shop.pipe.pool)
    wanted = Programme(first_weekday=(await programmes.read()).first_weekday)
    await programmes.change(replace(wanted, click_ids=False))
    assert await fetch_value(shop.pipe.dsn, "SELECT count(*) FROM conversion_mark") == 0
    for changed, state in (
        ({"attribution_model": Model.POSITION}, "credited"),
        ({"earning": Earning.ANY}, "credited"),
        ({"half_life_s": 60, "attribution_model": Model.TIME_DECAY}, "credited"),
        ({"currency": Currency("JPY")}, "credited"),
        ({"attribution_windows_s": {"sale": 86_400}}, "outside_window"),
        ({"attribution_windows_s": {}, "attribution_window_s": 60}, "outside_window"),
    ):
        wanted = replace(wanted, **changed)
        await programmes.change(wanted)
        await shop.settles()
        assert (await shop.states())["B"] == state
        assert await misattributed(shop.pipe.dsn, SOON) == []


async def test_rules_that_change_again_and_again_have_each_conversion_looked_at_once(shop: Shop) -> None:
    """Else whoever tries some models leaves work for hours."""
    await shop.reports(sale("A", await shop.clicked()), sale("B", await shop.clicked()))
    await shop.settles()
    for model in (Model.FIRST, Model.LINEAR, Model.POSITION):
        await ProgrammeStore(shop.pipe.pool).change(Programme(attribution_model=model))
    assert await attribute_all(shop.attributor()) == 2


async def test_a_rate_that_comes_is_applied_by_its_day(shop: Shop) -> None:
    """Until then a value without one credits nothing; the day of the conversion decides, and the rate's day is kept."""
    touch = await shop.clicked(occurred_at=NOON - DAY)
    usd = money(1_000, "USD")
    await shop.reports(sale("A", touch, **usd), sale("B", touch, **usd, occurred_at=NOON - timedelta(hours=20)))
    await shop.settles()
    assert await shop.states() == {"A": "unknown_currency", "B": "unknown_currency"}
    for since, rate in ((NOON.date(), "0.9"), (NOON.date() - DAY, "0.8")):
        await shop.rates("USD", since, rate)
        await shop.settles()
    assert await shop.credited() == [("A", "ada", 1_000_000, 900), ("B", "ada", 1_000_000, 800)]
    kept = "SELECT external_id, rate_from FROM conversion ORDER BY 1"
    assert await fetch(shop.pipe.dsn, kept) == [("A", NOON.date()), ("B", NOON.date() - DAY)]
    assert await misattributed(shop.pipe.dsn, SOON) == []


async def test_looking_again_changes_nothing(shop: Shop) -> None:
    """Where nothing else has changed: no row is written, and no change of counts told."""
    touch = await shop.clicked()
    await shop.reports(sale("A", touch, customer=CARLA, **money(500)), sale("B", customer=CARLA), sale("C", touch))
    await shop.settles()
    told = "SELECT xmin::text FROM conversion UNION ALL SELECT xmin::text FROM credit"
    counters = "SELECT * FROM counts_change_counter"
    before = [await fetch(shop.pipe.dsn, query) for query in (told, counters)]
    await execute(shop.pipe.dsn, "INSERT INTO conversion_mark (conversion_id) SELECT conversion_id FROM conversion")
    assert await attribute_all(shop.attributor(LONG_AFTER)) >= 3
    assert [await fetch(shop.pipe.dsn, query) for query in (told, counters)] == before


async def test_conversions_of_very_many_clicks_are_attributed_some_at_a_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as name no more clicks than a transaction decides on, or one that names more; each has its turn."""
    touches = [await shop.clicked(occurred_at=NOON - timedelta(hours=number)) for number in range(1, 4)]
    await shop.reports(sale("A", *touches), sale("B", touches[0]), sale("C", touches[1]), sale("D", *touches[:2]))
    monkeypatch.setattr(attributing, "TOUCHES_MAX", 2)
    store = shop.attributor()
    looked_at = [(await attribute_some(store)).total() for _ in range(4)]
    assert looked_at == [1, 2, 1, 0]
    assert set((await shop.states()).values()) == {"credited"}
    assert await misattributed(shop.pipe.dsn, SOON) == []


async def test_what_is_new_is_attributed_before_what_is_corrected(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is: complete_through waits for the one and not for the other."""
    touch = await shop.clicked()
    await shop.reports(sale("A", touch), sale("B", touch))
    await shop.settles()
    await ProgrammeStore(shop.pipe.pool).change(Programme(earning=Earning.ANY))
    await shop.reports(sale("C", touch))
    monkeypatch.setattr(attributing, "MARKS_MAX", 1)
    await attribute_some(shop.attributor())
    assert (await shop.states())["C"] == "credited"


async def test_what_was_found_of_a_click_is_known_after_it_was_let_go(shop: Shop) -> None:
    """Raw clicks have a retention; what they earned has none."""
    touch = await shop.clicked()
    await shop.reports(sale("A", touch, **money(500)))
    await shop.settles()
    await execute(shop.pipe.dsn, "DELETE FROM click")
    await ProgrammeStore(shop.pipe.pool).change(Programme(attribution_model=Model.FIRST))
    await shop.reports(refund("A", 100))
    await shop.settles()
    assert await shop.credited() == [("A", "ada", 1_000_000, 400)]


async def test_one_sweeps_at_a_time(shop: Shop) -> None:
    """The others leave it to them."""
    touch, record = shop.next_click()
    await shop.reports(sale("A", touch))
    await shop.settles()
    await shop.pipe.take(record)
    async with session(shop.pipe.dsn) as other, other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtext('advolink_sweep'))")
        assert await shop.attributor().sweep(given_up=False) == 0
    assert await shop.attributor().sweep(given_up=False) == 1
    assert await shop.attributor().sweep(given_up=False) == 0  # it is marked already


async def test_an_outage_is_waited_for(frail_server: Server, frail_dsn: str) -> None:
    """What came before it and what comes after it is attributed, and counted as that."""
    registry = CollectorRegistry()
    metrics = AttributingMetrics(registry)
    async with opened_pipe(frail_dsn) as pipe:
        shop = Shop(pipe)
        touch, record = shop.next_click()
        await shop.reports(sale("A", touch))
        store = shop.attributor()
        tasks = [asyncio.create_task(keep_attributing(store, metrics)), asyncio.create_task(keep_sweeping(store))]
        await eventually_async(lambda: _is(shop, "pending_click"))
        await asyncio.to_thread(frail_server.kill)
        await asyncio.to_thread(frail_server.start)
        await pipe.take(record)
        await eventually_async(lambda: _is(shop, "credited"))
        await cancel_all(tasks)
    assert registry.get_sample_value("advolink_attributions_total", {"state": "credited"}) == 1


async def _is(shop: Shop, state: str) -> bool:
    return await shop.states() == {"A": state}
