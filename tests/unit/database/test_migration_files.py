"""Migrations are numbered without gaps, and what was applied is never changed or overtaken."""

from pathlib import Path

import pytest

from database.migrations import Migration, MigrationError, pending_migrations, read_migrations
from database.schema_files import MIGRATIONS_DIRECTORY

ONE, TWO, THREE = (Migration(version, f"step_{version}", f"SELECT {version};") for version in (1, 2, 3))
ALL = [ONE, TWO, THREE]


def _files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text(f"SELECT '{name}';", encoding="utf-8")
    return folder


def test_migrations_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Names say what they do; other files are none of them."""
    folder = _files(tmp_path, "0002_second_step.sql", "0001_first.sql", "README.md")
    assert [(one.version, one.name) for one in read_migrations(folder)] == [(1, "first"), (2, "second_step")]


@pytest.mark.parametrize(
    ("names", "at_fault"),
    [
        (["0002_a.sql"], "0002_a.sql"),
        (["0001_a.sql", "0003_c.sql"], "0003_c.sql"),
        (["0001_a.sql", "0001_b.sql"], "0001_b.sql"),
        (["0000_a.sql"], "0000_a.sql"),
        (["1_a.sql"], "1_a.sql"),
        (["0001-a.sql"], "0001-a.sql"),
        (["0001_A.sql"], "0001_A.sql"),
        (["0001_.sql"], "0001_.sql"),
        (["0001_a.sql", "draft.sql"], "draft.sql"),
        (["0001_a.sql", "0002_b.sql.sql"], "0002_b.sql.sql"),
    ],
)
def test_a_gap_or_a_misnamed_file_is_refused_by_name(tmp_path: Path, names: list[str], at_fault: str) -> None:
    """A migration that would silently not run is worse than none."""
    with pytest.raises(MigrationError, match=at_fault):
        read_migrations(_files(tmp_path, *names))


def test_the_projects_own_migrations_can_be_read() -> None:
    """There is at least the first."""
    assert [one.version for one in read_migrations(MIGRATIONS_DIRECTORY)][:1] == [1]


@pytest.mark.parametrize("applied", [0, 1, 2, 3])
def test_what_is_not_yet_applied_is_pending(applied: int) -> None:
    """In order."""
    done = {one.version: one.sha256 for one in ALL[:applied]}
    assert pending_migrations(ALL, done) == ALL[applied:]


def test_a_newer_database_has_nothing_pending() -> None:
    """It was migrated by a later version, which this one may still serve beside."""
    assert pending_migrations([ONE], {one.version: one.sha256 for one in ALL}) == []


def test_a_file_that_changed_after_it_was_applied_is_refused() -> None:
    """By its name: the database no longer is what the files say."""
    with pytest.raises(MigrationError, match=r"0002_step_2\.sql changed"):
        pending_migrations(ALL, {1: ONE.sha256, 2: THREE.sha256})


def test_a_migration_that_was_skipped_is_refused() -> None:
    """It cannot be applied behind a later one, which may have relied on its absence."""
    with pytest.raises(MigrationError, match=r"0002_step.*\.sql was skipped"):
        pending_migrations(ALL, {1: ONE.sha256, 3: THREE.sha256})
