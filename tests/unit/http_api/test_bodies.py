"""A body past its bound is answered 413 and read no further, whatever its headers claim."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from starlette.types import Message

from http_api.bodies import BODY_BYTES_MAX, BoundedBodies
from http_api.problems import ProblemKind, answer_with_problems
from stage.asking import asked

BOUND = 1_000


def _app(**options: Any) -> FastAPI:
    app = FastAPI()
    app.add_middleware(BoundedBodies, **options)
    answer_with_problems(app)

    @app.post("/bounded")
    @app.post("/unbounded")
    async def count(request: Request) -> int:
        return len(await request.body())

    @app.post("/json")
    async def parsed(body: dict[str, str]) -> int:
        return len(body)

    return app


@pytest.fixture
async def api() -> AsyncIterator[httpx2.AsyncClient]:
    """Bounds bodies at BOUND bytes, but for one path."""
    async with asked(_app(bytes_max=BOUND, unbounded=frozenset({"/unbounded"}))) as client:
        yield client


async def _in_parts(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100):
        yield bytes(100)
    yield bytes(size % 100)


@pytest.mark.parametrize("size", [0, 1, BOUND])
async def test_a_body_up_to_its_bound_is_taken(api: httpx2.AsyncClient, size: int) -> None:
    """The bound itself included, with and without a declared length."""
    assert (await api.post("/bounded", content=bytes(size))).json() == size
    assert (await api.post("/bounded", content=_in_parts(size))).json() == size


@pytest.mark.parametrize("path", ["/bounded", "/json"])
async def test_a_body_past_its_bound_is_refused(api: httpx2.AsyncClient, path: str) -> None:
    """Before it is read where its length is declared, else as soon as it is too long."""
    for content in (bytes(BOUND + 1), _in_parts(BOUND + 1)):
        answer = await api.post(path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
        assert answer.json()["type"] == ProblemKind.BODY_TOO_LARGE.type
        assert str(BOUND) in answer.json()["detail"]


async def test_a_length_that_is_a_lie_deceives_nobody(api: httpx2.AsyncClient) -> None:
    """What comes is counted."""
    answer = await api.post("/bounded", content=_in_parts(BOUND + 1), headers={"Content-Length": "1"})
    assert answer.status_code == 413


async def test_a_path_that_bounds_its_bodies_itself_is_left_to(api: httpx2.AsyncClient) -> None:
    """An import is longer than any request of the API."""
    assert (await api.post("/unbounded", content=bytes(BOUND * 10))).json() == BOUND * 10


async def test_a_refused_body_is_read_no_further() -> None:
    """An endless body ends at the bound."""
    parts_read = 0

    async def endless() -> Message:
        nonlocal parts_read
        parts_read += 1
        return {"type": "http.request", "body": bytes(100), "more_body": True}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/bounded",
        "raw_path": b"/bounded",
        "query_string": b"",
        "headers": [],
    }
    await _app(bytes_max=BOUND)(scope, endless, send)
    assert sent[0]["status"] == 413
    assert parts_read == BOUND // 100 + 1


async def test_the_bound_is_a_mebibyte_unless_said_otherwise() -> None:
    """A thousand rows of a kilobyte."""
    async with asked(_app()) as api:
        assert (await api.post("/bounded", content=bytes(BODY_BYTES_MAX))).json() == 1_048_576
        assert (await api.post("/bounded", content=bytes(BODY_BYTES_MAX + 1))).status_code == 413
