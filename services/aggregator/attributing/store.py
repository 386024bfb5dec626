"""The one transaction in which marked conversions become credits and counts; and the sweep.

Its locks, in the order in which the whole service takes them: the programme, conversions by id, clicks by key, counters
by partition. What it reads, it reads after the lock that keeps it as it is, and in a snapshot of that statement's own.
So whoever changes what a conversion depends on is waited for here, or marks it after what is written here. Every call
may raise DatabaseAwayError.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from aggregator.attributing.deciding import Attribution, Bound, Claim, Credit, Found, Policy, bound_by
from aggregator.attributing.marks import mark_next
from aggregator.attributing.money import SAME_CURRENCY, RateOn
from aggregator.attributing.touches import Touch, TouchFacts, facts_of, place_of, touch_of
from aggregator.programme.store import Programme, hold_programme
from aggregator.results.adding import Results
from aggregator.results.store import add_results
from database.pool import Connection, Pool, connected
from database.queries import columns, load_queries
from link_events.identity import ConversionKey, CustomerHash, EventPlace
from link_events.reasons import Model, TouchOutcome
from link_events.streams import Partition

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

MARKS_MAX: Final = 200
"""Of one transaction: as long as it takes, changes of their clicks' verdicts and batches of their partitions wait."""

TOUCHES_MAX: Final = 5_000
"""Of one transaction, likewise, but for those of its first conversion and of the first customer that others follow: the
marks of the others are left."""

CANDIDATES_MAX: Final = 200
"""Of one customer. Whoever has bought so often without a click that counts is bound by none that comes after."""

SET_ASIDE_MAX: Final = 1000
"""Marks. Where more cannot be attributed it is not them, but this version or the database."""

ERROR_CHARS_MAX: Final = 2_000
"""Of why a mark is set aside; the log has all of it."""

FOLLOWERS_MAX: Final = 100
"""Of one customer that are marked at once; where there are more, the sweep marks all of them."""

SWEPT_MAX: Final = 1000
"""Of one sweep; what is left is for the next."""

_IDLE_MAX: Final = "5s"
"""Between two statements lies some deciding: a second at the very most."""


@dataclass(frozen=True, slots=True)
class Due:
    """A conversion that is to be looked at, and what was found of what it depends on."""

    claim: Claim
    found: Found


@dataclass(frozen=True, slots=True)
class TakenMark:
    """A mark that is ours until the transaction ends."""

    mark_id: int
    conversion_id: int
    left_customer: CustomerHash | None


@dataclass(frozen=True, slots=True)
class SetAside:
    """A conversion that could not be attributed: since when it waits, and why."""

    key: ConversionKey
    since: datetime
    error: str


class AttributingStore:
    """What the attributor and its sweep ask of Postgres."""

    def __init__(self, pool: Pool, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._pool = pool
        self._clock = clock

    @asynccontextmanager
    async def attribution(self, marks_max: int | None = None) -> AsyncIterator["AttributionWriter | None"]:
        """A transaction that has taken some marks; None where there are none, or others have them."""
        async with connected(self._pool) as connection:
            if not await connection.fetchval(_SQL["any_mark"]):
                yield None
                return
            async with connection.transaction(isolation="read_committed"):
                await connection.execute(_SQL["begin"], _IDLE_MAX)
                programme = await hold_programme(connection)
                rows = await connection.fetch(_SQL["take_marks"], marks_max or MARKS_MAX)
                marks = [TakenMark(**dict(row)) for row in rows]
                yield AttributionWriter(connection, policy_of(programme), self._clock(), marks) if marks else None

    async def set_aside(self, marks: Iterable[TakenMark], error: Exception) -> bool:
        """Have marks wait that cannot be attributed; False where too many wait already."""
        said = error.args[0] if error.args else ""  # no more than that: Postgres adds the row, with the customer's hash
        why = f"{type(error).__name__}: {said}".replace("\0", "")[:ERROR_CHARS_MAX]
        rows = [(mark.mark_id, self._clock(), why) for mark in marks]
        async with connected(self._pool) as connection, connection.transaction():
            if await connection.fetchval(_SQL["set_aside_count"]) >= SET_ASIDE_MAX:
                return False
            await connection.executemany(_SQL["set_aside"], rows)
        return True

    async def try_again(self, after: timedelta) -> int:
        """Have marks taken again that were set aside so long ago; of how many conversions they are."""
        async with connected(self._pool) as connection:
            count: int = await connection.fetchval(_SQL["try_again"], self._clock() - after)
        return count

    async def find_set_aside(self) -> Sequence[SetAside]:
        """Conversions that wait for somebody to mend what the error says, those that do for longest first."""
        async with connected(self._pool) as connection:
            return [_set_aside(row) for row in await connection.fetch(_SQL["find_set_aside"])]

    async def sweep(self, *, given_up: bool) -> int:
        """Mark what waits for a click that has come, or has waited long enough; and more of what is to be marked.

        With `given_up` what names a click which is waited for no more. One aggregator sweeps at a time. How many
        conversions that were: where none, there is nothing to sweep.
        """
        async with connected(self._pool) as connection, connection.transaction(isolation="read_committed"):
            if not await connection.fetchval(_SQL["one_sweep"]):
                return 0
            now = self._clock()
            swept = await connection.fetch(_SQL["sweep_touches"], now, given_up, SWEPT_MAX)
            swept += await connection.fetch(_SQL["sweep_waiting"], now, SWEPT_MAX)
            return len(swept) + await mark_next(connection)


class AttributionWriter:
    """Reads and writes inside one attribution's transaction."""

    def __init__(self, connection: Connection, policy: Policy, now: datetime, marks: Sequence[TakenMark]) -> None:
        self._connection = connection
        self._marks = marks
        self.taken = marks
        self.policy = policy
        self.now = now

    async def due(self) -> Sequence[Due]:
        """The marked conversions, which nobody else changes from now on, and what they depend on.

        Where they, or those that they may follow, name very many clicks, some of them: the other marks are as if they
        had not been taken.
        """
        ids = sorted({mark.conversion_id for mark in self._marks})
        marked = await self._connection.fetch(_SQL["hold_conversions"], ids)
        own = await self._touches(marked)
        held = _first(marked, own)
        customers = {row["customer"] for row in held if row["customer"] and not row["names_clicks"]}
        candidates = await self._candidates(customers)
        if put_off := _put_off(candidates):
            held = [row for row in held if row["names_clicks"] or row["customer"] not in put_off]
            candidates = [row for row in candidates if row["customer"] not in put_off]
        ids = [row["conversion_id"] for row in held]
        looked_at = set(ids)
        self._marks = [mark for mark in self._marks if mark.conversion_id in looked_at]
        touches = {event: own[event] for event in map(place_of, held) if event in own}
        touches |= await self._touches(candidates)
        facts = await self._hold_clicks(touches.values())
        await self._put_facts(held, touches, facts)
        latest = {event: [_latest(touch, facts) for touch in named] for event, named in touches.items()}
        reversals = await self._reversals(ids)
        rates = await self._rates(ids)
        by_customer: dict[bytes, list[tuple[Claim, Sequence[Touch]]]] = defaultdict(list)
        for row in candidates:
            by_customer[row["customer"]].append((_claim(row), latest.get(place_of(row), ())))
        return [
            Due(
                claim,
                Found(
                    touches=latest.get(place_of(row), ()),
                    bound=self._bound(claim, by_customer),
                    reversals=reversals[claim.conversion_id],
                    rate=SAME_CURRENCY if claim.currency == self.policy.currency else rates.get(claim.conversion_id),
                ),
            )
            for row, claim in ((row, _claim(row)) for row in held)
        ]

    async def write(self, made: Sequence[tuple[Claim, Attribution]]) -> None:
        """Write what became of them all: what differs from what is stored. Counts come last."""
        await self._put("put_attributions", [_attribution_row(*one) for one in made], self.now)
        results = await self._put_credits(made)
        await self._connection.execute(_SQL["drop_marks"], [mark.mark_id for mark in self._marks])
        binding = [claim.conversion_id for claim, _ in made if claim.names_clicks and claim.customer]
        left = list({mark.left_customer for mark in self._marks if mark.left_customer})
        if binding or left:
            await self._connection.execute(_SQL["mark_followers"], binding, left, FOLLOWERS_MAX)
        for partition, added in sorted(results.items()):
            await add_results(self._connection, partition, added)

    def _bound(self, claim: Claim, candidates: Mapping[bytes, Sequence[tuple[Claim, Sequence[Touch]]]]) -> Bound | None:
        if claim.names_clicks or claim.customer is None:
            return None
        return bound_by(candidates.get(claim.customer, ()), claim, self.policy)

    async def _candidates(self, customers: Iterable[bytes]) -> Sequence[Any]:
        if not customers:
            return ()
        return await self._connection.fetch(_SQL["candidates_of"], sorted(customers), CANDIDATES_MAX)

    async def _touches(self, conversions: Iterable[Any]) -> Mapping[EventPlace, Sequence[Touch]]:
        """What the events of conversions name, with what was found of it before."""
        events = sorted({place_of(row) for row in conversions if row["names_clicks"]})
        touches: dict[EventPlace, list[Touch]] = defaultdict(list)
        if events:
            for row in await self._connection.fetch(_SQL["touches_of"], *columns(events)):
                touches[place_of(row)].append(touch_of(row))
        return touches

    async def _hold_clicks(self, touches: Iterable[Iterable[Touch]]) -> Mapping[EventPlace, TouchFacts]:
        """Clicks as they are judged, which stays so until we are done."""
        names = sorted({(*touch.click.place, touch.click_on) for named in touches for touch in named})
        if not names:
            return {}
        rows = await self._connection.fetch(_SQL["hold_clicks"], *columns(names))
        return {place_of(row): facts_of(row, row["occurred_at"]) for row in rows}

    async def _put_facts(
        self,
        held: Iterable[Any],
        touches: Mapping[EventPlace, Sequence[Touch]],
        facts: Mapping[EventPlace, TouchFacts],
    ) -> None:
        """Keep what was found. Only of conversions that are looked at: the sweep has to find the others as they are."""
        rows = [
            (*place_of(row), *touch.click.place, *_facts_row(facts[touch.click.place]))
            for row in held
            for touch in touches.get(place_of(row), ())
            if touch.click.place in facts and facts[touch.click.place] != touch.facts
        ]
        if rows:
            await self._connection.executemany(_SQL["put_facts"], sorted(rows))

    async def _reversals(self, ids: Sequence[int]) -> Mapping[int, Sequence[int | None]]:
        reversals: dict[int, list[int | None]] = defaultdict(list)
        for row in await self._connection.fetch(_SQL["reversals_of"], ids):
            reversals[row["conversion_id"]].append(row["value_minor"])
        return reversals

    async def _rates(self, ids: Sequence[int]) -> Mapping[int, RateOn]:
        rows = await self._connection.fetch(_SQL["rates_of"], ids, self.policy.currency)
        return {row["conversion_id"]: RateOn(row["rate"], row["valid_from"]) for row in rows}

    async def _put_credits(self, made: Sequence[tuple[Claim, Attribution]]) -> Mapping[Partition, Results]:
        """Take back credits that are not given any more, give those that are new; what that adds to the counts."""
        stored = await self._connection.fetch(_SQL["credits_of"], [claim.conversion_id for claim, _ in made])
        before = {(row["conversion_id"], *place_of(row)): _credit(row) for row in stored}
        after = {(claim.conversion_id, *credit.click): credit for claim, now in made for credit in now.credits}
        gone = {key: credit for key, credit in before.items() if after.get(key) != credit}
        new = {key: credit for key, credit in after.items() if before.get(key) != credit}
        await self._put("drop_credits", sorted(gone))
        await self._put("add_credits", sorted((*key, *_credit_row(credit)) for key, credit in new.items()))
        results: dict[Partition, Results] = defaultdict(Results)
        for sign, changed in ((-1, gone), (1, new)):
            for credit in changed.values():
                results[credit.partition].add_credit(
                    credit.advocate_id,
                    credit.link_id,
                    credit.day,
                    credit.click_day,
                    millionths=sign * credit.counted_millionths,
                    value_minor=sign * credit.value_minor,
                )
        return results

    async def _put(self, query: str, rows: Sequence[Sequence[Any]], *first: Any) -> None:
        if rows:
            await self._connection.execute(_SQL[query], *first, *columns(rows))


def _set_aside(row: Any) -> SetAside:
    return SetAside(ConversionKey(row["source"], row["kind"], row["external_id"]), row["set_aside_at"], row["error"])


def policy_of(programme: Programme) -> Policy:
    """By which rules a programme credits."""
    return Policy(
        model=programme.attribution_model,
        window=timedelta(seconds=programme.attribution_window_s),
        windows={kind: timedelta(seconds=window_s) for kind, window_s in programme.attribution_windows_s.items()},
        half_life=timedelta(seconds=programme.half_life_s),
        earning=programme.earning,
        pending=timedelta(seconds=programme.pending_s),
        currency=programme.currency,
    )


def _first(held: Sequence[Any], touches: Mapping[EventPlace, Sequence[Touch]]) -> Sequence[Any]:
    """The first conversions, at least one, that have no more touches together than a transaction may."""
    reached = accumulate(len(touches.get(place_of(row), ())) for row in held)
    return [row for row, so_far in zip(held, reached, strict=True) if row is held[0] or so_far <= TOUCHES_MAX]


def _put_off(candidates: Sequence[Any]) -> Collection[bytes]:
    """Customers but for the first, at least one, whose candidates name no more clicks than a transaction may."""
    touches: dict[bytes, int] = defaultdict(int)
    for row in candidates:
        touches[row["customer"]] += row["touches"]
    reached = accumulate(touches.values())
    first = next(iter(touches), None)
    return {customer for customer, so_far in zip(touches, reached, strict=True) if so_far > TOUCHES_MAX} - {first}


def _claim(row: Any) -> Claim:
    return Claim(
        conversion_id=row["conversion_id"],
        key=ConversionKey(row["source"], row["kind"], row["external_id"]),
        occurred_at=row["occurred_at"],
        day=row["local_day"],
        logged_at=row["logged_at"],
        names_clicks=row["names_clicks"],
        customer=row["customer"],
        value_minor=row["value_minor"],
        currency=row["currency"],
        test=row["test"],
    )


def _latest(touch: Touch, facts: Mapping[EventPlace, TouchFacts]) -> Touch:
    return replace(touch, facts=facts.get(touch.click.place, touch.facts))


def _facts_row(facts: TouchFacts) -> tuple[Any, ...]:
    whose = (facts.clicked_at, facts.day, facts.advocate_id, facts.link_id)
    return (*whose, facts.verdict, list(facts.reasons), facts.self_click, facts.test)


def _attribution_row(claim: Claim, made: Attribution) -> tuple[Any, ...]:
    rate = (None, None) if made.rate is None else (made.rate.rate, made.rate.valid_from)
    money = (made.net_value_minor, made.credited_value_minor, made.credited_currency, *rate)
    window_s = made.window // timedelta(seconds=1)
    lacks_clicks = TouchOutcome.UNKNOWN in made.outcomes
    return (claim.conversion_id, made.state, made.waits_until, window_s, made.model, made.follows, *money, lacks_clicks)


def _credit(row: Any) -> Credit:
    return Credit(
        click=place_of(row),
        advocate_id=row["advocate_id"],
        link_id=row["link_id"],
        day=row["day"],
        click_day=row["click_day"],
        models={model: row[model] for model in Model},
        counted_millionths=row["counted_millionths"],
        value_minor=row["value_minor"],
    )


def _credit_row(credit: Credit) -> tuple[Any, ...]:
    """Without its key, in the order of the table's columns."""
    models = (credit.models[model] for model in Model)
    whose = (credit.advocate_id, credit.link_id, credit.day, credit.click_day)
    return (*whose, *models, credit.counted_millionths, credit.value_minor)
