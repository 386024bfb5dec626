"""Where a stack under chaos stands: servers that may be killed, and a database of its own."""

import pytest

from event_log.settings import EventLogKind
from stage.chaos.cluster import Ground
from stage.postgres import Server


@pytest.fixture
def event_log(request: pytest.FixtureRequest) -> EventLogKind:
    """What carries events: Postgres, unless the test is parametrized with another."""
    return EventLogKind(getattr(request, "param", EventLogKind.POSTGRES))


@pytest.fixture
def ground(request: pytest.FixtureRequest, event_log: EventLogKind, frail_server: Server, frail_dsn: str) -> Ground:
    """A fresh one."""
    if event_log is EventLogKind.POSTGRES:
        return Ground(frail_server, frail_dsn)
    return Ground(frail_server, frail_dsn, request.getfixturevalue("frail_broker"))
