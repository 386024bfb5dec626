"""Whatever comes, in whatever batches: counts are GROUP BY raw, and raw is every readable click once (guarantee 5)."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator.programme.store import Programme, ProgrammeStore
from event_log.contract import Record
from link_events.events import Click, EventData, Heartbeat
from link_events.identity import AdvocateId, LinkId
from link_events.reasons import LinkState
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.split_log import SplitLog
from stage.sql import execute, fetch, fetch_value

ZONE = "America/New_York"

JOURNALED_MAX = 14
BOTS = ("GET", "HEAD", "POST")


@dataclass(frozen=True, slots=True)
class Story:
    """What two redirectors journaled, what of it reached the log in which order, and how it was read."""

    journaled: tuple[list[EventData | None], ...]
    """By journal; None is a record that cannot be read."""
    sent: list[tuple[int, int]]
    """(journal, place in it), with repetitions, omissions and rewinds."""
    portions: list[int]


def _clicks() -> st.SearchStrategy[Click]:
    """Few advocates and links; instants around midnight, a quarter's end and both changes of the clocks."""
    instants = st.datetimes(datetime(2022, 3, 12), datetime(2022, 4, 2)) | st.datetimes(  # noqa: DTZ001 - a zone follows
        datetime(2021, 11, 6),  # noqa: DTZ001
        datetime(2021, 11, 8),  # noqa: DTZ001
    )
    return st.builds(
        Click,
        occurred_at=instants.map(lambda instant: instant.replace(tzinfo=UTC)),
        link_id=st.integers(1, 3).map(LinkId),
        code=st.just(PLAIN_CLICK.code),
        advocate_id=st.sampled_from(["ada", "bo"]).map(AdvocateId),
        link_state=st.sampled_from(LinkState),
        method=st.sampled_from(BOTS),
        user_agent=st.none() | st.just(PLAIN_CLICK.user_agent),
        visitor=st.none() | st.sampled_from(["v", "w"]),
    )


def _stories() -> st.SearchStrategy[Story]:
    journal = st.lists(_clicks() | st.just(Heartbeat()) | st.none(), min_size=1, max_size=JOURNALED_MAX)
    places = st.tuples(st.integers(0, 1), st.integers(0, JOURNALED_MAX - 1))
    return st.builds(
        Story,
        journaled=st.tuples(journal, journal),
        sent=st.lists(places, min_size=1, max_size=40),
        portions=st.lists(st.integers(1, 9), max_size=20),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=_stories())
async def test_any_stream_in_any_batches_is_conserved(pipe: Pipe, story: Story) -> None:
    """With records sent again, left out, out of order and unreadable, in batches of every size."""
    await ProgrammeStore(pipe.pool).change(Programme(ZONE))
    pens = [Pen() for _ in story.journaled]
    written: list[list[Record]] = [
        [pen.scribble() if data is None else pen.write(data) for data in journal]
        for pen, journal in zip(pens, story.journaled, strict=True)
    ]
    sent = [(journal, place % len(written[journal])) for journal, place in story.sent]
    await pipe.append(*(written[journal][place] for journal, place in sent))
    await pipe.apply(pipe.consumer(log=SplitLog(pipe.log, story.portions)))

    clicks = {
        (pens[journal].journal, 0, place + 1)
        for journal, place in sent
        if isinstance(story.journaled[journal][place], Click)
    }
    stored = [row for row in await pipe.raw() if row[0] in {pen.journal for pen in pens}]
    assert sorted(stored) == sorted(clicks)
    assert await pipe.drift() == []
    assert await _misplaced(pipe) == 0
    for number, pen in enumerate(pens):
        await _check_holes(pipe, pen, story.journaled[number], {place for journal, place in sent if journal == number})


async def _check_holes(pipe: Pipe, pen: Pen, journaled: list[EventData | None], sent: set[int]) -> None:
    """What is missing or dead of a journal, and nothing else, lies in a hole."""
    query = "SELECT kind, generate_series(seq_from, seq_to) AS seq FROM hole WHERE journal = $1 ORDER BY kind, seq"
    missing = sorted(set(range(max(sent, default=-1) + 1)) - sent)
    dead = sorted(place for place in sent if journaled[place] is None)
    expected = [("dead_letter", place + 1) for place in dead] + [("missing", place + 1) for place in missing]
    assert await fetch(pipe.dsn, query, pen.journal) == expected


async def _misplaced(pipe: Pipe) -> int:
    """Clicks whose local day is not what Postgres's own time zones say."""
    query = "SELECT count(*) FROM click WHERE local_day <> (occurred_at AT TIME ZONE $1)::date"
    count: int = await fetch_value(pipe.dsn, query, ZONE)
    return count


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE advocate_day SET raw_clicks = raw_clicks + 1, counted_clicks = counted_clicks + 1",
        "UPDATE advocate_day SET counted_clicks = 0, not_counted_clicks = raw_clicks",
        "UPDATE advocate_day SET day = day + 1",
        "UPDATE advocate_quarter SET advocate_id = 'bo'",
        "DELETE FROM link_day",
        "DELETE FROM click",
        "UPDATE click SET verdict = 'review'",
        "UPDATE advocate_day SET visitors = 0",
        "UPDATE advocate_quarter SET visitor_days = 2",
        "DELETE FROM slot",
        "UPDATE slot SET visitor = 'w'",
        "UPDATE slot SET log_offset = log_offset + 1",
    ],
)
async def test_the_comparison_sees_a_drift(pipe: Pipe, change: str) -> None:
    """A comparison that overlooks something proves nothing."""
    await pipe.take(Pen().write(replace(PLAIN_CLICK, visitor="v")))
    assert await pipe.drift() == []
    await execute(pipe.dsn, change)
    assert await pipe.drift() != []
