"""What an earlier process left: a torn tail is cut, damage elsewhere is left alone, and no seq is given out twice."""

import logging
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from link_events.identity import JournalId, Seq
from redirector.journal.adoption import open_journal
from redirector.journal.frames import Frame
from redirector.journal.recovery import Recovered, recover
from redirector.journal.segments import SegmentError, SegmentHeader, create_segment, segment_path
from stage.journals import (
    JOURNAL,
    LEFT,
    PARTITIONS,
    RIGHT,
    SMALL,
    append,
    frame_ends,
    opened,
    overwrite,
    read_all,
    told,
    whole_frame,
)

LAST_FRAMES = 3
"""How many frames are torn at every byte of them."""


@pytest.fixture
async def journal(tmp_path: Path) -> Path:
    """A journal of five events in one segment, left by a process that has ended."""
    directory = tmp_path / JOURNAL.hex()
    owned = opened(directory)
    await append(owned.journal, "one", "two")
    await append(owned.journal, "three", to=RIGHT)
    await append(owned.journal, "four", "fünf")
    await owned.close()
    return directory


WRITTEN = [(0, 1, "one"), (0, 2, "two"), (1, 1, "three"), (0, 3, "four"), (0, 4, "fünf")]


def recovered(directory: Path) -> Recovered:
    found = recover(directory)
    assert found is not None
    return found


def test_an_empty_directory_holds_no_journal(tmp_path: Path) -> None:
    assert recover(tmp_path) is None


def test_a_journal_that_was_closed_goes_on_where_it_ended(journal: Path) -> None:
    """Nothing is cut, and the next seqs are one higher than the last."""
    found = recovered(journal)
    assert found.next_seqs == {LEFT: 5, RIGHT: 2}
    assert (found.journal, found.partitions, found.segment) == (JOURNAL, PARTITIONS, 1)
    assert (found.end, found.size_bytes, found.cut_bytes) == (frame_ends(segment_path(journal, 1))[-1], 4096, 0)
    assert told(read_all(journal)) == WRITTEN


def torn(journal: Path, tmp_path: Path) -> Iterator[tuple[int, bytes, Path]]:
    """Copies of `journal`, torn at every byte of the last frames: what follows is zeros, rubbish, or not there."""
    ends = frame_ends(segment_path(journal, 1))
    for position in range(ends[-1 - LAST_FRAMES], ends[-1]):
        for tail in (b"\0", b"\xa1"):
            copy = tmp_path / f"torn-{position}-{tail.hex()}"
            shutil.copytree(journal, copy)
            overwrite(segment_path(copy, 1), position, tail * (ends[-1] - position))
            yield position, tail, copy
        copy = tmp_path / f"short-{position}"
        shutil.copytree(journal, copy)
        os.truncate(segment_path(copy, 1), position)
        yield position, b"", copy


async def test_a_tail_torn_at_any_byte_is_cut_there(journal: Path, tmp_path: Path) -> None:
    """Every whole frame before the tear stays; the journal goes on behind it as if the rest had never been."""
    ends = frame_ends(segment_path(journal, 1))
    for position, tail, copy in torn(journal, tmp_path):
        whole = sum(end <= position for end in ends[1:])
        found = recovered(copy)
        assert found.end == ends[whole], (position, tail)
        assert not segment_path(copy, 1).read_bytes()[found.end :].rstrip(b"\0"), (position, tail)
        assert told(read_all(copy)) == WRITTEN[:whole], (position, tail)
        owned = opened(copy)
        seqs = await append(owned.journal, "six")
        await owned.close()
        kept = [seq for partition, seq, _ in WRITTEN[:whole] if partition == 0]
        assert seqs == [kept[-1] + 1], (position, tail)
        assert told(read_all(copy)) == [*WRITTEN[:whole], (0, seqs[0], "six")], (position, tail)
        shutil.rmtree(copy)


async def test_a_cut_is_written_to_the_log(journal: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who looks later sees how much was torn."""
    path = segment_path(journal, 1)
    overwrite(path, frame_ends(path)[-1], b"\1torn")
    assert recovered(journal).cut_bytes == len(b"\1torn")
    assert f"{path} ends in 5 torn bytes, which were never answered; cut" in caplog.text


async def test_damage_with_frames_behind_it_is_never_cut(journal: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not a byte of the file changes: whoever repairs it needs what is there."""
    path = segment_path(journal, 1)
    ends = frame_ends(path)
    overwrite(path, ends[1] + 10, b"\xff" * 20)
    before = path.read_bytes()
    with caplog.at_level(logging.ERROR):
        found = recovered(journal)
    assert path.read_bytes() == before
    assert found.next_seqs == {LEFT: 5, RIGHT: 2}
    assert (found.end, found.cut_bytes) == (ends[-1], 0)
    assert f"{path} is damaged from byte {ends[1]} to {ends[2]}" in caplog.text


async def test_seqs_go_on_where_every_older_segment_is_gone(tmp_path: Path) -> None:
    """The header of a segment knows what was given out before it."""
    directory = tmp_path / JOURNAL.hex()
    owned = opened(directory)
    await append(owned.journal, *["x" * 1_000] * 3)
    await append(owned.journal, "right", to=RIGHT)
    await append(owned.journal, *["x" * 1_000] * 3)
    assert owned.journal.end.segment == 2
    owned.journal.drop_segment(1)
    await owned.close()
    assert recovered(directory).next_seqs == {LEFT: 7, RIGHT: 2}


async def test_time_goes_on_where_the_last_segment_is_empty(tmp_path: Path) -> None:
    """A process that died just after it began a segment: what is captured next is not earlier than what is there."""
    directory = tmp_path / JOURNAL.hex()
    captured_at = datetime(2030, 1, 1, tzinfo=UTC)
    owned = opened(directory, now=lambda: captured_at)
    await append(owned.journal, "before")
    await owned.close()
    for number in (2, 3):
        os.close(create_segment(directory, SegmentHeader(JOURNAL, number, PARTITIONS, {LEFT: Seq(2)}), 4096))
    assert recovered(directory).last_captured_at == captured_at
    owned = opened(directory, now=lambda: captured_at - timedelta(hours=1))
    await append(owned.journal, "after")
    await owned.close()
    assert [frame.captured_at for frame in read_all(directory)] == [captured_at, captured_at]


def test_a_new_journal_has_no_time_behind_it(tmp_path: Path) -> None:
    os.close(create_segment(tmp_path, SegmentHeader(JOURNAL, 1, PARTITIONS, {}), 4096))
    found = recovered(tmp_path)
    assert found.last_captured_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert found.next_seqs == {}


async def test_what_a_death_left_half_made_is_cleared_away(journal: Path) -> None:
    """A segment or an ack file that had not got its name yet."""
    half_made = [journal / "00000002.new", journal / "acks.json.new"]
    for path in half_made:
        path.write_bytes(b"half")
    recovered(journal)
    assert not any(path.exists() for path in half_made)


@pytest.mark.parametrize("content", [b"", bytes(4096), bytes(600) + b"\1" * 400 + bytes(3096)])
async def test_a_segment_that_lost_its_header_in_a_power_loss_is_set_aside(
    journal: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Its name was on the disk and its header was not: nothing in it was ever shipped, and the seqs go on."""
    path = segment_path(journal, 2)
    path.write_bytes(content)
    owned = opened(journal)
    assert owned.journal.end.segment == 1
    assert (await append(owned.journal, "six"), await append(owned.journal, "x" * 4_000)) == ([5], [6])
    assert owned.journal.end.segment == 2
    await owned.close()
    assert f"{path} has lost its header before it was synced; it is set aside" in caplog.text
    assert (journal / "damaged" / path.name).read_bytes() == content


def test_a_first_segment_that_lost_its_header_is_begun_again(tmp_path: Path) -> None:
    """A power loss in the first moment of a journal's life."""
    segment_path(tmp_path, 1).write_bytes(bytes(4096))
    assert recover(tmp_path) is None


@pytest.mark.parametrize("header", [b"\0" * 31 + b"\1", b"rubbish" * 10])
async def test_a_last_segment_of_which_nobody_knows_whose_it_is_needs_a_person(journal: Path, header: bytes) -> None:
    """Guessing its seqs could give one to two events."""
    overwrite(segment_path(journal, 1), 0, header)
    with pytest.raises(SegmentError, match=r"00000001\.segment: "):
        opened(journal)


async def test_an_earlier_segment_without_a_header_is_damage_like_any_other(tmp_path: Path) -> None:
    """It is stepped over, copied aside, and its frames are read: one bad sector does not stop the redirector."""
    directory = tmp_path / JOURNAL.hex()
    owned = opened(directory)
    for text in ("a", "b", "c"):
        await append(owned.journal, text * 2_500)
    await owned.close()
    for number in (1, 2):
        overwrite(segment_path(directory, number), 0, b"\xff" * 16)
    reopened = opened(directory)
    assert await append(reopened.journal, "d") == [4]
    await reopened.close()
    assert [text[:1] for _, _, text in told(read_all(directory))] == ["a", "b", "c", "d"]
    header_bytes = frame_ends_without_header(segment_path(directory, 1))
    assert len((directory / "damaged" / "00000001-0").read_bytes()) == header_bytes


def frame_ends_without_header(path: Path) -> int:
    """Where the first frame begins in a segment whose header is damaged."""
    data = path.read_bytes()
    return next(position for position in range(len(data)) if _is_frame(data, position))


def _is_frame(data: bytes, position: int) -> bool:
    try:
        return isinstance(whole_frame(data, position), Frame)
    except LookupError:
        return False


async def test_a_journal_is_not_opened_under_another_name(journal: Path, tmp_path: Path) -> None:
    """A copy beside the original would give the same seqs to other events."""
    other = JournalId(bytes.fromhex("0123456789abcdef"))
    copy = tmp_path / other.hex()
    shutil.copytree(journal, copy)
    with pytest.raises(SegmentError, match="holds journal 00c0ffee00c0ffee"):
        open_journal(copy, other, PARTITIONS, SMALL)
