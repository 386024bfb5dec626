"""People as the redirector wrote them down. Only read here; every call may raise DatabaseAwayError."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from database.pool import Connection
from database.queries import load_queries
from link_events.identity import AdvocateId
from link_events.people import Histories, StateRow

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


async def histories(connection: Connection, advocates: Collection[AdvocateId] | None) -> Histories:
    """What was said of some advocates; None: of all."""
    rows = await connection.fetch(_SQL["states"], None if advocates is None else list(advocates))
    return Histories(map(StateRow.of, rows))


async def names_of(connection: Connection, advocates: Collection[AdvocateId]) -> Mapping[AdvocateId, str]:
    """How advocates are called, of those who are called anything."""
    return {row["advocate_id"]: row["display_name"] for row in await connection.fetch(_SQL["names"], list(advocates))}
