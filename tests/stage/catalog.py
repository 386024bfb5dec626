"""What a database looks like from inside: everything that `CREATE` can make, and the rows that are there.

The record of migrations is the migrations' own and left out.
"""

import re
from pathlib import Path
from typing import Final

import asyncpg

from database.queries import load_queries

Catalog = dict[str, list[tuple[object, ...]]]

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.+-]+")


async def catalog(connection: asyncpg.Connection) -> Catalog:
    """Each kind of thing in an order of its own, and every row but for its instants, which no two databases share."""
    found = {kind: [tuple(row) for row in await connection.fetch(query)] for kind, query in _SQL.items()}
    for name, kind, *_ in found["relations"]:
        if kind in (b"r", b"p"):
            rows = await connection.fetch(f'SELECT to_jsonb("{name}")::text FROM "{name}" ORDER BY 1')  # noqa: S608 - from the catalog
            found[f"rows of {name}"] = [(_INSTANT.sub("an instant", row[0]),) for row in rows]
    return found
