"""The sending side of an import: hands a file to a running redirector and shows how far it is.

A redirector that goes away in the middle is tried again: importing the same file again changes nothing.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from http_api.running_stack import RunningStack
from link_events.identity import JOURNAL_ID_BYTES
from redirector.errors import ImportRefusedError
from redirector.imports.lines import ImportFormat

CHUNK_BYTES: Final = 256 * 1024
POLL_INTERVAL_S: Final = 0.3
RETRY_INTERVAL_S: Final = 1.0

_TRANSIENT: Final = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.CONFLICT})
"""Postgres away, or an earlier try of ours that is still running."""


@dataclass(frozen=True, slots=True)
class Sending:
    """A file on its way."""

    path: Path
    line_format: ImportFormat
    stack: RunningStack
    retry_for_s: float


async def send_file(sending: Sending) -> dict[str, Any]:
    """The redirector's answer, once it has every click in its journal.

    Raises:
        ImportRefusedError: it refused the file, or could not be reached for `retry_for_s`.
    """
    with _bars() as bars:
        import_id = _import_id(sending.path)
        upload = bars.add_task("sending", total=sending.path.stat().st_size)
        journaling = bars.add_task("journaling", total=None)
        headers = {"Authorization": f"Bearer {sending.stack.api_key}"}
        async with httpx2.AsyncClient(base_url=sending.stack.redirector, headers=headers, timeout=None) as client:
            watching = asyncio.create_task(_watch(client, import_id, bars, journaling))
            try:
                answer = await _post_until_taken(client, sending, bars, upload)
            finally:
                watching.cancel()
        bars.update(journaling, completed=answer["lines"], total=answer["lines"])
    return answer


async def _post_until_taken(
    client: httpx2.AsyncClient, sending: Sending, bars: Progress, upload: TaskID
) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + sending.retry_for_s
    while True:
        try:
            bars.reset(upload)
            params = {"format": sending.line_format.value}
            content = _chunks(sending.path, bars, upload)
            answer = await client.post("/v1/clicks/import", params=params, content=content)
            if answer.status_code == HTTPStatus.OK:
                return dict(answer.json())
            trouble = _detail(answer)
            if answer.status_code not in _TRANSIENT:
                raise ImportRefusedError(trouble)
        except httpx2.TransportError as error:
            trouble = f"{sending.stack.redirector} cannot be reached: {error or type(error).__name__}"
        if loop.time() >= deadline_s:
            raise ImportRefusedError(trouble)
        await asyncio.sleep(RETRY_INTERVAL_S)


async def _watch(client: httpx2.AsyncClient, import_id: str, bars: Progress, journaling: TaskID) -> None:
    """Show how far the redirector is, as often as it can be asked."""
    while True:
        await asyncio.sleep(POLL_INTERVAL_S)
        try:
            answer = await client.get(f"/v1/clicks/import/{import_id}", timeout=POLL_INTERVAL_S * 10)
        except httpx2.TransportError:
            continue
        if answer.status_code == HTTPStatus.OK:
            told = answer.json()
            bars.update(journaling, completed=told["journaled"], total=told["lines"] or None)


async def _chunks(path: Path, bars: Progress, upload: TaskID) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
            bars.advance(upload, len(chunk))


def _import_id(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()[:JOURNAL_ID_BYTES].hex()


def _detail(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.reason_phrase}"


def _bars() -> Progress:
    return Progress(TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
