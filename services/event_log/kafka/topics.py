"""Topics as schemas/topics/*.yaml say they are made; what a cluster has of them, and what is to be done about it.

A missing topic is created. One that is there is only looked at: another number of partitions is refused, never
repaired, and other settings are named, for they may well be the operator's choice.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import yaml
from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from event_log.contract import EventLogAwayError, EventLogRefusedError, PartitionCountError
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.endings import end_admin
from event_log.kafka.failures import translated_failures
from event_log.kafka.patience import Patience
from link_events.streams import Stream

_IN_CHECKOUT: Final = Path(__file__).resolve().parents[3] / "schemas" / "topics"
_IN_WHEEL: Final = Path(__file__).resolve().parent / "schemas_topics"
TOPICS_DIRECTORY: Final = _IN_CHECKOUT if _IN_CHECKOUT.is_dir() else _IN_WHEEL

MIN_INSYNC: Final = "min.insync.replicas"


class TopicState(StrEnum):
    """What a cluster has of a topic."""

    MISSING = "missing"
    AS_WANTED = "as_wanted"
    DIFFERS = "differs"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it is wanted. `config` is Kafka's own names and texts.

    How many partitions it has must be right where it carries a `stream`, whose events are pinned to them.
    """

    topic: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]
    stream: Stream | None


@dataclass(frozen=True, slots=True)
class TopicChange:
    """A topic as it is wanted, what the cluster has of it, and in which points it differs."""

    spec: TopicSpec
    state: TopicState
    differences: tuple[str, ...] = ()


def read_specs(
    *, prefix: str = "", partitions: int | None = None, replication_factor: int | None = None
) -> Sequence[TopicSpec]:
    """Every topic of schemas/topics, made with other numbers where they are given.

    With fewer than three replicas, as many must be in sync as there are but one, and at least one.
    """
    files = sorted(TOPICS_DIRECTORY.glob("*.yaml"))
    specs = [_spec(prefix, yaml.safe_load(file.read_text(encoding="utf-8"))) for file in files]
    if partitions is not None:
        specs = [spec if spec.stream is None else replace(spec, partitions=partitions) for spec in specs]
    if replication_factor is not None:
        insync = str(max(1, replication_factor - 1))
        specs = [
            replace(spec, replication_factor=replication_factor, config={**spec.config, MIN_INSYNC: insync})
            for spec in specs
        ]
    return specs


async def plan_topics(
    connection: KafkaConnection, *, partitions: int, replication_factor: int | None = None
) -> Sequence[TopicChange]:
    """What the cluster has of every topic.

    Raises:
        EventLogAwayError: Kafka cannot be reached.
        EventLogRefusedError: it will not tell.
    """
    specs = read_specs(prefix=connection.topic_prefix, partitions=partitions, replication_factor=replication_factor)
    async with _administering(connection) as admin:
        return await _planned(admin, specs)


async def apply_topics(
    connection: KafkaConnection, *, partitions: int, replication_factor: int | None = None
) -> Sequence[TopicChange]:
    """Create what is missing; return what was found before.

    Raises:
        PartitionCountError: a topic has another number of partitions; nothing was created.
        EventLogAwayError: Kafka cannot be reached.
        EventLogRefusedError: it will not create one.
    """
    specs = read_specs(prefix=connection.topic_prefix, partitions=partitions, replication_factor=replication_factor)
    async with _administering(connection) as admin:
        changes = await _planned(admin, specs)
        _expect_none_refused(changes)
        missing = [change.spec for change in changes if change.state is TopicState.MISSING]
        if missing:
            await _create(admin, missing)
            await _until_told(admin, missing, connection.patience)
            _expect_none_refused(await _planned(admin, specs))  # somebody else may have made them at the same time
    return changes


async def partition_counts(admin: AIOKafkaAdminClient) -> Mapping[str, int]:
    """How many partitions each topic of the cluster has.

    All topics are asked for: to ask for one by name makes it where a cluster makes topics by itself.
    """
    return {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics()}


@asynccontextmanager
async def _administering(connection: KafkaConnection) -> AsyncIterator[AIOKafkaAdminClient]:
    with translated_failures():
        admin = AIOKafkaAdminClient(**connection.client_options())
        try:
            await admin.start()
            yield admin
        finally:
            await end_admin(admin, connection.patience.stop_s)


def _expect_none_refused(changes: Sequence[TopicChange]) -> None:
    refused = [change for change in changes if change.state is TopicState.REFUSED]
    if refused:
        raise PartitionCountError("; ".join(f"{one.spec.topic}: {one.differences[0]}" for one in refused))


async def _planned(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> Sequence[TopicChange]:
    there_are = {one["topic"]: one["partitions"] for one in await admin.describe_topics()}
    return [
        await _compared(admin, spec, there_are[spec.topic])
        if spec.topic in there_are
        else TopicChange(spec, TopicState.MISSING)
        for spec in specs
    ]


async def _compared(admin: AIOKafkaAdminClient, spec: TopicSpec, there_are: Sequence[Mapping[str, Any]]) -> TopicChange:
    differences = []
    if len(there_are) != spec.partitions:
        differences.append(f"it has {len(there_are)} partitions where {spec.partitions} are expected")
        if spec.stream is not None:
            return TopicChange(spec, TopicState.REFUSED, tuple(differences))
    replicas = min((len(one["replicas"]) for one in there_are), default=0)
    if replicas != spec.replication_factor:
        differences.append(f"it has {replicas} replicas where {spec.replication_factor} are expected")
    config = await _config(admin, spec.topic)
    differences += [
        f"{name} is {config.get(name)} where {value} is expected"
        for name, value in spec.config.items()
        if config.get(name) != value
    ]
    return TopicChange(spec, TopicState.DIFFERS if differences else TopicState.AS_WANTED, tuple(differences))


async def _config(admin: AIOKafkaAdminClient, topic: str) -> Mapping[str, str]:
    (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    (resource,) = response.resources
    code, entries = resource[0], resource[-1]
    if code:
        raise errors.for_code(code)(f"the settings of {topic}")
    return {entry[0]: entry[1] for entry in entries}


async def _create(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    response = await admin.create_topics(
        [
            NewTopic(spec.topic, spec.partitions, spec.replication_factor, topic_configs=dict(spec.config))
            for spec in specs
        ]
    )
    for topic, code, message in response.topic_errors:
        error = errors.for_code(code)
        if error not in (errors.NoError, errors.TopicAlreadyExistsError):
            said = f"Kafka will not create {topic}: {message or error.__name__}"
            raise EventLogAwayError(said) if error.retriable else EventLogRefusedError(said)


async def _until_told(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec], patience: Patience) -> None:
    """Wait until brokers tell of the topics, which they do a moment after these were made."""
    wanted = {spec.topic for spec in specs}
    async with asyncio.timeout(patience.ask_s):
        while not wanted <= (await partition_counts(admin)).keys():  # noqa: ASYNC110 - Kafka wakes nobody
            await asyncio.sleep(patience.retry_s / 4)


def _spec(prefix: str, described: Mapping[str, Any]) -> TopicSpec:
    creation = described["creation"]
    return TopicSpec(
        topic=prefix + described["topic"],
        partitions=creation["partitions"],
        replication_factor=creation["replication_factor"],
        config=dict(creation["config"]),
        stream=Stream(described["stream"]) if "stream" in described else None,
    )
