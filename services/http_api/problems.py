"""Errors as RFC 9457 problem details, alike in both services.

A problem's `type` is stable and documented in docs/api.md; `errors` names the fields at fault, `why` says in
a word of a closed set why there is no such thing, where that is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPMethod, HTTPStatus
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from database.pool import DatabaseAwayError
from http_api.texts import plainly

RETRY_AFTER_S: Final = 2
"""What a 503 asks a caller to wait: long enough for a restart of Postgres, short enough for a person."""

PROBLEM_JSON: Final = "application/problem+json"

TYPE_PREFIX: Final = "urn:advolink:problem:"

ERRORS_TOLD: Final = 100
"""Fields that one answer names: a body of a mebibyte has room for a hundred thousand that nobody knows."""

FIELD_CHARS_TOLD: Final = 200
"""Of a field's name: longer than any that there is, and its caller's own words."""


class ProblemKind(StrEnum):
    """Every problem there is: the end of its `type`. A kind is never renamed, for callers compare it."""

    BAD_REQUEST = "bad-request"
    NOT_JSON = "not-json"
    EMPTY_BODY = "empty-body"
    BAD_KEY = "bad-key"
    MISSING_SCOPE = "missing-scope"
    ORIGIN_NOT_ALLOWED = "origin-not-allowed"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    ALIAS_TAKEN = "alias-taken"
    IMPORT_RUNNING = "import-running"
    ZONE_IN_USE = "zone-in-use"
    CHANGES_REWOUND = "changes-rewound"
    BODY_TOO_LARGE = "body-too-large"
    INVALID_FIELD = "invalid-field"
    BAD_SIGNATURE = "bad-signature"
    IMPORT_REFUSED = "import-refused"
    RATE_LIMITED = "rate-limited"
    INTERNAL_ERROR = "internal-error"
    JOURNAL_FULL = "journal-full"
    UNAVAILABLE = "unavailable"

    @property
    def type(self) -> str:
        """The problem's `type`."""
        return f"{TYPE_PREFIX}{self}"


_KIND_OF_STATUS: Final = {
    HTTPStatus.NOT_FOUND: ProblemKind.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: ProblemKind.METHOD_NOT_ALLOWED,
}
"""What FastAPI itself refuses, but for bodies that it cannot read."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field at fault: where it stands (`destination`, `rows/3/code`, `query/from`) and what is wrong."""

    field: str
    detail: str


class ProblemError(HTTPException):
    """The caller's fault, or ours for a while: answered as it is, never a traceback.

    It is an HTTPException so that FastAPI lets it through where it is raised while a body is read.
    """

    def __init__(
        self,
        status: HTTPStatus,
        kind: ProblemKind,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        why: StrEnum | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status.value, detail, headers)
        self.status = status
        self.kind = kind
        self.errors = errors
        self.why = why


def refused_field(field: str, detail: str) -> ProblemError:
    """A 422 for one field."""
    return refused_fields([FieldError(field, detail)])


def refused_fields(errors: Sequence[FieldError], kind: ProblemKind = ProblemKind.INVALID_FIELD) -> ProblemError:
    """A 422 for some fields. Of very many the first are named, and how many more there are: an answer is bounded."""
    named = [FieldError(error.field[:FIELD_CHARS_TOLD], error.detail) for error in errors[:ERRORS_TOLD]]
    if more := len(errors) - len(named):
        named.append(FieldError("body", f"{more} more fields are wrong"))
    detail = "; ".join(f"{error.field}: {error.detail}" for error in named)
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, kind, detail, errors=named)


def not_found(what: str, why: StrEnum | None = None) -> ProblemError:
    """A 404 that names what there is none of, and why in a word, where that is known."""
    return ProblemError(HTTPStatus.NOT_FOUND, ProblemKind.NOT_FOUND, f"there is no {what}", why=why)


def away(what: str) -> ProblemError:
    """A 503 for something that will be back."""
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    detail = f"{what} is away; ask again in a moment"
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, ProblemKind.UNAVAILABLE, detail, headers=headers)


def problem_response(problem: ProblemError) -> Response:
    """The answer that `problem` is."""
    body: dict[str, Any] = {
        "type": problem.kind.type,
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
    }
    if problem.why is not None:
        body["why"] = problem.why
    if problem.errors:
        body["errors"] = [{"field": error.field, "detail": error.detail} for error in problem.errors]
    return Response(orjson.dumps(body), problem.status.value, problem.headers, PROBLEM_JSON)


def answer_with_problems(app: FastAPI) -> None:
    """Make every error of `app` a problem."""
    app.exception_handler(ProblemError)(_answer_problem)
    app.exception_handler(RequestValidationError)(_answer_invalid)
    app.exception_handler(HTTPException)(_answer_http)
    app.exception_handler(DatabaseAwayError)(_answer_database_away)
    app.exception_handler(Exception)(_answer_bug)


async def _answer_problem(_request: Request, problem: ProblemError) -> Response:
    return problem_response(problem)


async def _answer_database_away(_request: Request, _error: DatabaseAwayError) -> Response:
    return problem_response(away("the database"))


async def _answer_http(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    kind = _KIND_OF_STATUS.get(status, ProblemKind.BAD_REQUEST)
    headers = _allowed(request) if status is HTTPStatus.METHOD_NOT_ALLOWED else error.headers
    return problem_response(ProblemError(status, kind, str(error.detail), headers=headers))


def _allowed(request: Request) -> Mapping[str, str]:
    """The methods that any route of the path takes; Starlette names those of the first route alone."""
    scopes = [{**request.scope, "method": method.value} for method in HTTPMethod]
    taken = [
        scope["method"]
        for scope in scopes
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    ]
    return {"Allow": ", ".join(taken)}


async def _answer_bug(_request: Request, _error: Exception) -> Response:
    """What went wrong is in the log; a caller learns nothing of our insides."""
    detail = "something went wrong here; it is in the log of the service"
    return problem_response(ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, ProblemKind.INTERNAL_ERROR, detail))


async def _answer_invalid(_request: Request, invalid: RequestValidationError) -> Response:
    mistakes = invalid.errors()
    if any(mistake["type"] == "json_invalid" for mistake in mistakes):
        detail = f"the body is not JSON: {mistakes[0]['ctx']['error']}"
        return problem_response(ProblemError(HTTPStatus.BAD_REQUEST, ProblemKind.NOT_JSON, detail))
    return problem_response(
        refused_fields([FieldError(_field(one["loc"]), plainly(one["type"], one["msg"])) for one in mistakes])
    )


def _field(location: Sequence[int | str]) -> str:
    """Where a field stands, as the caller wrote it: body fields bare, the others with their kind."""
    parts = [str(part) for part in location]
    inside = parts[1:] if parts[:1] == ["body"] else parts
    return "/".join(inside) if inside else "body"
