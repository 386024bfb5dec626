"""A redirector's bounds and its stop as its clients and its load balancer meet them, fast lane and all."""

import signal
from contextlib import ExitStack, closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import httpx2

from stage.redirector_process import RedirectorProcess, redirector_process
from stage.waiting import eventually


def connection(process: RedirectorProcess) -> HTTPConnection:
    """One that is kept."""
    return HTTPConnection("127.0.0.1", process.port, timeout=10)


def status(asking: HTTPConnection) -> int:
    """What robots.txt is answered."""
    asking.request("GET", "/robots.txt")
    answer = asking.getresponse()
    answer.read()
    return answer.status


def test_a_connection_too_many_is_answered_503_and_counted(database_dsn: str, journals: Path) -> None:
    with redirector_process(database_dsn, journals, connections_max="2") as one, ExitStack() as held:
        one.until_ready()
        kept = [held.enter_context(closing(connection(one))) for _ in range(2)]
        assert [status(each) for each in kept] == [HTTPStatus.OK] * 2
        with closing(connection(one)) as third:
            assert status(third) == HTTPStatus.SERVICE_UNAVAILABLE
        assert [status(each) for each in kept] == [HTTPStatus.OK] * 2
        told = httpx2.get(f"{one.management_url}/metrics", timeout=5).text
        assert "\nadvolink_connections_refused_total 1.0\n" in told
        assert "\nadvolink_connections 2.0\n" in told


def test_a_delayed_stop_says_so_and_redirects_until_it_is_over(database_dsn: str, journals: Path) -> None:
    """A load balancer has time to notice; a second signal ends the wait."""
    with redirector_process(database_dsn, journals, stop_delay_seconds="600") as one:
        one.until_ready()
        one.process.send_signal(signal.SIGTERM)
        eventually(
            lambda: httpx2.get(f"{one.management_url}/readyz", timeout=5).status_code == HTTPStatus.SERVICE_UNAVAILABLE,
            what="it says that it stops",
        )
        with closing(connection(one)) as late:
            assert status(late) == HTTPStatus.OK
        assert one.end() == 0
