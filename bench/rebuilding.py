"""Seconds that a check and a rebuild of a season of clicks take: with all counts right, and with all of them gone."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import asyncpg

from figures import Row, Table
from filled import fill
from measure import children, cpu_seconds
from stage.postgres import Server

CLICKS: Final = 10_000_000
EMPTIED: Final = Path(__file__).with_name("emptied.sql")


def measure_rebuilding(server: Server, database: str, directory: Path) -> Table:
    """Commands as a person runs them. The last check proves that what was rebuilt is right."""
    dsn = server.dsn(database)
    fill(dsn, CLICKS)
    rows = [
        _timed("check", "check", server, dsn, directory),
        _timed("rebuild, all counts right", "rebuild", server, dsn, directory),
    ]
    asyncio.run(_empty(dsn))
    rows.append(_timed("rebuild, all counts gone", "rebuild", server, dsn, directory))
    rows.append(_timed("check of what was rebuilt", "check", server, dsn, directory))
    return Table(f"Comparing and rebuilding the counts of {CLICKS:,} clicks", rows)


def _timed(name: str, command: str, server: Server, dsn: str, directory: Path) -> Row:
    before = cpu_seconds([server.pid, *children(server.pid)])
    started_s = time.monotonic()
    with (directory / "commands.log").open("ab") as log:
        arguments = [sys.executable, "-m", "advolink", command, "--postgres-dsn", dsn]
        subprocess.run(arguments, stdout=log, stderr=log, check=True)
    wall_s = time.monotonic() - started_s
    used_s = cpu_seconds([server.pid, *children(server.pid)]) - before
    figures = {"seconds": wall_s, "clicks/s": CLICKS / wall_s, "Postgres CPU s": used_s}
    return Row(name, figures)


async def _empty(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(EMPTIED.read_text(encoding="utf-8"))
    await connection.close()
