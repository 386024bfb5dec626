"""The programme in Postgres. Every call may raise DatabaseAwayError."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from aggregator.attributing.marks import mark_all
from aggregator.errors import UnknownZoneError, ZoneInUseError
from aggregator.judge import Repeats
from database.pool import Connection, Pool, connected, only_row
from database.queries import load_queries
from link_events.click_ids import CLICK_ID_NAME
from link_events.identity import Currency
from link_events.periods import Calendar, Weekday, zone_named
from link_events.reasons import Earning, Model

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


DAY_S: Final = 86_400
CURRENCY_DEFAULT: Final = Currency("EUR")


@dataclass(frozen=True, slots=True)
class Programme:
    """By which calendar a company counts, what is a repeat, what redirects carry, and how conversions are credited.

    `attribution_windows_s` holds the kinds of conversions whose window is another. After `pending_s` a click that a
    conversion names is no longer expected. Browsers report from pages of `browser_origins`, and money where they may.
    """

    timezone: str = "UTC"
    first_weekday: Weekday = Weekday.MONDAY
    repeats: Repeats = Repeats.DAY
    click_ids: bool = True
    click_id_name: str = CLICK_ID_NAME
    currency: Currency = CURRENCY_DEFAULT
    attribution_model: Model = Model.LAST
    attribution_window_s: int = 30 * DAY_S
    attribution_windows_s: Mapping[str, int] = field(default_factory=dict)
    half_life_s: int = 7 * DAY_S
    earning: Earning = Earning.COUNTED
    pending_s: int = 7 * DAY_S
    browser_origins: tuple[str, ...] = ()
    browser_money: bool = False

    @property
    def crediting(self) -> tuple[object, ...]:
        """All of it that conversions are credited by."""
        windows = (self.attribution_window_s, self.attribution_windows_s, self.half_life_s, self.pending_s)
        return (self.currency, self.attribution_model, self.earning, *windows)

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
            ZoneInUseError: clicks, conversions or activities are stored, and their local days would be wrong in another
                zone.
        """
        async with connected(self._pool) as connection, connection.transaction():
            current = await hold_programme_for_change(connection)
            await connection.execute(_SQL["fence_all"])
            if wanted.timezone != current.timezone and await connection.fetchval(_SQL["any_day"]):
                raise ZoneInUseError(current.timezone)
            await connection.execute(_SQL["update"], *_values(wanted))
            if wanted.crediting != current.crediting:
                await mark_all(connection)


async def read_programme(connection: Connection) -> Programme:
    """The programme as the caller's transaction sees it."""
    return await _read(connection, "programme")


async def hold_programme(connection: Connection) -> Programme:
    """The programme as it stays until the caller's transaction ends. To be the first of its locks."""
    return await _read(connection, "programme_held")


async def hold_programme_for_change(connection: Connection) -> Programme:
    """The programme, which nobody holds beside the caller's transaction. To be the first of its locks."""
    await connection.execute(_SQL["bar_attributors"])
    await connection.execute(_SQL["hold_for_change"])
    return await read_programme(connection)


async def _read(connection: Connection, query: str) -> Programme:
    stored = dict(only_row(await connection.fetchrow(_SQL[query])))
    return Programme(
        **stored
        | {
            "first_weekday": Weekday(stored["first_weekday"]),
            "repeats": Repeats(stored["repeats"]),
            "attribution_model": Model(stored["attribution_model"]),
            "attribution_windows_s": orjson.loads(stored["attribution_windows_s"]),
            "earning": Earning(stored["earning"]),
            "browser_origins": tuple(stored["browser_origins"]),
        }
    )


def _values(programme: Programme) -> tuple[object, ...]:
    return (
        *(programme.timezone, programme.first_weekday, programme.repeats),
        *(programme.click_ids, programme.click_id_name, programme.currency, programme.attribution_model),
        *(programme.attribution_window_s, orjson.dumps(programme.attribution_windows_s).decode()),
        *(programme.half_life_s, programme.earning, programme.pending_s),
        *(programme.browser_origins, programme.browser_money),
    )
