"""Counts are answered as they are stored: by advocate or link, day, week, quarter or in total, cut and paged."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx2
import pytest

from aggregator.programme.store import Programme, ProgrammeStore
from aggregator.results.adding import Results
from aggregator.results.store import add_results
from database.pool import connected
from link_events.events import Heartbeat, Sealed
from link_events.identity import Currency
from link_events.periods import Weekday
from link_events.reasons import ActivityKind, Model
from link_events.streams import Partition
from stage.asking import fields_at_fault
from stage.clicked import SEASON, Clicked, counted, stock
from stage.credited import Earned, Sale, credit
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe

GRANULARITIES = ["day", "week", "quarter", "total"]
RANGES = [
    (None, None),
    ("2022-01-01", None),
    (None, "2022-02-28"),
    ("2022-01-05", "2022-04-02"),
    ("2022-02-01", "2022-02-01"),
    ("1970-01-01", "2999-12-31"),
]

CREDITS = (
    *("conversions", "credited_millionths", "value_minor"),
    *("conversions_by_click", "by_click_millionths", "by_click_value_minor"),
)
ACTIVITIES = ("shares", "sessions", "engagements")


async def _rows(api: httpx2.AsyncClient, path: str, **params: Any) -> list[dict[str, Any]]:
    given = {name.rstrip("_"): value for name, value in params.items() if value is not None}
    answer = await api.get(path, params=given)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


def _figures(rows: list[dict[str, Any]], key: str, granularity: str) -> list[tuple[Any, ...]]:
    period = "total" if granularity == "total" else None
    columns = ("raw_clicks", "counted_clicks", "not_counted_clicks")
    return [(row.get(key), period or row["period"], *(row[column] for column in columns)) for row in rows]


def _limits(first: str | None, last: str | None) -> dict[str, date]:
    return {name: date.fromisoformat(day) for name, day in (("first", first), ("last", last)) if day}


@pytest.mark.parametrize("granularity", GRANULARITIES)
async def test_an_advocates_counts_are_those_of_the_clicks(season: httpx2.AsyncClient, granularity: str) -> None:
    """For every range; periods without clicks are left out. Verdicts add up to raw."""
    for first, last in RANGES:
        rows = await _rows(season, "/v1/advocates/ada/counts", granularity=granularity, from_=first, to=last)
        expected = counted(lambda one: one.advocate, granularity, **_limits(first, last))
        figures = [("ada", *figure[1:]) for figure in _figures(rows, "advocate_id", granularity)]
        assert figures == [figure for figure in expected if figure[0] == "ada"], (first, last)
        assert all(row["review_clicks"] == 0 for row in rows)


@pytest.mark.parametrize("group_by", ["advocate", "link"])
@pytest.mark.parametrize("granularity", GRANULARITIES)
async def test_everybodys_counts_are_those_of_the_clicks(
    season: httpx2.AsyncClient, group_by: str, granularity: str
) -> None:
    """Grouped by advocate or link, in the order of their ids and then of time."""
    key = f"{group_by}_id"
    by = (lambda one: one.advocate) if group_by == "advocate" else (lambda one: one.link)
    for first, last in RANGES:
        rows = await _rows(season, "/v1/counts", group_by=group_by, granularity=granularity, from_=first, to=last)
        expected = counted(by, granularity, **_limits(first, last))
        assert _figures(rows, key, granularity) == expected, (first, last)


async def test_a_quarter_is_the_sum_of_its_days(season: httpx2.AsyncClient) -> None:
    """Whether it is read from the quarters' table or cut out of the days."""
    path = "/v1/advocates/ada/counts"
    whole = await _rows(season, path, granularity="quarter")
    cut = await _rows(season, path, granularity="quarter", from_="2000-01-01", to="2999-12-31")
    days = await _rows(season, path, granularity="day")
    assert whole == cut
    for quarter in whole:
        inside = [day for day in days if quarter["period_start"] <= day["period"] <= quarter["period_end"]]
        for column in ("raw_clicks", "counted_clicks", "not_counted_clicks", "review_clicks"):
            assert sum(day[column] for day in inside) == quarter[column]


async def test_a_link_is_shown_with_its_code_and_its_advocate(season: httpx2.AsyncClient) -> None:
    """An advocate without either."""
    links = await _rows(season, "/v1/counts", group_by="link")
    shown = [(row["link_id"], row["code"], row["advocate_id"]) for row in links]
    assert shown == [(1, "code1", "ada"), (2, "code2", "ada"), (3, "code3", "bo"), (4, "code4", "cy")]
    advocates = await _rows(season, "/v1/counts", group_by="advocate")
    assert [(row["advocate_id"], row["link_id"], row["code"]) for row in advocates] == [
        (advocate, None, None) for advocate in ("ada", "bo", "cy")
    ]


async def test_a_period_says_where_it_begins_and_ends_and_whether_it_was_cut(season: httpx2.AsyncClient) -> None:
    """Cut by `from` and `to`, not by days without clicks."""
    rows = await _rows(season, "/v1/advocates/ada/counts", granularity="quarter", from_="2022-01-01", to="2022-04-02")
    assert [(row["period"], row["period_start"], row["period_end"], row["partial"]) for row in rows] == [
        ("2022-Q1", "2022-01-01", "2022-03-31", False),
        ("2022-Q2", "2022-04-01", "2022-06-30", True),
    ]
    weeks = await _rows(season, "/v1/advocates/ada/counts", granularity="week", from_="2022-01-05", to="2022-01-16")
    assert [(row["period"], row["period_start"], row["partial"]) for row in weeks] == [
        ("2022-W01", "2022-01-03", True),
        ("2022-W02", "2022-01-10", False),
    ]
    (total,) = await _rows(season, "/v1/advocates/ada/counts", granularity="total", from_="2022-01-05")
    assert (total["period_start"], total["partial"]) == ("2022-01-05", False)


async def test_weeks_begin_on_the_programmes_first_day(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Only a week from Monday to Sunday has a number."""
    await stock(pipe)
    await ProgrammeStore(pipe.pool).change(Programme("UTC", Weekday.SUNDAY))
    weeks = await _rows(stats, "/v1/advocates/bo/counts", granularity="week", to="2022-01-08")
    assert [row["period"] for row in weeks] == ["2021-12-26/2022-01-01", "2022-01-02/2022-01-08"]
    assert sum(row["raw_clicks"] for row in weeks) == sum(
        one.advocate == "bo" and one.day <= date(2022, 1, 8) for one in SEASON
    )


async def test_conversions_are_counted_on_their_own_day_and_by_the_clicks(
    pipe: Pipe, stats: httpx2.AsyncClient
) -> None:
    """Credits in millionths, values in the programme's currency; an advocate who has nothing else has a row as well."""
    await stock(pipe)
    await ProgrammeStore(pipe.pool).change(
        Programme(currency=Currency("SEK"), attribution_model=Model.LINEAR, browser_origins=())
    )
    clicked = [
        Earned("ada", 1, date(2021, 12, 27)),
        Earned("ada", 1, date(2022, 1, 1)),
        Earned("dora", 9, date(2022, 1, 1)),
    ]
    await credit(pipe, Sale(1, date(2022, 1, 1), 100, clicked))
    answer = (await stats.get("/v1/counts?group_by=advocate&granularity=quarter&to=2022-03-31")).json()
    assert (answer["currency"], answer["model"]) == ("SEK", "linear")
    rows = {(row["advocate_id"], row["period"]): [row[name] for name in CREDITS] for row in answer["rows"]}
    assert rows["ada", "2021-Q4"] == [0, 0, 0, 0.333333, 333_333, 33]
    assert rows["ada", "2022-Q1"] == [0.666666, 666_666, 66, 0.333333, 333_333, 33]
    assert rows["dora", "2022-Q1"] == [0.333334, 333_334, 34, 0.333334, 333_334, 34]
    assert rows["bo", "2022-Q1"] == [0, 0, 0, 0, 0, 0]
    for granularity in ("day", "week", "quarter", "total"):
        for path in ("/v1/advocates/ada/counts?", "/v1/counts?group_by=link&"):
            rows_ = (await stats.get(f"{path}granularity={granularity}")).json()["rows"]
            mine = [row for row in rows_ if row.get("link_id") in (None, 1)]
            assert sum(row["credited_millionths"] for row in mine) == 666_666
            assert sum(row["by_click_value_minor"] for row in mine) == 66


async def test_activities_stand_beside_an_advocates_clicks(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """By kind. A link has none: null, never 0, which would be a number."""
    await pipe.take(Pen().write(PLAIN_CLICK))
    results = Results()
    for kind in (ActivityKind.SHARE, ActivityKind.SHARE, ActivityKind.ENGAGEMENT):
        results.add_activity(PLAIN_CLICK.advocate_id, date(2022, 2, 13), kind)
    async with connected(pipe.pool) as connection, connection.transaction():
        await add_results(connection, Partition(0), results)
    days = await _rows(stats, f"/v1/advocates/{PLAIN_CLICK.advocate_id}/counts")
    assert [(row["period"], row["raw_clicks"], *(row[name] for name in ACTIVITIES)) for row in days] == [
        ("2022-02-13", 0, 2, 0, 1),
        ("2022-02-14", 1, 0, 0, 0),
    ]
    (quarter,) = await _rows(stats, f"/v1/advocates/{PLAIN_CLICK.advocate_id}/counts", granularity="quarter")
    assert [quarter[name] for name in ("raw_clicks", *ACTIVITIES)] == [1, 2, 0, 1]
    (link,) = await _rows(stats, "/v1/counts", group_by="link")
    assert [link[name] for name in ("raw_clicks", *ACTIVITIES)] == [1, None, None, None]


async def test_an_advocate_nobody_knows_is_not_found(season: httpx2.AsyncClient) -> None:
    """One without clicks is known and has no rows; one without a row of their own but with clicks is known too."""
    assert (await season.get("/v1/advocates/nobody/counts")).status_code == 404
    assert await _rows(season, "/v1/advocates/idle/counts", granularity="quarter") == []
    assert await _rows(season, "/v1/advocates/idle/counts", granularity="day", from_="2022-01-01") == []


async def test_an_advocate_known_by_clicks_alone_is_known(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """A count is answered for whatever became of the row it points to."""
    await pipe.take(Pen().write(PLAIN_CLICK))
    (row,) = await _rows(stats, "/v1/advocates/ada.lovelace/counts")
    assert (row["period"], row["raw_clicks"]) == ("2022-02-14", 1)
    (link,) = await _rows(stats, "/v1/counts", group_by="link")
    assert (link["link_id"], link["code"], link["advocate_id"]) == (4711, None, None)


async def test_before_the_first_click_there_are_no_rows(stats: httpx2.AsyncClient) -> None:
    """And nothing is known to be complete."""
    for granularity in GRANULARITIES:
        answer = (await stats.get(f"/v1/counts?group_by=advocate&granularity={granularity}")).json()
        assert (answer["rows"], answer["next_cursor"], answer["complete_through"]) == ([], None, None)
        assert answer["provisional"] is True


@pytest.mark.parametrize("group_by", ["advocate", "link"])
@pytest.mark.parametrize("granularity", GRANULARITIES)
async def test_pages_lead_to_the_end_and_add_up_to_the_whole(
    season: httpx2.AsyncClient, group_by: str, granularity: str
) -> None:
    """By `Link` and by `next_cursor` alike, whatever the size of a page; the last one leads nowhere."""
    params = {"group_by": group_by, "granularity": granularity, "from": "2022-01-03"}
    whole = (await season.get("/v1/counts", params=params)).json()["rows"]
    for limit in (1, 2, 3, 7, len(whole), len(whole) + 1):
        rows: list[Any] = []
        pages = 0
        url = f"/v1/counts?{httpx2.QueryParams({**params, 'limit': limit})}"
        while url:
            answer = await season.get(url)
            page = answer.json()
            rows += page["rows"]
            assert rows == whole[: len(rows)]
            pages += 1
            assert len(page["rows"]) <= limit
            url = answer.links.get("next", {}).get("url", "")
            assert httpx2.URL(url).params.get("cursor") == page["next_cursor"]
        assert len(rows) == len(whole)
        assert pages == max(1, -(-len(whole) // limit))


async def test_a_page_goes_on_where_the_one_before_it_ended_although_counts_grow(
    pipe: Pipe, stats: httpx2.AsyncClient
) -> None:
    """An older click moves the first period; no row comes twice and none is left out."""
    await stock(pipe)
    params = {"group_by": "advocate", "granularity": "week", "limit": "5"}
    first = (await stats.get("/v1/counts", params=params)).json()
    early = replace(PLAIN_CLICK, occurred_at=PLAIN_CLICK.occurred_at.replace(year=2020))
    await pipe.take(Pen(Partition(1)).write(early), partition=1)
    second = (await stats.get("/v1/counts", params={**params, "cursor": first["next_cursor"], "limit": "900"})).json()
    figures = _figures(first["rows"] + second["rows"], "advocate_id", "week")
    assert [figure for figure in figures if figure[0] != "ada.lovelace"] == counted(lambda one: one.advocate, "week")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("granularity=month", "query/granularity"),
        ("from=yesterday", "query/from"),
        ("from=2022-02-30", "query/from"),
        ("to=10000-01-01", "query/to"),
        ("from=0001-01-01", "query/from"),
        ("to=9999-12-31", "query/to"),
        ("from=1969-12-31", "query/from"),
        ("to=3000-01-01", "query/to"),
        ("from=2022-02-02&to=2022-02-01", "query/to"),
        ("from=2022-02-02T00:00:00Z", "query/from"),
        ("from=86400", "query/from"),
        ("from=", "query/from"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/advocates/ada/counts?", "/v1/counts?group_by=link&"])
async def test_a_wrong_parameter_is_refused_by_name(
    season: httpx2.AsyncClient, path: str, query: str, field: str
) -> None:
    """Dates are dates: no instants, no seconds since 1970, none that no calendar can reckon with."""
    answer = await season.get(path + query)
    assert answer.status_code == 422, answer.text
    assert fields_at_fault(answer) == [field]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/counts", "query/group_by"),
        ("/v1/counts?group_by=team", "query/group_by"),
        ("/v1/counts?group_by=link&limit=0", "query/limit"),
        ("/v1/counts?group_by=link&limit=10001", "query/limit"),
        ("/v1/counts?group_by=link&limit=many", "query/limit"),
        ("/v1/advocates/ada@example.com/counts", "path/advocate_id"),
        ("/v1/advocates/%00/counts", "path/advocate_id"),
        (f"/v1/advocates/{'a' * 65}/counts", "path/advocate_id"),
        ("/v1/advocates/ada%0A/counts", "path/advocate_id"),
    ],
)
async def test_a_wrong_key_or_limit_is_refused_by_name(season: httpx2.AsyncClient, path: str, field: str) -> None:
    """A limit has a bound, an advocate's id a shape."""
    answer = await season.get(path)
    assert answer.status_code == 422, answer.text
    assert fields_at_fault(answer) == [field]


async def test_an_answer_says_how_fresh_it_is(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """As of when, complete up to the slowest journal, in which zone, and whether the numbers may still grow."""
    fast, slow = Pen(), Pen()
    await pipe.take(*(fast.write(PLAIN_CLICK) for _ in range(50)))
    await pipe.take(slow.write(PLAIN_CLICK), slow.write(Heartbeat()))
    before = datetime.now(UTC)
    answer = (await stats.get("/v1/counts?group_by=advocate")).json()
    assert before <= datetime.fromisoformat(answer["as_of"]) <= datetime.now(UTC)
    assert datetime.fromisoformat(answer["complete_through"]) == slow.captured_at
    assert (answer["timezone"], answer["provisional"]) == ("UTC", True)
    until_yesterday = (await stats.get("/v1/counts?group_by=advocate&to=2022-02-13")).json()
    until_today = (await stats.get("/v1/counts?group_by=advocate&to=2022-02-14")).json()
    assert (until_yesterday["provisional"], until_today["provisional"]) == (False, True)


async def test_a_hole_holds_completeness_back_and_a_sealed_journal_does_not(
    pipe: Pipe, stats: httpx2.AsyncClient
) -> None:
    """Until it is filled; what is sealed says nothing more, hence holds nothing back."""
    sealed, holed = Pen(), Pen()
    await pipe.take(sealed.write(PLAIN_CLICK), sealed.write(Sealed()))
    first, missing, last = [holed.write(PLAIN_CLICK) for _ in range(3)]
    await pipe.take(first, last)
    assert await _complete_through(stats) == holed.captured_at - timedelta(seconds=2)
    await pipe.take(missing)
    assert await _complete_through(stats) == holed.captured_at
    await pipe.take(holed.write(Sealed()))
    assert abs(await _complete_through(stats) - datetime.now(UTC)) < timedelta(minutes=1)


async def _complete_through(api: httpx2.AsyncClient) -> datetime:
    return datetime.fromisoformat((await api.get("/v1/counts?group_by=link")).json()["complete_through"])


def test_the_season_is_one_that_can_tell_right_from_wrong() -> None:
    """It has days, weeks and quarters with and without clicks, and both verdicts."""
    assert {one.counted for one in SEASON} == {True, False}
    assert len({(one.day.year, (one.day.month + 2) // 3) for one in SEASON}) == 3
    assert len({one.day for one in SEASON}) < (SEASON[-1].day - SEASON[0].day).days
    assert isinstance(SEASON[0], Clicked)
