"""What became of a conversion can be asked for: its state, what earned, what it waits for, and the counts it is in."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import httpx2
import pytest

from aggregator.attributing.marks import mark_all
from aggregator.attributing.running import attribute_all
from aggregator.attributing.store import AttributingStore
from aggregator.explaining.store import ConversionStore, Waiting
from aggregator.programme.store import Programme, ProgrammeStore
from aggregator.rates.store import RateKey, RateStore
from database.pool import connected
from link_events.events import Heartbeat, NamedTouch, Reversal
from link_events.identity import AdvocateId, ConversionKey, Currency, CustomerHash, LinkId, Origin, ReversalId, Seq
from link_events.reasons import ConversionState, Model, Via
from link_events.streams import Stream
from stage.asking import fields_at_fault
from stage.events import PLAIN_CLICK, PLAIN_CONVERSION
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.till import Till

CLICKED: Final = PLAIN_CLICK.occurred_at
BOUGHT: Final = CLICKED + timedelta(hours=1)
EUR, SEK = Currency("EUR"), Currency("SEK")
CUSTOMER: Final = CustomerHash(bytes(range(16)))
KEY: Final = ConversionKey("shop", "sale", "A-1001")
SALE: Final[Mapping[str, Any]] = {"key": KEY, "occurred_at": BOUGHT, "value_minor": 12_999, "currency": EUR}


@pytest.fixture
def till(pipe: Pipe) -> Till:
    return Till(pipe)


async def _get(api: httpx2.AsyncClient, event_id: str) -> dict[str, Any]:
    answer = await api.get(f"/v1/conversions/{event_id}")
    assert answer.status_code == 200, answer.text
    conversion: dict[str, Any] = answer.json()
    return conversion


async def _list(api: httpx2.AsyncClient, **params: str | int) -> list[dict[str, Any]]:
    answer = await api.get("/v1/conversions", params=params)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


async def test_a_conversion_tells_what_it_is_and_who_earns_it(till: Till, stats: httpx2.AsyncClient) -> None:
    """With what each click earns under each model, and of the value."""
    first = await till.click()
    last = await till.click(
        occurred_at=CLICKED + timedelta(minutes=30), advocate_id=AdvocateId("bo"), link_id=LinkId(5)
    )
    event_id = await till.sale(first, last, **SALE, customer=CUSTOMER)
    told = await _get(stats, event_id)
    expected = {
        "event_id": event_id,
        "source": "shop",
        "kind": "sale",
        "external_id": "A-1001",
        "state": "credited",
        "holder": event_id,
        "day": "2022-02-14",
        "via": "api",
        "test": False,
        "value_minor": 12_999,
        "currency": "EUR",
        "has_customer": True,
        "events": [{"event_id": event_id, "state": "credited"}],
        "follows": None,
        "window_s": 30 * 86_400,
        "model": "last",
        "net_value_minor": 12_999,
        "credited_value_minor": 12_999,
        "credited_currency": "EUR",
        "rate": "1",
        "rate_from": None,
        "waits_for": {"clicks": [], "rate": None, "until": None},
        "reversals": [],
    }
    assert {name: told[name] for name in expected} == expected
    assert datetime.fromisoformat(told["occurred_at"]) == BOUGHT
    assert "customer" not in told
    half = {"linear": 500_000, "position": 500_000}
    assert [(touch["click"], touch["outcome"], touch["verdict"]) for touch in told["touches"]] == [
        (first.origin.event_id, "earns", "counted"),
        (last.origin.event_id, "earns", "counted"),
    ]
    weights = [touch["weights"] for touch in told["touches"]]
    assert {**weights[0], "time_decay": None} == {"last": 0, "first": 1_000_000, **half, "time_decay": None}
    assert {**weights[1], "time_decay": None} == {"last": 1_000_000, "first": 0, **half, "time_decay": None}
    assert all(sum(weight[model] for weight in weights) == 1_000_000 for model in Model)
    assert [touch["credited_millionths"] for touch in told["touches"]] == [0, 1_000_000]
    assert [touch["value_minor"] for touch in told["touches"]] == [0, 12_999]


async def test_a_conversion_leads_to_the_counts_it_is_in(till: Till, stats: httpx2.AsyncClient) -> None:
    """By its own day and by those of its clicks; each row shows what is added to it, and where it is read."""
    await ProgrammeStore(till.pipe.pool).change(Programme(attribution_model=Model.LINEAR))
    before = await till.click(occurred_at=CLICKED - timedelta(days=1))
    same = await till.click()
    event_id = await till.sale(before, same, **SALE)
    counts = (await _get(stats, event_id))["counts"]
    assert [(row["counts"], row["key"], row["period"]) for row in counts] == [
        ("advocate_day", "ada.lovelace", "2022-02-13"),
        ("advocate_day", "ada.lovelace", "2022-02-14"),
        ("advocate_quarter", "ada.lovelace", "2022-Q1"),
        ("link_day", "4711", "2022-02-13"),
        ("link_day", "4711", "2022-02-14"),
    ]
    own, clicked = {"credited_millionths": 1_000_000, "value_minor": 12_999}, {"by_click_millionths": 500_000}
    zero = {"credited_millionths": 0, "value_minor": 0}
    assert [row["adds"] for row in counts] == [
        {**zero, **clicked, "by_click_value_minor": 6_499},
        {**own, **clicked, "by_click_value_minor": 6_500},
        {**own, "by_click_millionths": 1_000_000, "by_click_value_minor": 12_999},
        {**zero, **clicked, "by_click_value_minor": 6_499},
        {**own, **clicked, "by_click_value_minor": 6_500},
    ]
    for row in counts:
        assert row["results"] == row["adds"]
        shown = (await stats.get(row["read_at"])).json()["rows"]
        assert [{name: one[name] for name in row["adds"]} for one in shown] == [row["adds"]]


@pytest.mark.parametrize(
    ("state", "click", "sale"),
    [
        (ConversionState.CREDITED, {}, {}),
        (ConversionState.OUTSIDE_WINDOW, {}, {"occurred_at": CLICKED + timedelta(days=30)}),
        (ConversionState.PRECEDES_CLICK, {}, {"occurred_at": CLICKED - timedelta(microseconds=1)}),
        (ConversionState.SELF, {"self_click": True}, {}),
        (ConversionState.NOT_COUNTED_CLICK, {"method": "HEAD"}, {}),
        (ConversionState.UNKNOWN_CURRENCY, {}, {"currency": SEK}),
        (ConversionState.TEST, {}, {"test": True}),
    ],
)
async def test_a_state_is_told_by_name_and_lists_what_is_in_it(
    till: Till, stats: httpx2.AsyncClient, state: ConversionState, click: Mapping[str, Any], sale: Mapping[str, Any]
) -> None:
    """By its event, by its key, and among all of its state; no other state lists it."""
    event_id = await till.sale(await till.click(**click), **{**SALE, **sale})
    told = await _get(stats, event_id)
    assert told["state"] == state
    assert [row["event_id"] for row in await _list(stats, **KEY._asdict())] == [event_id]
    for other in set(ConversionState) - {ConversionState.DUPLICATE, ConversionState.CONFLICT}:
        assert [row["event_id"] for row in await _list(stats, state=other)] == [event_id] * (other is state)
    credited = state is ConversionState.CREDITED
    assert (len(told["counts"]) > 0, told["credited_currency"]) == (credited, "EUR" if credited else None)


async def test_a_value_that_a_rate_makes_too_large_says_so_and_names_the_rate(
    till: Till, stats: httpx2.AsyncClient
) -> None:
    """It waits for nothing and no rate is missing, for the one that there is is wrong; a right one credits it."""
    rates = RateStore(till.pipe.pool)
    wrong, right = Decimal(10) ** 11, Decimal("0.1")
    await rates.set_all({RateKey(SEK, date(2022, 2, 1)): wrong})
    event_id = await till.sale(await till.click(), **{**SALE, "currency": SEK})
    told = await _get(stats, event_id)
    assert (told["state"], told["rate"], told["rate_from"]) == ("value_too_large", f"{wrong:f}", "2022-02-01")
    assert (told["net_value_minor"], told["credited_value_minor"], told["counts"]) == (12_999, None, [])
    assert told["waits_for"] == {"clicks": [], "rate": None, "until": None}
    assert [row["event_id"] for row in await _list(stats, state="value_too_large")] == [event_id]
    assert (await stats.get("/v1/rates")).json()["missing"] == []
    await rates.set_all({RateKey(SEK, date(2022, 2, 1)): right})
    await attribute_all(AttributingStore(till.pipe.pool))
    told = await _get(stats, event_id)
    assert (told["state"], told["credited_value_minor"]) == ("credited", 1_300)


async def test_a_conversion_that_nobody_looked_at_is_received(till: Till, stats: httpx2.AsyncClient) -> None:
    """Its clicks are named, and nothing is said of them."""
    touch = await till.click()
    await till.pipe.take(
        till.facts.write(replace(PLAIN_CONVERSION, touches=(touch,), **SALE)), stream=Stream.CONVERSIONS
    )
    (told,) = await _list(stats, state="received")
    assert (told["decided_at"], told["window_s"], told["counts"]) == (None, None, [])
    assert [(one["click"], one["outcome"]) for one in told["touches"]] == [(touch.origin.event_id, None)]


async def test_a_conversion_before_its_click_names_what_it_waits_for(till: Till, stats: httpx2.AsyncClient) -> None:
    """And until when; once the click is there, it waits for nothing."""
    known = await till.click(method="HEAD")
    missing = NamedTouch(Origin(till.clicks.journal, Stream.CLICKS, till.clicks.partition, Seq(2)), CLICKED.date())
    event_id = await till.sale(known, missing, **SALE)
    told = await _get(stats, event_id)
    assert (told["state"], told["waits_for"]["clicks"]) == ("pending_click", [missing.origin.event_id])
    waits = datetime.fromisoformat(told["waits_for"]["until"]) - datetime.fromisoformat(told["logged_at"])
    assert waits == timedelta(days=7)
    assert [touch["outcome"] for touch in told["touches"]] == ["not_counted", "unknown"]
    await till.click()
    await till.attribute()
    told = await _get(stats, event_id)
    assert (told["state"], told["waits_for"]) == ("credited", {"clicks": [], "rate": None, "until": None})


async def test_a_value_without_a_rate_names_the_currency_and_the_day(
    till: Till, stats: httpx2.AsyncClient, admin: httpx2.AsyncClient
) -> None:
    """Once a rate is there, of a day before, the conversion is credited by it and says so."""
    event_id = await till.sale(await till.click(), **{**SALE, "currency": SEK})
    told = await _get(stats, event_id)
    assert told["waits_for"] == {"clicks": [], "rate": {"currency": "SEK", "day": "2022-02-14"}, "until": None}
    assert (await stats.get("/v1/rates")).json()["missing"] == [
        {"currency": "SEK", "first_day": "2022-02-14", "conversions": 1}
    ]
    rates = [{"currency": "SEK", "valid_from": day, "rate": rate} for day, rate in RATES.items()]
    await admin.put("/v1/rates", json={"rows": rates})
    await till.attribute()
    told = await _get(stats, event_id)
    assert (told["state"], told["rate"], told["rate_from"]) == ("credited", "0.09", "2022-02-10")
    assert (told["credited_value_minor"], told["credited_currency"]) == (1_170, "EUR")
    assert (await stats.get("/v1/rates")).json()["missing"] == []


RATES: Final = {"2022-01-01": "0.08", "2022-02-10": "0.09", "2022-02-15": "0.1"}


@pytest.mark.parametrize(
    ("currency", "value_minor", "credited"),
    [("JPY", 1_000, 750), ("EUR", 1_000, 1_000), ("KWD", 1_000, 290), ("SEK", 0, 0)],
)
async def test_minor_units_are_those_of_each_currency(
    till: Till, admin: httpx2.AsyncClient, currency: str, value_minor: int, credited: int
) -> None:
    """None of a yen, hundredths of a euro, thousandths of a dinar. Nothing is nothing, without a rate."""
    rates = {"JPY": "0.0075", "KWD": "2.9"}
    rows = [{"currency": one, "valid_from": "2022-01-01", "rate": rate} for one, rate in rates.items()]
    await admin.put("/v1/rates", json={"rows": rows})
    sale = {**SALE, "currency": Currency(currency), "value_minor": value_minor}
    told = await _get(admin, await till.sale(await till.click(), **sale))
    assert (told["state"], told["credited_value_minor"]) == ("credited", credited)


async def test_what_was_taken_back_is_shown_with_what_is_left(till: Till, stats: httpx2.AsyncClient) -> None:
    """Part of it first, then all of it."""
    event_id = await till.sale(await till.click(), **SALE)
    back = Reversal(BOUGHT, KEY, ReversalId("R-1"), 2_999)
    await till.report(back)
    told = await _get(stats, event_id)
    assert (told["state"], told["net_value_minor"], told["credited_value_minor"]) == ("credited", 10_000, 10_000)
    await till.report(replace(back, occurred_at=BOUGHT + timedelta(1), reversal_id=ReversalId("R-2"), value_minor=None))
    told = await _get(stats, event_id)
    assert (told["state"], told["counts"]) == ("reversed", [])
    assert [(one["reversal_id"], one["value_minor"], one["full"]) for one in told["reversals"]] == [
        ("R-1", 2_999, False),
        ("R-2", None, True),
    ]


async def test_a_key_lists_its_events_with_the_one_that_holds_first(till: Till, stats: httpx2.AsyncClient) -> None:
    """What a browser said is no conflict; another value is. Neither says anything of clicks: the holder does."""
    touch, other = await till.click(), await till.click()
    browser = await till.sale(touch, key=KEY, occurred_at=BOUGHT, via=Via.SCRIPT)
    holder = await till.sale(touch, **SALE)
    again = await till.sale(touch, **SALE)
    wrong = await till.sale(other, **{**SALE, "value_minor": 1})
    rows = await _list(stats, **KEY._asdict())
    known = [(holder, "credited"), (again, "duplicate"), (wrong, "conflict"), (browser, "duplicate")]
    assert [(row["event_id"], row["state"]) for row in rows] == known
    for row in rows:
        assert row["holder"] == holder
        assert [(one["event_id"], one["state"]) for one in row["events"]] == known
    conflict = await _get(stats, wrong)
    assert conflict["value_minor"] == 1
    assert [(one["click"], one["outcome"], one["weights"]) for one in conflict["touches"]] == [
        (other.origin.event_id, None, None)
    ]
    assert (conflict["decided_at"], conflict["counts"], conflict["reversals"]) == (None, [], [])


async def test_a_follower_shows_the_clicks_of_the_conversion_that_it_follows(
    till: Till, stats: httpx2.AsyncClient
) -> None:
    touch = await till.click()
    binder = await till.sale(touch, **SALE, customer=CUSTOMER)
    follower = await till.sale(
        key=ConversionKey("shop", "sale", "A-1002"), occurred_at=BOUGHT + timedelta(days=300), customer=CUSTOMER
    )
    told = await _get(stats, follower)
    assert (told["state"], told["follows"], told["day"]) == ("credited", binder, "2022-12-11")
    assert [(one["click"], one["outcome"], one["credited_millionths"]) for one in told["touches"]] == [
        (touch.origin.event_id, "earns", 1_000_000)
    ]


async def test_a_state_is_listed_page_by_page(till: Till, stats: httpx2.AsyncClient) -> None:
    """Each once, in the order in which they were first known."""
    touch = await till.click()
    expected = [
        await till.sale(touch, key=ConversionKey("shop", "sale", f"A-{number}"), occurred_at=BOUGHT)
        for number in range(5)
    ]
    read: list[str] = []
    path = "/v1/conversions?state=credited&limit=2"
    while path:
        answer = await stats.get(path)
        page = answer.json()
        read += [row["event_id"] for row in page["rows"]]
        path = answer.headers["link"].split(">")[0][1:] if page["next_cursor"] else ""
    assert read == expected


async def test_what_waits_is_counted(till: Till) -> None:
    """By what for; and what nobody has looked at yet, with how long a new fact waits. Corrections may wait."""
    store = ConversionStore(till.pipe.pool)
    assert await store.waiting() == Waiting({}, 0, 0.0)
    touch = await till.click()
    await till.sale(touch, **{**SALE, "currency": SEK})
    fact = replace(PLAIN_CONVERSION, touches=(touch,), key=ConversionKey("shop", "sale", "A-1002"))
    await till.pipe.take(till.facts.write(fact), stream=Stream.CONVERSIONS)
    waiting = await store.waiting()
    assert (waiting.by_state, waiting.marks) == ({ConversionState.UNKNOWN_CURRENCY: 1}, 1)
    assert waiting.oldest_mark_s > 0
    await till.attribute()
    async with connected(till.pipe.pool) as connection, connection.transaction():
        await mark_all(connection)
    waiting = await store.waiting()
    assert (waiting.marks, waiting.oldest_mark_s) == (2, 0)


async def test_what_is_no_conversion_says_why(till: Till, stats: httpx2.AsyncClient) -> None:
    """Not applied yet, a reversal, a heartbeat: as with clicks."""
    reversal = await till.report(Reversal(BOUGHT, KEY, ReversalId("R-1")))
    await till.pipe.take(till.facts.write(Heartbeat()), stream=Stream.CONVERSIONS)
    stranger = Pen(stream=Stream.CONVERSIONS)
    for event_id, why in (
        (reversal, "no_conversion"),
        (reversal.replace("-1", "-2"), "no_conversion"),
        (reversal[:-1] + "3", "not_applied"),
        (f"{stranger.journal.hex()}-v0-1", "unknown_journal"),
    ):
        answer = await stats.get(f"/v1/conversions/{event_id}")
        assert (answer.status_code, answer.json()["why"]) == (404, why), event_id
    assert await _list(stats, **KEY._asdict()) == []


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/00c0ffee00c0ffee-c7-42", "path/event_id"),
        ("/nonsense", "path/event_id"),
        ("", "query/state"),
        ("?source=shop&kind=sale", "query/external_id"),
        ("?source=shop&external_id=1", "query/kind"),
        ("?source=shop&source=shop&kind=sale&external_id=1", "query/source"),
        ("?source=&kind=sale&external_id=1", "query/source"),
        ("?source=shop&state=self", "query/state"),
        ("?source=shop&kind=sale&external_id=1&state=self", "query/state"),
        ("?state=duplicate", "query/state"),
        ("?state=conflict", "query/state"),
        ("?state=lost", "query/state"),
        ("?source=a/b&kind=sale&external_id=1", "query/source"),
        ("?source=shop&kind=sale&external_id=%00", "query/external_id"),
        (f"?source=shop&kind=sale&external_id={'1' * 201}", "query/external_id"),
        ("?state=self&limit=1001", "query/limit"),
        ("?state=self&cursor=x", "query/cursor"),
    ],
)
async def test_what_cannot_be_asked_is_refused(season: httpx2.AsyncClient, path: str, field: str) -> None:
    answer = await season.get(f"/v1/conversions{path}")
    assert (answer.status_code, fields_at_fault(answer)) == (422, [field])


async def test_a_key_of_which_parts_lack_says_which(season: httpx2.AsyncClient) -> None:
    answer = await season.get("/v1/conversions?source=shop")
    assert (
        answer.json()["detail"] == "query/kind: is missing beside source; query/external_id: is missing beside source"
    )
