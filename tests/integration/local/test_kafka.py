"""A Kafka broker of our own is made, killed, recovered and found again (DESIGN §14). Its jars: test_kafka_cache.py."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from event_log.contract import LoggedRecord, Record
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.connection import is_serving as answers
from event_log.kafka.log import KafkaEventLog
from link_events.identity import JournalId, Seq
from link_events.streams import Offset, Partition, Stream
from local.errors import DataDirectoryError, KafkaError
from local.kafka import broker as local_broker
from local.kafka.broker import prepared
from local.kafka.jars import folder_name
from local.kafka.kit import ENVIRONMENT, Kit
from local.kafka.leftover import holder_of
from local.kafka.sessions import is_serving
from local.ports import is_free
from stage.kafka import FAST, Broker, prepared_kafka, running_kafka
from stage.ordinary_user import OrdinaryUser
from stage.proxy import HOST, opened_proxy
from stage.topics import fresh_topics
from stage.up import is_running
from stage.waiting import eventually, eventually_async

VALUE = b'{"kept": true}'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where a broker lives (D/kafka)."""
    return tmp_path / "kafka"


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """What the brokers of this module are run with."""
    with prepared_kafka(tmp_path_factory.mktemp("kit") / "kafka") as broker:
        return broker.kit


@contextmanager
def running(home: Path, kit: Kit) -> Iterator[Broker]:
    """A broker in `home`, as the next `up` runs it."""
    with prepared(home, kit, settings=FAST) as broker, running_kafka(broker, home.with_suffix(".log")) as launched:
        yield launched


async def append(connection: KafkaConnection, count: int) -> None:
    """Append records to one partition."""
    log = KafkaEventLog(connection)
    try:
        records = [Record(JournalId(b"journal1"), Seq(seq), VALUE) for seq in range(1, count + 1)]
        await log.append(Stream.CLICKS, Partition(0), records)
    finally:
        await log.close()


async def values(connection: KafkaConnection) -> list[bytes]:
    """What the records of that partition hold."""
    log = KafkaEventLog(connection)
    try:
        read = await log.read(Stream.CLICKS, Partition(0), Offset(0), records_max=100, wait=timedelta(seconds=10))
    finally:
        await log.close()
    return [logged.record.value for logged in read if isinstance(logged, LoggedRecord)]


def test_what_was_acknowledged_survives_kills(frail_broker: Broker, frail_kafka: KafkaConnection) -> None:
    asyncio.run(append(frail_kafka, 3))
    for _ in range(2):
        frail_broker.kill()
        assert not frail_broker.is_running
        frail_broker.start()
    assert asyncio.run(values(frail_kafka)) == [VALUE] * 3


def test_a_broker_that_is_frozen_does_not_serve_and_goes_on_when_it_is_thawed(frail_broker: Broker) -> None:
    pid = frail_broker.pid
    frail_broker.freeze()
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(is_serving(frail_broker.bootstrap), 1))
    frail_broker.thaw()
    frail_broker.start()
    assert frail_broker.pid == pid


async def test_who_comes_through_a_proxy_finds_no_way_around_it(kafka_broker: Broker) -> None:
    through = KafkaConnection(kafka_broker.bootstrap_through_proxy)
    assert not await answers(through)
    async with opened_proxy((HOST, kafka_broker.proxied_port), kafka_broker.proxy_port):
        await eventually_async(lambda: answers(through), what="Kafka answers through the proxy")
    assert not await answers(through)
    assert await answers(KafkaConnection(kafka_broker.bootstrap))


def test_storage_is_formatted_once_and_ports_are_found_again(home: Path, kit: Kit) -> None:
    with prepared(home, kit, settings=FAST) as first:
        formatted = (first.data / "meta.properties").read_bytes()
    unfinished = home / "making-abc"
    unfinished.mkdir()
    with prepared(home, kit, settings=FAST) as again:
        assert again == first
        assert (again.data / "meta.properties").read_bytes() == formatted


def test_storage_that_was_never_finished_is_made_anew(home: Path, kit: Kit) -> None:
    (home / "making-abc" / "data").mkdir(parents=True)
    with prepared(home, kit, settings=FAST) as broker:
        assert (broker.data / "meta.properties").exists()
    assert not list(home.glob("making-*"))


def test_data_serves_on_other_ports_where_its_own_were_taken(home: Path, kit: Kit) -> None:
    with running(home, kit) as first:
        ports = {first.broker.port, first.broker.controller_port}
        connection = fresh_topics(first.bootstrap)
        asyncio.run(append(connection, 2))
        first.stop()
    with prepared(home, kit, settings=FAST, ports_taken=ports) as moved:
        assert not {moved.port, moved.controller_port} & ports
        assert is_free(moved.port)
    with running(home, kit) as second:
        assert (second.broker.port, second.broker.controller_port) == (moved.port, moved.controller_port)
        assert asyncio.run(values(replace(connection, bootstrap=second.bootstrap))) == [VALUE] * 2


def test_a_home_has_one_launcher_at_a_time(home: Path, kit: Kit) -> None:
    with prepared(home, kit), pytest.raises(DataDirectoryError, match="in use by another `advolink up`"):
        prepared(home, kit).__enter__()


def test_a_path_may_hold_whatever_paths_hold(tmp_path: Path, kit: Kit) -> None:
    strange = tmp_path / "a = b, ${c} ü\\d"
    strange.mkdir()
    with running(strange / "kafka", kit) as broker:
        assert broker.is_running


def test_a_broker_that_an_earlier_up_left_running_is_ended_first(home: Path, kit: Kit) -> None:
    with prepared(home, kit, settings=FAST) as broker:
        left = unleashed(broker)
    assert holder_of(broker.data / ".lock") == left.pid
    with prepared(home, kit, settings=FAST) as again:
        assert again == broker
        assert left.wait(timeout=10) == 143  # SIGTERM, cleanly
        assert holder_of(broker.data / ".lock") is None


def test_a_broker_that_hangs_is_killed(home: Path, kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.kafka.leftover.STOP_SECONDS_MAX", 1)
    with prepared(home, kit, settings=FAST) as broker:
        left = unleashed(broker)
    left.send_signal(signal.SIGSTOP)
    with prepared(home, kit, settings=FAST):
        assert left.wait(timeout=10) == -signal.SIGKILL


def test_data_that_was_made_by_nobody_is_held_by_nobody(tmp_path: Path) -> None:
    assert holder_of(tmp_path / ".lock") is None
    (tmp_path / ".lock").touch()
    assert holder_of(tmp_path / ".lock") is None


def test_an_archive_that_is_spoilt_makes_a_start_slower_and_no_more(home: Path, kit: Kit, tmp_path: Path) -> None:
    spoilt = tmp_path / "classes.jsa"
    spoilt.write_bytes(b"no archive")
    with running(home, replace(kit, archive=spoilt)) as broker:
        assert broker.is_running


def test_storage_that_cannot_be_made_is_said_in_one_sentence(home: Path, kit: Kit) -> None:
    with pytest.raises(
        KafkaError, match=r"^Apache Kafka 4\S+ \(Java \S+\) could not make its storage in .*: ."
    ) as caught:
        prepared(home, replace(kit, jars=kit.jars[:1], archive=None)).__enter__()
    assert "\n" not in str(caught.value)
    assert not list(home.glob("making-*"))


def unleashed(broker: local_broker.Broker) -> subprocess.Popen[bytes]:
    """The broker as nothing holds it: it outlives whoever started it."""
    process = subprocess.Popen(
        broker.command(),
        env=dict(ENVIRONMENT),
        cwd=broker.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: asyncio.run(is_serving(broker.bootstrap)), seconds_max=60, what="Kafka serves")
    assert is_running(process.pid)
    return process


def test_an_ordinary_user_runs_a_broker_in_their_own_directory(somebody: OrdinaryUser, kit: Kit) -> None:
    cache = somebody.folder / "cache"
    shutil.copytree(kit.jars[0].parent, cache / "advolink" / "kafka" / folder_name() / "jars")
    status = somebody.folder.stat()
    for path in (cache, *cache.rglob("*")):
        os.chown(path, status.st_uid, status.st_gid)
    script = """
import sys
from pathlib import Path
from stage.kafka import prepared_kafka, running_kafka
home = Path(sys.argv[1])
with prepared_kafka(home) as broker, running_kafka(broker, home.with_suffix(".log")) as launched:
    launched.kill()
    launched.start()
    launched.stop()
    print(broker.data.stat().st_uid, broker.kit.archive)
"""
    done = subprocess.run(
        [somebody.python, "-c", script, str(somebody.folder / "kafka")],
        env={**somebody.environment, "XDG_CACHE_HOME": str(cache)},
        cwd=somebody.folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        **somebody.become,
    )
    assert done.returncode == 0, done.stderr
    owner, archive = done.stdout.splitlines()[-1].split()
    assert owner == str(status.st_uid)
    assert archive.startswith(str(cache))
