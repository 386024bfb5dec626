"""Advocates in Postgres. The only place of the redirector that changes what is said of them.

Every call may raise DatabaseAwayError.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from database.pool import Connection, Pool, connected
from database.queries import columns, load_queries
from link_events.identity import AdvocateId
from link_events.people import PersonOnDay, StateRow
from redirector.advocates.history import Advocate, HistoryRow, Put, Said, take, that_hold

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class AdvocateStore:
    """What the redirector knows of advocates."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(self, rows: Sequence[Said], actor: str, *, dry_run: bool = False) -> Sequence[Put]:
        """Say something of advocates, one row after another, all or nothing; `dry_run`: only tell what would be."""
        if not rows:
            return []
        async with connected(self._pool) as connection:
            transaction = connection.transaction(isolation="read_committed")
            await transaction.start()
            try:
                put = await _put(connection, rows, actor)
            except BaseException:
                await transaction.rollback()
                raise
            await (transaction.rollback() if dry_run else transaction.commit())
        return put

    async def find(self, advocate_id: AdvocateId) -> tuple[Advocate, Sequence[HistoryRow]] | None:
        """An advocate, and what holds of them from which day on; None where nobody has put them."""
        async with (
            connected(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            row = await connection.fetchrow(_SQL["find_advocate"], advocate_id)
            states = await connection.fetch(_SQL["states_of"], [advocate_id])
        if row is None:
            return None
        history = [
            HistoryRow(one["valid_from"], StateRow.of(one).person, one["set_at"], one["set_by"]) for one in states
        ]
        return Advocate(**dict(row)), that_hold(history)


async def _put(connection: Connection, rows: Sequence[Said], actor: str) -> Sequence[Put]:
    """Inside a transaction, which holds the advocates: who says something of them at the same time waits."""
    ids = sorted({row.advocate_id for row in rows})
    new = [row["advocate_id"] for row in await connection.fetch(_SQL["add_advocates"], ids)]
    held = {row["advocate_id"]: Advocate(**dict(row)) for row in await connection.fetch(_SQL["hold_advocates"], ids)}
    states = [StateRow.of(row) for row in await connection.fetch(_SQL["states_of"], ids)]
    taken = take(rows, held, states, new)
    stored = held
    if taken.advocates:
        said = [(one.advocate_id, one.display_name, one.public_standings) for one in taken.advocates.values()]
        rows_put = await connection.fetch(_SQL["put_advocates"], *columns(said))
        stored = held | {row["advocate_id"]: Advocate(**dict(row)) for row in rows_put}
    if taken.states:
        await connection.executemany(_SQL["add_state"], [_state_row(*one, actor) for one in taken.states])
    updated = {advocate_id: advocate.updated_at for advocate_id, advocate in stored.items()}
    return [
        replace(one, advocate=replace(one.advocate, updated_at=updated[one.advocate.advocate_id])) for one in taken.put
    ]


def _state_row(advocate_id: AdvocateId, valid_from: date, person: PersonOnDay, actor: str) -> tuple[Any, ...]:
    return (advocate_id, valid_from, person.team, sorted(person.roles), person.excluded, person.active, actor)
