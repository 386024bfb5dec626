"""`make chaos`: a long run on servers of its own, told strike by strike, with a table at its end.

Its fates, timeline and logs lie in a directory of its own under the system's temporary one; where something was wrong
it stays.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from database.migrations import migrate
from event_log.postgres import create_streams
from event_log.settings import EventLogKind
from link_events.streams import PARTITIONS_DEFAULT
from stage.chaos.cluster import Ground
from stage.chaos.nemesis import Struck
from stage.chaos.run import Outcome, Plan, run_chaos
from stage.kafka import launched_kafka
from stage.postgres import Server, launched_postgres

DATABASE = "chaos"


def main() -> int:
    """Run what the command line says; 1 where something was wrong."""
    plan = _plan()
    directory = Path(tempfile.mkdtemp(prefix="advolink-chaos-"))
    _say(f"Chaos on {plan.log} for {plan.seconds / 60:g} minutes, seed {plan.seed}, in {directory}")
    with ExitStack() as held:
        server = held.enter_context(launched_postgres())
        broker = held.enter_context(launched_kafka()) if plan.log is EventLogKind.KAFKA else None
        outcome: Outcome = asyncio.run(run_chaos(plan, directory, Ground(server, _database(server), broker), _tell))
    _say(f"\n{outcome}")
    if outcome.violations:
        return 1
    shutil.rmtree(directory)
    return 0


def _plan() -> Plan:
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--log", type=EventLogKind, choices=list(EventLogKind), required=True)
    parser.add_argument("--faults", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    told = parser.parse_args()
    return Plan(told.log, told.seed, told.minutes * 60, strikes_min=told.faults, workers=told.workers)


def _database(server: Server) -> str:
    server.execute(f"CREATE DATABASE {DATABASE}")
    dsn = server.dsn(DATABASE)
    asyncio.run(migrate(dsn))
    asyncio.run(create_streams(dsn, PARTITIONS_DEFAULT))
    return dsn


def _tell(struck: Struck) -> None:
    fault = struck.fault
    felt = "felt" if struck.felt else "not felt"
    _say(f"{struck.at_s:7.1f} s  {fault.number:4} {fault.kind:28} {felt}, well again after {struck.took_s:.1f} s")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
