"""What other systems report is journaled before it is answered, row by row; what is wrong is refused, row by row."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio

from database.keys import Scope, create_key
from link_events.click_ids import verify_click_id
from link_events.customers import customer_hash
from link_events.events import VALUE_MINOR_MAX, Activity, Conversion, NamedTouch, Reversal, key_of_fact, stream_of
from link_events.identity import AdvocateId, ConversionKey, Currency, ReversalId
from link_events.reasons import ActivityKind, Via
from link_events.streams import partition_of
from redirector.conversions.reading import AHEAD_MAX
from redirector.routes.conversions import ROWS_MAX
from redirector.rows import FIELDS_MAX
from stage.asking import fields_at_fault
from stage.conversions import (
    ACTIVITY,
    CONVERSION,
    LONG_AGO,
    REPORTS,
    REVERSAL,
    click_id_of,
    event_ids,
    facts_in,
    reported,
)
from stage.redirectors import RunningRedirector
from stage.sql import fetch

pytestmark = pytest.mark.asyncio(loop_scope="module")

AS_JSON: Final = {"Content-Type": "application/json"}
THEN: Final = datetime.fromisoformat(LONG_AGO)
KEY: Final = ConversionKey("shop", "sale", "A-1001")

every_report = pytest.mark.parametrize("path", REPORTS)


@pytest_asyncio.fixture(loop_scope="module")
async def nothing_kept(shared: RunningRedirector) -> AsyncIterator[None]:
    """Whatever a test sends, nothing is journaled."""
    before = shared.service.own.journal.end
    yield
    assert shared.service.own.journal.end == before


def touch_of(redirector: RunningRedirector, click_id: str) -> NamedTouch:
    """The click that a valid id names."""
    ring = redirector.service.keys.ring
    assert ring is not None
    click = verify_click_id(click_id, ring.secrets).click
    assert click is not None
    return NamedTouch(click.origin, click.utc_day)


async def report_one(redirector: RunningRedirector, path: str, row: object) -> httpx2.Response:
    """Report one row as the body; what need not be a text in UTF-8 is written as JSON can."""
    return await redirector.ask("POST", path, content=json.dumps(row).encode(), headers=AS_JSON)


async def report_rows(redirector: RunningRedirector, path: str, *rows: object) -> list[Mapping[str, Any]]:
    """Report several; what is answered to each."""
    answer = await report_one(redirector, path, {"rows": rows})
    assert answer.status_code == HTTPStatus.ACCEPTED, answer.text
    told: list[Mapping[str, Any]] = answer.json()["rows"]
    return told


async def test_a_conversion_is_journaled_as_it_was_reported(shared: RunningRedirector, module_dsn: str) -> None:
    """The clicks that its ids name, in their order and each once; of the customer a hash. No id as it was sent."""
    code = (await shared.issue())["code"]
    ids = [await click_id_of(shared, code) for _ in range(3)]
    said = {"click_ids": [ids[2], ids[0], ids[2]], "value_minor": 12_999, "currency": "EUR", "test": True}
    answer = await shared.ask("POST", "/v1/conversions", json=CONVERSION | said)
    (event_id,) = event_ids(answer)
    assert answer.json() == {"status": "received", "event_id": event_id}
    (secret,) = (await fetch(module_dsn, "SELECT secret FROM customer_key"))[0]
    touches = (touch_of(shared, ids[0]), touch_of(shared, ids[2]))
    customer = customer_hash("ada@example.com", secret)
    value = (12_999, Currency("EUR"))
    assert facts_in(shared)[event_id].data == Conversion(THEN, KEY, touches, customer, *value, Via.API, test=True)


async def test_a_reversal_is_journaled_as_it_was_reported(shared: RunningRedirector) -> None:
    """All of it, or so much of its value; nobody asks whether there is such a conversion."""
    events = await reported(shared, "/v1/reversals", [REVERSAL, REVERSAL | {"reversal_id": "R/2", "value_minor": 1}])
    assert [event.data for event in events] == [
        Reversal(THEN, KEY, ReversalId("R-1")),
        Reversal(THEN, KEY, ReversalId("R/2"), 1),
    ]


async def test_an_activity_is_journaled_as_it_was_reported(shared: RunningRedirector) -> None:
    about = {"channel": " linkedin ", "content_id": "post-7", "category": "news"}
    events = await reported(shared, "/v1/activities", [ACTIVITY, ACTIVITY | about | {"kind": "session"}])
    ada = AdvocateId("ada")
    assert [event.data for event in events] == [
        Activity(THEN, "board", "s-77", ActivityKind.SHARE, ada),
        Activity(THEN, "board", "s-77", ActivityKind.SESSION, ada, "linkedin", "post-7", "news"),
    ]


async def test_what_concerns_one_conversion_lies_in_one_partition(shared: RunningRedirector) -> None:
    """Whoever reports it, and whatever its id is made of; activities lie where their advocate's clicks do."""
    texts = ["A-1001", "a/b", "ß 🎉", "x" * 200]
    sales = await reported(shared, "/v1/conversions", [CONVERSION | {"external_id": text} for text in texts])
    refunds = await reported(shared, "/v1/reversals", [REVERSAL | {"external_id": text} for text in texts])
    shares = await reported(shared, "/v1/activities", [ACTIVITY | {"advocate_id": name} for name in ("ada", "bob")])
    partitions = shared.service.own.journal.partitions
    for event in (*sales, *refunds, *shares):
        assert isinstance(event.data, Conversion | Reversal | Activity)
        assert event.origin.stream is stream_of(event.data)
        assert event.origin.partition == partition_of(key_of_fact(event.data), partitions)
    assert [event.origin.partition for event in sales] == [event.origin.partition for event in refunds]


@every_report
async def test_the_same_row_is_journaled_as_often_as_it_is_reported(shared: RunningRedirector, path: str) -> None:
    """That it counts once is settled later, for all redirectors alike."""
    events = await reported(shared, path, [REPORTS[path]] * 3)
    assert len({event.origin for event in events}) == 3
    assert len({str(event.data) for event in events}) == 1


TEXTS: Final[list[Any]] = [None, 7, "", "a\0", "a\n", "a\x7f", "\ud800", "x" * 201, [], {}]
NAMES: Final[list[Any]] = [None, 7, "", "a b", "a/b", "a@b", "ä", "a\n", "\ud800", "x" * 65, []]
WORDS: Final = [7, "", "  ", "a\0b", "a\nb", "\ud800", "x" * 201, []]
TIMES: Final[list[Any]] = [
    *(None, "", "soon", "2022-01-01", "2022-01-01T00:00:00", "2022-02-30T00:00:00Z", [], 1e300, -1e300, {}),
    *(1_700_000_000, 1_700_000_000.5, True, "1700000000", " 1700000000.5 "),
    *("1999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"),
    *("2000-01-01T00:00:00+00:01", (datetime.now(UTC) + timedelta(hours=2)).isoformat()),
]
BAD_VALUES: Final[Mapping[str, Mapping[str, list[Any]]]] = {
    "/v1/conversions": {
        "source": NAMES,
        "kind": NAMES,
        "external_id": TEXTS,
        "time": TIMES,
        "click_ids": [None, "a", 7, {}, ["a"] * 201],
        "customer_id": ["", 7, "\ud800", "x" * 201, [], {}],
        "value_minor": [7, "7", 1.0, 1.5, True, -1, VALUE_MINOR_MAX + 1, []],
        "currency": ["EUR", 7, []],
        "test": [None, "maybe", "yes", 1, 7, []],
    },
    "/v1/reversals": {
        "source": NAMES,
        "kind": NAMES,
        "external_id": TEXTS,
        "reversal_id": TEXTS,
        "time": TIMES,
        "value_minor": ["7", 1.0, True, -1, 0, VALUE_MINOR_MAX + 1, []],
    },
    "/v1/activities": {
        "source": NAMES,
        "external_id": TEXTS,
        "kind": [None, 7, "", "click", "SHARE", []],
        "advocate_id": [None, 7, "", "a b", "a@b", "ä", "a\n", "\ud800", "a" * 65, [], {}],
        "time": TIMES,
        **dict.fromkeys(["channel", "content_id", "category"], WORDS),
    },
}
OTHER_FIELD: Final[dict[str, dict[Any, str]]] = {"value_minor": {7: "currency"}, "currency": {"EUR": "value_minor"}}
"""A field that has a fault because another is given: the one that is missing is named."""


def named(field: str, value: object) -> str:
    """The field that has to be named where `value` is wrong in `field`."""
    return OTHER_FIELD.get(field, {}).get(value, field) if isinstance(value, str | int) else field


@pytest.mark.parametrize(("path", "field"), [(path, field) for path, bad in BAD_VALUES.items() for field in bad])
async def test_a_bad_field_is_named_alone_and_among_others(
    shared: RunningRedirector, nothing_kept: None, path: str, field: str
) -> None:
    """And it alone, whatever is wrong with it."""
    values = BAD_VALUES[path][field]
    rows = [REPORTS[path] | {field: value} for value in values]
    for value, row in zip(values, rows, strict=True):
        answer = await report_one(shared, path, row)
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, value
        assert answer.json()["type"] == "urn:advolink:problem:invalid-field"
        assert {name.split("/")[0] for name in fields_at_fault(answer)} == {named(field, value)}, value
    told = await report_rows(shared, path, *rows)
    assert {row["status"] for row in told} == {"invalid"}
    assert [row["field"].split("/")[0] for row in told] == [named(field, value) for value in values]
    assert all(row["detail"] for row in told)


@every_report
async def test_a_field_that_is_missing_or_unknown_is_named(
    shared: RunningRedirector, nothing_kept: None, path: str
) -> None:
    """A single row is told of all at once."""
    required = set(REPORTS[path]) - {"customer_id"}
    assert set(fields_at_fault(await report_one(shared, path, {"orderid": 1}))) == required | {"orderid"}
    for field in required:
        row = {name: value for name, value in REPORTS[path].items() if name != field}
        assert [told["field"] for told in await report_rows(shared, path, row)] == [field]


@every_report
async def test_a_row_that_is_far_too_wide_is_told_so_alone(
    shared: RunningRedirector, nothing_kept: None, path: str
) -> None:
    """Were each of its fields named, one request would cost seconds in which nobody is redirected."""
    row = REPORTS[path] | {str(number): 1 for number in range(FIELDS_MAX)}
    answer = await report_one(shared, path, row)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert fields_at_fault(answer) == ["body"]
    told = await report_rows(shared, path, row)
    assert [(one["status"], one["field"]) for one in told] == [("invalid", "row")]


@every_report
async def test_what_is_no_row_is_refused_by_itself(shared: RunningRedirector, path: str) -> None:
    """The others are taken."""
    strange: list[Any] = [None, 7, "text", [], True, 1.5, {"\ud800": 1}]
    told = await report_rows(shared, path, *strange, REPORTS[path])
    assert [row["status"] for row in told] == ["invalid"] * len(strange) + ["received"]
    assert [row["field"] for row in told[:6]] == ["row"] * 6


async def test_a_conversion_that_nobody_could_be_credited_with_is_refused(
    shared: RunningRedirector, nothing_kept: None
) -> None:
    """It names neither a click nor a customer."""
    by_nobody = CONVERSION | {"customer_id": None}
    for row in (by_nobody, by_nobody | {"click_ids": []}):
        assert fields_at_fault(await report_one(shared, "/v1/conversions", row)) == ["click_ids"]


async def test_what_stands_at_a_limit_is_taken(shared: RunningRedirector) -> None:
    """As it was said, to the letter."""
    latest = (datetime.now(UTC) + AHEAD_MAX).isoformat()
    widest = {"source": "x" * 64, "kind": "A.b_9-", "external_id": "ä" * 200, "customer_id": " \n" * 100}
    sales: list[dict[str, Any]] = [
        {"time": "2000-01-01T00:00:00Z"},
        {"time": latest},
        {"time": "2026-03-01T14:00:00.123456+02:00"},
        {"value_minor": 0, "currency": "JPY"},
        {"value_minor": VALUE_MINOR_MAX, "currency": "KWD"},
        widest,
    ]
    events = await reported(shared, "/v1/conversions", [CONVERSION | row for row in sales])
    data = [event.data for event in events]
    assert all(isinstance(one, Conversion) for one in data)
    said = [(one.occurred_at, one.value_minor, one.key) for one in data if isinstance(one, Conversion)]
    assert said[1][0] == datetime.fromisoformat(latest)
    assert said[2][0] == datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert [value for _, value, _ in said] == [None, None, None, 0, VALUE_MINOR_MAX, None]
    assert said[5][2] == ConversionKey("x" * 64, "A.b_9-", "ä" * 200)
    assert len(await reported(shared, "/v1/reversals", [REVERSAL | {"value_minor": VALUE_MINOR_MAX}])) == 1
    assert len(await reported(shared, "/v1/activities", [ACTIVITY | {"channel": "x" * 200}])) == 1


async def test_customers_are_told_apart_to_the_letter(shared: RunningRedirector) -> None:
    ids = ["ada", "ada", "Ada", "ada ", "\u00e5da", "a\u030ada"]
    events = await reported(shared, "/v1/conversions", [CONVERSION | {"customer_id": one} for one in ids])
    hashes = [event.data.customer for event in events if isinstance(event.data, Conversion)]
    assert len(hashes) == 6
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 5


async def test_two_hundred_clicks_are_named_at_most(shared: RunningRedirector) -> None:
    code = (await shared.issue())["code"]
    ids = [await click_id_of(shared, code) for _ in range(200)]
    (event,) = await reported(shared, "/v1/conversions", [CONVERSION | {"click_ids": ids}])
    assert isinstance(event.data, Conversion)
    assert set(event.data.touches) == {touch_of(shared, one) for one in ids}


@every_report
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rows": []}, "rows"),
        ({"rows": None}, "rows"),
        ({"rows": {}}, "rows"),
        ({"rows": [7] * (ROWS_MAX + 1)}, "rows"),
        ({"rows": [7], "source": "shop"}, "source"),
        ({"rows": [7], "\ud800": 1}, "body"),
        ([], "body"),
        (None, "body"),
        ("rows", "body"),
    ],
)
async def test_what_is_neither_a_row_nor_rows_is_refused(
    shared: RunningRedirector, nothing_kept: None, path: str, body: object, field: str
) -> None:
    """One at least, and not too many."""
    answer = await report_one(shared, path, body)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert fields_at_fault(answer) == [field]


@every_report
async def test_only_a_key_with_the_scope_may_report(
    shared: RunningRedirector, nothing_kept: None, module_dsn: str, path: str
) -> None:
    """Neither one that writes links nor none at all."""
    other = await create_key(module_dsn, name="other", scopes=[Scope.LINKS_WRITE, Scope.STATS_READ])
    answer = await shared.ask("POST", path, json=REPORTS[path], headers={"Authorization": f"Bearer {other}"})
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "conversions:write" in answer.json()["detail"]
    answer = await shared.client.post(path, json=REPORTS[path])
    assert answer.status_code == HTTPStatus.UNAUTHORIZED


@every_report
async def test_that_scope_is_enough(shared: RunningRedirector, module_dsn: str, path: str) -> None:
    reporter = await create_key(module_dsn, name="shop", scopes=[Scope.CONVERSIONS_WRITE])
    answer = await shared.ask("POST", path, json=REPORTS[path], headers={"Authorization": f"Bearer {reporter}"})
    assert answer.status_code == HTTPStatus.ACCEPTED


async def test_fifteen_hundred_rows_have_an_answer_each_in_their_order(shared: RunningRedirector) -> None:
    """Whatever is wrong with the others; what is received is journaled in that order too."""
    code = (await shared.issue())["code"]
    click_id = await click_id_of(shared, code)
    forged = click_id[:-1] + ("A" if click_id[-1] != "A" else "B")
    kinds: list[dict[str, Any]] = [
        {},
        {"time": "soon"},
        {"click_ids": [click_id]},
        {"click_ids": [click_id, forged]},
        {"value_minor": 1, "currency": "XXX"},
    ]
    rows = [CONVERSION | {"external_id": f"B-{number}"} | kinds[number % 5] for number in range(1_500)]
    before = await shared.metric('advolink_conversions_received_total{answer="bad_signature"}')
    told = await report_rows(shared, "/v1/conversions", *rows)
    assert [row["status"] for row in told] == ["received", "invalid", "received", "bad_signature", "invalid"] * 300
    assert [row.get("field") for row in told] == [None, "time", None, "click_ids/1", "currency"] * 300
    assert {row["detail"] for row in told if row["status"] == "bad_signature"} == {"forged"}
    facts = facts_in(shared)
    found = [facts[row["event_id"]] for row in told if row["status"] == "received"]
    names = [event.data.key.external_id for event in found if isinstance(event.data, Conversion)]
    assert names == [f"B-{number}" for number in range(1_500) if number % 5 in {0, 2}]
    counted = await shared.metric('advolink_conversions_received_total{answer="bad_signature"}') - before
    assert counted == 300


@every_report
async def test_as_many_rows_as_there_may_be_are_taken(shared: RunningRedirector, path: str) -> None:
    assert len(await reported(shared, path, [REPORTS[path]] * ROWS_MAX)) == ROWS_MAX
