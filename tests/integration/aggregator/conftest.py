"""A pipe of its own for every test, and the stats API that answers for what came through it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from aggregator.app import build_public_app
from database.keys import KeyStore, Scope
from database.pool import open_pool
from stage.asking import asked
from stage.clicked import stock
from stage.pipe import Pipe, opened_pipe


@pytest.fixture
async def pipe(database_dsn: str) -> AsyncIterator[Pipe]:
    """On a fresh migrated database."""
    async with opened_pipe(database_dsn) as pipe:
        yield pipe


@pytest.fixture(scope="module")
def season_dsn(module_dsn: str) -> str:
    """A database after a season of clicks (stage.clicked), for tests that only ask."""
    asyncio.run(_stocked(module_dsn))
    return module_dsn


@pytest.fixture
async def season(season_dsn: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The stats API on it, asked with a key that may read stats."""
    async with _api(season_dsn, Scope.STATS_READ) as client:
        yield client


@pytest.fixture
async def season_admin(season_dsn: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The same, asked with a key that may do everything."""
    async with _api(season_dsn, Scope.ADMIN) as client:
        yield client


@pytest.fixture
async def stats(pipe: Pipe) -> AsyncIterator[httpx2.AsyncClient]:
    """The stats API on the pipe's database, asked with a key that may read stats."""
    async with _api(pipe.dsn, Scope.STATS_READ) as client:
        yield client


@pytest.fixture
async def admin(pipe: Pipe) -> AsyncIterator[httpx2.AsyncClient]:
    """The same, asked with a key that may do everything."""
    async with _api(pipe.dsn, Scope.ADMIN) as client:
        yield client


async def _stocked(dsn: str) -> None:
    async with opened_pipe(dsn) as pipe:
        await stock(pipe)


@asynccontextmanager
async def _api(dsn: str, scope: Scope) -> AsyncIterator[httpx2.AsyncClient]:
    pool = await open_pool(dsn, connections_max=4, application="stats API test")
    key = await KeyStore(pool).create("test", [scope])
    async with asked(build_public_app(pool), key) as client:
        yield client
    pool.terminate()
