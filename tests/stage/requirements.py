"""What some tests need and a machine may lack.

A test that lacks it is skipped and says why. Where `ADVOLINK_REQUIRE` (a comma list, set by .ci/run) names it, the
test fails instead, so that nothing goes untested in silence where everything is meant to be there.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).resolve().parents[2]


class Requirement(StrEnum):
    """Everything a test may need. Its value is its name in `ADVOLINK_REQUIRE`."""

    POSTGRES = "postgres"
    """Postgres's binaries, a system's or the ones of the `local` extra."""
    KAFKA = "kafka"
    """Java and Maven, with which a Kafka broker is had."""
    JDK = "jdk"
    """A Java with its compiler, with which Kafka's own client is asked."""
    DATA = "data"
    """The shared data folder with the real click log."""
    CURL = "curl"
    """curl, with which README's example is run."""
    CHROMIUM = "chromium"
    """A real browser, in which a short link is clicked and track.js runs."""
    WRK = "wrk"
    """wrk, which puts servers under load."""
    NGINX = "nginx"
    """nginx, which redirects are measured against."""
    GO = "go"
    """Go, of which another such yardstick is made."""


YARDSTICKS: Final = frozenset({Requirement.WRK, Requirement.NGINX, Requirement.GO})
"""What benchmarks measure with and against. No promise of the services hangs on them, and a clean machine has none:
.ci/run does not install them, and says what was skipped."""


def need(requirement: Requirement, *, present: bool, reason: str) -> None:
    """Go on where `requirement` is present; else skip, or fail where it is required. Works at module level too."""
    if present:
        return
    if requirement in required_names(os.environ):
        pytest.fail(f"ADVOLINK_REQUIRE names {requirement}: {reason}", pytrace=False)
    pytest.skip(f"{requirement}: {reason}", allow_module_level=True)


def shared_data() -> Path:
    """The shared data folder: `ADVOLINK_DATA`, else `../shared/data`. Skips where there is none."""
    folder = shared_folder()
    need(Requirement.DATA, present=folder.is_dir(), reason=f"there is no folder {folder} (set ADVOLINK_DATA)")
    return folder


def shared_folder() -> Path:
    """Where the shared data folder is, if it is here."""
    return Path(os.environ.get("ADVOLINK_DATA") or REPOSITORY.parent / "shared" / "data")


def required_names(environment: Mapping[str, str]) -> frozenset[str]:
    """The names in `ADVOLINK_REQUIRE`."""
    names = environment.get("ADVOLINK_REQUIRE", "").split(",")
    return frozenset(name.strip() for name in names if name.strip())


def pytest_report_header() -> list[str]:
    """What stands at the top of a test run: what is required, and what no test knows. A hook for tests/conftest.py."""
    required = required_names(os.environ)
    unknown = required - set(Requirement)
    lines = [f"required: {', '.join(sorted(required)) or 'nothing (what is missing is skipped)'}"]
    if unknown:
        lines.append(f"ADVOLINK_REQUIRE names what no test knows: {', '.join(sorted(unknown))}")
    return lines
