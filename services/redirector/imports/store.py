"""The decision of a file's first import, pinned in Postgres together with the advocates and links it needs.

Every later import of the same bytes follows it, through whichever redirector: the same lines get the same events.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg

from database.pool import connected, only_row
from database.queries import load_queries
from link_events.identity import JOURNAL_ID_BYTES, Code, JournalId
from redirector.errors import ImportRefusedError
from redirector.imports.lines import ImportFormat
from redirector.imports.survey import Survey
from redirector.links.link import Link
from redirector.links.store import add_missing_links, links_by_code

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

CODES_FETCHED_MAX: Final = 5_000
PIN_TRIES_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """Which lines are clicks (a bitmap), and when the import counts as captured."""

    sha256: bytes
    line_format: ImportFormat
    line_count: int
    taken: bytes
    captured_at: datetime

    @property
    def journal(self) -> JournalId:
        """The journal the file's events are written to: the file's own digest names it."""
        return JournalId(self.sha256[:JOURNAL_ID_BYTES])


class PlanStore:
    """Plans in Postgres. Every call may raise DatabaseAwayError."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def find(self, sha256: bytes, line_format: ImportFormat) -> ImportPlan | None:
        """The plan of a file, if it was ever imported.

        Raises:
            ImportRefusedError: it was imported in another format, or another file has the same beginning of a digest.
        """
        async with connected(self._pool) as connection:
            row = await connection.fetchrow(_SQL["find_plan"], sha256[:JOURNAL_ID_BYTES])
        return _plan(row, sha256, line_format) if row else None

    async def pin(
        self, sha256: bytes, line_format: ImportFormat, survey: Survey, captured_at: datetime, actor: str
    ) -> ImportPlan:
        """Make the advocates and links the file needs and pin which of its lines are clicks, all or nothing."""
        for _ in range(PIN_TRIES_MAX):
            try:
                return await self._pin_once(sha256, line_format, survey, captured_at, actor)
            except asyncpg.UniqueViolationError:  # somebody issued one of its codes meanwhile
                continue
        raise ImportRefusedError("other links keep taking the codes of this file; import it again")

    async def _pin_once(
        self, sha256: bytes, line_format: ImportFormat, survey: Survey, captured_at: datetime, actor: str
    ) -> ImportPlan:
        journal = sha256[:JOURNAL_ID_BYTES]
        async with connected(self._pool) as connection, connection.transaction():
            known = await links_by_code(connection, survey.links)
            foreign = {code for code, link in known.items() if link.advocate_id != survey.links[code].advocate_id}
            taken = await asyncio.to_thread(survey.taken_lines, foreign)
            count = len(survey.codes_by_line)
            pinned = await connection.fetchval(
                _SQL["insert_plan"], journal, sha256, line_format, count, taken, captured_at
            )
            if pinned and survey.links:
                await add_missing_links(connection, survey.links, known, actor)
            row = only_row(await connection.fetchrow(_SQL["find_plan"], journal))
        return _plan(row, sha256, line_format)

    async def links(self, codes: Sequence[Code]) -> Mapping[Code, Link]:
        """The links behind `codes`."""
        found: dict[Code, Link] = {}
        for start in range(0, len(codes), CODES_FETCHED_MAX):
            async with connected(self._pool) as connection:
                found.update(await links_by_code(connection, codes[start : start + CODES_FETCHED_MAX]))
        return found


def _plan(row: asyncpg.Record, sha256: bytes, line_format: ImportFormat) -> ImportPlan:
    if row["sha256"] != sha256:
        raise ImportRefusedError("another file whose digest begins alike was imported; add an empty line to this one")
    if row["format"] != line_format:
        raise ImportRefusedError(f"this file was imported as {row['format']} before")
    return ImportPlan(sha256, ImportFormat(row["format"]), row["line_count"], row["taken"], row["captured_at"])
