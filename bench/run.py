"""`make bench`: measures on this machine, prints ratios and keeps them. Figures of different runs do not compare.

python bench/run.py                                            every section, kept in docs/benchmarks.json and .md
python bench/run.py redirects --look                           one short round of a section, nothing is kept
python bench/run.py redirects --only nginx --only journal      these candidates alone, nothing is kept
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from aggregation import measure_aggregation, measure_aggregation_kafka
from attributions import measure_attributions
from candidates import candidates
from conversions import measure_intake
from database.migrations import migrate
from event_log.postgres import create_streams
from figures import Table
from growth import measure_growth
from kept import Measured, keep
from latency import measure_latency_kafka
from link_events.streams import PARTITIONS_DEFAULT
from machine import machine
from parts import measure_parts
from rebuilding import measure_rebuilding
from redirects import Rounds, chosen, measure_redirects
from scanning import measure_scanning
from shipping import measure_shipping_kafka
from stage.postgres import FAST, Server, launched_postgres

Measure = Callable[[Server, str, Path], Table]

SECTIONS: Final[Mapping[str, Measure]] = {
    "redirects": measure_redirects,
    "scanning": measure_scanning,
    "parts": measure_parts,
    "intake": measure_intake,
    "aggregation": measure_aggregation,
    "aggregation_kafka": measure_aggregation_kafka,
    "attributions": measure_attributions,
    "growth": measure_growth,
    "rebuilding": measure_rebuilding,
    "shipping_kafka": measure_shipping_kafka,
    "latency_kafka": measure_latency_kafka,
}
SETTINGS: Final = {**FAST, "shared_buffers": "1GB"}
"""As a server has it that holds ten million clicks: their counts fit, and an event costs what it did among few."""

LOOK: Final = Rounds(count=1, seconds=3)


def main() -> None:
    """Run the sections asked for."""
    asked = _arguments().parse_args()
    if shutil.which("taskset") is None:
        sys.exit("The benchmarks need taskset (Debian: util-linux).")
    rounds = LOOK if asked.look else Rounds()
    rounds = Rounds(asked.rounds or rounds.count, asked.seconds or rounds.seconds, asked.only)
    if not chosen(rounds):
        sys.exit(f"--only: none of them is in the name of a candidate ({'; '.join(one.name for one in candidates())}).")
    in_rounds = {
        "redirects": partial(measure_redirects, rounds=rounds),
        "scanning": partial(measure_scanning, rounds=rounds),
        "intake": partial(measure_intake, rounds=rounds),
    }
    measures: dict[str, Measure] = {**SECTIONS, **in_rounds}
    day, where = datetime.now(UTC).date().isoformat(), machine()
    print(f"{day}: {where}", flush=True)
    with launched_postgres(settings=SETTINGS) as server:
        for name in asked.sections or SECTIONS:
            database = f"bench_{name}"
            _make_database(server, database)
            try:
                with tempfile.TemporaryDirectory(prefix="advolink-bench-") as folder:
                    table = measures[name](server, database, Path(folder))
            except pytest.skip.Exception as missing:
                print(f"\nLEFT OUT: {name}. {missing}", flush=True)
                continue
            print(f"\n### {table.title}\n\n{table.markdown()}", flush=True)
            if not asked.look and not asked.only:
                keep(name, Measured(table, day, where))


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure on this machine, print ratios and keep them in docs/.")
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], help="everything unless named")
    parser.add_argument("--look", action="store_true", help="one short round of redirects; keep nothing")
    parser.add_argument("--only", action="append", default=[], help="redirects of these candidates; keep nothing")
    parser.add_argument("--rounds", type=int, help="how often each candidate of redirects is measured")
    parser.add_argument("--seconds", type=int, help="for how long")
    return parser


def _make_database(server: Server, database: str) -> None:
    server.execute(f"CREATE DATABASE {database}")
    asyncio.run(migrate(server.dsn(database)))
    asyncio.run(create_streams(server.dsn(database), PARTITIONS_DEFAULT))


if __name__ == "__main__":
    main()
