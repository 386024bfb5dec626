"""What tests of the redirector start from: a database, a key, a directory for journals, and a redirector on them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from database.keys import Scope, create_key
from stage.redirectors import RunningRedirector, running_redirector

ONE_BEAT: Final = timedelta(hours=1)
"""Between heartbeats, so that what is journaled is what a test makes a redirector journal."""


@pytest.fixture
def journals(tmp_path: Path) -> Path:
    """Where a redirector keeps its journals."""
    return tmp_path / "journals"


@pytest.fixture
def key(database_dsn: str) -> str:
    """An admin's key."""
    return asyncio.run(create_key(database_dsn, name="test", scopes=[Scope.ADMIN]))


@pytest.fixture
async def redirector(database_dsn: str, journals: Path, key: str) -> AsyncIterator[RunningRedirector]:
    """A redirector of the test's own."""
    async with running_redirector(database_dsn, journals, key, heartbeat_interval=ONE_BEAT) as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_redirector(
    module_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningRedirector]:
    """One redirector for all tests of a module."""
    key = await create_key(module_dsn, name="test", scopes=[Scope.ADMIN])
    journals = tmp_path_factory.mktemp("journals")
    async with running_redirector(module_dsn, journals, key, heartbeat_interval=ONE_BEAT) as one:
        yield one


@pytest.fixture
def shared(module_redirector: RunningRedirector) -> RunningRedirector:
    """The module's redirector: its new clicks are those of this test."""
    module_redirector.new_clicks()
    return module_redirector
