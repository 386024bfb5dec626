"""A pipe of its own for every test."""

from collections.abc import AsyncIterator

import pytest

from stage.pipe import Pipe, opened_pipe


@pytest.fixture
async def pipe(database_dsn: str) -> AsyncIterator[Pipe]:
    """On a fresh migrated database."""
    async with opened_pipe(database_dsn) as pipe:
        yield pipe
