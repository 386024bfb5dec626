"""A segment file says whose it is, appears whole or not at all, and a full disk is met when it is made."""

import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_events.identity import JOURNAL_ID_BYTES, SEQ_MAX, JournalId, Seq
from link_events.streams import PARTITIONS_MAX, Partition, Stream
from redirector.journal.segments import (
    SegmentError,
    SegmentHeader,
    create_segment,
    read_header,
    segment_numbers,
    segment_path,
    write_all,
)
from stage.journals import JOURNAL
from stage.small_disk import small_disk

HEADER = SegmentHeader(
    JOURNAL, 3, 12, {(Stream.CLICKS, Partition(7)): Seq(42), (Stream.ACTIVITIES, Partition(0)): Seq(1)}
)

HEADERS = st.builds(
    SegmentHeader,
    journal=st.binary(min_size=JOURNAL_ID_BYTES, max_size=JOURNAL_ID_BYTES).map(JournalId),
    number=st.integers(1, 2**64 - 1),
    partitions=st.integers(1, PARTITIONS_MAX),
    next_seqs=st.dictionaries(
        st.tuples(st.sampled_from(Stream), st.integers(0, PARTITIONS_MAX - 1).map(Partition)),
        st.integers(1, SEQ_MAX + 1).map(Seq),
        max_size=8,
    ),
)


@given(HEADERS, st.binary(max_size=50))
def test_a_header_comes_back_as_it_was_packed(header: SegmentHeader, frames: bytes) -> None:
    """Whatever follows it."""
    packed = header.pack()
    assert len(packed) == header.size_bytes
    assert read_header(packed + frames) == header


def test_a_header_with_any_bit_flipped_is_refused() -> None:
    """A segment never passes for another journal's, nor a seq for another."""
    packed = HEADER.pack()
    for bit in range(len(packed) * 8):
        flipped = bytearray(packed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SegmentError):
            read_header(bytes(flipped) + bytes(1_000))


@pytest.mark.parametrize("data", [b"", bytes(4096), b"ADVOLNK1", b"rubbish" * 100, HEADER.pack()[:-1]])
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(SegmentError):
        read_header(data)


def test_a_segment_is_made_private_preallocated_and_empty(tmp_path: Path) -> None:
    """Others on the machine cannot read clicks, and no click waits for space."""
    descriptor = create_segment(tmp_path, HEADER, 4096)
    path = segment_path(tmp_path, 3)
    try:
        assert os.path.sameopenfile(descriptor, os.open(path, os.O_RDONLY))
    finally:
        os.close(descriptor)
    state = path.stat()
    assert path.read_bytes() == HEADER.pack().ljust(4096, b"\0")
    assert stat.S_IMODE(state.st_mode) == 0o600
    assert state.st_blocks * 512 >= 4096
    assert [file.name for file in tmp_path.iterdir()] == ["00000003.segment"]


def test_on_a_full_disk_no_segment_is_left_half_made(tmp_path: Path) -> None:
    """The space is taken at once or not at all, and nothing stays behind."""
    with small_disk(tmp_path / "disk", 64 * 1024) as disk:
        os.close(create_segment(disk, SegmentHeader(JOURNAL, 1, 12, {}), 40 * 1024))
        with pytest.raises(OSError, match="No space left") as refused:
            create_segment(disk, SegmentHeader(JOURNAL, 2, 12, {}), 40 * 1024)
        assert refused.value.errno == errno.ENOSPC
        assert segment_numbers(disk) == [1]
        assert [file.name for file in disk.iterdir()] == ["00000001.segment"]


def test_where_space_cannot_be_taken_ahead_the_segment_is_made_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems know no fallocate (the error is put in their place; ours know it)."""

    def unknown(_descriptor: int, _offset: int, _length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unknown)
    os.close(create_segment(tmp_path, HEADER, 4096))
    assert segment_path(tmp_path, 3).stat().st_size == 4096


def test_other_files_are_no_segments(tmp_path: Path) -> None:
    """Segments are numbered, in order of age."""
    for name in (
        "00000010.segment",
        "00000009.segment",
        "00000011.new",
        "acks.json",
        "copy.segment",
        "00000012.segment~",
    ):
        (tmp_path / name).touch()
    assert segment_numbers(tmp_path) == [9, 10]


def test_everything_is_written_however_little_goes_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel may take less than it is given."""
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, position: real(descriptor, data[:3], position))
    path = tmp_path / "file"
    path.touch()
    descriptor = os.open(path, os.O_RDWR)
    write_all(descriptor, b"0123456789", 2)
    os.close(descriptor)
    assert path.read_bytes() == b"\0\x000123456789"


def test_a_kernel_that_takes_nothing_more_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than a loop for ever."""
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    with pytest.raises(OSError, match="nothing more could be written"):
        write_all(0, b"x", 0)
