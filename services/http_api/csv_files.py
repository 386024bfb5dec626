"""CSV files that commands hand to a running service, line by line."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click


class Line(NamedTuple):
    """A line of a file: its number, and what stands in which column."""

    number: int
    row: Mapping[str, str]


def read_lines(file: Path, required: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Line]:
    """The lines of `file` behind its first, which names the columns: all that are required, and any that are optional.

    Raises:
        click.ClickException: it is no CSV with these columns.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text, strict=True)
            named = list(reader.fieldnames or ())
            if len(set(named)) < len(named) or not set(required) <= set(named) <= {*required, *optional}:
                more = f" and, if you like, {','.join(optional)}" if optional else ""
                raise click.ClickException(f"{file}: the first line names the columns: {','.join(required)}{more}.")
            for row in reader:
                if None in row or None in row.values():
                    raise click.ClickException(f"{file}, line {reader.line_num}: not {len(named)} columns.")
                yield Line(reader.line_num, row)
    except (csv.Error, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file} is no CSV in UTF-8: {error}.") from error
