"""Journals that are done go after the retention, uploads that were cut short after a day; nothing else does."""

import os
from datetime import timedelta
from pathlib import Path

from redirector.journal.adoption import mark_done
from redirector.kept import DIRECTORY_NAME
from redirector.tidying import UNFINISHED_AGE_MAX, tidy_up
from stage.journals import SMALL, opened

RETENTION = timedelta(hours=72)
ROOM_ENOUGH = 2**30


def aged(path: Path, age: timedelta) -> None:
    """Make `path` look as if it was last changed `age` ago."""
    changed_s = path.stat().st_mtime - age.total_seconds()
    os.utime(path, (changed_s, changed_s))


async def a_journal(directory: Path, done_for: timedelta | None = None) -> Path:
    """A closed journal, done for some time."""
    owned = opened(directory)
    await owned.close()
    if done_for is not None:
        mark_done(directory)
        aged(directory / "done", done_for)
    return directory


async def test_a_done_journal_goes_after_the_retention(tmp_path: Path) -> None:
    old = await a_journal(tmp_path / "imports" / "00c0ffee00c0ffee", RETENTION * 2)
    young = await a_journal(tmp_path / "live" / "00c0ffee00c0ffee", RETENTION / 2)
    tidy_up(tmp_path, RETENTION, ROOM_ENOUGH)
    assert (old.exists(), young.exists()) == (False, True)


async def test_without_a_retention_done_journals_stay_while_there_is_room(tmp_path: Path) -> None:
    """Those that were done first make room for the others, live ones and imports alike; what is not done counts not."""
    names = [f"{number:016x}" for number in range(4)]
    kinds = ("live", "imports", "live", "imports")
    done = [
        await a_journal(tmp_path / kind / name, RETENTION * 100 * age)
        for age, (kind, name) in enumerate(zip(kinds, names, strict=True))
    ]
    busy = await a_journal(tmp_path / "live" / "00c0ffee00c0ffee")
    for room, left in ((4, 4), (2, 2), (1, 1)):
        tidy_up(tmp_path, None, room * SMALL.segment_bytes)
        assert [directory.exists() for directory in done] == [True] * left + [False] * (4 - left)
    assert busy.exists()


async def test_a_journal_that_is_not_done_stays_for_ever(tmp_path: Path) -> None:
    journal = await a_journal(tmp_path / "live" / "00c0ffee00c0ffee")
    aged(journal / "00000001.segment", RETENTION * 100)
    tidy_up(tmp_path, RETENTION, ROOM_ENOUGH)
    assert journal.exists()


async def test_a_journal_that_somebody_holds_stays(tmp_path: Path) -> None:
    directory = await a_journal(tmp_path / "imports" / "00c0ffee00c0ffee", RETENTION * 2)
    held = opened(directory)
    tidy_up(tmp_path, RETENTION, ROOM_ENOUGH)
    assert directory.exists()
    await held.close()


def test_an_upload_that_was_cut_short_goes_after_a_day(tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    for name in ("upload-old", "upload-running"):
        (uploads / name).touch()
    aged(uploads / "upload-old", UNFINISHED_AGE_MAX * 2)
    tidy_up(tmp_path, RETENTION, ROOM_ENOUGH)
    assert [path.name for path in uploads.iterdir()] == ["upload-running"]


def test_a_file_to_be_kept_that_was_cut_short_goes_after_a_day(tmp_path: Path) -> None:
    """It may hold a salt that is to be forgotten; what is whole stays."""
    kept = tmp_path / DIRECTORY_NAME
    kept.mkdir()
    for name in (".salts.old", ".salts.young", "salts"):
        (kept / name).touch()
        aged(kept / name, timedelta(0) if name == ".salts.young" else UNFINISHED_AGE_MAX * 2)
    tidy_up(tmp_path, RETENTION, ROOM_ENOUGH)
    assert sorted(path.name for path in kept.iterdir()) == [".salts.young", "salts"]
