"""Exchange rates in Postgres. Every call may raise DatabaseAwayError."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from aggregator.attributing.marks import mark_by_currency
from aggregator.errors import OwnCurrencyError
from aggregator.programme.store import hold_programme_for_change, read_programme
from database.pool import Pool, connected
from database.queries import load_queries
from link_events.identity import Currency

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class RateKey(NamedTuple):
    """Which rate: of what currency, from which local day on. The programme's currency is the other side of it."""

    currency: Currency
    valid_from: date


RATES_MAX: Final = 1_000
"""Of one request: three years of a currency's days."""

BEFORE_THE_FIRST: Final = RateKey(Currency(""), date.min)


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of `key.currency` is worth, and since when it is known."""

    key: RateKey
    rate: Decimal
    set_at: datetime


@dataclass(frozen=True, slots=True)
class MissingRate:
    """A currency without a rate, the first local day that needs one, and how many conversions wait for it."""

    currency: Currency
    first_day: date
    conversions: int


@dataclass(frozen=True, slots=True)
class RatesAnswer:
    """A page of the rates into `base`, what is missing, and whether more rates follow."""

    base: Currency
    rows: Sequence[Rate]
    missing: Sequence[MissingRate]
    more: bool


@dataclass(frozen=True, slots=True)
class RatesSet:
    """What came of setting rates into `base`: so many of them were new or are others now."""

    base: Currency
    changed: int


class RateStore:
    """Reads and sets rates."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def set_all(self, rates: Mapping[RateKey, Decimal]) -> RatesSet:
        """Set all of `rates` or none. Conversions that one of them may concern are attributed again.

        The programme is held: nothing is attributed beside this by rates that are half there.

        Raises:
            OwnCurrencyError: one of them is of the programme's own currency.
        """
        async with connected(self._pool) as connection, connection.transaction():
            base = (await hold_programme_for_change(connection)).currency
            if any(key.currency == base for key in rates):
                raise OwnCurrencyError(base)
            currencies, days = [key.currency for key in rates], [key.valid_from for key in rates]
            rows = await connection.fetch(_SQL["set_rates"], base, currencies, days, list(rates.values()))
            changed = [RateKey(*row) for row in rows]
            for currency, since in _first_days(changed).items():
                await mark_by_currency(connection, currency, since)
        return RatesSet(base, len(changed))

    async def page(self, after: RateKey, currency: Currency | None, rows_max: int) -> RatesAnswer:
        """At most `rows_max` rates after `after` in the order of their keys, of one currency where it is named."""
        async with (
            connected(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            base = (await read_programme(connection)).currency
            rows = await connection.fetch(_SQL["rates"], base, currency, *after, rows_max + 1)
            missing = [MissingRate(**row) for row in await connection.fetch(_SQL["missing"])]
        rates = [Rate(RateKey(row["currency"], row["valid_from"]), row["rate"], row["set_at"]) for row in rows]
        return RatesAnswer(base, rates[:rows_max], missing, more=len(rates) > rows_max)


def _first_days(keys: Iterable[RateKey]) -> Mapping[Currency, date]:
    """The first day of each currency."""
    first: dict[Currency, date] = {}
    for currency, day in sorted(keys):
        first.setdefault(currency, day)
    return first
