"""The commands `advolink conversions …`, which work on the database itself."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from aggregator.attributing.store import AttributingStore, SetAside
from aggregator.commands import chosen_stores, json_option, show_json, show_table, shown_instant, stores_options
from database.commands import run_with_database
from database.pool import small_pool

APPLICATION = "advolink conversions"


@click.group("conversions")
def conversions_group() -> None:
    """Conversions that could not be attributed. Safe while everything runs."""


@conversions_group.command("set-aside")
@json_option
@stores_options
def set_aside(*, postgres_dsn: str | None, data_dir: Path | None, as_json: bool) -> None:
    """List conversions that could not be attributed, with the error; all others go on."""
    dsn = chosen_stores(postgres_dsn, data_dir).postgres_dsn

    async def job() -> Sequence[SetAside]:
        async with small_pool(dsn, application=APPLICATION) as pool:
            return await AttributingStore(pool).find_set_aside()

    found = run_with_database(job)
    if as_json:
        show_json({"rows": [{**one.key._asdict(), "since": one.since, "error": one.error} for one in found]})
        return
    show_table("source", "kind", "external id", "since", "error", rows=[_cells(one) for one in found])
    click.echo(f"{len(found)} conversions.")


@conversions_group.command("try-again")
@stores_options
def try_again(*, postgres_dsn: str | None, data_dir: Path | None) -> None:
    """Have aggregators attribute them again now, which they do every ten minutes anyway."""
    dsn = chosen_stores(postgres_dsn, data_dir).postgres_dsn

    async def job() -> int:
        async with small_pool(dsn, application=APPLICATION) as pool:
            return await AttributingStore(pool).try_again(timedelta(0))

    click.echo(
        f"{run_with_database(job)} conversions are tried again. `advolink conversions set-aside` lists what fails."
    )


def _cells(one: SetAside) -> tuple[object, ...]:
    return (*one.key, shown_instant(one.since), one.error)
