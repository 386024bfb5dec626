"""Kafka's jars are fetched once for each user, whole or not at all, whoever asks at the same time."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.errors import KafkaError
from local.kafka.jars import folder_name
from local.kafka.java import find_java
from stage.ordinary_user import OrdinaryUser
from stage.requirements import REPOSITORY, Requirement, need
from stage.up import is_running
from stage.waiting import eventually

ASKING = """
import asyncio, logging, sys
from pathlib import Path
from local.errors import LocalError
from local.kafka.cache import ready_kit
logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
try:
    kit = asyncio.run(ready_kit(Path(sys.argv[1]), print))
except LocalError as error:
    sys.exit(str(error))
print(len(kit.jars), "jars", kit.jars[0].parent, "archive", kit.archive)
"""
SECONDS_MAX = 240


@pytest.fixture(scope="module", autouse=True)
def _java_and_maven() -> None:
    try:
        find_java()
    except KafkaError as error:
        need(Requirement.KAFKA, present=False, reason=str(error))
    need(Requirement.KAFKA, present=shutil.which("mvn") is not None, reason="there is no Maven")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The cache folder of somebody who has none yet."""
    return tmp_path / "cache"


def kafka_in(cache: Path) -> Path:
    """Where Kafka's part of it is."""
    return cache / "advolink" / "kafka"


@contextmanager
def asking(home: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that wants a Kafka, for a data directory whose D/kafka is `home`."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "services"), **environment}
    with subprocess.Popen(
        [sys.executable, "-u", "-c", ASKING, str(home)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def answer(process: subprocess.Popen[str]) -> str:
    """What it said until its end."""
    return process.communicate(timeout=SECONDS_MAX)[0]


def program(folder: Path, name: str, script: str) -> str:
    """A PATH on which `name` is a shell script."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_two_at_once_fetch_once_and_a_third_finds_everything(cache: Path, tmp_path: Path) -> None:
    variables = {"XDG_CACHE_HOME": str(cache)}
    with asking(tmp_path / "a", **variables) as first, asking(tmp_path / "b", **variables) as second:
        said = [answer(first), answer(second)]
    folder = kafka_in(cache) / folder_name()
    kits = {text.splitlines()[-1] for text in said}
    assert len(kits) == 1, said
    assert f"{folder / 'jars'} archive {folder / 'classes-'}" in kits.pop()
    assert sum("fetching Apache Kafka" in text for text in said) == 1
    assert sum("making its start quicker" in text for text in said) == 1
    assert {path.name for path in kafka_in(cache).iterdir()} == {"lock", folder_name()}

    with asking(tmp_path / "c", PATH=program(tmp_path / "bin", "mvn", "exit 1"), **variables) as third:
        assert len(answer(third).splitlines()) == 1


def test_a_fetch_that_is_killed_leaves_nothing_and_the_next_begins_anew(cache: Path, tmp_path: Path) -> None:
    # This Maven has fetched one jar, and then takes for ever.
    path = program(tmp_path / "bin", "mvn", "mkdir jars; touch jars/a.jar; echo $$ > pid; exec sleep 600")
    with asking(tmp_path / "a", XDG_CACHE_HOME=str(cache), PATH=path) as process:
        pids = eventually(lambda: list(kafka_in(cache).glob("making-*/pid")), what="Maven runs")
        maven = int(eventually(pids[0].read_text))
        process.kill()
        process.wait()
    eventually(lambda: not is_running(maven), what="Maven ends with who asked for it")
    assert not (kafka_in(cache) / folder_name()).exists()

    path = program(tmp_path / "bin", "mvn", "echo '[ERROR] There is no way there'; exit 1")
    with asking(tmp_path / "a", XDG_CACHE_HOME=str(cache), PATH=path) as process:
        assert answer(process).splitlines()[-1] == "Maven could not fetch Kafka's jars: There is no way there"
        assert process.returncode == 1
    assert {path.name for path in kafka_in(cache).iterdir()} == {"lock"}


def test_no_maven_is_said_in_one_sentence_and_is_not_needed_twice(cache: Path, tmp_path: Path) -> None:
    java = find_java().program.parent
    variables = {"XDG_CACHE_HOME": str(cache), "PATH": str(java), "JAVA_HOME": ""}
    with asking(tmp_path / "a", **variables) as process:
        assert answer(process).strip() == (
            "Kafka's jars are fetched with Maven, and there is none: install it, as with `apt-get install maven`, or"
            " name a running Kafka in ADVOLINK_KAFKA_BOOTSTRAP."
        )
    jars = kafka_in(cache) / folder_name() / "jars"
    jars.mkdir(parents=True)
    (jars / "spoilt.jar").touch()
    with asking(tmp_path / "a", **variables) as process:
        said = answer(process)
    # No broker runs on such jars, so that there is no archive of them either: logged, and not in the way.
    assert "WARNING:local.kafka.training:Kafka starts without an archive of its classes, and more slowly: " in said
    assert said.splitlines()[-1] == f"1 jars {jars} archive None"


@pytest.mark.parametrize("variables", [{"XDG_CACHE_HOME": "/proc/nowhere"}, {"XDG_CACHE_HOME": "", "HOME": ""}])
def test_who_has_no_cache_folder_has_it_in_the_data_directory(variables: dict[str, str], tmp_path: Path) -> None:
    home = tmp_path / "kafka"
    path = program(tmp_path / "bin", "mvn", "mkdir jars; touch jars/a.jar")
    with asking(home, PATH=path, **variables) as process:
        assert f"1 jars {home / 'cache' / folder_name() / 'jars'} " in answer(process)


def test_a_user_whose_home_is_closed_to_maven_too_gets_everything(somebody: OrdinaryUser) -> None:
    home = somebody.folder / "kafka"
    path = program(somebody.folder / "bin", "mvn", 'echo "$@" > arguments; mkdir jars; touch jars/a.jar')
    done = subprocess.run(
        [somebody.python, "-c", ASKING, str(home)],
        env={**somebody.environment, "HOME": "", "PATH": path},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
        **somebody.become,
    )
    folder = home / "cache" / folder_name()
    assert f"1 jars {folder / 'jars'} " in done.stdout, done.stderr
    arguments = (folder / "arguments").read_text(encoding="utf-8")
    assert "-Dmaven.repo.local=" in arguments or somebody.become == {}
    assert "-C" in arguments.split()
