"""The package holds what the code reads at run time; an editable install copies nothing that could grow stale."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from stage.requirements import REPOSITORY


def built(folder: Path, target: str) -> set[str]:
    """The names of the files in the wheel that hatchling builds for `target`."""
    hatchling = Path(sys.executable).with_name("hatchling")
    subprocess.run([hatchling, "build", "-t", target, "-d", folder], cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}


@pytest.fixture
def services() -> set[str]:
    root = REPOSITORY / "services"
    files = {file.relative_to(root) for file in root.rglob("*") if file.is_file()}
    return {file.as_posix() for file in files if "__pycache__" not in file.parts}


def test_a_wheel_holds_every_file_of_the_services_and_every_migration(tmp_path: Path, services: set[str]) -> None:
    schemas = REPOSITORY / "schemas" / "postgres"
    migrations = {f"database/schemas_postgres/{file.relative_to(schemas)}" for file in schemas.rglob("*.sql")}
    assert migrations
    assert services | migrations <= built(tmp_path, "wheel")


def test_an_editable_install_copies_nothing(tmp_path: Path) -> None:
    assert built(tmp_path, "wheel:editable") == {"_advolink.pth"}
