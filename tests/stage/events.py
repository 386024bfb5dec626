"""Events for tests: one plain click, and every event there can be."""

from datetime import UTC, date, datetime
from typing import Final

from hypothesis import strategies as st

from link_events.currencies import CURRENCIES
from link_events.customers import CUSTOMER_HASH_BYTES
from link_events.events import (
    LANGUAGE_CHARS_MAX,
    METHOD_CHARS_MAX,
    REFERRER_ORIGIN_CHARS_MAX,
    SIGNAL_CHARS_MAX,
    SIGNAL_HEADERS,
    TOUCHES_MAX,
    USER_AGENT_CHARS_MAX,
    VALUE_MINOR_MAX,
    VISITOR_CHARS_MAX,
    Activity,
    Click,
    Conversion,
    EventData,
    Heartbeat,
    NamedTouch,
    Reversal,
    Sealed,
)
from link_events.identity import (
    ADVOCATE_ID_PATTERN,
    CODE_PATTERN,
    JOURNAL_ID_BYTES,
    SEQ_MAX,
    SOURCE_PATTERN,
    AdvocateId,
    Code,
    ConversionKey,
    Currency,
    CustomerHash,
    JournalId,
    LinkId,
    Origin,
    ReversalId,
    Seq,
)
from link_events.reasons import ActivityKind, LinkState, Via
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

PLAIN_CONVERSION: Final = Conversion(
    occurred_at=datetime(2022, 2, 15, 10, 0, tzinfo=UTC),
    key=ConversionKey("shop", "sale", "A-1001"),
    touches=(
        NamedTouch(
            Origin(JournalId(bytes.fromhex("00c0ffee00c0ffee")), Stream.CLICKS, Partition(7), Seq(42)),
            date(2022, 2, 14),
        ),
    ),
    value_minor=12_999,
    currency=Currency("EUR"),
)
"""A sale the day after a click, told by the shop's server."""

PLAIN_REVERSAL: Final = Reversal(
    occurred_at=datetime(2022, 3, 1, 8, 0, tzinfo=UTC), key=PLAIN_CONVERSION.key, reversal_id=ReversalId("R-1")
)
"""The same sale is taken back, all of it."""

PLAIN_ACTIVITY: Final = Activity(
    occurred_at=datetime(2022, 2, 14, 9, 0, tzinfo=UTC),
    source="board",
    external_id="s-77",
    kind=ActivityKind.SHARE,
    advocate_id=PLAIN_CLICK.advocate_id,
    channel="linkedin",
)
"""What led to the click: a share on a channel."""


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


def conversions() -> st.SearchStrategy[Conversion]:
    """Every conversion that a writer may write."""
    return st.builds(
        _conversion,
        occurred_at=instants(),
        key=conversion_keys(),
        touches=st.lists(named_touches(), max_size=4, unique_by=lambda touch: touch.origin)
        | st.just([_touch(seq) for seq in range(1, TOUCHES_MAX + 1)]),
        customer=st.none() | _customers(),
        fallback=_customers(),
        value=st.none() | st.tuples(st.integers(0, VALUE_MINOR_MAX), st.sampled_from(sorted(CURRENCIES))),
        via=st.sampled_from(Via),
        test=st.booleans(),
    )


def reversals() -> st.SearchStrategy[Reversal]:
    """Every reversal that a writer may write."""
    return st.builds(
        Reversal,
        occurred_at=instants(),
        key=conversion_keys(),
        reversal_id=external_ids().map(ReversalId),
        value_minor=st.none() | st.integers(1, VALUE_MINOR_MAX),
    )


def activities() -> st.SearchStrategy[Activity]:
    """Every activity that a writer may write."""
    return st.builds(
        Activity,
        occurred_at=instants(),
        source=_sources(),
        external_id=external_ids(),
        kind=st.sampled_from(ActivityKind),
        advocate_id=st.from_regex(ADVOCATE_ID_PATTERN, fullmatch=True).map(AdvocateId),
        channel=st.none() | external_ids(),
        content_id=st.none() | external_ids(),
        category=st.none() | external_ids(),
    )


def conversion_keys() -> st.SearchStrategy[ConversionKey]:
    """Every key a conversion may have."""
    return st.builds(ConversionKey, _sources(), _sources(), external_ids())


def external_ids() -> st.SearchStrategy[str]:
    """What other systems may call a thing: quotes, backslashes and slashes included."""
    return st.text(
        st.characters(codec="utf-8", min_codepoint=0x20, exclude_characters="\x7f"), min_size=1, max_size=200
    )


def named_touches() -> st.SearchStrategy[NamedTouch]:
    """Every click that a conversion may name."""
    return st.builds(NamedTouch, origins(st.just(Stream.CLICKS)), st.dates())


def stream_events(stream: Stream) -> st.SearchStrategy[EventData]:
    """Everything that a stream carries."""
    facts: dict[Stream, st.SearchStrategy[EventData]] = {
        Stream.CLICKS: clicks(),
        Stream.CONVERSIONS: st.one_of(conversions(), reversals()),
        Stream.ACTIVITIES: activities(),
    }
    return st.one_of(facts[stream], st.just(Heartbeat()), st.just(Sealed()))


def clicks_stream_events() -> st.SearchStrategy[EventData]:
    """Everything that the clicks stream carries."""
    return stream_events(Stream.CLICKS)


def _conversion(
    *,
    occurred_at: datetime,
    key: ConversionKey,
    touches: list[NamedTouch],
    customer: CustomerHash | None,
    fallback: CustomerHash,
    value: tuple[int, Currency] | None,
    via: Via,
    test: bool,
) -> Conversion:
    """`fallback` is the customer where nothing else could be credited."""
    value_minor, currency = (None, None) if value is None else value
    return Conversion(
        occurred_at,
        key,
        tuple(sorted(touches, key=lambda touch: (touch.origin.journal, touch.origin.partition, touch.origin.seq))),
        fallback if customer is None and not touches else customer,
        value_minor,
        currency,
        via,
        test,
    )


def _touch(seq: int) -> NamedTouch:
    origin = PLAIN_CONVERSION.touches[0].origin
    return NamedTouch(Origin(origin.journal, origin.stream, origin.partition, Seq(seq)), date(2022, 2, 14))


def _customers() -> st.SearchStrategy[CustomerHash]:
    return st.binary(min_size=CUSTOMER_HASH_BYTES, max_size=CUSTOMER_HASH_BYTES).map(CustomerHash)


def _sources() -> st.SearchStrategy[str]:
    return st.from_regex(SOURCE_PATTERN, fullmatch=True)


def origins(streams: st.SearchStrategy[Stream] | None = None) -> st.SearchStrategy[Origin]:
    """Every origin there can be, in any stream unless `streams` says which."""
    return st.builds(
        Origin,
        journal=st.binary(min_size=JOURNAL_ID_BYTES, max_size=JOURNAL_ID_BYTES).map(JournalId),
        stream=st.sampled_from(Stream) if streams is None else streams,
        partition=st.integers(0, PARTITIONS_MAX - 1).map(Partition),
        seq=st.integers(1, SEQ_MAX).map(Seq),
    )
