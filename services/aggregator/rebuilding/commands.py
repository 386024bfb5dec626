"""The command `advolink rebuild`, which works on the database itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

import click

from aggregator.checking.commands import NUMBERS, beyond_told
from aggregator.checking.differing import Comparison, OffByAdvocate
from aggregator.checking.progress import Going, going
from aggregator.commands import chosen_stores, show_table, stores_options
from aggregator.counts.asking import Days
from aggregator.counts.tables import CountsTable
from aggregator.errors import CountsAlteredError, RebuildRunningError
from aggregator.rebuilding.store import Correction, RebuildSession, Rebuilt, rebuild_session
from database.commands import run_with_database

ROWS_SHOWN_MAX: Final = 100
COLUMNS: Final = ("counts", "key", "start", "before", "after")


@dataclass(slots=True)
class Compared:
    """How much was compared, how much differs, and which days could not be compared."""

    clicks: int = 0
    rows: int = 0
    differing: int = 0
    slots: int = 0
    conversions: int = 0
    beyond: list[date] = field(default_factory=list)


@click.command("rebuild")
@stores_options
def rebuild(postgres_dsn: str | None, data_dir: Path | None) -> None:
    """Make counts anew from what is stored behind them, and correct every row that differs, all in one step.

    Behind them are clicks with their verdicts, credits and activities. It may run while events arrive. Broken off at
    any point before that step, it has changed no count. Slots that are not held by their first counted click are mended
    on the way; conversions that have other credits than their state says are attributed anew by the aggregators.
    """
    dsn = chosen_stores(postgres_dsn, data_dir).postgres_dsn

    async def job() -> tuple[Compared, date, Rebuilt]:
        async with rebuild_session(dsn) as session:
            kept_from = await session.comparing.horizon()
            with going("rebuilding") as way:
                compared = await _compare(session, way)
                if compared.differing:
                    way.say(f"correcting {compared.differing:,} rows; their partitions' batches wait for it")
                rebuilt = await session.swap(kept_from, compared.clicks, compared.rows, ROWS_SHOWN_MAX)
            return compared, kept_from, rebuilt

    try:
        compared, kept_from, rebuilt = run_with_database(job)
    except (RebuildRunningError, CountsAlteredError) as error:
        raise click.ClickException(f"Nothing was changed: {error}.") from error
    _show(rebuilt.corrections, rebuilt.rows_corrected)
    click.echo(
        f"Rebuild {rebuilt.rebuild_id} compared {compared.clicks:,} clicks and {compared.rows:,} rows, and corrected "
        f"{rebuilt.rows_corrected:,}."
    )
    if compared.slots:
        click.echo(f"{compared.slots:,} slots are held by their first counted clicks again.")
    if compared.conversions:
        click.echo(f"{compared.conversions:,} conversions are attributed anew.")
    if compared.beyond:
        click.echo(beyond_told(compared.beyond, kept_from))


async def _compare(session: RebuildSession, way: Going) -> Compared:
    compared = Compared()
    plan = await session.comparing.plan(Days())
    for quarter in plan.quarters:
        off = OffByAdvocate()
        for day in quarter.days:
            comparison = await session.comparing.compare_day(day)
            if comparison is not None and comparison.slots:
                compared.slots += await session.mend_slots(day)
                comparison = await session.comparing.compare_day(day)
            way.advance(plan.shares[day], comparison.clicks if comparison else 0)
            if comparison is None:
                compared.beyond.append(day)
                continue
            if comparison.conversions:
                compared.conversions += comparison.conversions
                await session.attribute_anew(comparison.first_conversions)
            off.add(comparison.of(CountsTable.ADVOCATE_DAY))
            await _keep(session, compared, comparison)
        await _keep(session, compared, await session.comparing.compare_quarter(quarter, off))
    return compared


async def _keep(session: RebuildSession, compared: Compared, comparison: Comparison) -> None:
    compared.clicks += comparison.clicks
    compared.rows += comparison.rows
    compared.differing += comparison.differing_rows
    await session.keep(comparison.differences)


def _show(corrections: Sequence[Correction], count: int) -> None:
    if not corrections:
        return
    show_table(*COLUMNS, rows=[_cells(one) for one in corrections])
    click.echo(NUMBERS)
    if count > len(corrections):
        click.echo(f"{count - len(corrections):,} more rows are in the table counts_correction.")


def _cells(one: Correction) -> tuple[object, ...]:
    before = "no row" if one.before is None else one.before.told
    return (one.counts, one.key, one.start, before, one.after.told)
