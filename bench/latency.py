"""From a click to its count, through a redirector, Kafka and an aggregator, at a steady rate."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import asyncpg

from browsers import codes, write_requests
from database.queries import load_queries
from figures import Row, Table
from measure import Load, need_wrk, put_under_load
from redirects import CONNECTIONS, insert_links
from stack import LOAD_CPU, kafka_settings, service
from stage.kafka import launched_kafka
from stage.postgres import Server
from stage.topics import fresh_topics

CLICKS_PER_SECOND: Final = 2_000
SECONDS: Final = 20
COUNTED_SECONDS_MAX: Final = 60
ANSWER_MS: Final = 10
"""What a request itself takes, roughly: the pause between two of a connection is shorter by it."""

SQL: Final = load_queries(Path(__file__).with_name("latency.sql"))


def measure_latency_kafka(server: Server, database: str, directory: Path) -> Table:
    """Each click's time from its capture to the commit that counts it, as Postgres's own commit timestamps say."""
    need_wrk()
    dsn = server.dsn(database)
    server.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    server.stop()
    server.start()
    asyncio.run(insert_links(dsn, codes()))
    requests, pause_ms = write_requests(directory / "requests"), 1_000 * CONNECTIONS // CLICKS_PER_SECOND - ANSWER_MS
    with ExitStack() as held:
        shared = kafka_settings(fresh_topics(held.enter_context(launched_kafka()).bootstrap))
        held.enter_context(service("aggregator", directory, dsn, {}, shared))
        journals = {"JOURNAL_DIR": str(directory / "journals")}
        url, pid = held.enter_context(service("redirector", directory, dsn, journals, shared))
        load = Load(url, requests, SECONDS, CONNECTIONS, LOAD_CPU, pause_ms)
        put_under_load(load, [pid])  # every link drawn into memory, the whole way warmed up
        result = put_under_load(load, [pid])
        took = asyncio.run(_visible_after(dsn, result.requests))
    return Table(
        f"Click to count at a steady rate, redirector to Postgres through Kafka, {SECONDS} s",
        [Row("from capture to the commit that counts it", {"clicks/s": result.requests / SECONDS, **took})],
    )


async def _visible_after(dsn: str, clicks: int) -> dict[str, float]:
    """How long the last `clicks` clicks took, once they are all there."""
    connection = await asyncpg.connect(dsn)
    deadline = asyncio.get_running_loop().time() + COUNTED_SECONDS_MAX
    while not await connection.fetchval(SQL["all_counted"]):
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"not every click was counted within {COUNTED_SECONDS_MAX} s")
        await asyncio.sleep(0.2)
    (row,) = await connection.fetch(SQL["visible_after"], clicks)
    await connection.close()
    return {f"{name} ms": value for name, value in row.items()}
