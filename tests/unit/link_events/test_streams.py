"""Keys land in the partitions where Kafka's own clients put them, and streams are told apart by letter and number."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_events.streams import (
    PARTITIONS_DEFAULT,
    PARTITIONS_MAX,
    STREAM_BY_LETTER,
    STREAM_BY_NUMBER,
    Stream,
    murmur2,
    partition_of,
)


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
        (b"", 275646681),
    ],
)
def test_the_hash_is_kafkas(data: bytes, signed: int) -> None:
    """Source: UtilsTest.testMurmur2 of Apache Kafka, where hashes are signed; the last from its clients' tests."""
    assert murmur2(data) == signed % 2**32


@given(st.binary())
def test_the_hash_is_an_unsigned_32_bit_number(data: bytes) -> None:
    """Java's int is signed; here the sign bit is a bit like the others."""
    assert 0 <= murmur2(data) < 2**32


@pytest.mark.parametrize(("key", "partition"), [("21", 0), ("foobar", 6), ("abc", 3)])
def test_a_negative_hash_loses_its_sign_bit_as_in_kafka(key: str, partition: int) -> None:
    """Kafka masks the sign and takes no absolute value: -973932308 becomes 1173551340, in partition 0 and not 8."""
    assert partition_of(key, 12) == partition


@given(st.text(st.characters(codec="utf-8")), st.integers(1, PARTITIONS_MAX))
def test_a_key_has_one_partition(key: str, partitions: int) -> None:
    """Any key lands in a partition that there is, and always in the same."""
    assert 0 <= partition_of(key, partitions) < partitions
    assert partition_of(key, partitions) == partition_of(key, partitions)


def test_keys_spread_over_every_partition() -> None:
    """No partition stays empty, and none takes twice its share."""
    shares = Counter(partition_of(f"advocate-{number}", PARTITIONS_DEFAULT) for number in range(12_000))
    assert len(shares) == PARTITIONS_DEFAULT
    assert min(shares.values()) > 500
    assert max(shares.values()) < 2_000


@pytest.mark.parametrize("stream", Stream)
def test_a_stream_is_found_by_its_letter_and_its_number(stream: Stream) -> None:
    """Event ids and journal frames name each stream in their own way, and lead back to it."""
    assert STREAM_BY_LETTER[stream.letter] is stream
    assert STREAM_BY_NUMBER[stream.number] is stream
    assert stream.topic == f"advolink.{stream.value}.v1"


def test_letters_and_numbers_never_change() -> None:
    """They stand in journals and event ids that are kept for ever."""
    assert {stream.value: (stream.letter, stream.number) for stream in Stream} == {
        "clicks": ("c", 1),
        "conversions": ("v", 2),
        "activities": ("a", 3),
    }
