"""An older copy of the database is restored, as docs/operations.md says, while journals and Kafka hold the rest.

Every click is there once afterwards: those the backup has, those that came after it, and those that come now.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from advolink.__main__ import main
from aggregator.app import running
from aggregator.settings import AggregatorSettings
from database.keys import Scope, create_key
from event_log.kafka.connection import KafkaConnection
from event_log.settings import EventLogKind
from http_api.serving import Failures
from link_events.streams import PARTITIONS_DEFAULT, partition_of
from redirector.journal.acks import FILE_NAME
from stage.click_log import write_twin
from stage.dead import holes
from stage.journals import records_in
from stage.pipe import opened_pipe
from stage.postgres import Server
from stage.redirectors import RunningRedirector, running_redirector
from stage.sql import execute, fetch, fetch_value
from stage.topics import delete_records
from stage.waiting import eventually_async

CODES: Final = ("one", "two", "three", "four", "five")
SOON_SECONDS: Final = 60
REWINDS: Final = "advolink_shipping_rewinds_total"
CLICK: Final = b'"advolink.click.v1"'

MOVE_NUMBERS_AHEAD: Final = "SELECT setval(pg_get_serial_sequence('link', 'link_id'), max(link_id) + 1000000) FROM link"
"""Step 3 of restoring an older database."""

PARTITION: Final = 0
"""The one that a test takes records away from."""

RAW: Final = "SELECT journal, partition, seq FROM click"
STOPPED: Final = "SELECT partition FROM partition_offset WHERE stopped = 'offset_out_of_range' ORDER BY partition"


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is. The database is restored into another one, `name`."""

    server: Server
    journals: Path
    event_log: Mapping[str, str]
    name: str

    @property
    def backup(self) -> Path:
        """What pg_dump writes."""
        return self.journals.with_name("advolink.dump")

    async def back_up(self, dsn: str) -> None:
        """Back the database up, while it is used."""
        await asyncio.to_thread(self.server.dump, dsn, self.backup)

    async def restored(self) -> str:
        """The backup as a database, the numbers of its links moved ahead."""
        dsn = await asyncio.to_thread(self.server.restore, self.backup, self.name)
        await execute(dsn, MOVE_NUMBERS_AHEAD)
        return dsn


@pytest.fixture(params=list(EventLogKind))
def event_log(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """What tells the services which log carries events."""
    if request.param is EventLogKind.POSTGRES:
        return {}
    connection = request.getfixturevalue("kafka_connection")
    return {
        "ADVOLINK_EVENT_LOG": "kafka",
        "ADVOLINK_KAFKA_BOOTSTRAP": connection.bootstrap,
        "ADVOLINK_KAFKA_TOPIC_PREFIX": connection.topic_prefix,
    }


@pytest.fixture
def place(postgres_server: Server, tmp_path: Path, event_log: Mapping[str, str]) -> Iterator[Place]:
    """Nothing in it yet."""
    name = f"restored_{secrets.token_hex(6)}"
    yield Place(postgres_server, tmp_path / "journals", event_log, name)
    postgres_server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def key(database_dsn: str) -> str:
    """An admin's key, which is in the backup."""
    return asyncio.run(create_key(database_dsn, name="test", scopes=[Scope.ADMIN]))


@asynccontextmanager
async def _services(place: Place, dsn: str, key: str) -> AsyncIterator[RunningRedirector]:
    """A redirector and an aggregator for the length of the block."""
    settings: dict[str, Any] = {"ADVOLINK_POSTGRES_DSN": dsn, **place.event_log, "lease": 1}
    failures = Failures()
    async with (
        running(AggregatorSettings.model_validate(settings), failures),
        running_redirector(dsn, place.journals, key, heartbeat_interval=3600, **place.event_log) as redirector,
    ):
        yield redirector
        failures.raise_first()


async def _click_all(redirector: RunningRedirector, *codes: str, rounds: int = 3) -> None:
    for code in codes * rounds:
        assert (await redirector.click(code)).status_code == HTTPStatus.FOUND


def _journaled(journals: Path) -> set[tuple[bytes, int, int]]:
    """Every click of every journal by its name."""
    directories = [path for path in journals.glob("*/*") if path.is_dir()]
    return {
        (journal, partition, seq)
        for directory in directories
        for (_, partition), records in records_in(directory).items()
        for journal, seq, value in records
        if CLICK in value
    }


async def _until_counted(dsn: str, journals: Path) -> None:
    """Wait until every click that was journaled is in the database."""

    async def is_counted() -> bool:
        return {(bytes(journal), *rest) for journal, *rest in await fetch(dsn, RAW)} == _journaled(journals)

    await eventually_async(is_counted, seconds_max=SOON_SECONDS, what="every click is there")


async def _check_each_is_there_once(dsn: str, journals: Path) -> None:
    await _until_counted(dsn, journals)
    async with opened_pipe(dsn) as pipe:
        assert await pipe.drift() == []
    assert await fetch_value(dsn, "SELECT sum(raw_clicks) FROM advocate_day") == len(_journaled(journals))
    assert await holes(dsn) == []
    assert await fetch_value(dsn, "SELECT count(*) FROM dead_letter") == 0


async def test_what_came_after_the_backup_is_counted_once(
    place: Place, database_dsn: str, key: str, tmp_path: Path
) -> None:
    """From the journals where Postgres is the log, those of imports too; from Kafka where that is.

    A link that was lost is issued again.
    """
    async with _services(place, database_dsn, key) as before:
        for code in CODES:
            await before.issue(f"advocate.{code}", alias=code)
        await _click_all(before, *CODES)
        await _until_counted(database_dsn, place.journals)
        await place.back_up(database_dsn)
        await before.issue("advocate.late", alias="late")
        await _click_all(before, *CODES, "late")
        assert (await before.import_file(write_twin(tmp_path / "twin.jsonl", 50).read_bytes())).is_success
        await _until_counted(database_dsn, place.journals)
    dsn = await place.restored()
    async with _services(place, dsn, key) as after:
        await after.issue("advocate.late", alias="late")
        await _click_all(after, *CODES, "late")
        await after.shipped()
        await _check_each_is_there_once(dsn, place.journals)
        assert await after.metric(REWINDS) == (0 if place.event_log else 2)
    assert await fetch_value(dsn, "SELECT raw_clicks FROM advocate_quarter WHERE advocate_id = 'advocate.late'") == 6


@pytest.mark.parametrize("event_log", [EventLogKind.KAFKA], indirect=True)
async def test_what_kafka_has_let_go_meanwhile_is_sent_again_by_the_redirectors(
    place: Place, kafka_connection: KafkaConnection, database_dsn: str, key: str
) -> None:
    """The partition stops; once a person has reset it and had the journals sent again, every click is there once."""
    advocate = next(
        name for name in map("advocate.{}".format, count()) if partition_of(name, PARTITIONS_DEFAULT) == PARTITION
    )
    async with _services(place, database_dsn, key) as before:
        directory = before.journal_directory
        await before.issue(advocate, alias="one")
        await _click_all(before, "one")
        await _until_counted(database_dsn, place.journals)
        await place.back_up(database_dsn)
        await _click_all(before, "one", rounds=10)
        await _until_counted(database_dsn, place.journals)
    await delete_records(kafka_connection, 9)
    dsn = await place.restored()
    async with _services(place, dsn, key):
        await eventually_async(lambda: _is_stopped(dsn), seconds_max=SOON_SECONDS, what="the partition stands still")
    (directory / FILE_NAME).unlink()
    async with _services(place, dsn, key) as after:
        await _said(place, dsn, "offsets", "reset", "clicks", "0", "--to", "earliest", "--why", "restored")
        await _click_all(after, "one")
        await after.shipped()
        await _check_each_is_there_once(dsn, place.journals)


async def _is_stopped(dsn: str) -> bool:
    return await fetch(dsn, STOPPED) == [(0,)]


async def _said(place: Place, dsn: str, *words: str) -> str:
    """What `advolink …` says, told by the environment where everything is."""
    runner = CliRunner(env={"ADVOLINK_POSTGRES_DSN": dsn, **place.event_log})
    result = await asyncio.to_thread(runner.invoke, main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output
