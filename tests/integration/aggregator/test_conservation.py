"""Whatever comes, in whatever batches: counts are GROUP BY raw, and raw is every readable click once (guarantee 5)."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator.activities.store import ReceivedActivity, take_activities
from aggregator.attributing.weights import MILLIONTHS
from aggregator.counts.tables import CountsTable
from aggregator.programme.store import Programme, ProgrammeStore
from database.pool import connected
from event_log.contract import Record
from link_events.events import Activity, Click, EventData, Heartbeat
from link_events.identity import AdvocateId, LinkId, Origin, Seq
from link_events.reasons import ActivityKind, LinkState
from link_events.streams import Stream
from stage.credited import JOURNAL, Earned, Sale, credit, take_back
from stage.events import PLAIN_ACTIVITY, PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import DRIFT, Pipe
from stage.split_log import SplitLog
from stage.sql import execute, fetch, fetch_value, session

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


@dataclass(frozen=True, slots=True)
class Season:
    """Clicks, sales of which some are taken back, and activities, as they are applied one after another."""

    steps: list[Click | Sale | Activity]
    taken_back: list[int]
    """Of the sales, which is taken back after all others are in."""


def _days() -> st.SearchStrategy[date]:
    return st.dates(date(2021, 12, 29), date(2022, 1, 3)) | st.dates(date(2022, 3, 30), date(2022, 4, 2))


def _seasons() -> st.SearchStrategy[Season]:
    """Few advocates and links of one partition and another, on days of two quarters' ends."""
    advocates = st.sampled_from(["ada", "bo", "cy"])
    earned = st.builds(Earned, advocates, st.integers(1, 3), _days())
    sales = st.builds(Sale, st.just(0), _days(), st.integers(0, 10_000), st.lists(earned, min_size=1, max_size=7))
    instants = _days().map(lambda day: datetime.combine(day, time(12), UTC))
    reported = st.builds(
        Activity,
        occurred_at=instants,
        source=st.sampled_from(["board", "another"]),
        external_id=st.sampled_from(["1", "2", "3", "4"]),
        kind=st.sampled_from(ActivityKind),
        advocate_id=advocates.map(AdvocateId),
    )
    return st.builds(
        Season,
        st.lists(_clicks() | sales | reported, min_size=1, max_size=25),
        st.lists(st.integers(0, 24), max_size=5),
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(season=_seasons())
async def test_credits_and_activities_are_conserved_beside_clicks(pipe: Pipe, season: Season) -> None:
    """By both views and in each table: a whole for each credited sale, its value, and each activity once."""
    await execute(
        pipe.dsn, "TRUNCATE conversion, credit, activity, click, slot, advocate_day, advocate_quarter, link_day"
    )
    pen, sales = Pen(), []
    for number, step in enumerate(season.steps):
        if isinstance(step, Click):
            await pipe.take(pen.write(step))
        elif isinstance(step, Sale):
            sales.append(replace(step, number=number))
            await credit(pipe, sales[-1])
        else:
            await _report(pipe, step)
    gone = {sales[place % len(sales)].number for place in season.taken_back if sales}
    await take_back(pipe, *(sale for sale in sales if sale.number in gone))
    assert await pipe.drift() == []
    left = [sale for sale in sales if sale.number not in gone]
    sums = (len(left) * MILLIONTHS, sum(sale.value_minor for sale in left))
    for table in CountsTable:
        stored = "coalesce(sum(credited_millionths), 0), coalesce(sum(value_minor), 0)"
        by_click = "coalesce(sum(by_click_millionths), 0), coalesce(sum(by_click_value_minor), 0)"
        assert await fetch(pipe.dsn, f"SELECT {stored}, {by_click} FROM {table}") == [sums * 2]  # noqa: S608
    by_day = Counter({sale.day: 0 for sale in sales})
    by_day.update(sale.day for sale in left)
    for day, count in by_day.items():
        stored = await fetch_value(pipe.dsn, "SELECT sum(credited_millionths) FROM link_day WHERE day = $1", day)
        assert stored == count * MILLIONTHS


async def _report(pipe: Pipe, activity: Activity) -> None:
    partition = Earned(activity.advocate_id, 0, date.min).partition
    received = ReceivedActivity(
        Origin(JOURNAL, Stream.ACTIVITIES, partition, Seq(1)), activity, activity.occurred_at.date()
    )
    async with connected(pipe.pool) as connection, connection.transaction():
        await take_activities(connection, partition, [received])


DRIFTS = [
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
    "UPDATE advocate_day SET credited_millionths = 1",
    "UPDATE advocate_quarter SET by_click_value_minor = 0",
    "UPDATE advocate_day SET shares = shares + 1",
    "UPDATE link_day SET value_minor = 98",
    "DELETE FROM activity",
    "UPDATE activity SET kind = 'session'",
    "DELETE FROM credit",
    "UPDATE credit SET click_day = day",
    "UPDATE credit SET linear = linear - 1",
    "UPDATE conversion SET state = 'reversed'",
    "UPDATE conversion SET local_day = local_day + 1",
    "UPDATE conversion SET credited_value_minor = 98",
    "DELETE FROM conversion",
]


async def test_the_comparison_sees_a_drift(pipe: Pipe) -> None:
    """A comparison that overlooks something proves nothing. Each is undone before the next."""
    await pipe.take(Pen().write(replace(PLAIN_CLICK, visitor="v")))
    await credit(pipe, Sale(1, date(2022, 4, 1), 99, [Earned(PLAIN_CLICK.advocate_id, 4711, date(2022, 2, 14))]))
    await _report(pipe, PLAIN_ACTIVITY)
    async with session(pipe.dsn) as connection:
        for change in DRIFTS:
            transaction = connection.transaction()
            await transaction.start()
            assert await connection.fetch(DRIFT) == []
            await connection.execute(change)
            assert await connection.fetch(DRIFT) != [], change
            await transaction.rollback()
