"""GET /v1/conversions/{event_id} and GET /v1/conversions: what became of conversions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from aggregator.clicks.absence import Whereabouts, why_absent
from aggregator.counts.asking import write_cursor
from aggregator.explaining.store import BEFORE_THE_FIRST, ConversionsAnswer, ConversionStore
from aggregator.routes.answers import Cursor, asked_cursor, freshness_fields, link_next
from aggregator.routes.explained import ConversionOut, ConversionsOut, OneConversionOut, shown
from database.keys import LiveKey, Scope
from http_api.access import Access
from http_api.openapi import NEXT_PAGE, problem
from http_api.problems import FieldError, ProblemKind, not_found, refused_field, refused_fields
from http_api.texts import ExternalIdText, KindText, SourceText
from link_events.identity import ConversionKey, parse_event_id
from link_events.reasons import ConversionState
from link_events.streams import Stream

ROWS_DEFAULT: Final = 100
ROWS_MAX: Final = 1_000
"""Each may have some hundreds of touches and counts."""

NOT_STORED: Final = frozenset({ConversionState.DUPLICATE, ConversionState.CONFLICT})


@dataclass(frozen=True, slots=True)
class ConversionsDesk:
    """What the endpoints below work with."""

    store: ConversionStore
    access: Access


def conversions_routes(desk: ConversionsDesk) -> APIRouter:
    """Endpoints for whoever may read stats."""
    router = APIRouter(prefix="/v1", tags=["conversions"])
    reader = Annotated[LiveKey, Depends(desk.access.needs(Scope.STATS_READ))]

    @router.get(
        "/conversions/{event_id}",
        operation_id="get_conversion",
        summary="What became of a conversion",
        responses={
            404: problem(ProblemKind.NOT_FOUND, when="There is no such conversion; `why` and `detail` say why.")
        },
    )
    async def get_conversion(event_id: str, _key: reader) -> OneConversionOut:
        """Its state, the clicks it names and what each earned, what it waits for, and which counts it is in."""
        origin = parse_event_id(event_id)
        if origin is None or origin.stream is not Stream.CONVERSIONS:
            raise refused_field("path/event_id", "is no conversion's event id, like 00c0ffee00c0ffee-v3-17")
        found = await desk.store.find(origin)
        if isinstance(found, Whereabouts):
            why, sentence = why_absent(found)
            raise not_found(f"conversion {event_id}: {sentence}", why)
        (one,) = found.rows
        return OneConversionOut(**shown(one), **freshness_fields(found.freshness, one.event["local_day"]))

    @router.get(
        "/conversions", operation_id="list_conversions", summary="Conversions, by key or by state", responses=NEXT_PAGE
    )
    async def list_conversions(
        *,
        request: Request,
        response: Response,
        _key: reader,
        source: SourceText | None = None,
        kind: KindText | None = None,
        external_id: ExternalIdText | None = None,
        state: ConversionState | None = None,
        limit: Annotated[int, Query(ge=1, le=ROWS_MAX, description=f"{ROWS_DEFAULT} unless set.")] = ROWS_DEFAULT,
        cursor: Cursor = None,
    ) -> ConversionsOut:
        """Every event of `source`, `kind` and `external_id`, the one that holds first; or all conversions in a `state`.

        `Link` and `next_cursor` lead to the next page of a state.
        """
        parts = {"source": source, "kind": kind, "external_id": external_id}
        if state is not None:
            if state in NOT_STORED:
                raise refused_field("query/state", "is found by source, kind and external_id only")
            if any(part is not None for part in parts.values()):
                raise refused_field("query/state", "is asked for without source, kind and external_id")
            (after,) = asked_cursor(cursor, [int]) if cursor else (BEFORE_THE_FIRST,)
            answer = await desk.store.in_state(state, after, limit)
        else:
            answer = await desk.store.of_key(_asked_key(request, parts))
        next_cursor = None if answer.next_after is None else write_cursor([answer.next_after])
        link_next(request, response, next_cursor)
        return _page(answer, next_cursor)

    return router


def _asked_key(request: Request, parts: Mapping[str, str | None]) -> ConversionKey:
    """The key that is asked for.

    Raises:
        ProblemError: parts of it are not given, or given twice.
    """
    given = {name: text for name, text in parts.items() if text is not None}
    if not given:
        raise refused_field("query/state", "or source, kind and external_id must be given")
    if lacking := [name for name in parts if name not in given]:
        detail = f"is missing beside {' and '.join(given)}"
        raise refused_fields([FieldError(f"query/{name}", detail) for name in lacking])
    if repeated := [name for name in parts if len(request.query_params.getlist(name)) > 1]:
        raise refused_fields([FieldError(f"query/{name}", "is given more than once") for name in repeated])
    return ConversionKey(**given)


def _page(answer: ConversionsAnswer, next_cursor: str | None) -> ConversionsOut:
    return ConversionsOut(
        rows=[ConversionOut(**shown(one)) for one in answer.rows],
        next_cursor=next_cursor,
        **freshness_fields(answer.freshness, None),
    )
