"""Conversions and reversals in Postgres: every event that was received, and one row a key that names its holder.

Whoever writes here holds the partition that the key lies in, so nobody else takes the key meanwhile. The rows of known
keys are held in the order of their ids, before anything is read of them. What changed is marked for the attributor.
Every call may raise DatabaseAwayError.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from aggregator.attributing.marks import Mark, mark
from aggregator.conversions.bodies import body_digest
from aggregator.conversions.settling import (
    HolderPlace,
    ReceivedConversion,
    ReceivedReversal,
    first_told,
    holders,
)
from database.pool import Connection
from database.queries import columns, load_queries
from link_events.identity import ConversionKey, CustomerHash, JournalId
from link_events.reasons import Via
from link_events.streams import Offset, Partition

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

TOUCHES_WRITTEN: Final = 10_000
"""Rows of one statement: some 600 kB."""


class KeyTakenError(Exception):
    """A key lies in another partition as well: its row appeared while ours was held."""


class _Held(NamedTuple):
    """What is known of a key."""

    conversion_id: int
    place: HolderPlace
    customer: CustomerHash | None


async def take_conversions(connection: Connection, partition: Partition, events: Sequence[ReceivedConversion]) -> int:
    """Keep conversions, give each key the holder that it now has, and mark those that are new or another's.

    Returns how many tell of a key that was told of before.

    Raises:
        KeyTakenError: somebody else took a key meanwhile.
    """
    if not events:
        return 0
    first = holders(events)
    held = await _hold(connection, first)
    await _put(connection, "keep_events", [_event_row(partition, one) for one in events])
    touches = [row for one in events for row in _touch_rows(partition, one)]
    for start in range(0, len(touches), TOUCHES_WRITTEN):
        await _put(connection, "keep_touches", touches[start : start + TOUCHES_WRITTEN])
    new = {key: one for key, one in first.items() if key not in held}
    ids = await _begin(connection, partition, new)
    marks = [Mark(ids[key], one.captured_at) for key, one in new.items()]
    overtaken = {held[key]: one for key, one in first.items() if key in held and one.place < held[key].place}
    if overtaken:
        rows = [(before.conversion_id, *_holder_row(partition, one)) for before, one in overtaken.items()]
        await _put(connection, "change_holders", rows)
        marks += [Mark(before.conversion_id, one.captured_at, before.customer) for before, one in overtaken.items()]
    await mark(connection, marks)
    return len(events) - len(new)


async def take_reversals(connection: Connection, partition: Partition, events: Sequence[ReceivedReversal]) -> int:
    """Keep reversals, of several with one name the first, and mark the conversions that they take back.

    Returns how many tell of a reversal that was told of before.
    """
    if not events:
        return 0
    first = first_told(events)
    kept = await connection.fetch(
        _SQL["keep_reversals"], *columns([_reversal_row(partition, x) for x in first.values()])
    )
    captured: dict[ConversionKey, datetime] = {}
    for one in first.values():
        key = one.reversal.key
        captured[key] = min(one.captured_at, captured.get(key, one.captured_at))
    reversed_ids = {_key(row): row["conversion_id"] for row in kept if row["conversion_id"] is not None}
    await mark(connection, [Mark(conversion_id, captured[key]) for key, conversion_id in reversed_ids.items()])
    return len(events) - len([row for row in kept if row["is_new"]])


async def _hold(connection: Connection, keys: Collection[ConversionKey]) -> Mapping[ConversionKey, _Held]:
    rows = await connection.fetch(_SQL["hold_keys"], *columns(list(keys)))
    return {
        _key(row): _Held(
            row["conversion_id"],
            HolderPlace(
                Via(row["via"]) is not Via.API, Offset(row["log_offset"]), JournalId(row["journal"]), row["seq"]
            ),
            row["customer"],
        )
        for row in rows
    }


async def _begin(
    connection: Connection, partition: Partition, events: Mapping[ConversionKey, ReceivedConversion]
) -> Mapping[ConversionKey, int]:
    """Give each new key its row; the ids of these."""
    if not events:
        return {}
    rows = [(*key, *_holder_row(partition, one)) for key, one in events.items()]
    made = await connection.fetch(_SQL["begin"], *columns(rows))
    if len(made) < len(rows):
        raise KeyTakenError(f"of {len(rows)} new conversions {len(rows) - len(made)} were taken from another partition")
    return {_key(row): row["conversion_id"] for row in made}


async def _put(connection: Connection, query: str, rows: Sequence[Sequence[Any]]) -> None:
    await connection.execute(_SQL[query], *columns(rows))


def _key(row: Any) -> ConversionKey:
    return ConversionKey(row["source"], row["kind"], row["external_id"])


def _event_row(partition: Partition, one: ReceivedConversion) -> tuple[Any, ...]:
    said = one.conversion
    return (
        *(one.origin.journal, partition, one.origin.seq, one.offset),
        *(said.occurred_at, one.captured_at, one.logged_at, one.local_day, *said.key),
        *(said.customer, said.value_minor, said.currency, said.via, said.test, body_digest(said)),
    )


def _touch_rows(partition: Partition, one: ReceivedConversion) -> Iterator[tuple[Any, ...]]:
    for touch in one.conversion.touches:
        click = touch.origin
        yield (
            *(one.origin.journal, partition, one.origin.seq),
            *(*click.place, touch.utc_day),
        )


def _holder_row(partition: Partition, one: ReceivedConversion) -> tuple[Any, ...]:
    """What a key's row has of its holder."""
    said = one.conversion
    return (
        *(partition, one.origin.journal, one.origin.seq, one.offset, said.via),
        *(said.occurred_at, one.local_day, one.logged_at),
        *(said.customer, bool(said.touches), said.value_minor, said.currency, said.test),
    )


def _reversal_row(partition: Partition, one: ReceivedReversal) -> tuple[Any, ...]:
    said = one.reversal
    place = (one.origin.journal, partition, one.origin.seq, one.offset)
    return (*said.key, said.reversal_id, *place, said.occurred_at, said.value_minor)
