"""Attributions per second, and processor time of each: ours, and Postgres's beside it."""

import time
from pathlib import Path
from typing import Final

import asyncpg
import uvloop

from aggregator.attributing.running import attribute_all
from aggregator.attributing.store import AttributingStore
from database.pool import open_pool
from database.queries import load_queries
from figures import Row, Table
from filled import fill
from measure import children, cpu_seconds
from stage.postgres import Server

CLICKS: Final = 200_000
CONVERSIONS: Final = 5_000
TOUCHES: Final = (1, 5)
"""How many clicks a conversion names: most name one; of a long way to a sale there are some more."""

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


def measure_attributions(server: Server, database: str, directory: Path) -> Table:  # noqa: ARG001 - as every section
    """Conversions whose clicks are there wait to be attributed; the last ones then wait again, and nothing changes."""
    dsn = server.dsn(database)
    fill(dsn, CLICKS)
    uvloop.run(_execute(dsn, "number_clicks", "index_clicks"))
    rows = []
    for touches in TOUCHES:
        uvloop.run(_fill(dsn, touches))
        rows.append(uvloop.run(_timed(server, dsn, f"naming {touches} click{'s' if touches > 1 else ''}")))
    uvloop.run(_mark(dsn, TOUCHES[-1]))
    rows.append(uvloop.run(_timed(server, dsn, "the same again")))
    return Table(f"Attributing {CONVERSIONS:,} conversions, {CLICKS:,} raw clicks there", rows)


async def _execute(dsn: str, *queries: str) -> None:
    connection = await asyncpg.connect(dsn)
    for query in queries:
        await connection.execute(_SQL[query])
    await connection.close()


async def _fill(dsn: str, touches: int) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(_SQL["fill_events"], touches, CONVERSIONS)
    await connection.execute(_SQL["fill_touches"], touches)
    await connection.execute(_SQL["fill_conversions"], touches)
    await connection.close()
    await _mark(dsn, touches)
    await _execute(dsn, "settle")


async def _mark(dsn: str, touches: int) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(_SQL["mark"], touches)
    await connection.close()


async def _timed(server: Server, dsn: str, name: str) -> Row:
    pool = await open_pool(dsn, connections_max=2, application="bench")
    postgres = [server.pid, *children(server.pid)]
    postgres_s, cpu_s, wall_s = cpu_seconds(postgres), time.process_time(), time.monotonic()
    count = await attribute_all(AttributingStore(pool))
    wall_s, cpu_s = time.monotonic() - wall_s, time.process_time() - cpu_s
    postgres_s = cpu_seconds([server.pid, *children(server.pid)]) - postgres_s
    pool.terminate()
    if count != CONVERSIONS:
        raise RuntimeError(f"{count} of {CONVERSIONS} conversions were attributed")
    return Row(
        name,
        {
            "attributions/s": count / wall_s,
            "CPU us each": cpu_s / count * 1e6,
            "Postgres CPU us each": postgres_s / count * 1e6,
        },
    )
