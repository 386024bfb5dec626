"""Kafka's own Java client, from the broker's jars, to compare ours with: stage/java/Probe.java, compiled once."""

import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from local.kafka.kit import ENVIRONMENT, Kit
from stage.requirements import Requirement, need

SOURCE: Final = Path(__file__).parent / "java" / "Probe.java"
SECONDS_MAX: Final = 90


class JavaRecord(NamedTuple):
    """A record as the Java client sees it."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes | None]


class JavaClient:
    """Runs Probe, compiled into `folder`."""

    def __init__(self, kit: Kit, folder: Path) -> None:
        javac = kit.java.program.with_name("javac")
        need(Requirement.JDK, present=javac.exists(), reason=f"{kit.java} has no compiler: install a JDK")
        self._java = kit.java.program
        jars = ":".join(map(str, kit.jars))
        self._classpath = f"{jars}:{folder}"
        _run([str(javac), "-Xlint:all", "-Werror", "-proc:none", "-cp", jars, "-d", str(folder), str(SOURCE)])

    def partitions(self, keys: Iterable[bytes], count: int) -> list[int]:
        """The partition of each key among `count`, by the default partitioner."""
        return [int(line) for line in self._probe("partitions", str(count), said="\n".join(map(_encoded, keys)))]

    def read(self, bootstrap: str, topic: str, count: int) -> list[JavaRecord]:
        """The first `count` records of a topic or more, each partition in order."""
        return [_record(line.split(" ")) for line in self._probe("read", bootstrap, topic, str(count))]

    def write(
        self, bootstrap: str, topic: str, records: Sequence[tuple[bytes, bytes, Mapping[str, bytes]]], compression: str
    ) -> list[int]:
        """Write key, value and headers of each record, idempotently; the partition that each was given."""
        lines = [
            " ".join([_encoded(key), _encoded(value), *(f"{name}={_encoded(one)}" for name, one in headers.items())])
            for key, value, headers in records
        ]
        return [int(line) for line in self._probe("write", bootstrap, topic, compression, said="\n".join(lines))]

    def producers(self, bootstrap: str, topic: str, partition: int) -> int:
        """How many producers with an id and a sequence the broker remembers for a partition."""
        (count,) = self._probe("producers", bootstrap, topic, str(partition))
        return int(count)

    def _probe(self, *words: str, said: str = "") -> list[str]:
        options = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=ERROR"]
        return _run([str(self._java), *options, "-cp", self._classpath, "Probe", *words], said).splitlines()


def _run(command: Sequence[str], said: str = "") -> str:
    done = subprocess.run(
        command, input=said, capture_output=True, text=True, check=False, timeout=SECONDS_MAX, env=dict(ENVIRONMENT)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _record(fields: Sequence[str]) -> JavaRecord:
    partition, key, value, *headers = fields
    pairs = (field.partition("=") for field in headers)
    return JavaRecord(int(partition), _decoded(key), _decoded(value), {name: _decoded(one) for name, _, one in pairs})


def _encoded(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _decoded(text: str) -> bytes | None:
    return None if text == "-" else b64decode(text)
