"""What other systems report: POST /v1/conversions, POST /v1/reversals and POST /v1/activities."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Depends, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator

from database.keys import LiveKey, Scope
from http_api.access import Access
from http_api.openapi import RETRY_AFTER, Responses, Schema, problem
from http_api.problems import RETRY_AFTER_S, FieldError, ProblemError, ProblemKind, away, refused_fields
from link_events.identity import EventId
from redirector.conversions.answers import Answer, Received, Refused, RowAnswer
from redirector.conversions.intake import Intake
from redirector.conversions.reading import ActivityIn, ConversionIn, ReversalIn
from redirector.errors import KeyAwayError
from redirector.journal.journal import JournalFullError

ROWS_MAX: Final = 2_000
"""A kilobyte a row is twice what most have."""

_AsSent = WrapValidator(lambda body, _read: body)
"""A row is documented as what it ought to be, and taken as it is: each is read, and answered, by itself."""

_Rows = Field(min_length=1, max_length=ROWS_MAX)


class ConversionsIn(BaseModel):
    """Several conversions."""

    model_config = ConfigDict(extra="forbid")

    rows: list[Annotated[ConversionIn, _AsSent]] = _Rows


class ReversalsIn(BaseModel):
    """Several reversals."""

    model_config = ConfigDict(extra="forbid")

    rows: list[Annotated[ReversalIn, _AsSent]] = _Rows


class ActivitiesIn(BaseModel):
    """Several activities."""

    model_config = ConfigDict(extra="forbid")

    rows: list[Annotated[ActivityIn, _AsSent]] = _Rows


class ReceivedOut(BaseModel):
    """It is journaled."""

    status: Answer
    event_id: EventId = Field(description="Under which it is found from now on.")


class RowOut(BaseModel):
    """What became of one row."""

    status: Answer
    event_id: EventId | None = Field(None, description="Of a row that is received.")
    field: str | None = Field(None, description="Of a row that is not: where it is wrong, for example `click_ids/0`.")
    detail: str | None = Field(None, description="What is wrong there; of a bad signature `forged` or the like.")


class RowsOut(BaseModel):
    """What became of each row, in their order."""

    rows: list[RowOut]


_ANSWERS: Final[Responses] = {
    202: {"description": "Journaled; of several rows, those that say `received`."},
    503: problem(ProblemKind.UNAVAILABLE, ProblemKind.JOURNAL_FULL, when="A key is missing, or the disk is full.")
    | {"headers": RETRY_AFTER},
}
_SIGNED: Final[Schema] = problem(
    ProblemKind.INVALID_FIELD, ProblemKind.BAD_SIGNATURE, when="A field is wrong, or a click id is none of ours."
)
_KIND_OF: Final = {Answer.INVALID: ProblemKind.INVALID_FIELD, Answer.BAD_SIGNATURE: ProblemKind.BAD_SIGNATURE}

Take = Callable[[Sequence[object]], Awaitable[list[RowAnswer]]]


@dataclass(frozen=True, slots=True)
class ConversionDesk:
    """What the endpoints below work with."""

    intake: Intake
    access: Access


def conversion_routes(desk: ConversionDesk) -> APIRouter:
    """Endpoints for whoever may report conversions: one row as the body, or several under `rows`."""
    router = APIRouter(prefix="/v1", tags=["conversions"])
    reporter = Annotated[LiveKey, Depends(desk.access.needs(Scope.CONVERSIONS_WRITE))]

    @router.post(
        "/conversions",
        operation_id="report_conversions",
        summary="Report conversions",
        status_code=HTTPStatus.ACCEPTED,
        response_model=ReceivedOut | RowsOut,
        responses=_ANSWERS | {422: _SIGNED},
    )
    async def report_conversions(body: Annotated[ConversionIn | ConversionsIn, _AsSent], _key: reporter) -> Response:
        """Journaled before it is answered, with Kafka and Postgres away too. To report one again is always safe."""
        return await _answered(body, ConversionsIn, desk.intake.take_conversions)

    @router.post(
        "/reversals",
        operation_id="report_reversals",
        summary="Report reversals of conversions",
        status_code=HTTPStatus.ACCEPTED,
        response_model=ReceivedOut | RowsOut,
        responses=_ANSWERS,
    )
    async def report_reversals(body: Annotated[ReversalIn | ReversalsIn, _AsSent], _key: reporter) -> Response:
        """A reversal may be reported before its conversion is."""
        return await _answered(body, ReversalsIn, desk.intake.take_reversals)

    @router.post(
        "/activities",
        operation_id="report_activities",
        summary="Report shares, sessions and engagements",
        status_code=HTTPStatus.ACCEPTED,
        response_model=ReceivedOut | RowsOut,
        responses=_ANSWERS,
    )
    async def report_activities(body: Annotated[ActivityIn | ActivitiesIn, _AsSent], _key: reporter) -> Response:
        """They stand beside the advocate's clicks in the counts."""
        return await _answered(body, ActivitiesIn, desk.intake.take_activities)

    return router


async def _answered(body: object, several: type[ConversionsIn | ReversalsIn | ActivitiesIn], take: Take) -> Response:
    """The answer to `body`, parsed JSON."""
    if not (isinstance(body, dict) and "rows" in body):
        with kept_or_refused():
            (answer,) = await take([body])
        return _one(answer)
    try:
        rows = several.model_validate(body).rows
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from error
    with kept_or_refused():
        answers = await take(rows)
    return _accepted({"rows": [answer.shown() for answer in answers]})


@contextmanager
def kept_or_refused() -> Iterator[None]:
    """Answer what the block cannot keep with a ProblemError: 503 for what we lack, and for the disk."""
    try:
        yield
    except KeyAwayError as error:
        raise away(str(error)) from error
    except JournalFullError as error:
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        status, kind = HTTPStatus.SERVICE_UNAVAILABLE, ProblemKind.JOURNAL_FULL
        raise ProblemError(status, kind, str(error), headers=headers) from error


def _one(answer: RowAnswer) -> Response:
    if isinstance(answer, Received):
        return _accepted(answer.shown())
    raise refusal(answer)


def refusal(refused: Refused) -> ProblemError:
    """A single row that is not taken, as it is answered."""
    errors = [FieldError(fault.field or "body", fault.detail) for fault in refused.faults]
    return refused_fields(errors, _KIND_OF[refused.answer])


def _accepted(told: object) -> Response:
    return Response(orjson.dumps(told), HTTPStatus.ACCEPTED, media_type="application/json")
