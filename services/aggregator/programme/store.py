"""The programme in Postgres. Every call may raise DatabaseAwayError."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aggregator.errors import UnknownZoneError, ZoneInUseError
from aggregator.judge import Repeats
from database.pool import Connection, Pool, connected, only_row
from database.queries import load_queries
from link_events.click_ids import CLICK_ID_NAME
from link_events.periods import Calendar, Weekday, zone_named

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class Programme:
    """By which zone and weeks a company counts, when further clicks are repeats, and what redirects carry."""

    timezone: str = "UTC"
    first_weekday: Weekday = Weekday.MONDAY
    repeats: Repeats = Repeats.DAY
    click_ids: bool = True
    click_id_name: str = CLICK_ID_NAME

    @property
    def calendar(self) -> Calendar:
        """The programme's zone and weeks, to reckon with.

        Raises:
            UnknownZoneError: the zone that is stored is not in this version's time-zone database.
        """
        zone = zone_named(self.timezone)
        if zone is None:
            raise UnknownZoneError(self.timezone)
        return Calendar(zone, self.first_weekday)


class ProgrammeStore:
    """Reads and changes the programme."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self) -> Programme:
        """The programme as it is."""
        async with connected(self._pool) as connection:
            return await read_programme(connection)

    async def change(self, wanted: Programme) -> None:
        """Change the programme.

        A batch that was judged and folded by the old one cannot commit afterwards: the fence makes its compare-and-set
        fail. A partition that is being claimed for the first time has no row to fence yet: its claim waits, or we do.

        Raises:
            ZoneInUseError: clicks are stored, and their local days would be wrong in another zone.
        """
        async with connected(self._pool) as connection, connection.transaction():
            await connection.execute(_SQL["hold_for_change"])
            await connection.execute(_SQL["fence_all"])
            current = await read_programme(connection)
            if wanted.timezone != current.timezone and await connection.fetchval(_SQL["any_click"]):
                raise ZoneInUseError(current.timezone)
            values = (wanted.timezone, wanted.first_weekday, wanted.repeats, wanted.click_ids, wanted.click_id_name)
            await connection.execute(_SQL["update"], *values)


async def read_programme(connection: Connection) -> Programme:
    """The programme as the caller's transaction sees it."""
    return await _read(connection, "programme")


async def hold_programme(connection: Connection) -> Programme:
    """The programme as it stays until the caller's transaction ends. To be the first of its locks."""
    return await _read(connection, "programme_held")


async def _read(connection: Connection, query: str) -> Programme:
    fields = dict(only_row(await connection.fetchrow(_SQL[query])))
    weekday, repeats = Weekday(fields.pop("first_weekday")), Repeats(fields.pop("repeats"))
    return Programme(first_weekday=weekday, repeats=repeats, **fields)
