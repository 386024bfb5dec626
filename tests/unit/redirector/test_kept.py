"""What is kept beside the journals is private, whole or as good as absent, and gone when it is let go of."""

import logging
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from redirector.kept import DIRECTORY_NAME, KeptFile


def named(value: Any) -> str:
    name = value["name"]
    if not isinstance(name, str):
        raise TypeError("no name")
    return name


@pytest.fixture
def kept(tmp_path: Path) -> KeptFile:
    return KeptFile(tmp_path / "journals", "programme")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journals" / DIRECTORY_NAME / "programme"


def test_what_was_written_is_read_again(kept: KeptFile, path: Path) -> None:
    """Each write replaces the one before, and leaves nothing beside it."""
    assert kept.read(named) is None
    for name in ("ada", "bob"):
        kept.write({"name": name})
        assert kept.read(named) == name
    assert list(path.parent.iterdir()) == [path]


def test_only_the_owner_can_read_it(kept: KeptFile, path: Path) -> None:
    """Whatever the umask."""
    earlier = os.umask(0)
    try:
        kept.write({"name": "ada"})
    finally:
        os.umask(earlier)
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)] == [0o600, 0o700]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda content: content[:-1],
        lambda content: content.replace(b"ada", b"adb"),
        lambda content: content[10:],
        lambda content: content + b" ",
        lambda content: b"\0" * len(content),
    ],
    ids=["empty", "torn", "another_letter", "no_checksum", "longer", "zeroes"],
)
def test_a_damaged_file_counts_as_absent(
    kept: KeptFile, path: Path, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Every byte is under the checksum, so a key that lost a bit is never taken for one; the log quotes nothing."""
    kept.write({"name": "ada"})
    path.write_bytes(damage(path.read_bytes()))
    assert kept.read(named) is None
    assert f"{path} is damaged and counts as absent" in caplog.text
    assert '"name"' not in caplog.text


@pytest.mark.parametrize("value", [None, 7, [], {}, {"name": 7}])
def test_what_is_not_what_its_reader_wants_counts_as_absent(
    kept: KeptFile, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    kept.write(value)
    assert kept.read(named) is None
    assert "damaged" in caplog.text


def test_a_write_that_fails_leaves_the_one_before(
    kept: KeptFile, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk is the caller's to judge."""
    kept.write({"name": "ada"})

    def no_room(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_room)
        with pytest.raises(OSError, match="No space"):
            kept.write({"name": "bob"})
    assert kept.read(named) == "ada"
    assert list(path.parent.iterdir()) == [path]
    with caplog.at_level(logging.WARNING):
        path.unlink()
        path.mkdir()
        assert kept.read(named) is None
    assert "cannot be read" in caplog.text


def test_what_was_removed_is_gone(kept: KeptFile, path: Path) -> None:
    """Also where there was nothing."""
    kept.remove()
    kept.write({"name": "ada"})
    kept.remove()
    assert kept.read(named) is None
    assert list(path.parent.iterdir()) == []
