"""Customers in Postgres. Every call may raise DatabaseAwayError."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aggregator.programme.store import hold_programme_for_change
from database.pool import Pool, connected
from database.queries import load_queries
from link_events.identity import CustomerHash

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class Erased:
    """How many conversions and received events were a customer's."""

    conversions: int
    events: int


class CustomerStore:
    """Forgets customers."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def erase(self, customer: CustomerHash, token: CustomerHash, why: str) -> Erased:
        """Put a `token` that nobody can reckon from any id in the place of `customer`.

        What follows what among the customer's conversions stays so, hence every total. The programme is held: nothing
        is attributed beside this, by a customer who is known of some conversions and not of others.
        """
        async with connected(self._pool) as connection, connection.transaction():
            await hold_programme_for_change(connection)
            conversions = len(await connection.fetch(_SQL["hold_conversions"], customer))
            await connection.execute(_SQL["erase_conversions"], customer, token)
            events = len(await connection.fetch(_SQL["erase_events"], customer, token))
            await connection.execute(_SQL["erase_marks"], customer, token)
            await connection.execute(_SQL["erase_markings"], customer, token)
            if conversions or events:
                await connection.execute(_SQL["keep"], why, conversions, events)
        return Erased(conversions, events)
