"""GET /v1/changes: what has become of counts since somebody last asked."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from aggregator.changes.since import SINCE_CHARS_MAX, read_since, write_since
from aggregator.changes.store import Change, ChangesStore
from aggregator.counts.asking import ROWS_DEFAULT
from aggregator.counts.tables import CountsTable, visitors_column
from aggregator.errors import ChangesRewoundError
from aggregator.routes.answers import Limit
from aggregator.routes.counts import CountsRowOut, CreditedOut, credited_fields, result_fields
from database.keys import LiveKey, Scope
from http_api.access import Access
from http_api.openapi import problem
from http_api.problems import ProblemError, ProblemKind, refused_field
from link_events.periods import Calendar, period_of

Since = Annotated[
    str, Query(max_length=SINCE_CHARS_MAX, description="`next_since` of the last answer; without it everything.")
]


class ChangeOut(CountsRowOut):
    """A row of counts as it is now, and the number of its last change."""

    counts: CountsTable
    partition: int
    change: int = Field(description="Grows within the partition, in the order of commits.")
    advocate_id: str | None = Field(description="Of advocate_day and advocate_quarter.")
    link_id: int | None = Field(description="Of link_day.")


class ChangesOut(CreditedOut):
    """A page of changes, and what to ask for next."""

    rows: list[ChangeOut]
    next_since: str = Field(description="`since` of the next request, now or later.")
    more: bool = Field(description="Whether more has changed already.")


@dataclass(frozen=True, slots=True)
class ChangesDesk:
    """What the endpoint below works with."""

    store: ChangesStore
    access: Access


def changes_routes(desk: ChangesDesk) -> APIRouter:
    """The endpoint, for whoever may read stats."""
    router = APIRouter(prefix="/v1", tags=["changes"])
    reader = Annotated[LiveKey, Depends(desk.access.needs(Scope.STATS_READ))]

    @router.get(
        "/changes",
        operation_id="changes",
        summary="Counts that were changed since",
        responses={
            409: problem(ProblemKind.CHANGES_REWOUND, when="`since` is ahead of this database, which is an older copy.")
        },
    )
    async def changes(
        *,
        _key: reader,
        since: Since = "",
        limit: Limit = ROWS_DEFAULT,
    ) -> ChangesOut:
        """Rows as they are now, in the order of partition and change. A row changed twice in between comes once."""
        try:
            answer = await desk.store.since(read_since(since), limit)
        except ValueError as error:
            raise refused_field("query/since", str(error)) from error
        except ChangesRewoundError as error:
            raise ProblemError(HTTPStatus.CONFLICT, ProblemKind.CHANGES_REWOUND, str(error)) from error
        calendar = answer.freshness.programme.calendar
        return ChangesOut(
            rows=[ChangeOut(**_shown(row, calendar)) for row in answer.rows],
            next_since=write_since(answer.seen),
            more=answer.more,
            **credited_fields(answer.freshness, None),
        )

    return router


def _shown(row: Change, calendar: Calendar) -> dict[str, Any]:
    granularity = row.counts.granularity
    period = period_of(row.start, granularity, calendar)
    shown = {name: getattr(row, name) for name in ChangeOut.model_fields if hasattr(row, name) and name != "visitors"}
    return {
        **shown,
        **result_fields(row),
        visitors_column(granularity): row.visitors,
        "period": period.label,
        "period_start": period.start,
        "period_end": period.end,
        "partial": False,
    }
