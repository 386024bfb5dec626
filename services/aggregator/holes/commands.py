"""The commands `advolink holes …`, which work on the database itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from aggregator.commands import (
    chosen_stores,
    json_option,
    printable,
    show_json,
    show_table,
    shown_instant,
    stores_options,
    told_why,
)
from aggregator.holes.store import HoleStore
from aggregator.holes.stored import HoleState, StoredHole
from database.commands import run_with_database
from database.pool import small_pool
from link_events.identity import Origin, parse_event_id
from link_events.reasons import HoleKind

ALL: Final = "all"
LIST_DEFAULT: Final = 100
LIST_MAX: Final = 10_000
COLUMNS: Final = ("first event", "seqs", "kind", "state", "captured after", "open since", "closed", "why")

DEAD_LETTER: Final = "is a dead letter's: close it with `advolink dead-letters replay` or `discard`"


@click.group("holes")
def holes_group() -> None:
    """Events that are missing: look at what is, and give up what will not come. Safe while everything runs."""


@holes_group.command("list")
@click.option(
    "--state",
    type=click.Choice([*(state.value for state in HoleState), ALL]),
    default=HoleState.OPEN.value,
    show_default=True,
)
@click.option("--limit", type=click.IntRange(1, LIST_MAX), default=LIST_DEFAULT, show_default=True)
@json_option
@stores_options
def list_holes(*, state: str, limit: int, postgres_dsn: str | None, data_dir: Path | None, as_json: bool) -> None:
    """List holes by journal and partition. An open one holds complete_through back."""
    dsn = chosen_stores(postgres_dsn, data_dir).postgres_dsn
    wanted = None if state == ALL else HoleState(state)

    async def job() -> tuple[Sequence[StoredHole], int]:
        async with small_pool(dsn, application="advolink holes") as pool:
            return await HoleStore(pool).find(wanted, limit)

    holes, total = run_with_database(job)
    more = max(0, total - len(holes))  # some may have been filled meanwhile
    if as_json:
        show_json({"rows": [_fields(hole) for hole in holes], "more": more})
        return
    show_table(*COLUMNS, rows=[_cells(hole) for hole in holes])
    click.echo(f"{len(holes)} holes" + (f", and {more} more: --limit shows them." if more else "."))


@holes_group.command("close")
@click.argument("events", nargs=-1, metavar="EVENT_ID…")
@click.option("--why", required=True, help="Why what is missing will not come. Kept with the hole.")
@stores_options
def close(events: Sequence[str], why: str, postgres_dsn: str | None, data_dir: Path | None) -> None:
    """Close the holes that hold these events, as `list` names them: complete_through waits for them no longer.

    What comes into a closed hole after all is counted. The exit status is 1 if any of them could not be closed.
    """
    origins = [_origin(event) for event in dict.fromkeys(events)]
    if not origins:
        raise click.UsageError("Say which: the event ids that `advolink holes list` shows.")
    reason = told_why(why)
    dsn = chosen_stores(postgres_dsn, data_dir).postgres_dsn

    async def job() -> int:
        failed = 0
        async with small_pool(dsn, application="advolink holes") as pool:
            for origin in origins:
                sentence, is_failure = _told(await HoleStore(pool).close(origin, reason))
                click.echo(f"{origin.event_id}: {sentence}", err=is_failure)
                failed += is_failure
        return failed

    if run_with_database(job):
        click.get_current_context().exit(1)


def _origin(event: str) -> Origin:
    origin = parse_event_id(event)
    if origin is None:
        raise click.UsageError(f"{event!r} is no event id, like 00c0ffee00c0ffee-c7-42.")
    return origin


def _told(hole: StoredHole | None) -> tuple[str, bool]:
    """What came of closing the hole, which is given as it was before; whether that is a failure."""
    if hole is None:
        return "no hole holds it: it was applied, or has yet to come", True
    if hole.kind is HoleKind.DEAD_LETTER:
        return DEAD_LETTER, True
    if hole.state is HoleState.CLOSED:
        return (
            f"nothing to do: it was closed {shown_instant(hole.closed_at)}: {printable(hole.closed_why or '')}",
            False,
        )
    return f"closed, {hole.seqs} missing from {hole.first.event_id} on", False


def _cells(hole: StoredHole) -> tuple[object, ...]:
    since = (shown_instant(hole.captured_after), shown_instant(hole.opened_at))
    closed = (shown_instant(hole.closed_at), hole.closed_why or "")
    return (hole.first.event_id, hole.seqs, hole.kind, hole.state, *since, *closed)


def _fields(hole: StoredHole) -> dict[str, Any]:
    """For machines."""
    return {
        "event_id": hole.first.event_id,
        "journal": hole.first.journal.hex(),
        "stream": hole.first.stream,
        "partition": hole.first.partition,
        "seq_from": hole.first.seq,
        "seq_to": hole.seq_to,
        "kind": hole.kind,
        "state": hole.state,
        "captured_after": hole.captured_after,
        "opened_at": hole.opened_at,
        "closed_at": hole.closed_at,
        "closed_why": hole.closed_why,
    }
