"""`advolink migrate` may be run at every start, and says in a sentence what stops it."""

import asyncio

import pytest
from click.testing import CliRunner, Result

from advolink.__main__ import main
from database.migrations import read_migrations
from database.schema_files import MIGRATIONS_DIRECTORY
from stage.postgres import Server
from stage.slices import EVERY_SLICE
from stage.sql import execute, fetch_value

UP_TO_DATE = "The database is up to date.\n"


def _migrate(*arguments: str, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["migrate", *arguments], env=environment)


def test_it_brings_an_empty_database_up_to_date_and_then_changes_nothing(empty_database_dsn: str) -> None:
    """Naming what it applied; the partitions of the log are there afterwards."""
    first = _migrate("--postgres-dsn", empty_database_dsn)
    names = [f"applied {one.version:04} {one.name}\n" for one in read_migrations(MIGRATIONS_DIRECTORY)]
    assert (first.exit_code, first.output) == (0, "".join(names) + UP_TO_DATE)
    second = _migrate(environment={"ADVOLINK_POSTGRES_DSN": empty_database_dsn})
    assert (second.exit_code, second.output) == (0, UP_TO_DATE)
    assert asyncio.run(fetch_value(empty_database_dsn, "SELECT count(*) FROM log_partition")) == len(EVERY_SLICE)


def test_partitions_are_chosen_once(empty_database_dsn: str) -> None:
    """Another number is refused, and the database stays as it was."""
    assert _migrate("--postgres-dsn", empty_database_dsn, "--partitions", "4").exit_code == 0
    other = _migrate("--postgres-dsn", empty_database_dsn, "--partitions", "5")
    assert (other.exit_code, other.output) == (1, "Error: clicks has 4 partitions where 5 are expected.\n")
    assert asyncio.run(fetch_value(empty_database_dsn, "SELECT count(*) FROM log_partition")) == 3 * 4


def test_a_database_that_tells_another_story_is_refused(database_dsn: str) -> None:
    """By the name of the file that changed."""
    asyncio.run(execute(database_dsn, "UPDATE schema_migration SET sha256 = '' WHERE version = 1"))
    refused = _migrate("--postgres-dsn", database_dsn)
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: 0001_")


def test_a_database_that_is_away_is_one_sentence(frail_server: Server, frail_dsn: str) -> None:
    """No traceback."""
    frail_server.stop()
    refused = _migrate("--postgres-dsn", frail_dsn)
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: The database cannot be reached: ")


@pytest.mark.parametrize(
    "command",
    ["check", "rebuild", "holes list", "journal list", "dead-letters list", "offsets show", "keys create --name me"],
)
def test_other_commands_name_it_where_it_has_not_been_run(empty_database_dsn: str, command: str) -> None:
    """In a sentence; after a restore of an older backup, it is what is to be done first."""
    refused = CliRunner().invoke(main, [*command.split(), "--postgres-dsn", empty_database_dsn])
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: The database is not up to date, or none of advolink's: relation ")
    assert refused.output.endswith("`advolink migrate` brings one up to date.\n")


@pytest.mark.parametrize(
    "dsn", ["hunter2", "mysql://hunter2/x", "postgresql://ada:hunter2/3@here/x", "postgresql://[/"]
)
def test_what_is_no_dsn_is_one_sentence(dsn: str) -> None:
    """It repeats nothing of it: a DSN holds a password."""
    refused = _migrate("--postgres-dsn", dsn)
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: The Postgres DSN cannot be read")
    assert "hunter2" not in refused.output


def test_without_a_database_it_says_how_to_name_one() -> None:
    """The flag, or the variable."""
    refused = _migrate()
    assert refused.exit_code == 2
    assert "--postgres-dsn, or the variable ADVOLINK_POSTGRES_DSN" in refused.output
