"""A click leads to the counts it is in and the way it came; one that is not there says why."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx2
import pytest

from aggregator.dead_letters.discarding import discard
from aggregator.dead_letters.store import DeadLetterStore
from aggregator.holes.store import HoleStore
from aggregator.journals.store import JournalStore
from aggregator.programme.store import Programme, ProgrammeStore
from aggregator.raw_days.store import RawDayStore
from link_events.events import Heartbeat, Sealed
from link_events.identity import LinkId, Origin, Seq
from link_events.streams import Partition
from stage.events import PLAIN_CLICK
from stage.journaling import FIRST_CAPTURE, Pen
from stage.pipe import Pipe
from stage.sql import execute, session, waiting_for_locks
from stage.waiting import eventually_async


def _event(pen: Pen, seq: int) -> str:
    return Origin(pen.journal, pen.stream, pen.partition, Seq(seq)).event_id


async def _click(api: httpx2.AsyncClient, pen: Pen, seq: int) -> dict[str, Any]:
    answer = await api.get(f"/v1/clicks/{_event(pen, seq)}")
    assert answer.status_code == 200, answer.text
    click: dict[str, Any] = answer.json()
    return click


async def _absence(api: httpx2.AsyncClient, pen: Pen, seq: int) -> tuple[str, str]:
    """Why there is no such click: the word, and the sentence behind its name."""
    answer = await api.get(f"/v1/clicks/{_event(pen, seq)}")
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (404, "urn:advolink:problem:not-found")
    start = f"there is no click {_event(pen, seq)}: "
    assert problem["detail"].startswith(start)
    return problem["why"], problem["detail"].removeprefix(start)


async def test_a_click_tells_the_way_it_came(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Journaled, logged, applied: where and when."""
    pen = Pen(Partition(3))
    await pipe.take(pen.write(Heartbeat()), pen.write(PLAIN_CLICK), partition=3)
    click = await _click(stats, pen, 2)
    journaled, logged, applied = (click["journey"][step] for step in ("journaled", "logged", "applied"))
    assert journaled == {
        "journal": pen.journal.hex(),
        "stream": "clicks",
        "partition": 3,
        "seq": 2,
        "captured_at": pen.captured_at.isoformat().replace("+00:00", "Z"),
    }
    assert (logged["stream"], logged["partition"], logged["offset"]) == ("clicks", 3, 1)
    instants = [journaled["captured_at"], logged["logged_at"], applied["applied_at"]]
    assert sorted(map(datetime.fromisoformat, instants)) == list(map(datetime.fromisoformat, instants))


@pytest.mark.parametrize(
    ("zone", "day", "quarter"),
    [
        ("UTC", "2022-03-31", ("2022-Q1", "2022-01-01", "2022-03-31")),
        ("Asia/Tokyo", "2022-04-01", ("2022-Q2", "2022-04-01", "2022-06-30")),
    ],
)
async def test_a_click_leads_to_the_counts_it_is_in(
    pipe: Pipe, stats: httpx2.AsyncClient, zone: str, day: str, quarter: tuple[str, str, str]
) -> None:
    """By the programme's days: each row as it is, what the click adds to, and a path that shows that row."""
    await ProgrammeStore(pipe.pool).change(Programme(zone))
    late = replace(PLAIN_CLICK, occurred_at=datetime(2022, 3, 31, 20, tzinfo=UTC))
    other, lesser = replace(late, link_id=LinkId(4712)), replace(late, link_id=LinkId(12))
    pen = Pen()
    await pipe.take(*map(pen.write, (late, replace(late, method="HEAD"), other, lesser, replace(lesser, test=True))))
    for seq, columns in ((1, ["raw_clicks", "counted_clicks"]), (2, ["raw_clicks", "not_counted_clicks"])):
        counts = (await _click(stats, pen, seq))["counts"]
        assert [(row["counts"], row["key"], row["period"]) for row in counts] == [
            ("advocate_day", "ada.lovelace", day),
            ("advocate_quarter", "ada.lovelace", quarter[0]),
            ("link_day", "4711", day),
        ]
        assert [row["raw_clicks"] for row in counts] == [5, 5, 2]
        assert (counts[1]["period_start"], counts[1]["period_end"]) == quarter[1:]
        for row in counts:
            assert row["adds_to"] == columns
            shown = (await stats.get(row["read_at"])).json()["rows"]
            same = [one for one in shown if {**one, **_numbers(row)} == one]
            assert len(same) == len(shown) == 1
            assert row["key"] in {str(shown[0].get("link_id")), "ada.lovelace"}


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    names = ("period", "period_start", "period_end", "raw_clicks", "counted_clicks", "not_counted_clicks")
    return {name: row[name] for name in names}


async def test_a_counts_row_that_is_not_there_is_shown_as_such(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Somebody deleted it: the click says which, and has no numbers of it."""
    pen = Pen()
    await pipe.take(pen.write(PLAIN_CLICK))
    await execute(pipe.dsn, "DELETE FROM link_day")
    counts = (await _click(stats, pen, 1))["counts"]
    assert [row["raw_clicks"] for row in counts] == [1, 1, None]


async def test_what_was_not_applied_says_how_far_its_journal_is(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Whether the journal is known, and whether that partition has heard of it."""
    pen = Pen()
    assert await _absence(stats, pen, 1) == ("unknown_journal", "nothing of its journal was ever applied")
    await pipe.take(pen.write(PLAIN_CLICK))
    why, sentence = await _absence(stats, pen, 2)
    assert (why, "its journal is up to 1 in partition 0" in sentence) == ("not_applied", True)
    why, sentence = await _absence(stats, Pen(Partition(5), pen.journal), 1)
    assert (why, "nothing of its journal is, in partition 5" in sentence) == ("not_applied", True)
    await JournalStore(pipe.pool).retire(pen.journal, "its disk is gone", force=False)
    assert (await _absence(stats, pen, 2))[1].endswith("its disk is gone")


async def test_what_was_applied_and_is_no_click_says_so(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Heartbeats and seals have numbers too."""
    pen = Pen()
    await pipe.take(pen.write(PLAIN_CLICK), pen.write(Heartbeat()), pen.write(Sealed()))
    for seq in (2, 3):
        assert (await _absence(stats, pen, seq))[0] == "no_click"


async def test_what_is_missing_says_since_when_and_why_it_was_given_up(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Until it comes after all."""
    pen = Pen()
    records = [pen.write(PLAIN_CLICK) for _ in range(4)]
    await pipe.take(records[0], records[3])
    why, sentence = await _absence(stats, pen, 3)
    assert (why, f"one of 2 from {_event(pen, 2)} on" in sentence) == ("missing", True)
    await HoleStore(pipe.pool).close(Origin(pen.journal, pen.stream, pen.partition, Seq(3)), "nobody has it")
    why, sentence = await _absence(stats, pen, 3)
    assert (why, sentence.endswith("nobody has it")) == ("missing", True)
    await pipe.take(records[2])
    assert (await _click(stats, pen, 3))["seq"] == 3
    assert (await _absence(stats, pen, 2))[0] == "missing"


async def test_a_dead_letter_says_which_and_what_became_of_it(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Open, and then discarded."""
    pen = Pen()
    await pipe.take(pen.scribble(), pen.write(PLAIN_CLICK))
    assert await _absence(stats, pen, 1) == (
        "dead_letter",
        "it could not be read (not_json): it is dead letter 1",
    )
    await discard(DeadLetterStore(pipe.pool), 1, "a load test")
    why, sentence = await _absence(stats, pen, 1)
    assert (why, sentence.endswith(": a load test")) == ("dead_letter", True)


async def test_a_click_whose_raw_form_was_let_go_says_all_that_is_known(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """That it was applied; its counts stay. A heartbeat cannot be told from it any more."""
    pen = Pen()
    await pipe.take(pen.write(PLAIN_CLICK), pen.write(Heartbeat()))
    day: date = FIRST_CAPTURE.date()
    assert await RawDayStore(pipe.pool).let_go(day)
    for seq in (1, 2):
        why, sentence = await _absence(stats, pen, seq)
        assert (why, f"a click of before {day + timedelta(days=1)}" in sentence) == ("let_go", True)
    assert (await _absence(stats, pen, 3))[0] == "not_applied"
    (count,) = (await stats.get("/v1/advocates/ada.lovelace/counts")).json()["rows"]
    assert count["raw_clicks"] == 1


async def test_clicks_of_a_day_that_was_let_go_are_said_to_be_missing(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Else a count would have no clicks behind it, and nobody would say why."""
    await pipe.take(Pen().write(PLAIN_CLICK))
    day = FIRST_CAPTURE.date()
    path = f"/v1/clicks?advocate_id={PLAIN_CLICK.advocate_id}&day={day}"
    before = (await stats.get(path)).json()
    assert not (await stats.get(path.replace(str(day), "1999-12-31"))).json()["let_go"]
    assert await RawDayStore(pipe.pool).let_go(day)
    after = (await stats.get(path)).json()
    assert [(answer["total"], answer["let_go"]) for answer in (before, after)] == [(1, False), (0, True)]


async def test_no_raw_click_is_let_go_while_it_is_being_explained(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Else a click that was there a moment ago would be called a heartbeat."""
    pen = Pen()
    await pipe.take(pen.write(PLAIN_CLICK))
    async with session(pipe.dsn) as other:
        async with other.transaction():
            await other.execute("LOCK TABLE watermark IN ACCESS EXCLUSIVE MODE")
            asking = asyncio.create_task(_click(stats, pen, 1))
            await eventually_async(lambda: _is_waiting(pipe))
            assert not await RawDayStore(pipe.pool).let_go(FIRST_CAPTURE.date())
        assert (await asking)["seq"] == 1
    assert await RawDayStore(pipe.pool).let_go(FIRST_CAPTURE.date())
    assert (await _absence(stats, pen, 1))[0] == "let_go"


async def _is_waiting(pipe: Pipe) -> bool:
    return await waiting_for_locks(pipe.dsn) == 1
