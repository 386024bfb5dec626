"""The servers whose redirects are measured, each on the core it is given: yardsticks and our own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import orjson

from browsers import PROXY
from event_log.settings import EventLogKind
from link_events.events import EventType
from redirector.journal.frames import Frame, scan_frames
from redirector.journal.journal import JournalLevel
from redirector.journal.segments import read_header
from stack import kafka_settings, on_core, service, until_answers
from stage.kafka import launched_kafka
from stage.ports import free_port, reserved_port
from stage.requirements import Requirement, need
from stage.topics import fresh_topics

YARDSTICKS: Final = Path(__file__).with_name("yardsticks")
DESTINATION: Final = "https://www.example.com/landing/"
BEFORE_CLICK_ID: Final = "?advolink_click_id="
QUERY: Final = f"{BEFORE_CLICK_ID}{'A' * 40}"
"""So that the yardsticks' answers are as long as ours, which carry a click id."""

NGINX: Final = "nginx"
FASTAPI: Final = "plain FastAPI route"
JOURNAL_ONLY: Final = "advolink, journal only"
THROUGH_FRAMEWORK: Final = "advolink, HEAD (through FastAPI)"
OTHER_PYTHON: Final = "BENCH_PYTHON"
"""The variable that names a second Python in which requirements.lock is installed."""

SEARCHED: Final = f"{os.environ['PATH']}:/usr/sbin:/usr/local/go/bin"
"""Where programs are looked for: nginx and Go are often on nobody's PATH."""


@dataclass(frozen=True)
class Site:
    """What candidates share: a database with the links, a directory, a file with a code and its destination a line."""

    dsn: str
    directory: Path
    links: Path


@dataclass(frozen=True)
class Running:
    """A server that runs. `clicks` counts what it has recorded, from outside; none where it records nothing.

    Of one of ours, `events` counts those of one type in its journals.
    """

    url: str
    pid: int
    clicks: Callable[[], int] | None = None
    events: Callable[[EventType], int] = lambda _: 0


@dataclass(frozen=True)
class Candidate:
    """One row: how the server is started, and what it is asked with (`browsers.write_requests`)."""

    name: str
    start: Callable[[Site], AbstractContextManager[Running]]
    method: str = "GET"
    scattered: bool = False
    ours: bool = True


def candidates() -> list[Candidate]:
    """All of them, yardsticks first. What is not on this machine says so when it is started."""
    found = [
        Candidate(NGINX, partial(_nginx, logs=True), ours=False),
        Candidate("nginx without its log", partial(_nginx, logs=False), ours=False),
        Candidate("Go net/http, a JSON line a click", _go, ours=False),
        Candidate(FASTAPI, _fastapi, ours=False),
        Candidate(JOURNAL_ONLY, _journal_only),
        Candidate(f"{JOURNAL_ONLY}, scattered heads", _journal_only, scattered=True),
        Candidate(f"{JOURNAL_ONLY}, level disk", partial(_journal_only, level=JournalLevel.DISK)),
        Candidate("advolink, shipping to Postgres", _shipping_to_postgres),
        Candidate("advolink, shipping to Kafka", _shipping_to_kafka),
        Candidate(THROUGH_FRAMEWORK, _journal_only, method="HEAD"),
    ]
    if other := os.environ.get(OTHER_PYTHON):
        found.append(Candidate(f"{JOURNAL_ONLY}, other Python", partial(_journal_only, python=other)))
    return found


@contextmanager
def _nginx(site: Site, *, logs: bool) -> Iterator[Running]:
    nginx = shutil.which("nginx", path=SEARCHED)
    need(Requirement.NGINX, present=nginx is not None, reason="there is no nginx (Debian: nginx-light)")
    directory = site.directory / ("nginx" if logs else "nginx-without-log")
    directory.mkdir()
    port, log = free_port(), directory / "access.log"
    text = (YARDSTICKS / "nginx.conf").read_text(encoding="utf-8").replace("PORT", str(port)).replace("QUERY", QUERY)
    text = text.replace("ACCESS_LOG", str(log) if logs else "off")
    (directory / "nginx.conf").write_text(text, encoding="utf-8")
    command = [str(nginx), "-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", "stderr"]
    with _started(site, command, port) as running:
        yield Running(running.url, running.pid, partial(_lines, log) if logs else None)


@contextmanager
def _go(site: Site) -> Iterator[Running]:
    go = shutil.which("go", path=SEARCHED)
    need(Requirement.GO, present=go is not None, reason="there is no Go to build bench/yardsticks/redirector.go with")
    program, log, port = site.directory / "redirector", site.directory / "clicks.jsonl", free_port()
    subprocess.run([str(go), "build", "-o", program, YARDSTICKS / "redirector.go"], check=True)
    with _started(site, [str(program), str(site.links), str(port), str(log)], port) as running:
        yield Running(running.url, running.pid, partial(_lines, log))


def _fastapi(site: Site) -> AbstractContextManager[Running]:
    port = free_port()
    return _started(site, [sys.executable, str(YARDSTICKS / "plain_fastapi.py"), str(site.links), str(port)], port)


@contextmanager
def _started(site: Site, command: list[str], port: int) -> Iterator[Running]:
    """A yardstick until the block ends, once it redirects the first link."""
    with site.links.open(encoding="utf-8") as links:
        first = links.readline().split(" ")[0]
    with (site.directory / "yardsticks.log").open("ab") as said, on_core(command, os.environ, said.fileno()) as pid:
        until_answers(f"http://127.0.0.1:{port}/{first}")
        yield Running(f"http://127.0.0.1:{port}", pid)


@contextmanager
def _journal_only(
    site: Site, *, level: JournalLevel = JournalLevel.PROCESS, python: str = sys.executable
) -> Iterator[Running]:
    """The shipper is held back: its event log is a Kafka where none is."""
    with reserved_port() as nobody:
        shared = {"ADVOLINK_EVENT_LOG": EventLogKind.KAFKA, "ADVOLINK_KAFKA_BOOTSTRAP": f"127.0.0.1:{nobody}"}
        with _redirector(site, shared, {"JOURNAL_LEVEL": level}, python) as running:
            yield running


def _shipping_to_postgres(site: Site) -> AbstractContextManager[Running]:
    return _redirector(site, {})


@contextmanager
def _shipping_to_kafka(site: Site) -> Iterator[Running]:
    with launched_kafka() as broker, _redirector(site, kafka_settings(fresh_topics(broker.bootstrap))) as running:
        yield running


@contextmanager
def _redirector(
    site: Site, shared: Mapping[str, str], settings: Mapping[str, str] | None = None, python: str = sys.executable
) -> Iterator[Running]:
    journals = site.directory / f"journals-{free_port()}"
    own = {
        "JOURNAL_DIR": str(journals),
        "DRAIN_SECONDS": "0",
        "TRUSTED_PROXIES": orjson.dumps([PROXY]).decode(),
        **(settings or {}),
    }
    with service("redirector", site.directory, site.dsn, own, shared, python=python) as (url, pid):
        yield Running(url, pid, partial(_events_in, journals, EventType.CLICK), partial(_events_in, journals))


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _events_in(journals: Path, event_type: EventType) -> int:
    """Those of one type among the events that lie in the segments, also while their owner runs."""
    found = 0
    for path in journals.rglob("*.segment"):
        data = path.read_bytes()
        for _, event in scan_frames(data, read_header(data).size_bytes):
            found += isinstance(event, Frame) and event_type.encode() in event.payload
    return found
