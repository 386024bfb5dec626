"""Codes that nobody has are answered in the lane, byte for byte as the plain path answers them."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from stage.proxy import Proxy, proxied
from stage.redirectors import RunningRedirector, running_redirector
from stage.sockets import converse, exchange, listening
from stage.waiting import eventually_async

MANY = 100_000


def get(target: bytes, *lines: bytes) -> bytes:
    """A plain request for `target`."""
    return b"GET %s HTTP/1.1\r\nHost: go.example.com\r\n%s\r\n" % (target, b"".join(line + b"\r\n" for line in lines))


LAST = get(b"/nobody", b"Connection: close")


@dataclass
class Both:
    """Two redirectors on one database, of which one has the lane; a link `known` is in the memory of both."""

    lane: RunningRedirector
    plain: RunningRedirector
    lane_port: int
    plain_port: int
    way: Proxy
    taken: list[bytes]
    """The targets that the lane has taken."""

    async def converse(self, *targets: bytes) -> list[bytes]:
        """Ask for one after the other; the heads of the answers, which are the same of both."""
        requests = [get(target) for target in targets]
        lane, plain = [await converse(port, requests) for port in (self.lane_port, self.plain_port)]
        assert lane == plain
        return lane


@asynccontextmanager
async def both_on(dsn: str, tmp_path: Path, key: str, **settings: Any) -> AsyncIterator[Both]:
    async with AsyncExitStack() as stack:
        way, dsn = await stack.enter_async_context(proxied(dsn))
        settings |= {"drain_seconds": 0.2}
        lane, plain = [
            await stack.enter_async_context(running_redirector(dsn, tmp_path / name, key, **settings))
            for name in ("lane", "plain")
        ]
        await lane.issue(alias="known")
        await eventually_async(plain.signs, what="both sign")
        await eventually_async(partial(_knows_a_link, plain), what="both know the link")
        await plain.click("known")
        taken: list[bytes] = []
        ask = lane.service.lane.ask

        def noting(asker: Any, request: bytes) -> bool:
            if ask(asker, request):
                taken.append(request.split(maxsplit=2)[1])
                return True
            return False

        lane.service.lane.ask = noting  # type: ignore[method-assign]
        ports = [await stack.enter_async_context(listening(one.service, lane=one is lane)) for one in (lane, plain)]
        yield Both(lane, plain, ports[0], ports[1], way, taken)


async def _knows_a_link(redirector: RunningRedirector) -> bool:
    return await redirector.metric("advolink_known_codes") == 1


@pytest.fixture
async def both(database_dsn: str, tmp_path: Path, key: str) -> AsyncIterator[Both]:
    async with both_on(database_dsn, tmp_path, key, unknown_codes_burst=MANY) as found:
        yield found


def statuses(answers: list[bytes] | bytes) -> list[int]:
    """The statuses of answers, in their order."""
    joined = answers if isinstance(answers, bytes) else b"".join(answers)
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", joined)]


async def test_an_unknown_code_is_answered_alike_and_a_redirect_behind_it_too(both: Both) -> None:
    """With a query too. What cannot be a code is for the plain path."""
    answers = await both.converse(
        b"/nobody", b"/known", b"/nobody?x=y", b"/no.code", b"/nobody/", b"/known", b"/nobody"
    )
    assert statuses(answers) == [404, 302, 404, 404, 404, 302, 404]
    assert both.taken == [b"/nobody", b"/known", b"/nobody?x=y", b"/known", b"/nobody"]
    for one in (both.lane, both.plain):
        assert await one.metric('advolink_unknown_codes_total{outcome="absent"}') == 4
        assert await one.metric('advolink_redirects_total{status="404"}') == 5
        assert len(one.new_clicks()) >= 2


async def test_one_that_is_limited_is_answered_alike(database_dsn: str, tmp_path: Path, key: str) -> None:
    """A link is not, whichever way it takes."""
    async with both_on(database_dsn, tmp_path, key, unknown_codes_burst=1, unknown_codes_per_minute=1) as both:
        answers = await both.converse(b"/nobody", b"/nobody", b"/known", b"/nobody2", b"/known")
        assert statuses(answers) == [404, 429, 302, 429, 302]
        assert len(both.taken) == len(answers)
        assert await both.lane.metric('advolink_unknown_codes_total{outcome="limited"}') == 2
        assert await both.lane.metric("advolink_networks_limited") == 1


@pytest.mark.parametrize("hangs", [False, True])
async def test_while_postgres_is_away_it_is_answered_alike(both: Both, hangs: bool) -> None:  # noqa: FBT001
    """503, whether Postgres refuses or does not answer."""
    if hangs:
        both.way.freeze()
    else:
        await both.way.close()
    assert statuses(await both.converse(b"/nobody", b"/known")) == [503, 302]
    assert both.taken == [b"/nobody", b"/known"]
    assert await both.lane.metric('advolink_unknown_codes_total{outcome="unsure"}') == 1


async def test_a_link_that_was_made_elsewhere_a_moment_ago_redirects(both: Both) -> None:
    """The lane takes it for unknown at first; what comes behind it on the connection is answered behind it."""
    for number in range(10):
        alias = f"new{number}"
        await both.plain.issue(alias=alias)
        target = f"/{alias}".encode()
        answer = await exchange(both.lane_port, [get(target), get(b"/known"), get(target), LAST])
        assert statuses(answer) == [302, 302, 302, 404]
    clicks = both.lane.new_clicks()
    assert [click.code for click in clicks] == [
        code for number in range(10) for code in (f"new{number}", "known", f"new{number}")
    ]


@pytest.mark.parametrize("pieces", [[get(b"/nobody")], [get(b"/nobody"), get(b"/known"), LAST], [LAST, get(b"/known")]])
async def test_who_closes_their_side_is_answered_alike(both: Both, pieces: list[bytes]) -> None:
    """All that was asked for before, and nothing behind a `Connection: close`."""
    assert await exchange(both.lane_port, pieces) == await exchange(both.plain_port, pieces)


async def test_who_goes_away_meanwhile_is_no_trouble(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    """Hundreds of them; others are answered as ever."""
    for _ in range(300):
        _, writer = await asyncio.open_connection("127.0.0.1", both.lane_port)
        writer.write(get(b"/nobody"))
        await writer.drain()
        writer.transport.abort()
    assert statuses(await both.converse(b"/nobody", b"/known")) == [404, 302]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
