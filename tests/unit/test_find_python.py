"""tools/find-python picks an optimised Python where there is one, and refuses in one sentence where none will do."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from stage.requirements import REPOSITORY


def found_among(*candidates: Path | str) -> subprocess.CompletedProcess[str]:
    """What tools/find-python says of `candidates`."""
    command = [REPOSITORY / "tools" / "find-python", *candidates]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def python(tmp_path: Path) -> "MakePython":
    return MakePython(tmp_path)


class MakePython:
    """Makes programs that describe themselves as a Python would."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, kind: str, version: str) -> Path:
        """A program that says it is a `version` of that kind."""
        program = self._folder / f"python{version}-{kind}"
        program.write_text(f'#!/bin/sh\necho "{kind} {version} $0"\n', encoding="utf-8")
        program.chmod(0o755)
        return program


def test_an_optimised_build_is_preferred_to_an_earlier_plain_one(python: MakePython) -> None:
    plain, optimised = python("plain", "3.13.0"), python("optimised", "3.11.2")
    found = found_among(plain, optimised)
    assert found.stdout == f"{optimised}\n"
    assert found.stderr == f"Python 3.11.2 at {optimised}, an optimised build.\n"


def test_the_first_of_equals_is_taken(python: MakePython) -> None:
    first, second = python("plain", "3.12.1"), python("plain", "3.13.0")
    assert found_among(first, second).stdout == f"{first}\n"


def test_a_plain_build_is_taken_where_there_is_no_other_and_said_to_be_one(python: MakePython) -> None:
    plain = python("plain", "3.13.0")
    found = found_among("no-such-python", python("old", "3.9.1"), python("bare", "3.12.1"), plain)
    assert found.stdout == f"{plain}\n"
    assert "a plain build" in found.stderr


def test_a_path_with_spaces_is_found_whole(tmp_path: Path) -> None:
    folder = tmp_path / "my own pythons"
    folder.mkdir()
    optimised = MakePython(folder)("optimised", "3.12.1")
    assert found_among(optimised).stdout == f"{optimised}\n"


def test_a_python_that_is_too_old_is_refused_by_name(python: MakePython) -> None:
    old = python("old", "3.9.1")
    found = found_among(old)
    assert found.returncode != 0
    assert found.stdout == ""
    assert found.stderr.startswith(f"advolink needs Python 3.11 or newer, and {old} is 3.9.1: ")
    assert found.stderr.count("\n") == 1


def test_a_python_without_ensurepip_is_refused_with_the_package_to_install(python: MakePython) -> None:
    found = found_among(python("bare", "3.11.2"))
    assert found.returncode != 0
    assert "apt-get install python3-venv" in found.stderr
    assert found.stderr.count("\n") == 1


def test_no_python_at_all_is_said_with_what_was_looked_for() -> None:
    found = found_among("no-such-python", "nor-this-one")
    assert found.returncode != 0
    assert "found none (looked for: no-such-python nor-this-one)" in found.stderr


def test_a_real_python_describes_itself() -> None:
    found = found_among(sys.executable)
    assert found.stdout == f"{sys.executable}\n"
    assert found.stderr.startswith(f"Python {platform.python_version()} at {sys.executable}, ")
