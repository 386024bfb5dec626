"""Links in Postgres, and the advocates that they need. The only place of the redirector that writes links.

Every call may raise DatabaseAwayError.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg

from database.pool import connected, only_row
from database.queries import columns, load_queries
from link_events.identity import AdvocateId, Code, LinkId
from redirector.errors import CodeTakenError, UnknownAdvocateError
from redirector.links.link import Link, LinkFields

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

_COLUMNS: Final = [field.name for field in fields(Link)]

DRAWS_MAX: Final = 8
"""Drawn codes that may be taken before it is a fault; one is taken in a hundred million."""

LINKS_INSERTED_MAX: Final = 5_000
"""Links made by one statement."""

CHANGES_MAX: Final = 1_000
"""Changed links fetched at once."""

CODES_MAX: Final = 2_000
"""Codes fetched at once."""


@dataclass(frozen=True, slots=True)
class FeedPlace:
    """How far the links' changes have come, and on which server, which has another name after every start."""

    last_change: int
    links: int
    """There are at most as many."""
    server: tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class LinkChanges:
    """What a PATCH asks for. Only the fields named in `given` change."""

    given: frozenset[str]
    destination: str | None = None
    expires_at: datetime | None = None
    disabled: bool = False
    click_id: bool | None = None


class LinkStore:
    """What the redirector knows of links."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def has_advocate(self, advocate_id: AdvocateId) -> bool:
        """Whether somebody has put that advocate."""
        async with connected(self._pool) as connection:
            return bool(await connection.fetchval(_SQL["has_advocate"], advocate_id))

    async def issue(self, fields: LinkFields, choose_code: Callable[[], Code], *, alias: bool, actor: str) -> Link:
        """Make a link under the code that `choose_code` gives; drawn codes are drawn again where they are taken.

        Raises:
            UnknownAdvocateError: there is no such advocate.
            CodeTakenError: the alias belongs to another link.
        """
        for _ in range(DRAWS_MAX):
            code = choose_code()
            try:
                async with connected(self._pool) as connection, connection.transaction():
                    return await _insert_link(connection, code, fields, actor)
            except asyncpg.UniqueViolationError as error:
                if alias:
                    raise CodeTakenError(code) from error
            except asyncpg.ForeignKeyViolationError as error:
                raise UnknownAdvocateError(fields.advocate_id) from error
        raise CodeTakenError("every code that was drawn")

    async def find(self, code: Code) -> Link | None:
        """The link behind `code`."""
        async with connected(self._pool) as connection:
            row = await connection.fetchrow(_SQL["link_by_code"], code)
        return _link(row) if row else None

    async def change(self, code: Code, changes: LinkChanges, now: datetime, actor: str) -> Link | None:
        """Change the link behind `code`, keeping its earlier destination as history; None where there is none."""
        async with connected(self._pool) as connection, connection.transaction():
            row = await connection.fetchrow(_SQL["lock_link"], code)
            if row is None:
                return None
            return await _update_link(connection, _link(row), changes, now, actor)

    async def changes_after(self, change: int | None) -> tuple[FeedPlace, Sequence[Link]]:
        """Where the links' changes stand, and the first links that changed after `change`, in order.

        Both are asked of one server. None: only where they stand.
        """
        async with connected(self._pool) as connection:
            row = only_row(await connection.fetchrow(_SQL["feed_place"]))
            server = (row["server_started_at"], row["database_oid"])
            place = FeedPlace(row["last_change"], row["links"], server)
            if change is None or place.last_change <= change:
                return place, []
            rows = await connection.fetch(_SQL["changed_links"], change, CHANGES_MAX)
        return place, [_link(row) for row in rows]

    async def codes_after(self, link_id: LinkId) -> tuple[Sequence[Code], LinkId]:
        """The codes of the next links after `link_id`, and the last of these links."""
        async with connected(self._pool) as connection:
            row = only_row(await connection.fetchrow(_SQL["codes_after"], link_id, CODES_MAX))
        return [Code(code) for code in row["codes"].split()], LinkId(row["last_link_id"])


async def add_missing_links(
    connection: asyncpg.pool.PoolConnectionProxy,
    wanted: Mapping[Code, LinkFields],
    known: Collection[Code],
    actor: str,
) -> None:
    """Inside the caller's transaction: make the advocates and links of `wanted`, but for the links that are `known`.

    Only code, advocate and destination are taken from `wanted`. A code that somebody else has taken since the caller
    looked is a UniqueViolationError: who it belongs to has to be asked again.
    """
    await connection.execute(_SQL["add_advocates"], sorted({fields.advocate_id for fields in wanted.values()}))
    missing = [(code, fields.advocate_id, fields.destination) for code, fields in wanted.items() if code not in known]
    for start in range(0, len(missing), LINKS_INSERTED_MAX):
        rows = missing[start : start + LINKS_INSERTED_MAX]
        first_change = await connection.fetchval(_SQL["next_changes"], len(rows))
        await connection.execute(_SQL["insert_links"], first_change, *columns(rows), actor)


async def links_by_code(connection: asyncpg.pool.PoolConnectionProxy, codes: Collection[Code]) -> Mapping[Code, Link]:
    """Those of `codes` that are links."""
    rows = await connection.fetch(_SQL["links_by_code"], list(codes))
    return {Code(row["code"]): _link(row) for row in rows}


async def _insert_link(
    connection: asyncpg.pool.PoolConnectionProxy, code: Code, fields: LinkFields, actor: str
) -> Link:
    change = await connection.fetchval(_SQL["next_changes"], 1)
    said = (fields.channel, fields.content_id, fields.category, fields.campaign, list(fields.tags))
    values = (
        code,
        fields.advocate_id,
        fields.destination,
        *said,
        fields.expires_at,
        fields.test,
        fields.click_id,
        change,
    )
    row = only_row(await connection.fetchrow(_SQL["insert_link"], *values))
    await connection.execute(_SQL["note_destination"], row["link_id"], change, fields.destination, actor)
    return _link(row)


async def _update_link(
    connection: asyncpg.pool.PoolConnectionProxy, link: Link, changes: LinkChanges, now: datetime, actor: str
) -> Link:
    destination = changes.destination if changes.destination is not None else link.destination
    expires_at = changes.expires_at if "expires_at" in changes.given else link.expires_at
    disabled_at = link.disabled_at
    if "disabled" in changes.given:
        disabled_at = (link.disabled_at or now) if changes.disabled else None
    click_id = changes.click_id if "click_id" in changes.given else link.click_id
    change = await connection.fetchval(_SQL["next_changes"], 1)
    values = (link.link_id, destination, expires_at, disabled_at, click_id, change)
    row = only_row(await connection.fetchrow(_SQL["update_link"], *values))
    if destination != link.destination:
        await connection.execute(_SQL["note_destination"], link.link_id, change, destination, actor)
    return _link(row)


def _link(row: asyncpg.Record) -> Link:
    """The link in `row`, which may have columns that this version does not know."""
    return Link(**{**{name: row[name] for name in _COLUMNS}, "tags": tuple(row["tags"])})
