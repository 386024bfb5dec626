"""A verified key is remembered: for a moment, for a day while Postgres is away, and never too many of them."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest

from database.keys import KeyStore, Scope
from database.pool import open_pool
from http_api.access import KEYS_REMEMBERED_MAX, REMEMBERED, REMEMBERED_WHILE_AWAY, Access
from http_api.problems import RETRY_AFTER_S, ProblemError
from stage.postgres import Server

MOMENT_S = REMEMBERED.total_seconds()
DAY_S = REMEMBERED_WHILE_AWAY.total_seconds()


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        """What time it is."""
        return self.now_s


class Gate:
    """An Access on a real store, and what it answers."""

    def __init__(self, keys: KeyStore) -> None:
        self.keys = keys
        self.clock = Clock()
        self.access = Access(keys, self.clock)

    async def lets_in(self, token: str) -> bool:
        """Whether it takes the key; 503 is raised."""
        try:
            await self.access.key_of(f"Bearer {token}")
        except ProblemError as problem:
            if problem.status is not HTTPStatus.UNAUTHORIZED:
                raise
            return False
        return True

    async def cannot_tell(self, token: str) -> bool:
        """Whether it asks to come again, and says when."""
        with pytest.raises(ProblemError) as told:
            await self.access.key_of(f"Bearer {token}")
        assert told.value.headers == {"Retry-After": str(RETRY_AFTER_S)}
        return told.value.status is HTTPStatus.SERVICE_UNAVAILABLE


@pytest.fixture
async def gate(frail_server: Server, frail_module_dsn: str) -> AsyncIterator[Gate]:
    """On a server that a test may stop."""
    pool = await open_pool(frail_module_dsn, connections_max=4, application="access test")
    yield Gate(KeyStore(pool))
    pool.terminate()


async def test_a_revoked_key_works_for_a_moment_more_and_no_longer(gate: Gate) -> None:
    """Whoever verified it last."""
    token = await gate.keys.create("portal", [Scope.ADMIN])
    assert await gate.lets_in(token)
    await gate.keys.revoke(token[4:16])
    gate.clock.now_s += MOMENT_S - 0.1
    assert await gate.lets_in(token)
    gate.clock.now_s += 0.2
    assert not await gate.lets_in(token)
    gate.clock.now_s -= MOMENT_S
    assert not await gate.lets_in(token)


async def test_an_unknown_key_is_not_remembered(gate: Gate) -> None:
    """A key that was made a moment after it was first tried works at once."""
    assert not await gate.lets_in(f"adv_0123456789ab_{'s' * 43}")
    assert await gate.lets_in(await gate.keys.create("portal", [Scope.ADMIN]))


async def test_an_outage_locks_nobody_out_for_a_day(gate: Gate, frail_server: Server) -> None:
    """Who was verified before it gets in; about who was not, nothing can be told."""
    known, unknown = [await gate.keys.create("portal", [Scope.ADMIN]) for _ in range(2)]
    assert await gate.lets_in(known)
    await asyncio.to_thread(frail_server.stop)
    gate.clock.now_s += DAY_S - 1
    assert await gate.lets_in(known)
    assert await gate.cannot_tell(unknown)
    gate.clock.now_s += 2
    assert await gate.cannot_tell(known)
    await asyncio.to_thread(frail_server.start)
    assert await gate.lets_in(known)
    assert await gate.lets_in(unknown)


async def test_what_is_no_key_is_told_during_an_outage_too(gate: Gate, frail_server: Server) -> None:
    """It never was one."""
    await asyncio.to_thread(frail_server.stop)
    assert not await gate.lets_in("nonsense")


async def test_no_more_keys_are_remembered_than_there_may_be(gate: Gate, frail_server: Server) -> None:
    """The one that was verified longest ago is forgotten first; being verified again forgets no other."""
    tokens = [await gate.keys.create("portal", [Scope.ADMIN]) for _ in range(KEYS_REMEMBERED_MAX + 1)]
    *first, last = tokens
    assert all([await gate.lets_in(token) for token in first])
    gate.clock.now_s += MOMENT_S + 1
    assert all([await gate.lets_in(token) for token in first[1:]])
    await asyncio.to_thread(frail_server.stop)
    gate.clock.now_s += MOMENT_S + 1
    assert all([await gate.lets_in(token) for token in first])
    await asyncio.to_thread(frail_server.start)
    assert await gate.lets_in(last)
    await asyncio.to_thread(frail_server.stop)
    gate.clock.now_s += MOMENT_S + 1
    assert await gate.cannot_tell(first[0])
    assert all([await gate.lets_in(token) for token in [*first[1:], last]])


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "Token {}", "{}", "Bearer {}x", "Bearer {} {}", "Bearer\t{}"]
)
async def test_a_header_that_carries_no_key_is_refused(gate: Gate, header: str) -> None:
    """It is told how a key is sent."""
    token = await gate.keys.create("portal", [Scope.ADMIN])
    with pytest.raises(ProblemError) as refused:
        await gate.access.key_of(header.format(token, token))
    assert refused.value.status is HTTPStatus.UNAUTHORIZED
    assert refused.value.headers == {"WWW-Authenticate": 'Bearer realm="advolink"'}
    assert token not in refused.value.detail


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "BEARER   {} "])
async def test_the_kind_of_a_header_is_in_any_case(gate: Gate, header: str) -> None:
    """RFC 9110 §11.1."""
    token = await gate.keys.create("portal", [Scope.STATS_READ])
    assert (await gate.access.key_of(header.format(token))).key_id == token[4:16]
