"""Appending: one write a tick, in order, with dense seqs and a clock that never goes back."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from link_events.identity import SEQ_MAX, Origin, Seq
from link_events.streams import Partition, Stream
from redirector.journal.adoption import OwnedJournal
from redirector.journal.frames import PAYLOAD_BYTES_MAX
from redirector.journal.journal import Journal, JournalFullError, Limits
from redirector.journal.segments import SegmentHeader, create_segment, segment_numbers
from stage.journals import JOURNAL, LEFT, PARTITIONS, RIGHT, append, noted_writes, opened, read_all, saying, told

LARGE = Limits(segment_bytes=256 * 1024, total_bytes_max=2**20)
NOON = datetime(2022, 2, 14, 12, tzinfo=UTC)


@pytest.fixture
async def owned(tmp_path: Path) -> AsyncIterator[OwnedJournal]:
    one = opened(tmp_path / JOURNAL.hex(), LARGE)
    yield one
    await one.close()


@pytest.fixture
def journal(owned: OwnedJournal) -> Journal:
    return owned.journal


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the writes that follow, as they are made."""
    return noted_writes(monkeypatch)


async def test_the_appends_of_a_tick_go_out_in_one_write(journal: Journal, writes: list[int]) -> None:
    """A hundred requests of one moment cost one system call."""
    await append(journal, *map(str, range(100)))
    assert len(writes) == 1
    await append(journal, "later")
    assert len(writes) == 2


async def test_appends_of_a_tick_come_from_anywhere(journal: Journal, writes: list[int]) -> None:
    """Tasks of their own, as requests are, and both partitions."""

    async def request(number: int) -> Origin:
        return await journal.append(*(LEFT, RIGHT)[number % 2], saying(str(number)))

    origins = await asyncio.gather(*(request(number) for number in range(100)))
    assert len(writes) == 1
    assert [origin.seq for origin in origins] == [number // 2 + 1 for number in range(100)]


async def test_an_append_is_done_when_its_write_is(journal: Journal) -> None:
    """Until then its future waits; afterwards the bytes are in the file, whatever kills the process."""
    waiting = journal.append(*LEFT, saying("written"))
    assert not waiting.done()
    assert told(read_all(journal.directory)) == []
    assert await waiting == Origin(JOURNAL, Stream.CLICKS, Partition(0), Seq(1))
    assert told(read_all(journal.directory)) == [(0, 1, "written")]


async def test_the_order_in_the_file_is_the_order_of_the_calls(journal: Journal) -> None:
    """Within a tick and from tick to tick, over both partitions."""
    calls = [(number, (LEFT, RIGHT)[number * 7 % 3 % 2]) for number in range(60)]
    for first in range(0, 60, 20):
        await asyncio.gather(*(journal.append(*to, saying(str(number))) for number, to in calls[first : first + 20]))
    assert [text for _, _, text in told(read_all(journal.directory))] == [str(number) for number, _ in calls]


async def test_seqs_are_dense_in_each_partition(journal: Journal) -> None:
    """From 1; `last_seq` tells the highest, 0 before the first."""
    assert (journal.last_seq(LEFT), journal.last_seq(RIGHT), list(journal.slices)) == (0, 0, [])
    assert await append(journal, "a", "b") == [1, 2]
    assert await append(journal, "c", to=RIGHT) == [1]
    assert await append(journal, "d") == [3]
    assert (journal.last_seq(LEFT), journal.last_seq(RIGHT), set(journal.slices)) == (3, 1, {LEFT, RIGHT})


async def test_the_event_is_encoded_with_its_own_origin_and_instant(journal: Journal) -> None:
    """What it says of itself is what the frame says of it."""
    seen: list[tuple[Origin, datetime]] = []

    def encode(origin: Origin, captured_at: datetime) -> bytes:
        seen.append((origin, captured_at))
        return b"event"

    assert await journal.append(*RIGHT, encode) == seen[0][0]
    (frame,) = read_all(journal.directory)
    assert (frame.partition, frame.seq, frame.captured_at) == (seen[0][0].partition, seen[0][0].seq, seen[0][1])


async def test_time_never_goes_back_when_the_clock_does(tmp_path: Path) -> None:
    """Not within a process, and not over a restart."""
    directory = tmp_path / JOURNAL.hex()
    clock = iter(NOON + timedelta(seconds=step) for step in (0, 5, -3600, 3, 6, -86_400, 7))
    for texts in (["a", "b", "c", "d"], ["e"], ["f", "g"]):
        owned = opened(directory, now=lambda: next(clock))
        await append(owned.journal, *texts)
        await owned.close()
    captured = [(frame.captured_at - NOON).total_seconds() for frame in read_all(directory)]
    assert captured == [0, 5, 5, 5, 6, 6, 7]


async def test_an_event_that_cannot_be_encoded_takes_no_seq(journal: Journal) -> None:
    """Its caller hears of it at once; the others of the tick are written."""

    def broken(_origin: Origin, _captured_at: datetime) -> bytes:
        raise RuntimeError("no event")

    before = journal.append(*LEFT, saying("before"))
    with pytest.raises(RuntimeError, match="no event"):
        journal.append(*LEFT, broken)
    with pytest.raises(ValueError, match="a payload of 65537 bytes"):
        journal.append(*LEFT, lambda _origin, _captured_at: b"x" * (PAYLOAD_BYTES_MAX + 1))
    after = journal.append(*LEFT, saying("after"))
    assert [(await one).seq for one in (before, after)] == [1, 2]


async def test_a_caller_who_has_gone_leaves_the_event_and_the_others_in_peace(journal: Journal) -> None:
    """A request may be cancelled between its append and the write: the click is kept."""
    gone, stays = (journal.append(*LEFT, saying(text)) for text in ("gone", "stays"))
    gone.cancel()
    assert (await stays).seq == 2
    assert told(read_all(journal.directory)) == [(0, 1, "gone"), (0, 2, "stays")]


async def test_a_segment_that_is_full_is_followed_by_another(tmp_path: Path) -> None:
    """A tick is never torn between two files; nothing is lost or repeated at the edge."""
    owned = opened(tmp_path / JOURNAL.hex(), Limits(700, 2**20))
    for number in range(40):
        await append(owned.journal, *(f"{number}.{part}" for part in range(3)))
    assert owned.journal.end.segment > 5
    assert owned.journal.size_bytes() == owned.journal.end.segment * 700
    await owned.close()
    expected = [f"{number}.{part}" for number in range(40) for part in range(3)]
    assert [text for _, _, text in told(read_all(tmp_path / JOURNAL.hex()))] == expected


async def test_a_tick_larger_than_a_segment_gets_one_of_its_own_size(tmp_path: Path) -> None:
    """Better an odd file than a click that never fits."""
    owned = opened(tmp_path / JOURNAL.hex(), Limits(2_000, 2**20))
    await append(owned.journal, *["x" * 900] * 10)
    await append(owned.journal, "small")
    assert owned.journal.end.segment == 3
    await owned.close()
    assert [seq for _, seq, _ in told(read_all(tmp_path / JOURNAL.hex()))] == list(range(1, 12))


async def test_what_is_pending_is_written_when_the_journal_is_closed(tmp_path: Path) -> None:
    """A stop between an append and its tick loses nothing."""
    owned = opened(tmp_path / JOURNAL.hex())
    waiting = owned.journal.append(*LEFT, saying("pending"))
    await owned.close()
    assert waiting.done()
    assert told(read_all(tmp_path / JOURNAL.hex())) == [(0, 1, "pending")]


async def test_the_segment_being_written_is_never_dropped(journal: Journal) -> None:
    """Nor does dropping one that is gone do anything."""
    await append(journal, "kept")
    journal.drop_segment(1)
    journal.drop_segment(99)
    assert segment_numbers(journal.directory) == [1]


async def test_seqs_that_do_not_fit_a_click_id_are_not_given_out(tmp_path: Path) -> None:
    """Six bytes: the journal says that it is full rather than count past them."""
    directory = tmp_path / JOURNAL.hex()
    directory.mkdir()
    header = SegmentHeader(JOURNAL, 1, PARTITIONS, {LEFT: Seq(SEQ_MAX)})
    os.close(create_segment(directory, header, 4096))
    owned = opened(directory)
    assert await append(owned.journal, "the last") == [SEQ_MAX]
    with pytest.raises(JournalFullError, match="clicks/0 has no seqs left"):
        owned.journal.append(*LEFT, saying("one too many"))
    assert await append(owned.journal, "others go on", to=RIGHT) == [1]
    await owned.close()
