"""The services are told what the stack is, by their environment."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from http_api.serving import STOP_DEADLINE_S
from local.data_directory import DataDirectory
from local.kafka.broker import Broker
from local.kafka.java import Java
from local.kafka.kit import Kit
from local.ports import Ports
from local.postgres.binaries import Binaries
from local.postgres.cluster import Cluster
from local.postgres.home import Home
from local.settings import PostgresChoice
from local.stack import AGGREGATOR_STOP, REDIRECTOR_STOP, Services, kafka_program, postgres_program
from redirector.settings import RedirectorSettings


@pytest.fixture
def services() -> Services:
    return Services(
        directory=DataDirectory(Path("/data")),
        ports=Ports(8080, 8081, 9080, 9081),
        postgres_dsn="postgresql://here",
        partitions=3,
        public_url="https://go.example",
        private_hosts=("intranet.example", "10.0.0.1"),
        inherited={"PATH": "/bin", "ADVOLINK_PARTITIONS": "5"},
    )


def cluster_in(place: Path, binaries: Path = Path("/bin")) -> Cluster:
    found = Binaries(binaries, 15, "15.1", PostgresChoice.SYSTEM)
    return Cluster(Home(place, place, None), found, 5432, "secret")


def broker_in(home: Path) -> Broker:
    return Broker(home, Kit(Java(Path("/bin/java"), 17, "17", "abc"), "4.3.1", [Path("/a.jar")]), 9092, 9093)


def test_the_redirector_is_told_everything_it_needs(services: Services) -> None:
    environment = services.redirector().environment
    told = {name: value for name, value in environment.items() if name.startswith("ADVOLINK_")}
    hosts = told.pop("ADVOLINK_REDIRECTOR_PRIVATE_HOSTS")
    assert orjson.loads(hosts) == ["intranet.example", "10.0.0.1"]
    assert told == {
        "ADVOLINK_POSTGRES_DSN": "postgresql://here",
        "ADVOLINK_PARTITIONS": "3",
        "ADVOLINK_EVENT_LOG": "postgres",
        "ADVOLINK_REDIRECTOR_HOST": "127.0.0.1",
        "ADVOLINK_REDIRECTOR_PORT": "8080",
        "ADVOLINK_REDIRECTOR_MANAGEMENT_PORT": "9080",
        "ADVOLINK_REDIRECTOR_JOURNAL_DIR": "/data/journals",
        "ADVOLINK_REDIRECTOR_PUBLIC_URL": "https://go.example",
        "ADVOLINK_REDIRECTOR_STOP_DELAY_SECONDS": "0",
        "ADVOLINK_REDIRECTOR_WORKERS": "1",
    }


def test_the_aggregator_is_told_everything_it_needs(services: Services) -> None:
    environment = services.aggregator().environment
    assert {name: value for name, value in environment.items() if name.startswith("ADVOLINK_")} == {
        "ADVOLINK_POSTGRES_DSN": "postgresql://here",
        "ADVOLINK_PARTITIONS": "3",
        "ADVOLINK_EVENT_LOG": "postgres",
        "ADVOLINK_AGGREGATOR_HOST": "127.0.0.1",
        "ADVOLINK_AGGREGATOR_PORT": "8081",
        "ADVOLINK_AGGREGATOR_MANAGEMENT_PORT": "9081",
    }


def test_other_variables_are_passed_on(services: Services) -> None:
    assert services.redirector().environment["PATH"] == "/bin"


def test_both_are_told_of_a_kafka_where_there_is_one(services: Services) -> None:
    through_kafka = replace(services, kafka_bootstrap="127.0.0.1:9092")
    for program in (through_kafka.redirector(), through_kafka.aggregator()):
        assert program.environment["ADVOLINK_EVENT_LOG"] == "kafka"
        assert program.environment["ADVOLINK_KAFKA_BOOTSTRAP"] == "127.0.0.1:9092"


def test_all_deadlines_together_are_under_thirty_seconds() -> None:
    """Those of what others stand on run at the same time."""
    foundations = (
        postgres_program(cluster_in(Path("/place")), DataDirectory(Path("/data"))),
        kafka_program(broker_in(Path("/place")), DataDirectory(Path("/data"))),
    )
    assert all(program.is_foundation for program in foundations)
    last = max(program.stop_deadline for program in foundations)
    assert (REDIRECTOR_STOP + AGGREGATOR_STOP + last).total_seconds() < 30


def test_requests_in_flight_and_the_drain_fit_into_the_deadlines() -> None:
    drain_seconds = RedirectorSettings.model_fields["drain_seconds"].default
    assert STOP_DEADLINE_S + drain_seconds < REDIRECTOR_STOP.total_seconds()
    assert AGGREGATOR_STOP.total_seconds() > STOP_DEADLINE_S


def test_postgres_gets_nothing_of_the_environment_and_listens_on_loopback_only() -> None:
    program = postgres_program(cluster_in(Path("/place")), DataDirectory(Path("/data")))
    assert set(program.environment) == {"LANG", "LC_ALL", "PATH"}
    assert "listen_addresses=127.0.0.1" in program.command
    assert 'unix_socket_directories="/place/socket"' in program.command


def test_postgres_has_no_socket_where_its_path_would_be_too_long() -> None:
    longest = Path("/" + "x" * (107 - len("/" + "/socket/.s.PGSQL.5432")))
    assert 'unix_socket_directories=""' not in cluster_in(longest).command()
    assert cluster_in(longest).has_socket
    too_long = longest.with_name(longest.name + "x")
    assert "unix_socket_directories=" in cluster_in(too_long).command()
    assert not cluster_in(too_long).has_socket


def test_kafka_gets_nothing_of_the_environment_and_works_where_its_data_is() -> None:
    program = kafka_program(broker_in(Path("/place")), DataDirectory(Path("/data")))
    assert set(program.environment) == {"LANG", "LC_ALL", "PATH"}
    assert program.working_directory == Path("/place")
    assert program.command[-2:] == ["kafka.Kafka", "server.properties"]
