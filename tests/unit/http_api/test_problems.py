"""Every error is a problem (RFC 9457) that names the fields at fault as the caller wrote them."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated

import httpx2
import pytest
from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field

from database.pool import DatabaseAwayError
from http_api.problems import (
    ERRORS_TOLD,
    FIELD_CHARS_TOLD,
    PROBLEM_JSON,
    RETRY_AFTER_S,
    ProblemKind,
    answer_with_problems,
    not_found,
    refused_field,
)
from stage.asking import asked, fields_at_fault


class Row(BaseModel):
    """One row of a body."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(max_length=3)


class Body(BaseModel):
    """A body with a field and rows."""

    model_config = ConfigDict(extra="forbid")

    destination: str
    rows: list[Row] = []


def _app() -> FastAPI:
    app = FastAPI()
    answer_with_problems(app)

    @app.post("/links")
    async def post(body: Body) -> Body:
        return body

    @app.get("/links")
    @app.head("/links")
    async def listed() -> None:
        """Nothing to see."""

    @app.get("/days/{number}")
    async def get(number: int, first: Annotated[date | None, Query(alias="from")] = None) -> int:
        if number == 0:
            raise refused_field("path/number", "is nothing")
        if number == 1:
            raise not_found("day 1")
        if number == 2:
            raise DatabaseAwayError("10.0.0.1 refused ada's password")
        return 1 // (3 - number)

    return app


@pytest.fixture
async def api() -> AsyncIterator[httpx2.AsyncClient]:
    """An API that takes a body, a path parameter and a query parameter."""
    async with asked(_app()) as client:
        yield client


def _problem(answer: httpx2.Response, status: int, kind: ProblemKind) -> dict[str, object]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM_JSON
    body: dict[str, object] = answer.json()
    assert {"type", "title", "status", "detail"} <= body.keys() <= {"type", "title", "status", "detail", "errors"}
    assert (body["type"], body["status"]) == (f"urn:advolink:problem:{kind}", status)
    return body


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["destination"]),
        ({"destination": 1}, ["destination"]),
        ({"destination": "d", "colour": "red"}, ["colour"]),
        ({"destination": "d", "rows": {}}, ["rows"]),
        ({"destination": "d", "rows": [{"code": "abc"}, {"code": "abcd"}, {}]}, ["rows/1/code", "rows/2/code"]),
        ([], ["body"]),
        ("text", ["body"]),
        (None, ["body"]),
    ],
)
async def test_a_field_of_a_body_is_named_by_its_place(
    api: httpx2.AsyncClient, body: object, fields: list[str]
) -> None:
    """Bare, for a body is all that the caller wrote."""
    answer = await api.post("/links", json=body)
    assert fields_at_fault(answer) == fields
    problem = _problem(answer, 422, ProblemKind.INVALID_FIELD)
    assert all(field in str(problem["detail"]) for field in fields)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ([], "body: Input should be a JSON object, sent as application/json"),
        ({"destination": "d", "colour": "red"}, "colour: There is no such field"),
    ],
)
async def test_what_is_wrong_is_told_to_somebody_who_knows_json(
    api: httpx2.AsyncClient, body: object, detail: str
) -> None:
    """An object, not an instance of a class."""
    assert (await api.post("/links", json=body)).json()["detail"] == detail


async def test_an_answer_names_some_fields_and_how_many_more_are_wrong(api: httpx2.AsyncClient) -> None:
    """However many a body of a mebibyte has, and however long their names are."""
    answer = await api.post("/links", json={"destination": "d"} | {f"{number}": 1 for number in range(80_000)})
    assert fields_at_fault(answer) == [*map(str, range(ERRORS_TOLD)), "body"]
    assert answer.json()["errors"][-1]["detail"] == f"{80_000 - ERRORS_TOLD} more fields are wrong"
    long = await api.post("/links", json={"destination": "d", "x" * 500_000: 1})
    assert fields_at_fault(long) == ["x" * FIELD_CHARS_TOLD]
    assert len(answer.content) + len(long.content) < 20_000


@pytest.mark.parametrize(
    ("path", "field"),
    [("/days/x", "path/number"), ("/days/4?from=yesterday", "query/from"), ("/days/0", "path/number")],
)
async def test_a_parameter_is_named_with_its_kind(api: httpx2.AsyncClient, path: str, field: str) -> None:
    """By the name under which it was sent, whoever refused it."""
    answer = await api.get(path)
    assert fields_at_fault(answer) == [field]
    _problem(answer, 422, ProblemKind.INVALID_FIELD)


@pytest.mark.parametrize("content", [b"", b"{", b"{'a': 1}", b'{"destination": "d"} {}'])
async def test_a_body_that_is_no_json_is_told_so(api: httpx2.AsyncClient, content: bytes) -> None:
    """With the place where reading it failed; an empty one is a missing one."""
    answer = await api.post("/links", content=content, headers={"Content-Type": "application/json"})
    if content:
        assert str(_problem(answer, 400, ProblemKind.NOT_JSON)["detail"]).startswith("the body is not JSON")
    else:
        _problem(answer, 422, ProblemKind.INVALID_FIELD)


@pytest.mark.parametrize("content", [b'"\xff\xfe"', b"[" * 200_000, b"9" * 5_000])
async def test_a_hostile_body_is_the_callers_fault(api: httpx2.AsyncClient, content: bytes) -> None:
    """No text, nested without end, a number without end."""
    answer = await api.post("/links", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == PROBLEM_JSON


async def test_what_there_is_none_of_is_a_problem_too(api: httpx2.AsyncClient) -> None:
    """Whether a route says so or there is no route; a wrong method names the right ones."""
    assert _problem(await api.get("/days/1"), 404, ProblemKind.NOT_FOUND)["detail"] == "there is no day 1"
    _problem(await api.get("/nowhere"), 404, ProblemKind.NOT_FOUND)
    wrong = await api.delete("/links")
    _problem(wrong, 405, ProblemKind.METHOD_NOT_ALLOWED)
    assert wrong.headers["allow"] == "GET, HEAD, POST"


async def test_an_outage_says_when_to_ask_again(api: httpx2.AsyncClient) -> None:
    """And nothing of our insides."""
    answer = await api.get("/days/2")
    problem = _problem(answer, 503, ProblemKind.UNAVAILABLE)
    assert answer.headers["retry-after"] == str(RETRY_AFTER_S)
    assert "password" not in str(problem)


async def test_a_bug_is_told_without_our_insides(api: httpx2.AsyncClient) -> None:
    """The log has them."""
    assert "division" not in str(_problem(await api.get("/days/3"), 500, ProblemKind.INTERNAL_ERROR))
