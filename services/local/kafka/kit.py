"""What a broker is run with: a Java, Kafka's jars, and the archive of their classes where there is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from local.kafka.java import Java

JAVA_OPTIONS: Final = (
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # a quick start matters more here than the last drop of throughput
    "-XX:+ExitOnOutOfMemoryError",  # the supervisor starts it again
    "-Djava.awt.headless=true",
    "-Dlog4j2.level=WARN",
)
"""For one small broker: 200 to 500 MB resident."""

ENVIRONMENT: Final = MappingProxyType({"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"})
"""All that Java gets: no JAVA_* or KAFKA_* variable of the person at the terminal changes it."""


@dataclass(frozen=True, slots=True)
class Kit:
    """One version of Kafka, ready to be run."""

    java: Java
    version: str
    jars: Sequence[Path]
    archive: Path | None = None

    def __str__(self) -> str:
        return f"Apache Kafka {self.version} ({self.java})"

    def command(self, main_class: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
        """How Java runs `main_class`, with more `options` of Java's."""
        shared = [f"-XX:SharedArchiveFile={self.archive}", "-Xshare:auto"] if self.archive else []
        # By name and in one order: an archive fits only the very classpath that it was made with.
        classpath = ":".join(map(str, self.jars))
        return [str(self.java.program), *JAVA_OPTIONS, *shared, *options, "-cp", classpath, main_class, *arguments]
