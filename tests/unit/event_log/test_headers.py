"""A record's origin in Kafka's headers: what is written is read, and nothing else is."""

from hypothesis import given
from hypothesis import strategies as st

from event_log.kafka.headers import ORIGIN_HEADER, read_origin, written_headers
from link_events.identity import JOURNAL_ID_BYTES, SEQ_MAX, JournalId, Seq

journals = st.binary(min_size=JOURNAL_ID_BYTES, max_size=JOURNAL_ID_BYTES).map(JournalId)
values = st.none() | st.binary(max_size=20) | st.binary(min_size=16, max_size=16)
headers = st.lists(st.tuples(st.sampled_from((ORIGIN_HEADER, "content-type", "")), values), max_size=4)


@given(journals, st.integers(1, SEQ_MAX).map(Seq))
def test_what_is_written_is_read(journal: JournalId, seq: Seq) -> None:
    assert read_origin(written_headers(journal, seq)) == (journal, seq)


@given(headers)
def test_whatever_is_read_was_written_like_that(given_headers: list[tuple[str, bytes | None]]) -> None:
    """Or nothing is: headers are the sender's, and whatever they are, they break nothing."""
    origin = read_origin(given_headers)
    if origin is not None:
        named = [header for header in given_headers if header[0] == ORIGIN_HEADER]
        assert named == written_headers(*origin)[:1]
