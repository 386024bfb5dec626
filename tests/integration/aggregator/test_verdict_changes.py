"""A verdict is changed in one way: with its slot, its counts and the feed of changes, and what it was is kept."""

import asyncio
from dataclasses import replace

import httpx2
import pytest

from aggregator.judge import Judgement, Repeats
from aggregator.programme.store import Programme, ProgrammeStore
from aggregator.verdicts import changing
from aggregator.verdicts.changing import change_verdicts
from aggregator.verdicts.deciding import Fate, Wanted, Why
from link_events.events import Click
from link_events.identity import AdvocateId, LinkId, Origin, Seq
from link_events.reasons import Verdict, VerdictCause
from link_events.streams import Offset, Partition, Stream
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import fetch, fetch_value, waiting_for_locks
from stage.waiting import eventually_async

WHY = Why(VerdictCause.REVIEW, "a colleague tried it out", "key ops")
FLOOD = Judgement(Verdict.NOT_COUNTED, ("flood",), "review-1")
COUNTS = Judgement(Verdict.COUNTED, (), "review-1")
P0 = Partition(0)
VERDICTS = "SELECT seq, verdict, reasons, verdict_version FROM click ORDER BY seq"
NUMBERS = "SELECT raw_clicks, counted_clicks, not_counted_clicks, visitors FROM advocate_day"


def _click(visitor: str | None = "v", link: int = 1) -> Click:
    return replace(PLAIN_CLICK, advocate_id=AdvocateId("ada"), link_id=LinkId(link), visitor=visitor)


async def _taken(pipe: Pipe, *clicks: Click) -> Pen:
    pen = Pen()
    await pipe.take(*(pen.write(click) for click in clicks))
    return pen


def _wanted(pen: Pen, seq: int, judgement: Judgement = FLOOD, version: int = 1) -> Wanted:
    return Wanted(Origin(pen.journal, Stream.CLICKS, P0, Seq(seq)), version, judgement)


async def test_where_the_holder_falls_the_next_is_promoted(pipe: Pipe) -> None:
    """It counts in its place, and both changes are kept: the one that was asked for and the one that followed."""
    pen = await _taken(pipe, _click(), _click(), _click())
    assert await change_verdicts(pipe.pool, P0, [_wanted(pen, 1)], WHY) == [Fate.CHANGED]
    assert await fetch(pipe.dsn, VERDICTS) == [
        (1, "not_counted", ["flood"], 2),
        (2, "counted", [], 2),
        (3, "not_counted", ["repeat"], 1),
    ]
    assert await fetch(pipe.dsn, NUMBERS) == [(3, 1, 2, 1)]
    assert await pipe.drift() == []
    name = f"{pen.journal.hex()}-c0-1"
    history = "SELECT seq, rules_version, old_verdict, cause, why, changed_by FROM verdict_change ORDER BY seq"
    assert await fetch(pipe.dsn, history) == [
        (1, "review-1", "counted", "review", "a colleague tried it out", "key ops"),
        (
            2,
            "plain-2",
            "not_counted",
            "slot",
            f"{name} does not hold its slot any more",
            "aggregator",
        ),
    ]


async def test_where_nobody_is_left_the_slot_is_free(pipe: Pipe) -> None:
    """The visitor is one less, of the link and, with no other link left, of the advocate; the next to come counts."""
    pen = await _taken(pipe, _click(), _click(link=2), _click("w"))
    await change_verdicts(pipe.pool, P0, [_wanted(pen, 1)], WHY)
    assert await fetch(pipe.dsn, NUMBERS) == [(3, 2, 1, 2)]
    await change_verdicts(pipe.pool, P0, [_wanted(pen, 2)], WHY)
    assert await fetch(pipe.dsn, NUMBERS) == [(3, 1, 2, 1)]
    assert await fetch(pipe.dsn, "SELECT visitor FROM slot") == [("w",)]
    await pipe.take(pen.write(_click()))
    assert await fetch(pipe.dsn, NUMBERS) == [(4, 2, 2, 2)]
    assert await pipe.drift() == []


async def test_what_comes_to_count_takes_its_slot_from_a_later_one(pipe: Pipe) -> None:
    """As if it had counted from the start; a bot's click that is acquitted is earlier still."""
    bot = replace(_click(), user_agent="curl/8")
    pen = await _taken(pipe, bot, _click(), bot)
    wanted = [_wanted(pen, 1, COUNTS), _wanted(pen, 3, COUNTS)]
    assert await change_verdicts(pipe.pool, P0, wanted, WHY) == [Fate.CHANGED, Fate.CHANGED]
    verdicts = [(seq, verdict, reasons) for seq, verdict, reasons, _ in await fetch(pipe.dsn, VERDICTS)]
    assert verdicts == [(1, "counted", []), (2, "not_counted", ["repeat"]), (3, "not_counted", ["repeat"])]
    assert await pipe.drift() == []


async def test_only_a_verdict_that_was_seen_is_changed(pipe: Pipe) -> None:
    """Nor is one that is so already, nor is there one of a click that nobody knows; nothing else changes then."""
    pen = await _taken(pipe, _click(), _click(None))
    await change_verdicts(pipe.pool, P0, [_wanted(pen, 2)], WHY)
    before = await fetch(pipe.dsn, "SELECT last_change FROM counts_change_counter")
    wanted = [
        _wanted(pen, 2, COUNTS, version=1),
        _wanted(pen, 1, Judgement(Verdict.COUNTED, (), "plain-2")),
        _wanted(pen, 9),
    ]
    assert await change_verdicts(pipe.pool, P0, wanted, WHY) == [Fate.STALE, Fate.SAME, Fate.UNKNOWN]
    assert await fetch(pipe.dsn, "SELECT last_change FROM counts_change_counter") == before
    assert await fetch_value(pipe.dsn, "SELECT count(*) FROM verdict_change") == 1
    assert await change_verdicts(pipe.pool, P0, [_wanted(pen, 2, COUNTS, version=2)], WHY) == [Fate.CHANGED]
    assert await pipe.drift() == []


async def test_where_every_click_counts_nobody_is_promoted(pipe: Pipe) -> None:
    """The slot goes to the next all the same: it says whose visitor it is."""
    await ProgrammeStore(pipe.pool).change(Programme(repeats=Repeats.NONE))
    pen = await _taken(pipe, _click(), _click())
    await change_verdicts(pipe.pool, P0, [_wanted(pen, 1)], WHY)
    assert await fetch(pipe.dsn, NUMBERS) == [(2, 1, 1, 1)]
    assert await fetch(pipe.dsn, "SELECT seq FROM slot") == [(2,)]
    assert await pipe.drift() == []


async def test_many_are_changed_some_at_a_time(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of the partition get their turn in between; the feed's numbers have no gap."""
    pen = await _taken(pipe, *(_click(str(number)) for number in range(7)))
    monkeypatch.setattr(changing, "CHANGES_MAX", 3)
    fates = await change_verdicts(pipe.pool, P0, [_wanted(pen, seq) for seq in range(1, 8)], WHY)
    assert fates == [Fate.CHANGED] * 7
    assert await fetch(pipe.dsn, NUMBERS) == [(7, 0, 7, 0)]
    assert await fetch_value(pipe.dsn, "SELECT last_change FROM counts_change_counter") == 3 + 3 * 3
    assert await pipe.drift() == []


async def test_a_batch_and_a_change_wait_for_each_other(pipe: Pipe) -> None:
    """Whoever is second sees what the first has done."""
    pen = await _taken(pipe, _click())
    store = pipe.store()
    claim = await store.claim(Stream.CLICKS, P0)
    async with store.batch(claim, Offset(1)):
        change = asyncio.create_task(change_verdicts(pipe.pool, P0, [_wanted(pen, 1)], WHY))
        await eventually_async(lambda: _waits(pipe))
    assert await change == [Fate.CHANGED]
    await pipe.take(pen.write(_click()))
    assert await fetch(pipe.dsn, NUMBERS) == [(2, 1, 1, 1)]


async def _waits(pipe: Pipe) -> bool:
    return await waiting_for_locks(pipe.dsn) == 1


async def test_a_click_tells_what_became_of_its_verdict(pipe: Pipe, stats: httpx2.AsyncClient) -> None:
    """Every change, the oldest first, and none of a click that is judged as it was at first."""
    pen = await _taken(pipe, _click(), _click("w"))
    await change_verdicts(pipe.pool, P0, [_wanted(pen, 1)], WHY)
    await change_verdicts(pipe.pool, P0, [_wanted(pen, 1, COUNTS, version=2)], WHY)
    shown = (await stats.get(f"/v1/clicks/{pen.journal.hex()}-c0-1")).json()
    assert (shown["verdict"], shown["verdict_version"], shown["rules_version"]) == ("counted", 3, "review-1")
    first, second = shown["verdict_changes"]
    assert first.pop("changed_at") < second["changed_at"] <= shown["as_of"]
    assert first == {
        "verdict_version": 2,
        "verdict": "not_counted",
        "reasons": ["flood"],
        "rules_version": "review-1",
        "old_verdict": "counted",
        "old_reasons": [],
        "old_rules_version": "plain-2",
        "cause": "review",
        "why": "a colleague tried it out",
        "changed_by": "key ops",
    }
    assert (second["old_reasons"], second["verdict"]) == (["flood"], "counted")
    other = (await stats.get(f"/v1/clicks/{pen.journal.hex()}-c0-2")).json()
    assert other["verdict_changes"] == []
