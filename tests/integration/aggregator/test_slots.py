"""Whatever comes when: verdicts, counts and slots are as if all had been judged in the log's order (guarantee 6).

Batches of any size, dead letters that are replayed in any order, holes that are filled from further back in the log,
and transactions that never commit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator.applying.fold import Folded
from aggregator.applying.store import BatchWriter
from aggregator.judge import Repeats
from aggregator.offsets.store import OffsetStore
from aggregator.programme.store import Programme, ProgrammeStore
from database.pool import DatabaseAwayError
from link_events.events import Click, Heartbeat
from link_events.identity import AdvocateId, LinkId
from link_events.streams import Offset, Partition, Stream
from stage.dead import UNREADABLE, broken_decoder, dead_letters, replayed
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.judged import misjudged
from stage.pipe import Pipe
from stage.split_log import HidingLog, SplitLog
from stage.sql import execute, fetch

CLICKS_MAX = 12
BEGUN_ANEW = """
    TRUNCATE click, slot, verdict_change, advocate_day, advocate_quarter, link_day, hole, dead_letter, watermark;
    UPDATE partition_offset SET next_offset = (
        SELECT next_offset FROM log_partition
        WHERE log_partition.stream = partition_offset.stream AND log_partition.partition = partition_offset.partition
    )
"""
HISTORY = "SELECT seq, verdict_version, old_verdict, verdict, reasons, cause, changed_by FROM verdict_change"


@dataclass(frozen=True, slots=True)
class Story:
    """Clicks in the order of the log, and what stood in the way of each."""

    clicks: list[Click]
    unreadable: set[int]
    hidden: set[int]
    """Not seen at first: holes, until the log is read from the beginning."""
    portions: list[int]
    replays: list[int]
    """Which of the dead letters that are left is replayed next."""
    replays_before: int
    """So many of them before the log is read again."""
    failing: list[bool]
    """Of the transactions, one after another: whether it is lost when all is written."""
    repeats: Repeats


def _clicks() -> st.SearchStrategy[Click]:
    """Two visitors, two links, two days: they meet all the time."""
    return st.builds(
        replace,
        st.just(replace(PLAIN_CLICK, advocate_id=AdvocateId("ada"))),
        link_id=st.integers(1, 2).map(LinkId),
        visitor=st.sampled_from(["v", "v", "w", None]),
        method=st.sampled_from(["GET", "GET", "GET", "HEAD"]),
        self_click=st.sampled_from([False, False, False, True]),
        occurred_at=st.sampled_from([PLAIN_CLICK.occurred_at, PLAIN_CLICK.occurred_at + timedelta(days=1)]),
    )


def _stories() -> st.SearchStrategy[Story]:
    places = st.sets(st.integers(0, CLICKS_MAX - 1), max_size=5)
    return st.builds(
        Story,
        clicks=st.lists(_clicks(), min_size=1, max_size=CLICKS_MAX),
        unreadable=places,
        hidden=places,
        portions=st.lists(st.integers(1, 4), max_size=CLICKS_MAX),
        replays=st.lists(st.integers(0, 4), min_size=5, max_size=5),
        replays_before=st.integers(0, 5),
        failing=st.lists(st.booleans(), max_size=8),
        repeats=st.sampled_from(Repeats),
    )


@contextmanager
def _losing(failing: Sequence[bool]) -> Iterator[None]:
    """Transactions are lost right before their commit, where `failing` says so."""
    outcomes = iter(failing)
    add_counts = BatchWriter.add_counts

    async def lost_at_the_end(self: BatchWriter, folded: Folded) -> None:
        await add_counts(self, folded)
        if next(outcomes, False):
            raise DatabaseAwayError("lost right before its commit")

    with patch.object(BatchWriter, "add_counts", lost_at_the_end):
        yield


async def _replay(pipe: Pipe, which: int) -> None:
    """One of the dead letters that are open, as often as it takes."""
    dead = [one for one in await dead_letters(pipe.pool) if one.closed_at is None]
    while dead:
        try:
            await replayed(pipe.pool, dead[which % len(dead)].dead_letter_id)
        except DatabaseAwayError:
            continue
        return


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=_stories())
async def test_any_story_ends_as_if_all_had_been_judged_in_order(pipe: Pipe, story: Story) -> None:
    """Each click has the verdict, each slot the holder, each count the number that judging from scratch gives."""
    await execute(pipe.dsn, BEGUN_ANEW)
    await ProgrammeStore(pipe.pool).change(Programme(repeats=story.repeats))
    begin = (await pipe.log.end_offsets(Stream.CLICKS))[Partition(0)]
    pen = Pen()
    for number, click in enumerate(story.clicks):
        await pipe.append(pen.write(replace(click, code=UNREADABLE) if number in story.unreadable else click))
    await pipe.append(pen.write(Heartbeat()))
    hidden = {begin + number for number in story.hidden if number < len(story.clicks)}
    with _losing(story.failing):
        with broken_decoder():
            await pipe.apply(pipe.consumer(log=HidingLog(pipe.log, story.portions, hidden)))
        for which in story.replays[: story.replays_before]:
            await _replay(pipe, which)
        await OffsetStore(pipe.pool).reset(Stream.CLICKS, Partition(0), Offset(begin), "what was hidden is there now")
        await pipe.apply(pipe.consumer(log=SplitLog(pipe.log, story.portions)))
        for which in story.replays[story.replays_before :]:
            await _replay(pipe, which)
    assert len(await pipe.raw()) == len(story.clicks)
    assert await misjudged(pipe, repeats=story.repeats is Repeats.DAY) == []
    assert await pipe.drift() == []


async def test_a_replayed_dead_letter_takes_the_slot_of_a_later_click(pipe: Pipe) -> None:
    """Which is a repeat then, and keeps what it was, why it was changed and by whom."""
    pen = Pen()
    click = replace(PLAIN_CLICK, visitor="v")
    with broken_decoder():
        await pipe.take(pen.write(replace(click, code=UNREADABLE)), pen.write(click), pen.write(click))
    await _replay(pipe, 0)
    assert await misjudged(pipe) == []
    assert await fetch(pipe.dsn, HISTORY) == [(2, 2, "counted", "not_counted", ["repeat"], "slot", "aggregator")]
    why = await fetch(pipe.dsn, "SELECT why FROM verdict_change")
    assert why == [(f"{pen.journal.hex()}-c0-1 holds its slot",)]
    assert await fetch(pipe.dsn, "SELECT seq FROM slot") == [(1,)]
    assert await pipe.drift() == []


async def test_a_holder_whose_raw_click_was_let_go_keeps_its_slot(pipe: Pipe) -> None:
    """Nobody can take back that it was counted."""
    pen = Pen()
    click = replace(PLAIN_CLICK, visitor="v")
    with broken_decoder():
        await pipe.take(pen.write(replace(click, code=UNREADABLE)), pen.write(click))
    await execute(pipe.dsn, "DELETE FROM click")
    await _replay(pipe, 0)
    assert await fetch(pipe.dsn, "SELECT verdict, reasons FROM click") == [("not_counted", ["repeat"])]
    assert await fetch(pipe.dsn, "SELECT counted_clicks, not_counted_clicks, visitors FROM link_day") == [(1, 1, 1)]
    assert await fetch(pipe.dsn, "SELECT seq FROM slot") == [(2,)]


async def test_a_slot_that_is_overtaken_is_shown_by_metrics(pipe: Pipe) -> None:
    """A log that is read from further back fills holes with clicks of lower offsets."""
    pen = Pen()
    click = replace(PLAIN_CLICK, visitor="v")
    await pipe.append(pen.write(click), pen.write(click), pen.write(Heartbeat()))
    await pipe.apply(pipe.consumer(log=HidingLog(pipe.log, [], {0})))
    assert pipe.metric("slots_overtaken_total") == 0
    await OffsetStore(pipe.pool).reset(Stream.CLICKS, Partition(0), Offset(0), "what was hidden is there now")
    await pipe.apply()
    assert pipe.metric("slots_overtaken_total") == 1
    assert pipe.metric("verdict_changes_total", cause="slot") == 1


@pytest.mark.parametrize("repeats", Repeats)
async def test_a_topic_made_anew_changes_which_click_is_the_repeat_and_no_count(pipe: Pipe, repeats: Repeats) -> None:
    """Its offsets begin again: a later click comes first in canonical order, be it at the same offset."""
    await ProgrammeStore(pipe.pool).change(Programme(repeats=repeats))
    click = replace(PLAIN_CLICK, visitor="v")
    pen = Pen()
    await pipe.take(*(pen.write(PLAIN_CLICK) for _ in range(3)), pen.write(click))
    await execute(pipe.dsn, "DELETE FROM log_record; UPDATE log_partition SET first_offset = 0, next_offset = 0")
    await execute(pipe.dsn, "UPDATE partition_offset SET next_offset = 0")
    anew = Pen()
    await pipe.take(anew.write(click), anew.write(click))
    assert await misjudged(pipe, repeats=repeats is Repeats.DAY) == []
    assert await fetch(pipe.dsn, "SELECT counted_clicks, visitors FROM link_day") == [
        (4, 1) if repeats is Repeats.DAY else (6, 1)
    ]
    assert await pipe.drift() == []
