"""The commands `advolink journal list` and `retire`, which work on the database itself."""

from datetime import timedelta
from pathlib import Path
from typing import Final

import click
from pydantic import ValidationError

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
from aggregator.freshness.store import BEFORE_THE_FIRST
from aggregator.journals.retiring import Retired, Retirement
from aggregator.journals.showing import fields
from aggregator.journals.store import JournalRow, JournalsAnswer, JournalStore
from aggregator.settings import SilenceSettings
from database.commands import run_with_database
from database.pool import small_pool
from database.refused_settings import told
from link_events.identity import JournalId, parse_journal_id

LIST_DEFAULT: Final = 1_000
LIST_MAX: Final = 100_000
COLUMNS: Final = (
    *("journal", "state", "import", "last captured", "events", "unheard", "missing", "holds back to", "by"),
    *("retired", "why"),
)
FAILURES: Final = frozenset({Retirement.SEALED, Retirement.LIVE, Retirement.UNKNOWN})


@click.group("journal")
def journal_group() -> None:
    """What the database knows of journals."""


@journal_group.command("list")
@click.option("--limit", type=click.IntRange(1, LIST_MAX), default=LIST_DEFAULT, show_default=True)
@json_option
@stores_options
def list_journals(*, limit: int, postgres_dsn: str | None, data_dir: Path | None, as_json: bool) -> None:
    """List every journal that the database knows: its state, how far it is applied, and what it holds back."""
    dsn, silent_after = chosen_stores(postgres_dsn, data_dir).postgres_dsn, _silent_after()

    async def job() -> JournalsAnswer:
        async with small_pool(dsn, application="advolink journal") as pool:
            return await JournalStore(pool, silent_after).page(BEFORE_THE_FIRST, limit)

    answer = run_with_database(job)
    if as_json:
        show_json({"rows": [fields(row) for row in answer.rows], "more": answer.more})
        return
    show_table(*COLUMNS, rows=[_cells(row) for row in answer.rows])
    click.echo(f"{len(answer.rows)} journals" + (", and more: --limit shows them." if answer.more else "."))


@journal_group.command("retire")
@click.argument("journal")
@click.option("--why", required=True, help="Why nothing more will come of it. Kept with it.")
@click.option("--force", is_flag=True, help="Also where it was heard of a moment ago.")
@stores_options
def retire(*, journal: str, why: str, force: bool, postgres_dsn: str | None, data_dir: Path | None) -> None:
    """Declare JOURNAL lost: what it did not ship is not waited for any more, and its missing events are given up.

    If it speaks after all, it is live again and all of it is counted.
    """
    journal_id = parse_journal_id(journal)
    if journal_id is None:
        raise click.UsageError(f"{journal!r} is no journal's id, like 00c0ffee00c0ffee.")
    reason = told_why(why)
    dsn, silent_after = chosen_stores(postgres_dsn, data_dir).postgres_dsn, _silent_after()

    async def job() -> Retired:
        async with small_pool(dsn, application="advolink journal") as pool:
            return await JournalStore(pool, silent_after).retire(journal_id, reason, force=force)

    came = run_with_database(job)
    sentence = _told(journal_id, came)
    if came.ending in FAILURES:
        raise click.ClickException(f"Nothing was changed: {sentence}")
    click.echo(sentence)


def _silent_after() -> timedelta:
    """After how long a journal is silent, as the environment has it.

    Raises:
        click.ClickException: the variable cannot be used.
    """
    try:
        return SilenceSettings().silent_after
    except ValidationError as error:
        raise click.ClickException(told(error, SilenceSettings)) from error


def _told(journal: JournalId, came: Retired) -> str:
    """What came of retiring a journal, for people."""
    name, known = journal.hex(), came.known
    match came.ending:
        case Retirement.RETIRED:
            return f"{name} is retired, and {came.holes_closed} holes of it are closed."
        case Retirement.RETIRED_BEFORE if known is not None:
            when = f"{shown_instant(known.retired_at)}: {printable(known.retired_why or '')}"
            return f"Nothing to do: {name} was retired {when}."
        case Retirement.SEALED:
            return f"{name} is sealed: it said its last word. `advolink holes close` gives up what is missing of it."
        case Retirement.LIVE if known is not None:
            heard = shown_instant(known.last_captured_at)
            return f"{name} is live, it captured something {heard}. Wait until it is silent, or use --force."
        case _:
            return f"the database knows no journal {name}. `advolink journal list` has those that it knows."


def _cells(row: JournalRow) -> tuple[object, ...]:
    known, held = row.known, row.held_back
    held_back = (shown_instant(held.since), held.why) if held else ("", "")
    kept = (sum(row.seqs.values()), known.unheard, known.missing_seqs, *held_back)
    retired = (shown_instant(known.retired_at), known.retired_why or "")
    kind = "import" if known.is_import else ""
    return (known.journal.hex(), row.state, kind, shown_instant(known.last_captured_at), *kept, *retired)
