"""`advolink up` around services that only answer: what is in the way is one sentence, and nothing is left behind.

With the real services: tests/e2e/test_up.py.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from event_log.kafka.connection import KafkaConnection
from stage.kafka import Broker
from stage.ordinary_user import OrdinaryUser
from stage.postgres import Server
from stage.requirements import REPOSITORY, Requirement, need
from stage.up import Up, data_directory, is_running, started_up
from stage.waiting import eventually

STAND_INS = {"PYTHONPATH": str(REPOSITORY / "tests" / "stage" / "stand_ins")}


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    with data_directory(tmp_path) as path:
        yield path


def refusal(up: Up) -> str:
    """The one sentence with which `up` ends."""
    assert up.until_ended() == 1
    return f"\n{up.said}".rpartition("\nError: ")[2].strip()


def processes_of(up: Up) -> list[int]:
    """Every pid that the log of `up` names."""
    return [int(pid) for pid in re.findall(r"runs as pid (\d+)", up.log("up"))]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--postgres-dsn=postgresql://me:secret@127.0.0.1:1/x"], "The Postgres at 127.0.0.1:1/x cannot be reached: "),
        (["--postgres-dsn=nonsense"], "The Postgres DSN cannot be read; it looks like postgresql://"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(directory: Path, arguments: list[str], sentence: str) -> None:
    with started_up(directory, *arguments) as up:
        said = refusal(up)
    assert said.startswith(sentence)
    assert "\n" not in said
    assert not (directory / "up.json").exists()


@pytest.mark.parametrize("workers", ["0", "65", "-1", "two"])
def test_a_number_of_workers_that_makes_no_sense_is_refused(directory: Path, workers: str) -> None:
    with started_up(directory, f"--workers={workers}") as up:
        assert up.until_ended() == 2
        assert f"Invalid value for '--workers': {workers!r} is not" in up.said.replace(f" {workers} ", f" {workers!r} ")


def test_a_variable_that_makes_no_sense_is_named(directory: Path) -> None:
    with started_up(directory, environment={"ADVOLINK_LOCAL_POSTGRES": "mine"}) as up:
        assert refusal(up).startswith("The variable ADVOLINK_LOCAL_POSTGRES cannot be used: ")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"BOOTSTRAP": "127.0.0.1:1"},
            "The Kafka at 127.0.0.1:1 cannot be reached over PLAINTEXT: no broker can be reached, or one has hung up (",
        ),
        ({"BOOTSTRAP": "here:there"}, "ADVOLINK_KAFKA_BOOTSTRAP cannot be read; it looks like host:9092,host:9092."),
        (
            {"SECURITY": "SASL_SSL"},
            "The variables cannot be used: SASL_SSL needs ADVOLINK_KAFKA_SASL_USERNAME and ",
        ),
        ({"SECURITY": "none"}, "The variable ADVOLINK_KAFKA_SECURITY cannot be used: "),
        (
            {"BOOTSTRAP": "127.0.0.1:1", "SECURITY": "SSL", "CA_FILE": "/no/such/file"},
            "The Kafka at 127.0.0.1:1 cannot be used: the certificates for Kafka cannot be used: ",
        ),
    ],
)
def test_a_given_kafka_that_is_no_use_is_named(directory: Path, variables: dict[str, str], sentence: str) -> None:
    environment = {f"ADVOLINK_KAFKA_{name}": value for name, value in variables.items()}
    with started_up(directory, "--log=kafka", environment=environment) as up:
        said = refusal(up)
    assert said.startswith(sentence)
    assert "\n" not in said
    assert not (directory / "event-log").exists()


def test_what_a_kafka_of_our_own_needs_is_said_in_one_sentence(directory: Path, tmp_path: Path) -> None:
    environment = {"PATH": "/nowhere", "JAVA_HOME": "", "XDG_CACHE_HOME": str(tmp_path)}
    with started_up(directory, "--log=kafka", environment=environment) as up:
        said = refusal(up)
    # A Java is found without PATH as well, where systems install it.
    assert said.startswith(("A Kafka of our own needs Java 17 or newer", "Kafka's jars are fetched with Maven, and"))
    assert said.endswith("or name a running Kafka in ADVOLINK_KAFKA_BOOTSTRAP.")
    assert "\n" not in said
    assert processes_of(up) == []


def test_a_stop_while_kafka_is_being_fetched_is_clean(directory: Path, tmp_path: Path) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho $$ > pid; exec sleep 600\n", encoding="utf-8")
    maven.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with started_up(directory, "--log=kafka", environment=environment) as up:
        pids = eventually(lambda: list((tmp_path / "cache").rglob("pid")) or up.process.poll())
        need(Requirement.KAFKA, present=isinstance(pids, list), reason=up.said)
        pid = int(eventually(next((tmp_path / "cache").rglob("pid")).read_text))
        assert up.stop() == 0
    assert not is_running(pid)
    assert up.said.endswith("advolink has stopped.\n")
    assert [path.name for path in (tmp_path / "cache" / "advolink" / "kafka").iterdir()] == ["lock"]


def test_a_given_kafka_is_used_and_told_to_the_services(
    directory: Path, kafka_connection: KafkaConnection, database_dsn: str
) -> None:
    environment = {
        **STAND_INS,
        "ADVOLINK_POSTGRES_DSN": database_dsn,
        "ADVOLINK_KAFKA_BOOTSTRAP": kafka_connection.bootstrap,
        "ADVOLINK_KAFKA_TOPIC_PREFIX": kafka_connection.topic_prefix,
    }
    with started_up(directory, "--log=kafka", environment=environment) as up:
        up.until_up()
        assert up.content["kafka_bootstrap"] == kafka_connection.bootstrap
        assert set(up.pids) == {"up", "redirector", "aggregator"}
        assert f"Kafka at {kafka_connection.bootstrap}, as given" in up.said
        assert "it has 1 replicas where 3 are expected" in up.said
        for name in ("redirector", "aggregator"):
            told = Path(f"/proc/{up.pids[name]}/environ").read_text(encoding="utf-8").split("\0")
            assert "ADVOLINK_EVENT_LOG=kafka" in told
            assert f"ADVOLINK_KAFKA_TOPIC_PREFIX={kafka_connection.topic_prefix}" in told
        assert up.stop() == 0
    assert not (directory / "kafka").exists()
    with started_up(directory, environment=environment) as up:
        assert "was started with `--log kafka` and ADVOLINK_KAFKA_BOOTSTRAP, and its events" in refusal(up)


def test_a_given_kafka_with_another_number_of_partitions_is_refused(
    directory: Path, kafka_connection: KafkaConnection
) -> None:
    environment = {
        "ADVOLINK_PARTITIONS": "3",
        "ADVOLINK_KAFKA_BOOTSTRAP": kafka_connection.bootstrap,
        "ADVOLINK_KAFKA_TOPIC_PREFIX": kafka_connection.topic_prefix,
    }
    with started_up(directory, "--log=kafka", environment=environment) as up:
        said = refusal(up)
    assert said.startswith(f"The Kafka at {kafka_connection.bootstrap} cannot be used: ")
    assert "it has 12 partitions where 3 are expected" in said


def test_a_given_kafka_that_cannot_hold_the_replicas_is_refused_in_one_sentence(
    directory: Path, kafka_broker: Broker
) -> None:
    environment = {
        "ADVOLINK_KAFKA_BOOTSTRAP": kafka_broker.bootstrap,
        "ADVOLINK_KAFKA_TOPIC_PREFIX": "never-made.",
    }
    with started_up(directory, "--log=kafka", environment=environment) as up:
        said = refusal(up)
    assert said.startswith(f"The Kafka at {kafka_broker.bootstrap} cannot be used: Kafka will not create never-made.")
    assert re.search(r"[^.]\.$", said)
    assert "\n" not in said


def test_a_busy_port_is_said_before_anything_is_started(directory: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with started_up(directory, f"--aggregator-port={port}") as up:
            assert refusal(up) == f"Port {port} is already in use; free it or choose another with --aggregator-port."
    assert processes_of(up) == []


def test_a_service_that_dies_on_start_is_shown_by_its_last_words(directory: Path) -> None:
    with started_up(directory, environment={**STAND_INS, "STAND_IN_AGGREGATOR": "dies"}) as up:
        assert refusal(up).splitlines()[-1] == "the last words of a stand-in"
    assert "aggregator (pid " in up.said
    assert "exited with status 1 while starting" in up.said
    assert len(processes_of(up)) >= 3
    assert not any(map(is_running, processes_of(up)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_during_the_start_is_clean(directory: Path, number: signal.Signals) -> None:
    with started_up(directory, environment={**STAND_INS, "STAND_IN_REDIRECTOR": "unready"}) as up:
        eventually(lambda: "redirector runs as pid" in up.log("up"), seconds_max=30)
        assert up.stop(number) == 0
    assert not any(map(is_running, processes_of(up)))
    assert up.said.endswith("advolink has stopped.\n")


def test_a_given_postgres_is_used_and_left_alone(directory: Path, database_dsn: str) -> None:
    with started_up(directory, environment={**STAND_INS, "ADVOLINK_POSTGRES_DSN": database_dsn}) as up:
        up.until_up()
        assert up.content["postgres_dsn"] == database_dsn
        assert set(up.pids) == {"up", "redirector", "aggregator"}
        assert ", as given" in up.said
        assert up.stop() == 0
    assert not (directory / "postgres").exists()


def test_a_database_that_does_not_fit_is_said_in_one_sentence(directory: Path, database_dsn: str) -> None:
    environment = {"ADVOLINK_POSTGRES_DSN": database_dsn, "ADVOLINK_PARTITIONS": "3"}
    with started_up(directory, environment=environment) as up:
        assert refusal(up) == "The database cannot be used: clicks has 12 partitions where 3 are expected"


def test_a_role_without_rights_is_refused_in_one_sentence(
    directory: Path, database_dsn: str, postgres_server: Server
) -> None:
    postgres_server.execute("CREATE ROLE guest LOGIN PASSWORD 'secret'")
    try:
        owner = f"advolink:{postgres_server.cluster.password}"
        with started_up(directory, f"--postgres-dsn={database_dsn.replace(owner, 'guest:secret')}") as up:
            said = refusal(up)
    finally:
        postgres_server.execute("DROP ROLE guest")
    assert re.fullmatch(r"The database cannot be used: .+ was refused, .+: permission denied for schema public", said)


def test_a_flag_goes_before_a_variable(directory: Path) -> None:
    environment = {
        **STAND_INS,
        "ADVOLINK_POSTGRES_DSN": "postgresql://127.0.0.1:1/x",
        "ADVOLINK_LOCAL_POSTGRES": "wheel",
    }
    with started_up(directory, "--postgres=auto", environment=environment) as up:
        up.until_up()
        assert "postgres" in up.pids


def test_a_key_that_the_database_no_longer_knows_is_replaced(directory: Path, database_dsn: str) -> None:
    keys = []
    for dsn in ([], [f"--postgres-dsn={database_dsn}"], [f"--postgres-dsn={database_dsn}"]):
        with started_up(directory, *dsn, environment=STAND_INS) as up:
            up.until_up()
            keys.append(up.content["api_key"])
            assert up.stop() == 0
    assert keys[0] != keys[1] == keys[2]


def test_an_ordinary_user_has_everything_in_their_own_directory(somebody: OrdinaryUser) -> None:
    directory = somebody.folder / "data"
    path = f"{STAND_INS['PYTHONPATH']}:{somebody.environment.get('PYTHONPATH', '')}"
    environment = {"PYTHONPATH": path.replace(str(REPOSITORY), str(somebody.folder.parent / "project"))}
    with started_up(directory, environment=environment, user=somebody) as up:
        up.until_up()
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in up.pids.values()}
        assert owners == {somebody.folder.stat().st_uid}
        assert (directory / "postgres" / "data").is_dir()
        assert up.stop() == 0


def test_output_that_goes_to_a_file_has_no_colours_and_no_wrapped_lines(directory: Path) -> None:
    with started_up(directory, environment={**STAND_INS, "COLUMNS": "40"}) as up:
        up.until_up()
        key, redirector = up.content["api_key"], up.content["redirector"]
        eventually(lambda: "Ctrl-C stops everything" in up.said)
        assert "\x1b" not in up.said
        assert f"curl -X PUT {redirector}/v1/advocates/ada \\\n    -H 'Authorization: Bearer {key}'" in up.said


def test_help_names_every_flag() -> None:
    command = [sys.executable, "-m", "advolink", "up", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    for flag in ("--data-dir", "--log", "--redirector-port", "--aggregator-port", "--workers", "--postgres-dsn"):
        assert flag in said
