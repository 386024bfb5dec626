"""The feed of changes: no change is missed, in the order of commits, and whoever reads on ends up with the counts."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import httpx2
import pytest

from link_events.identity import AdvocateId, LinkId
from link_events.streams import Partition
from stage.clicked import stock
from stage.credited import Earned, Sale, credit, take_back
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import fetch, session, waiting_for_locks
from stage.waiting import eventually_async

NUMBERS = """
    SELECT partition, change FROM advocate_day UNION ALL SELECT partition, change FROM advocate_quarter
    UNION ALL SELECT partition, change FROM link_day ORDER BY partition, change
"""
FIGURES = (
    *("raw_clicks", "counted_clicks", "not_counted_clicks", "credited_millionths", "value_minor"),
    *("by_click_millionths", "by_click_value_minor"),
)
ACTIVITIES = ("shares", "sessions", "engagements")
STORED = f"""
    SELECT 'advocate_day', advocate_id, day::text, {", ".join(FIGURES + ACTIVITIES)} FROM advocate_day
    UNION ALL
    SELECT 'advocate_quarter', advocate_id, quarter_start::text, {", ".join(FIGURES + ACTIVITIES)} FROM advocate_quarter
    UNION ALL
    SELECT 'link_day', link_id::text, day::text, {", ".join(FIGURES)}, NULL, NULL, NULL FROM link_day
"""  # noqa: S608 - names of columns

Row = dict[str, Any]


async def _read_on(api: httpx2.AsyncClient, since: str = "", limit: int = 1_000) -> tuple[list[Row], str]:
    """Everything that was changed after `since`, page after page, and the `since` to go on from."""
    rows: list[Row] = []
    while True:
        answer = (await api.get("/v1/changes", params={"since": since, "limit": limit})).raise_for_status().json()
        assert len(answer["rows"]) <= limit
        rows += answer["rows"]
        since = answer["next_since"]
        if not answer["more"]:
            return rows, since


def _figures(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    columns = ("period_start", *FIGURES, *ACTIVITIES)
    named = [(row["counts"], row["advocate_id"] or str(row["link_id"]), *(row[key] for key in columns)) for row in rows]
    return sorted(named)


@pytest.mark.parametrize("limit", [1, 7, 10_000])
async def test_from_the_beginning_it_is_everything_that_is_stored(
    season: httpx2.AsyncClient, season_dsn: str, limit: int
) -> None:
    """Each row once, in pages of whatever size."""
    rows, _ = await _read_on(season, limit=limit)
    assert _figures(rows) == sorted(await fetch(season_dsn, STORED))


async def test_a_row_says_what_it_counts(season: httpx2.AsyncClient) -> None:
    """As the counts themselves are answered."""
    rows, _ = await _read_on(season)
    one = next(row for row in rows if (row["counts"], row["advocate_id"]) == ("advocate_quarter", "ada"))
    assert (one["period"], one["period_start"], one["period_end"]) == ("2021-Q4", "2021-10-01", "2021-12-31")
    assert (one["partition"], one["link_id"], one["partial"]) == (0, None, False)
    assert one["raw_clicks"] == one["counted_clicks"] + one["not_counted_clicks"] + one["review_clicks"] > 0


async def test_numbers_have_no_gap(pipe: Pipe) -> None:
    """Every row of every batch takes the next one of its partition; a row that is changed again leaves its old one."""
    for partition in (0, 5):
        pen = Pen(Partition(partition))
        for link in (1, 2, 3):
            click = replace(PLAIN_CLICK, advocate_id=AdvocateId(f"a{partition}"), link_id=LinkId(10 * partition + link))
            await pipe.take(pen.write(click), pen.write(click), partition=partition)
    counters = await fetch(pipe.dsn, "SELECT partition, last_change FROM counts_change_counter ORDER BY partition")
    assert counters == [(0, 9), (5, 9)]
    assert await fetch(pipe.dsn, NUMBERS) == [(partition, number) for partition in (0, 5) for number in (1, 4, 7, 8, 9)]


async def test_only_what_was_changed_comes_again(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """A row that was changed twice in between comes once, as it is now."""
    await stock(pipe)
    _, since = await _read_on(stats)
    assert await _read_on(stats, since) == ([], since)
    pen = Pen(Partition(3))
    click = replace(PLAIN_CLICK, advocate_id=AdvocateId("dora"), link_id=LinkId(9))
    for _ in range(2):
        await pipe.take(pen.write(click), partition=3)
    rows, then = await _read_on(stats, since)
    assert [(row["counts"], row["change"], row["raw_clicks"]) for row in rows] == [
        ("link_day", 4, 2),
        ("advocate_day", 5, 2),
        ("advocate_quarter", 6, 2),
    ]
    assert await _read_on(stats, then) == ([], then)


async def test_results_come_as_clicks_do(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Credited and taken back, in every partition that earned: a copy is kept right by the feed alone."""
    await stock(pipe)
    copy: dict[str, Row] = {}
    since = ""
    sale = Sale(1, date(2022, 4, 1), 101, [Earned("ada", 1, date(2021, 12, 27)), Earned("dora", 9, date(2022, 1, 1))])
    for step in (credit, take_back):
        await step(pipe, sale)
        rows, since = await _read_on(stats, since)
        copy.update(
            {f"{row['counts']} {row['advocate_id'] or row['link_id']} {row['period_start']}": row for row in rows}
        )
        assert _figures(list(copy.values())) == sorted(await fetch(pipe.dsn, STORED))
        assert {row["partition"] for row in rows} == {0, 3}
    assert (rows[0]["conversions"], rows[0]["conversions_by_click"]) == (0, 0)


async def test_whoever_takes_numbers_later_commits_later(pipe: Pipe) -> None:
    """A second writer of the partition waits for the first, also where it would change other rows."""
    pen = Pen()
    await pipe.take(pen.write(PLAIN_CLICK))
    async with session(pipe.dsn) as test:
        transaction = test.transaction()
        await transaction.start()
        await test.execute("UPDATE counts_change_counter SET last_change = last_change + 1 WHERE partition = 0")
        await pipe.append(pen.write(replace(PLAIN_CLICK, advocate_id=AdvocateId("bo"))))
        applying = asyncio.create_task(pipe.apply())
        await eventually_async(lambda: _waits(pipe.dsn), what="the batch waits for the counter")
        assert await fetch(pipe.dsn, "SELECT FROM advocate_day WHERE advocate_id = 'bo'") == []
        await transaction.commit()
        await applying
    changes = await fetch(pipe.dsn, "SELECT change FROM advocate_day WHERE advocate_id = 'bo'")
    assert changes == [(6,)]


async def test_a_busy_partition_starves_no_other(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """A page takes in turn from all of them."""
    busy, calm = Pen(Partition(0)), Pen(Partition(9))
    await pipe.take(*(busy.write(replace(PLAIN_CLICK, link_id=LinkId(number))) for number in range(1, 60)))
    await pipe.take(calm.write(PLAIN_CLICK), partition=9)
    answer = (await stats.get("/v1/changes", params={"limit": 6})).json()
    assert [row["partition"] for row in answer["rows"]] == [0, 0, 0, 9, 9, 9]
    assert (answer["next_since"], answer["more"]) == ("0:3,9:3", True)


async def test_a_database_that_is_an_older_copy_is_told_apart(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Its reader has to begin anew; reading on would miss what is changed until the numbers meet again."""
    await pipe.take(Pen().write(PLAIN_CLICK))
    for since in ("0:4", "7:1"):
        refused = await stats.get("/v1/changes", params={"since": since})
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:advolink:problem:changes-rewound")
        assert "begin anew" in refused.json()["detail"]


@pytest.mark.parametrize("since", ["x", "0:1,0:2", "256:1", "0:1," * 3000])
async def test_what_was_not_handed_out_is_refused(stats: httpx2.AsyncClient, since: str) -> None:
    """By the name of the field."""
    refused = await stats.get("/v1/changes", params={"since": since})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "query/since"


async def _waits(dsn: str) -> bool:
    return await waiting_for_locks(dsn) == 1
