"""schema.sql and the migrations are two ways to one database, and every table has one writer."""

import re

import pytest

from database.migrations import migrate
from database.schema_files import SCHEMA_DIRECTORY
from stage.catalog import Catalog, catalog
from stage.sql import execute, session

SCHEMA = (SCHEMA_DIRECTORY / "schema.sql").read_text(encoding="utf-8")
TABLES = re.findall(r"^CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(\w+)", SCHEMA, re.MULTILINE)


async def _looked_at(dsn: str) -> Catalog:
    async with session(dsn) as connection:
        return await catalog(connection)


async def test_the_migrations_lead_to_schema_sql(empty_database_dsn: str) -> None:
    """Tables, columns, types, defaults, collations, constraints, indexes, functions, options and rows."""
    dsn = empty_database_dsn
    await migrate(dsn)
    migrated = await _looked_at(dsn)
    await execute(dsn, "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner")
    await execute(dsn, SCHEMA)
    declared = await _looked_at(dsn)
    assert declared.keys() == migrated.keys()
    for what, things in declared.items():
        assert migrated[what] == things, what


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE click ALTER user_agent SET NOT NULL",
        "ALTER TABLE click ALTER test SET DEFAULT false",
        "ALTER TABLE api_key ALTER scopes TYPE varchar[]",
        'ALTER TABLE dead_letter ALTER reason TYPE text COLLATE "C"',
        "ALTER TABLE hole DROP CONSTRAINT hole_kind_check",
        "ALTER TABLE hole RENAME CONSTRAINT hole_kind_check TO kind_check",
        "ALTER TABLE watermark RESET (fillfactor)",
        "ALTER TABLE advocate ADD note text",
        "CREATE INDEX ON advocate (display_name)",
        "CREATE OR REPLACE FUNCTION click_day_ensure(wanted date) RETURNS void LANGUAGE sql AS ''",
        "CREATE VIEW links AS SELECT 1 AS one",
        "CREATE TYPE mood AS ENUM ('good')",
        "GRANT SELECT ON link TO PUBLIC",
        "ALTER SEQUENCE link_link_id_seq INCREMENT 2",
        "CREATE SCHEMA other",
        "UPDATE programme SET timezone = 'Asia/Kolkata'",
    ],
)
async def test_the_comparison_sees_every_kind_of_difference(module_dsn: str, change: str) -> None:
    """A comparison that overlooks something proves nothing."""
    async with session(module_dsn) as connection:
        before = await catalog(connection)
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(change)
        assert await catalog(connection) != before
        await transaction.rollback()


@pytest.mark.parametrize("table", TABLES)
def test_every_table_names_its_one_writer(table: str) -> None:
    """In the comment above it, so that who looks at a row knows whom to ask."""
    declared = re.search(rf"^CREATE (?:UNLOGGED )?TABLE {table} ", SCHEMA, re.MULTILINE)
    assert declared is not None
    above = SCHEMA[: declared.start()].rstrip("\n").splitlines()
    comment: list[str] = []
    while above and above[-1].startswith("--"):
        comment.insert(0, above.pop())
    assert [line for line in comment if line.startswith("-- writer: the ")] == comment[:1], table


async def test_every_table_of_the_database_is_declared(module_dsn: str) -> None:
    """The comments above are read for all of them."""
    relations = (await _looked_at(module_dsn))["relations"]
    assert sorted(str(name) for name, kind, *_ in relations if kind in (b"r", b"p")) == sorted(TABLES)
