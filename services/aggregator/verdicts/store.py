"""Stored verdicts in Postgres, and what is kept of their changes. Every call may raise DatabaseAwayError.

Whoever changes verdicts holds their partition: nobody else changes one of its clicks, slots or counts meanwhile. Clicks
and slots are written here; what that changes counts by is handed back, for counts come last in a transaction.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aggregator.attributing.marks import mark_by_clicks
from aggregator.judge import Judgement, Place, Repeats, Slot
from aggregator.verdicts.deciding import (
    NOBODY_ASKED,
    Decision,
    Fate,
    StoredClick,
    Wanted,
    Why,
    asked_for,
    decide,
    fates_of,
    slots_touched,
)
from database.pool import Connection
from database.queries import columns, load_queries
from link_events.identity import Origin
from link_events.reasons import Verdict

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

Held = Mapping[Slot, Place]
"""Slots, and who holds them."""


async def judge_slots(connection: Connection, slots: Collection[Slot], repeats: Repeats) -> tuple[Decision, Held]:
    """Judge whole slots anew, after a click came that may take one; and who held what their visitors had before."""
    decision, held, _ = await _judge(connection, (), NOBODY_ASKED, slots, repeats)
    return decision, held


async def judge_wanted(
    connection: Connection, wanted: Sequence[Wanted], why: Why, repeats: Repeats
) -> tuple[Decision, Held, Sequence[Fate]]:
    """Judge clicks as somebody wants them, and with them all others of their slots."""
    return await _judge(connection, wanted, why, (), repeats)


async def changes_of(connection: Connection, origin: Origin) -> Sequence[Mapping[str, Any]]:
    """Every change of a click's verdict, the oldest first."""
    rows = await connection.fetch(_SQL["changes_of"], *origin.place)
    return [dict(row) for row in rows]


async def _judge(
    connection: Connection, wanted: Sequence[Wanted], why: Why, slots: Collection[Slot], repeats: Repeats
) -> tuple[Decision, Held, Sequence[Fate]]:
    named = await _named(connection, wanted)
    asked = asked_for(wanted, named)
    touched = {*slots, *slots_touched(asked, named)}
    clicks = {one.place: one for one in (*named, *await _of_slots(connection, touched))}
    held = await _held(connection, touched)
    decision = decide(asked, why, clicks.values(), held, slots=touched, repeats=repeats)
    await _write(connection, decision)
    return decision, held, fates_of(wanted, named, asked, decision)


async def _named(connection: Connection, wanted: Sequence[Wanted]) -> Sequence[StoredClick]:
    if not wanted:
        return ()
    names = [one.event.place for one in wanted]
    return _clicks(await connection.fetch(_SQL["clicks_named"], *columns(names)))


async def _of_slots(connection: Connection, slots: Collection[Slot]) -> Sequence[StoredClick]:
    if not slots:
        return ()
    return _clicks(await connection.fetch(_SQL["clicks_of_slots"], *columns(slots)))


async def _held(connection: Connection, slots: Collection[Slot]) -> Held:
    """All slots, of every link, that the visitors of `slots` hold of the same advocates on the same days."""
    if not slots:
        return {}
    rows = await connection.fetch(_SQL["slots_of_visitors"], *columns({slot[:3] for slot in slots}))
    return {Slot(row["day"], row["advocate_id"], row["visitor"], row["link_id"]): _place(row) for row in rows}


async def _write(connection: Connection, decision: Decision) -> None:
    """Slots in key order, then clicks in theirs, as every writer takes them; then what names one of these clicks."""
    gone = sorted(slot for slot, holder in decision.holders.items() if holder is None)
    if gone:
        await connection.execute(_SQL["drop_slots"], *columns(gone))
    taken = sorted((*slot, *holder) for slot, holder in decision.holders.items() if holder is not None)
    if taken:
        await connection.execute(_SQL["put_slots"], *columns(taken))
    rows = [
        (
            *(one.click.place.journal, one.click.place.partition, one.click.place.seq, one.click.occurred_on),
            *(one.judgement.verdict, list(one.judgement.reasons), one.judgement.rules_version),
            *(one.why.cause, one.why.sentence, one.why.actor),
        )
        for one in decision.changes
    ]
    await connection.executemany(_SQL["judge_anew"], sorted(rows))
    await mark_by_clicks(connection, [one.click.place for one in decision.changes])


def _clicks(rows: Iterable[Any]) -> Sequence[StoredClick]:
    return [
        StoredClick(
            place=_place(row),
            occurred_on=row["occurred_on"],
            day=row["local_day"],
            advocate_id=row["advocate_id"],
            link_id=row["link_id"],
            visitor=row["visitor"],
            judgement=Judgement(Verdict(row["verdict"]), tuple(row["reasons"]), row["rules_version"]),
            verdict_version=row["verdict_version"],
        )
        for row in rows
    ]


def _place(row: Any) -> Place:
    return Place(row["partition"], row["log_offset"], row["journal"], row["seq"])
