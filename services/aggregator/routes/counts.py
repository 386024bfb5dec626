"""GET /v1/advocates/{id}/counts and GET /v1/counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from aggregator.attributing.weights import MILLIONTHS
from aggregator.changes.store import Change
from aggregator.counts.asking import ROWS_DEFAULT, GroupBy, write_cursor
from aggregator.counts.store import After, CountsAnswer, CountsRow, CountsStore
from aggregator.counts.tables import visitors_column
from aggregator.freshness.store import Freshness
from aggregator.routes.answers import (
    AnswerOut,
    Cursor,
    FromDay,
    Limit,
    ToDay,
    asked_cursor,
    asked_days,
    freshness_fields,
    link_next,
)
from database.keys import LiveKey, Scope
from http_api.access import Access
from http_api.openapi import NEXT_PAGE, problem
from http_api.problems import ProblemKind, not_found, refused_field
from http_api.texts import AdvocateIdText
from link_events.identity import AdvocateId
from link_events.periods import Granularity
from link_events.reasons import Model

AskedModel = Annotated[
    Model | None, Query(description="The attribution model to credit conversions by; the programme's unless set.")
]


class CountsRowOut(BaseModel):
    """Counts of one period. Verdicts add up: raw = counted + not counted + review.

    A conversion counts on its own local day and, by the second view, on that of the click that earned.
    """

    period: str = Field(description="2026-11-22, 2026-W47, 2026-Q4, or first/last day.")
    period_start: date
    period_end: date
    partial: bool = Field(description="Whether `from` or `to` cut the period short.")
    raw_clicks: int
    counted_clicks: int
    not_counted_clicks: int
    review_clicks: int
    visitors: int | None = Field(None, description="Different ones with a counted click. Of a day; null of more.")
    visitor_days: int | None = Field(None, description="The visitors of each day, added up. null of one day.")
    conversions: float = Field(description="`credited_millionths` / 1 000 000, by the day of the conversion.")
    credited_millionths: int
    value_minor: int = Field(description="Their value, in minor units of `currency`.")
    conversions_by_click: float = Field(description="`by_click_millionths` / 1 000 000, by the day of the click.")
    by_click_millionths: int
    by_click_value_minor: int
    shares: int | None = Field(description="Reported by the advocacy board; null of a link, as the next two.")
    sessions: int | None
    engagements: int | None


class GroupedRowOut(CountsRowOut):
    """Counts of one period of one advocate or link."""

    advocate_id: str | None = None
    link_id: int | None = None
    code: str | None = None


class CreditedOut(AnswerOut):
    """How conversions are credited in the numbers of an answer."""

    currency: str = Field(description="The programme's; every `value_minor` is in its minor units.")
    model: Model = Field(description="The attribution model: the programme's, unless another was asked for.")


class AdvocateCountsOut(CreditedOut):
    """One advocate's counts."""

    advocate_id: str
    granularity: Granularity
    rows: list[CountsRowOut]


class CountsOut(CreditedOut):
    """Everybody's counts, a page of them."""

    group_by: GroupBy
    granularity: Granularity
    rows: list[GroupedRowOut]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class CountsDesk:
    """What the endpoints below work with."""

    store: CountsStore
    access: Access


def counts_routes(desk: CountsDesk) -> APIRouter:
    """Endpoints for whoever may read stats."""
    router = APIRouter(prefix="/v1", tags=["counts"])
    reader = Annotated[LiveKey, Depends(desk.access.needs(Scope.STATS_READ))]

    @router.get(
        "/advocates/{advocate_id}/counts",
        operation_id="advocate_counts",
        summary="One advocate's counts",
        responses={404: problem(ProblemKind.NOT_FOUND, when="There is no such advocate.")},
    )
    async def advocate_counts(
        advocate_id: AdvocateIdText,
        _key: reader,
        granularity: Granularity = Granularity.DAY,
        first: FromDay = None,
        last: ToDay = None,
        model: AskedModel = None,
    ) -> AdvocateCountsOut:
        """By local day, week or quarter, or in total. Periods without anything are left out."""
        days = asked_days(first, last)
        answer = await desk.store.of_advocate(AdvocateId(advocate_id), days, granularity, model=model)
        if answer is None:
            raise not_found(f"advocate {advocate_id}")
        return AdvocateCountsOut(
            advocate_id=advocate_id,
            granularity=granularity,
            rows=[CountsRowOut(**_fields(row, granularity)) for row in answer.rows],
            **credited_fields(answer.freshness, last, model),
        )

    @router.get("/counts", operation_id="counts", summary="Everybody's counts", responses=NEXT_PAGE)
    async def counts(
        *,
        request: Request,
        response: Response,
        _key: reader,
        group_by: Annotated[GroupBy, Query()],
        granularity: Granularity = Granularity.TOTAL,
        first: FromDay = None,
        last: ToDay = None,
        model: AskedModel = None,
        limit: Limit = ROWS_DEFAULT,
        cursor: Cursor = None,
    ) -> CountsOut:
        """Grouped by advocate or link, in the order of their ids; `Link` and `next_cursor` lead to the next page."""
        after = _after(cursor, group_by) if cursor else None
        days = asked_days(first, last)
        answer = await desk.store.grouped(group_by, days, granularity, after, limit, model=model)
        next_cursor = _next_cursor(answer, group_by)
        link_next(request, response, next_cursor)
        return CountsOut(
            group_by=group_by,
            granularity=granularity,
            rows=[GroupedRowOut(**_fields(row, granularity), **_keys(row)) for row in answer.rows],
            next_cursor=next_cursor,
            **credited_fields(answer.freshness, last, model),
        )

    return router


def _after(cursor: str, group_by: GroupBy) -> After:
    key, period_start = asked_cursor(cursor, [str if group_by is GroupBy.ADVOCATE else int, str])
    try:
        return After(key, date.fromisoformat(period_start))
    except ValueError as error:
        raise refused_field("query/cursor", "not a cursor of this list") from error


def _next_cursor(answer: CountsAnswer, group_by: GroupBy) -> str | None:
    if not answer.more:
        return None
    last = answer.rows[-1]
    key = last.advocate_id if group_by is GroupBy.ADVOCATE else last.link_id
    return write_cursor([key, last.period.start.isoformat()])


def credited_fields(freshness: Freshness, last_day: date | None, model: Model | None = None) -> Mapping[str, Any]:
    """What `CreditedOut` needs; `model` is the one that was asked for."""
    programme = freshness.programme
    return {
        **freshness_fields(freshness, last_day),
        "currency": programme.currency,
        "model": model or programme.attribution_model,
    }


def result_fields(row: CountsRow | Change) -> Mapping[str, Any]:
    """What came of clicks, as `CountsRowOut` shows it."""
    return {
        "conversions": row.credited_millionths / MILLIONTHS,
        "credited_millionths": row.credited_millionths,
        "value_minor": row.value_minor,
        "conversions_by_click": row.by_click_millionths / MILLIONTHS,
        "by_click_millionths": row.by_click_millionths,
        "by_click_value_minor": row.by_click_value_minor,
        "shares": row.shares,
        "sessions": row.sessions,
        "engagements": row.engagements,
    }


def _fields(row: CountsRow, granularity: Granularity) -> Mapping[str, Any]:
    return {
        "period": row.period.label,
        "period_start": row.period.start,
        "period_end": row.period.end,
        "partial": row.partial,
        "raw_clicks": row.raw_clicks,
        "counted_clicks": row.counted_clicks,
        "not_counted_clicks": row.not_counted_clicks,
        "review_clicks": row.review_clicks,
        visitors_column(granularity): row.visitors,
        **result_fields(row),
    }


def _keys(row: CountsRow) -> Mapping[str, Any]:
    return {"advocate_id": row.advocate_id, "link_id": row.link_id, "code": row.code}
