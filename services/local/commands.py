"""The command `advolink up`: flags and variables become Options, trouble becomes one sentence and exit status 1."""

import asyncio
from pathlib import Path

import click
from pydantic import ValidationError

from database.refused_settings import told
from event_log.settings import EventLogKind
from local import ports
from local.data_directory import DEFAULT_DIRECTORY
from local.errors import LocalError
from local.options import Options
from local.ports import AskedPorts
from local.settings import WORKERS_MAX, LocalSettings, PostgresChoice
from local.terminal import Terminal
from local.up import up as run_up

PORT = click.IntRange(0, 65535)


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_DIRECTORY,
    show_default=True,
    help="Where everything is kept.",
)
@click.option(
    "--log",
    type=click.Choice(EventLogKind, case_sensitive=False),
    default=EventLogKind.POSTGRES,
    help="What carries events between the services; kafka is that of ADVOLINK_KAFKA_BOOTSTRAP, else one is launched."
    "  [default: postgres]",
)
@click.option(
    "--redirector-port",
    type=PORT,
    default=ports.REDIRECTOR_PORT,
    show_default=True,
    help="Where links are served; 0 is any free port.",
)
@click.option(
    "--aggregator-port",
    type=PORT,
    default=ports.AGGREGATOR_PORT,
    show_default=True,
    help="Where counts are served; 0 is any free port.",
)
@click.option(
    "--redirector-management-port",
    type=PORT,
    help=f"Health and metrics of the redirector.  [default: {ports.REDIRECTOR_MANAGEMENT_PORT}, or any free port]",
)
@click.option(
    "--aggregator-management-port",
    type=PORT,
    help=f"Health and metrics of the aggregator.  [default: {ports.AGGREGATOR_MANAGEMENT_PORT}, or any free port]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, WORKERS_MAX),
    help="Processes of the redirector, which share its port; one for each core it may use.  [default: 1]",
)
@click.option(
    "--postgres",
    type=click.Choice(PostgresChoice, case_sensitive=False),
    help="Whose Postgres to run.  [default: auto, the system's before the wheel's]",
)
@click.option("--postgres-dsn", metavar="DSN", help="A Postgres that runs already; none is launched then.")
@click.option("--public-url", metavar="URL", help="What short links begin with.  [default: the redirector's address]")
@click.option(
    "--allow-private-destinations",
    "private_hosts",
    metavar="HOST",
    multiple=True,
    help="A private host that links may lead to; may be given several times.",
)
def up(
    *,
    data_dir: Path,
    log: EventLogKind,
    redirector_port: int,
    aggregator_port: int,
    redirector_management_port: int | None,
    aggregator_management_port: int | None,
    workers: int | None,
    postgres: PostgresChoice | None,
    postgres_dsn: str | None,
    public_url: str | None,
    private_hosts: tuple[str, ...],
) -> None:
    """Run everything on this machine until Ctrl-C: Postgres, the redirector and the aggregator."""
    settings = _settings()
    options = Options(
        data_directory=data_dir,
        log=log,
        ports=AskedPorts(redirector_port, aggregator_port, redirector_management_port, aggregator_management_port),
        workers=workers or settings.redirector_workers,
        postgres=postgres or settings.local_postgres,
        # To ask for a launched Postgres by flag goes before a DSN in the environment.
        postgres_dsn=postgres_dsn or (None if postgres else settings.postgres_dsn),
        kafka=settings if log is EventLogKind.KAFKA and settings.kafka_bootstrap else None,
        public_url=public_url or settings.redirector_public_url,
        private_hosts=private_hosts,
        partitions=settings.partitions,
    )
    try:
        asyncio.run(run_up(options, Terminal()))
    except LocalError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:  # a full disk, a directory that cannot be read, …
        raise click.ClickException(f"The machine refused: {error}") from error


def _settings() -> LocalSettings:
    try:
        return LocalSettings()
    except ValidationError as error:
        raise click.ClickException(told(error, LocalSettings)) from error
