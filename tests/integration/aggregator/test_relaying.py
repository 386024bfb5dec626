"""Dead letters reach the log's dead-letter topic at least once, the oldest first, and stay in Postgres."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from aggregator.dead_letters.discarding import discard
from aggregator.dead_letters.outcomes import Ending
from aggregator.dead_letters.relaying import RELAY_MAX, keep_relaying, relay_some
from aggregator.dead_letters.store import DeadLetterStore, RelayStore
from event_log.contract import DeadLetterMessage, EventLogAwayError
from http_api.serving import cancel_all
from link_events.reasons import DeadLetterReason
from stage.dead import dead_letters
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import fetch, fetch_value, waiting_for_locks
from stage.stray_log import STRAY, StrayLog
from stage.waiting import eventually_async

NO_PAUSE = timedelta(milliseconds=10)
UNRELAYED = "SELECT count(*) FROM dead_letter WHERE relayed_at IS NULL"


class Topic:
    """Takes dead letters, but for the first `failures` times; `gate` holds whoever publishes until it is set."""

    def __init__(self, failures: int = 0) -> None:
        self.taken: list[DeadLetterMessage] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.called = 0
        self._failures = failures

    async def publish(self, dead_letters: Sequence[DeadLetterMessage]) -> None:
        """Take all, or fail after having taken the first."""
        self.called += 1
        await self.gate.wait()
        if self.called <= self._failures:
            self.taken += dead_letters[:1]
            raise EventLogAwayError("a broker is gone")
        self.taken += dead_letters


async def _stored(pipe: Pipe, count: int, first: int = 0) -> None:
    """So many dead letters, at the offsets from `first` on. More than any partition would let become some."""
    await fetch(
        pipe.dsn,
        "INSERT INTO dead_letter (stream, partition, log_offset, value, reason, detail, logged_at)"
        " SELECT 'clicks', 0, log_offset, '', 'no_origin', 'a test', now()"
        " FROM generate_series($1::bigint, $2) AS log_offset",
        *(first, first + count - 1),
    )


async def test_each_is_relayed_as_it_was_logged(pipe: Pipe) -> None:
    """With its origin, where it has one, and why it is dead."""
    pen = Pen()
    for record in (pen.scribble(b"{"), Pen().scribble(STRAY)):
        await pipe.append(record)
    await pipe.apply(pipe.consumer(log=StrayLog(pipe.log)))
    topic = Topic()
    assert await relay_some(RelayStore(pipe.pool), topic) == 2
    told = [(one.stream, one.partition, one.offset, one.journal, one.seq, one.value, one.reason) for one in topic.taken]
    assert told == [
        ("clicks", 0, 0, pen.journal, 1, b"{", DeadLetterReason.NOT_JSON),
        ("clicks", 0, 1, None, None, STRAY, DeadLetterReason.NO_ORIGIN),
    ]
    assert all(one.detail and one.logged_at.tzinfo for one in topic.taken)
    assert await relay_some(RelayStore(pipe.pool), topic) == 0
    assert topic.called == 1
    assert await fetch_value(pipe.dsn, UNRELAYED) == 0


async def test_what_may_not_have_arrived_is_relayed_again(pipe: Pipe) -> None:
    """A topic that fails gets all of them again, at the next round."""
    await _stored(pipe, 3)
    topic = Topic(failures=1)
    with pytest.raises(EventLogAwayError):
        await relay_some(RelayStore(pipe.pool), topic)
    assert await fetch_value(pipe.dsn, UNRELAYED) == 3
    assert await relay_some(RelayStore(pipe.pool), topic) == 3
    assert [one.offset for one in topic.taken] == [0, 0, 1, 2]


async def test_it_goes_on_for_ever_and_through_outages(pipe: Pipe) -> None:
    """More than one transaction's worth, and those that come later."""
    await _stored(pipe, 2 * RELAY_MAX)
    topic = Topic(failures=2)
    running = asyncio.create_task(keep_relaying(RelayStore(pipe.pool), topic, NO_PAUSE))
    try:
        await _stored(pipe, 1, first=2 * RELAY_MAX)
        await eventually_async(lambda: _all_relayed(pipe))
    finally:
        await cancel_all([running])
    assert len({one.offset for one in topic.taken}) == 2 * RELAY_MAX + 1


async def test_two_relays_at_once_take_different_ones(pipe: Pipe) -> None:
    """Neither waits for the other, and nothing is sent twice by it."""
    await _stored(pipe, 2 * RELAY_MAX)
    slow, fast = Topic(), Topic()
    slow.gate.clear()
    waiting = asyncio.create_task(relay_some(RelayStore(pipe.pool), slow))
    await eventually_async(lambda: _called(slow))
    assert await relay_some(RelayStore(pipe.pool), fast) == RELAY_MAX
    assert await relay_some(RelayStore(pipe.pool), fast) == 0
    slow.gate.set()
    assert await waiting == RELAY_MAX
    assert {one.offset for one in slow.taken + fast.taken} == set(range(2 * RELAY_MAX))
    assert await fetch_value(pipe.dsn, UNRELAYED) == 0


async def test_a_topic_that_hangs_holds_up_no_counts(pipe: Pipe) -> None:
    """Whoever discards what is being relayed waits for it; the partition's batches do not."""
    pen = Pen()
    await pipe.take(pen.scribble())
    (dead,) = await dead_letters(pipe.pool)
    topic = Topic()
    topic.gate.clear()
    relaying = asyncio.create_task(relay_some(RelayStore(pipe.pool), topic))
    await eventually_async(lambda: _called(topic))
    discarding = asyncio.create_task(discard(DeadLetterStore(pipe.pool), dead.dead_letter_id, "a test"))
    await eventually_async(lambda: waiting_for_locks(pipe.dsn))
    await pipe.take(pen.write(PLAIN_CLICK))
    assert not discarding.done()
    topic.gate.set()
    assert await relaying == 1
    assert (await discarding).ending is Ending.DISCARDED
    closed = await fetch(pipe.dsn, "SELECT closed_as, relayed_at IS NOT NULL FROM dead_letter")
    assert closed == [("discarded", True)]


async def _all_relayed(pipe: Pipe) -> bool:
    left = await fetch_value(pipe.dsn, UNRELAYED)
    total = await fetch_value(pipe.dsn, "SELECT count(*) FROM dead_letter")
    return (left, total) == (0, 2 * RELAY_MAX + 1)


async def _called(topic: Topic) -> bool:
    return topic.called > 0
