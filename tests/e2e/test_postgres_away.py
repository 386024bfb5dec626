"""With Postgres away, links in memory redirect, unknown codes are 503, and the counts catch up afterwards."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import httpx2
import pytest

from stage.api import Api
from stage.click_log import ClickLine, lines_to_replay, write_twin
from stage.postgres import Server, launched_postgres
from stage.replay import Fates, issue_links, replay
from stage.up import Up, data_directory, started_up
from stage.waiting import eventually

pytestmark = pytest.mark.timeout(300)

UNKNOWN_CODE = "nobodysLink"


@pytest.fixture
def server() -> Iterator[Server]:
    """A Postgres that is not the stack's own: the supervisor does not bring it back."""
    with launched_postgres() as launched:
        launched.execute("CREATE DATABASE advolink")
        yield launched


@pytest.fixture
def stack(server: Server, tmp_path: Path) -> Iterator[Up]:
    """A stack on that Postgres."""
    with data_directory(tmp_path) as directory, started_up(directory, f"--postgres-dsn={server.dsn('advolink')}") as up:
        up.until_up()
        yield up


@pytest.mark.parametrize(
    ("go_away", "seconds"),
    [(Server.kill, 3), (Server.stop, 3), pytest.param(Server.stop, 60, marks=pytest.mark.long)],
)
def test_links_in_memory_redirect_and_the_counts_catch_up(
    server: Server, stack: Up, tmp_path: Path, go_away: Callable[[Server], None], seconds: int
) -> None:
    """Every redirect during the outage is answered and counted; a code not in memory is never called unknown."""
    api = Api(stack)
    lines, fates = lines_to_replay(write_twin(tmp_path / "twin.jsonl", 200)), Fates()
    issue_links(api, lines)

    go_away(server)
    rounds = asyncio.run(replay_for(seconds, stack.content["redirector"], lines, fates))
    unknown = api.redirector.get(f"/{UNKNOWN_CODE}")
    assert (unknown.status_code, unknown.headers["retry-after"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "2")
    assert readiness(stack, "redirector").status_code == HTTPStatus.OK
    assert readiness(stack, "aggregator").status_code == HTTPStatus.SERVICE_UNAVAILABLE

    server.start()
    api.caught_up()
    assert rounds >= 1
    assert fates.unseen.total() == 0
    assert api.raw_by_advocate() == fates.accepted
    eventually(lambda: api.redirector.get(f"/{UNKNOWN_CODE}").status_code == HTTPStatus.NOT_FOUND, what="404 again")
    api.close()


async def replay_for(seconds: float, url: str, lines: list[ClickLine], fates: Fates) -> int:
    """Replay the log again and again for some time; how often it went through."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    rounds = 0
    while loop.time() < deadline:
        await replay(url, lines, fates)
        rounds += 1
    return rounds


def readiness(stack: Up, service: str) -> httpx2.Response:
    """What /readyz says."""
    return httpx2.get(f"{stack.content[f'{service}_management']}/readyz", timeout=5)


def test_a_restart_during_the_outage_says_503_until_postgres_is_back(server: Server, stack: Up) -> None:
    """A redirector that has just started has no links in memory: it asks for patience, and calls no link unknown."""
    api = Api(stack)
    api.redirector.put("/v1/advocates/ada", json={}).raise_for_status()
    code = api.issue({"advocate_id": "ada", "destination": "https://www.example.com/"})["code"]
    server.stop()
    restarted = stack.pids["redirector"]
    os.kill(restarted, signal.SIGKILL)
    eventually(lambda: stack.pids["redirector"] != restarted and is_ready(stack), seconds_max=60, what="it is back")
    answer = api.redirector.get(f"/{code}")
    assert (answer.status_code, answer.headers["retry-after"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "2")
    server.start()
    eventually(lambda: api.redirector.get(f"/{code}").status_code == HTTPStatus.FOUND, what="the link redirects again")
    api.close()


def is_ready(stack: Up) -> bool:
    """Whether the redirector answers that it is ready."""
    try:
        return readiness(stack, "redirector").is_success
    except httpx2.TransportError:
        return False
