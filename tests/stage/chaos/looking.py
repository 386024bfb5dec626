"""The end of a run: everything is healed and drained, and what the stack holds then is looked at.

Nothing of the services' own is believed: clicks and counts are read with SQL of the tests, the journals' files and the
log's end are looked at from outside.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from database.queries import load_queries
from event_log.contract import EventLog
from event_log.kafka.connection import KafkaConnection
from link_events.identity import JournalId, Origin, Seq
from link_events.streams import Partition, Stream
from redirector.journal.inspecting import inspect_all
from stage.attributed import misattributed
from stage.chaos.cluster import JOURNALS, Cluster
from stage.chaos.fates import FateReader, RequestId
from stage.chaos.verdict import Found, StoredEvent, Wrong
from stage.log_forms import opened_kafka_log, opened_postgres_log
from stage.pipe import DRIFT
from stage.sql import fetch
from stage.waiting import eventually_async

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

DRAINED_SECONDS_MAX: Final = 60

STORED: Final = ((Stream.CLICKS, "clicks"), (Stream.CONVERSIONS, "conversions"), (Stream.CONVERSIONS, "reversals"))
"""What is stored of requests."""

LINES: Final = {
    Wrong.HOLE: "holes",
    Wrong.DEAD_LETTER: "dead_letters",
    Wrong.STOPPED: "stopped",
    Wrong.HOLDER: "holders",
}
"""What is asked of Postgres in one query each."""


async def drain(cluster: Cluster) -> Mapping[Wrong, Sequence[str]]:
    """Let everything that was journaled be applied, with nothing new coming in; what of it did not end well.

    The redirector is stopped in order, so that no heartbeat moves the ends any more.
    """

    async def is_shipped() -> bool:
        return await cluster.redirector.gauge("journal_unacked_events") == 0

    try:
        await eventually_async(is_shipped, seconds_max=DRAINED_SECONDS_MAX, what="everything is shipped")
    except AssertionError as error:
        return {Wrong.UNSHIPPED: [str(error)]}
    status = await cluster.redirector.end(signal.SIGTERM)
    ended = [f"the redirector stops in order with status {status}"] if status else []
    unshipped = [
        f"journal {report.journal}: {report.unacked} events unacked, {report.faults}"
        for report in await asyncio.to_thread(inspect_all, cluster.directory / JOURNALS)
        if report.unacked or report.faults
    ]
    lag = await _lag(cluster)
    return {Wrong.ENDED: ended, Wrong.UNSHIPPED: unshipped, Wrong.LAG: lag, Wrong.MARKED: await _marked(cluster)}


async def look(cluster: Cluster, drained: Mapping[Wrong, Sequence[str]]) -> Found:
    """What the stack holds."""
    dsn = cluster.dsn
    stored = [
        StoredEvent(_origin(stream, *place).event_id, RequestId(request) if request else None)
        for stream, query in STORED
        for *place, request in await fetch(dsn, _SQL[query])
    ]
    lines = {wrong: [line for (line,) in await fetch(dsn, _SQL[query])] for wrong, query in LINES.items()}
    lines[Wrong.DRIFT] = [str(row) for row in await fetch(dsn, DRIFT)]
    lines[Wrong.CREDIT] = [str(row) for row in await misattributed(dsn, datetime.now(UTC))]
    ended = [*drained.get(Wrong.ENDED, ()), *cluster.ended_by_themselves, *cluster.workers_ended_by_themselves]
    others = {**drained, Wrong.ENDED: ended, **lines}
    return Found(FateReader(cluster.fates.directory).new(), stored, others)


async def _lag(cluster: Cluster) -> Sequence[str]:
    """Where the log and what is applied of it do not come to the same end."""

    async def behind() -> Sequence[str]:
        applied = dict(await fetch(cluster.dsn, _SQL["applied"]))
        ends = await _ends(cluster)
        both = {part: (applied.get(part, 0), end) for part, end in ends.items()}
        return [f"{part} stands at {next_} of {end}" for part, (next_, end) in both.items() if next_ != end]

    return await _left(cluster, behind)


async def _marked(cluster: Cluster) -> Sequence[str]:
    """What is not attributed although everything is applied."""

    async def marked() -> Sequence[str]:
        return [line for (line,) in await fetch(cluster.dsn, _SQL["marked"])]

    return await _left(cluster, marked)


async def _left(cluster: Cluster, look_for: Callable[[], Awaitable[Sequence[str]]]) -> Sequence[str]:
    """What is still found after aggregators had all the time they need to make an end of it."""

    async def is_done() -> bool:
        cluster.restart(cluster.aggregators)
        return not await look_for()

    try:
        await eventually_async(is_done, seconds_max=DRAINED_SECONDS_MAX)
    except AssertionError:
        return await look_for()
    return []


async def _ends(cluster: Cluster) -> Mapping[str, int]:
    if cluster.ground.broker is None:
        async with opened_postgres_log(cluster.dsn) as postgres:
            return await _ends_of(postgres)
    connection = KafkaConnection(cluster.ground.broker.bootstrap, topic_prefix=cluster.topic_prefix)
    async with opened_kafka_log(connection) as kafka:
        return await _ends_of(kafka)


async def _ends_of(log: EventLog) -> Mapping[str, int]:
    ends = {stream: await log.end_offsets(stream) for stream in Stream}
    return {f"{stream}/{number}": end for stream in Stream for number, end in ends[stream].items()}


def _origin(stream: Stream, journal: bytes, partition: int, seq: int) -> Origin:
    return Origin(JournalId(journal), stream, Partition(partition), Seq(seq))
