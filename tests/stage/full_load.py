"""`make load`: as many requests as go, on a whole stack on Kafka whose broker is killed again and again.

wrk counts what was redirected, Postgres what was clicked. Every answer is a click, and every click was an answer, but
for those that were under way when wrk left. The broker is killed 20 s after each time that it was ready.
"""

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
import orjson

from local.kafka.sessions import is_serving
from stage.api import Api
from stage.events import BROWSER
from stage.requirements import REPOSITORY, Requirement, need
from stage.up import Up, data_directory, is_running, started_up

CONNECTIONS: Final = 64
ADVOCATES: Final = 24
LINKS: Final = 240
WELL_SECONDS: Final = 20
"""How long the broker is left alone after it is ready."""

CAUGHT_UP_SECONDS_MAX: Final = 3_600
"""Redirects may be several times as fast as counts on a machine that has to do both."""

REDIRECTS_PER_SECOND_MAX: Final = 60_000
EVENT_BYTES_MAX: Final = 1_000

UNRECORDED: Final = "advolink_clicks_unrecorded_total"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What wrk and Postgres say. `under_way`: requests that may have been sent and not answered when wrk left."""

    seconds: float
    accepted: int
    refused: int
    broken: int
    p99_ms: float
    raw: int
    unrecorded: int
    kills: int
    under_way: int = CONNECTIONS

    @property
    def is_settled(self) -> bool:
        """Whether each answer is one click, and nothing was refused, broken off or unrecorded."""
        adds_up = self.accepted <= self.raw <= self.accepted + self.under_way
        return adds_up and not (self.refused or self.broken or self.unrecorded)

    def __str__(self) -> str:
        return (
            f"{self.accepted:,} redirects in {self.seconds:.0f} s ({self.accepted / self.seconds:,.0f} a second, p99"
            f" {self.p99_ms:.1f} ms), {self.refused} refused, {self.broken} broken off; {self.raw:,} raw clicks,"
            f" {self.unrecorded} unrecorded; the broker was killed {self.kills} times:"
            f" {'all is settled' if self.is_settled else 'IT DOES NOT ADD UP'}"
        )


def put_under_full_load(up: Up, seconds: int) -> Outcome:
    """Load a running stack, and wait until everything is counted."""
    with closing(Api(up)) as api:
        file = up.directory / "requests"
        file.write_bytes(b"".join(_request(code) for code in _issue_links(api)))
        with _killing_the_broker(up) as kills:
            told = _wrk(api.content["redirector"], file, seconds)
        api.caught_up(CAUGHT_UP_SECONDS_MAX)
        raw = api.raw_by_advocate().total()
        unrecorded = _sum_of(UNRECORDED, api.content["redirector_management"])
    requests, refused, broken = (int(told[name]) for name in ("requests", "refused", "broken"))
    return Outcome(told["seconds"], requests - refused, refused, broken, told["p99_ms"], raw, unrecorded, len(kills))


def _issue_links(api: Api) -> list[str]:
    for number in range(ADVOCATES):
        api.redirector.put(f"/v1/advocates/advocate-{number}", json={}).raise_for_status()
    codes = [f"link-{number}" for number in range(LINKS)]
    for number, code in enumerate(codes):
        advocate = f"advocate-{number % ADVOCATES}"
        api.issue({"advocate_id": advocate, "destination": f"https://example.com/{code}", "alias": code})
    return codes


def _request(code: str) -> bytes:
    return f"GET /{code} HTTP/1.1\r\nHost: go.example.com\r\nUser-Agent: {BROWSER}\r\n\r\n".encode()


def _wrk(url: str, requests: Path, seconds: int) -> dict[str, float]:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout=30s"]
    command += ["-s", str(REPOSITORY / "bench" / "requests.lua"), url]
    environment = {**os.environ, "ADVOLINK_BENCH_REQUESTS": str(requests)}
    said = subprocess.run(command, capture_output=True, check=True, env=environment).stdout
    told: dict[str, float] = orjson.loads(said.splitlines()[-1])
    return told


@contextmanager
def _killing_the_broker(up: Up) -> Iterator[list[int]]:
    """Kill the broker for the length of the block, each time it has been well for a while; yields who was killed."""
    over, killed = threading.Event(), list[int]()

    def keep_killing() -> None:
        while not over.is_set():
            if not asyncio.run(is_serving(up.content["kafka_bootstrap"])):
                over.wait(0.2)
            elif not over.wait(WELL_SECONDS):
                pid = up.pids["kafka"]
                if is_running(pid):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    thread = threading.Thread(target=keep_killing)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def _sum_of(metric: str, management_url: str) -> int:
    lines = httpx2.get(f"{management_url}/metrics", timeout=10).text.splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith((f"{metric} ", f"{metric}{{")))


@contextmanager
def loaded_stack(folder: Path, workers: int, seconds: int) -> Iterator[Up]:
    """A stack on a Kafka of its own, whose journals have room for all of a load that long.

    Much more is asked for than a broker that is killed all the time can take. We leave room for that, as an operator
    has to for as long as it may be away; and what was shipped need not be kept.
    """
    need(Requirement.WRK, present=shutil.which("wrk") is not None, reason="wrk is not installed")
    options = ("--log=kafka", f"--workers={workers}")
    bytes_max = REDIRECTS_PER_SECOND_MAX * EVENT_BYTES_MAX * seconds
    room = {"ADVOLINK_REDIRECTOR_JOURNAL_BYTES_MAX": str(bytes_max), "ADVOLINK_REDIRECTOR_JOURNAL_RETENTION": "PT0S"}
    with data_directory(folder) as directory, started_up(directory, *options, environment=room) as up:
        up.until_up()
        yield up


def main() -> int:
    """Run what the command line says; 1 where it does not add up."""
    parser = argparse.ArgumentParser(prog="make load")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--workers", type=int, required=True)
    told = parser.parse_args()
    seconds = round(told.minutes * 60)
    with (
        tempfile.TemporaryDirectory(prefix="advolink-load-") as folder,
        loaded_stack(Path(folder), told.workers, seconds) as up,
    ):
        outcome = put_under_full_load(up, seconds)
    sys.stdout.write(f"{outcome}\n")
    return 0 if outcome.is_settled else 1


if __name__ == "__main__":
    sys.exit(main())
