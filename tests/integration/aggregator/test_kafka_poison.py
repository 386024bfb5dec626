"""Poison in Kafka, logs that lost records, brokers that went away: nothing else is held up, nothing counts twice."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from click.testing import CliRunner, Result

from advolink.__main__ import main
from aggregator.app import running
from aggregator.settings import AggregatorSettings
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.dead_letters import TOPIC
from event_log.kafka.headers import ORIGIN_HEADER, read_origin
from event_log.kafka.patience import Patience
from event_log.kafka.topics import apply_topics
from http_api.management import management_app
from http_api.serving import Failures
from link_events.codec import encode
from link_events.identity import Origin, Seq
from link_events.streams import PARTITIONS_DEFAULT, Partition, Stream
from stage.asking import asked
from stage.dead import holes
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.kafka import Broker
from stage.kafka_pipe import SOON_SECONDS, KafkaPipe, opened_kafka_pipe
from stage.slices import EVERY_SLICE
from stage.sql import fetch, fetch_value
from stage.topics import delete_records, delete_topic, raw_records, write_raw
from stage.waiting import eventually_async

LEASE_SECONDS: Final = 1

SHORT: Final = Patience(request_s=1, start_s=3, ask_s=1, stop_s=3, quiet_s_max=3)
"""An outage is noticed sooner than in production."""

ERRORS: Final = "__connect.errors."

RAW = "SELECT coalesce(sum(raw_clicks), 0)::int FROM advocate_day"
COUNTED = "SELECT coalesce(sum(counted_clicks), 0)::int FROM advocate_day"
DEAD = "SELECT count(*) FROM dead_letter"
UNRELAYED = "SELECT count(*) FROM dead_letter WHERE relayed_at IS NULL"
STOPPED = "SELECT partition, stopped FROM partition_offset WHERE stopped IS NOT NULL ORDER BY partition"
RESETS = "SELECT stream, partition, from_offset, to_offset, stopped, why FROM offset_reset ORDER BY reset_id"

OUT_OF_RANGE: Final = 'partition_stopped{{partition="{}",reason="offset_out_of_range",stream="clicks"}}'


class Aggregator:
    """A running aggregator, as its management port shows it."""

    def __init__(self, management: httpx2.AsyncClient) -> None:
        self._management = management

    async def metric(self, name: str) -> float | None:
        """What a series says, named as Prometheus names it; None where there is none."""
        found = re.search(rf"^advolink_{re.escape(name)} (\S+)$", await self.metrics(), re.MULTILINE)
        return float(found[1]) if found else None

    async def metrics(self) -> str:
        """All of them."""
        return (await self._management.get("/metrics")).text

    async def lags(self) -> list[float]:
        """The lag of every partition."""
        return [
            float(lag) for lag in re.findall(r"^advolink_lag_events\{.*\} (\S+)$", await self.metrics(), re.MULTILINE)
        ]

    async def is_applying(self) -> bool:
        """Whether it applies all that it holds, as it says itself."""
        known: dict[str, bool] = (await self._management.get("/readyz")).json()["known"]
        return known["applying"]

    async def until_stopped(self, *partitions: int) -> None:
        """Wait until it says that these partitions stand still, for their offsets are gone."""

        async def are_stopped() -> bool:
            return all([await self.metric(OUT_OF_RANGE.format(partition)) for partition in partitions])

        await eventually_async(are_stopped, seconds_max=SOON_SECONDS, what=f"{partitions} stand still")


@asynccontextmanager
async def _aggregator(pipe: KafkaPipe) -> AsyncIterator[Aggregator]:
    """An aggregator for the length of the block."""
    settings = AggregatorSettings.model_validate({**pipe.environment, "lease": LEASE_SECONDS})
    failures = Failures()
    async with running(settings, failures) as service:
        app = management_app(service.registry, service.readiness, service.refresh_metrics)
        async with asked(app) as management:
            yield Aggregator(management)
        failures.raise_first()


@pytest.fixture
async def pipe(database_dsn: str, kafka_connection: KafkaConnection) -> AsyncIterator[KafkaPipe]:
    """From fresh topics to a fresh database."""
    async with opened_kafka_pipe(database_dsn, kafka_connection) as pipe:
        yield pipe


async def _command(pipe: KafkaPipe, *words: str) -> Result:
    """`advolink …` by the environment that the services have."""
    runner = CliRunner(env=pipe.environment)
    return await asyncio.to_thread(runner.invoke, main, words, catch_exceptions=False)


async def _said(pipe: KafkaPipe, *words: str) -> str:
    """What a command says that succeeds."""
    result = await _command(pipe, *words)
    assert result.exit_code == 0, result.output
    return result.output


async def _shown(pipe: KafkaPipe, *words: str) -> list[dict[str, Any]]:
    """The rows that a command shows to machines."""
    rows: list[dict[str, Any]] = json.loads(await _said(pipe, *words, "--json"))["rows"]
    return rows


async def _append_clicks(pipe: KafkaPipe, pen: Pen, count: int) -> None:
    await pipe.append(*(pen.write(PLAIN_CLICK) for _ in range(count)), partition=pen.partition)


async def _is(pipe: KafkaPipe, query: str, expected: object) -> bool:
    return bool(await fetch_value(pipe.dsn, query) == expected)


async def _until(pipe: KafkaPipe, query: str, expected: object) -> None:
    await eventually_async(lambda: _is(pipe, query, expected), seconds_max=SOON_SECONDS, what=f"{query}: {expected}")


async def _relayed(pipe: KafkaPipe) -> Sequence[tuple[bytes | None, dict[str, bytes | None]]]:
    """Value and headers of each dead letter on the topic, the order of its offsets."""
    (records,) = (await raw_records(pipe.connection, TOPIC)).values()
    return [(one.value, dict(one.headers)) for one in records]


async def test_two_poisons_among_ten_thousand_hold_up_nothing(pipe: KafkaPipe, tmp_path: Path) -> None:
    """A stranger's record and one of ours that is spoilt: stored, relayed, then discarded and replayed by command."""
    pen, neighbour = Pen(), Pen(Partition(3))
    await _append_clicks(pipe, pen, 5_000)
    await write_raw(pipe.connection, b"from elsewhere", [("theirs", b"x")], key=b"their key")
    await pipe.append(pen.scribble(b'{"cut of'))
    await _append_clicks(pipe, pen, 4_999)
    await _append_clicks(pipe, neighbour, 10)
    async with _aggregator(pipe) as aggregator:
        await pipe.until_applied()
        assert await fetch_value(pipe.dsn, COUNTED) == 9_999 + 10
        assert await aggregator.lags() == [0] * len(EVERY_SLICE)
        assert await holes(pipe.dsn) == [(5_001, 5_001, "dead_letter")]
        assert await fetch_value(pipe.dsn, "SELECT max(seq) FROM watermark") == 10_000
        await _until(pipe, UNRELAYED, 0)
        stray, spoilt = await _relayed(pipe)
        assert (stray[0], spoilt[0]) == (b"from elsewhere", b'{"cut of')
        assert (stray[1][f"{ERRORS}offset"], spoilt[1][f"{ERRORS}offset"]) == (b"5000", b"5001")
        assert stray[1][f"{ERRORS}exception.class.name"] == b"no_origin"
        assert spoilt[1][f"{ERRORS}exception.class.name"] == b"not_json"
        assert ORIGIN_HEADER not in stray[1]
        assert read_origin([(ORIGIN_HEADER, spoilt[1][ORIGIN_HEADER])]) == (pen.journal, 5_001)
        assert stray[1][f"{ERRORS}topic"] == pipe.connection.topic(Stream.CLICKS).encode()

        of_spoilt, of_stray = await _shown(pipe, "dead-letters", "list")  # the newest first
        assert (of_spoilt["reason"], of_stray["reason"]) == ("not_json", "no_origin")
        refused = await _command(pipe, "dead-letters", "replay", str(of_stray["id"]))
        assert (refused.exit_code, "can only be discarded" in refused.output) == (1, True)
        await _said(pipe, "dead-letters", "discard", str(of_stray["id"]), "--why", "a stranger's")
        mended = tmp_path / "mended.json"
        origin = Origin(pen.journal, Stream.CLICKS, Partition(0), Seq(5_001))
        mended.write_bytes(encode(origin, pen.captured_at, PLAIN_CLICK))
        await _said(pipe, "dead-letters", "replay", str(of_spoilt["id"]), "--value", str(mended), "--why", "it was cut")
        await _append_clicks(pipe, pen, 1)
        await pipe.until_applied()
    assert await pipe.seqs() == list(range(1, 10_002))
    assert await fetch_value(pipe.dsn, COUNTED) == 10_001 + 10
    assert await holes(pipe.dsn) == []
    assert await _shown(pipe, "dead-letters", "list") == []
    assert len(await _relayed(pipe)) == 2
    assert await pipe.drift() == []


async def test_a_partition_whose_records_were_let_go_waits_for_a_person(pipe: KafkaPipe) -> None:
    """The aggregator was away for longer than the retention: it says so, others go on, a restart changes nothing."""
    pen, neighbour = Pen(), Pen(Partition(1))
    await _append_clicks(pipe, pen, 5)
    async with _aggregator(pipe):
        await pipe.until_applied()
    await _append_clicks(pipe, pen, 10)
    await delete_records(pipe.connection, 8)
    for life in (1, 2):
        async with _aggregator(pipe) as aggregator:
            await aggregator.until_stopped(0)
            await _append_clicks(pipe, neighbour, 3)
            await _until(pipe, RAW, 5 + 3 * life)
            assert not await aggregator.is_applying()
            assert await aggregator.metric('lag_events{partition="0",stream="clicks"}') == 10
            (stopped,) = [row for row in await _shown(pipe, "offsets", "show") if row["stopped"]]
            assert (stopped["partition"], stopped["next_offset"]) == (0, 5)
            assert stopped["stopped"] == "offset_out_of_range"
            assert f"{pipe.connection.topic(Stream.CLICKS)}/0 at 5" in stopped["stopped_detail"]
    assert "offset_out_of_range" in await _said(pipe, "offsets", "show")

    async with _aggregator(pipe) as aggregator:
        await aggregator.until_stopped(0)
        said = await _said(pipe, "offsets", "reset", "clicks", "0", "--to", "earliest", "--why", "retention")
        assert "clicks/0 went from 5 to 8.\nForwards by 3: " in said
        await pipe.until_applied()
        await eventually_async(aggregator.is_applying)
        assert await aggregator.metric(OUT_OF_RANGE.format(0)) is None
        assert await aggregator.metric('open_hole_seqs{kind="missing"}') == 3
    assert await pipe.seqs() == [1, 2, 3, 4, 5, *range(9, 16)]
    assert await holes(pipe.dsn) == [(6, 8, "missing")]
    assert await fetch(pipe.dsn, STOPPED) == []
    assert await fetch(pipe.dsn, RESETS) == [("clicks", 0, 5, 8, "offset_out_of_range", "retention")]
    assert await fetch_value(pipe.dsn, DEAD) == 0
    assert await pipe.drift() == []


async def test_a_topic_that_was_made_anew_is_begun_again_and_nothing_counts_twice(pipe: KafkaPipe) -> None:
    """Under a running aggregator, with records that are sent again among those that are new."""
    pen, neighbour = Pen(), Pen(Partition(2))
    sent = [pen.write(PLAIN_CLICK) for _ in range(6)]
    async with _aggregator(pipe) as aggregator:
        await pipe.append(*sent)
        await _append_clicks(pipe, neighbour, 2)
        await pipe.until_applied()
        await delete_topic(pipe.connection)
        await apply_topics(pipe.connection, partitions=PARTITIONS_DEFAULT, replication_factor=1)
        await aggregator.until_stopped(0, 2)
        assert await fetch(pipe.dsn, STOPPED) == [(0, "offset_out_of_range"), (2, "offset_out_of_range")]
        await pipe.append(*sent[3:])
        await _append_clicks(pipe, pen, 5)
        for partition in ("0", "2"):
            await _said(pipe, "offsets", "reset", "clicks", partition, "--to", "earliest", "--why", "made anew")
        await pipe.until_applied()
        await _append_clicks(pipe, neighbour, 2)
        await pipe.until_applied()
        await eventually_async(aggregator.is_applying)
        assert await aggregator.metric('duplicates_skipped_total{stream="clicks"}') == 3
    assert sorted(await pipe.seqs()) == list(range(1, 12))
    assert sorted(await pipe.seqs(2)) == [1, 2, 3, 4]
    assert await holes(pipe.dsn) == []
    assert await fetch_value(pipe.dsn, COUNTED) == 15
    assert await fetch_value(pipe.dsn, DEAD) == 0
    assert await pipe.drift() == []


async def test_a_topic_made_anew_that_has_grown_past_where_a_partition_stood_shows_holes(pipe: KafkaPipe) -> None:
    """While no aggregator looked: its offsets fit again, so it goes on; from the earliest on, the holes are filled."""
    pen = Pen()
    await _append_clicks(pipe, pen, 5)
    async with _aggregator(pipe):
        await pipe.until_applied()
    await delete_topic(pipe.connection)
    await apply_topics(pipe.connection, partitions=PARTITIONS_DEFAULT, replication_factor=1)
    await _append_clicks(pipe, pen, 10)
    async with _aggregator(pipe) as aggregator:
        await pipe.until_applied()
        assert await holes(pipe.dsn) == [(6, 10, "missing")]
        assert await aggregator.metric('open_hole_seqs{kind="missing"}') == 5
        await _said(pipe, "offsets", "reset", "clicks", "0", "--to", "earliest", "--why", "made anew")
        await pipe.until_applied()
    assert sorted(await pipe.seqs()) == list(range(1, 16))
    assert await holes(pipe.dsn) == []
    assert await pipe.drift() == []


async def test_a_kafka_that_was_away_costs_nothing_and_kills_no_record(
    database_dsn: str, frail_kafka: KafkaConnection, frail_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the infrastructure does is waited for: no dead letter, no partition that stands still."""
    monkeypatch.setattr(KafkaConnection, "of", lambda _settings: replace(frail_kafka, patience=SHORT))
    pen = Pen()
    async with opened_kafka_pipe(database_dsn, frail_kafka) as pipe, _aggregator(pipe) as aggregator:
        await _append_clicks(pipe, pen, 1)
        await pipe.until_applied()
        for _ in range(2):
            await _append_clicks(pipe, pen, 500)
            await asyncio.to_thread(frail_broker.kill)
            await eventually_async(lambda: _applies_nothing(aggregator), seconds_max=SOON_SECONDS)
            assert await aggregator.metric("database_connected") == 1
            await asyncio.to_thread(frail_broker.start)
            await _append_clicks(pipe, pen, 500)
            await pipe.until_applied()
            await eventually_async(lambda: _lags_nowhere(aggregator), what="every slice is measured, and none lags")
        await eventually_async(aggregator.is_applying)
        assert await aggregator.metric('applying_interruptions_total{cause="away"}')
        assert "advolink_partition_stopped{" not in await aggregator.metrics()
        assert await aggregator.metric('applying_interruptions_total{cause="stopped"}') in (None, 0)
        assert await pipe.seqs() == list(range(1, 2_002))
        assert await fetch_value(pipe.dsn, DEAD) == 0
        assert await fetch(pipe.dsn, STOPPED) == []
        assert await pipe.drift() == []


async def _lags_nowhere(aggregator: Aggregator) -> bool:
    return await aggregator.lags() == [0] * len(EVERY_SLICE)


async def _applies_nothing(aggregator: Aggregator) -> bool:
    return not await aggregator.is_applying()
