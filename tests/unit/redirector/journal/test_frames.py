"""A frame gives back exactly what was put into it, or nothing: damage is passed over and never read as an event."""

import struct
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from link_events.identity import SEQ_MAX, Seq
from link_events.streams import PARTITIONS_MAX, Partition, Stream
from redirector.journal.frames import (
    FRAME_OVERHEAD_BYTES,
    PAYLOAD_BYTES_MAX,
    Damage,
    Frame,
    frame_at,
    frame_end,
    next_frame_start,
    pack_frame,
    scan_frames,
)

INSTANTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
PAYLOADS = st.binary(min_size=1, max_size=60) | st.text(min_size=1, max_size=40).map(
    lambda text: text.encode("utf-8", "replace")
)
FRAMES = st.builds(
    Frame,
    stream=st.sampled_from(Stream),
    partition=st.integers(0, PARTITIONS_MAX - 1).map(Partition),
    seq=st.integers(1, SEQ_MAX).map(Seq),
    captured_at=INSTANTS,
    payload=PAYLOADS,
)

PLAIN: Final = Frame(
    stream=Stream.CLICKS,
    partition=Partition(7),
    seq=Seq(42),
    captured_at=datetime(2022, 2, 14, 9, 30, 0, 123_456, tzinfo=UTC),
    payload='{"id":"00c0ffee00c0ffee-c7-42","¡":"ä"}'.encode(),
)


def found_in(data: bytes) -> list[Frame | Damage]:
    """What a scan finds."""
    return [found for _, found in scan_frames(data, 0)]


def test_a_frame_lies_on_the_disk_as_the_format_says() -> None:
    """The format is for ever: what one version writes, every later one reads."""
    microseconds = (PLAIN.captured_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    checked = struct.pack("<BBHQQ", 1, 0xA1, 7, 42, microseconds) + PLAIN.payload
    assert pack_frame(PLAIN) == struct.pack("<II", len(PLAIN.payload), crc32(checked)) + checked
    assert FRAME_OVERHEAD_BYTES == 28


@given(FRAMES, st.binary(max_size=30), st.binary(max_size=30))
@example(PLAIN, b"", b"")
def test_a_frame_comes_back_as_it_was_packed(frame: Frame, before: bytes, after: bytes) -> None:
    """Wherever it lies, and whatever lies around it."""
    data = before + pack_frame(frame) + after
    assert frame_at(data, len(before)) == frame
    assert frame_end(len(before), frame) == len(data) - len(after)


@given(FRAMES)
def test_a_part_of_a_frame_is_none(frame: Frame) -> None:
    """A torn frame is not read, at whatever byte it was torn."""
    data = pack_frame(frame)
    assert all(frame_at(data[:length], 0) is None for length in range(len(data)))


@pytest.mark.parametrize("size", [0, PAYLOAD_BYTES_MAX + 1])
def test_a_payload_has_a_size_that_cannot_be_mistaken(size: int) -> None:
    """Empty would look like unused space, and larger like damage."""
    with pytest.raises(ValueError, match=f"a payload of {size} bytes"):
        pack_frame(Frame(PLAIN.stream, PLAIN.partition, PLAIN.seq, PLAIN.captured_at, b"x" * size))


def test_the_largest_payload_fits() -> None:
    largest = Frame(PLAIN.stream, PLAIN.partition, PLAIN.seq, PLAIN.captured_at, b"x" * PAYLOAD_BYTES_MAX)
    assert frame_at(pack_frame(largest), 0) == largest


@given(FRAMES, st.data())
def test_a_flipped_bit_never_gives_a_frame(frame: Frame, data: st.DataObject) -> None:
    """Whichever bit of whichever frame."""
    packed = bytearray(pack_frame(frame))
    bit = data.draw(st.integers(0, len(packed) * 8 - 1))
    packed[bit // 8] ^= 1 << bit % 8
    assert found_in(bytes(packed) + bytes(100)) == []


def test_every_flipped_bit_costs_its_own_frame_and_no_other() -> None:
    """Each of them, in a frame between two others: both neighbours are found, and what lies between is damage."""
    neighbours = [Frame(PLAIN.stream, Partition(part), Seq(9), PLAIN.captured_at, b"neighbour") for part in (1, 2)]
    before, middle, after = map(pack_frame, (neighbours[0], PLAIN, neighbours[1]))
    for bit in range(len(middle) * 8):
        flipped = bytearray(middle)
        flipped[bit // 8] ^= 1 << bit % 8
        damage = Damage(len(before), len(before) + len(middle))
        assert found_in(before + bytes(flipped) + after) == [neighbours[0], damage, neighbours[1]], bit


@given(st.lists(FRAMES, min_size=1, max_size=6), st.data())
def test_frames_around_damage_are_all_found(frames: list[Frame], data: st.DataObject) -> None:
    """Any stretch of bytes may be overwritten with anything: what it does not touch is read, in order."""
    packed = [pack_frame(frame) for frame in frames]
    whole = b"".join(packed)
    start = data.draw(st.integers(0, len(whole) - 1))
    instead = data.draw(st.binary(min_size=1, max_size=len(whole) - start))
    damaged = whole[:start] + instead + whole[start + len(instead) :]
    ends = list(accumulate(map(len, packed)))
    untouched = [
        frame for frame, one, end in zip(frames, packed, ends, strict=True) if damaged[end - len(one) : end] == one
    ]
    found = found_in(damaged)
    assert [one for one in found if isinstance(one, Frame)] == untouched
    assert all(one.start < one.end for one in found if isinstance(one, Damage))


@given(st.lists(FRAMES, max_size=5), st.binary(max_size=40))
def test_what_follows_the_last_whole_frame_is_not_reported(frames: list[Frame], tail: bytes) -> None:
    """Zeros, a torn frame, rubbish: whether it may be cut is not for a scan to say."""
    whole = b"".join(map(pack_frame, frames))
    assert found_in(whole + tail) == frames
    assert found_in(whole + bytes(40)) == frames


@given(st.lists(FRAMES, min_size=1, max_size=4), st.integers(0, 200))
def test_the_next_frame_is_found_from_any_byte(frames: list[Frame], position: int) -> None:
    """The first that begins there or later."""
    packed = [pack_frame(frame) for frame in frames]
    starts = [0, *accumulate(map(len, packed))][:-1]
    expected = next((start for start in starts if start >= position), None)
    assert next_frame_start(b"".join(packed), position) == expected


def test_a_scan_says_where_each_find_ends() -> None:
    """Whoever goes on from there loses and repeats nothing."""
    one, rubbish = pack_frame(PLAIN), b"rubbish"
    assert list(scan_frames(b"...." + one + rubbish + one, 4)) == [
        (4 + len(one), PLAIN),
        (4 + len(one) + len(rubbish), Damage(4 + len(one), 4 + len(one) + len(rubbish))),
        (4 + 2 * len(one) + len(rubbish), PLAIN),
    ]
