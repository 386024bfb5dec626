"""A stack of its own for every test, and the click logs it is fed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from event_log.settings import EventLogKind
from stage.api import Api
from stage.click_log import has_real_log, real_log, write_twin
from stage.up import Up, data_directory, started_up


@pytest.fixture
def event_log(request: pytest.FixtureRequest) -> EventLogKind:
    """What carries the events of `own_stack`: Postgres, unless the test is parametrized with another."""
    kind = EventLogKind(getattr(request, "param", EventLogKind.POSTGRES))
    if kind is EventLogKind.KAFKA:
        request.getfixturevalue("kafka_broker")  # skips where there can be none
    return kind


@pytest.fixture
def own_stack(tmp_path: Path, event_log: EventLogKind) -> Iterator[Up]:
    """An `advolink up` that the test may do anything to."""
    options = (f"--log={event_log}", "--allow-private-destinations=127.0.0.1")
    with data_directory(tmp_path) as directory, started_up(directory, *options) as up:
        up.until_up()
        yield up


@pytest.fixture
def api(own_stack: Up) -> Iterator[Api]:
    """The stack's API."""
    client = Api(own_stack)
    yield client
    client.close()


@pytest.fixture
def click_log(tmp_path: Path) -> Path:
    """The real click log where it is here, else its generated twin."""
    return real_log() if has_real_log() else write_twin(tmp_path / "twin.jsonl", 400)
