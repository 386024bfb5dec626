"""What one process hands on to another on the same machine comes there, and back, as it was."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from http_api.forwarding import Forwarded, OneMore
from http_api.listening import TcpAddress
from http_api.serving import Binding, served
from stage.ports import free_port
from stage.waiting import eventually_async

MEBIBYTE = 2**20


async def _there(request: Request) -> Response:
    size = sum([len(part) async for part in request.stream()])
    told = f"{request.method} {request.url.path}?{request.url.query} {request.headers.get('authorization')} {size}"
    return PlainTextResponse(told, HTTPStatus.ACCEPTED, {"x-from": "there"})


async def _here(_request: Request) -> Response:
    return PlainTextResponse("here")


@pytest.fixture
def socket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s") / "there"


@asynccontextmanager
async def answering(binding: Binding, client: httpx2.AsyncClient) -> AsyncIterator[None]:
    """Serve, from the moment it answers."""

    async def answers() -> bool:
        try:
            return bool(await client.get("/"))
        except httpx2.TransportError:
            return False

    async with served(binding):
        await eventually_async(answers)
        yield


@pytest.fixture
async def client(socket: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Asks a process that hands /far on, over the wire."""
    here = Starlette(routes=[Route("/{path:path}", _here)])
    address = TcpAddress("127.0.0.1", free_port())
    app = Forwarded(here, "/far", socket, "the other one")
    async with (
        httpx2.AsyncClient(base_url=f"http://{address}", trust_env=False) as asking,
        answering(Binding(app, address), asking),
    ):
        yield asking
    await app.close()


@pytest.fixture
async def _other(socket: Path) -> AsyncIterator[None]:
    there = Starlette(routes=[Route("/far/{path:path}", _there, methods=["GET", "POST"]), Route("/far", _there)])
    binding = Binding(OneMore(Starlette(routes=[Route("/", _here)]), "/far", there), socket)
    transport = httpx2.AsyncHTTPTransport(uds=str(socket))
    async with httpx2.AsyncClient(base_url="http://there", transport=transport) as asking, answering(binding, asking):
        yield


@pytest.mark.usefixtures("_other")
async def test_a_request_is_handed_on_whole_and_its_answer_back(client: httpx2.AsyncClient) -> None:
    """Method, path, query, headers and a body of any length, declared or in chunks."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * MEBIBYTE

    headers = {"Authorization": "Bearer me"}
    for content in (b"x" * 3 * MEBIBYTE, chunks()):
        answer = await client.post("/far/away?a=1&b=%20", content=content, headers=headers)
        assert (answer.status_code, answer.headers["x-from"]) == (HTTPStatus.ACCEPTED, "there")
        assert answer.text == f"POST /far/away?a=1&b=%20 Bearer me {3 * MEBIBYTE}"
    assert (await client.get("/far")).text == "GET /far? None 0"


@pytest.mark.usefixtures("_other")
async def test_what_does_not_belong_there_stays_here(client: httpx2.AsyncClient) -> None:
    for path in ("/", "/near", "/farther"):
        assert (await client.get(path)).text == "here"


async def test_while_the_other_is_away_it_is_503_and_says_so(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/far/away", content=b"x")
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert answer.headers["retry-after"]
    assert answer.json()["detail"] == "the other one is away; ask again in a moment"
