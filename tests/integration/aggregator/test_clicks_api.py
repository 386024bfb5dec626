"""Each number can be traced to the clicks behind it: one by its name, a day's by page, and their total is the count."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from aggregator.programme.store import Programme, ProgrammeStore
from link_events.events import Click, Heartbeat
from link_events.identity import AdvocateId
from link_events.reasons import LinkState
from link_events.streams import Partition
from stage.asking import fields_at_fault
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe

DAY = "2022-02-14"
EVERY_FIELD = replace(
    PLAIN_CLICK,
    user_agent="curl/8.5.0 \N{GRINNING FACE} \N{LATIN SMALL LETTER E WITH ACUTE}",
    user_agent_cut=True,
    referrer_origin="https://www.linkedin.com",
    language="pt-BR",
    signals={"sec-fetch-mode": "navigate", "x-purpose": "preview"},
    country="BR",
    networks=("internal", "datacentre"),
    network_key="bmV0d29yaw",
    visitor="dmlzaXRvcg",
    self_click=True,
    test=True,
    link_state=LinkState.EXPIRED,
)


async def _page(api: httpx2.AsyncClient, **params: str) -> dict[str, Any]:
    answer = await api.get("/v1/clicks", params={"advocate_id": "ada.lovelace", "day": DAY, **params})
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def _name(pen: Pen, seq: int) -> str:
    return f"{pen.journal.hex()}-c{pen.partition}-{seq}"


async def test_a_click_is_found_by_its_name_with_all_that_is_known_of_it(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Every field that was captured, the verdict with its reasons, and the way it came."""
    pen = Pen(Partition(3))
    await pipe.take(pen.write(Heartbeat()), pen.write(EVERY_FIELD), partition=3)
    answer = (await stats.get(f"/v1/clicks/{_name(pen, 2)}")).json()
    captured = {
        "link_id": EVERY_FIELD.link_id,
        "code": EVERY_FIELD.code,
        "advocate_id": EVERY_FIELD.advocate_id,
        "link_state": "expired",
        "method": "GET",
        "user_agent": EVERY_FIELD.user_agent,
        "user_agent_cut": True,
        "referrer_origin": "https://www.linkedin.com",
        "language": "pt-BR",
        "signals": EVERY_FIELD.signals,
        "country": "BR",
        "networks": ["internal", "datacentre"],
        "network_key": "bmV0d29yaw",
        "visitor": "dmlzaXRvcg",
        "self_click": True,
        "test": True,
    }
    judged = {
        "verdict": "not_counted",
        "reasons": ["inactive_link", "preview_header", "named_bot:curl", "self_click", "test"],
        "rules_version": "plain-2",
        "verdict_version": 1,
    }
    way = {"journal": pen.journal.hex(), "partition": 3, "seq": 2, "log_offset": 1, "event_id": _name(pen, 2)}
    calendar = {"day": DAY, "week": "2022-W07", "quarter": "2022-Q1", "timezone": "UTC"}
    for name, value in {**captured, **judged, **way, **calendar}.items():
        assert answer[name] == value, name
    assert datetime.fromisoformat(answer["occurred_at"]) == EVERY_FIELD.occurred_at
    assert datetime.fromisoformat(answer["captured_at"]) == pen.captured_at
    assert datetime.fromisoformat(answer["logged_at"]) <= datetime.fromisoformat(answer["applied_at"])


async def test_a_click_that_was_not_applied_is_not_found(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Nor is a heartbeat, which is no click."""
    pen = Pen()
    await pipe.take(pen.write(PLAIN_CLICK), pen.write(Heartbeat()))
    assert (await stats.get(f"/v1/clicks/{_name(pen, 1)}")).status_code == 200
    for seq in (2, 3, 2**48 - 1):
        assert (await stats.get(f"/v1/clicks/{_name(pen, seq)}")).status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "nonsense",
        "00c0ffee00c0ffee-c7",
        "00c0ffee00c0ffee-c7-0",
        "00c0ffee00c0ffee-c256-1",
        "00C0FFEE00C0FFEE-c7-1",
        "00c0ffee00c0ffee-v7-1",
        "00c0ffee00c0ffee-c7-281474976710656",
        "00c0ffee00c0ffee-c7-1%00",
    ],
)
async def test_what_is_no_clicks_name_is_refused(season: httpx2.AsyncClient, name: str) -> None:
    """A conversion's name among them."""
    answer = await season.get(f"/v1/clicks/{name}")
    assert (answer.status_code, fields_at_fault(answer)) == (422, ["path/event_id"])


async def test_the_clicks_of_a_day_are_those_behind_its_count(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Per verdict: `total` is the count, and the rows are that many."""
    pen = Pen()
    others = [
        replace(PLAIN_CLICK, advocate_id=AdvocateId("bo")),
        replace(PLAIN_CLICK, occurred_at=datetime(2022, 2, 15, tzinfo=UTC)),
    ]
    clicks = [PLAIN_CLICK] * 4 + [replace(PLAIN_CLICK, method="HEAD")] * 3 + others
    await pipe.take(*(pen.write(click) for click in clicks))
    (count,) = (await stats.get(f"/v1/advocates/ada.lovelace/counts?from={DAY}&to={DAY}")).json()["rows"]
    for verdict, column in (("counted", 4), ("not_counted", 3), ("review", 0)):
        page = await _page(stats, verdict=verdict)
        assert page["total"] == len(page["rows"]) == count[f"{verdict}_clicks"] == column
        assert {row["verdict"] for row in page["rows"]} <= {verdict}
    everything = await _page(stats)
    assert everything["total"] == len(everything["rows"]) == count["raw_clicks"] == 7
    assert [row["seq"] for row in everything["rows"]] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue", "America/St_Johns", "UTC"])
async def test_a_local_day_has_all_its_clicks_whichever_utc_dates_it_touches(
    pipe: Pipe, stats: httpx2.AsyncClient, zone: str
) -> None:
    """From fourteen hours ahead to eleven behind: an hour apart, three days long, each is in the day that counts it."""
    await ProgrammeStore(pipe.pool).change(Programme(zone))
    pen = Pen()
    hours = [datetime(2022, 2, day, hour, 30, tzinfo=UTC) for day in (13, 14, 15) for hour in range(24)]
    await pipe.take(*(pen.write(replace(PLAIN_CLICK, occurred_at=instant)) for instant in hours))
    days = (await stats.get("/v1/advocates/ada.lovelace/counts")).json()["rows"]
    pages = {day["period"]: await _page(stats, day=day["period"]) for day in days}
    totals = {day: page["total"] for day, page in pages.items()}
    assert totals == {day: len(page["rows"]) for day, page in pages.items()}
    assert totals == {day["period"]: day["raw_clicks"] for day in days}
    assert sum(totals.values()) == 72
    assert totals[DAY] == 24


async def test_pages_lead_to_the_end_in_canonical_order(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Partition, then offset; by `Link` and `next_cursor` alike. The total is the same on every page."""
    for number in (2, 0, 1):
        pen = Pen(Partition(number))
        await pipe.take(*(pen.write(PLAIN_CLICK) for _ in range(5)), partition=number)
    whole = (await _page(stats))["rows"]
    assert [(row["partition"], row["log_offset"]) for row in whole] == [(p, o) for p in range(3) for o in range(5)]
    for limit in (1, 4, 5, 15, 16):
        rows: list[Any] = []
        url = f"/v1/clicks?advocate_id=ada.lovelace&day={DAY}&limit={limit}"
        while url:
            answer = await stats.get(url)
            page = answer.json()
            assert page["total"] == 15
            rows += page["rows"]
            assert rows == whole[: len(rows)]
            url = answer.links.get("next", {}).get("url", "")
            assert httpx2.URL(url).params.get("cursor") == page["next_cursor"]
        assert len(rows) == len(whole)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "query/advocate_id"),
        ("advocate_id=ada", "query/day"),
        ("advocate_id=a%00&day=2022-02-14", "query/advocate_id"),
        ("advocate_id=a@b.example&day=2022-02-14", "query/advocate_id"),
        ("advocate_id=ada&day=today", "query/day"),
        ("advocate_id=ada&day=0001-01-01", "query/day"),
        ("advocate_id=ada&day=9999-12-31", "query/day"),
        ("advocate_id=ada&day=2022-02-14&verdict=good", "query/verdict"),
        ("advocate_id=ada&day=2022-02-14&limit=0", "query/limit"),
        ("advocate_id=ada&day=2022-02-14&limit=1000000", "query/limit"),
    ],
)
async def test_a_wrong_parameter_is_refused_by_name(season: httpx2.AsyncClient, query: str, field: str) -> None:
    """The one that is missing, or the one that is none."""
    answer = await season.get(f"/v1/clicks?{query}")
    assert answer.status_code == 422
    assert field in fields_at_fault(answer)


async def test_a_day_without_clicks_has_none(season: httpx2.AsyncClient) -> None:
    """Also one of an advocate whom nobody knows, and the first and last that may be asked for."""
    for day in (DAY, "1970-01-01", "2999-12-31"):
        page = await _page(season, day=day)
        assert (page["total"], page["rows"], page["next_cursor"]) == (0, [], None)


async def test_a_click_of_strange_texts_is_shown_as_it_was_stored(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Quotes, control characters, bidirectional marks and what looks like SQL are texts like others."""
    strange = "'; DROP TABLE click; -- \"\\\t\n\x7f\u202e\U0010ffff"
    pen = Pen()
    click: Click = replace(PLAIN_CLICK, user_agent=strange, signals={strange: strange}, country=strange, visitor="")
    await pipe.take(pen.write(click))
    answer = (await stats.get(f"/v1/clicks/{_name(pen, 1)}")).json()
    assert (answer["user_agent"], answer["country"], answer["visitor"]) == (strange, strange, "")
    assert answer["signals"] == {strange: strange}
