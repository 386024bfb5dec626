"""Conversions, read with all that belongs to them. Every call may raise DatabaseAwayError."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from aggregator.attributing.touches import place_of
from aggregator.clicks.absence import Whereabouts
from aggregator.clicks.store import whereabouts
from aggregator.counts.tables import CountsTable, whole
from aggregator.explaining.explained import ExplainedEvent, Row, Stored, explained
from aggregator.explaining.placing import CountsKey, places
from aggregator.freshness.store import Freshness, snapshot
from aggregator.journals.states import SILENT_AFTER
from database.pool import Connection, Pool, connected, only_row
from database.queries import columns, load_queries
from link_events.identity import ConversionKey, EventPlace, Origin
from link_events.periods import quarter_start
from link_events.reasons import ConversionState

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

KEY_EVENTS_MAX: Final = 100
"""How many events of a key are told of: who posts one conversion more often does so in a loop."""

REVERSALS_MAX: Final = 1_000
"""Likewise of what is taken back of one."""

BEFORE_THE_FIRST: Final = 0

WAITING: Final = (ConversionState.PENDING_CLICK, ConversionState.UNKNOWN_CURRENCY)
"""States that end by themselves when what is missing comes."""


@dataclass(frozen=True, slots=True)
class ConversionsAnswer:
    """Events with what became of them, how fresh that is, and where the next page begins, if there is one."""

    rows: Sequence[ExplainedEvent]
    freshness: Freshness
    next_after: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Conversions by the state in which they wait; marks that nobody has taken, and the oldest new fact's age.

    `set_aside`: how many conversions could not be attributed. `markings`: changes for which more are to be marked.
    """

    by_state: Mapping[ConversionState, int]
    marks: int
    oldest_mark_s: float
    set_aside: int = 0
    markings: int = 0


class ConversionStore:
    """Reads conversions."""

    def __init__(self, pool: Pool, silent_after: timedelta = SILENT_AFTER) -> None:
        self._pool = pool
        self._silent_after = silent_after

    async def find(self, origin: Origin) -> ConversionsAnswer | Whereabouts:
        """The conversion that was journaled as `origin`; else what is known of that event."""
        async with snapshot(self._pool, self._silent_after) as (connection, freshness):
            events = await _rows(connection, "event", *origin.place)
            if not events:
                return await whereabouts(connection, origin)
            (event,) = events
            key = ConversionKey(event["source"], event["kind"], event["external_id"])
            stored = await _stored(connection, await _rows(connection, "conversion_of_key", *key), events)
            return await _answer(connection, [(event, one) for one in stored], freshness)

    async def of_key(self, key: ConversionKey) -> ConversionsAnswer:
        """Every event of a key, its holder first; KEY_EVENTS_MAX of them at most."""
        async with snapshot(self._pool, self._silent_after) as (connection, freshness):
            stored = await _stored(connection, await _rows(connection, "conversion_of_key", *key), ())
            shown = [(event, one) for one in stored for event in one.events]
            return await _answer(connection, shown, freshness)

    async def in_state(self, state: ConversionState, after: int, rows_max: int) -> ConversionsAnswer:
        """At most `rows_max` conversions in a state, in the order in which they were first known, after `after`."""
        async with snapshot(self._pool, self._silent_after) as (connection, freshness):
            page = (after, rows_max + 1)
            if state is ConversionState.CREDITED:
                rows = await _rows(connection, "conversions_credited", *page)
            else:
                rows = await _rows(connection, "conversions_in_state", state, *page)
            stored = await _stored(connection, rows[:rows_max], ())
            next_after = rows[rows_max - 1]["conversion_id"] if len(rows) > rows_max else None
            return await _answer(connection, [(one.events[0], one) for one in stored], freshness, next_after)

    async def waiting(self) -> Waiting:
        """What waits now: for clicks, for rates, or to be attributed."""
        async with connected(self._pool) as connection:
            states = await connection.fetch(_SQL["waiting"], WAITING)
            marks = only_row(await connection.fetchrow(_SQL["marks"]))
        by_state = {ConversionState(row["state"]): row["conversions"] for row in states}
        return Waiting(by_state, marks["marks"], marks["oldest_s"], marks["set_aside"], marks["markings"])


async def _stored(connection: Connection, conversions: Sequence[Row], others: Sequence[Row]) -> Sequence[Stored]:
    """All that is stored of some conversions, in their order; the touches of `others`, events of theirs, with it."""
    keys = [[row[name] for row in conversions] for name in ("source", "kind", "external_id")]
    ids = [row["conversion_id"] for row in conversions]
    events = _grouped(await _rows(connection, "events", *keys, KEY_EVENTS_MAX))
    reversals = _grouped(await _rows(connection, "reversals", *keys, REVERSALS_MAX))
    followed = [row["follows"] for row in conversions if row["follows"] is not None]
    binders = {row["conversion_id"]: row for row in await _rows(connection, "conversions", followed)}
    named_by = {place_of(row) for row in (*binders.values(), *conversions, *others)}
    named_by |= {place_of(row) for rows in events.values() for row in rows} if len(conversions) == 1 else set()
    touches: defaultdict[EventPlace, list[Row]] = defaultdict(list)
    for row in await _rows(connection, "touches", *_columns(named_by)):
        touches[place_of(row)].append(row)
    credits_: defaultdict[int, dict[EventPlace, Row]] = defaultdict(dict)
    for row in await _rows(connection, "credits", ids):
        credits_[row["conversion_id"]][place_of(row)] = row
    return [
        Stored(
            conversion=row,
            events=events[number],
            binder=binders.get(row["follows"]),
            touches=touches,
            credits=credits_[row["conversion_id"]],
            reversals=reversals.get(number, ()),
        )
        for number, row in enumerate(conversions, 1)
    ]


async def _answer(
    connection: Connection, shown: Sequence[tuple[Row, Stored]], freshness: Freshness, next_after: int | None = None
) -> ConversionsAnswer:
    programme = freshness.programme
    numbers = await _numbers(connection, [credit for _, stored in shown for credit in stored.credits.values()])
    rows = [
        explained(
            event,
            stored,
            places(stored.credits.values(), numbers, programme.calendar),
            programme.earning,
            freshness.as_of,
        )
        for event, stored in shown
    ]
    return ConversionsAnswer(rows, freshness, next_after)


async def _numbers(connection: Connection, credits_: Iterable[Row]) -> Mapping[CountsKey, Mapping[str, int]]:
    """The results in every counts row that credits are in."""
    advocate_days, advocate_quarters, link_days = set(), set(), set()
    for credit in credits_:
        for day in (credit["day"], credit["click_day"]):
            advocate_days.add((credit["advocate_id"], day))
            advocate_quarters.add((credit["advocate_id"], quarter_start(day)))
            link_days.add((credit["link_id"], day))
    wanted = [column for keys in (advocate_days, advocate_quarters, link_days) for column in _columns(keys, 2)]
    return {
        CountsKey(CountsTable(row.pop("counts")), row.pop("key"), row.pop("start")): row
        for row in map(whole, await _rows(connection, "results", *wanted))
    }


def _columns(rows: Iterable[tuple[object, ...]], width: int = 3) -> Sequence[Sequence[object]]:
    """Rows as unnest takes them: a list for each column."""
    return columns(rows) or [[]] * width


def _grouped(rows: Iterable[Row]) -> Mapping[int, Sequence[Row]]:
    """What belongs to each key, by its number."""
    grouped: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["key_number"]].append(row)
    return grouped


async def _rows(connection: Connection, query: str, *values: object) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch(_SQL[query], *values)]
