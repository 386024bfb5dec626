"""Kafka's jars: fetched once by Maven, as pom.xml beside this file says, and kept for the next start.

Reads and writes the cache, which all data directories of a user share: <cache>/<version>-<hash of pom.xml>/jars. The
folder gets its name when it is whole, so that what is found there needs no second look.
"""

import hashlib
import os
import pwd
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from local.errors import KafkaError
from local.kafka.errands import TIMED_OUT, Errand
from local.settings import inherited_environment

POM: Final = Path(__file__).with_name("pom.xml")
FETCH_SECONDS_MAX: Final = 600

_BROKER_ARTIFACT: Final = "kafka_2.13"
_XML: Final = {"pom": "http://maven.apache.org/POM/4.0.0"}


def kafka_version() -> str:
    """The version of Kafka that pom.xml names."""
    for dependency in ET.parse(POM).getroot().iterfind(".//pom:dependency", _XML):  # noqa: S314 - our own file
        if dependency.findtext("pom:artifactId", namespaces=_XML) == _BROKER_ARTIFACT:
            return dependency.findtext("pom:version", default="", namespaces=_XML)
    raise LookupError(f"{POM} names no {_BROKER_ARTIFACT}")


def folder_name() -> str:
    """What the folder of these jars is called in the cache: another pom.xml is another folder."""
    return f"{kafka_version()}-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"


def jars_in(folder: Path) -> Sequence[Path]:
    """The jars of a finished folder, always in the same order; none where it is not there."""
    return sorted((folder / "jars").glob("*.jar"))


async def fetch_jars(folder: Path, making: Path, say: Callable[[str], None]) -> None:
    """Make `folder`, whole or not at all, by way of `making` beside it, which is empty.

    Raises:
        KafkaError: Maven is missing, or could not fetch them.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaError(
            "Kafka's jars are fetched with Maven, and there is none: install it, as with `apt-get install maven`, or"
            " name a running Kafka in ADVOLINK_KAFKA_BOOTSTRAP."
        )
    say(f"fetching Apache Kafka {kafka_version()} with Maven, once")
    shutil.copy(POM, making / "pom.xml")
    errand = Errand(_maven_command(maven, making), making, inherited_environment(), making / "mvn.log")
    try:
        status = await errand.run(FETCH_SECONDS_MAX)
    except OSError as error:
        raise KafkaError(f"Maven ({maven}) cannot be run: {error.strerror}.") from error
    if status == TIMED_OUT:
        raise KafkaError(f"Maven did not fetch Kafka's jars within {FETCH_SECONDS_MAX} s.")
    if status != 0 or not jars_in(making):
        raise KafkaError(f"Maven could not fetch Kafka's jars: {_complaint(errand)}")
    _finish(making, folder)


def _finish(making: Path, folder: Path) -> None:
    shutil.rmtree(making / "repository", ignore_errors=True)
    making.rename(folder)


def _maven_command(maven: str, making: Path) -> list[str]:
    # -C: a jar whose checksum does not fit is refused, not warned of.
    command = [maven, "-q", "-B", "-C", "-f", "pom.xml", "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={making / 'jars'}"]
    if not _has_repository():
        command.append(f"-Dmaven.repo.local={making / 'repository'}")
    return command


def _has_repository() -> bool:
    """Whether Maven can keep what it fetches where it always does: below the home that the system knows, not HOME."""
    try:
        home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        return False
    return os.access(home / ".m2" if (home / ".m2").exists() else home, os.W_OK | os.X_OK)


def _complaint(errand: Errand) -> str:
    """The first error that Maven named: the last lines are advice."""
    text = errand.log.read_text(encoding="utf-8", errors="replace")
    errors = [line.removeprefix("[ERROR]").strip() for line in text.splitlines() if line.startswith("[ERROR]")]
    return next(filter(None, errors), errand.last_words())
