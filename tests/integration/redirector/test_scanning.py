"""Somebody tries out codes, and real redirects go on as if nobody did: a redirector process, asked over the wire."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx2
import pytest

from database.keys import Scope, create_key
from stage.browsers import Browser, browser
from stage.click_ids import split_location
from stage.proxy import proxied
from stage.redirector_process import RedirectorProcess, redirector_process
from stage.redirectors import running_redirector
from stage.sql import execute
from stage.waiting import eventually_async

SCANNED: Final = 20_000
SCANNERS: Final = 8
BURST: Final = 60
LINKS: Final = 400

MAKE_LINKS: Final = """
    INSERT INTO advocate (advocate_id) VALUES ('ada');
    UPDATE link_change_counter SET last_change = 400;
    INSERT INTO link (code, advocate_id, destination, change)
    SELECT 'known' || n, 'ada', 'https://www.example.com/' || n, n FROM generate_series(1, 400) AS n;
"""

IN_MEMORY: Final = 50
"""So that most redirects have to look their links up."""

SECONDS_MAX: Final = 1.0
"""A redirect beside a scan, on a machine that does other things as well: mostly it takes some milliseconds."""

SCANNING: Final = "127.0.9.{}"
"""The network that scans."""


class Scan:
    """Somebody tries out codes that nobody has, one after the other on each of some connections."""

    def __init__(self, port: int, addresses: list[str], codes: int) -> None:
        self._port = port
        self._codes = iter([f"unknown{number}" for number in range(codes)])
        self._tasks = [asyncio.create_task(self._keep_trying(address)) for address in addresses]
        self.statuses: Counter[int] = Counter()

    async def _keep_trying(self, address: str) -> None:
        async with browser(self._port, address) as one:
            for code in self._codes:
                self.statuses[(await one.get(code)).status] += 1

    async def over(self) -> None:
        """Wait until every code was tried."""
        await asyncio.gather(*self._tasks)

    @property
    def goes_on(self) -> bool:
        """Whether there are more to try."""
        return not all(task.done() for task in self._tasks)


async def redirected(one: Browser, code: str, *, seconds_max: float = SECONDS_MAX) -> float:
    """Follow a link, which leads where it should and within the time; how long it took."""
    answered = await one.get(code)
    assert answered.status == HTTPStatus.FOUND, (code, answered)
    assert split_location(answered.headers["location"])[0] == f"https://www.example.com/{code.removeprefix('known')}"
    assert answered.seconds < seconds_max
    return answered.seconds


async def keep_following(one: Browser, codes: Iterator[str], scan: Scan) -> list[float]:
    """Follow links until the scan is over."""
    took_s = []
    while scan.goes_on:
        took_s.append(await redirected(one, next(codes)))
        took_s.append(await redirected(one, "known1"))
    return took_s


def cold_codes() -> Iterator[str]:
    """All links in turn: none of them is in memory when it is its turn again."""
    return itertools.cycle([f"known{number}" for number in range(2, LINKS + 1)])


async def knows_all(process: RedirectorProcess) -> None:
    """Wait until it knows which codes there are."""

    async def told() -> bool:
        return await told_by(process, "advolink_known_codes") == LINKS

    await eventually_async(told, what="all codes are known")


async def told_by(process: RedirectorProcess, name: str) -> float:
    """The value of a metric."""
    async with httpx2.AsyncClient() as client:
        lines = (await client.get(f"{process.management_url}/metrics")).text.splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} "))


async def networks_limited(process: RedirectorProcess, count: int) -> bool:
    """Whether so many networks may ask for no unknown code now. One that stops asking may ask again within a second."""
    return await told_by(process, "advolink_networks_limited") == count


@pytest.fixture
async def links_dsn(database_dsn: str) -> str:
    """A database with links in it."""
    await execute(database_dsn, MAKE_LINKS)
    return database_dsn


@pytest.fixture
def process(links_dsn: str, journals: Path) -> Iterator[RedirectorProcess]:
    with redirector_process(links_dsn, journals, links_in_memory_max=str(IN_MEMORY)) as one:
        one.until_ready()
        yield one


async def test_a_scan_from_one_network_slows_limits_and_refuses_no_redirect(
    process: RedirectorProcess, links_dsn: str, tmp_path: Path
) -> None:
    """20 000 unknown codes, meanwhile links in memory and others, from the same network and from another.

    The scan is limited. A link that another redirector makes meanwhile redirects at once, and for the network that
    scans within the wait it was asked for.
    """
    await knows_all(process)
    key = await create_key(links_dsn, name="test", scopes=[Scope.ADMIN])
    began_s = time.monotonic()
    scan = Scan(process.port, [SCANNING.format(1)] * SCANNERS, SCANNED)
    async with (
        browser(process.port, SCANNING.format(2)) as neighbour,
        browser(process.port, "127.0.3.1") as stranger,
        browser(process.port, "127.0.3.2") as early,
        browser(process.port, SCANNING.format(3)) as late,
        running_redirector(links_dsn, tmp_path / "other", key) as other,
    ):
        following = [asyncio.create_task(keep_following(one, cold_codes(), scan)) for one in (neighbour, stranger)]
        for number in range(1_000, 1_020):
            await other.issue(destination=f"https://www.example.com/{number}", alias=f"known{number}")
            await redirected(early, f"known{number}")
            answered = await late.get(f"known{number}")
            if answered.status == HTTPStatus.TOO_MANY_REQUESTS:
                await redirects_within(late, f"known{number}", float(answered.headers["retry-after"]))
        await eventually_async(lambda: networks_limited(process, 1), what="one network is limited")
        assert scan.goes_on
        await scan.over()
        took_s = sorted(itertools.chain.from_iterable(await asyncio.gather(*following)))
    assert len(took_s) > 100
    assert took_s[len(took_s) // 2] < SECONDS_MAX / 10
    assert set(scan.statuses) == {HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS}
    assert BURST <= scan.statuses[HTTPStatus.NOT_FOUND] <= BURST + 1 + time.monotonic() - began_s
    limited = await told_by(process, 'advolink_unknown_codes_total{outcome="limited"}')
    assert limited >= scan.statuses[HTTPStatus.TOO_MANY_REQUESTS]


async def redirects_within(one: Browser, code: str, seconds: float) -> None:
    """What a caller meets who comes again."""

    async def is_found() -> bool:
        return (await one.get(code)).status == HTTPStatus.FOUND

    await eventually_async(is_found, seconds_max=seconds, what=f"{code} redirects")


async def test_a_scan_from_many_networks_is_answered_and_slows_no_redirect(process: RedirectorProcess) -> None:
    """None of them asks for more than it may: each is told that there is no such link."""
    await knows_all(process)
    scan = Scan(process.port, [f"127.1.{number}.1" for number in range(64)], 2_000)
    async with browser(process.port, "127.0.3.1") as one:
        took_s = await keep_following(one, cold_codes(), scan)
    await scan.over()
    assert len(took_s) > 20
    assert set(scan.statuses) == {HTTPStatus.NOT_FOUND}
    assert await networks_limited(process, 0)


async def test_a_scan_while_postgres_is_away_is_told_to_come_again(links_dsn: str, journals: Path) -> None:
    """503, or 429 beyond the limit, and never 404; links in memory redirect meanwhile, and afterwards all do."""
    async with proxied(links_dsn) as (way, dsn):
        with redirector_process(dsn, journals, links_in_memory_max=str(IN_MEMORY), drain_seconds="0.2") as process:
            await asyncio.to_thread(process.until_ready)
            await knows_all(process)
            async with browser(process.port) as one:
                await redirected(one, "known1")
                await way.close()
                addresses = [f"127.1.{number}.1" for number in range(16)] + [SCANNING.format(1)] * SCANNERS
                scan = Scan(process.port, addresses, 2_000)
                while scan.goes_on:
                    await redirected(one, "known1")
                await scan.over()
                assert set(scan.statuses) == {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
                await way.open()
                await redirects_within(one, "known300", 10)
