"""What the tools show of a journal, also while its owner writes, and that they change nothing."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from advolink.__main__ import main
from link_events.codec import encode
from link_events.events import Heartbeat
from link_events.identity import Seq
from redirector.journal.acks import Acks, Position, save_acks
from redirector.journal.inspecting import dump_frames, inspect_all
from redirector.journal.segments import segment_path
from stage.journals import JOURNAL, LEFT, append, frame_ends, opened, overwrite


@pytest.fixture
async def journal(tmp_path: Path) -> Path:
    """A journal of three segments under `live`."""
    directory = tmp_path / "live" / JOURNAL.hex()
    owned = opened(directory)
    for number in range(10):
        await append(owned.journal, f"{number} " + "x" * 900)
    await owned.close()
    return directory


def faults(root: Path) -> list[str]:
    return [fault for report in inspect_all(root) for fault in report.faults]


async def test_a_report_says_what_a_journal_holds(journal: Path, tmp_path: Path) -> None:
    """How much, and how much of it is not yet shipped."""
    save_acks(journal, Acks(Position(1, 0), {LEFT: Seq(4)}))
    (report,) = inspect_all(tmp_path)
    assert (report.journal, report.kind) == (JOURNAL.hex(), "live")
    assert (report.segments, report.size_bytes, report.events, report.unacked) == (3, 3 * 4096, 10, 6)
    assert report.last_captured_at is not None
    assert report.faults == []


async def test_a_narrow_terminal_cuts_nothing(journal: Path, tmp_path: Path) -> None:
    """Neither ids nor when something was last captured, nor any number."""
    (report,) = inspect_all(tmp_path)
    shown = CliRunner().invoke(main, ["journal", "status", str(tmp_path)], env={"COLUMNS": "80"}).output
    assert all(whole in shown for whole in (journal.name, f"{report.last_captured_at:%Y-%m-%d %H:%M:%S}Z"))
    assert (max(map(len, shown.splitlines())) <= 80, "…" in shown) == (True, False)


async def test_looking_needs_no_lock_and_changes_nothing(tmp_path: Path) -> None:
    """Its owner may be writing."""
    directory = tmp_path / "live" / JOURNAL.hex()
    owned = opened(directory)
    await append(owned.journal, "one")
    before = segment_path(directory, 1).read_bytes()
    assert inspect_all(tmp_path)[0].events == 1
    assert len(list(dump_frames(directory))) == 1
    assert segment_path(directory, 1).read_bytes() == before
    assert await append(owned.journal, "two") == [2]
    await owned.close()


async def test_every_kind_of_fault_is_named_with_its_place(journal: Path, tmp_path: Path) -> None:
    """Damaged bytes, missing seqs, and a segment that is none."""
    path = segment_path(journal, 1)
    ends = frame_ends(path)
    overwrite(path, ends[1] + 3, b"\xff" * 9)
    name = JOURNAL.hex()
    assert faults(tmp_path) == [
        f"{name}/1: bytes {ends[1]} to {ends[2]} are damaged",
        f"{name}/1: seq 3 of clicks/0 ends at byte {ends[3]}; expected 2",
    ]
    overwrite(segment_path(journal, 2), 0, b"\xff" * 9)
    assert f"{name}/2: no segment header" in faults(tmp_path)


async def test_a_missing_segment_is_named_by_the_seqs_it_held(journal: Path, tmp_path: Path) -> None:
    segment_path(journal, 2).unlink()
    assert faults(tmp_path) == [
        f"{JOURNAL.hex()}/3: seq 9 of clicks/0 ends at byte {first_end(journal, 3)}; expected 5"
    ]


async def test_a_segment_that_went_with_the_retention_is_no_fault(journal: Path, tmp_path: Path) -> None:
    """What is kept begins where its header says."""
    segment_path(journal, 1).unlink()
    assert faults(tmp_path) == []


async def test_a_dump_has_a_line_for_each_event(tmp_path: Path) -> None:
    """Its id, its instant, and its bytes as text, whatever they are."""
    directory = tmp_path / JOURNAL.hex()
    owned = opened(directory)
    await owned.journal.append(*LEFT, lambda origin, captured_at: encode(origin, captured_at, Heartbeat()))
    await owned.journal.append(*LEFT, lambda _origin, _captured_at: b"\xff\x00")
    await owned.close()
    first, second = dump_frames(directory)
    assert first.startswith(f"{JOURNAL.hex()}-c0-1 20")
    assert '"type":"advolink.heartbeat.v1"' in first
    assert second.endswith("+00:00 \\xff\x00")


def test_where_there_is_no_journal_there_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    os.close(os.open(tmp_path / "live" / "lock", os.O_CREAT, 0o600))
    assert list(inspect_all(tmp_path)) == []


def first_end(journal: Path, number: int) -> int:
    """Where the first frame of a segment ends."""
    return frame_ends(segment_path(journal, number))[1]
