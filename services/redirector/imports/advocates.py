"""The sending side of an import of advocates: hands a file to a running redirector, some rows at a time."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2

from http_api.csv_files import Line, read_lines
from http_api.running_stack import RunningStack
from redirector.errors import ImportRefusedError

REQUIRED: Final = ("advocate_id",)
OPTIONAL: Final = ("display_name", "team", "roles", "excluded", "active", "public_standings", "from")

ROWS_MAX: Final = 1_000
"""Of one request, whose body is bounded."""

TIMEOUT_S: Final = 60

_WORDS: Final = {"true": True, "false": False}


class LineAnswer(NamedTuple):
    """What became of a line: `outcome` and, where it is invalid, what is wrong with it."""

    number: int
    outcome: str
    faults: Sequence[str]


def send_advocates(file: Path, stack: RunningStack, *, dry_run: bool) -> Iterator[LineAnswer]:
    """What becomes of every line of `file`, or would.

    Raises:
        click.ClickException: it is no CSV with these columns.
        ImportRefusedError: the redirector refused it, or cannot be reached; lines that were told of are in.
    """
    lines = read_lines(file, REQUIRED, OPTIONAL)
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    with httpx2.Client(base_url=stack.redirector, headers=headers, timeout=TIMEOUT_S) as client:
        while page := list(islice(lines, ROWS_MAX)):
            body = {"rows": [row_of(line) for line in page], "dry_run": dry_run}
            for line, row in zip(page, _post(client, stack, body), strict=True):
                faults = [f"{error['field']}: {error['detail']}" for error in row["errors"]]
                yield LineAnswer(line.number, row["outcome"], faults)


def row_of(line: Line) -> Mapping[str, Any]:
    """What a line says: what has no column, nothing; an empty cell, that there is none, where that can be said."""
    row: dict[str, Any] = {}
    for name, cell in line.row.items():
        text = cell.strip()
        if name in ("display_name", "team"):
            row[name] = text or None
        elif name == "roles":
            row[name] = [role for role in map(str.strip, text.split(";")) if role]
        elif text:
            row[name] = _WORDS.get(text.lower(), text)
    return row


def _post(client: httpx2.Client, stack: RunningStack, body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    try:
        answer = client.post("/v1/advocates/bulk", json=body)
    except httpx2.TransportError as error:
        message = f"{stack.redirector} cannot be reached: {error or type(error).__name__}"
        raise ImportRefusedError(message) from error
    if answer.status_code != HTTPStatus.OK:
        raise ImportRefusedError(f"{answer.status_code} {answer.reason_phrase}: {answer.text[:500]}")
    rows: Sequence[Mapping[str, Any]] = answer.json()["rows"]
    return rows
