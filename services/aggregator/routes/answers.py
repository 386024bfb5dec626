"""What answers with numbers have in common: freshness beside them, cursors to go on from."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import BaseModel, Field

from aggregator.counts.asking import ROWS_DEFAULT, ROWS_MAX, Days, read_cursor
from aggregator.freshness.store import Freshness
from aggregator.journals.showing import held_back_fields
from aggregator.journals.states import NAMED_MAX, HeldBackBy, JournalState
from http_api.problems import refused_field
from http_api.texts import WRITTEN_AS_DATE

Day = Annotated[date, Field(ge=date(1970, 1, 1), le=date(2999, 12, 31)), WRITTEN_AS_DATE]
"""A local day that somebody may ask for; nothing is stored outside, and dates near year 1 and 9999 overflow."""

FromDay = Annotated[Day | None, Query(alias="from", description="First local day, included; default: everything.")]
ToDay = Annotated[Day | None, Query(alias="to", description="Last local day, included; default: everything.")]
Limit = Annotated[int, Query(ge=1, le=ROWS_MAX, description=f"Rows of a page, {ROWS_DEFAULT} unless set.")]
Cursor = Annotated[str | None, Query(max_length=512, description="`next_cursor` of the page before.")]


class HeldBackOut(BaseModel):
    """A journal that holds `complete_through` back."""

    journal: str
    state: JournalState
    since: datetime = Field(description="Up to when everything of it is counted.")
    why: HeldBackBy


class AnswerOut(BaseModel):
    """How fresh the numbers are."""

    as_of: datetime = Field(description="When the numbers were read.")
    complete_through: datetime | None = Field(
        description="Everything that known redirectors captured up to then is counted."
    )
    held_back_by: list[HeldBackOut] = Field(
        description=f"Journals that keep it from being recent, the furthest behind first; at most {NAMED_MAX}."
    )
    timezone: str = Field(description="The zone of local days.")
    provisional: bool = Field(description="Whether the numbers may still grow.")


def freshness_fields(freshness: Freshness, last_day: date | None) -> dict[str, Any]:
    """The fields of AnswerOut for numbers up to `last_day` (None: up to now)."""
    return {
        "as_of": freshness.as_of,
        "complete_through": freshness.complete_through,
        "held_back_by": [held_back_fields(held) for held in freshness.held_back_by],
        "timezone": freshness.programme.timezone,
        "provisional": freshness.is_provisional(last_day),
    }


def rate_text(rate: Decimal) -> str:
    """A rate without the zeros that Postgres fills its scale with."""
    return f"{rate.normalize():f}"


def asked_days(first: date | None, last: date | None) -> Days:
    """The days asked for.

    Raises:
        ProblemError: they end before they begin.
    """
    if first is not None and last is not None and last < first:
        raise refused_field("query/to", "is before `from`")
    return Days(first, last)


def asked_cursor(cursor: str, kinds: Sequence[type]) -> list[Any]:
    """The key in a cursor.

    Raises:
        ProblemError: it is none of this list's.
    """
    try:
        return read_cursor(cursor, kinds)
    except ValueError as error:
        raise refused_field("query/cursor", str(error)) from error


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Point to the next page, if there is one (RFC 8288)."""
    if cursor is not None:
        url = request.url.include_query_params(cursor=cursor)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
