"""What the aggregator's commands share: which database and event log they work on, and how they show things."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import orjson
from pydantic import ValidationError
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

from database.commands import chosen_dsn, dsn_option
from database.refused_settings import told
from database.settings import DatabaseSettings
from event_log.settings import EventLogKind, EventLogSettings, plain_settings
from http_api.running_stack import DEFAULT_DIRECTORY, UP_FILE, NoStackError, RunningStores, find_stores

PIPE_WIDTH: Final = 2_000
"""Columns of what is no terminal: lines are not folded there, so that other programs can search them."""

MEASURED_WIDTH: Final = 100_000
"""Wider than any row."""

WHY_CHARS_MAX: Final = 1_000
"""A few sentences: answers and lists show them."""

_Command = TypeVar("_Command", bound=Callable[..., Any])

json_option: Final = click.option("--json", "as_json", is_flag=True, help="For machines.")

_data_dir_option: Final = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where `advolink up` keeps everything.  [default: .advolink]"
)


@dataclass(frozen=True, slots=True)
class ChosenStores:
    """Where everything is: `told` by a running stack, or by flags and environment."""

    postgres_dsn: str
    told: RunningStores | None = None

    def event_log_settings(self) -> EventLogSettings:
        """Which event log it is. What the environment says of a Kafka is not said of one that `up` launched.

        Raises:
            click.ClickException: the variables cannot be used.
        """
        try:
            if self.told is None:
                return EventLogSettings()
            bootstrap = self.told.kafka_bootstrap
            if bootstrap is None:
                return plain_settings()
            settings = EventLogSettings if self.told.given_kafka else plain_settings
            return settings(ADVOLINK_EVENT_LOG=EventLogKind.KAFKA, ADVOLINK_KAFKA_BOOTSTRAP=bootstrap)
        except ValidationError as error:
            raise click.ClickException(told(error, EventLogSettings)) from error


def stores_options(command: _Command) -> _Command:
    """The options that say where everything is kept: `postgres_dsn` and `data_dir`, for `chosen_stores`."""
    return dsn_option(_data_dir_option(command))


def chosen_stores(postgres_dsn: str | None, data_dir: Path | None) -> ChosenStores:
    """What the flags say; without them the environment, and then what runs from DEFAULT_DIRECTORY.

    Raises:
        click.UsageError: both flags are given, or nothing says where the database is.
        click.ClickException: nothing runs from `data_dir`.
    """
    if postgres_dsn and data_dir:
        raise click.UsageError("--postgres-dsn and --data-dir both say which database: give one of them.")
    named = postgres_dsn or (data_dir is None and DatabaseSettings().postgres_dsn)
    nothing_runs = data_dir is None and not (DEFAULT_DIRECTORY / UP_FILE).exists()
    if named or nothing_runs:
        return ChosenStores(chosen_dsn(postgres_dsn))
    try:
        told = find_stores(data_dir or DEFAULT_DIRECTORY)
    except NoStackError as error:
        raise click.ClickException(str(error)) from error
    return ChosenStores(told.postgres_dsn, told)


def told_why(why: str) -> str:
    """The reason that a person gives, which is kept for ever.

    Raises:
        click.UsageError: there is none, or it cannot be kept.
    """
    reason = why.strip()
    if not reason:
        raise click.UsageError("--why is kept with what you do: say something.")
    if len(reason) > WHY_CHARS_MAX:
        raise click.UsageError(f"--why has more than {WHY_CHARS_MAX:,} characters.")
    try:
        reason.encode()
    except UnicodeEncodeError as error:
        raise click.UsageError("--why is not UTF-8.") from error
    return reason


def show_json(content: object) -> None:
    """Print `content` for machines. Sums of money may be beyond the 64 bits at which orjson ends."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: object) -> object:
    """What JSON has for an instant or the like."""
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_UTC_Z))


def show_table(*columns: str, rows: list[tuple[object, ...]]) -> None:
    """Print rows for people; what they hold is never taken for markup or for a terminal's commands.

    Only the last column may be folded, for ids are there to be copied. Where a terminal is too narrow for that, each
    row is shown as a block of lines.
    """
    shown = [[printable(str(cell)) for cell in row] for row in rows]
    *fixed, last = columns
    table = Table(*(Column(name, no_wrap=True) for name in fixed), Column(last, overflow="fold"))
    for row in shown:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    console = Console(width=width, markup=False, emoji=False, highlight=False)
    if Measurement.get(console, console.options.update(width=MEASURED_WIDTH), table).minimum <= console.width:
        console.print(table)
        return
    margin = max(map(len, columns)) + 2
    for row in shown:
        cells = [f"{name:{margin}}{cell}" for name, cell in zip(columns, row, strict=True) if cell]
        click.echo("\n".join([*(cell.replace("\n", "\n" + " " * margin) for cell in cells), ""]))


def shown_instant(instant: datetime | None) -> str:
    """An instant for people, to the second; nothing where there is none."""
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}Z"


def printable(text: str) -> str:
    """`text` with whatever could move a terminal's cursor or colour escaped."""
    return "".join(one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in text)
