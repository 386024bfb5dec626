"""The programme in Postgres, for reading."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from database.pool import Pool, connected, only_row
from database.queries import load_queries
from link_events.click_ids import CLICK_ID_NAME

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class Programme:
    """What of it the redirector depends on, as it is stored; the defaults are those of one that nobody has set."""

    timezone: str = "UTC"
    click_ids: bool = True
    click_id_name: str = CLICK_ID_NAME
    browser_origins: tuple[str, ...] = ()
    browser_money: bool = False
    longest_window_s: int = 30 * 86_400
    """For how long a click may earn, of all kinds of conversions: until then track.js keeps it."""


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
        return programme_of(dict(row))


def programme_of(stored: Mapping[str, Any]) -> Programme:
    """The programme of which `stored` says something; what it does not say has its default."""
    said = {field.name: stored[field.name] for field in fields(Programme) if field.name in stored}
    return Programme(**said | {"browser_origins": tuple(said.get("browser_origins", ()))})
