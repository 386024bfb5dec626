"""Counts are read under any model: results are those that its weights give, and clicks are as they are."""

from datetime import timedelta
from typing import Any, Final

import httpx2
import pytest

from aggregator.programme.store import Programme, ProgrammeStore
from link_events.identity import AdvocateId, ConversionKey, Currency, CustomerHash, LinkId
from link_events.reasons import Model
from stage.asking import fields_at_fault
from stage.events import PLAIN_CLICK
from stage.pipe import Pipe
from stage.till import Till

FIRST: Final = PLAIN_CLICK.occurred_at
RESULTS: Final = ("credited_millionths", "value_minor", "by_click_millionths", "by_click_value_minor")
CUSTOMER: Final = CustomerHash(bytes(16))
EVERYWHERE: Final = [
    "/v1/advocates/ada/counts?granularity=day",
    "/v1/advocates/ada/counts?granularity=week",
    "/v1/advocates/ada/counts?granularity=quarter",
    "/v1/advocates/cy/counts?granularity=total",
    "/v1/counts?group_by=advocate&granularity=day",
    "/v1/counts?group_by=advocate&granularity=quarter",
    "/v1/counts?group_by=link&granularity=day",
    "/v1/counts?group_by=link&granularity=day&from=2022-02-15&to=2022-02-17",
    "/v1/counts?group_by=link&granularity=total",
]


@pytest.fixture
async def till(pipe: Pipe) -> Till:
    """After a sale that ada, bo and cy brought about on three days, and one more that follows it."""
    till = Till(pipe)
    touches = [
        await till.click(
            occurred_at=FIRST + timedelta(days=number), advocate_id=AdvocateId(advocate), link_id=LinkId(number)
        )
        for number, advocate in enumerate(("ada", "bo", "cy"), 1)
    ]
    await till.click(occurred_at=FIRST, advocate_id=AdvocateId("ada"), link_id=LinkId(1))
    money = {"value_minor": 1_001, "currency": Currency("EUR"), "customer": CUSTOMER}
    for number, named in ((1, touches), (2, ())):
        key, instant = ConversionKey("shop", "sale", f"A-{number}"), FIRST + timedelta(days=3, hours=number)
        await till.sale(*named, key=key, occurred_at=instant, **money)
    return till


async def _rows(api: httpx2.AsyncClient, path: str) -> list[dict[str, Any]]:
    answer = await api.get(path)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


@pytest.mark.parametrize("model", list(Model))
async def test_under_the_programmes_own_model_the_answer_is_the_counts(
    till: Till, stats: httpx2.AsyncClient, model: Model
) -> None:
    """Whichever it is, and however it is asked: to the last unit, row by row."""
    await ProgrammeStore(till.pipe.pool).change(Programme(attribution_model=model))
    await till.attribute()
    for path in EVERYWHERE:
        assert await _rows(stats, f"{path}&model={model}") == await _rows(stats, path), path


async def test_who_earns_nothing_by_the_counts_has_a_row_where_a_model_gives_something(
    till: Till, stats: httpx2.AsyncClient
) -> None:
    """On the day of the conversion, on which they have no click; values add up to the whole."""
    rows = await _rows(stats, "/v1/counts?group_by=advocate&granularity=day&model=linear")
    assert [
        (row["advocate_id"], row["period"], row["raw_clicks"], *(row[name] for name in RESULTS)) for row in rows
    ] == [
        ("ada", "2022-02-14", 1, 0, 0, 0, 0),
        ("ada", "2022-02-15", 1, 0, 0, 666_666, 666),
        ("ada", "2022-02-17", 0, 666_666, 666, 0, 0),
        ("bo", "2022-02-16", 1, 0, 0, 666_666, 668),
        ("bo", "2022-02-17", 0, 666_666, 668, 0, 0),
        ("cy", "2022-02-17", 1, 666_668, 668, 666_668, 668),
    ]
    assert {row["advocate_id"]: row["conversions"] for row in rows if row["period"] == "2022-02-17"} == {
        "ada": 0.666666,
        "bo": 0.666666,
        "cy": 0.666668,
    }


async def test_an_answer_names_its_model(till: Till, stats: httpx2.AsyncClient) -> None:
    """The one that was asked for, else the programme's."""
    for asked, model in (("", "last"), ("&model=position", "position")):
        for path in ("/v1/advocates/ada/counts?granularity=day", "/v1/counts?group_by=link"):
            assert (await stats.get(f"{path}{asked}")).json()["model"] == model


@pytest.mark.parametrize("group_by", ["advocate", "link"])
async def test_pages_under_a_model_have_every_row_once(till: Till, stats: httpx2.AsyncClient, group_by: str) -> None:
    path = f"/v1/counts?group_by={group_by}&granularity=day&model=linear"
    whole = await _rows(stats, path)
    read: list[dict[str, Any]] = []
    page = f"{path}&limit=2"
    while page:
        answer = await stats.get(page)
        read += answer.json()["rows"]
        page = answer.headers["link"].split(">")[0][1:] if answer.json()["next_cursor"] else ""
    assert read == whole


async def test_a_model_that_there_is_not_is_refused(season: httpx2.AsyncClient) -> None:
    answer = await season.get("/v1/counts?group_by=link&model=best")
    assert (answer.status_code, fields_at_fault(answer)) == (422, ["query/model"])
