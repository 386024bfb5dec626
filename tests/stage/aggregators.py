"""Aggregators as they run in earnest: processes, which alone can be killed and frozen. And who holds what of theirs."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from stage.ports import free_port
from stage.sql import fetch
from stage.waiting import eventually_async

LEASE_SECONDS: Final = 2
SOON_SECONDS: Final = 60

HELD: Final = "SELECT owner, count(*) FROM partition_offset WHERE owner IS NOT NULL GROUP BY owner"


@contextmanager
def aggregator_process(
    dsn: str, directory: Path, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """An aggregator on the database at `dsn`; killed at the end of the block, frozen or not."""
    settings = {
        "ADVOLINK_POSTGRES_DSN": dsn,
        "ADVOLINK_AGGREGATOR_LEASE": str(LEASE_SECONDS),
        "ADVOLINK_AGGREGATOR_PORT": str(free_port()),
        "ADVOLINK_AGGREGATOR_MANAGEMENT_PORT": str(free_port()),
        **(environment or {}),
    }
    with (directory / "aggregators.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "aggregator"], env={**os.environ, **settings}, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=30)


async def until_shared(dsn: str, *shares: int) -> None:
    """Wait until so many partitions are held by each of so many owners, the fewest first."""

    async def is_shared() -> bool:
        return sorted(Counter(dict(await fetch(dsn, HELD))).values()) == list(shares)

    await eventually_async(is_shared, seconds_max=SOON_SECONDS, what=f"shared as {shares}")
