"""requirements.lock fits pyproject.toml, and holds versions and hashes, no addresses."""

import re
import tomllib
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stage.requirements import REPOSITORY

LOCK: Final = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
LOCKED: Final = [
    Requirement(line.removesuffix("\\").strip()) for line in LOCK.splitlines() if line and line[0] not in "# "
]


def asked_for() -> list[str]:
    """What pyproject.toml asks for, with every extra and what builds the package."""
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return [*project["dependencies"], *extras, *pyproject["build-system"]["requires"]]


@pytest.mark.parametrize("line", asked_for())
def test_what_is_asked_for_is_locked_at_a_version_that_will_do(line: str) -> None:
    asked = Requirement(line)
    versions = [
        specifier.version
        for locked in LOCKED
        if canonicalize_name(locked.name) == canonicalize_name(asked.name)
        for specifier in locked.specifier
    ]
    assert versions, f"{asked.name} is not locked: run make lock"
    assert all(asked.specifier.contains(version) for version in versions), f"{asked} is locked at {versions}"


def test_every_locked_requirement_has_one_version_and_a_hash() -> None:
    assert all(re.fullmatch(r"==[^*]+", str(locked.specifier)) for locked in LOCKED)
    entries = re.split(r"^(?=\S)", LOCK, flags=re.MULTILINE)
    assert [entry for entry in entries if entry and not re.search(r"--hash=sha256:[0-9a-f]{64}$", entry.strip())] == []


def test_the_lock_holds_no_address() -> None:
    assert not re.search(r"://|--(extra-)?index-url|--find-links", LOCK)
