"""The programme in Postgres, for reading."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from database.pool import Pool, connected, only_row
from database.queries import load_queries
from link_events.click_ids import CLICK_ID_NAME

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class Programme:
    """What of it redirects depend on, as it is stored; the defaults are those of a programme that nobody has set."""

    timezone: str = "UTC"
    click_ids: bool = True
    click_id_name: str = CLICK_ID_NAME


class ProgrammeStore:
    """Reads the programme."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self) -> Programme:
        """The programme as it is.

        Raises:
            DatabaseAwayError: Postgres cannot be asked now.
        """
        async with connected(self._pool) as connection:
            row = only_row(await connection.fetchrow(_SQL["programme"]))
        return Programme(**dict(row))
