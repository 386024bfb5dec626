"""A shop that reports what it sells: clicks that lead there, conversions that name them, and what becomes of these.

For tests of attribution itself: three advocates in three partitions, and nothing is attributed before a test says so.
Tests that only need something credited have `till`; those in which a browser reports have `web_shop`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from aggregator.attributing.running import attribute_all
from aggregator.attributing.store import AttributingStore
from aggregator.judge import Judgement
from aggregator.rates.store import RateKey, RateStore
from aggregator.verdicts.changing import change_verdicts
from aggregator.verdicts.deciding import Wanted, Why
from event_log.contract import Record
from link_events.events import Conversion, Fact, NamedTouch, Reversal
from link_events.identity import AdvocateId, ConversionKey, Currency, CustomerHash, LinkId, ReversalId
from link_events.reasons import Verdict, VerdictCause
from link_events.streams import Partition, Stream
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import fetch, fetch_value

NOON: Final = datetime(2022, 2, 14, 12, tzinfo=UTC)
"""When things are sold, unless told; people click an hour before."""

SOON: Final = NOON + timedelta(days=1)
"""When it is looked at, unless told: what is waited for is waited for still."""

LONG_AFTER: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""When nothing that is logged today is waited for any more."""

PARTITIONS: Final = {"ada": 0, "bo": 1, "cy": 2}
"""advocate → partition of their clicks."""

CARLA: Final = CustomerHash(b"carla, 16 bytes.")


FLOOD: Final = Judgement(Verdict.NOT_COUNTED, ("flood",), "review-1")
WHY: Final = Why(VerdictCause.REVIEW, "a colleague tried it out", "key ops")


class Shop:
    """Reports through a pipe, and has the attributor look at it when a test says."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self._clicks = {advocate: Pen(Partition(partition)) for advocate, partition in PARTITIONS.items()}
        self._facts = Pen(stream=Stream.CONVERSIONS)

    def next_click(self, advocate: str = "ada", **said: Any) -> tuple[NamedTouch, Record]:
        """A click that is not in the log yet: what names it, and its record."""
        pen = self._clicks[advocate]
        what = {"occurred_at": NOON - timedelta(hours=1), "link_id": LinkId(PARTITIONS[advocate] + 1), **said}
        record = pen.write(replace(PLAIN_CLICK, advocate_id=AdvocateId(advocate), **what))
        return NamedTouch(pen.last, what["occurred_at"].date()), record

    async def clicked(self, advocate: str = "ada", **said: Any) -> NamedTouch:
        """A click that is counted."""
        touch, record = self.next_click(advocate, **said)
        await self.pipe.take(record, partition=PARTITIONS[advocate])
        return touch

    async def reports(self, *facts: Fact) -> None:
        """Report facts, and apply them."""
        await self.pipe.take(*self.records(*facts), stream=Stream.CONVERSIONS)

    def records(self, *facts: Fact) -> list[Record]:
        """The records of facts, to be appended."""
        return [self._facts.write(fact) for fact in facts]

    def attributor(self, now: datetime = SOON) -> AttributingStore:
        """What an aggregator attributes with, to which it is `now`."""
        return AttributingStore(self.pipe.pool, lambda: now)

    async def judges(self, touch: NamedTouch, judgement: Judgement = FLOOD) -> None:
        """Change a verdict, as a review does."""
        origin = touch.origin
        query = "SELECT verdict_version FROM click WHERE (journal, partition, seq) = ($1, $2, $3)"
        version = await fetch_value(self.pipe.dsn, query, origin.journal, origin.partition, origin.seq)
        await change_verdicts(self.pipe.pool, origin.partition, [Wanted(origin, version, judgement)], WHY)

    async def rates(self, currency: str, since: date, rate: str) -> None:
        """Say what a currency is worth in the programme's from a day on."""
        await RateStore(self.pipe.pool).set_all({RateKey(Currency(currency), since): Decimal(rate)})

    async def settles(self, now: datetime = SOON) -> None:
        """Sweep and attribute until there is nothing left to do."""
        store = self.attributor(now)
        while await store.sweep(given_up=False) + await store.sweep(given_up=True) + await attribute_all(store):
            pass

    async def states(self) -> Mapping[str, str]:
        """external_id → what became of it."""
        return dict(await fetch(self.pipe.dsn, "SELECT external_id, state FROM conversion"))

    async def credited(self) -> list[tuple[Any, ...]]:
        """Whom the counts credit: (external_id, advocate, millionths, value)."""
        return await fetch(
            self.pipe.dsn,
            "SELECT external_id, advocate_id, counted_millionths, credit.value_minor FROM credit"
            " JOIN conversion USING (conversion_id) WHERE counted_millionths > 0 ORDER BY 1, 2",
        )


def sale(external_id: str, *touches: NamedTouch, **said: Any) -> Conversion:
    """A sale that names these clicks."""
    named = tuple(sorted(touches, key=lambda one: (one.origin.journal, one.origin.partition, one.origin.seq)))
    return replace(Conversion(NOON, ConversionKey("shop", "sale", external_id), named), **said)


def refund(external_id: str, value_minor: int | None = None, number: str = "R-1") -> Reversal:
    """A sale taken back: all of it, or so much."""
    return Reversal(
        NOON + timedelta(hours=2), ConversionKey("shop", "sale", external_id), ReversalId(number), value_minor
    )


def money(value_minor: int, currency: str = "EUR") -> Mapping[str, Any]:
    """What a conversion says of its value."""
    return {"value_minor": value_minor, "currency": Currency(currency)}
