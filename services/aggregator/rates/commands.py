"""The command `advolink rates load`, which hands a file to a running aggregator."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
import httpx2

from aggregator.rates.store import RATES_MAX
from http_api.csv_files import Line, read_lines
from http_api.running_stack import NoStackError, RunningStack, find_stack

COLUMNS: Final = ("currency", "valid_from", "rate")

TIMEOUT_S: Final = 60


@click.group("rates")
def rates_group() -> None:
    """What other currencies are worth in the programme's."""


@rates_group.command("load")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where `advolink up` keeps everything.")
def load(file: Path, data_dir: Path | None) -> None:
    """Set the rates in FILE: CSV with the columns currency, valid_from and rate, named in its first line.

    Rates that are there already stay as they are: loading the same file again changes nothing.
    """
    try:
        stack = find_stack(data_dir)
    except NoStackError as error:
        raise click.ClickException(str(error)) from error
    lines = read_lines(file, COLUMNS)
    taken = changed = 0
    while page := list(islice(lines, RATES_MAX)):
        changed += _put(stack, page)
        taken += len(page)
    click.echo(f"{taken} rates, {changed} of them new or others than before.")


def _put(stack: RunningStack, lines: Sequence[Line]) -> int:
    """Set these rates, all or none; how many changed.

    Raises:
        click.ClickException: they were refused, or the aggregator cannot be reached.
    """
    try:
        answer = httpx2.put(
            f"{stack.aggregator}/v1/rates",
            json={"rows": [line.row for line in lines]},
            headers={"Authorization": f"Bearer {stack.api_key}"},
            timeout=TIMEOUT_S,
        )
    except httpx2.TransportError as error:
        raise click.ClickException(f"{stack.aggregator} cannot be reached: {error or type(error).__name__}") from error
    if answer.status_code == HTTPStatus.OK:
        return int(answer.json()["changed"])
    for fault in _problem(answer).get("errors", ()):
        click.echo(_told(fault, lines), err=True)
    refused = f"{answer.status_code} {answer.reason_phrase}"
    raise click.ClickException(
        f"Lines {lines[0].number} to {lines[-1].number} were not set, nor any behind them: {refused}."
    )


def _problem(answer: httpx2.Response) -> Mapping[str, Any]:
    """What the aggregator says is wrong; nothing where it was something before it that answered."""
    try:
        return dict(answer.json())
    except (ValueError, TypeError):
        return {}


def _told(fault: Mapping[str, Any], lines: Sequence[Line]) -> str:
    """A fault that the aggregator found, by the line that has it."""
    _rows, _, place = fault["field"].partition("/")
    number, _, column = place.partition("/")
    where = f"line {lines[int(number)].number}" if number else "the file"
    return f"{where}: {column}: {fault['detail']}" if column else f"{where}: {fault['detail']}"
