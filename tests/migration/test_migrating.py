"""Migrations are applied once, in order, whole or not at all, by one migrator at a time, and wait for nobody long."""

import asyncio
from pathlib import Path

import pytest

from database.migrations import MigrationError, is_current, migrate
from database.pool import DatabaseAwayError, open_pool
from database.schema_files import MIGRATIONS_DIRECTORY
from stage.postgres import Server
from stage.sql import execute, fetch, fetch_value, session, waiting_for_locks
from stage.waiting import eventually_async

ONE = "CREATE TABLE one (n integer); INSERT INTO one VALUES (1);"
TWO = "ALTER TABLE one ADD m integer;"


def _folder(folder: Path, *steps: str) -> Path:
    for number, sql in enumerate(steps, 1):
        (folder / f"{number:04}_step.sql").write_text(sql, encoding="utf-8")
    return folder


async def _versions(dsn: str) -> list[int]:
    return [version for (version,) in await fetch(dsn, "SELECT version FROM schema_migration ORDER BY version")]


async def test_pending_migrations_are_applied_in_order_and_recorded(empty_database_dsn: str, tmp_path: Path) -> None:
    """Each with its name, its hash and how long it took; a second run applies nothing."""
    folder = _folder(tmp_path, ONE, TWO)
    applied = await migrate(empty_database_dsn, folder)
    assert [one.version for one in applied] == [1, 2]
    stored = await fetch(empty_database_dsn, "SELECT version, name, sha256, took >= '0s' FROM schema_migration")
    assert stored == [(one.version, one.name, one.sha256, True) for one in applied]
    assert await migrate(empty_database_dsn, folder) == []
    assert await fetch(empty_database_dsn, "SELECT n, m FROM one") == [(1, None)]


async def test_a_changed_file_stops_everything(empty_database_dsn: str, tmp_path: Path) -> None:
    """Also what is pending behind it."""
    await migrate(empty_database_dsn, _folder(tmp_path, ONE))
    with pytest.raises(MigrationError, match=r"0001_step\.sql changed"):
        await migrate(empty_database_dsn, _folder(tmp_path, ONE + " ", TWO))
    assert await _versions(empty_database_dsn) == [1]


async def test_a_skipped_migration_stops_everything(empty_database_dsn: str, tmp_path: Path) -> None:
    """The database says that a later one came first."""
    folder = _folder(tmp_path, ONE, TWO, "SELECT 3")
    await migrate(empty_database_dsn, folder)
    await execute(empty_database_dsn, "DELETE FROM schema_migration WHERE version = 2")
    with pytest.raises(MigrationError, match=r"0002_step.*\.sql was skipped"):
        await migrate(empty_database_dsn, folder)


async def test_migrators_at_once_apply_each_migration_once(empty_database_dsn: str, tmp_path: Path) -> None:
    """As replicas that start together do: one works, the others wait and find nothing left to do."""
    folder = _folder(tmp_path, ONE, "SELECT pg_advisory_xact_lock(7)", TWO)
    async with session(empty_database_dsn) as test:
        await test.execute("SELECT pg_advisory_lock(7)")
        migrators = [asyncio.create_task(migrate(empty_database_dsn, folder)) for _ in range(5)]
        await eventually_async(lambda: _waiting(empty_database_dsn, 5))
    applied = await asyncio.gather(*migrators)
    assert sorted(len(migrations) for migrations in applied) == [0, 0, 0, 0, 3]
    assert await fetch(empty_database_dsn, "SELECT n FROM one") == [(1,)]


async def test_a_migration_that_cannot_have_its_locks_gives_up(empty_database_dsn: str, tmp_path: Path) -> None:
    """Rather than hold up everybody behind it; nothing of it is left, and it is applied when the lock is free."""
    await migrate(empty_database_dsn, _folder(tmp_path, ONE))
    folder = _folder(tmp_path, ONE, "CREATE TABLE made_before (n integer);" + TWO)
    async with session(empty_database_dsn) as reader, reader.transaction():
        await reader.execute("SELECT * FROM one")
        with pytest.raises(MigrationError, match=r"0002_step.*lock"):
            await migrate(empty_database_dsn, folder)
    assert await fetch_value(empty_database_dsn, "SELECT to_regclass('made_before')") is None
    assert [one.version for one in await migrate(empty_database_dsn, folder)] == [2]


async def test_a_migration_that_fails_leaves_nothing_behind(empty_database_dsn: str, tmp_path: Path) -> None:
    """What came before it stays; when it is mended it is applied."""
    broken = _folder(tmp_path, ONE, "CREATE TABLE two (n integer); SELECT no_such_function();", "CREATE TABLE three ()")
    with pytest.raises(MigrationError, match=r"0002_step.*no_such_function"):
        await migrate(empty_database_dsn, broken)
    assert await _versions(empty_database_dsn) == [1]
    assert await fetch_value(empty_database_dsn, "SELECT to_regclass('two') IS NULL AND to_regclass('three') IS NULL")
    assert [one.version for one in await migrate(empty_database_dsn, _folder(tmp_path, ONE, TWO))] == [2, 3]


async def test_a_newer_database_is_left_alone_and_served(database_dsn: str) -> None:
    """A later version has migrated it: this one still runs beside, while it is replaced or brought back."""
    pool = await open_pool(database_dsn, connections_max=1, application="test")
    async with pool.acquire() as connection:
        assert await is_current(connection)
        await connection.execute("INSERT INTO schema_migration VALUES (9999, 'from_the_future', '', now(), '0s')")
        assert await is_current(connection)
        assert await migrate(database_dsn, MIGRATIONS_DIRECTORY) == []
    pool.terminate()


async def test_an_older_or_empty_database_is_not_current(empty_database_dsn: str, tmp_path: Path) -> None:
    """It has to be migrated before it is served."""
    pool = await open_pool(empty_database_dsn, connections_max=1, application="test")
    async with pool.acquire() as connection:
        assert not await is_current(connection)
        await migrate(empty_database_dsn, _folder(tmp_path))
        assert not await is_current(connection)
        await migrate(empty_database_dsn)
        assert await is_current(connection)
    pool.terminate()


async def test_a_database_that_is_away_is_told_by_name(frail_server: Server, frail_dsn: str) -> None:
    """Not by the driver's errors."""
    frail_server.stop()
    with pytest.raises(DatabaseAwayError):
        await migrate(frail_dsn)


async def _waiting(dsn: str, count: int) -> bool:
    return await waiting_for_locks(dsn) == count
