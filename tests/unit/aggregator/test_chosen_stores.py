"""Commands reach the Kafka of a running stack as its services do."""

from pathlib import Path

import click
import orjson
import pytest

from aggregator.commands import chosen_stores
from event_log.settings import EventLogKind, KafkaSecurity
from local.carrier import Carrier, remember
from local.data_directory import DataDirectory

BOOTSTRAP = "127.0.0.1:9092"


@pytest.fixture(autouse=True)
def _somebodys_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says of another one."""
    monkeypatch.setenv("ADVOLINK_KAFKA_BOOTSTRAP", "elsewhere:9092")
    monkeypatch.setenv("ADVOLINK_KAFKA_SECURITY", "SSL")
    monkeypatch.setenv("ADVOLINK_KAFKA_TOPIC_PREFIX", "theirs.")


def running(path: Path, carrier: Carrier, bootstrap: str | None = BOOTSTRAP) -> Path:
    """A data directory that `up` runs from."""
    directory = DataDirectory(path)
    directory.up_file.write_bytes(orjson.dumps({"postgres_dsn": "postgresql://x", "kafka_bootstrap": bootstrap}))
    remember(directory, carrier)
    return path


def test_a_kafka_that_up_launched_is_reached_plainly(tmp_path: Path) -> None:
    """`up` keeps from its services what the environment says of somebody's."""
    settings = chosen_stores(None, running(tmp_path, Carrier.OWN_KAFKA)).event_log_settings()
    assert (settings.event_log, settings.kafka_bootstrap) == (EventLogKind.KAFKA, BOOTSTRAP)
    assert (settings.kafka_security, settings.kafka_topic_prefix) == (KafkaSecurity.PLAINTEXT, "")


def test_a_kafka_that_was_given_is_reached_as_the_environment_says(tmp_path: Path) -> None:
    settings = chosen_stores(None, running(tmp_path, Carrier.GIVEN_KAFKA)).event_log_settings()
    assert (settings.event_log, settings.kafka_bootstrap) == (EventLogKind.KAFKA, BOOTSTRAP)
    assert (settings.kafka_security, settings.kafka_topic_prefix) == (KafkaSecurity.SSL, "theirs.")


def test_a_log_in_postgres_is_one_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADVOLINK_EVENT_LOG", "kafka")
    monkeypatch.setenv("ADVOLINK_KAFKA_SECURITY", "nothing that can be used")
    settings = chosen_stores(None, running(tmp_path, Carrier.POSTGRES, None)).event_log_settings()
    assert settings.event_log is EventLogKind.POSTGRES


def test_variables_that_cannot_be_used_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVOLINK_KAFKA_SECURITY", "none")
    stores = chosen_stores(None, running(tmp_path, Carrier.GIVEN_KAFKA))
    with pytest.raises(click.ClickException, match="The variable ADVOLINK_KAFKA_SECURITY cannot be used: "):
        stores.event_log_settings()
