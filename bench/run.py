"""`make bench`: measures on this machine and prints ratios; figures of different runs are not to be compared.

python bench/run.py [redirects|aggregation|… as in SECTIONS]      everything without arguments
"""

import asyncio
import platform
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Final

from aggregation import measure_aggregation, measure_aggregation_kafka
from database.migrations import migrate
from event_log.postgres import create_streams
from growth import measure_growth
from latency import measure_latency_kafka
from link_events.streams import PARTITIONS_DEFAULT
from rebuilding import measure_rebuilding
from redirects import measure_redirects
from shipping import measure_shipping_kafka
from stage.postgres import FAST, Server, launched_postgres

SECTIONS: Final = {
    "redirects": measure_redirects,
    "aggregation": measure_aggregation,
    "aggregation_kafka": measure_aggregation_kafka,
    "growth": measure_growth,
    "rebuilding": measure_rebuilding,
    "shipping_kafka": measure_shipping_kafka,
    "latency_kafka": measure_latency_kafka,
}
SETTINGS: Final = {**FAST, "shared_buffers": "1GB"}
"""As a server has it that holds ten million clicks: their counts fit, and an event costs what it did among few."""

LIBRARIES: Final = ("fastapi", "uvicorn", "uvloop", "httptools", "aiokafka", "asyncpg", "orjson")


def main() -> None:
    """Run the sections asked for."""
    if shutil.which("wrk") is None or shutil.which("taskset") is None:
        sys.exit("The benchmarks need wrk and taskset (Debian: wrk, util-linux).")
    print(_machine(), flush=True)
    with launched_postgres(settings=SETTINGS) as server:
        for name in sys.argv[1:] or SECTIONS:
            database = f"bench_{name}"
            _make_database(server, database)
            with tempfile.TemporaryDirectory(prefix="advolink-bench-") as folder:
                table = SECTIONS[name](server, database, Path(folder))
            print(f"\n{table.markdown()}", flush=True)


def _make_database(server: Server, database: str) -> None:
    server.execute(f"CREATE DATABASE {database}")
    asyncio.run(migrate(server.dsn(database)))
    asyncio.run(create_streams(server.dsn(database), PARTITIONS_DEFAULT))


def _machine() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    cpus = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("model name\t: ")[1:]
    model = cpus[0].splitlines()[0] if cpus else platform.machine()
    build = f"{platform.python_implementation()} {platform.python_version()} ({platform.python_compiler()})"
    return f"{len(cpus)} x {model}; {build}; {libraries}"


if __name__ == "__main__":
    main()
