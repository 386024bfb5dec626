"""Order does not matter: whatever comes when, credits, states and counts are as if all had come in order.

Conversions before their clicks and after, reversals before their conversions, verdicts, rates and rules that change in
between; in batches of any size, with records sent again, by two aggregators that apply and two that attribute beside.
What the log's order decides by design (the clicks of one partition, the events of one key) keeps it.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aggregator.applying.consumer import PartitionConsumer
from aggregator.attributing.running import attribute_all
from aggregator.programme.store import Programme, ProgrammeStore
from database.pool import DatabaseAwayError
from event_log.contract import Record
from event_log.kafka.connection import KafkaConnection
from link_events.events import Click, Conversion, NamedTouch, Reversal
from link_events.identity import AdvocateId, ConversionKey, Currency, CustomerHash, LinkId, ReversalId
from link_events.reasons import Earning, Model, Via
from link_events.streams import Partition, Stream
from stage.attributed import misattributed
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.log_forms import opened_kafka_log
from stage.pipe import Pipe
from stage.sales import CARLA, NOON, PARTITIONS, SOON, Shop
from stage.split_log import SplitLog
from stage.sql import execute, fetch, fetch_value, session

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DORIS = CustomerHash(b"doris, 16 bytes.")
CLICKS_MAX = 8
TOLD: Final = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
"""A story takes a second or two: looking for a smaller one that fails as well takes longer than a test may."""


EMPTIED: Final = """
    TRUNCATE click, slot, verdict_change, advocate_day, advocate_quarter, link_day, hole, dead_letter, watermark,
        conversion, conversion_event, conversion_touch, conversion_mark, reversal, credit, rate
"""
AT_THE_END: Final = "UPDATE partition_offset SET next_offset = $3 WHERE stream = $1 AND partition = $2"
OUTCOMES: Final = """
    SELECT conversion.external_id, conversion.kind, state, net_value_minor, credited_value_minor, credited_currency,
        rate, rate_from, binder.external_id, advocate_id, link_id, day, click_day, last, first, linear, "position",
        time_decay, counted_millionths, credit.value_minor
    FROM conversion LEFT JOIN credit USING (conversion_id)
    LEFT JOIN (SELECT conversion_id AS follows, external_id FROM conversion) AS binder USING (follows)
"""
COUNTS: Final = """
    SELECT advocate_id, day, raw_clicks, counted_clicks, credited_millionths, value_minor, by_click_millionths,
        by_click_value_minor
    FROM advocate_day WHERE raw_clicks > 0 OR credited_millionths > 0 OR by_click_millionths > 0
"""
"""A day whose only credit was taken back is left as a row of nothing."""

Slice = tuple[Stream, int]


@dataclass(frozen=True, slots=True)
class Clicked:
    """A click, and whether a review takes it back afterwards."""

    advocate: str
    click: Click
    falls: bool


@dataclass(frozen=True, slots=True)
class Sold:
    """A conversion that names some of the clicks, by their places in the story."""

    conversion: Conversion
    names: frozenset[int]


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate that is set."""

    currency: str
    since: date
    rate: str


@dataclass(frozen=True, slots=True)
class Story:
    """All that happens, in order; and how else it comes."""

    clicks: list[Clicked]
    sold: list[Sold]
    reversals: list[Reversal]
    rates: list[Rate]
    programme: Programme
    random: Random


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that comes. Those of one `group` keep their order."""

    group: object
    slice: Slice | None = None
    record: Record | None = None
    verdict: NamedTouch | None = None
    rate: Rate | None = None
    programme: Programme | None = None


def _clicks() -> st.SearchStrategy[Clicked]:
    """Three advocates with a link each; few instants, so that some are the same, and one at the window's edge."""

    def clicked(advocate: str, falls: bool, **said: Any) -> Clicked:  # noqa: FBT001 - hypothesis names it
        said |= {"advocate_id": AdvocateId(advocate), "link_id": LinkId(PARTITIONS[advocate] + 1)}
        return Clicked(advocate, replace(PLAIN_CLICK, **said), falls)

    return st.builds(
        clicked,
        advocate=st.sampled_from(list(PARTITIONS)),
        falls=st.sampled_from([False, False, False, True]),
        occurred_at=st.sampled_from([NOON - HOUR, NOON - HOUR, NOON - 2 * DAY, NOON - 30 * DAY, NOON + HOUR]),
        visitor=st.sampled_from(["v", "w", None, None]),
        method=st.sampled_from(["GET", "GET", "GET", "HEAD"]),
        self_click=st.sampled_from([False, False, False, True]),
    )


def _keys() -> st.SearchStrategy[ConversionKey]:
    return st.builds(
        ConversionKey, st.just("shop"), st.sampled_from(["sale", "lead"]), st.sampled_from(["A", "B", "C"])
    )


def _sold() -> st.SearchStrategy[Sold]:
    """Few keys, so that some are told of twice; some name nothing, and earn by their customer or not at all."""
    money = [(None, None), (1_000, "EUR"), (999, "USD"), (12_345, "KWD"), (5, "JPY")]

    def sold(names: frozenset[int], money: tuple[int | None, str | None], **said: Any) -> Sold:
        customer = said["customer"] if names else said["customer"] or CARLA
        currency = Currency(money[1]) if money[1] else None
        said |= {"customer": customer, "value_minor": money[0], "currency": currency}
        return Sold(Conversion(**said), names)

    return st.builds(
        sold,
        names=st.frozensets(st.integers(0, CLICKS_MAX - 1), max_size=5),
        money=st.sampled_from(money),
        key=_keys(),
        occurred_at=st.sampled_from([NOON, NOON, NOON - HOUR, NOON - DAY]),
        customer=st.sampled_from([None, CARLA, CARLA, DORIS]),
        via=st.sampled_from([Via.API, Via.API, Via.SCRIPT]),
        test=st.sampled_from([False] * 7 + [True]),
    )


def _reversals() -> st.SearchStrategy[Reversal]:
    values = st.sampled_from([None, 300, 300, 800])
    return st.builds(Reversal, st.just(NOON + DAY), _keys(), st.sampled_from("rs").map(ReversalId), values)


def _programmes() -> st.SearchStrategy[Programme]:
    return st.builds(
        Programme,
        attribution_model=st.sampled_from(Model),
        earning=st.sampled_from(Earning),
        currency=st.sampled_from(["EUR", "JPY"]).map(Currency),
        attribution_windows_s=st.sampled_from([{}, {"lead": 86_400}]),
        half_life_s=st.sampled_from([1, 86_400]),
    )


def _stories() -> st.SearchStrategy[Story]:
    rates = st.builds(
        Rate,
        st.sampled_from(["USD", "KWD", "EUR"]),
        st.sampled_from([NOON.date(), NOON.date() - DAY]),
        st.sampled_from(["0.9", "3.123456789"]),
    )
    return st.builds(
        Story,
        clicks=st.lists(_clicks(), min_size=1, max_size=CLICKS_MAX),
        sold=st.lists(_sold(), min_size=1, max_size=8),
        reversals=st.lists(_reversals(), max_size=3),
        rates=st.lists(rates, max_size=3, unique_by=lambda rate: (rate.currency, rate.since)),
        programme=_programmes(),
        random=st.randoms(use_true_random=False),
    )


@pytest.fixture
async def kafka_pipe(pipe: Pipe, kafka_connection: KafkaConnection) -> AsyncIterator[Pipe]:
    """A pipe to the same database, through topics of its own."""
    async with opened_kafka_log(kafka_connection) as log:
        yield Pipe(pipe.dsn, pipe.pool, log)


@settings(TOLD, max_examples=15)
@given(story=_stories())
async def test_the_order_in_which_things_come_does_not_matter(pipe: Pipe, story: Story) -> None:
    """Credits, states and counts are as if all had come in order, and as a second reckoning has them."""
    await _check(pipe, story)


@settings(TOLD, max_examples=3)
@given(story=_stories())
async def test_the_order_does_not_matter_on_kafka_either(kafka_pipe: Pipe, story: Story) -> None:
    """There is one way of applying and attributing: a few stories show that it is the same."""
    await _check(kafka_pipe, story)


async def _check(pipe: Pipe, story: Story) -> None:
    steps = await _begin(pipe, story)
    await _run(pipe, steps, Random(0), at_once=len(steps))
    in_order = await _outcomes(pipe)
    assert await misattributed(pipe.dsn, SOON) == []
    steps = await _begin(pipe, story)
    await _run(pipe, _shuffled(steps, story.random), story.random, at_once=story.random.randint(1, 6))
    assert await misattributed(pipe.dsn, SOON) == []
    outcomes = await _outcomes(pipe)
    assert (outcomes - in_order, in_order - outcomes) == (set(), set())
    assert await pipe.drift() == []


async def _outcomes(pipe: Pipe) -> set[tuple[Any, ...]]:
    return {*await fetch(pipe.dsn, OUTCOMES), *await fetch(pipe.dsn, COUNTS)}


async def _begin(pipe: Pipe, story: Story) -> Sequence[Step]:
    """An empty database, and all that is to come, in order, by journals that nobody has heard of.

    Rates are of the currency that the programme has when they are set: it has the same from the start.
    """
    await execute(pipe.dsn, EMPTIED)
    async with session(pipe.dsn) as test:
        for stream in Stream:
            ends = await pipe.carrier.end_offsets(stream)
            await test.executemany(AT_THE_END, [(stream, *one) for one in ends.items()])
    await ProgrammeStore(pipe.pool).change(Programme(currency=story.programme.currency))
    steps: list[Step] = []
    touches: list[NamedTouch] = []
    pens = {advocate: Pen(Partition(partition)) for advocate, partition in PARTITIONS.items()}
    for one in story.clicks:
        pen = pens[one.advocate]
        group = (Stream.CLICKS, int(pen.partition))
        steps.append(Step(group, group, pen.write(one.click)))
        touches.append(NamedTouch(pen.last, one.click.occurred_at.date()))
        if one.falls:
            steps.append(Step(group, verdict=touches[-1]))
    keys: dict[ConversionKey, Pen] = defaultdict(lambda: Pen(stream=Stream.CONVERSIONS))
    for sold in story.sold:
        named = {touches[place % len(touches)] for place in sold.names}
        order = sorted(named, key=lambda touch: (touch.origin.journal, touch.origin.partition, touch.origin.seq))
        steps.append(_of_key(keys, replace(sold.conversion, touches=tuple(order))))
    taken_back: dict[ConversionKey, Pen] = defaultdict(lambda: Pen(stream=Stream.CONVERSIONS))
    steps += [_of_key(taken_back, one) for one in story.reversals]
    steps += [Step(rate, rate=rate) for rate in story.rates if rate.currency != story.programme.currency]
    return [*steps, Step("programme", programme=story.programme)]


def _of_key(pens: dict[ConversionKey, Pen], fact: Conversion | Reversal) -> Step:
    """A fact by the pen of its key, in one of two partitions; a reversal keeps its place among those of its name."""
    pen = pens[fact.key]
    pen.partition = Partition(ord(fact.key.external_id) % 2)
    group = (fact.key, fact.reversal_id) if isinstance(fact, Reversal) else fact.key
    return Step(group, (Stream.CONVERSIONS, int(pen.partition)), pen.write(fact))


def _shuffled(steps: Sequence[Step], random: Random) -> Sequence[Step]:
    """In any order but that of groups."""
    shuffled = random.sample(steps, len(steps))
    groups: dict[object, list[Step]] = defaultdict(list)
    for step in steps:
        groups[step.group].append(step)
    return [groups[step.group].pop(0) for step in shuffled]


async def _run(pipe: Pipe, steps: Sequence[Step], random: Random, *, at_once: int) -> None:
    """Let it come, so many records at once, and look at it in between and at the end."""
    shop = Shop(pipe)
    sent: dict[Slice, list[Record]] = defaultdict(list)
    waiting: list[Step] = []
    for step in steps:
        if step.slice is not None:
            waiting.append(step)
        if step.slice is None or len(waiting) >= at_once:
            await _apply(pipe, waiting, sent, random)
            waiting = []
        if step.verdict is not None:
            await shop.judges(step.verdict)
        if step.rate is not None:
            await shop.rates(step.rate.currency, step.rate.since, step.rate.rate)
        if step.programme is not None:
            await ProgrammeStore(pipe.pool).change(step.programme)
    await _apply(pipe, waiting, sent, random)
    await shop.settles()
    assert await fetch_value(pipe.dsn, "SELECT count(*) FROM conversion_mark") == 0


async def _apply(pipe: Pipe, steps: Sequence[Step], sent: dict[Slice, list[Record]], random: Random) -> None:
    """Append records, some of them and of earlier ones again, and apply them while two attributors look at it all."""
    slices: dict[Slice, list[Record]] = defaultdict(list)
    for step in steps:
        if step.slice is not None and step.record is not None:
            sent[step.slice].append(step.record)
            slices[step.slice] += [step.record, *random.choices(sent[step.slice], k=random.randint(0, 1))]
    consumers: list[PartitionConsumer] = []
    for number, ((stream, partition), records) in enumerate(sorted(slices.items())):
        await pipe.append(*records, partition=partition, stream=stream)
        log = SplitLog(pipe.carrier, [random.randint(1, 3) for _ in records])
        consumers.append(pipe.consumer(partition, stream=stream, owner=f"aggregator {number % 2}", log=log))
    if consumers:
        applied = asyncio.Event()
        attributors = [asyncio.create_task(_attribute(pipe, applied)) for _ in range(2)]
        try:
            await pipe.apply(*consumers)
        finally:
            applied.set()
        await asyncio.gather(*attributors)


async def _attribute(pipe: Pipe, applied: asyncio.Event) -> None:
    """Sweep and attribute as long as others apply; what gives way to another transaction is done again."""
    store = Shop(pipe).attributor()
    while not applied.is_set():
        try:
            await store.sweep(given_up=False)
            await attribute_all(store)
        except DatabaseAwayError:
            continue
