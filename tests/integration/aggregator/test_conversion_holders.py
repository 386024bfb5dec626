"""Whatever comes when: each key has the holder that the log's order gives it, and every event is kept once.

Batches of any size, dead letters that are replayed in any order, holes that are filled from further back in the log,
records that were sent again and transactions that never commit; on both logs.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator.applying.facts import FactsWritten
from aggregator.applying.store import BatchWriter
from aggregator.offsets.store import OffsetStore
from database.pool import DatabaseAwayError
from event_log.contract import EventLog
from event_log.kafka.connection import KafkaConnection
from http_api.serving import cancel_all
from link_events.events import Conversion, Event, Heartbeat, Reversal
from link_events.identity import ConversionKey, Currency, CustomerHash, JournalId, ReversalId, Seq
from link_events.reasons import Via
from link_events.streams import Offset, Partition, Stream
from stage.dead import broken_decoder, dead_letters, replayed
from stage.events import PLAIN_CONVERSION, PLAIN_REVERSAL
from stage.journaling import Pen
from stage.log_forms import opened_kafka_log
from stage.pipe import Pipe
from stage.split_log import HidingLog
from stage.sql import execute, fetch
from stage.waiting import eventually_async

CONVERSIONS, P0 = Stream.CONVERSIONS, Partition(0)
FACTS_MAX: Final = 12
PENS: Final = 2
SOON_SECONDS: Final = 60

Name = tuple[JournalId, Seq]
"""Of an event of the partition."""

BEGUN_ANEW: Final = """
    TRUNCATE conversion, conversion_event, conversion_touch, conversion_mark, reversal, hole, dead_letter, watermark
"""
HOLDERS: Final = "SELECT source, kind, external_id, journal, seq FROM conversion"
REVERSALS: Final = "SELECT source, kind, external_id, reversal_id, journal, seq FROM reversal"
EVENTS: Final = "SELECT journal, seq FROM conversion_event"
TOUCHES: Final = "SELECT journal, seq, click_seq FROM conversion_touch"
MISTOLD: Final = """
    SELECT count(*) FROM conversion JOIN conversion_event AS holder USING (journal, partition, seq)
    WHERE (conversion.source, conversion.kind, conversion.external_id, conversion.log_offset, conversion.via,
            conversion.occurred_at, conversion.local_day, conversion.logged_at, conversion.customer,
            conversion.value_minor, conversion.currency, conversion.test)
        IS DISTINCT FROM (holder.source, holder.kind, holder.external_id, holder.log_offset, holder.via,
            holder.occurred_at, holder.local_day, holder.logged_at, holder.customer, holder.value_minor,
            holder.currency, holder.test)
        OR names_clicks <> EXISTS (
            SELECT FROM conversion_touch AS touch WHERE (touch.journal, touch.partition, touch.seq)
                = (conversion.journal, conversion.partition, conversion.seq)
        )
        OR NOT EXISTS (SELECT FROM conversion_mark WHERE conversion_mark.conversion_id = conversion.conversion_id)
"""
"""Rows that say something else than their holders do, or that nobody would look at."""


@dataclass(frozen=True, slots=True)
class Story:
    """What two redirectors journaled, in the order of the log, and what stood in the way of it."""

    facts: list[tuple[int, Conversion | Reversal]]
    """With whose it is."""
    again: list[int]
    """Sent once more, after all others; but for what is hidden, of which the log would then show the copy first."""
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


def _conversions() -> st.SearchStrategy[Conversion]:
    """Two keys, told by servers and browsers: they meet all the time."""
    [touch] = PLAIN_CONVERSION.touches
    touches = tuple(replace(touch, origin=replace(touch.origin, seq=Seq(seq))) for seq in (1, 2))
    return st.builds(
        replace,
        st.just(replace(PLAIN_CONVERSION, customer=CustomerHash(bytes(16)))),
        key=_keys(),
        touches=st.sampled_from([(), touches[:1], touches]),
        value_minor=st.integers(0, 9),
        currency=st.sampled_from(["EUR", "JPY"]).map(Currency),
        via=st.sampled_from(Via),
        test=st.booleans(),
    )


def _reversals() -> st.SearchStrategy[Reversal]:
    ids = st.sampled_from(["R-1", "R-2"]).map(ReversalId)
    return st.builds(
        replace, st.just(PLAIN_REVERSAL), key=_keys(), reversal_id=ids, value_minor=st.none() | st.integers(1, 9)
    )


def _keys() -> st.SearchStrategy[ConversionKey]:
    return st.sampled_from([ConversionKey("shop", "sale", name) for name in ("A", "B")])


def _stories() -> st.SearchStrategy[Story]:
    places = st.sets(st.integers(0, FACTS_MAX - 1), max_size=4)
    fact = st.tuples(st.integers(0, PENS - 1), _conversions() | _reversals())
    return st.builds(
        Story,
        facts=st.lists(fact, min_size=1, max_size=FACTS_MAX),
        again=st.lists(st.integers(0, FACTS_MAX - 1), max_size=3),
        unreadable=places,
        hidden=places,
        portions=st.lists(st.integers(1, 4), max_size=FACTS_MAX),
        replays=st.lists(st.integers(0, 3), min_size=4, max_size=4),
        replays_before=st.integers(0, 4),
        failing=st.lists(st.booleans(), max_size=8),
    )


@contextmanager
def _losing(failing: Sequence[bool]) -> Iterator[None]:
    """Transactions are lost right before their commit, where `failing` says so."""
    outcomes = iter(failing)
    write_facts = BatchWriter.write_facts

    async def lost_at_the_end(self: BatchWriter, *facts: Any) -> FactsWritten:
        written = await write_facts(self, *facts)
        if next(outcomes, False):
            raise DatabaseAwayError("lost right before its commit")
        return written

    with patch.object(BatchWriter, "write_facts", lost_at_the_end):
        yield


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=_stories())
async def test_any_story_ends_with_the_holders_that_the_log_gives(pipe: Pipe, story: Story) -> None:
    await _lived(pipe, pipe.log, story)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=_stories())
async def test_so_it_does_through_kafka(pipe: Pipe, kafka_connection: KafkaConnection, story: Story) -> None:
    async with opened_kafka_log(kafka_connection) as log:
        await _lived(pipe, log, replace(story, hidden=set()))


async def _lived(pipe: Pipe, log: EventLog, story: Story) -> None:
    await execute(pipe.dsn, BEGUN_ANEW)
    begin = (await log.end_offsets(CONVERSIONS)).get(P0, Offset(0))
    await pipe.store().claim(CONVERSIONS, P0)
    await OffsetStore(pipe.pool).reset(CONVERSIONS, P0, begin, "a story begins")
    pens = [Pen(stream=CONVERSIONS) for _ in range(PENS)]
    records = [pens[whose].write(fact) for whose, fact in story.facts]
    names = [(record.journal, record.seq) for record in records]
    shown = set(range(len(records))) - story.hidden
    again = [records[place] for place in story.again if place in shown]
    await log.append(CONVERSIONS, P0, [*records, *again, *(pen.write(Heartbeat()) for pen in pens)])
    hidden = {begin + place for place in story.hidden if place < len(records)}
    unreadable = {names[place] for place in story.unreadable if place < len(names)}
    with _losing(story.failing):
        with broken_decoder(lambda event: _name(event) in unreadable):
            await _apply(pipe, HidingLog(log, story.portions, hidden))
        for which in story.replays[: story.replays_before]:
            await _replay(pipe, which)
        await OffsetStore(pipe.pool).reset(CONVERSIONS, P0, begin, "what was hidden is there now")
        await _apply(pipe, HidingLog(log, story.portions, ()))
        for which in [*story.replays[story.replays_before :], *story.replays]:
            await _replay(pipe, which)
    await _check(pipe, story.facts, names)


def _name(event: Event) -> Name:
    return event.origin.journal, event.origin.seq


async def _apply(pipe: Pipe, log: HidingLog) -> None:
    end = (await log.end_offsets(CONVERSIONS))[P0]

    async def is_applied() -> bool:
        if task.done():
            task.result()
        return (await pipe.store().standings(CONVERSIONS))[P0] == end

    task = asyncio.create_task(pipe.consumer(stream=CONVERSIONS, log=log).run())
    try:
        await eventually_async(is_applied, seconds_max=SOON_SECONDS, what="everything is applied")
    finally:
        await cancel_all([task])


async def _replay(pipe: Pipe, which: int) -> None:
    """One of the dead letters that are open, as often as it takes."""
    dead = [one for one in await dead_letters(pipe.pool) if one.closed_at is None]
    while dead:
        try:
            await replayed(pipe.pool, dead[which % len(dead)].dead_letter_id)
        except DatabaseAwayError:
            continue
        return


async def _check(pipe: Pipe, facts: Sequence[tuple[int, Conversion | Reversal]], names: Sequence[Name]) -> None:
    """What is stored is what a reading of the whole log gives."""
    told = [(name, fact) for name, (_, fact) in zip(names, facts, strict=True)]
    conversions = [(name, fact) for name, fact in told if isinstance(fact, Conversion)]
    by_rank = sorted(conversions, key=lambda one: one[1].via is not Via.API)  # sorting keeps the log's order
    holders = {fact.key: name for name, fact in reversed(by_rank)}
    reversals = {(*fact.key, fact.reversal_id): name for name, fact in reversed(told) if isinstance(fact, Reversal)}
    touches = {(*name, touch.origin.seq) for name, fact in conversions for touch in fact.touches}
    assert await _rows(pipe, HOLDERS) == sorted((*key, *name) for key, name in holders.items())
    assert await _rows(pipe, REVERSALS) == sorted((*key, *name) for key, name in reversals.items())
    assert await _rows(pipe, EVENTS) == sorted(name for name, _ in conversions)
    assert await _rows(pipe, TOUCHES) == sorted(touches)
    assert await fetch(pipe.dsn, MISTOLD) == [(0,)]
    assert await fetch(pipe.dsn, "SELECT FROM hole") == []


async def _rows(pipe: Pipe, query: str) -> list[tuple[Any, ...]]:
    return sorted(await fetch(pipe.dsn, query))
