"""With Postgres away or silent, links in memory redirect, nothing is called unknown, and everything comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import httpx2
import pytest

from database.keys import Scope, create_key
from http_api.problems import PROBLEM_JSON
from redirector.links.resolving import LOOKUP_TIMEOUT
from redirector.pages import PAGES
from stage.proxy import Proxy, proxied
from stage.redirectors import RunningRedirector, running_redirector
from stage.waiting import eventually_async

GoAway = Callable[[Proxy], Awaitable[None]]

PATIENCE_S = 2 * LOOKUP_TIMEOUT.total_seconds()
"""A request that waits for Postgres is answered within this, on a busy machine too."""


async def die(way: Proxy) -> None:
    """Connections break, and new ones are refused."""
    await way.close()


async def hang(way: Proxy) -> None:
    """Connections stay, and nothing comes back on them."""
    way.freeze()


both_ways = pytest.mark.parametrize("go_away", [die, hang])


@asynccontextmanager
async def on(dsn: str, journals: Path, key: str) -> AsyncIterator[RunningRedirector]:
    """A redirector that does not wait long for a log that is away when it stops."""
    settings = {"heartbeat_interval": timedelta(hours=1), "drain_seconds": 0.2}
    async with running_redirector(dsn, journals, key, **settings) as one:
        yield one


@pytest.fixture
async def way_and_dsn(database_dsn: str) -> AsyncIterator[tuple[Proxy, str]]:
    async with proxied(database_dsn) as both:
        yield both


@pytest.fixture
def way(way_and_dsn: tuple[Proxy, str]) -> Proxy:
    """How the redirector reaches Postgres."""
    return way_and_dsn[0]


@pytest.fixture
async def redirector(way_and_dsn: tuple[Proxy, str], journals: Path, key: str) -> AsyncIterator[RunningRedirector]:
    async with on(way_and_dsn[1], journals, key) as one:
        yield one


def is_503_page(answer: httpx2.Response) -> bool:
    """Whether `answer` asks a person to try again in a moment."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return (answer.status_code, answer.text, answer.headers["retry-after"]) == (status, PAGES[status], "2")


@both_ways
async def test_links_in_memory_redirect_and_others_are_503(
    redirector: RunningRedirector, way: Proxy, go_away: GoAway
) -> None:
    """Guarantee 1, without a mirror yet: an unknown code is never 404 while it cannot be looked up."""
    code = (await redirector.issue())["code"]
    off = (await redirector.issue())["code"]
    await redirector.change(off, disabled=True)
    await go_away(way)
    assert (await redirector.click(code)).status_code == HTTPStatus.FOUND
    assert (await redirector.click(off)).status_code == HTTPStatus.GONE
    started_s = time.monotonic()
    assert is_503_page(await redirector.click("unknown1"))
    assert time.monotonic() - started_s < PATIENCE_S
    assert (await redirector.click("no.code")).status_code == HTTPStatus.NOT_FOUND
    assert len(redirector.new_clicks()) == 2
    await way.open()
    await eventually_async(lambda: is_status(redirector, "unknown1", HTTPStatus.NOT_FOUND), what="404 again")


async def is_status(redirector: RunningRedirector, code: str, status: HTTPStatus) -> bool:
    return (await redirector.click(code)).status_code == status


async def test_redirects_are_not_held_up_by_those_who_wait(redirector: RunningRedirector, way: Proxy) -> None:
    """Requests for unknown codes wait for a Postgres that hangs; a link in memory is answered before they are."""
    code = (await redirector.issue())["code"]
    way.freeze()
    waiting = [asyncio.create_task(redirector.click(f"unknown{number}")) for number in range(40)]
    for _ in range(5):
        assert (await redirector.click(code)).status_code == HTTPStatus.FOUND
    assert not any(one.done() for one in waiting)
    assert all(is_503_page(answer) for answer in await asyncio.gather(*waiting))


async def test_the_api_asks_to_come_again_and_knows_who_was_verified(
    redirector: RunningRedirector, way: Proxy, database_dsn: str
) -> None:
    """503 for what needs Postgres; the key that was verified before is still accepted, another cannot be told."""
    stranger = await create_key(database_dsn, name="stranger", scopes=[Scope.ADMIN])
    code = (await redirector.issue())["code"]
    await way.close()
    for method, path in (("GET", f"/v1/links/{code}"), ("PUT", "/v1/advocates/ada"), ("PATCH", f"/v1/links/{code}")):
        answer = await redirector.ask(method, path, json=None if method == "GET" else {})
        assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert answer.headers["content-type"] == PROBLEM_JSON
        assert answer.headers["retry-after"] == "2"
        assert answer.json()["type"] == "urn:advolink:problem:unavailable"
    nowhere = "/v1/clicks/import/0123456789abcdef"
    assert (await redirector.ask("GET", nowhere)).status_code == HTTPStatus.NOT_FOUND
    for token, status in ((stranger, HTTPStatus.SERVICE_UNAVAILABLE), ("nonsense", HTTPStatus.UNAUTHORIZED)):
        answer = await redirector.ask("GET", nowhere, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status


@both_ways
async def test_it_stays_ready_and_says_what_is_away(redirector: RunningRedirector, way: Proxy, go_away: GoAway) -> None:
    """Nobody takes a redirector out of service because of Postgres."""

    async def misses_postgres() -> bool:
        return not await redirector.knows_postgres()

    await eventually_async(redirector.knows_postgres, what="Postgres is there")
    await go_away(way)
    await eventually_async(misses_postgres, what="Postgres is away")
    assert await redirector.ready()
    await way.open()
    await eventually_async(redirector.knows_postgres, what="Postgres is back")


async def test_it_starts_without_postgres_and_finds_it_later(
    way_and_dsn: tuple[Proxy, str], journals: Path, key: str
) -> None:
    """A restart in an outage: it is ready, unknown codes are 503, and it catches up by itself."""
    way, dsn = way_and_dsn
    async with on(dsn, journals, key) as first:
        code = (await first.issue())["code"]
    await way.close()
    async with on(dsn, journals, key) as second:
        assert await second.ready()
        assert is_503_page(await second.click(code))
        assert (await second.click("robots.txt")).status_code == HTTPStatus.OK
        await way.open()
        await eventually_async(lambda: is_status(second, code, HTTPStatus.FOUND), what="the link redirects")


async def test_a_stop_is_not_held_up_by_a_postgres_that_hangs(
    way_and_dsn: tuple[Proxy, str], journals: Path, key: str
) -> None:
    """Its clicks are in the journal; the next life ships them."""
    way, dsn = way_and_dsn
    async with on(dsn, journals, key) as one:
        code = (await one.issue())["code"]
        way.freeze()
        await one.click(code)
        assert is_503_page(await one.click("unknown1"))  # by now everything that asks Postgres waits
        started_s = time.monotonic()
    assert time.monotonic() - started_s < 3
