"""The commands `advolink dead-letters …`, which work on the database itself."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from aggregator.commands import chosen_stores, json_option, show_json, show_table, stores_options, told_why
from aggregator.dead_letters.discarding import discard
from aggregator.dead_letters.outcomes import FAILURES, Ending, Outcome
from aggregator.dead_letters.replaying import Mending, Replayer
from aggregator.dead_letters.showing import COLUMNS, cells, fields, lines
from aggregator.dead_letters.store import ID_MAX, DeadLetterStore
from aggregator.dead_letters.stored import DeadLetterState, StoredDeadLetter, Wanted
from aggregator.judge import PLAIN_RULES, Context, load_named_agents
from database.commands import run_with_database
from database.pool import small_pool
from link_events.reasons import DeadLetterReason
from link_events.streams import PARTITIONS_MAX, Partition, Stream

ALL: Final = "all"
LIST_DEFAULT: Final = 100
LIST_MAX: Final = 10_000
PAGE: Final = 1_000
"""Dead letters that `replay --all` looks up at a time."""

VALUE_BYTES_MAX: Final = 2**20
"""No event comes near it, and no log takes more."""

_reason_option: Final = click.option("--reason", type=click.Choice(DeadLetterReason, case_sensitive=False))
_ids_argument: Final = click.argument("ids", nargs=-1, type=click.IntRange(min=1))

Close = Callable[[DeadLetterStore, int], Awaitable[Outcome]]


@click.group("dead-letters")
def dead_letters_group() -> None:
    """Records that could not be applied: look at them, replay or discard them. Safe while everything runs."""


@dead_letters_group.command("list")
@click.option("--stream", type=click.Choice(Stream, case_sensitive=False))
@click.option("--partition", type=click.IntRange(0, PARTITIONS_MAX - 1))
@_reason_option
@click.option(
    "--state",
    type=click.Choice([*(state.value for state in DeadLetterState), ALL]),
    default=DeadLetterState.OPEN.value,
    show_default=True,
)
@click.option("--limit", type=click.IntRange(1, LIST_MAX), default=LIST_DEFAULT, show_default=True)
@json_option
@stores_options
def list_dead_letters(
    *,
    stream: Stream | None,
    partition: int | None,
    reason: DeadLetterReason | None,
    state: str,
    limit: int,
    postgres_dsn: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """List dead letters, the newest first.

    `filled`: its hole is closed, though nobody replayed or discarded it: a good copy came, or the hole was given up by
    hand.
    """
    wanted_partition = None if partition is None else Partition(partition)
    wanted = Wanted(stream, wanted_partition, reason, None if state == ALL else DeadLetterState(state))
    dsn = chosen_stores(postgres_dsn, data_dir).postgres_dsn

    async def job() -> tuple[Sequence[StoredDeadLetter], int]:
        async with _opened(dsn) as store:
            rows = await store.find(wanted, limit=limit)
            return rows, await store.count(wanted) if len(rows) == limit else len(rows)

    rows, total = run_with_database(job)
    more = max(0, total - len(rows))  # some may have been closed meanwhile
    if as_json:
        show_json({"rows": [fields(row) for row in rows], "more": more})
        return
    show_table(*COLUMNS, rows=[cells(row) for row in rows])
    click.echo(f"{len(rows)} dead letters" + (f", and {more} more: --limit shows them." if more else "."))


@dead_letters_group.command("show")
@click.argument("dead_letter_id", metavar="ID", type=click.IntRange(min=1))
@json_option
@stores_options
def show(dead_letter_id: int, postgres_dsn: str | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Show everything that is known of a dead letter, its bytes included."""
    dsn = chosen_stores(postgres_dsn, data_dir).postgres_dsn

    async def job() -> StoredDeadLetter | None:
        async with _opened(dsn) as store:
            return await store.one(dead_letter_id)

    one = run_with_database(job)
    if one is None:
        raise click.ClickException(f"There is no dead letter {dead_letter_id}.")
    if as_json:
        show_json(fields(one))
        return
    for line in lines(one):
        click.echo(line)


@dead_letters_group.command("replay")
@_ids_argument
@click.option("--all", "every", is_flag=True, help="Every open one that has an origin.")
@_reason_option
@click.option(
    "--value",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Bytes to apply in the place of the record's own; they must name the same event.",
)
@click.option("--why", help="Why other bytes are right. Kept with them.")
@stores_options
def replay(
    *,
    ids: Sequence[int],
    reason: DeadLetterReason | None,
    value: Path | None,
    why: str | None,
    postgres_dsn: str | None,
    data_dir: Path | None,
    every: bool,
) -> None:
    """Read dead letters again, judge and count them as if they had been readable at once.

    Replaying twice counts once. The exit status is 1 if any of them cannot be applied yet.
    """
    if bool(ids) == every:
        raise click.UsageError("Say which: their IDs, or --all.")
    if reason is not None and not every:
        raise click.UsageError("--reason chooses among --all.")
    mending = _chosen_mending(ids, value, why)
    dsn = chosen_stores(postgres_dsn, data_dir).postgres_dsn
    context = Context(load_named_agents())

    async def replay_one(store: DeadLetterStore, dead_letter_id: int) -> Outcome:
        return await Replayer(store, context, PLAIN_RULES).replay(dead_letter_id, datetime.now(UTC), mending)

    _close(dsn, None if every else ids, replay_one, Wanted(reason=reason, state=DeadLetterState.OPEN))


@dead_letters_group.command("discard")
@_ids_argument
@click.option("--why", required=True, help="Why nothing of them is to be counted. Kept with them.")
@stores_options
def discard_dead_letters(ids: Sequence[int], why: str, postgres_dsn: str | None, data_dir: Path | None) -> None:
    """Give dead letters up: they will never be counted, nor will later copies of them."""
    if not ids:
        raise click.UsageError("Say which: their IDs.")
    reason = told_why(why)
    dsn = chosen_stores(postgres_dsn, data_dir).postgres_dsn
    _close(dsn, ids, lambda store, dead_letter_id: discard(store, dead_letter_id, reason), Wanted())


def _chosen_mending(ids: Sequence[int], value: Path | None, why: str | None) -> Mending:
    if value is None:
        return Mending(why=None if why is None else told_why(why))
    if len(ids) != 1:
        raise click.UsageError("--value is the value of one dead letter: name that one.")
    if why is None:
        raise click.UsageError("--value needs --why: it changes what is counted.")
    if value.stat().st_size > VALUE_BYTES_MAX:
        raise click.UsageError(f"--value has more than {VALUE_BYTES_MAX} bytes, which no event has.")
    return Mending(value.read_bytes(), told_why(why))


def _close(dsn: str, ids: Sequence[int] | None, close: Close, wanted: Wanted) -> None:
    """Close `ids`, or (None) every one that is `wanted` and has an origin; say what came of each, and of all.

    Raises:
        click.exceptions.Exit: with 1, where any failed.
    """

    async def job() -> Counter[Ending]:
        async with _opened(dsn) as store:
            endings: Counter[Ending] = Counter()
            chosen = _found_ids(store, wanted) if ids is None else _named_ids(ids)
            async for dead_letter_id in chosen:
                outcome = await close(store, dead_letter_id)
                click.echo(f"{outcome.dead_letter_id}: {outcome.sentence}", err=outcome.failed)
                endings[outcome.ending] += 1
            return endings

    endings = run_with_database(job)
    done = endings[Ending.REPLAYED] + endings[Ending.DISCARDED]
    failed = sum(count for ending, count in endings.items() if ending in FAILURES)
    click.echo(f"{done} done, {endings.total() - done - failed} needed nothing, {failed} failed.")
    if failed:
        click.get_current_context().exit(1)


async def _named_ids(ids: Sequence[int]) -> AsyncIterator[int]:
    for dead_letter_id in dict.fromkeys(ids):
        yield dead_letter_id


async def _found_ids(store: DeadLetterStore, wanted: Wanted) -> AsyncIterator[int]:
    """Page after page; one without an origin is named and left out."""
    before = ID_MAX
    while rows := await store.find(wanted, before=before, limit=PAGE):
        for row in rows:
            if row.origin is None:
                click.echo(f"{row.dead_letter_id}: left alone: without an origin it can only be discarded")
            else:
                yield row.dead_letter_id
        before = rows[-1].dead_letter_id


@asynccontextmanager
async def _opened(dsn: str) -> AsyncIterator[DeadLetterStore]:
    async with small_pool(dsn, application="advolink dead-letters") as pool:
        yield DeadLetterStore(pool)
