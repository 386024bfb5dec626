"""The commands `advolink keys …`: the first key of an installation, made where its database is."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click

from database.keys import Scope, create_key
from database.pool import OTHER_SCHEMA, DatabaseAwayError, UnreadableDsnError
from database.settings import DatabaseSettings

Result = TypeVar("Result")

dsn_option = click.option(
    "--postgres-dsn", metavar="DSN", help="The database.  [default: the variable ADVOLINK_POSTGRES_DSN]"
)


def chosen_dsn(flag: str | None) -> str:
    """The DSN of the flag, else of the environment.

    Raises:
        click.UsageError: neither is given.
    """
    dsn = flag or DatabaseSettings().postgres_dsn
    if dsn is None:
        raise click.UsageError("Say which database: --postgres-dsn, or the variable ADVOLINK_POSTGRES_DSN.")
    return dsn


def run_with_database(job: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run `job`; an outage becomes one sentence, and so does a database that this version does not fit.

    Raises:
        click.ClickException: the database cannot be reached or used, or what names it cannot be read.
    """
    try:
        return asyncio.run(job())
    except UnreadableDsnError as error:
        raise click.ClickException(str(error)) from error
    except DatabaseAwayError as error:
        raise click.ClickException(f"The database cannot be reached: {error}.") from error
    except OTHER_SCHEMA as error:
        raise click.ClickException(
            f"The database is not up to date, or none of advolink's: {error}. `advolink migrate` brings one up to date."
        ) from error


@click.group("keys")
def keys_group() -> None:
    """API keys, for an installation that has none yet; later ones are made by POST /v1/keys."""


@keys_group.command("create")
@click.option("--name", required=True, help="What the key is for, and who has it.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    default=[Scope.ADMIN.value],
    show_default=True,
)
@dsn_option
def create(name: str, scopes: tuple[str, ...], postgres_dsn: str | None) -> None:
    """Make a key and print it. It is shown this once."""
    dsn = chosen_dsn(postgres_dsn)
    click.echo(run_with_database(lambda: create_key(dsn, name=name, scopes=[Scope(scope) for scope in scopes])))
