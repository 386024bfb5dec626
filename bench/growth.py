"""What an event costs, and an advocate's quarter takes to answer, with one and with ten million raw clicks there."""

import asyncio
import statistics
import time
from pathlib import Path
from typing import Final

import httpx2

from aggregation import Place, Used, applying, fill_postgres_log
from bench_table import Row, Table
from database.keys import Scope, create_key
from filled import fill
from stack import service
from stage.postgres import Server

RAW_CLICKS: Final = (1_000_000, 10_000_000)
EVENTS: Final = 400_000
REQUESTS: Final = 500
ADVOCATE: Final = "bench7"
PERCENT: Final = 100


def measure_growth(server: Server, database: str, directory: Path) -> Table:
    """The same clicks are applied to databases that hold more and more raw clicks already."""
    runs = []
    for count in RAW_CLICKS:
        name = f"{database}_{count}"
        server.execute(f"CREATE DATABASE {name} TEMPLATE {database}")
        dsn = server.dsn(name)
        fill(dsn, count)
        fill_postgres_log(dsn, EVENTS)
        used = applying(Place(server, dsn, directory), EVENTS, {})
        runs.append((count, used, _quarter_ms(dsn, directory)))
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    first = runs[0][1]
    return Table(
        f"Applying {EVENTS:,} clicks from the Postgres log, and asking for a quarter, with raw clicks there",
        [_row(count, used, first, quarter) for count, used, quarter in runs],
    )


def _row(count: int, used: Used, first: Used, quarter_ms: list[float]) -> Row:
    cuts = statistics.quantiles(quarter_ms, n=PERCENT)
    return Row(
        f"{count:,} raw clicks",
        {
            "events/s": f"{EVENTS / used.wall:,.0f}",
            "CPU us/event": f"{used.cpu / EVENTS * 1e6:.1f}",
            "Postgres CPU us/event": f"{(used.postgres or 0) / EVENTS * 1e6:.1f}",
            "both x the first": f"{_both(used) / _both(first):.2f}",
            "a quarter, p50 ms": f"{cuts[49]:.1f}",
            "p99 ms": f"{cuts[98]:.1f}",
        },
    )


def _both(used: Used) -> float:
    return used.cpu + (used.postgres or 0)


def _quarter_ms(dsn: str, directory: Path) -> list[float]:
    """How long each of some requests for an advocate's quarters took, one after another over one connection."""
    key = asyncio.run(create_key(dsn, name="bench", scopes=[Scope.STATS_READ]))
    path = f"/v1/advocates/{ADVOCATE}/counts?granularity=quarter"
    took_ms = []
    with (
        service("aggregator", directory, dsn, {}) as (url, _),
        httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as api,
    ):
        for _ in range(REQUESTS):
            began_s = time.perf_counter()
            api.get(path).raise_for_status()
            took_ms.append((time.perf_counter() - began_s) * 1_000)
    return took_ms
