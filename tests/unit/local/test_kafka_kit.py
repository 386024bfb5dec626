"""What a broker is run with: which Java, which jars, which command, which settings."""

from pathlib import Path

import pytest

from local.errors import KafkaError
from local.kafka import jars, java
from local.kafka.java import find_java
from local.kafka.kit import Kit
from local.kafka.properties import SETTINGS, render
from local.settings import cache_folder, without_kafka

JAVA_17 = java.Java(Path("/jvm/17/bin/java"), 17, "17.0.15", "abc")


@pytest.fixture(autouse=True)
def _no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any Java."""
    monkeypatch.setattr(java, "_SYSTEM_PROGRAMS", ())
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)


def java_in(folder: Path, version: str) -> Path:
    """A program in `folder`/bin that says it is a Java; the folder."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n", encoding="utf-8")
    program.chmod(0o755)
    return folder


def properties(text: str) -> dict[str, str]:
    """What server.properties says."""
    return dict(line.split("=", 1) for line in text.splitlines())


def test_no_java_is_said_in_one_sentence() -> None:
    with pytest.raises(KafkaError) as caught:
        find_java()
    assert str(caught.value) == (
        "A Kafka of our own needs Java 17 or newer (there is none): install one, as with `apt-get install"
        " default-jre-headless`, or name a running Kafka in ADVOLINK_KAFKA_BOOTSTRAP."
    )


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.2", "16"])
def test_an_old_java_is_named(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(java_in(tmp_path, version) / "bin"))
    with pytest.raises(KafkaError, match=rf"needs Java 17 or newer \(there is Java {version}\)"):
        find_java()


@pytest.mark.parametrize(("version", "major"), [("17.0.15", 17), ("21", 21), ("25-ea", 25)])
def test_a_java_on_path_is_found(version: str, major: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(java_in(tmp_path, version) / "bin"))
    found = find_java()
    assert (found.major, str(found)) == (major, f"Java {version}")


def test_java_home_goes_before_path_and_the_system_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    homes = {name: java_in(tmp_path / name, version) for name, version in (("a", "17"), ("b", "18"), ("c", "19"))}
    monkeypatch.setattr(java, "_SYSTEM_PROGRAMS", (f"{homes['c'].relative_to('/')}/bin/java",))
    assert find_java().major == 19
    monkeypatch.setenv("PATH", str(homes["b"] / "bin"))
    assert find_java().major == 18
    monkeypatch.setenv("JAVA_HOME", str(homes["a"]))
    assert find_java().major == 17


def test_an_old_java_in_front_hides_no_newer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java_in(tmp_path / "old", "11")))
    monkeypatch.setenv("PATH", str(java_in(tmp_path / "new", "21") / "bin"))
    assert find_java().major == 21


def test_every_build_of_java_has_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builds = set()
    for version in ("17.0.14", "17.0.15"):
        monkeypatch.setenv("JAVA_HOME", str(java_in(tmp_path / version, version)))
        builds.add(find_java().build)
    assert len(builds) == 2


def test_another_pom_is_another_folder_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = jars.folder_name()
    assert first.startswith(f"{jars.kafka_version()}-")
    pom = tmp_path / "pom.xml"
    pom.write_text(jars.POM.read_text(encoding="utf-8").replace("2.25.5", "2.25.6"), encoding="utf-8")
    monkeypatch.setattr(jars, "POM", pom)
    assert jars.folder_name() != first
    assert jars.folder_name().startswith(f"{jars.kafka_version()}-")


@pytest.mark.parametrize(
    ("xdg", "home", "folder"),
    [
        ("/var/caches", "/home/ada", "/var/caches"),
        ("", "/home/ada", "/home/ada/.cache"),
        ("not/absolute", "/home/ada", "/home/ada/.cache"),
        ("", "", None),
    ],
)
def test_the_cache_is_where_the_user_has_caches(
    xdg: str, home: str, folder: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    monkeypatch.setenv("HOME", home)
    assert cache_folder() == (Path(folder) if folder else None)


def test_a_command_names_every_jar_in_order_and_the_archive_where_there_is_one() -> None:
    kit = Kit(JAVA_17, "4.3.1", [Path("/jars/a.jar"), Path("/jars/b.jar")])
    command = kit.command("kafka.Kafka", "server.properties", options=["-Dx=y"])
    assert command[0] == "/jvm/17/bin/java"
    assert command[-5:] == ["-Dx=y", "-cp", "/jars/a.jar:/jars/b.jar", "kafka.Kafka", "server.properties"]
    assert not any("Shared" in word for word in command)
    archived = Kit(JAVA_17, "4.3.1", kit.jars, Path("/jars/classes.jsa")).command("kafka.Kafka")
    assert {"-XX:SharedArchiveFile=/jars/classes.jsa", "-Xshare:auto"} <= set(archived)
    assert str(kit) == "Apache Kafka 4.3.1 (Java 17.0.15)"


def test_the_broker_listens_on_loopback_only_and_makes_no_topic_by_itself() -> None:
    told = properties(render(19092, 19093))
    addresses = [address.partition("://")[2] for address in told["listeners"].split(",")]
    assert addresses == ["127.0.0.1:19092", "127.0.0.1:19093"]
    assert told["advertised.listeners"] == told["listeners"]
    assert told["auto.create.topics.enable"] == "false"
    assert told["log.flush.interval.messages"] == "1"


def test_no_path_stands_in_the_settings_so_that_none_can_spoil_them() -> None:
    told = properties(render(1, 2))
    assert told["log.dirs"] == "data"
    assert not [name for name, value in told.items() if "/" in value.replace("://", "")]


def test_a_setting_is_replaced_and_the_rest_stays() -> None:
    told = properties(render(1, 2, {**SETTINGS, "num.io.threads": "5"}))
    assert told == {**properties(render(1, 2)), "num.io.threads": "5"}


def test_what_tells_of_a_kafka_that_is_not_used_is_passed_on_to_nobody() -> None:
    environment = {"PATH": "/bin", "ADVOLINK_KAFKA_SECURITY": "SSL", "ADVOLINK_PARTITIONS": "3"}
    assert without_kafka(environment) == {"PATH": "/bin", "ADVOLINK_PARTITIONS": "3"}
