"""An activity is stored and counted once, however often, late and by whomever it is reported."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator.activities.store import ReceivedActivity, take_activities
from database.pool import connected
from link_events.events import Activity
from link_events.identity import AdvocateId, JournalId, Origin, Seq
from link_events.reasons import ActivityKind
from link_events.streams import Partition, Stream
from stage.events import PLAIN_ACTIVITY
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.split_log import SplitLog
from stage.sql import execute, fetch, waiting_for_locks
from stage.waiting import eventually_async

JOURNAL: Final = JournalId(b"activity")
SUMS: Final = (
    "SELECT advocate_id, sum(shares), sum(sessions), sum(engagements) FROM advocate_quarter GROUP BY 1 ORDER BY 1"
)
ADA, BO = AdvocateId("ada"), AdvocateId("bo")


def _received(*activities: Activity, partition: int = 0) -> list[ReceivedActivity]:
    return [
        ReceivedActivity(
            Origin(JOURNAL, Stream.ACTIVITIES, Partition(partition), Seq(seq)), one, one.occurred_at.date()
        )
        for seq, one in enumerate(activities, start=1)
    ]


async def _take(pipe: Pipe, *received: ReceivedActivity, partition: int = 0) -> int:
    async with connected(pipe.pool) as connection, connection.transaction():
        return await take_activities(connection, Partition(partition), received)


def _of(advocate_id: AdvocateId, number: int, kind: ActivityKind = ActivityKind.SHARE) -> Activity:
    return replace(PLAIN_ACTIVITY, advocate_id=advocate_id, external_id=f"s-{number}", kind=kind)


async def test_activities_count_by_their_kind(pipe: Pipe) -> None:
    """Beside the clicks of their advocate, day and quarter, and are kept as they were reported."""
    told = replace(PLAIN_ACTIVITY, channel="linkedin", content_id="post-1", category="hiring")
    assert await _take(pipe, *_received(told, _of(ADA, 1), _of(ADA, 2, ActivityKind.SESSION))) == 0
    assert await fetch(pipe.dsn, SUMS) == [(ADA, 1, 1, 0), (told.advocate_id, 1, 0, 0)]
    kept = (
        "SELECT kind, advocate_id, channel, content_id, category, occurred_at, seq FROM activity WHERE external_id = $1"
    )
    assert await fetch(pipe.dsn, kept, told.external_id) == [
        ("share", told.advocate_id, "linkedin", "post-1", "hiring", told.occurred_at, 1)
    ]
    assert await pipe.drift() == []


async def test_what_is_reported_again_counts_once(pipe: Pipe) -> None:
    """In the same batch, in another, of another day, kind or advocate: the first that is applied stays."""
    again = replace(_of(BO, 1, ActivityKind.ENGAGEMENT), occurred_at=datetime(2024, 1, 1, tzinfo=UTC))
    assert await _take(pipe, *_received(_of(ADA, 1), again)) == 1
    assert await _take(pipe, *_received(again, _of(ADA, 1), _of(ADA, 2)), partition=4) == 2
    assert await _take(pipe) == 0
    assert await fetch(pipe.dsn, SUMS) == [(ADA, 2, 0, 0)]
    other_source = replace(again, source="another-board")
    assert await _take(pipe, *_received(other_source)) == 0
    assert await fetch(pipe.dsn, SUMS) == [(ADA, 2, 0, 0), (BO, 0, 0, 1)]
    assert await pipe.drift() == []


async def test_a_late_one_counts_on_its_own_day(pipe: Pipe) -> None:
    """However late it comes."""
    late = replace(_of(ADA, 1), occurred_at=datetime(2021, 12, 31, 23, 59, tzinfo=UTC))
    await _take(pipe, *_received(_of(ADA, 2), late))
    rows = await fetch(pipe.dsn, "SELECT day, raw_clicks, shares FROM advocate_day ORDER BY day")
    assert rows == [(date(2021, 12, 31), 0, 1), (PLAIN_ACTIVITY.occurred_at.date(), 0, 1)]


async def test_of_two_at_once_one_counts(pipe: Pipe) -> None:
    """The second partition's batch waits for the first, and counts what that has not."""
    async with connected(pipe.pool) as connection:
        transaction = connection.transaction()
        await transaction.start()
        await take_activities(connection, Partition(0), _received(_of(ADA, 1), _of(ADA, 2)))
        second = asyncio.create_task(_take(pipe, *_received(_of(BO, 3), _of(BO, 2)), partition=4))
        await eventually_async(lambda: _waits(pipe.dsn), what="the second waits for the first")
        await transaction.commit()
    assert await second == 1
    assert await fetch(pipe.dsn, SUMS) == [(ADA, 2, 0, 0), (BO, 1, 0, 0)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    reported=st.lists(
        st.builds(_of, st.sampled_from([ADA, BO]), st.integers(1, 8), st.sampled_from(ActivityKind)), max_size=20
    ),
    portions=st.lists(st.integers(1, 6), max_size=20),
)
async def test_any_batches_count_the_same(pipe: Pipe, reported: list[Activity], portions: Sequence[int]) -> None:
    """The first report of each id, whatever is read together with what."""
    await execute(pipe.dsn, "TRUNCATE activity, advocate_day, advocate_quarter")
    left, repeated = _received(*reported), 0
    for portion in [*portions, len(reported)]:
        repeated += await _take(pipe, *left[:portion])
        left = left[portion:]
    first: dict[str, Activity] = {}
    for one in reported:
        first.setdefault(one.external_id, one)
    assert repeated == len(reported) - len(first)
    kept = await fetch(pipe.dsn, "SELECT external_id, advocate_id, kind FROM activity ORDER BY 1")
    assert kept == [(key, one.advocate_id, one.kind) for key, one in sorted(first.items())]
    assert await pipe.drift() == []


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    reported=st.lists(st.builds(_of, st.sampled_from([ADA, BO]), st.integers(1, 8)), min_size=1, max_size=20),
    again=st.lists(st.integers(0, 19), max_size=8),
    portions=st.lists(st.integers(1, 6), max_size=20),
)
async def test_through_the_log_each_counts_once(
    pipe: Pipe, reported: list[Activity], again: Sequence[int], portions: Sequence[int]
) -> None:
    """In two partitions that are applied at once, some of it sent again, in any batches."""
    await execute(pipe.dsn, "TRUNCATE activity, advocate_day, advocate_quarter")
    pens = {advocate: Pen(Partition(number), stream=Stream.ACTIVITIES) for advocate, number in ((ADA, 0), (BO, 5))}
    sent = [(pens[one.advocate_id], pens[one.advocate_id].write(one)) for one in reported]
    for pen, record in [*sent, *(sent[place] for place in again if place < len(sent))]:
        await pipe.append(record, partition=pen.partition, stream=Stream.ACTIVITIES)
    consumers = [
        pipe.consumer(pen.partition, stream=Stream.ACTIVITIES, log=SplitLog(pipe.log, portions))
        for pen in pens.values()
    ]
    await pipe.apply(*consumers)
    kept = await fetch(pipe.dsn, "SELECT external_id, advocate_id FROM activity")
    assert sorted(external_id for external_id, _ in kept) == sorted({one.external_id for one in reported})
    assert set(kept) <= {(one.external_id, one.advocate_id) for one in reported}
    assert await fetch(pipe.dsn, "SELECT sum(shares) FROM advocate_day") == [(len(kept),)]
    assert await pipe.drift() == []


async def _waits(dsn: str) -> bool:
    return await waiting_for_locks(dsn) == 1
