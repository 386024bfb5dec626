"""What an event costs, and an advocate's quarter takes to answer, with one and with ten million raw clicks there."""

import asyncio
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import httpx2

from aggregation import Place, Used, applying, fill_postgres_log
from database.keys import Scope, create_key
from event_log.contract import Record
from events import records_by_partition
from figures import Row, Table
from filled import fill
from stack import service
from stage.postgres import Server

RAW_CLICKS: Final = (1_000_000, 10_000_000)
ROUNDS: Final = 3
EVENTS: Final = 200_000
"""Of a round."""

REQUESTS: Final = 500
ADVOCATE: Final = "bench7"
PERCENT: Final = 100


def measure_growth(server: Server, database: str, directory: Path) -> Table:
    """The same clicks are applied in turn to databases that hold more and more raw clicks already; the best counts."""
    places = {count: Place(server, server.dsn(f"{database}_{count}"), directory) for count in RAW_CLICKS}
    for count, place in places.items():
        server.execute(f"CREATE DATABASE {database}_{count} TEMPLATE {database}")
        fill(place.dsn, count)
    server.execute("CHECKPOINT")
    os.sync()  # what the filling left to be written would be paid for by whoever is measured
    used: dict[int, list[Used]] = {count: [] for count in RAW_CLICKS}
    for number, records in enumerate(_rounds(), 1):
        for count, place in places.items():
            fill_postgres_log(place.dsn, records)
            used[count].append(applying(place, number * EVENTS, {}))
    best = {count: min(runs, key=_both) for count, runs in used.items()}
    return Table(
        f"Applying {EVENTS:,} clicks from the Postgres log, and asking for a quarter, with raw clicks there",
        [
            _row(count, best[count], best[RAW_CLICKS[0]], _quarter_ms(place.dsn, directory))
            for count, place in places.items()
        ],
    )


def _rounds() -> Iterator[Sequence[Sequence[Record]]]:
    """What is applied in each round, by partition; later rounds go on where earlier ones ended."""
    partitions = records_by_partition(ROUNDS * EVENTS)
    begun = [0] * len(partitions)
    for number in range(1, ROUNDS + 1):
        ends = [len(records) * number // ROUNDS for records in partitions]
        ends[-1] += number * EVENTS - sum(ends)
        yield [records[start:end] for records, start, end in zip(partitions, begun, ends, strict=True)]
        begun = ends


def _row(count: int, used: Used, first: Used, quarter_ms: list[float]) -> Row:
    cuts = statistics.quantiles(quarter_ms, n=PERCENT)
    return Row(
        f"{count:,} raw clicks",
        {
            "events/s": EVENTS / used.wall,
            "CPU us/event": used.cpu / EVENTS * 1e6,
            "Postgres CPU us/event": (used.postgres or 0) / EVENTS * 1e6,
            "both x the first": _both(used) / _both(first),
            "a quarter, p50 ms": cuts[49],
            "p99 ms": cuts[98],
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
