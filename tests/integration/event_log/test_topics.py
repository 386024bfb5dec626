"""Topics are planned and made as schemas/topics says; what is there is looked at, named, and never changed."""

import asyncio
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from advolink.__main__ import main
from event_log.contract import EventLogAwayError, EventLogRefusedError, PartitionCountError
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.topics import TopicState, apply_topics, plan_topics, read_specs
from link_events.streams import PARTITIONS_DEFAULT, Stream
from stage.kafka import Broker
from stage.topics import set_topic, untouched_topics

DEFAULT = PARTITIONS_DEFAULT
SASL = "ADVOLINK_KAFKA_SASL"
REFUSED = "127.0.0.1:1: ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 1)"


@pytest.fixture
def connection(kafka_broker: Broker) -> KafkaConnection:
    """Topics that nobody has made."""
    return untouched_topics(kafka_broker.bootstrap)


@pytest.fixture
def named(connection: KafkaConnection, monkeypatch: pytest.MonkeyPatch) -> KafkaConnection:
    """The same, for commands."""
    monkeypatch.setenv("ADVOLINK_KAFKA_BOOTSTRAP", connection.bootstrap)
    monkeypatch.setenv("ADVOLINK_KAFKA_TOPIC_PREFIX", connection.topic_prefix)
    return connection


async def states(connection: KafkaConnection, partitions: int = DEFAULT, replicas: int | None = 1) -> set[TopicState]:
    changes = await plan_topics(connection, partitions=partitions, replication_factor=replicas)
    return {change.state for change in changes}


async def test_what_is_missing_is_planned_made_and_then_as_wanted(connection: KafkaConnection) -> None:
    """Planning changes nothing, and making again does not either."""
    for _ in range(2):
        assert await states(connection) == {TopicState.MISSING}
    made = await apply_topics(connection, partitions=DEFAULT, replication_factor=1)
    assert {change.state for change in made} == {TopicState.MISSING}
    assert connection.topic(Stream.CLICKS) in {change.spec.topic for change in made}
    assert await states(connection) == {TopicState.AS_WANTED}
    again = await apply_topics(connection, partitions=DEFAULT, replication_factor=1)
    assert {change.state for change in again} == {TopicState.AS_WANTED}


async def test_a_topic_that_differs_is_named_and_left_alone(connection: KafkaConnection) -> None:
    """It may well be the operator's choice."""
    await apply_topics(connection, partitions=DEFAULT, replication_factor=1)
    await set_topic(connection, {"retention.ms": "60000", "message.timestamp.type": "LogAppendTime"})
    for look in (plan_topics, apply_topics):
        for change in await look(connection, partitions=DEFAULT, replication_factor=1):
            if change.spec.topic == connection.topic(Stream.CLICKS):
                assert change.state is TopicState.DIFFERS
                assert "retention.ms is 60000 where 3024000000 is expected" in change.differences


async def test_another_number_of_replicas_is_a_difference(connection: KafkaConnection) -> None:
    await apply_topics(connection, partitions=DEFAULT, replication_factor=1)
    (change, *_) = await plan_topics(connection, partitions=DEFAULT)
    assert change.state is TopicState.DIFFERS
    assert "it has 1 replicas where 3 are expected" in change.differences


async def test_another_number_of_partitions_is_refused(connection: KafkaConnection) -> None:
    """Nothing is made then, not even the others."""
    await apply_topics(connection, partitions=3, replication_factor=1)
    assert TopicState.REFUSED in await states(connection, 4)
    with pytest.raises(PartitionCountError, match="it has 3 partitions where 4 are expected"):
        await apply_topics(connection, partitions=4, replication_factor=1)
    assert await states(connection, 3) == {TopicState.AS_WANTED}


async def test_what_the_cluster_cannot_make_says_why(connection: KafkaConnection) -> None:
    """There is one broker, and three replicas are wanted."""
    with pytest.raises((EventLogAwayError, EventLogRefusedError), match="Kafka will not create"):
        await apply_topics(connection, partitions=DEFAULT)


async def test_several_make_them_at_once(connection: KafkaConnection) -> None:
    """As redirectors and aggregators that start together; all of them find what they wanted."""
    await asyncio.gather(*(apply_topics(connection, partitions=DEFAULT, replication_factor=1) for _ in range(4)))
    assert await states(connection) == {TopicState.AS_WANTED}


async def test_several_who_want_different_numbers_are_not_all_content(connection: KafkaConnection) -> None:
    """Whoever came second is told, even if nothing was there when they looked."""
    outcomes = await asyncio.gather(
        *(apply_topics(connection, partitions=count, replication_factor=1) for count in (2, 3, 4)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, PartitionCountError) for one in outcomes) == 2


def test_more_than_one_replica_needs_all_but_one_in_sync() -> None:
    found = {
        count: {spec.config["min.insync.replicas"] for spec in read_specs(replication_factor=count)}
        for count in (1, 2, 3, 5)
    }
    assert found == {1: {"1"}, 2: {"1"}, 3: {"2"}, 5: {"4"}}


def topics(*words: str) -> Result:
    return CliRunner().invoke(main, ["topics", *words])


def test_the_commands_say_what_there_is_and_what_they_made(named: KafkaConnection) -> None:
    topic = named.topic(Stream.CLICKS)
    assert f"{topic}: missing\n" in topics("plan").output
    assert f"created {topic}: 12 partitions, 1 replicas\n" in topics("apply", "--replication-factor", "1").output
    again = topics("apply", "--replication-factor", "1")
    assert (again.exit_code, f"{topic}: as wanted\n" in again.output) == (0, True)
    plan = topics("plan")
    assert plan.exit_code == 0
    assert f"{topic}: differs, and is left as it is\n  it has 1 replicas where 3 are expected\n" in plan.output


def test_the_commands_name_both_numbers_of_partitions(named: KafkaConnection) -> None:
    assert topics("apply", "--partitions", "5", "--replication-factor", "1").exit_code == 0
    for word in ("plan", "apply"):
        refused = topics(word, "--replication-factor", "1")
        assert refused.exit_code == 1
        assert "it has 5 partitions where 12 are expected" in refused.output


@pytest.mark.parametrize("word", ["plan", "apply"])
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "Error: Kafka cannot be used: no Kafka is named: set ADVOLINK_KAFKA_BOOTSTRAP.\n"),
        (
            {"ADVOLINK_KAFKA_BOOTSTRAP": "127.0.0.1:1"},
            f"Error: Kafka is away: no broker can be reached, or one has hung up ({REFUSED}).\n",
        ),
        (
            {"ADVOLINK_KAFKA_SECURITY": "SASL_SSL"},
            f"Error: The variables cannot be used: SASL_SSL needs {SASL}_USERNAME and {SASL}_PASSWORD.\n",
        ),
    ],
)
def test_a_kafka_that_is_not_there_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, word: str, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = topics(word)
    assert (result.exit_code, result.output) == (1, said)


async def test_a_cluster_that_is_away_is_said_so(kafka_broker: Broker, connection: KafkaConnection) -> None:
    with pytest.raises(EventLogAwayError):
        await plan_topics(replace(connection, bootstrap="127.0.0.1:1"), partitions=DEFAULT)
