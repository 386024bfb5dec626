"""How far a journal was shipped is remembered as long as the file makes sense; losing it only sends more again."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_events.identity import Seq
from link_events.streams import Partition, Stream
from redirector.journal.acks import FILE_NAME, Acks, Position, load_acks, save_acks
from redirector.journal.segments import Slice

SLICES: st.SearchStrategy[Slice] = st.tuples(st.sampled_from(Stream), st.integers(0, 255).map(Partition))
ACKS = st.builds(
    Acks,
    position=st.builds(Position, st.integers(0, 2**40), st.integers(0, 2**40)),
    seqs=st.dictionaries(SLICES, st.integers(0, 2**48).map(Seq)),
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("acks")


@given(acks=ACKS)
def test_acks_come_back_as_they_were_saved(directory: Path, acks: Acks) -> None:
    """Each save replaces the one before, and leaves nothing beside it."""
    save_acks(directory, acks)
    assert load_acks(directory) == acks
    assert [path.name for path in directory.iterdir()] == [FILE_NAME]


def test_where_nothing_was_ever_saved_nothing_is_known(tmp_path: Path) -> None:
    assert load_acks(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"rubbish", b"null", b"[]", b"7", b"{}", b'{"segment": 1}', b'{"segment": 1, "byte": 0}', b"\0" * 100),
        *(b'{"segment": "x", "byte": 0, "seqs": []}', b'{"segment": 1, "byte": 0, "seqs": [["clicks", 0]]}'),
        *(b'{"segment": 1, "byte": 0, "seqs": [["hits", 0, 1]]}', b'{"segment": 1, "byte": null, "seqs": []}'),
        b'{"segment": 1, "byte": 0, "seqs": 7}',
    ],
)
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """What is kept is sent again, and the log says why."""
    (tmp_path / FILE_NAME).write_bytes(content)
    assert load_acks(tmp_path) is None
    assert "acks.json is damaged; everything that is kept is sent again" in caplog.text


def test_positions_are_ordered_as_the_journal_is() -> None:
    """By segment, then by byte."""
    assert Position(1, 900) < Position(2, 0) < Position(2, 1)
