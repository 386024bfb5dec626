"""Events for tests: one plain click, and every event there can be."""

from datetime import UTC, datetime
from typing import Final

from hypothesis import strategies as st

from link_events.events import (
    LANGUAGE_CHARS_MAX,
    METHOD_CHARS_MAX,
    REFERRER_ORIGIN_CHARS_MAX,
    SIGNAL_CHARS_MAX,
    SIGNAL_HEADERS,
    USER_AGENT_CHARS_MAX,
    VISITOR_CHARS_MAX,
    Click,
    EventData,
    Heartbeat,
    Sealed,
)
from link_events.identity import (
    ADVOCATE_ID_PATTERN,
    CODE_PATTERN,
    JOURNAL_ID_BYTES,
    SEQ_MAX,
    AdvocateId,
    Code,
    JournalId,
    LinkId,
    Origin,
    Seq,
)
from link_events.reasons import LinkState
from link_events.streams import PARTITIONS_MAX, Partition, Stream

BROWSER: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)

PLAIN_CLICK: Final = Click(
    occurred_at=datetime(2022, 2, 14, 9, 30, tzinfo=UTC),
    link_id=LinkId(4711),
    code=Code("kB7xQ2mT"),
    advocate_id=AdvocateId("ada.lovelace"),
    link_state=LinkState.ACTIVE,
    method="GET",
    user_agent=BROWSER,
)
"""A person's click on a live link: nothing speaks against it."""


def texts(chars_max: int = 40) -> st.SearchStrategy[str]:
    """Texts that Postgres can store."""
    return st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=chars_max)


def instants() -> st.SearchStrategy[datetime]:
    """Instants in UTC, from the first year to the last."""
    return st.datetimes(timezones=st.just(UTC))


def clicks() -> st.SearchStrategy[Click]:
    """Every click that a writer may write."""
    return st.builds(
        Click,
        occurred_at=instants(),
        link_id=st.integers(1, 2**63 - 1).map(LinkId),
        code=st.from_regex(CODE_PATTERN, fullmatch=True).map(Code),
        advocate_id=st.from_regex(ADVOCATE_ID_PATTERN, fullmatch=True).map(AdvocateId),
        link_state=st.sampled_from(LinkState),
        method=texts(METHOD_CHARS_MAX),
        user_agent=st.none() | texts(USER_AGENT_CHARS_MAX),
        user_agent_cut=st.booleans(),
        referrer_origin=st.none() | texts(REFERRER_ORIGIN_CHARS_MAX),
        language=st.none() | texts(LANGUAGE_CHARS_MAX),
        signals=st.dictionaries(st.sampled_from(SIGNAL_HEADERS), texts(SIGNAL_CHARS_MAX)),
        country=st.none() | texts(),
        networks=st.lists(texts(), max_size=3).map(tuple),
        network_key=st.none() | texts(),
        visitor=st.none() | texts(VISITOR_CHARS_MAX),
        visitor_local=st.booleans(),
        self_click=st.booleans(),
        test=st.booleans(),
    )


def clicks_stream_events() -> st.SearchStrategy[EventData]:
    """Everything that the clicks stream carries."""
    return st.one_of(clicks(), st.just(Heartbeat()), st.just(Sealed()))


def origins(streams: st.SearchStrategy[Stream] | None = None) -> st.SearchStrategy[Origin]:
    """Every origin there can be, in any stream unless `streams` says which."""
    return st.builds(
        Origin,
        journal=st.binary(min_size=JOURNAL_ID_BYTES, max_size=JOURNAL_ID_BYTES).map(JournalId),
        stream=st.sampled_from(Stream) if streams is None else streams,
        partition=st.integers(0, PARTITIONS_MAX - 1).map(Partition),
        seq=st.integers(1, SEQ_MAX).map(Seq),
    )
