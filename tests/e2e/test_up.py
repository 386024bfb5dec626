"""`advolink up` with the real services: up, found, killed in every way, and nothing lost (DESIGN §14)."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx2
import pytest

from stage.up import Up, data_directory, is_running, started_up
from stage.waiting import eventually

BASE_URLS = ("redirector", "aggregator", "redirector_management", "aggregator_management")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    with data_directory(tmp_path) as path:
        yield path


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A stack that is up, for the tests that leave it so."""
    with data_directory(tmp_path_factory.mktemp("up")) as path, started_up(path) as running:
        running.until_up()
        yield running


def put_advocate(up: Up, advocate_id: str) -> None:
    """What the terminal says to try next."""
    answer = eventually(lambda: _put(up, f"/v1/advocates/{advocate_id}", {"display_name": "Ada"}), seconds_max=60)
    assert answer is not None
    assert answer.is_success, answer.text


def issue_link(up: Up, advocate_id: str, alias: str) -> httpx2.Response:
    """Ask for a link with a code of one's own."""
    body = {"advocate_id": advocate_id, "destination": "https://example.com/", "alias": alias}
    return httpx2.post(f"{up.content['redirector']}/v1/links", headers=_authorized(up), json=body)


def redirects(up: Up, code: str) -> bool:
    """Whether the link `code` leads somewhere now."""
    try:
        return httpx2.get(f"{up.content['redirector']}/{code}").status_code == HTTPStatus.FOUND
    except httpx2.TransportError:
        return False


def is_ready(up: Up, name: str) -> bool:
    """Whether the service `name` says it is."""
    try:
        return httpx2.get(f"{up.content[f'{name}_management']}/readyz").is_success
    except httpx2.TransportError:
        return False


def test_up_json_says_everything_and_only_to_its_owner(up: Up) -> None:
    content = up.content
    assert set(content) == {*BASE_URLS, "api_key", "postgres_dsn", "kafka_bootstrap", "pids"}
    assert set(content["pids"]) == {"up", "redirector", "aggregator", "postgres"}
    assert content["pids"]["up"] == up.process.pid
    assert all(map(is_running, content["pids"].values()))
    assert content["kafka_bootstrap"] is None
    assert is_ready(up, "redirector")
    assert is_ready(up, "aggregator")
    assert stat.S_IMODE((up.directory / "up.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(up.directory.stat().st_mode) == 0o700


def test_the_terminal_has_the_addresses_and_the_key_and_is_quiet_then(directory: Path) -> None:
    with started_up(directory) as up:
        up.until_up()
        eventually(lambda: "Ctrl-C stops everything" in up.said)
        said = up.said
        assert all(up.content[name] in said for name in (*BASE_URLS, "api_key"))
        put_advocate(up, "ada")
        assert up.stop(signal.SIGINT) == 0
    assert up.said == said + "advolink stops …\nadvolink has stopped.\n"


def test_a_second_up_on_the_same_directory_is_refused(up: Up) -> None:
    with started_up(up.directory) as second:
        assert second.until_ended() == 1
        sentence = second.said.splitlines()
    assert len(sentence) == 1
    assert f"in use by another `advolink up` (pid {up.process.pid})" in sentence[0]
    assert is_ready(up, "redirector")
    assert up.pids["up"] == up.process.pid


def test_a_second_up_on_the_same_port_is_refused(up: Up, tmp_path: Path) -> None:
    port = up.content["redirector"].rpartition(":")[2]
    with started_up(tmp_path / "other", f"--redirector-port={port}") as second:
        assert second.until_ended() == 1
        assert f"Port {port} is already in use" in second.said


@pytest.mark.parametrize("name", ["redirector", "aggregator", "postgres"])
def test_a_child_that_is_killed_is_started_again_and_up_json_follows(up: Up, name: str) -> None:
    before = up.pids
    os.kill(before[name], signal.SIGKILL)
    eventually(lambda: up.pids[name] != before[name], what=f"{name} has a new pid")
    others = {other: pid for other, pid in before.items() if other != name}
    assert {other: pid for other, pid in up.pids.items() if other != name} == others
    eventually(lambda: is_ready(up, "redirector") and is_ready(up, "aggregator"), seconds_max=60)
    put_advocate(up, "ada")
    assert f"{name} (pid {before[name]}) was killed by SIGKILL; starting it again in 0.2 s" in up.said


def test_when_up_is_killed_its_children_die_and_the_next_up_has_everything(directory: Path) -> None:
    with started_up(directory) as first:
        first.until_up()
        content, pids = first.content, first.pids
        put_advocate(first, "ada")
        assert issue_link(first, "ada", "kept").status_code == HTTPStatus.CREATED
        first.process.kill()
        first.process.wait()
        eventually(lambda: not any(map(is_running, pids.values())), what="every child is gone")
    with started_up(directory) as second:
        second.until_up()
        assert second.content["api_key"] == content["api_key"]
        assert second.content["postgres_dsn"] == content["postgres_dsn"]
        eventually(lambda: redirects(second, "kept"))


def test_the_next_up_need_not_wait_for_what_a_killed_one_left(directory: Path) -> None:
    for _ in range(3):
        with started_up(directory) as up:
            up.until_up()
            up.process.kill()
    with started_up(directory) as up:
        up.until_up()
        assert is_ready(up, "redirector")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything_and_the_data_stays(directory: Path, number: signal.Signals) -> None:
    with started_up(directory) as first:
        first.until_up()
        pids, port = first.pids, int(first.content["redirector"].rpartition(":")[2])
        put_advocate(first, "ada")
        assert issue_link(first, "ada", "kept").status_code == HTTPStatus.CREATED
        assert first.stop(number) == 0
    assert not any(map(is_running, pids.values()))
    assert not (directory / "up.json").exists()
    with socket.socket() as listener:  # the port is free again
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
    with started_up(directory, f"--redirector-port={port}") as second:
        second.until_up()
        assert second.content["redirector"].endswith(f":{port}")
        eventually(lambda: redirects(second, "kept"))


def test_a_private_host_is_allowed_where_it_was_asked_for(directory: Path) -> None:
    with started_up(directory, "--allow-private-destinations=127.0.0.1") as up:
        up.until_up()
        put_advocate(up, "ada")
        body = {"advocate_id": "ada", "destination": "http://127.0.0.1:9/"}
        answer = httpx2.post(f"{up.content['redirector']}/v1/links", headers=_authorized(up), json=body)
        assert answer.status_code == HTTPStatus.CREATED, answer.text


def test_short_links_begin_with_the_public_url(directory: Path) -> None:
    with started_up(directory, "--public-url=https://go.example.com") as up:
        up.until_up()
        put_advocate(up, "ada")
        assert issue_link(up, "ada", "mine").json()["short_url"] == "https://go.example.com/mine"


def _put(up: Up, path: str, body: dict[str, str]) -> httpx2.Response | None:
    """The answer; None while the service is away, or says that its database is."""
    try:
        answer = httpx2.put(f"{up.content['redirector']}{path}", headers=_authorized(up), json=body)
    except httpx2.TransportError:
        return None
    return None if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE else answer


def _authorized(up: Up) -> dict[str, str]:
    return {"Authorization": f"Bearer {up.content['api_key']}"}
