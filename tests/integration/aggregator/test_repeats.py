"""Of a visitor's clicks on a link and local day the first counts, in whichever batches they come (guarantees 4, 5)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

import httpx2
import pytest

from aggregator.judge import Repeats
from aggregator.programme.store import Programme, ProgrammeStore
from aggregator.raw_days import store as raw_days
from aggregator.raw_days.store import RawDayStore
from link_events.events import Click
from link_events.identity import AdvocateId, LinkId
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.split_log import SplitLog
from stage.sql import fetch

VERDICTS = "SELECT verdict, reasons FROM click ORDER BY partition, log_offset"
VISITORS = """
    SELECT 'ada', day, visitors FROM advocate_day UNION ALL SELECT link_id::text, day, visitors FROM link_day
    UNION ALL SELECT 'quarter', quarter_start, visitor_days FROM advocate_quarter ORDER BY 1, 2
"""
DAY, NEXT_DAY, QUARTER = date(2022, 2, 14), date(2022, 2, 15), date(2022, 1, 1)
COUNTED: Final[tuple[str, list[str]]] = ("counted", [])
REPEAT: Final = ("not_counted", ["repeat"])


def _click(visitor: str | None = "v", *, link: int = 1, later: timedelta = timedelta(0), method: str = "GET") -> Click:
    return replace(
        PLAIN_CLICK,
        advocate_id=AdvocateId("ada"),
        link_id=LinkId(link),
        visitor=visitor,
        occurred_at=PLAIN_CLICK.occurred_at + later,
        method=method,
    )


@pytest.mark.parametrize("portion", [1, 2, 100], ids=["each in a batch", "two in a batch", "all in one batch"])
async def test_repeats_do_not_count(pipe: Pipe, portion: int) -> None:
    """Nor is a visitor counted twice: not by a link, and not by an advocate whose links they click on."""
    pen = Pen()
    clicks = [
        *(_click(method="HEAD"), _click(), _click(), _click(link=2), _click("w"), _click(None), _click(None)),
        *(_click(), _click(later=timedelta(days=1)), _click(link=2)),
    ]
    await pipe.append(*(pen.write(click) for click in clicks))
    await pipe.apply(pipe.consumer(log=SplitLog(pipe.log, [portion] * len(clicks))))
    head = ("not_counted", ["method_head"])
    expected = [head, COUNTED, REPEAT, *[COUNTED] * 4, REPEAT, COUNTED, REPEAT]
    assert await fetch(pipe.dsn, VERDICTS) == expected
    assert await fetch(pipe.dsn, VISITORS) == [
        ("1", DAY, 2),
        ("1", NEXT_DAY, 1),
        ("2", DAY, 1),
        ("ada", DAY, 2),
        ("ada", NEXT_DAY, 1),
        ("quarter", QUARTER, 3),
    ]
    assert await pipe.drift() == []


async def test_a_local_day_decides_not_a_utc_date(pipe: Pipe) -> None:
    """Midnight is the programme's."""
    await ProgrammeStore(pipe.pool).change(Programme("America/New_York"))
    evening = datetime(2022, 2, 14, 23, 30, tzinfo=UTC) - PLAIN_CLICK.occurred_at
    pen = Pen()
    hours = [timedelta(hours=hour) for hour in (0, 1, 6)]
    await pipe.take(*(pen.write(_click(later=evening + hour)) for hour in hours))
    assert await fetch(pipe.dsn, VERDICTS) == [COUNTED, REPEAT, COUNTED]


async def test_an_own_click_takes_no_slot(pipe: Pipe) -> None:
    """It is judged before repeats are asked for."""
    pen = Pen()
    own = replace(_click(), self_click=True)
    await pipe.take(*(pen.write(click) for click in (own, _click(), own)))
    own_click = ("not_counted", ["self_click"])
    assert await fetch(pipe.dsn, VERDICTS) == [own_click, COUNTED, own_click]


async def test_a_programme_may_count_every_click(pipe: Pipe) -> None:
    """From then on; what was judged before stays."""
    pen = Pen()
    await pipe.take(pen.write(_click()), pen.write(_click()))
    await ProgrammeStore(pipe.pool).change(Programme(repeats=Repeats.NONE))
    await pipe.take(pen.write(_click()), pen.write(_click()))
    assert await fetch(pipe.dsn, VERDICTS) == [COUNTED, REPEAT, COUNTED, COUNTED]
    assert await pipe.drift() == []


async def test_answers_tell_visitors_of_days_and_visitor_days_of_more(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Never both: different visitors of longer periods cannot be told apart."""
    pen = Pen()
    later = timedelta(days=1)
    await pipe.take(*(pen.write(click) for click in (_click(), _click(link=2), _click(later=later), _click("w"))))
    numbers = {}
    for path in ("/v1/advocates/ada/counts?", "/v1/counts?group_by=advocate&", "/v1/counts?group_by=link&"):
        for granularity in ("day", "week", "quarter", "total"):
            rows = (await stats.get(f"{path}granularity={granularity}")).json()["rows"]
            numbers[path, granularity] = [(row["visitors"], row["visitor_days"]) for row in rows]
    for path in ("/v1/advocates/ada/counts?", "/v1/counts?group_by=advocate&"):
        assert numbers[path, "day"] == [(2, None), (1, None)]
        assert numbers[path, "week"] == numbers[path, "quarter"] == numbers[path, "total"] == [(None, 3)]
    assert numbers["/v1/counts?group_by=link&", "total"] == [(None, 3), (None, 1)]
    changes = (await stats.get("/v1/changes")).json()["rows"]
    assert {(row["counts"], row["period"], row["visitors"], row["visitor_days"]) for row in changes} == {
        ("advocate_day", "2022-02-14", 2, None),
        ("advocate_day", "2022-02-15", 1, None),
        ("advocate_quarter", "2022-Q1", None, 3),
        ("link_day", "2022-02-14", 2, None),
        ("link_day", "2022-02-15", 1, None),
        ("link_day", "2022-02-14", 1, None),
    }
    counts = (await stats.get(f"/v1/clicks/{pen.journal.hex()}-c0-1")).json()["counts"]
    assert [(row["visitors"], row["visitor_days"]) for row in counts] == [(2, None), (None, 3), (2, None)]


async def test_visits_go_with_the_raw_clicks_of_their_day(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the whole local day is gone; a late click of such a day counts."""
    monkeypatch.setattr(raw_days, "SLOTS_MAX", 1)
    pen = Pen()
    await pipe.take(*(pen.write(_click(later=timedelta(days=day))) for day in range(4)))
    days = RawDayStore(pipe.pool)
    for day in (DAY, NEXT_DAY, NEXT_DAY + timedelta(days=1)):
        await days.let_go(day)
    await days.let_slots_go()
    kept = await fetch(pipe.dsn, "SELECT day FROM slot ORDER BY day")
    assert kept == [(DAY + timedelta(days=2),), (DAY + timedelta(days=3),)]
    await pipe.take(pen.write(_click()), pen.write(_click(later=timedelta(days=2))))
    assert await fetch(pipe.dsn, VERDICTS) == [COUNTED, COUNTED, REPEAT]
