"""The command `advolink migrate`: Postgres brought up to date, the Postgres event log's partitions included."""

import click

from database.commands import chosen_dsn, dsn_option, run_with_database
from database.migrations import MigrationError
from database.migrations import migrate as migrate_schema
from event_log.contract import PartitionCountError
from event_log.postgres import create_streams
from link_events.streams import PARTITIONS_DEFAULT, PARTITIONS_MAX


@click.command()
@click.option(
    "--partitions",
    type=click.IntRange(1, PARTITIONS_MAX),
    default=PARTITIONS_DEFAULT,
    show_default=True,
    help="Partitions of each stream; they can be chosen once.",
)
@dsn_option
def migrate(partitions: int, postgres_dsn: str | None) -> None:
    """Apply pending migrations, and make the partitions of the Postgres event log."""
    dsn = chosen_dsn(postgres_dsn)
    try:
        applied = run_with_database(lambda: migrate_schema(dsn))
        run_with_database(lambda: create_streams(dsn, partitions))
    except (MigrationError, PartitionCountError) as error:
        raise click.ClickException(f"{error}.") from error
    for migration in applied:
        click.echo(f"applied {migration.version:04} {migration.name}")
    click.echo("The database is up to date.")
