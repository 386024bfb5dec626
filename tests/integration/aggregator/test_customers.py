"""`advolink customers erase` forgets a customer: nothing stored leads from the id to a conversion, and totals stay."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from advolink.__main__ import main
from aggregator.judge import Judgement
from aggregator.verdicts.changing import change_verdicts
from aggregator.verdicts.deciding import Wanted, Why
from database.customer_keys import CustomerKeyStore
from link_events.customers import customer_hash
from link_events.events import NamedTouch
from link_events.identity import ConversionKey, CustomerHash
from link_events.reasons import Verdict, VerdictCause
from link_events.streams import Partition, Stream
from stage.events import PLAIN_CLICK, PLAIN_CONVERSION
from stage.pipe import Pipe
from stage.sql import fetch, fetch_value, session, waiting_for_locks
from stage.till import Till
from stage.waiting import eventually_async

SECRET: Final = bytes(32)
ID, OTHER_ID = "C-1042", "C-7"
HASH, OTHER = customer_hash(ID, SECRET), customer_hash(OTHER_ID, SECRET)
BOUGHT: Final = PLAIN_CLICK.occurred_at + timedelta(hours=1)
HOLDING: Final = """
    SELECT tablename FROM pg_tables, query_to_xml(
        format('SELECT FROM %I AS row WHERE row::text LIKE %L', tablename, '%' || $1 || '%'), true, true, ''
    ) AS rows
    WHERE schemaname = 'public' AND tablename NOT LIKE '%log%' AND rows::text LIKE '%<row%'
"""
"""Tables of which a row has some text in it; but for the event log's, which lets go of its rows in time."""

TOTALS: Final = "SELECT advocate_id, day, credited_millionths, value_minor FROM advocate_day ORDER BY 1, 2"
STATES: Final = "SELECT external_id, state, credited_value_minor, follows FROM conversion ORDER BY 1"
ERASURES: Final = "SELECT why, conversions, events FROM customer_erasure"


@pytest.fixture
async def till(pipe: Pipe) -> Till:
    """A till whose customers' key is known."""
    await CustomerKeyStore(pipe.pool).first_key(SECRET)
    return Till(pipe)


async def _erase(till: Till, customer_id: str = ID, why: str = "ticket 77") -> Result:
    command = ["customers", "erase", customer_id, "--why", why, "--postgres-dsn", till.pipe.dsn]
    return await asyncio.to_thread(CliRunner().invoke, main, command)


async def _buy(till: Till, number: int, *touches: NamedTouch, customer: CustomerHash = HASH, **changes: Any) -> str:
    key, instant = ConversionKey("shop", "sale", f"A-{number}"), BOUGHT + timedelta(days=number)
    return await till.sale(*touches, key=key, occurred_at=instant, customer=customer, **changes)


async def _tables_that_hold(dsn: str, customer: CustomerHash) -> Sequence[str]:
    return [table for (table,) in await fetch(dsn, HOLDING, customer.hex())]


async def test_an_erased_customer_is_found_nowhere_and_every_total_stays(till: Till) -> None:
    """To the last unit, with what follows what. Another customer stays."""
    touch = await till.click()
    await _buy(till, 1, touch)
    await _buy(till, 1, touch)  # the same once more, a duplicate
    await _buy(till, 40)
    await _buy(till, 2, touch, customer=OTHER)
    before = [await fetch(till.pipe.dsn, query) for query in (TOTALS, STATES)]
    assert await _tables_that_hold(till.pipe.dsn, HASH)
    erased = await _erase(till)
    assert erased.exit_code == 0, erased.output
    assert erased.output.startswith("2 conversions and 3 received events were theirs and are nobody's now.")
    assert await _tables_that_hold(till.pipe.dsn, HASH) == []
    assert await _tables_that_hold(till.pipe.dsn, OTHER)
    assert [await fetch(till.pipe.dsn, query) for query in (TOTALS, STATES)] == before
    assert await fetch(till.pipe.dsn, "SELECT external_id FROM conversion_event WHERE body IS NOT NULL") == [("A-2",)]
    assert await fetch(till.pipe.dsn, ERASURES) == [("ticket 77", 2, 3)]


async def test_what_an_erased_customer_bought_is_attributed_anew_when_a_verdict_changes(till: Till) -> None:
    """The conversion that followed still follows."""
    touch = await till.click()
    await _buy(till, 1, touch)
    await _buy(till, 40)
    await _erase(till)
    wanted = Wanted(touch.origin, 1, Judgement(Verdict.NOT_COUNTED, ("flood",), "review-1"))
    await change_verdicts(till.pipe.pool, Partition(0), [wanted], Why(VerdictCause.REVIEW, "a bot", "test"))
    await till.attribute()
    states = [(external_id, state) for external_id, state, _, _ in await fetch(till.pipe.dsn, STATES)]
    assert states == [("A-1", "not_counted_click"), ("A-40", "pending_click")]
    assert await till.pipe.drift() == []


async def test_erasing_again_changes_nothing(till: Till) -> None:
    """Nor does erasing somebody who never bought."""
    await _buy(till, 1, await till.click())
    await _erase(till)
    stored = await fetch(till.pipe.dsn, "SELECT * FROM conversion")
    for customer_id in (ID, "C-unknown"):
        again = await _erase(till, customer_id)
        assert (again.exit_code, again.output.split(" were")[0]) == (0, "0 conversions and 0 received events")
    assert await fetch(till.pipe.dsn, "SELECT * FROM conversion") == stored
    assert len(await fetch(till.pipe.dsn, ERASURES)) == 1


async def test_who_is_erased_and_buys_again_is_somebody_new(till: Till) -> None:
    """Nothing follows what was before. The same conversion reported once more is still the same."""
    touch = await till.click()
    await _buy(till, 1, touch)
    await _erase(till)
    await _buy(till, 40)
    await _buy(till, 1, touch)
    assert [(row[0], row[1], row[3]) for row in await fetch(till.pipe.dsn, STATES)] == [
        ("A-1", "credited", None),
        ("A-40", "pending_click", None),
    ]


async def test_erasing_waits_for_an_attribution_under_way(till: Till) -> None:
    """It would see some conversions of the customer, and not those that bind them."""
    await _buy(till, 1, await till.click())
    async with session(till.pipe.dsn) as attributing, attributing.transaction():
        await attributing.execute("SELECT FROM programme FOR SHARE")
        erasing = asyncio.create_task(_erase(till))
        await eventually_async(lambda: waiting_for_locks(till.pipe.dsn), what="the erasure waits")
    assert (await erasing).exit_code == 0
    assert await fetch_value(till.pipe.dsn, "SELECT count(*) FROM conversion WHERE customer = $1", HASH) == 0


async def test_a_mark_that_names_the_customer_is_erased_too(till: Till) -> None:
    """A takeover leaves whose conversion it was, until it is attributed."""
    touch = await till.click()
    other = replace(PLAIN_CONVERSION, touches=(touch,), occurred_at=BOUGHT, customer=OTHER, value_minor=1)
    await till.pipe.take(till.facts.write(other), stream=Stream.CONVERSIONS)
    async with session(till.pipe.dsn) as test:
        await test.execute("UPDATE conversion_mark SET left_customer = $1", HASH)
    await _erase(till)
    assert await _tables_that_hold(till.pipe.dsn, HASH) == []


async def test_an_installation_without_customers_has_nothing_to_erase(pipe: Pipe) -> None:
    """No redirector has made a key yet."""
    erased = await _erase(Till(pipe))
    assert (erased.exit_code, erased.output.split(" were")[0]) == (0, "0 conversions and 0 received events")


async def test_a_reason_has_to_be_given(till: Till) -> None:
    assert (await _erase(till, why=" ")).exit_code == 2


@pytest.mark.parametrize("customer_id", ["", "x" * 201])
async def test_an_id_that_nobody_can_have_reported_is_refused(till: Till, customer_id: str) -> None:
    """And nothing says that somebody was erased."""
    erased = await _erase(till, customer_id)
    assert erased.exit_code == 2
    assert "has 1 to 200 characters" in erased.output
    assert await fetch(till.pipe.dsn, "SELECT FROM customer_erasure") == []
