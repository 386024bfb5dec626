"""A change of a link reaches every redirector that has it in memory, whatever overtakes what."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from database.pool import Pool, open_pool
from link_events.identity import AdvocateId, Code
from redirector.advocates.history import Said
from redirector.advocates.store import AdvocateStore
from redirector.links.link import Link, LinkFields
from redirector.links.memory import LinkMemory
from redirector.links.resolving import FOLLOW_INTERVAL, LinkResolver
from redirector.links.store import LinkChanges, LinkStore
from stage.proxy import proxied
from stage.redirectors import DESTINATION, RunningRedirector, running_redirector
from stage.waiting import eventually_async

NEW = "https://www.example.com/new"
ONE_BEAT = timedelta(hours=1)
CODE = Code("kB7xQ2mT")


async def leads_to(redirector: RunningRedirector, code: str, destination: str | None) -> bool:
    """Whether the link leads there; None: it is gone."""
    answer = await redirector.click(code)
    if destination is None:
        return answer.status_code == HTTPStatus.GONE
    return answer.status_code == HTTPStatus.FOUND and redirector.led_to(answer) == destination


async def test_a_change_reaches_the_other_redirectors_within_two_seconds(
    redirector: RunningRedirector, database_dsn: str, tmp_path: Path, key: str
) -> None:
    """A new destination, and a link that is switched off."""
    async with running_redirector(database_dsn, tmp_path / "other", key, heartbeat_interval=ONE_BEAT) as other:
        codes = [(await redirector.issue())["code"] for _ in range(2)]
        for code in codes:
            assert await leads_to(other, code, DESTINATION)
        await redirector.change(codes[0], destination=NEW)
        await redirector.change(codes[1], disabled=True)
        started_s = time.monotonic()
        await eventually_async(lambda: leads_to(other, codes[0], NEW), what="the new destination")
        await eventually_async(lambda: leads_to(other, codes[1], None), what="the end of the link")
        assert time.monotonic() - started_s < 2 * FOLLOW_INTERVAL.total_seconds()


async def test_changes_of_an_outage_arrive_after_it(
    redirector: RunningRedirector, database_dsn: str, tmp_path: Path, key: str
) -> None:
    """More than one read of the feed can hold; in the meantime the link leads to where it led."""
    code = (await redirector.issue())["code"]
    async with (
        proxied(database_dsn) as (way, dsn),
        running_redirector(dsn, tmp_path / "other", key, heartbeat_interval=ONE_BEAT, drain_seconds=0.5) as other,
    ):
        await eventually_async(other.knows_postgres, what="the feed is followed")
        assert await leads_to(other, code, DESTINATION)
        await way.close()
        await redirector.change(code, destination=NEW)
        assert await leads_to(other, code, DESTINATION)
        await way.open()
        await eventually_async(lambda: leads_to(other, code, NEW), what="the change has arrived")


async def test_many_who_want_one_link_look_it_up_once(
    redirector: RunningRedirector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A post goes round the world; a code that nobody has is not looked up at all."""
    asked: list[Code] = []
    find = LinkStore.find

    async def noting(store: LinkStore, code: Code) -> Link | None:
        asked.append(code)
        return await find(store, code)

    monkeypatch.setattr(LinkStore, "find", noting)
    code = (await redirector.issue())["code"]
    redirector.service.memory.forget_all()
    for wanted, status in ((code, HTTPStatus.FOUND), ("unknown1", HTTPStatus.NOT_FOUND)):
        answers = await asyncio.gather(*(redirector.click(wanted) for _ in range(50)))
        assert {answer.status_code for answer in answers} == {status}
    assert asked == [code]


async def test_memory_is_bounded_and_what_fell_out_is_looked_up_again(
    database_dsn: str, journals: Path, key: str
) -> None:
    """Every link redirects, however few are remembered."""
    async with running_redirector(database_dsn, journals, key, links_in_memory_max=3) as small:
        codes = [(await small.issue())["code"] for _ in range(6)]
        for code in codes * 2:
            assert await leads_to(small, code, DESTINATION)
        assert len(small.service.memory) == 3


# ------------------------------------------------------------ the resolver by itself, on a real store


Following = tuple[LinkResolver, list["asyncio.Task[None]"]]
"""A resolver, and a place for the task that follows changes, once a test starts it."""


class HeldStore(LinkStore):
    """A store whose lookups read at once and answer late."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.has_read = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def find(self, code: Code) -> Link | None:
        """What was there when it was asked for."""
        link = await super().find(code)
        self.has_read.set()
        await self.may_answer.wait()
        return link


@pytest.fixture
async def store(database_dsn: str) -> AsyncIterator[HeldStore]:
    """A store with one link in it, which answers."""
    pool = await open_pool(database_dsn, connections_max=4, application="test")
    held = HeldStore(pool)
    held.may_answer.set()
    await AdvocateStore(pool).put([Said(AdvocateId("ada"), date(2022, 2, 14), {})], "test")
    await held.issue(LinkFields(AdvocateId("ada"), DESTINATION), lambda: CODE, alias=True, actor="test")
    yield held
    pool.terminate()


@pytest.fixture
async def following(store: HeldStore) -> AsyncIterator[Following]:
    """A resolver that knows nothing yet."""
    tasks: list[asyncio.Task[None]] = []
    yield LinkResolver(LinkMemory(10), store), tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def change(store: HeldStore, destination: str = NEW) -> None:
    changes = LinkChanges(given=frozenset({"destination"}), destination=destination)
    await store.change(CODE, changes, datetime.now(UTC), "test")


async def destination_of(resolver: LinkResolver) -> str:
    link = await resolver.resolve(CODE)
    assert link is not None
    return link.destination


async def is_new(resolver: LinkResolver) -> bool:
    return await destination_of(resolver) == NEW


async def test_a_link_read_before_the_feed_was_known_is_not_trusted_for_ever(
    store: HeldStore, following: Following
) -> None:
    """A restart, a click, a change, and only then the first look at the feed: the change is not missed."""
    resolver, tasks = following
    assert await destination_of(resolver) == DESTINATION
    await change(store)
    tasks.append(asyncio.create_task(resolver.follow_changes()))
    await eventually_async(lambda: is_new(resolver), what="the change is seen")


async def test_a_link_issued_before_the_feed_was_known_is_not_trusted_for_ever(
    store: HeldStore, following: Following
) -> None:
    """It went straight into memory, and another redirector has changed it before the first look at the feed."""
    resolver, tasks = following
    issued = await store.find(CODE)
    assert issued is not None
    resolver.was_issued(issued)
    await change(store)
    assert await destination_of(resolver) == DESTINATION
    tasks.append(asyncio.create_task(resolver.follow_changes()))
    await eventually_async(lambda: is_new(resolver), what="the change is seen")


async def test_a_lookup_that_began_before_the_feed_was_known_is_not_trusted_either(
    store: HeldStore, following: Following
) -> None:
    """It read the row before the change and answers after the first look at the feed."""
    resolver, tasks = following
    store.may_answer.clear()
    early = asyncio.create_task(destination_of(resolver))
    await store.has_read.wait()
    await change(store)
    tasks.append(asyncio.create_task(resolver.follow_changes()))
    await eventually_async(lambda: answered(not resolver.database_away), what="the feed is known")
    store.may_answer.set()
    assert await early == DESTINATION
    assert await destination_of(resolver) == NEW


async def test_a_change_that_overtakes_a_lookup_is_kept(store: HeldStore, following: Following) -> None:
    """The lookup has read the row before it; the feed brings the change before the lookup answers."""
    resolver, tasks = following
    tasks.append(asyncio.create_task(resolver.follow_changes()))
    await eventually_async(lambda: answered(not resolver.database_away), what="the feed is known")
    store.may_answer.clear()
    early = asyncio.create_task(destination_of(resolver))
    await store.has_read.wait()
    await change(store)
    memory = resolver._memory  # noqa: SLF001 - nothing else shows what the feed has brought
    await eventually_async(lambda: answered(memory.get(CODE) is not None), what="the feed has brought the change")
    store.may_answer.set()
    assert await early == DESTINATION
    assert await destination_of(resolver) == NEW


async def test_a_code_that_nobody_has_is_not_remembered(store: HeldStore, following: Following) -> None:
    """It may be issued in the next moment, by another redirector."""
    resolver, _ = following
    assert await resolver.resolve(Code("later")) is None
    await store.issue(LinkFields(AdvocateId("ada"), DESTINATION), lambda: Code("later"), alias=True, actor="test")
    assert await resolver.resolve(Code("later")) is not None


async def answered(value: object) -> bool:
    return bool(value)
