"""What a scan for codes costs those who only follow links: their redirects alone, and with the scan beside them."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final

import orjson

from candidates import JOURNAL_ONLY
from figures import Figure, Row, Table
from measure import LoadResult
from redirects import Contender, Rounds, chosen, make_site, start
from stack import LOAD_CPU
from stage.postgres import Server

UNKNOWN_PER_SECOND: Final = 2_000
SCANS: Final = {"a scan from one network": 1, "a scan from 100 000 networks": 100_000}
"""Name → how many networks it comes from."""

SCANNER: Final = Path(__file__).with_name("scanner.py")


@dataclass
class Scan:
    """What came of a scan, once it has ended: answers by status, and the seconds it took."""

    statuses: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def per_second(self, status: HTTPStatus | None = None) -> float:
        """Answers a second, of one status or of all."""
        count = self.statuses.get(str(status.value), 0) if status else sum(self.statuses.values())
        return count / self.seconds


def measure_scanning(server: Server, database: str, directory: Path, rounds: Rounds | None = None) -> Table:
    """Of the same redirector in turn without and with scans, the best round of each."""
    rounds = rounds or Rounds()
    site = make_site(server.dsn(database), directory)
    with ExitStack() as held:
        (candidate,) = chosen(Rounds(only=[JOURNAL_ONLY]))[:1]
        contender = start(candidate, site, held)
        if contender is None:
            raise RuntimeError(f"{JOURNAL_ONLY} needs nothing that a machine may lack")
        alone: list[LoadResult] = []
        beside: dict[str, list[tuple[LoadResult, Scan]]] = {name: [] for name in SCANS}
        for _ in range(rounds.count):
            alone.append(contender.put_under_load(rounds.seconds))
            for name, networks in SCANS.items():
                with _scanned(contender, networks) as scan:
                    beside[name].append((contender.put_under_load(rounds.seconds), scan))
        contender.expect_every_click()
    best = max(alone, key=lambda one: one.per_second)
    rows = [Row("redirects alone", _figures(best, best))]
    for name, results in beside.items():
        result, scan = max(results, key=lambda one: one[0].per_second)
        rows.append(Row(f"beside {name}", _figures(result, best, scan)))
    return Table(f"Redirects, journal only, and {UNKNOWN_PER_SECOND:,} unknown codes asked for each second", rows)


@contextmanager
def _scanned(contender: Contender, networks: int) -> Iterator[Scan]:
    """A scan for the length of the block, after which it says what came of it."""
    scan = Scan()
    with contender.thawed():
        command = ["taskset", "-c", str(LOAD_CPU), sys.executable, str(SCANNER), contender.running.url]
        scanner = subprocess.Popen([*command, str(UNKNOWN_PER_SECOND), str(networks)], stdout=subprocess.PIPE)
        yield scan
        scanner.send_signal(signal.SIGTERM)
        said, _ = scanner.communicate(timeout=60)
    found = orjson.loads(said)
    scan.statuses, scan.seconds = found["statuses"], found["seconds"]


def _figures(one: LoadResult, alone: LoadResult, scan: Scan | None = None) -> dict[str, Figure]:
    """What the server uses beyond what these redirects cost alone is the scan's."""
    unknown = scan.per_second() if scan else None
    return {
        "redirects/s": one.per_second,
        "x alone": one.per_second / alone.per_second,
        "p50 ms": one.p50_ms,
        "p99 ms": one.p99_ms,
        "unknown/s": unknown,
        "of them 429": scan.per_second(HTTPStatus.TOO_MANY_REQUESTS) if scan else None,
        "CPU us/redirect": alone.cpu_us,
        "CPU us/unknown": (one.cpu_us - alone.cpu_us) * one.per_second / unknown if unknown else None,
    }
