"""The forms of the log. A new form joins the suite by its name here and its fixture below."""

from collections.abc import AsyncIterator

import pytest

from event_log.contract import EventLog
from event_log.kafka.connection import KafkaConnection
from stage.log_forms import LogForm, kafka_form, postgres_form

FORMS = ("postgres", "kafka")


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> LogForm:
    """An empty log of one form."""
    form: LogForm = request.getfixturevalue(f"{request.param}_form")
    return form


@pytest.fixture(name="postgres_form")
def _postgres_form(database_dsn: str) -> LogForm:
    """An empty log in Postgres."""
    return postgres_form(database_dsn)


@pytest.fixture(name="kafka_form")
def _kafka_form(kafka_connection: KafkaConnection) -> LogForm:
    """Empty topics in Kafka."""
    return kafka_form(kafka_connection)


@pytest.fixture
async def log(form: LogForm) -> AsyncIterator[EventLog]:
    """A client of the empty log."""
    async with form.open_log() as log:
        yield log


@pytest.fixture
async def other_log(form: LogForm) -> AsyncIterator[EventLog]:
    """A second client of the same log, as another process has it."""
    async with form.open_log() as log:
        yield log
