"""The command `advolink check`, which works on the database itself."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import click

from aggregator.checking.differing import EXPLAINED, NOTHING, Difference, Look
from aggregator.checking.looking import look_through
from aggregator.checking.progress import Going, going
from aggregator.checking.store import COMPARING_TIMEOUT, ComparingStore
from aggregator.commands import chosen_stores, json_option, show_json, show_table, stores_options
from aggregator.counts.asking import Days
from aggregator.counts.tables import CountsTable
from database.commands import run_with_database
from database.pool import connected, small_pool
from link_events.periods import Granularity

ROWS_SHOWN_MAX: Final = 100
"""Rows that differ are counted, all of them, and named up to here."""

WORKERS: Final = 2
"""Processes of Postgres that may help; more are slower beside everything else that runs."""

COLUMNS: Final = ("counts", "key", "start", "stored", "expected", "partition")
NUMBERS: Final = f"Numbers are {EXPLAINED}."

_day: Final = click.DateTime(["%Y-%m-%d"])


@dataclass(slots=True)
class Findings:
    """What a whole check came to."""

    kept_from: date
    days: int = 0
    clicks: int = 0
    rows: int = 0
    slots: int = 0
    conversions: int = 0
    differing: Counter[CountsTable] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    beyond: list[date] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.differing or self.slots or self.conversions)

    def take(self, look: Look) -> None:
        """One more slice."""
        comparison = look.comparison
        if comparison is None:
            self.beyond.append(look.start)
            return
        self.days += look.granularity is Granularity.DAY and comparison.rows > 0
        self.clicks += comparison.clicks
        self.rows += comparison.rows
        self.slots += comparison.slots
        self.conversions += comparison.conversions
        self.differing.update(comparison.differing)
        self.differences += comparison.differences[: ROWS_SHOWN_MAX - len(self.differences)]


@click.command("check")
@click.option("--from", "first", type=_day, metavar="DAY", help="The first local day.  [default: of all]")
@click.option("--to", "last", type=_day, metavar="DAY", help="The last local day.  [default: of all]")
@json_option
@stores_options
def check(
    *, first: datetime | None, last: datetime | None, postgres_dsn: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """Compare counts with what is behind them, day by day, and quarters with their days; name every row that differs.

    It changes nothing and may run beside everything. The exit status is 1 where rows differ.
    """
    wanted = Days(first and first.date(), last and last.date())
    if wanted.first and wanted.last and wanted.last < wanted.first:
        raise click.UsageError("--to is before --from.")
    dsn = chosen_stores(postgres_dsn, data_dir).postgres_dsn

    async def job() -> Findings:
        async with small_pool(dsn, command_timeout=COMPARING_TIMEOUT, application="advolink check") as pool:
            store = ComparingStore(lambda: connected(pool), workers=WORKERS, rows_max=ROWS_SHOWN_MAX)
            with going("checking") as way:
                return await _check(store, wanted, way)

    findings = run_with_database(job)
    if as_json:
        show_json(_for_machines(findings))
    else:
        _show(findings)
    sys.exit(0 if findings.agrees else 1)


async def _check(store: ComparingStore, wanted: Days, way: Going) -> Findings:
    findings = Findings(await store.horizon())
    plan = await store.plan(wanted)
    for quarter in plan.quarters:
        async for look in look_through(store, quarter):
            findings.take(look)
            share = plan.shares[look.start] if look.granularity is Granularity.DAY else 0.0
            way.advance(share, look.comparison.clicks if look.comparison else 0)
    return findings


def _show(findings: Findings) -> None:
    differing = findings.differing.total()
    if differing:
        show_table(*COLUMNS, rows=[_cells(one) for one in findings.differences])
        click.echo(NUMBERS)
        if differing > len(findings.differences):
            click.echo(f"{differing - len(findings.differences):,} more rows differ.")
    verdict = f"{differing:,} rows differ" if differing else "all agree"
    click.echo(f"Compared {findings.days:,} days, {findings.clicks:,} clicks, {findings.rows:,} rows: {verdict}.")
    if findings.slots:
        click.echo(f"{findings.slots:,} slots are not held by their first counted click.")
    if findings.conversions:
        click.echo(f"{findings.conversions:,} conversions have other credits than their state says.")
    if not findings.agrees:
        click.echo("Keep this, and find out what changed them. Then `advolink rebuild` puts them right.")
    click.echo(beyond_told(findings.beyond, findings.kept_from), nl=bool(findings.beyond))


def beyond_told(beyond: Sequence[date], kept_from: date) -> str:
    """What of days that cannot be compared; nothing where there are none."""
    if not beyond:
        return ""
    return (
        f"Not compared: {len(beyond):,} days up to {max(beyond)}. Raw clicks of before {kept_from} (UTC) were let go, "
        "and counts stay as they are."
    )


def _cells(one: Difference) -> tuple[object, ...]:
    partition = (
        one.partition
        if one.stored_partition in (None, one.partition)
        else f"{one.stored_partition} for {one.partition}"
    )
    stored = "no row" if one.stored is None else one.stored.told
    expected = "nothing" if one.expected == NOTHING else one.expected.told
    return (one.counts, one.key, one.start, stored, expected, partition)


def _for_machines(findings: Findings) -> dict[str, Any]:
    return {
        "agrees": findings.agrees,
        "days": findings.days,
        "clicks": findings.clicks,
        "rows_compared": findings.rows,
        "rows_differing": {table.value: findings.differing[table] for table in CountsTable},
        "slots_differing": findings.slots,
        "conversions_differing": findings.conversions,
        "differences": [_row(one) for one in findings.differences],
        "kept_from": findings.kept_from,
        "days_not_compared": sorted(findings.beyond),
    }


def _row(one: Difference) -> dict[str, Any]:
    return {
        "counts": one.counts,
        "key": one.key,
        "start": one.start,
        "stored": one.stored and one.stored._asdict(),
        "expected": one.expected._asdict(),
        "partition": one.partition,
        "stored_partition": one.stored_partition,
    }
