"""`since` names the last change of each partition, and nothing that was not handed out passes for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.changes.since import SINCE_CHARS_MAX, read_since, write_since
from link_events.streams import PARTITIONS_MAX, Partition

SEEN = st.dictionaries(st.integers(0, PARTITIONS_MAX - 1).map(Partition), st.integers(0, 2**63 - 1))


@given(SEEN)
def test_what_was_written_is_read(seen: dict[Partition, int]) -> None:
    """And it never becomes longer than a request may be."""
    written = write_since(seen)
    assert read_since(written) == seen
    assert len(written) <= SINCE_CHARS_MAX


def test_it_is_a_partition_and_its_last_change_each() -> None:
    assert write_since({Partition(7): 3, Partition(0): 42}) == "0:42,7:3"
    assert read_since("") == {}


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "0:",
        ":1",
        "0:1,",
        ",",
        "00:1",
        "0:01",
        "-1:1",
        "0:-1",
        "256:1",
        f"0:{2**63}",
        "0:1,0:2",
        "0:1;1:2",
        "0:٣",
        " 0:1",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"0:42,7:3|names a partition twice"):
        read_since(text)
