"""`advolink up --log kafka` with the real services and a real broker: counted, killed, stopped, found again."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from pathlib import Path

import pytest

from stage.api import Api
from stage.events import BROWSER
from stage.kafka import launched_kafka
from stage.up import Up, data_directory, is_running, started_up
from stage.waiting import eventually

pytestmark = pytest.mark.timeout(240)

COUNTED_SECONDS_MAX = 60


@pytest.fixture(scope="module", autouse=True)
def _kafka_can_be_had() -> None:
    """Skips, with the reason, where it cannot; and fetches it, so that no `up` waits for that here."""
    with launched_kafka():
        pass


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    with data_directory(tmp_path) as path:
        yield path


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A stack that is up, for the tests that leave it so."""
    with data_directory(tmp_path_factory.mktemp("up")) as path, started_up(path, "--log=kafka") as running:
        running.until_up()
        yield running


def click(up: Up, code: str, times: int = 1) -> None:
    """Click a link as a person does; it is made at the first click."""
    with closing(Api(up)) as api:
        if api.redirector.get(f"/v1/links/{code}").status_code == HTTPStatus.NOT_FOUND:
            api.redirector.put("/v1/advocates/ada", json={"display_name": "Ada"}).raise_for_status()
            api.issue({"advocate_id": "ada", "destination": "https://example.com/", "alias": code})
        for _ in range(times):
            answer = api.redirector.get(f"/{code}", headers={"User-Agent": BROWSER})
            assert answer.status_code == HTTPStatus.FOUND


def counted(up: Up, code: str) -> int:
    """How many clicks of the link are in the counts now."""
    with closing(Api(up)) as api:
        return sum(row["raw_clicks"] for row in api.counts(group_by="link") if row["code"] == code)


def until_counted(up: Up, code: str, times: int) -> None:
    """Wait for that many, and for no more."""
    eventually(lambda: counted(up, code) >= times, seconds_max=COUNTED_SECONDS_MAX, what=f"{times} clicks are counted")
    assert counted(up, code) == times


def test_a_click_goes_through_kafka_into_the_counts(up: Up) -> None:
    click(up, "through", 3)
    until_counted(up, "through", 3)
    assert up.content["kafka_bootstrap"].startswith("127.0.0.1:")
    assert set(up.pids) == {"up", "redirector", "aggregator", "postgres", "kafka"}
    assert all(map(is_running, up.pids.values()))
    assert "Apache Kafka 4." in up.said
    assert "topics ready" in up.said


def test_a_broker_that_is_killed_is_started_again_and_nothing_is_lost(up: Up) -> None:
    click(up, "bumpy", 2)
    before = up.pids
    os.kill(before["kafka"], signal.SIGKILL)
    click(up, "bumpy", 2)  # nobody who clicks waits for Kafka
    eventually(lambda: up.pids["kafka"] != before["kafka"], what="Kafka has a new pid")
    until_counted(up, "bumpy", 4)
    assert {name: pid for name, pid in up.pids.items() if name != "kafka"} == {
        name: pid for name, pid in before.items() if name != "kafka"
    }
    assert f"kafka (pid {before['kafka']}) was killed by SIGKILL; starting it again in 0.2 s" in up.said


def test_a_stop_is_clean_and_the_next_start_goes_on_where_it_was(directory: Path) -> None:
    with started_up(directory, "--log=kafka") as first:
        first.until_up()
        pids, bootstrap = first.pids, first.content["kafka_bootstrap"]
        click(first, "kept", 2)
        assert first.stop() == 0  # within the 30 s that `up` promises
    assert not any(map(is_running, pids.values()))
    assert "did not stop in time" not in first.said
    with started_up(directory, "--log=kafka") as second:
        second.until_up()
        assert second.content["kafka_bootstrap"] == bootstrap
        click(second, "kept")
        until_counted(second, "kept", 3)


def test_when_up_is_killed_no_broker_is_left_and_the_next_up_has_everything(directory: Path) -> None:
    with started_up(directory, "--log=kafka") as first:
        first.until_up()
        pids = first.pids
        click(first, "kept", 2)
        first.process.kill()
        first.process.wait()
        eventually(lambda: not any(map(is_running, pids.values())), what="every child is gone")
    with started_up(directory, "--log=kafka") as second:
        second.until_up()
        click(second, "kept")
        until_counted(second, "kept", 3)


def test_another_log_is_refused_for_the_same_directory(directory: Path) -> None:
    with started_up(directory, "--log=kafka") as up:
        up.until_up()
        assert up.stop() == 0
    with started_up(directory) as up:
        assert up.until_ended() == 1
        assert "was started with `--log kafka` and without ADVOLINK_KAFKA_BOOTSTRAP" in up.said
