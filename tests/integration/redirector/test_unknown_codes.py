"""Codes that nobody has cost Postgres nothing of their own, and no link is ever called unknown."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import httpx2
import pytest

from database.keys import Scope, create_key
from link_events.identity import Code
from redirector.links import known_codes
from redirector.links.link import Link
from redirector.links.store import CODES_MAX, FeedPlace, LinkStore
from redirector.pages import PAGES
from stage.events import BROWSER
from stage.postgres import Server
from stage.proxy import proxied
from stage.redirectors import DESTINATION, PUBLIC_URL, RunningRedirector, running_redirector
from stage.sql import execute
from stage.waiting import eventually_async

MANY = 2 * CODES_MAX + 7

MAKE_MANY = """
    INSERT INTO advocate (advocate_id) VALUES ('ada');
    UPDATE link_change_counter SET last_change = 4007;
    INSERT INTO link (code, advocate_id, destination, change)
    SELECT 'many' || n, 'ada', 'https://www.example.com/', n FROM generate_series(1, 4007) AS n;
"""

LOSE_ALL_AND_MAKE_ONE = """
    DELETE FROM link_destination;
    DELETE FROM link;
    INSERT INTO link (code, advocate_id, destination, change) VALUES ('after1', 'ada', 'https://www.example.com/', 1);
"""


class Asked:
    """What a redirector asks Postgres about links."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lookups: list[Code] = []
        self.rounds = 0
        find, changes_after = LinkStore.find, LinkStore.changes_after

        async def noting_lookup(store: LinkStore, code: Code) -> Link | None:
            self.lookups.append(code)
            return await find(store, code)

        async def noting_round(store: LinkStore, change: int | None) -> tuple[FeedPlace, Sequence[Link]]:
            self.rounds += 1
            return await changes_after(store, change)

        monkeypatch.setattr(LinkStore, "find", noting_lookup)
        monkeypatch.setattr(LinkStore, "changes_after", noting_round)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch)


async def knows(redirector: RunningRedirector, count: int) -> bool:
    return await redirector.metric("advolink_known_codes") == count


async def statuses(redirector: RunningRedirector, codes: Sequence[str]) -> set[int]:
    return {answer.status_code for answer in await asyncio.gather(*map(redirector.click, codes))}


async def click_from(address: str, redirector: RunningRedirector, code: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(redirector.service.public, client=(address, 4711))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        return await client.get(f"/{code}", headers={"User-Agent": BROWSER})


async def test_unknown_codes_are_answered_together(database_dsn: str, journals: Path, key: str, asked: Asked) -> None:
    """Hundreds at once cost a few rounds of the feed, and not one look-up; each is told as absent."""
    async with running_redirector(database_dsn, journals, key, unknown_codes_burst=300) as one:
        await one.issue()
        before = asked.rounds
        assert await statuses(one, [f"unknown{n}" for n in range(300)]) == {HTTPStatus.NOT_FOUND}
        assert asked.lookups == []
        assert asked.rounds - before < 50
        assert await one.metric('advolink_unknown_codes_total{outcome="absent"}') == 300


async def test_a_network_that_asks_for_too_many_is_told_when_to_come_again(redirector: RunningRedirector) -> None:
    """The answer is a page like the others, kept by nobody; another network is told what it asks for."""
    code = (await redirector.issue())["code"]
    await asyncio.gather(*(click_from("192.0.2.1", redirector, f"unknown{n}") for n in range(60)))
    limited = await click_from("192.0.2.200", redirector, "unknown1")
    page = PAGES[HTTPStatus.TOO_MANY_REQUESTS]
    assert (limited.status_code, limited.text) == (HTTPStatus.TOO_MANY_REQUESTS, page)
    assert dict(limited.headers) == {
        "cache-control": "private, no-store",
        "referrer-policy": "strict-origin-when-cross-origin",
        "retry-after": "2",
        "ratelimit-policy": '"unknown-codes";q=60;w=60',
        "ratelimit": '"unknown-codes";r=0;t=2',
        "content-length": str(len(page.encode())),
        "content-type": "text/html; charset=utf-8",
        "x-robots-tag": "noindex",
    }
    assert (await click_from("192.0.3.1", redirector, "unknown1")).status_code == HTTPStatus.NOT_FOUND
    assert (await click_from("192.0.2.1", redirector, code)).status_code == HTTPStatus.FOUND
    assert (await click_from("192.0.2.1", redirector, "favicon.ico")).status_code == HTTPStatus.NOT_FOUND
    assert await redirector.metric("advolink_networks_limited") == 1


async def test_what_cannot_be_a_code_asks_nobody(redirector: RunningRedirector, asked: Asked) -> None:
    """What browsers ask for by themselves waits for no round either."""
    await redirector.issue()
    before = asked.rounds
    paths = ["favicon.ico", "apple-touch-icon.png", "a" * 65, "%C3%A4", "a%00", "sitemap.xml"]
    assert await statuses(redirector, paths * 20) == {HTTPStatus.NOT_FOUND}
    assert asked.rounds - before <= 3  # by itself, on a busy machine
    assert await redirector.metric('advolink_unknown_codes_total{outcome="no_code"}') == 120


async def test_a_link_that_another_redirector_has_just_made_redirects_at_once(
    redirector: RunningRedirector, database_dsn: str, tmp_path: Path, key: str
) -> None:
    """Every one of many, each followed the moment its issue was answered."""
    async with running_redirector(
        database_dsn, tmp_path / "other", key, heartbeat_interval=timedelta(hours=1)
    ) as other:
        await other.issue()
        for _ in range(20):
            code = (await redirector.issue())["code"]
            assert other.led_to(await other.click(code)) == DESTINATION


async def test_links_of_a_large_database_are_known_page_by_page(
    database_dsn: str, journals: Path, key: str, asked: Asked
) -> None:
    """Before all are, an unknown code is looked up; then none is, and every link redirects, of whichever page."""
    await execute(database_dsn, MAKE_MANY)
    async with running_redirector(database_dsn, journals, key, links_in_memory_max=1) as one:
        assert await statuses(one, ["unknown1"]) == {HTTPStatus.NOT_FOUND}
        await eventually_async(lambda: knows(one, MANY), what="all codes are known")
        asked.lookups.clear()
        assert await statuses(one, ["unknown1"]) == {HTTPStatus.NOT_FOUND}
        assert asked.lookups == []
        assert await statuses(one, [f"many{n}" for n in range(1, MANY, 401)]) == {HTTPStatus.FOUND}


async def test_room_is_made_for_more_links(
    database_dsn: str, journals: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the background: what is known stays known, and what is made meanwhile becomes so."""
    monkeypatch.setattr(known_codes, "CAPACITY_MIN", 3)
    async with running_redirector(database_dsn, journals, key, links_in_memory_max=1) as one:
        codes = [(await one.issue())["code"] for _ in range(20)]
        assert await statuses(one, codes) == {HTTPStatus.FOUND}
        await eventually_async(lambda: knows(one, 20), what="all codes are known")
        assert one.service.resolver.codes.size_bytes > 20 * known_codes.BITS_PER_CODE / 8
        assert await statuses(one, codes) == {HTTPStatus.FOUND}
        assert await statuses(one, ["unknown1"]) == {HTTPStatus.NOT_FOUND}


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_scanned_a_links_answer_is_the_same(
    database_dsn: str, journals: Path, key: str, seed: int
) -> None:
    """From networks that may ask for one unknown code, all at once, in any order, and most links not in memory."""
    async with running_redirector(database_dsn, journals, key, links_in_memory_max=3, unknown_codes_burst=1) as one:
        destinations = [f"https://www.example.com/{number}" for number in range(10)]
        leads_to = {(await one.issue(destination=to))["code"]: to for to in destinations}
        asked = [*leads_to, *(f"unknown{number}" for number in range(60))] * 5
        random.Random(seed).shuffle(asked)
        clicks = [click_from(f"192.0.{place % 3}.9", one, code) for place, code in enumerate(asked)]
        answers = list(zip(asked, await asyncio.gather(*clicks), strict=True))
    for code, answer in answers:
        if code in leads_to:
            assert (answer.status_code, one.led_to(answer)) == (HTTPStatus.FOUND, leads_to[code])
    unknown = Counter(answer.status_code for code, answer in answers if code not in leads_to)
    assert set(unknown) == {HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS}
    assert unknown[HTTPStatus.NOT_FOUND] < 10


async def test_numbers_that_went_back_are_noticed(redirector: RunningRedirector, database_dsn: str) -> None:
    """A database restored in place: a link under a number that the feed has passed redirects."""
    for _ in range(3):
        await redirector.issue()
    await redirector.click("unknown1")  # by now the feed has passed them
    await execute(database_dsn, LOSE_ALL_AND_MAKE_ONE)
    await execute(database_dsn, "UPDATE link_change_counter SET last_change = 1")
    assert await statuses(redirector, ["after1"]) == {HTTPStatus.FOUND}
    assert await statuses(redirector, ["unknown1"]) == {HTTPStatus.NOT_FOUND}


async def test_a_copy_that_was_behind_and_has_caught_up_is_noticed(
    frail_server: Server, frail_dsn: str, journals: Path
) -> None:
    """After a failover numbers may be as high as they were, and mean other links: what is known is read anew."""
    key = await create_key(frail_dsn, name="test", scopes=[Scope.ADMIN])
    async with (
        proxied(frail_dsn) as (way, dsn),
        running_redirector(dsn, journals, key, heartbeat_interval=timedelta(hours=1), drain_seconds=0.2) as one,
    ):
        codes = [(await one.issue())["code"] for _ in range(3)]
        await one.click("unknown1")  # by now the feed has passed them
        await way.close()
        await execute(frail_dsn, LOSE_ALL_AND_MAKE_ONE)
        await asyncio.to_thread(frail_server.stop)
        await asyncio.to_thread(frail_server.start)
        await way.open()
        await eventually_async(one.knows_postgres, what="Postgres is back")
        assert await statuses(one, ["after1"]) == {HTTPStatus.FOUND}
        assert await statuses(one, ["unknown1"]) == {HTTPStatus.NOT_FOUND}
        assert await statuses(one, codes) == {HTTPStatus.FOUND}
