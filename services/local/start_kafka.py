"""The Kafka of a stack, answering and with its topics: one that was given, or a broker of our own."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from event_log.kafka.connection import KafkaConnection
from event_log.kafka.topics import TopicChange, TopicState
from local.kafka.broker import prepared
from local.kafka.cache import ready_kit
from local.kafka.sessions import ONE_BROKER, given_connection, is_serving, make_topics
from local.launch import Launch
from local.ports import Ports
from local.stack import kafka_program
from local.terminal import Terminal

KAFKA_READY_SECONDS_MAX: Final = 120
"""After a kill, a broker first reads again what it had not yet noted as whole."""


async def start_kafka(launch: Launch, ports: Ports) -> str:
    """Find it or start it, and return its bootstrap servers.

    Raises:
        LocalError: something is in the way.
    """
    options, terminal = launch.options, launch.terminal
    if options.kafka is not None:
        connection = given_connection(options.kafka)
        changes = await make_topics(connection, options.partitions)
        terminal.step(f"Kafka at {connection.bootstrap}, as given")
    else:
        connection = KafkaConnection(await _start_own(launch, ports))
        changes = await make_topics(connection, options.partitions, replication_factor=ONE_BROKER)
    _tell(changes, terminal)
    return connection.bootstrap


async def _start_own(launch: Launch, ports: Ports) -> str:
    home = launch.directory.kafka
    kit = await ready_kit(home, launch.terminal.step)
    # Nothing else runs yet: that this blocks delays at most the answer to a stop signal.
    broker = launch.held.enter_context(prepared(home, kit, ports_taken=ports.taken))
    launch.terminal.step(f"{kit}, port {broker.port}")
    child = launch.supervisor.start(kafka_program(broker, launch.directory))
    serves = partial(is_serving, broker.bootstrap)
    await launch.supervisor.until_ready(child, serves, seconds_max=KAFKA_READY_SECONDS_MAX)
    return broker.bootstrap


def _tell(changes: Sequence[TopicChange], terminal: Terminal) -> None:
    made = sum(change.state is TopicState.MISSING for change in changes)
    terminal.step(f"topics ready, {made} made")
    for change in changes:
        for difference in change.differences:
            terminal.step(f"topic {change.spec.topic}: {difference}")
