"""A data directory belongs to one `up` at a time and is private, and nothing else on the machine changes its mode."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from local.data_directory import opened
from local.errors import DataDirectoryError
from processes.logs import bound_log, open_log, tail
from processes.private_files import read_private, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_directory_and_what_is_in_it_are_private(tmp_path: Path) -> None:
    with opened(tmp_path / "above" / "data") as directory:
        assert mode(directory.path) == mode(directory.journals) == mode(directory.logs) == 0o700
        assert mode(directory.path / "up.lock") == 0o600


def test_an_empty_directory_becomes_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with opened(tmp_path):
        assert mode(tmp_path) == 0o700


def test_a_directory_with_other_things_in_it_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    tmp_path.chmod(0o755)
    with opened(tmp_path) as directory:
        assert mode(tmp_path) == 0o755
        assert mode(directory.journals) == 0o700


def test_a_directory_in_use_is_refused_and_its_user_named(tmp_path: Path) -> None:
    holder = (
        "import sys, pathlib, local.data_directory as d\nwith d.opened(pathlib.Path(sys.argv[1])): print(); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(DataDirectoryError, match=rf"in use by another `advolink up` \(pid {process.pid}\)"):
            opened(tmp_path).__enter__()
        process.kill()
    with opened(tmp_path):
        pass  # free again, however its user ended


def test_addresses_of_an_earlier_run_are_gone(tmp_path: Path) -> None:
    with opened(tmp_path) as directory:
        directory.up_file.touch()
    with opened(tmp_path) as directory:
        assert not directory.up_file.exists()


def test_a_file_in_the_way_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(DataDirectoryError, match="cannot be used: Not a directory"):
        opened(tmp_path / "data").__enter__()


def test_a_private_file_is_replaced_whole_and_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert read_private(path) is None
    for text in ("first", "second"):
        write_private(path, text)
        assert read_private(path) == text
        assert mode(path) == 0o600
    assert [path] == list(tmp_path.iterdir())


def test_a_full_log_is_set_aside_and_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "child.log"
    with open(open_log(path), "w", encoding="utf-8") as writer:  # noqa: PTH123 - a descriptor, not a path
        writer.write("before\n" * 10)
        writer.flush()
        bound_log(path, bytes_max=20)
        writer.write("after\n")
    assert path.read_text(encoding="utf-8") == "after\n"
    assert (tmp_path / "child.log.1").read_text(encoding="utf-8") == "before\n" * 10


def test_a_log_that_is_not_full_stays(tmp_path: Path) -> None:
    path = tmp_path / "child.log"
    path.write_text("one\ntwo\nthree\n", encoding="utf-8")
    bound_log(path, bytes_max=20)
    assert tail(path, lines=2) == "two\nthree"
    assert tail(tmp_path / "missing.log") == ""
