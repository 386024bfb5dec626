"""The commands `advolink import …` and `advolink journal …`."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from http_api.running_stack import NoStackError, find_stack
from redirector.advocates.history import PutOutcome
from redirector.errors import ImportRefusedError
from redirector.imports.advocates import send_advocates
from redirector.imports.lines import ImportFormat
from redirector.imports.sending import Sending, send_file
from redirector.journal.inspecting import JournalReport, dump_frames, inspect_all

data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where `advolink up` keeps everything.  [default: .advolink]"
)


@click.group("import")
def import_group() -> None:
    """Bring in what happened before."""


@import_group.command("clicks")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format",
    "line_format",
    type=click.Choice(ImportFormat, case_sensitive=False),
    default=ImportFormat.BITLY,
    show_default=True,
)
@click.option(
    "--retry-for",
    "retry_for_s",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds to keep trying while the redirector or Postgres is away.",
)
@data_dir_option
def import_clicks(file: Path, line_format: ImportFormat, retry_for_s: float, data_dir: Path | None) -> None:
    """Import historical clicks from FILE. Importing the same file again changes nothing.

    Lines that are no clicks are named and left out; the exit status is 0 if any line was taken.
    """
    try:
        answer = asyncio.run(send_file(Sending(file, line_format, find_stack(data_dir), retry_for_s)))
    except (NoStackError, ImportRefusedError) as error:
        raise click.ClickException(str(error)) from error
    _show_import(answer)
    if answer["clicks"] == 0:
        raise click.ClickException("No line of the file is a click.")


@import_group.command("advocates")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Tell what would become of every line, and change nothing.")
@data_dir_option
def import_advocates(file: Path, data_dir: Path | None, *, dry_run: bool) -> None:
    """Make or change the advocates in FILE: CSV with the column advocate_id, named in its first line.

    Other columns, as many as you like: display_name, team, roles (with ; between them), excluded, active,
    public_standings (true or false) and from (the day from which on it holds; today unless it says so). What has no
    column stays as it is. Importing the same file again changes nothing. The exit status is 1 if any line was wrong.
    """
    outcomes: Counter[str] = Counter()
    try:
        for line in send_advocates(file, find_stack(data_dir), dry_run=dry_run):
            outcomes[line.outcome] += 1
            for fault in line.faults:
                click.echo(f"line {line.number}: {fault}", err=True)
    except (NoStackError, ImportRefusedError) as error:
        raise click.ClickException(str(error)) from error
    told = ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in PutOutcome)
    click.echo(f"{outcomes.total()} lines: {told}.{' Nothing was changed.' if dry_run else ''}")
    if outcomes[PutOutcome.INVALID]:
        raise click.ClickException("Lines that are invalid were left out.")


def _show_import(answer: dict[str, Any]) -> None:
    for row in answer["rows"]:
        click.echo(f"line {row['line']}: {row['reason']}: {row['detail']}", err=True)
    if answer["refused"] > len(answer["rows"]):
        click.echo(f"… and {answer['refused'] - len(answer['rows'])} more lines", err=True)
    before = ", imported before: nothing is counted twice" if answer["imported_before"] else ""
    click.echo(f"{answer['clicks']} clicks in {answer['lines']} lines, {answer['refused']} left out{before}.")
    if answer["would_pass_now"]:
        lines = ", ".join(map(str, answer["would_pass_now"]))
        click.echo(f"Left out at the first import, and so for ever, although they would pass now: lines {lines}.")


@click.group("journal")
def journal_group() -> None:
    """Journals: what lies on a redirector's disk, and what the database knows of it."""


@journal_group.command("status")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
def journal_status(directory: Path) -> None:
    """Every journal under DIRECTORY (`journals` in the data directory): events, bytes, and how far it was shipped."""
    _show_reports(inspect_all(directory))


@journal_group.command("verify")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
def journal_verify(directory: Path) -> None:
    """Read every frame under DIRECTORY; the exit status is 1 where something is damaged or missing."""
    reports = inspect_all(directory)
    _show_reports(reports)
    faults = [fault for report in reports for fault in report.faults]
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        raise click.ClickException(f"{len(faults)} faults.")


@journal_group.command("dump")
@click.argument("journal", type=click.Path(exists=True, file_okay=False, path_type=Path))
def journal_dump(journal: Path) -> None:
    """Print every event of one JOURNAL directory, a line each, in the order it was appended."""
    for line in dump_frames(journal):
        click.echo(line)


def _show_reports(reports: Sequence[JournalReport]) -> None:
    folded, whole = partial(Column, overflow="fold"), partial(Column, no_wrap=True)
    numbers = [folded(name) for name in ("segments", "MiB", "events", "unacked")]
    table = Table(whole("journal"), folded("kind"), *numbers, whole("last captured"))
    for report in reports:
        table.add_row(
            report.journal,
            report.kind,
            str(report.segments),
            f"{report.size_bytes / 2**20:.1f}",
            str(report.events),
            str(report.unacked),
            f"{report.last_captured_at:%Y-%m-%d %H:%M:%S}Z" if report.last_captured_at else "never",
        )
    Console().print(table)
