"""Which Java runs the broker: JAVA_HOME's, else the one on PATH, else one that is installed where systems put it.

Runs `java -version`, so that what is found is known to work.
"""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.errors import KafkaError
from local.settings import java_home

MAJOR_MIN: Final = 17
"""The oldest Java that Kafka's brokers run on."""

_SYSTEM_PROGRAMS: Final = ("usr/lib/jvm/*/bin/java", "Library/Java/JavaVirtualMachines/*/Contents/Home/bin/java")
_VERSION: Final = re.compile(r'version "((?:1\.)?(\d+)[^"]*)"')
_ASK_SECONDS_MAX: Final = 30


@dataclass(frozen=True, slots=True)
class Java:
    """A Java that can be run. `build` tells it from every other build, for archives fit only the one that made them."""

    program: Path
    major: int
    version: str
    build: str

    def __str__(self) -> str:
        return f"Java {self.version}"


def find_java() -> Java:
    """The first Java that is new enough.

    Raises:
        KafkaError: there is none; the message says what there is and what to install.
    """
    found: list[Java] = []
    for program in dict.fromkeys(path.resolve() for path in _programs()):
        java = _working(program)
        if java is not None and java.major >= MAJOR_MIN:
            return java
        found += [java] if java else []
    there_is = ", ".join(map(str, found)) or "none"
    raise KafkaError(
        f"A Kafka of our own needs Java {MAJOR_MIN} or newer (there is {there_is}): install one, as with"
        " `apt-get install default-jre-headless`, or name a running Kafka in ADVOLINK_KAFKA_BOOTSTRAP."
    )


def _programs() -> Iterator[Path]:
    if home := java_home():
        yield home / "bin" / "java"
    if java := shutil.which("java"):
        yield Path(java)
    for pattern in _SYSTEM_PROGRAMS:
        yield from sorted(Path("/").glob(pattern), reverse=True)


def _working(program: Path) -> Java | None:
    try:
        done = subprocess.run(  # noqa: S603 - paths found above
            [program, "-version"], check=False, capture_output=True, text=True, timeout=_ASK_SECONDS_MAX, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(done.stderr)
    if done.returncode != 0 or found is None:
        return None
    build = hashlib.sha256(f"{program}\n{done.stderr}".encode()).hexdigest()
    return Java(program, int(found[2]), found[1], build)
