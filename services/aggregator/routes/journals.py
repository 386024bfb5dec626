"""GET /v1/journals: whose events the counts are made of, and what each holds back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from aggregator.counts.asking import ROWS_DEFAULT, write_cursor
from aggregator.freshness.store import BEFORE_THE_FIRST
from aggregator.journals.showing import fields
from aggregator.journals.states import HeldBackBy, JournalState
from aggregator.journals.store import JournalStore
from aggregator.routes.answers import AnswerOut, Cursor, Limit, asked_cursor, freshness_fields, link_next
from database.keys import LiveKey, Scope
from http_api.access import Access
from http_api.openapi import NEXT_PAGE
from http_api.problems import refused_field
from link_events.identity import JournalId, parse_journal_id


class JournalOut(BaseModel):
    """A journal as the database knows it."""

    journal: str
    state: JournalState
    is_import: bool
    last_captured_at: datetime | None = Field(description="null: nothing of it could be read.")
    seqs: dict[str, int] = Field(description="The highest seq applied, by stream and partition: `c7` is clicks/7.")
    unheard_partitions: int = Field(description="Partitions that nothing of it has come through yet.")
    missing_seqs: int = Field(description="Seqs in open holes.")
    holds_back_to: datetime | None = Field(
        description="Up to when all of it is counted, where that holds `complete_through` back; else null."
    )
    holds_back_by: HeldBackBy | None = Field(description="Why nothing later is; null where it holds nothing back.")
    retired_at: datetime | None
    retired_why: str | None


class JournalsOut(AnswerOut):
    """A page of journals."""

    rows: list[JournalOut]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class JournalsDesk:
    """What the endpoint below works with."""

    store: JournalStore
    access: Access


def journals_routes(desk: JournalsDesk) -> APIRouter:
    """The endpoint for whoever may read stats."""
    router = APIRouter(prefix="/v1", tags=["journals"])
    reader = Annotated[LiveKey, Depends(desk.access.needs(Scope.STATS_READ))]

    @router.get("/journals", operation_id="list_journals", summary="Every journal that is known", responses=NEXT_PAGE)
    async def list_journals(
        *, request: Request, response: Response, _key: reader, limit: Limit = ROWS_DEFAULT, cursor: Cursor = None
    ) -> JournalsOut:
        """In the order of their ids; `Link` and `next_cursor` lead to the next page."""
        answer = await desk.store.page(_after(cursor), limit)
        next_cursor = write_cursor([answer.rows[-1].known.journal.hex()]) if answer.more else None
        link_next(request, response, next_cursor)
        return JournalsOut(
            rows=[JournalOut(**fields(row)) for row in answer.rows],
            next_cursor=next_cursor,
            **freshness_fields(answer.freshness, None),
        )

    return router


def _after(cursor: str | None) -> JournalId:
    if cursor is None:
        return BEFORE_THE_FIRST
    journal = parse_journal_id(asked_cursor(cursor, [str])[0])
    if journal is None:
        raise refused_field("query/cursor", "not a cursor of this list")
    return journal
