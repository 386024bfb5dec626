"""Several workers behind one port: one redirector to everybody outside, and none of them can hurt the others."""

import asyncio
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

import httpx2
import orjson
import pytest

from database.keys import Scope, create_key
from redirector.journal.adoption import is_done
from redirector.links.resolving import FOLLOW_INTERVAL
from redirector.settings import RedirectorSettings
from redirector.workers.parent import PIDS_FILE
from stage.click_log import write_twin
from stage.events import BROWSER
from stage.journals import clicks_in, logged_records, records_in
from stage.redirector_process import RedirectorProcess, redirector_process
from stage.up import is_running
from stage.waiting import eventually

WORKERS = 3
CONNECTIONS = 40
"""The kernel deals them out by chance: one of three workers gets none of them once in ten million times."""

OLD, NEW = "https://www.example.com/old", "https://www.example.com/new"


@pytest.fixture(scope="module")
def module_journals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers") / "journals"


@pytest.fixture(scope="module")
def process(module_dsn: str, module_journals: Path) -> Iterator[RedirectorProcess]:
    """One redirector for the tests that do not end it."""
    with redirector_process(module_dsn, module_journals, workers=str(WORKERS)) as one:
        one.until_ready()
        yield one


@pytest.fixture(scope="module")
def module_key(module_dsn: str) -> str:
    return asyncio.run(create_key(module_dsn, name="test", scopes=[Scope.ADMIN]))


def pids(journals: Path) -> dict[str, int]:
    """The workers' pids by name, as their parent tells them."""
    told: dict[str, int] = orjson.loads((journals / PIDS_FILE).read_bytes())
    return told


def ask(connection: HTTPConnection, method: str, path: str, key: str = "", body: Any = None) -> tuple[int, Any, bytes]:
    """Ask on a connection that is kept: status, headers and body."""
    headers = {
        "User-Agent": BROWSER,
        "Content-Type": "application/json",
        **({"Authorization": f"Bearer {key}"} if key else {}),
    }
    connection.request(method, path, None if body is None else orjson.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


@contextmanager
def to_every_worker(process: RedirectorProcess) -> Iterator[list[HTTPConnection]]:
    """Connections that stay open, some to each worker."""
    with ExitStack() as held:
        connections = [HTTPConnection("127.0.0.1", process.port, timeout=10) for _ in range(CONNECTIONS)]
        for one in connections:
            held.callback(one.close)
            one.connect()
        yield connections


def issue(process: RedirectorProcess, key: str, destination: str = OLD, **fields: Any) -> str:
    """A link's code."""
    with httpx2.Client(base_url=process.url, headers={"Authorization": f"Bearer {key}"}, timeout=10) as client:
        client.put("/v1/advocates/ada", json={}).raise_for_status()
        answer = client.post("/v1/links", json={"advocate_id": "ada", "destination": destination, **fields})
        code: str = answer.raise_for_status().json()["code"]
    return code


def metrics(process: RedirectorProcess) -> dict[str, float]:
    """Every sample, as Prometheus would read it."""
    text = httpx2.get(f"{process.management_url}/metrics", timeout=5).text
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}


def live(journals: Path) -> list[Path]:
    """The live journals that are not done."""
    return [path for path in sorted((journals / "live").iterdir()) if not is_done(path)]


# ------------------------------------------------------------ as one redirector


def test_each_worker_redirects_and_has_a_journal_of_its_own(
    process: RedirectorProcess, module_key: str, module_journals: Path
) -> None:
    """Every answered click is in one of them, and every worker counts its own."""
    code = issue(process, module_key)
    before = sum(len(clicks_in(one)) for one in live(module_journals))
    with to_every_worker(process) as connections:
        for one in connections:
            assert ask(one, "GET", f"/{code}")[0] == HTTPStatus.FOUND
        told = metrics(process)
    assert len(live(module_journals)) == WORKERS
    assert sum(len(clicks_in(one)) for one in live(module_journals)) == before + CONNECTIONS
    redirects = [
        told[f'advolink_redirects_total{{worker="{number}",status="302"}}'] for number in range(1, WORKERS + 1)
    ]
    assert all(redirects)
    assert sum(told[f'advolink_connections{{worker="{number}"}}'] for number in range(1, WORKERS + 1)) >= CONNECTIONS
    assert [told[f'advolink_worker_up{{worker="{number}"}}'] for number in range(1, WORKERS + 1)] == [1] * WORKERS


def test_a_changed_link_reaches_every_worker_within_two_seconds(process: RedirectorProcess, module_key: str) -> None:
    """Asked of one, seen by all: on connections to each of them. The bound here is generous, the interval is not."""
    code = issue(process, module_key)
    with to_every_worker(process) as connections:

        def destinations() -> set[str]:
            return {ask(one, "GET", f"/{code}")[1]["location"].partition("?")[0] for one in connections}

        eventually(lambda: destinations() == {OLD}, what="every worker has it in memory")
        status, *_ = ask(connections[0], "PATCH", f"/v1/links/{code}", module_key, {"destination": NEW})
        assert status == HTTPStatus.OK
        eventually(lambda: destinations() == {NEW}, seconds_max=6, what="every worker redirects to the new destination")
    assert FOLLOW_INTERVAL.total_seconds() <= 1


def test_an_alias_asked_for_through_every_worker_at_once_is_one_link(
    process: RedirectorProcess, module_key: str
) -> None:
    """One of them makes it; to the others it is taken."""
    issue(process, module_key)
    body = {"advocate_id": "ada", "destination": OLD, "alias": "only-once"}
    with to_every_worker(process) as connections, ThreadPoolExecutor(CONNECTIONS) as threads:
        answers = list(threads.map(lambda one: ask(one, "POST", "/v1/links", module_key, body)[0], connections))
    assert sorted(set(answers)) == [HTTPStatus.CREATED, HTTPStatus.CONFLICT]
    assert answers.count(HTTPStatus.CREATED) == 1


def test_an_import_through_any_worker_is_one_import(
    process: RedirectorProcess, module_key: str, module_journals: Path, tmp_path: Path
) -> None:
    """At once it is one that runs and others that are told so; later it was imported before. No key, no import."""
    content = write_twin(tmp_path / "twin.jsonl", 300).read_bytes()
    path = "/v1/clicks/import?format=bitly"

    def post(connection: HTTPConnection, key: str = module_key) -> tuple[int, dict[str, Any]]:
        connection.request("POST", path, content, {"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        return answer.status, orjson.loads(answer.read())

    with to_every_worker(process) as connections, ThreadPoolExecutor(8) as threads:
        at_once = list(threads.map(post, connections[:8]))
    with to_every_worker(process) as connections:
        afterwards = [post(one) for one in connections[:20]]
        assert post(connections[0], "nonsense")[0] == HTTPStatus.UNAUTHORIZED
        assert ask(connections[1], "GET", "/v1/clicks/import/0011223344556677", module_key)[0] == HTTPStatus.NOT_FOUND
    assert {status for status, _ in at_once} <= {HTTPStatus.OK, HTTPStatus.CONFLICT}
    assert [(status, told.get("clicks"), told.get("imported_before")) for status, told in afterwards] == [
        (HTTPStatus.OK, 300, True)
    ] * 20
    assert [path.name for path in (module_journals / "imports").iterdir()] == [afterwards[0][1]["import_id"]]


def test_many_connections_that_say_nothing_or_little_hold_up_no_redirect(
    process: RedirectorProcess, module_key: str
) -> None:
    """A thousand idle ones, and a hundred whose heads come a byte at a time."""
    code = issue(process, module_key)
    with ExitStack() as held, to_every_worker(process) as connections:
        for number in range(1_000):
            idle = held.enter_context(_plain(process.port))
            if number % 10 == 0:
                idle.sendall(f"GET /{code} HTTP/1.1\r\nhost: h\r\nx-slow: ".encode())
        took_s = []
        for one in connections:
            began_s = time.monotonic()
            assert ask(one, "GET", f"/{code}")[0] == HTTPStatus.FOUND
            took_s.append(time.monotonic() - began_s)
    assert sorted(took_s)[len(took_s) // 2] < 0.5


def _plain(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


# ------------------------------------------------------------ how they end


def test_a_killed_worker_is_back_and_goes_on_in_its_journal(database_dsn: str, key: str, journals: Path) -> None:
    with redirector_process(database_dsn, journals, workers="2") as one:
        one.until_ready()
        code, before = issue(one, key), live(journals)
        victim = pids(journals)["redirector-2"]
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: pids(journals)["redirector-2"] != victim, what="it is started again")
        one.until_ready()
        assert live(journals) == before
        with to_every_worker(one) as connections:
            assert {ask(each, "GET", f"/{code}")[0] for each in connections} == {HTTPStatus.FOUND}
        assert metrics(one)['advolink_worker_deaths_total{worker="2"}'] == 1


def test_a_killed_parent_takes_its_workers_along(database_dsn: str, key: str, journals: Path) -> None:
    """And the next one goes on where they were."""
    with redirector_process(database_dsn, journals, workers="2") as one:
        one.until_ready()
        workers = pids(journals).values()
        one.end(signal.SIGKILL)
        eventually(lambda: not any(map(is_running, workers)), what="the workers have died")
        before = live(journals)
    with redirector_process(database_dsn, journals, workers="2") as next_one:
        next_one.until_ready()
        assert live(journals) == before
        assert next_one.end() == 0


def test_a_stop_in_order_leaves_nothing_to_do(database_dsn: str, key: str, journals: Path) -> None:
    """Exit status 0, every click of every worker shipped, no worker and no private place left."""
    with redirector_process(database_dsn, journals, workers="2") as one:
        one.until_ready()
        code, workers = issue(one, key), pids(journals).values()
        with to_every_worker(one) as connections:
            for each in connections:
                assert ask(each, "GET", f"/{code}")[0] == HTTPStatus.FOUND
        assert one.end() == 0
        assert not any(map(is_running, workers))
        assert "Traceback" not in one.said
    assert not (journals / PIDS_FILE).exists()
    logged = {record for records in asyncio.run(logged_records(database_dsn)).values() for record in records}
    assert logged == {record for one in live(journals) for records in records_in(one).values() for record in records}
    assert sum(len(clicks_in(directory)) for directory in live(journals)) == CONNECTIONS


def test_a_stop_while_workers_are_starting_ends_them(database_dsn: str, journals: Path) -> None:
    """Twice, as an impatient person does: exit status 0, and nobody is left."""
    with redirector_process(database_dsn, journals, workers="2") as one:
        eventually((journals / PIDS_FILE).exists, seconds_max=30, what="the first worker is being started")
        one.process.send_signal(signal.SIGTERM)
        assert one.end() == 0
        started = {int(pid) for pid in re.findall(r"runs as pid (\d+)", one.said)}
        assert not any(map(is_running, started))
        assert "Traceback" not in one.said


def test_with_fewer_workers_the_journals_of_the_others_end(database_dsn: str, key: str, journals: Path) -> None:
    """Three yesterday, two today: one journal is sealed, shipped and let go; with more again, there is a new one."""
    for workers in (3, 2):
        with redirector_process(database_dsn, journals, workers=str(workers)) as one:
            one.until_ready()
            eventually(lambda workers=workers: len(live(journals)) == workers, what="as many journals as workers")  # type: ignore[misc]
            assert one.end() == 0
    assert len(list((journals / "live").iterdir())) == 3


def test_a_port_that_somebody_has_is_named_and_nothing_is_started(database_dsn: str, journals: Path) -> None:
    """Also where those who have it share it: a second redirector would get half of the first one's requests."""
    with redirector_process(database_dsn, journals, workers="2") as one:
        one.until_ready()
        second = journals.with_name("second")
        with redirector_process(database_dsn, second, workers="2", port=str(one.port)) as refused:
            assert refused.process.wait(timeout=30) == 1
            assert f"127.0.0.1:{one.port} is already in use by another process." in refused.said
        assert not second.exists()


@pytest.mark.parametrize("workers", ["0", "65"])
def test_a_number_of_workers_that_makes_no_sense_is_refused(database_dsn: str, journals: Path, workers: str) -> None:
    with redirector_process(database_dsn, journals, workers=workers) as one:
        assert one.process.wait(timeout=30) == 1
        assert "ADVOLINK_REDIRECTOR_WORKERS cannot be used" in one.said


def test_workers_redirect_without_postgres_and_kafka(journals: Path) -> None:
    """They start, and are ready; a code that nobody knows yet is 503."""
    with redirector_process("postgresql://nobody@127.0.0.1:1/nothing", journals, workers="2") as one:
        eventually(lambda: _is_ready(one), seconds_max=30, what="both workers are ready")
        with to_every_worker(one) as connections:
            assert {ask(each, "GET", "/unknown1")[0] for each in connections} == {HTTPStatus.SERVICE_UNAVAILABLE}
        assert one.end() == 0


def _is_ready(process: RedirectorProcess) -> bool:
    try:
        return httpx2.get(f"{process.management_url}/readyz", timeout=5).is_success
    except httpx2.TransportError:
        return False


# ------------------------------------------------------------ traffic meanwhile


class Traffic:
    """Threads that follow a link, one request after the other, and connect again where an answer says so."""

    def __init__(self, port: int, code: str, threads: int = 8) -> None:
        self.answered = 0
        self.lost: list[str] = []
        self._counting = threading.Lock()
        self._stop = threading.Event()
        self._port = port
        self._code = code
        self._threads = [threading.Thread(target=self._follow) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        eventually(lambda: self.answered > 100, what="there is traffic")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def _follow(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._stop.is_set():
            try:
                status, *_ = ask(connection, "GET", f"/{self._code}")
            except OSError as error:
                self.lost.append(repr(error))
                connection.close()
                continue
            if status != HTTPStatus.FOUND:
                self.lost.append(str(status))
            with self._counting:
                self.answered += 1
        connection.close()


def test_a_worker_that_is_stopped_under_traffic_loses_no_request(database_dsn: str, key: str, journals: Path) -> None:
    """SIGTERM to each of two workers in turn, several times: every request that was sent has its answer."""
    with redirector_process(database_dsn, journals, workers="2") as one:
        one.until_ready()
        code = issue(one, key)
        with Traffic(one.port, code) as traffic:
            for name in ("redirector-1", "redirector-2", "redirector-1"):
                stopped = pids(journals)[name]
                os.kill(stopped, signal.SIGTERM)
                eventually(_is_back(one, journals, name, stopped), seconds_max=30, what=f"{name} is back")
        assert traffic.lost == []
        assert one.end() == 0
    recorded = sum(len(clicks_in(directory)) for directory in live(journals))
    assert recorded == traffic.answered


def _is_back(process: RedirectorProcess, journals: Path, name: str, stopped: int) -> Callable[[], bool]:
    return lambda: pids(journals)[name] != stopped and _is_ready(process)


def test_settings_of_a_worker_are_its_parents_to_give() -> None:
    with pytest.raises(ValueError, match="is not for you to set"):
        RedirectorSettings.model_validate({"ADVOLINK_POSTGRES_DSN": "postgresql://here", "worker": 1})
