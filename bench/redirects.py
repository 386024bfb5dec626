"""Redirects per second and processor time per redirect, beside the plain FastAPI route in the same run."""

import asyncio
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from bench_table import Row, Table
from measure import Load, LoadResult, put_under_load
from stack import LOAD_CPU, plain_fastapi, service
from stage.postgres import Server

CODES = 100_000
AGENTS = 5_000
CONNECTIONS = 64
SECONDS = 6
ROUNDS = 3
REQUESTS_READY = 20_000
"""As many as codes.lua makes ready; each run of wrk begins with the first of them."""

INSERT_LINKS = Path(__file__).with_name("insert_links.sql")
SCRIPT = Path(__file__).with_name("codes.lua")


def measure_redirects(server: Server, database: str, directory: Path) -> Table:
    """The best of ROUNDS rounds, each through every candidate in turn."""
    codes, agents = write_inputs(directory)
    asyncio.run(insert_links(server.dsn(database), codes.read_text(encoding="utf-8").split()))
    os.environ.update(ADVOLINK_BENCH_CODES=str(codes), ADVOLINK_BENCH_AGENTS=str(agents))
    results: dict[str, list[LoadResult]] = {
        "plain FastAPI route": [],
        "advolink, shipping": [],
        "advolink, journal only": [],
    }
    for _ in range(ROUNDS):
        with plain_fastapi(codes) as (url, pid):
            results["plain FastAPI route"].append(_load(url, pid))
        with _redirector(server, database, directory) as (url, pid):
            _warm_up(url, pid)
            results["advolink, shipping"].append(_load(url, pid))
            server.stop()  # no event log: the shipper is held back
            results["advolink, journal only"].append(_load(url, pid))
            server.start()
    return _table({name: max(rounds, key=lambda one: one.per_second) for name, rounds in results.items()})


@contextmanager
def _redirector(server: Server, database: str, directory: Path) -> Iterator[tuple[str, int]]:
    settings = {"JOURNAL_DIR": str(directory / "journals"), "DRAIN_SECONDS": "0"}
    with service("redirector", directory, server.dsn(database), settings) as running:
        yield running


def _warm_up(url: str, pid: int) -> None:
    """Draw every link that will be asked for into memory; cold look-ups are not what is measured."""
    seconds, sent = SECONDS, 0
    while sent < REQUESTS_READY:
        sent = put_under_load(Load(url, SCRIPT, seconds, CONNECTIONS, LOAD_CPU), [pid]).requests
        seconds *= 2


def _load(url: str, pid: int) -> LoadResult:
    result = put_under_load(Load(url, SCRIPT, SECONDS, CONNECTIONS, LOAD_CPU), [pid])
    if result.refused:
        raise RuntimeError(f"{result.refused} of {result.requests} requests were not redirected")
    return result


def write_inputs(directory: Path) -> tuple[Path, Path]:
    """The files that codes.lua reads: codes and user agents."""
    rng = random.Random(11)
    codes, agents = directory / "codes.txt", directory / "agents.txt"
    codes.write_text("\n".join(f"B{number:07}" for number in range(CODES)), encoding="utf-8")
    versions = [
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{rng.randint(90, 140)}.0.{rng.randint(1000, 7000)}.{rng.randint(1, 200)} Safari/537.36"
        for _ in range(AGENTS)
    ]
    agents.write_text("\n".join(versions), encoding="utf-8")
    return codes, agents


async def insert_links(dsn: str, codes: list[str]) -> None:
    """A link for each code."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(INSERT_LINKS.read_text(encoding="utf-8"), codes)
    await connection.close()


def _table(best: dict[str, LoadResult]) -> Table:
    yardstick = best["plain FastAPI route"]
    rows = [
        Row(
            name,
            {
                "requests/s": f"{one.per_second:,.0f}",
                "x FastAPI": f"{one.per_second / yardstick.per_second:.2f}",
                "CPU us/request": f"{one.cpu_us:.0f}",
                "CPU x FastAPI": f"{one.cpu_us / yardstick.cpu_us:.2f}",
                "p50 ms": f"{one.p50_ms:.1f}",
                "p99 ms": f"{one.p99_ms:.1f}",
            },
        )
        for name, one in best.items()
    ]
    return Table(f"Redirects: {CODES:,} codes by Zipf(1), {CONNECTIONS} connections, keep-alive, one core", rows)
