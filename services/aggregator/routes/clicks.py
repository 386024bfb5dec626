"""GET /v1/clicks/{event_id} and GET /v1/clicks: the events behind the numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from aggregator.clicks.absence import Whereabouts, why_absent
from aggregator.clicks.placing import CountsPlace
from aggregator.clicks.store import BEFORE_THE_FIRST, ClickStore
from aggregator.counts.asking import ROWS_DEFAULT, write_cursor
from aggregator.counts.tables import CountsTable, visitors_column
from aggregator.freshness.store import Freshness
from aggregator.routes.answers import AnswerOut, Cursor, Day, Limit, asked_cursor, freshness_fields, link_next
from database.keys import LiveKey, Scope
from http_api.access import Access
from http_api.openapi import NEXT_PAGE, problem
from http_api.problems import ProblemKind, not_found, refused_field
from http_api.texts import AdvocateIdText
from link_events.identity import AdvocateId, JournalId, Origin, Seq, parse_event_id
from link_events.periods import Granularity, period_of
from link_events.reasons import Verdict, VerdictCause
from link_events.streams import Partition, Stream


class ClickOut(BaseModel):
    """A click: what was asked, how it was judged, and the way it came."""

    event_id: str
    link_id: int
    code: str
    advocate_id: str
    occurred_at: datetime
    verdict: Verdict
    reasons: list[str] = Field(description="Every reason that matched; the first decided. Empty where counted.")
    rules_version: str
    verdict_version: int
    day: date = Field(description="The local day it is counted in.")
    week: str
    quarter: str
    link_state: str
    method: str
    user_agent: str | None
    user_agent_cut: bool
    referrer_origin: str | None
    language: str | None
    signals: dict[str, str] = Field(description="The fetch, prefetch and preview headers that were present.")
    country: str | None
    networks: list[str]
    network_key: str | None
    visitor: str | None
    visitor_local: bool
    self_click: bool
    test: bool
    journal: str
    partition: int
    seq: int
    log_offset: int = Field(description="Canonical order is (partition, log_offset).")
    captured_at: datetime
    logged_at: datetime
    applied_at: datetime


class JournaledOut(BaseModel):
    """Where it was written down first."""

    journal: str
    stream: Stream
    partition: int
    seq: int
    captured_at: datetime


class LoggedOut(BaseModel):
    """Where the event log has it."""

    stream: Stream
    partition: int
    offset: int
    logged_at: datetime


class AppliedOut(BaseModel):
    """When it was judged and counted."""

    applied_at: datetime


class JourneyOut(BaseModel):
    """The way it came."""

    journaled: JournaledOut
    logged: LoggedOut
    applied: AppliedOut


class VerdictChangeOut(BaseModel):
    """A change of the verdict: what it has been since, what it was before, why, and by whom."""

    verdict_version: int
    changed_at: datetime
    verdict: Verdict
    reasons: list[str]
    rules_version: str
    old_verdict: Verdict
    old_reasons: list[str]
    old_rules_version: str
    cause: VerdictCause
    why: str
    changed_by: str


class CountsPlaceOut(BaseModel):
    """A counts row that the click is in, with its numbers as they are now; null where the row is not there."""

    counts: CountsTable
    key: str = Field(description="The advocate's or the link's id.")
    period: str
    period_start: date
    period_end: date
    adds_to: list[str] = Field(description="The numbers that the click is 1 of.")
    raw_clicks: int | None = None
    counted_clicks: int | None = None
    not_counted_clicks: int | None = None
    review_clicks: int | None = None
    visitors: int | None = Field(None, description="Of a day; null of a quarter.")
    visitor_days: int | None = Field(None, description="Of a quarter; null of a day.")
    read_at: str = Field(description="The path of this API that shows the row.")


class OneClickOut(ClickOut, AnswerOut):
    """One click, its way, what became of its verdict, the counts it is in, and the freshness of the answer."""

    journey: JourneyOut
    verdict_changes: list[VerdictChangeOut] = Field(
        description="The oldest first; empty where it is the first verdict."
    )
    counts: list[CountsPlaceOut]


class ClicksOut(AnswerOut):
    """A page of clicks; `total` is the count they explain."""

    total: int
    let_go: bool = Field(
        description="Raw clicks of the day were let go, some or all: the count may be more than `total`."
    )
    rows: list[ClickOut]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class ClicksDesk:
    """What the endpoints below work with."""

    store: ClickStore
    access: Access


def clicks_routes(desk: ClicksDesk) -> APIRouter:
    """Endpoints for whoever may read stats."""
    router = APIRouter(prefix="/v1", tags=["clicks"])
    reader = Annotated[LiveKey, Depends(desk.access.needs(Scope.STATS_READ))]

    @router.get(
        "/clicks/{event_id}",
        operation_id="get_click",
        summary="One click with all that is known of it",
        responses={404: problem(ProblemKind.NOT_FOUND, when="There is no such click; `why` and `detail` say why.")},
    )
    async def get_click(event_id: str, _key: reader) -> OneClickOut:
        """Its verdict and why, the way it came, and which counts it is in; else why there is no such click."""
        origin = parse_event_id(event_id)
        if origin is None or origin.stream is not Stream.CLICKS:
            raise refused_field("path/event_id", "is no click's event id, like 00c0ffee00c0ffee-c7-42")
        found = await desk.store.find(origin)
        if isinstance(found, Whereabouts):
            why, sentence = why_absent(found)
            raise not_found(f"click {event_id}: {sentence}", why)
        shown = _shown(found.row, found.freshness)
        return OneClickOut(
            **shown,
            journey=_journey(shown),
            verdict_changes=[VerdictChangeOut(**change) for change in found.verdict_changes],
            counts=[_place(place) for place in found.counts],
            **freshness_fields(found.freshness, found.row["local_day"]),
        )

    @router.get("/clicks", operation_id="list_clicks", summary="The clicks behind a count", responses=NEXT_PAGE)
    async def list_clicks(
        *,
        request: Request,
        response: Response,
        _key: reader,
        advocate_id: AdvocateIdText,
        day: Day,
        verdict: Verdict | None = None,
        limit: Limit = ROWS_DEFAULT,
        cursor: Cursor = None,
    ) -> ClicksOut:
        """In canonical order; `Link` and `next_cursor` lead to the next page."""
        partition, offset = asked_cursor(cursor, [int, int]) if cursor else BEFORE_THE_FIRST
        answer = await desk.store.of_day(AdvocateId(advocate_id), day, verdict, (partition, offset), limit)
        last = answer.rows[-1] if answer.more else None
        next_cursor = write_cursor([last["partition"], last["log_offset"]]) if last else None
        link_next(request, response, next_cursor)
        return ClicksOut(
            total=answer.total,
            let_go=answer.let_go,
            rows=[ClickOut(**_shown(row, answer.freshness)) for row in answer.rows],
            next_cursor=next_cursor,
            **freshness_fields(answer.freshness, day),
        )

    return router


def _shown(row: Mapping[str, Any], freshness: Freshness) -> dict[str, Any]:
    """A stored click as it is answered."""
    origin = Origin(JournalId(row["journal"]), Stream.CLICKS, Partition(row["partition"]), Seq(row["seq"]))
    calendar = freshness.programme.calendar
    return {
        **{name: value for name, value in row.items() if name in ClickOut.model_fields},
        "event_id": origin.event_id,
        "journal": origin.journal.hex(),
        "signals": orjson.loads(row["signals"]),
        "day": row["local_day"],
        "week": period_of(row["local_day"], Granularity.WEEK, calendar).label,
        "quarter": period_of(row["local_day"], Granularity.QUARTER, calendar).label,
    }


def _journey(shown: Mapping[str, Any]) -> JourneyOut:
    """The way of a click that is shown like this."""
    place = {"stream": Stream.CLICKS, "partition": shown["partition"]}
    return JourneyOut(
        journaled=JournaledOut(journal=shown["journal"], **place, seq=shown["seq"], captured_at=shown["captured_at"]),
        logged=LoggedOut(**place, offset=shown["log_offset"], logged_at=shown["logged_at"]),
        applied=AppliedOut(applied_at=shown["applied_at"]),
    )


def _place(place: CountsPlace) -> CountsPlaceOut:
    return CountsPlaceOut(
        counts=place.counts,
        key=place.key,
        period=place.period.label,
        period_start=place.period.start,
        period_end=place.period.end,
        adds_to=list(place.adds_to),
        **_numbers(place),
        read_at=place.read_at,
    )


def _numbers(place: CountsPlace) -> dict[str, int]:
    """The numbers of a row as it has them; none where it is not there."""
    column = visitors_column(place.counts.granularity)
    return {(column if name == "visitors" else name): number for name, number in place.numbers.items()}
