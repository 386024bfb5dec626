"""Forward-only migrations: numbered SQL files, each applied once, in order, in a transaction of its own.

Reads schemas/postgres/migrations/NNNN_name.sql, writes the table schema_migration. A file that changed after it was
applied, or a gap in the numbers, stops everything and is named. A database that is ahead of the files is left alone:
a later version migrated it, and this one may still run beside that.
"""

import hashlib
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg

from database.pool import connected_once, translated_outage
from database.queries import load_queries
from database.schema_files import MIGRATIONS_DIRECTORY

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
_FILE_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


class MigrationError(Exception):
    """The files and the database tell different stories, or Postgres refused one; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of schemas/postgres/migrations."""

    version: int
    name: str
    sql: str

    @property
    def file_name(self) -> str:
        """What people know it by."""
        return f"{self.version:04}_{self.name}.sql"

    @property
    def sha256(self) -> bytes:
        """What the file must still hash to after it was applied."""
        return hashlib.sha256(self.sql.encode()).digest()


async def migrate(dsn: str, directory: Path = MIGRATIONS_DIRECTORY) -> Sequence[Migration]:
    """Bring the database at `dsn` up to date and return what was applied now.

    Raises:
        MigrationError: the files and the database do not fit, or a migration failed or could not have its locks in
            time; those before it stay applied, of itself nothing is left.
        UnreadableDsnError: `dsn` is none.
        DatabaseAwayError: the database cannot be reached.
    """
    migrations = read_migrations(directory)
    async with connected_once(dsn) as connection:
        async with _refusals_named("Making the record of migrations"):
            await connection.execute(_SQL["lock"])
            await connection.execute(_SQL["make_table"])
            rows = await connection.fetch(_SQL["applied"])
        pending = pending_migrations(migrations, {row["version"]: row["sha256"] for row in rows})
        for migration in pending:
            async with _refusals_named(migration.file_name):
                await _apply(connection, migration)
    return pending


async def is_current(connection: asyncpg.pool.PoolConnectionProxy) -> bool:
    """Whether the database has at least every migration this code knows. A newer database is served too."""
    if not await connection.fetchval(_SQL["table_exists"]):
        return False
    applied = {row["version"] for row in await connection.fetch(_SQL["applied"])}
    return applied.issuperset(migration.version for migration in read_migrations(MIGRATIONS_DIRECTORY))


def read_migrations(directory: Path) -> Sequence[Migration]:
    """The migrations of `directory`, in order.

    Raises:
        MigrationError: a file is misnamed or a number is missing.
    """
    migrations: list[Migration] = []
    for path in sorted(directory.glob("*.sql")):
        found = _FILE_NAME.fullmatch(path.name)
        if found is None or int(found[1]) != len(migrations) + 1:
            raise MigrationError(f"{path.name} is not named {len(migrations) + 1:04}_what_it_does.sql")
        migrations.append(Migration(int(found[1]), found[2], path.read_text(encoding="utf-8")))
    return migrations


def pending_migrations(migrations: Sequence[Migration], applied: Mapping[int, bytes]) -> Sequence[Migration]:
    """Those of `migrations` that are not yet among `applied` (version to SHA-256).

    Raises:
        MigrationError: an applied file was changed since, or an older one was left out.
    """
    for migration in migrations:
        known = applied.get(migration.version)
        if known is None and migration.version < max(applied, default=0):
            raise MigrationError(f"{migration.file_name} was skipped in this database")
        if known is not None and known != migration.sha256:
            raise MigrationError(f"{migration.file_name} changed after it was applied")
    return [migration for migration in migrations if migration.version not in applied]


@asynccontextmanager
async def _refusals_named(what: str) -> AsyncIterator[None]:
    """Turn what Postgres refuses inside the block into a MigrationError that begins with `what`."""
    try:
        async with translated_outage():
            yield
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{what} was refused, and nothing of it is left: {error}") from error


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    started = time.monotonic()
    async with connection.transaction():
        await connection.execute(_SQL["limit_locks"])
        await connection.execute(migration.sql)
        took = timedelta(seconds=time.monotonic() - started)
        await connection.execute(_SQL["record"], migration.version, migration.name, migration.sha256, took)
