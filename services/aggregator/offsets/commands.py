"""The commands `advolink offsets …`, which work on the database itself."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from aggregator.commands import (
    chosen_stores,
    json_option,
    show_json,
    show_table,
    shown_instant,
    stores_options,
    told_why,
)
from aggregator.offsets.store import Moved, OffsetStore, Standing, UnknownPartitionError
from database.commands import run_with_database
from database.pool import small_pool
from event_log.commands import BOOTSTRAP_UNREADABLE
from event_log.contract import EventLogError
from event_log.opening import open_event_log
from event_log.settings import EventLogSettings
from link_events.streams import PARTITIONS_MAX, Offset, Partition, Stream

EARLIEST: Final = "earliest"
LATEST: Final = "latest"
OFFSET_MAX: Final = 2**63 - 1
COLUMNS: Final = ("partition", "next offset", "owner", "lease", "missing", "dead letters", "stopped", "since", "detail")

BACKWARDS: Final = (
    "Backwards by {count}: these records are read again. What was applied already is known by its number and is "
    "skipped, so nothing counts twice."
)
FORWARDS: Final = (
    "Forwards by {count}: these records are not applied. What they held shows as holes of kind missing once later "
    "records of the same journals come, and holds complete_through back."
)
ON_THE_SPOT: Final = "It goes on from where it stood."


@click.group("offsets")
def offsets_group() -> None:
    """Where each partition of the event log stands, and how to move one that cannot go on."""


@offsets_group.command("show")
@json_option
@stores_options
def show(postgres_dsn: str | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Show how far each partition is applied, by whom, what is missing of it and why it is stopped."""
    dsn = chosen_stores(postgres_dsn, data_dir).postgres_dsn

    async def job() -> Sequence[Standing]:
        async with small_pool(dsn, application="advolink offsets") as pool:
            return await OffsetStore(pool).standings()

    standings = run_with_database(job)
    if as_json:
        show_json({"rows": [asdict(standing) for standing in standings]})
    else:
        show_table(*COLUMNS, rows=[_cells(standing) for standing in standings])


@offsets_group.command("reset")
@click.argument("stream", type=click.Choice(Stream, case_sensitive=False))
@click.argument("partition", type=click.IntRange(0, PARTITIONS_MAX - 1))
@click.option("--to", required=True, metavar="earliest|latest|OFFSET", help="The offset to go on from.")
@click.option("--why", required=True, help="Kept for ever in the table offset_reset.")
@stores_options
def reset(
    *, stream: Stream, partition: int, to: str, why: str, postgres_dsn: str | None, data_dir: Path | None
) -> None:
    """Go on from another offset, also where the partition is stopped.

    Nothing ever counts twice by it; forwards, what is left out is missing.
    """
    reason = told_why(why)
    _expect_target(to)
    stores = chosen_stores(postgres_dsn, data_dir)
    dsn, log_settings = stores.postgres_dsn, stores.event_log_settings()
    place = (stream, Partition(partition))

    async def job() -> Moved:
        async with small_pool(dsn, application="advolink offsets") as pool:
            return await OffsetStore(pool).reset(*place, await _target(log_settings, dsn, *place, to), reason)

    try:
        moved = run_with_database(job)
    except (UnknownPartitionError, EventLogError) as error:
        raise click.ClickException(f"Nothing was changed: {error}.") from error
    click.echo(f"{stream}/{partition} went from {moved.from_offset} to {moved.to_offset}.")
    click.echo(_meaning(moved))
    if moved.stopped is not None:
        click.echo(f"It was stopped ({moved.stopped}) and is not any more.")


def _expect_target(to: str) -> None:
    if to not in (EARLIEST, LATEST) and not (to.isascii() and to.isdigit() and int(to) <= OFFSET_MAX):
        raise click.UsageError(f"--to {to!r} is neither earliest, latest nor an offset.")


async def _target(settings: EventLogSettings, dsn: str, stream: Stream, partition: Partition, to: str) -> Offset:
    """The offset that `to` names; the log is asked only for its bounds.

    Raises:
        EventLogError: the log cannot say.
        UnknownPartitionError: the log has no such partition.
    """
    if to not in (EARLIEST, LATEST):
        return Offset(int(to))
    event_log = await open_event_log(settings, dsn, connections_max=1, application="advolink offsets: bounds")
    try:
        bounds = (await event_log.bounds(stream)).get(partition)
    except ValueError as error:  # aiokafka's, of an address that is none
        raise EventLogError(BOOTSTRAP_UNREADABLE) from error
    finally:
        await event_log.close()
    if bounds is None:
        raise UnknownPartitionError(stream, partition)
    first, end = bounds
    return first if to == EARLIEST else end


def _meaning(moved: Moved) -> str:
    """What a person has to know of a reset."""
    count = moved.to_offset - moved.from_offset
    if count == 0:
        return ON_THE_SPOT
    return BACKWARDS.format(count=-count) if count < 0 else FORWARDS.format(count=count)


def _cells(one: Standing) -> tuple[object, ...]:
    lease = "live" if one.lease_is_live else "none"
    stopped = (one.stopped or "", shown_instant(one.stopped_at), one.stopped_detail or "")
    place = f"{one.stream}/{one.partition}"
    return (place, one.next_offset, one.owner or "", lease, one.missing_seqs, one.dead_letter_seqs, *stopped)
