"""POST /v1/clicks/import: historical clicks from a file, and how far a running import is."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from database.keys import LiveKey, Scope
from http_api.access import Access
from http_api.bodies import BodyTooLargeError
from http_api.openapi import Responses, Schema, problem
from http_api.problems import ProblemError, ProblemKind, not_found
from redirector.errors import ImportRefusedError, ImportRunningError
from redirector.imports.importing import Importer, Progress, Upload
from redirector.imports.lines import ImportFormat
from redirector.journal.journal import JournalFullError
from redirector.journal.segments import write_all

UPLOADS_MAX: Final = 2
"""Imports at once; more wait their turn, with their bodies unread."""

PATH: Final = "/v1/clicks/import"

_FILE: Final[Schema] = {"requestBody": {"required": True, "content": {"application/x-ndjson": {}}}}
_PROBLEMS: Final[Responses] = {
    400: problem(ProblemKind.EMPTY_BODY, when="There is no file in the body."),
    409: problem(ProblemKind.IMPORT_RUNNING, when="The same file is being imported."),
    413: problem(ProblemKind.BODY_TOO_LARGE, when="The file is larger than `import_bytes_max`."),
    422: problem(ProblemKind.IMPORT_REFUSED, ProblemKind.INVALID_FIELD, when="The file cannot be imported at all."),
    503: problem(ProblemKind.UNAVAILABLE, ProblemKind.JOURNAL_FULL, when="Postgres is away, or the disk is full."),
}


class BadLineOut(BaseModel):
    """A line that was left out."""

    line: int = Field(description="From 1.")
    reason: str
    detail: str


class ImportOut(BaseModel):
    """What became of a file."""

    import_id: str = Field(description="The journal its clicks are in: the beginning of the file's SHA-256.")
    lines: int
    clicks: int = Field(description="Lines that are clicks. Importing again takes the same ones and counts none twice.")
    refused: int = Field(description="Lines left out, each named under `rows` (the first thousand).")
    imported_before: bool
    would_pass_now: list[int] = Field(
        description="Lines left out at the first import that would be clicks by today's rules. They stay out."
    )
    rows: list[BadLineOut]


class ProgressOut(BaseModel):
    """How far a running import is."""

    import_id: str
    lines: int = Field(description="0 until the file is surveyed.")
    surveyed: int
    journaled: int


@dataclass(frozen=True, slots=True)
class ImportDesk:
    """What the endpoints below work with."""

    importer: Importer
    access: Access
    spool: Path
    bytes_max: int
    at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(UPLOADS_MAX))


def import_routes(desk: ImportDesk) -> APIRouter:
    """Endpoints for whoever may write links."""
    router = APIRouter(tags=["imports"])
    writer = Annotated[LiveKey, Depends(desk.access.needs(Scope.LINKS_WRITE))]

    @router.post(
        PATH,
        operation_id="import_clicks",
        summary="Import historical clicks from a file",
        openapi_extra=_FILE,
        responses=_PROBLEMS,
    )
    async def import_clicks(
        request: Request,
        key: writer,
        line_format: Annotated[ImportFormat, Query(alias="format")] = ImportFormat.BITLY,
    ) -> ImportOut:
        """The body is the file. Answered when every click is journaled; bad lines are named and left out."""
        async with desk.at_once, _received(request, desk) as (path, sha256):
            try:
                progress = await desk.importer.run(Upload(path, sha256, line_format), key.key_id)
            except ImportRunningError as error:
                raise ProblemError(HTTPStatus.CONFLICT, ProblemKind.IMPORT_RUNNING, str(error)) from error
            except ImportRefusedError as error:
                raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, ProblemKind.IMPORT_REFUSED, str(error)) from error
            except JournalFullError as error:
                raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, ProblemKind.JOURNAL_FULL, str(error)) from error
        return _shown(progress)

    @router.get(
        f"{PATH}/{{import_id}}",
        operation_id="import_progress",
        summary="How far a running import is",
        responses={404: problem(ProblemKind.NOT_FOUND, when="No such import is running.")},
    )
    async def import_progress(import_id: str, _key: writer) -> ProgressOut:
        """404 where no such import is running."""
        progress = desk.importer.progress(import_id)
        if progress is None:
            raise not_found(f"running import {import_id}")
        return ProgressOut(
            import_id=import_id, lines=progress.lines, surveyed=progress.surveyed, journaled=progress.journaled
        )

    return router


@asynccontextmanager
async def _received(request: Request, desk: ImportDesk) -> AsyncIterator[tuple[Path, bytes]]:
    """The body in a file of its own, for the length of the block, and its SHA-256."""
    digest, size_bytes = hashlib.sha256(), 0
    with _full_disk_named():
        desk.spool.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what a full disk did not take would fail once more when the file is closed.
        spooled = tempfile.NamedTemporaryFile(dir=desk.spool, prefix="upload-", buffering=0)  # noqa: SIM115 - closed below
    with spooled as file:
        async for chunk in request.stream():
            if size_bytes + len(chunk) > desk.bytes_max:
                raise BodyTooLargeError(desk.bytes_max)
            digest.update(chunk)
            with _full_disk_named():
                write_all(file.fileno(), chunk, size_bytes)
            size_bytes += len(chunk)
        if size_bytes == 0:
            raise ProblemError(
                HTTPStatus.BAD_REQUEST, ProblemKind.EMPTY_BODY, "the body is empty; send the file as the body"
            )
        yield Path(file.name), digest.digest()


@contextmanager
def _full_disk_named() -> Iterator[None]:
    """What the disk does not take is answered as a full journal is: both lie on it."""
    try:
        yield
    except OSError as error:
        detail = f"the file cannot be kept: {error.strerror}"
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, ProblemKind.JOURNAL_FULL, detail) from error


def _shown(progress: Progress) -> ImportOut:
    return ImportOut(
        import_id=progress.import_id,
        lines=progress.lines,
        clicks=progress.taken,
        refused=progress.refused,
        imported_before=progress.imported_before,
        would_pass_now=progress.would_pass_now,
        rows=[BadLineOut(line=number, reason=bad.reason, detail=bad.detail) for number, bad in progress.bad_lines],
    )
