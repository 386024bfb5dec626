"""The redirector as a process: what goes over the wire, what stands in its log, and what its ends leave behind."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPMessage, parse_headers
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import pytest

from database.keys import Scope, create_key
from redirector.pages import PAGES
from stage.click_ids import split_location
from stage.click_log import write_twin
from stage.events import BROWSER
from stage.journals import clicks_in, logged_records, records_in
from stage.redirector_process import RedirectorProcess, redirector_process
from stage.waiting import eventually

DESTINATION = "https://www.example.com/"


@pytest.fixture(scope="module")
def module_key(module_dsn: str) -> str:
    return asyncio.run(create_key(module_dsn, name="test", scopes=[Scope.ADMIN]))


@pytest.fixture(scope="module")
def module_journals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("process") / "journals"


@pytest.fixture(scope="module")
def process(module_dsn: str, module_journals: Path) -> Iterator[RedirectorProcess]:
    """One process for the tests that do not end it."""
    with redirector_process(module_dsn, module_journals) as one:
        one.until_ready()
        yield one


def api(process: RedirectorProcess, key: str) -> httpx2.Client:
    return httpx2.Client(base_url=process.url, headers={"Authorization": f"Bearer {key}"}, timeout=10)


def issue(process: RedirectorProcess, key: str, **fields: Any) -> str:
    """A link's code."""
    with api(process, key) as client:
        client.put("/v1/advocates/ada", json={}).raise_for_status()
        answer = client.post("/v1/links", json={"advocate_id": "ada", "destination": DESTINATION, **fields})
        code: str = answer.raise_for_status().json()["code"]
    return code


def asked(process: RedirectorProcess, method: str, path: str, *lines: str) -> tuple[int, HTTPMessage, bytes]:
    """Status, headers and body of an answer, as they come over the wire."""
    head = [f"{method} {path} HTTP/1.1", "Host: go.example.com", f"User-Agent: {BROWSER}", "Connection: close", *lines]
    answer = BytesIO(process.exchange("\r\n".join([*head, "", ""]).encode("latin-1")))
    status = int(answer.readline().split()[1])
    return status, parse_headers(answer), answer.read()


def journal_directory(journals: Path) -> Path:
    """The one live journal."""
    (directory,) = (path for path in (journals / "live").iterdir() if path.is_dir())
    return directory


DATE_AGE_MAX = timedelta(seconds=3)
"""The server looks at the clock once a second, and later where it is busy."""


def test_a_redirect_over_the_wire(process: RedirectorProcess, module_key: str) -> None:
    """The headers of the issue, a Date, and nothing that tells what serves it."""
    code = issue(process, module_key)
    before = datetime.now(UTC)
    status, headers, body = asked(process, "GET", f"/{code}")
    assert (status, body) == (HTTPStatus.FOUND, b"")
    assert before - DATE_AGE_MAX <= parsedate_to_datetime(headers["date"]) <= datetime.now(UTC)
    shown = {name.lower(): value for name, value in headers.items() if name.lower() != "date"}
    assert split_location(shown.pop("location"))[0] == DESTINATION
    assert shown == {
        "cache-control": "private, no-store",
        "referrer-policy": "strict-origin-when-cross-origin",
        "x-robots-tag": "noindex",
        "content-length": "0",
        "connection": "close",
    }


@pytest.mark.parametrize("state", ["active", "gone", "unknown", "robots"])
def test_head_has_the_headers_of_get_and_no_body(process: RedirectorProcess, module_key: str, state: str) -> None:
    """Content-Length included: it says what a GET would bring."""
    ended = {"expires_at": "2022-01-01T00:00:00Z"} if state == "gone" else {}
    paths = {"unknown": "unknown1", "robots": "robots.txt"}
    path = "/" + (paths.get(state) or issue(process, module_key, **ended))
    got, headed = asked(process, "GET", path), asked(process, "HEAD", path)
    for headers in (got[1], headed[1]):
        del headers["date"]
        if "location" in headers:  # each click has an id of its own
            headers.replace_header("location", split_location(headers["location"])[0])
    assert (headed[0], headed[1].items(), headed[2]) == (got[0], got[1].items(), b"")
    assert int(headed[1]["content-length"]) == len(got[2])


def test_a_page_over_the_wire(process: RedirectorProcess) -> None:
    """Readable, and kept by nobody."""
    status, headers, body = asked(process, "GET", "/unknown1")
    assert (status, body.decode()) == (HTTPStatus.NOT_FOUND, PAGES[HTTPStatus.NOT_FOUND])
    assert headers["cache-control"] == "private, no-store"
    assert headers["x-robots-tag"] == "noindex"


@pytest.mark.parametrize(
    "body_headers", [["Content-Length: 9000000000"], ["Content-Length: 1048577"], ["Transfer-Encoding: chunked"]]
)
def test_a_body_that_is_too_large_is_refused_on_the_wire(
    process: RedirectorProcess, module_key: str, body_headers: list[str]
) -> None:
    """By what it says, before it is sent; or by what it turns out to be."""
    lines = [*body_headers, "Content-Type: application/json", f"Authorization: Bearer {module_key}"]
    head = "\r\n".join(["POST /v1/links HTTP/1.1", "Host: x", "Connection: close", *lines, "", ""]).encode()
    chunks = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    answer = process.exchange(head + (chunks * 17 if "chunked" in body_headers[0] else b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"urn:advolink:problem:body-too-large" in answer


RUBBISH = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/9.9\r\n\r\n",
    b"rubbish\r\n\r\n",
    b"\r\n" * 100 + b"\0\0\0\0\r\n\r\n",
    b"GET /abc HTTP/1.1\r\nHost: x\r\nUser-Agent: a\0b\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /v1/links HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/links HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /abc HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n",
]


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_what_is_no_http_is_answered_and_changes_nothing(process: RedirectorProcess, rubbish: bytes) -> None:
    """A 4xx at most, and the next request is served."""
    answer = process.exchange(rubbish)
    assert not answer or answer.startswith(b"HTTP/1.1 4")
    assert asked(process, "GET", "/robots.txt")[0] == HTTPStatus.OK


def test_what_operators_see_is_on_a_port_of_its_own(process: RedirectorProcess) -> None:
    """Alive, ready and metrics; on the public port the same words are codes that nobody has."""
    for path, told in (("/healthz", "alive"), ("/readyz", '"ready":true'), ("/metrics", "advolink_redirects_total")):
        answer = httpx2.get(f"{process.management_url}{path}", timeout=5)
        assert answer.status_code == HTTPStatus.OK
        assert told in answer.text
        assert asked(process, "GET", path)[0] == HTTPStatus.NOT_FOUND


def test_no_address_is_stored_or_logged(
    process: RedirectorProcess, module_key: str, module_journals: Path, module_dsn: str
) -> None:
    """Guarantee 8, with clients that come from an address of their own and are forwarded by proxies."""
    code = issue(process, module_key)
    forwarded = dict.fromkeys(["X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "Via"], "203.0.113.77")
    transport = httpx2.HTTPTransport(local_address="127.0.0.77")
    with httpx2.Client(transport=transport, base_url=process.url, headers=forwarded) as client:
        for path in (f"/{code}", "/unknown1", "/v1/links", "/a b"):
            client.get(path)
        client.post("/v1/links", content=b"{", headers={"Authorization": "Bearer nonsense"})
    before = process.said
    process.exchange(b"rubbish\r\n\r\n")
    eventually(lambda: process.said != before, what="the rubbish is logged")
    directory = journal_directory(module_journals)
    assert clicks_in(directory)[-1].code == code
    journaled = b"".join(path.read_bytes() for path in directory.iterdir() if path.is_file())
    eventually(lambda: asyncio.run(logged_records(module_dsn)) == records_in(directory), what="all is shipped")
    for address in ("127.0.0.77", "203.0.113.77"):
        assert address not in process.said
        assert address.encode() not in journaled


def run_import(process: RedirectorProcess, key: str, file: Path) -> "subprocess.CompletedProcess[str]":
    """`advolink import clicks FILE`, as a person runs it."""
    stack = {"ADVOLINK_REDIRECTOR_URL": process.url, "ADVOLINK_AGGREGATOR_URL": process.url, "ADVOLINK_API_KEY": key}
    command = [sys.executable, "-m", "advolink", "import", "clicks", "--format", "bitly", str(file)]
    return subprocess.run(
        command, env={**os.environ, **stack}, capture_output=True, text=True, timeout=60, check=False, cwd=file.parent
    )


def test_the_command_names_bad_lines_and_succeeds_if_any_was_taken(
    process: RedirectorProcess, module_key: str, tmp_path: Path
) -> None:
    """Twice: nothing is counted twice. With nothing but rubbish it fails."""
    file = write_twin(tmp_path / "twin.jsonl", 100)
    with file.open("a", encoding="utf-8") as appended:
        appended.write("rubbish\n")
    first, again = (run_import(process, module_key, file) for _ in range(2))
    assert (first.returncode, again.returncode) == (0, 0)
    assert "100 clicks in 105 lines, 1 left out." in first.stdout
    assert "line 105: not_json: " in first.stderr
    assert "imported before: nothing is counted twice" in again.stdout
    file.write_text("rubbish\n" * 3, encoding="utf-8")
    rubbish = run_import(process, module_key, file)
    assert rubbish.returncode == 1
    assert "No line of the file is a click." in rubbish.stderr
    refused = run_import(process, "nonsense", file)
    assert refused.returncode == 1
    assert "the API key is not known" in refused.stderr


# ------------------------------------------------------------ how it ends


def test_a_stop_in_order_leaves_nothing_to_do(database_dsn: str, key: str, journals: Path) -> None:
    """Exit status 0, every click shipped and acked, the journal free for the next."""
    with redirector_process(database_dsn, journals) as one:
        one.until_ready()
        code = issue(one, key)
        for _ in range(20):
            assert asked(one, "GET", f"/{code}")[0] == HTTPStatus.FOUND
        assert one.end(signal.SIGTERM) == 0
        assert "Traceback" not in one.said
    directory = journal_directory(journals)
    assert len(clicks_in(directory)) == 20
    assert asyncio.run(logged_records(database_dsn)) == records_in(directory)
    with redirector_process(database_dsn, journals) as next_one:
        next_one.until_ready()
        assert f"writing to journal {directory.name}" in next_one.said
        assert next_one.end(signal.SIGINT) == 0


def test_a_kill_loses_no_click_that_was_answered(database_dsn: str, key: str, journals: Path) -> None:
    """Killed (-9) among many requests: answered ≤ journaled ≤ sent, and the next process ships all of it."""
    with redirector_process(database_dsn, journals) as one:
        one.until_ready()
        code = issue(one, key)
        answered, sent = storm_until_killed(one, code)
    directory = journal_directory(journals)
    journaled = len(clicks_in(directory))
    assert answered <= journaled <= sent
    with redirector_process(database_dsn, journals) as next_one:
        next_one.until_ready()
        assert asked(next_one, "GET", f"/{code}")[0] == HTTPStatus.FOUND
        eventually(lambda: asyncio.run(logged_records(database_dsn)) == records_in(directory), what="all is shipped")
        assert len(clicks_in(directory)) == journaled + 1


def storm_until_killed(process: RedirectorProcess, code: str) -> tuple[int, int]:
    """Follow a link from several threads until the process is killed in the middle of it: answered, and sent."""
    answered, sent = [0] * 4, [0] * 4

    def follow(index: int) -> None:
        with httpx2.Client(base_url=process.url, timeout=10) as client:
            while True:
                sent[index] += 1
                try:
                    status = client.get(f"/{code}").status_code
                except httpx2.TransportError:
                    return
                answered[index] += status == HTTPStatus.FOUND

    threads = [threading.Thread(target=follow, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: sum(answered) > 200, what="the storm is on")
    process.end(signal.SIGKILL)
    for thread in threads:
        thread.join(timeout=30)
    return sum(answered), sum(sent)


def test_a_journal_made_for_other_partitions_stops_the_start(database_dsn: str, journals: Path) -> None:
    """A changed setting is named before a single click goes elsewhere."""
    with redirector_process(database_dsn, journals) as one:
        one.until_ready()
        one.end()
    with redirector_process(database_dsn, journals, ADVOLINK_PARTITIONS="5") as wrong:
        assert wrong.process.wait(timeout=30) != 0
        assert "was made for 12 partitions, not 5; set them back" in wrong.said
