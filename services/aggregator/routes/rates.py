"""PUT and GET /v1/rates: what other currencies are worth, and which rates are missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from aggregator.counts.asking import ROWS_DEFAULT, write_cursor
from aggregator.errors import OwnCurrencyError
from aggregator.rates.store import BEFORE_THE_FIRST, RATES_MAX, Rate, RateKey, RateStore
from aggregator.routes.answers import Cursor, Day, Limit, asked_cursor, link_next, rate_text
from database.keys import LiveKey, Scope
from http_api.access import Access
from http_api.openapi import NEXT_PAGE
from http_api.problems import refused_field
from http_api.texts import in_words
from link_events.currencies import CURRENCIES
from link_events.identity import Currency

RATE_PATTERN: Final = "^[0-9]{1,12}([.][0-9]{1,12})?$"


def _known_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("no currency of ISO 4217 that is in use")
    return code


def _more_than_nothing(rate: str) -> str:
    if not Decimal(rate):
        raise ValueError("a rate is more than 0")
    return rate


CurrencyText = Annotated[str, Field(description="ISO 4217.", examples=["SEK"]), AfterValidator(_known_currency)]
RateText = Annotated[
    str,
    Field(pattern=RATE_PATTERN, description="A decimal number: what one unit is worth.", examples=["0.0871"]),
    in_words("Text should be a decimal number like 0.0871, with at most 12 digits before the point and 12 after it"),
    AfterValidator(_more_than_nothing),
]


class RateIn(BaseModel):
    """What one unit of a currency is worth in the programme's, from a local day on."""

    model_config = ConfigDict(extra="forbid")

    currency: CurrencyText
    valid_from: Day
    rate: RateText


class RatesIn(BaseModel):
    """Rates to be set."""

    model_config = ConfigDict(extra="forbid")

    rows: list[RateIn] = Field(min_length=1, max_length=RATES_MAX)


class RatesSetOut(BaseModel):
    """What came of it."""

    base: str = Field(description="The programme's currency.")
    changed: int = Field(description="How many were new, or are others now.")


class RateOut(BaseModel):
    """A rate."""

    currency: str
    valid_from: date
    rate: str
    set_at: datetime


class MissingRateOut(BaseModel):
    """A currency that conversions wait for a rate of."""

    currency: str
    first_day: date = Field(description="The first local day that needs one.")
    conversions: int


class RatesOut(BaseModel):
    """A page of rates, and all that are missing."""

    base: str = Field(description="The programme's currency.")
    rows: list[RateOut]
    missing: list[MissingRateOut]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class RatesDesk:
    """What the endpoints below work with."""

    store: RateStore
    access: Access


def rates_routes(desk: RatesDesk) -> APIRouter:
    """Anybody with stats may read rates, an admin may set them."""
    router = APIRouter(prefix="/v1", tags=["rates"])
    reader = Annotated[LiveKey, Depends(desk.access.needs(Scope.STATS_READ))]
    admin = Annotated[LiveKey, Depends(desk.access.needs(Scope.ADMIN))]

    @router.get("/rates", operation_id="list_rates", summary="Rates, and those that are missing", responses=NEXT_PAGE)
    async def list_rates(
        *,
        request: Request,
        response: Response,
        _key: reader,
        currency: Annotated[CurrencyText | None, Query()] = None,
        limit: Limit = ROWS_DEFAULT,
        cursor: Cursor = None,
    ) -> RatesOut:
        """In the order of currencies and days; `Link` and `next_cursor` lead to the next page."""
        wanted = None if currency is None else Currency(currency)
        answer = await desk.store.page(_after(cursor), wanted, limit)
        next_cursor = _next_cursor(answer.rows[-1]) if answer.more else None
        link_next(request, response, next_cursor)
        return RatesOut(
            base=answer.base,
            rows=[_shown(rate) for rate in answer.rows],
            missing=[
                MissingRateOut(currency=one.currency, first_day=one.first_day, conversions=one.conversions)
                for one in answer.missing
            ],
            next_cursor=next_cursor,
        )

    @router.put("/rates", operation_id="put_rates", summary="Set rates")
    async def put_rates(body: RatesIn, _key: admin) -> RatesSetOut:
        """All of them or none. What waited for one of them, or was reckoned by another, is attributed again."""
        try:
            done = await desk.store.set_all(_asked(body.rows))
        except OwnCurrencyError as error:
            own = next(number for number, row in enumerate(body.rows) if row.currency == error.currency)
            raise refused_field(f"rows/{own}/currency", str(error)) from error
        return RatesSetOut(base=done.base, changed=done.changed)

    return router


def _asked(rows: Sequence[RateIn]) -> Mapping[RateKey, Decimal]:
    """The rates asked for.

    Raises:
        ProblemError: one is given twice.
    """
    rates: dict[RateKey, Decimal] = {}
    for number, row in enumerate(rows):
        key = RateKey(Currency(row.currency), row.valid_from)
        if key in rates:
            raise refused_field(f"rows/{number}", "a row before it is of the same currency and day")
        rates[key] = Decimal(row.rate)
    return rates


def _after(cursor: str | None) -> RateKey:
    if cursor is None:
        return BEFORE_THE_FIRST
    currency, day = asked_cursor(cursor, [str, str])
    try:
        return RateKey(currency, date.fromisoformat(day))
    except ValueError as error:
        raise refused_field("query/cursor", "not a cursor of this list") from error


def _next_cursor(last: Rate) -> str:
    return write_cursor([last.key.currency, last.key.valid_from.isoformat()])


def _shown(rate: Rate) -> RateOut:
    """A rate as it is answered."""
    return RateOut(
        currency=rate.key.currency,
        valid_from=rate.key.valid_from,
        rate=rate_text(rate.rate),
        set_at=rate.set_at,
    )
