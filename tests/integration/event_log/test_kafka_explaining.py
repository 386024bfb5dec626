"""Why Kafka cannot be reached is said as far as its client knows it, once, and not in what services print."""

import logging
import ssl
from dataclasses import replace
from typing import Any

import pytest

from event_log.contract import EventLogAwayError
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.log import KafkaEventLog
from event_log.kafka.patience import Patience
from event_log.settings import KafkaSecurity
from link_events.streams import PARTITIONS_DEFAULT, Stream
from stage.kafka import Broker
from stage.log_forms import opened_kafka_log

SASL = {"security": KafkaSecurity.SASL_PLAINTEXT, "sasl_username": "ada", "sasl_password": "a secret"}
TLS = {"security": KafkaSecurity.SSL, "ssl_context": ssl.create_default_context()}


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ({"bootstrap": "127.0.0.1:1"}, "127.0.0.1:1: ConnectionRefusedError: [Errno 111] Connect call failed"),
        (SASL, ": [Error 34] IllegalSaslStateError: "),
        (TLS, ": ConnectionResetError"),
    ],
)
async def test_a_closed_port_does_not_read_like_a_login_or_a_certificate(
    kafka_broker: Broker, capfd: pytest.CaptureFixture[str], difference: dict[str, Any], said: str
) -> None:
    connection = replace(KafkaConnection(kafka_broker.bootstrap, patience=Patience(request_s=2)), **difference)
    async with opened_kafka_log(connection) as log:
        why = await _refusal(log)
    assert why.startswith("no broker can be reached, or one has hung up (127.0.0.1:")
    assert said in why
    assert "a secret" not in why
    logging.getLogger("aiokafka.client").error("of no interest")
    assert capfd.readouterr() == ("", "")


async def test_what_was_in_the_way_before_is_not_said_of_what_is_in_the_way_now(kafka_broker: Broker) -> None:
    async with opened_kafka_log(KafkaConnection("127.0.0.1:1")) as log:
        assert "Connect call failed" in await _refusal(log)
    async with opened_kafka_log(replace(KafkaConnection(kafka_broker.bootstrap), topic_prefix="nobody-made.")) as log:
        assert "no topic nobody-made." in (said := await _refusal(log))
        assert "Connect call failed" not in said


async def _refusal(log: KafkaEventLog) -> str:
    with pytest.raises(EventLogAwayError) as refused:
        await log.check(Stream.CLICKS, PARTITIONS_DEFAULT)
    return str(refused.value)
