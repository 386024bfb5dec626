"""Reading gives everything that was appended, in order, from any position; damage is skipped, told and kept aside."""

import logging
import os
from pathlib import Path

import pytest

from redirector.journal.acks import Position
from redirector.journal.journal import Limits
from redirector.journal.reading import READ_BYTES_MAX, first_position, read_batch
from redirector.journal.segments import segment_path
from stage.journals import (
    JOURNAL,
    LEFT,
    RIGHT,
    SMALL,
    append,
    frame_ends,
    opened,
    overwrite,
    read_all,
    told,
    written_end,
)

EVENTS = 12


@pytest.fixture
async def journal(tmp_path: Path) -> Path:
    """A journal of several segments."""
    directory = tmp_path / JOURNAL.hex()
    owned = opened(directory)
    for number in range(EVENTS):
        await append(owned.journal, f"{number} " + "x" * 900, to=(LEFT, RIGHT)[number % 2])
    assert owned.journal.end.segment == 3
    await owned.close()
    return directory


def numbers(directory: Path, limit: Position | None = None) -> list[int]:
    """The numbers that the events were appended with."""
    return [int(text.split()[0]) for _, _, text in told(read_all(directory, limit))]


async def test_everything_is_read_in_the_order_of_appending(journal: Path) -> None:
    """Across segments and partitions: that is the order in which it happened."""
    assert numbers(journal) == list(range(EVENTS))


async def test_reading_goes_on_from_any_frame(journal: Path) -> None:
    """Whatever was read before is not read again."""
    seen = 0
    for segment in (1, 2, 3):
        for position in frame_ends(segment_path(journal, segment))[:-1]:
            batch = read_batch(journal, Position(segment, position), written_end(journal))
            assert int(batch.frames[0].payload.split()[1]) == seen
            seen += 1
    assert seen == EVENTS


async def test_nothing_at_or_after_the_limit_is_read(journal: Path) -> None:
    """What is not synced is not shipped."""
    ends = frame_ends(segment_path(journal, 2))
    assert numbers(journal, Position(2, ends[1])) == list(range(5))
    assert numbers(journal, Position(2, 0)) == list(range(4))
    beyond = read_batch(journal, Position(3, 0), Position(2, ends[1]))
    assert (beyond.frames, beyond.end) == ([], Position(3, 0))


async def test_an_empty_batch_at_the_limit_is_all_there_is(journal: Path) -> None:
    """Also where segments between were dropped, or the position is in one that is gone."""
    end = written_end(journal)
    assert read_batch(journal, end, end).frames == []
    assert read_batch(journal, end, end).end == end
    segment_path(journal, 2).unlink()
    assert numbers(journal) == [0, 1, 2, 3, 8, 9, 10, 11]
    segment_path(journal, 1).unlink()
    assert first_position(journal) == Position(3, 0)
    assert [int(frame.payload.split()[1]) for frame in read_batch(journal, Position(1, 500), end).frames] == [
        8,
        9,
        10,
        11,
    ]


async def test_a_batch_is_bounded_and_no_frame_is_lost_at_its_edge(tmp_path: Path) -> None:
    """A batch ends with a whole frame, wherever its bytes would have ended."""
    directory = tmp_path / JOURNAL.hex()
    owned = opened(directory, Limits(4 * READ_BYTES_MAX, 64 * READ_BYTES_MAX))
    await append(owned.journal, *(f"{number} " + "x" * 10_007 for number in range(60)))
    await owned.close()
    batch = read_batch(directory, first_position(directory), written_end(directory))
    assert sum(len(frame.payload) for frame in batch.frames) < READ_BYTES_MAX
    assert numbers(directory) == list(range(60))


@pytest.mark.parametrize("segment", [1, 2, 3])
async def test_damage_is_skipped_reported_kept_aside_and_never_cut(
    journal: Path, segment: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The frames around it are read; the segment stays as it is; a copy of the bad bytes waits for a person."""
    path = segment_path(journal, segment)
    ends = frame_ends(path)
    overwrite(path, ends[1] + 3, b"\xff" * 50)
    before = path.read_bytes()
    lost = (segment - 1) * 4 + 1
    with caplog.at_level(logging.ERROR):
        assert numbers(journal) == [number for number in range(EVENTS) if number != lost]
    assert path.read_bytes() == before
    kept = journal / "damaged" / f"{segment:08}-{ends[1]}"
    assert kept.read_bytes() == before[ends[1] : ends[2]]
    assert f"{ends[2] - ends[1]} damaged bytes at" in caplog.text
    assert numbers(journal) == [number for number in range(EVENTS) if number != lost]


async def test_damage_over_several_frames_is_one_stretch(journal: Path) -> None:
    """Its length is told: a metric counts it."""
    path = segment_path(journal, 1)
    ends = frame_ends(path)
    overwrite(path, ends[0], b"\xa1" * (ends[2] - ends[0]))
    batch = read_batch(journal, Position(1, 0), written_end(journal))
    assert (batch.frames, batch.damaged_bytes, batch.end) == ([], ends[2] - ends[0], Position(1, ends[2]))
    assert numbers(journal) == list(range(2, EVENTS))


async def test_a_damaged_end_of_a_segment_is_reported_too(journal: Path) -> None:
    """Behind the last whole frame of a segment that is over, anything but zeros is damage; a part of it is skipped."""
    path = segment_path(journal, 1)
    ends = frame_ends(path)
    overwrite(path, ends[3] + 3, b"\xff" * 50)
    assert numbers(journal) == [0, 1, 2, *range(4, EVENTS)]
    assert (journal / "damaged" / f"00000001-{ends[3]}").read_bytes().startswith(path.read_bytes()[ends[3] : ends[4]])


async def test_zeros_between_frames_are_damage_and_zeros_behind_them_are_not(journal: Path) -> None:
    """A lost page looks like unused space, but for what follows it."""
    path = segment_path(journal, 1)
    ends = frame_ends(path)
    overwrite(path, ends[1], bytes(ends[2] - ends[1]))
    assert numbers(journal) == [0, *range(2, EVENTS)]
    assert (journal / "damaged" / f"00000001-{ends[1]}").read_bytes() == bytes(ends[2] - ends[1])
    assert not (journal / "damaged" / f"00000001-{ends[-1]}").exists()


async def test_where_no_copy_can_be_made_reading_goes_on(journal: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A full disk beside a damaged one: the events behind the damage are still shipped."""
    (journal / "damaged").write_bytes(b"in the way")
    path = segment_path(journal, 1)
    overwrite(path, frame_ends(path)[1] + 3, b"\xff" * 50)
    assert numbers(journal) == [0, *range(2, EVENTS)]
    assert "the copy could not be made" in caplog.text


async def test_a_segment_that_ends_early_is_read_to_its_end(journal: Path) -> None:
    """Its unused space may be gone, as after a write that failed."""
    path = segment_path(journal, 1)
    os.truncate(path, frame_ends(path)[-1])
    assert numbers(journal) == list(range(EVENTS))
    assert SMALL.segment_bytes > path.stat().st_size
