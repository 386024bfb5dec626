"""Whatever a request carries, it becomes a click that every reader can read, and no address comes with it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from link_events.codec import decode, encode
from link_events.events import (
    LANGUAGE_CHARS_MAX,
    METHOD_CHARS_MAX,
    REFERRER_ORIGIN_CHARS_MAX,
    SIGNAL_CHARS_MAX,
    SIGNAL_HEADERS,
    USER_AGENT_CHARS_MAX,
    Click,
)
from link_events.identity import AdvocateId, Code, JournalId, LinkId, Origin, Seq
from link_events.reasons import LinkState
from link_events.streams import Partition, Stream
from redirector.capture import Request, capture_click, clean_text, primary_language, referrer_origin
from stage.event_schemas import writer_schema
from stage.events import BROWSER
from stage.links import PLAIN_LINK, link

NOW: Final = datetime(2022, 2, 14, 9, 30, tzinfo=UTC)
ORIGIN: Final = Origin(JournalId(bytes.fromhex("00c0ffee00c0ffee")), Stream.CLICKS, Partition(7), Seq(42))
ADDRESS: Final = "203.0.113.77"

KNOWN_HEADERS: Final = ("user-agent", "referer", "accept-language", *SIGNAL_HEADERS)
HOSTILE: Final = (
    *("", " ", "\0", "a\0b", "\r\nSet-Cookie: x=1", "\x1b[2J", "\x7f", "\x85", "\u2028", "\ud800", "\udfff\ud800"),
    *("\N{ZERO WIDTH SPACE}", "\N{RIGHT-TO-LEFT OVERRIDE}", "\xff" * 3, "é", "\N{PILE OF POO}", "x" * 100_000),
    *(
        "\0" * 100_000,
        "http://",
        "http://[",
        "http://[::1",
        "https://h:bad/",
        "http://\0/",
        "http://a\nb/",
        "//x",
        "http:x",
    ),
    *("http://℀.example/", "https://" + "h" * 70_000 + "/", "http://h/" + "p" * 70_000, ",", ";q=1", "," * 9_999, "*"),
)
"""What browsers never send, and attackers do."""


def capture(headers: Mapping[str, str], method: str = "GET") -> Click:
    return capture_click(Request(method, headers), PLAIN_LINK, LinkState.ACTIVE, NOW)


def test_a_browsers_request_is_kept_as_it_is() -> None:
    """What tells a person from a machine is kept in raw form."""
    headers = {
        "user-agent": BROWSER,
        "referer": "https://www.linkedin.com/feed/?trk=1#x",
        "accept-language": "de-CH,de;q=0.9,en;q=0.8",
        "sec-fetch-dest": "document",
        "sec-fetch-mode": "navigate",
        "sec-fetch-site": "cross-site",
        "sec-fetch-user": "?1",
        "accept": "text/html",
    }
    assert capture(headers) == Click(
        occurred_at=NOW,
        link_id=PLAIN_LINK.link_id,
        code=PLAIN_LINK.code,
        advocate_id=PLAIN_LINK.advocate_id,
        link_state=LinkState.ACTIVE,
        method="GET",
        user_agent=BROWSER,
        referrer_origin="https://www.linkedin.com",
        language="de-CH",
        signals={name: value for name, value in headers.items() if name.startswith("sec-fetch-")},
    )


def test_a_request_without_headers_is_a_click_too() -> None:
    """What is missing is null; a header that is there and empty is kept where its presence says something."""
    click = capture({})
    assert (click.user_agent, click.user_agent_cut, click.referrer_origin, click.language) == (None, False, None, None)
    assert click.signals == {}
    assert capture({"user-agent": "", "purpose": ""}).user_agent is None
    assert capture({"user-agent": "", "purpose": ""}).signals == {"purpose": ""}


def test_what_the_click_takes_from_its_link() -> None:
    """Whose click it is, what the link was, and whether it was issued for tests."""
    issued = link(code=Code("Xy"), advocate_id=AdvocateId("bob"), link_id=LinkId(9), test=True)
    click = capture_click(Request("HEAD", {}), issued, LinkState.EXPIRED, NOW)
    taken = (click.code, click.advocate_id, click.link_id, click.test, click.link_state, click.method)
    assert taken == ("Xy", "bob", 9, True, LinkState.EXPIRED, "HEAD")


def test_no_address_comes_with_a_click() -> None:
    """Guarantee 8: whatever proxies add, the event does not carry it on."""
    headers = {
        "user-agent": BROWSER,
        **dict.fromkeys(["x-forwarded-for", "x-real-ip", "cf-connecting-ip", "true-client-ip"], ADDRESS),
        "forwarded": f"for={ADDRESS}",
        "via": f"1.1 {ADDRESS}",
        "cookie": f"session={ADDRESS}",
        "authorization": f"Basic {ADDRESS}",
    }
    assert ADDRESS.encode() not in encode(ORIGIN, NOW, capture(headers))


@given(st.dictionaries(st.sampled_from(KNOWN_HEADERS), st.text() | st.sampled_from(HOSTILE)), st.text())
@example(dict.fromkeys(KNOWN_HEADERS, "\0" * 100_000), "\0" * 1_000)
@example(dict.fromkeys(KNOWN_HEADERS, "\ud800" * 1_000), "\ud800" * 1_000)
def test_whatever_comes_in_every_reader_can_read_it(headers: dict[str, str], method: str) -> None:
    """The bytes decode to the very click, and keep the schema that writers are held to."""
    click = capture(headers, method)
    value = encode(ORIGIN, NOW, click)
    assert decode(value, ORIGIN).data == click
    writer_schema("click.v1.schema.json").validate(orjson.loads(value))
    assert len(value) < 8 * 1024


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", KNOWN_HEADERS)
def test_each_hostile_value_in_each_header_is_taken(name: str, value: str) -> None:
    """No value of any header keeps a person from being redirected."""
    value_as_sent = encode(ORIGIN, NOW, capture({name: value}))
    writer_schema("click.v1.schema.json").validate(orjson.loads(value_as_sent))


@pytest.mark.parametrize("name", ["user-agent", "accept-language", "sec-purpose"])
def test_controls_are_replaced_and_never_dropped(name: str) -> None:
    """A forged log line or a NUL stays visible as what it was not."""
    click = capture({name: "a\0b\r\nc"})
    assert "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}c" in (
        click.user_agent,
        click.language,
        click.signals.get("sec-purpose"),
    )


@pytest.mark.parametrize(("length", "cut"), [(1, False), (512, False), (513, True), (100_000, True)])
def test_a_long_user_agent_is_cut_and_says_so(length: int, cut: bool) -> None:  # noqa: FBT001 - a table's column
    """At most 512 characters, and nobody takes the rest for the whole."""
    click = capture({"user-agent": "x" * length})
    assert click.user_agent == "x" * min(length, USER_AGENT_CHARS_MAX)
    assert click.user_agent_cut is cut


def test_everything_else_has_its_limit() -> None:
    """A click stays small, whoever sends it."""
    long = "x" * 10_000
    click = capture({**dict.fromkeys(KNOWN_HEADERS, long), "referer": f"https://{long}/"}, method=long)
    assert len(click.method) == METHOD_CHARS_MAX
    assert len(click.language or "") == LANGUAGE_CHARS_MAX
    assert len(click.referrer_origin or "") == REFERRER_ORIGIN_CHARS_MAX
    assert {len(value) for value in click.signals.values()} == {SIGNAL_CHARS_MAX}
    assert set(click.signals) == set(SIGNAL_HEADERS)


@pytest.mark.parametrize(
    ("referrer", "origin"),
    [
        ("https://www.linkedin.com/feed/?trk=1", "https://www.linkedin.com"),
        ("HTTPS://WWW.LinkedIn.com", "https://www.linkedin.com"),
        ("http://t.co/abc", "http://t.co"),
        ("https://ada:secret@intra.example.com:8443/x?mail=ada@example.com", "https://intra.example.com"),
        ("http://[2001:db8::1]:8080/", "http://[2001:db8::1]"),
        ("android-app://com.linkedin.android/", None),
        *(
            (text, None)
            for text in ("", "direct", "about:blank", "https://", "https:///path", "http://[::1", "//t.co/")
        ),
        ("data:text/html,https://t.co", None),
    ],
)
def test_a_referrer_is_only_the_site_it_names(referrer: str, origin: str | None) -> None:
    """Path, query and user are nobody's business; what is no web page is null."""
    assert referrer_origin(referrer) == origin


@pytest.mark.parametrize(
    ("header", "language"),
    [
        *(("de", "de"), ("de-CH,de;q=0.9", "de-CH"), ("en;q=0.1, de", "en"), (" fr ,en", "fr"), ("*", "*")),
        *(("", None), (",en", None), (";q=1", None)),
    ],
)
def test_the_language_is_the_first_one_named(header: str, language: str | None) -> None:
    """One word; the rest of the list would tell browsers apart."""
    assert primary_language(header) == language


@given(st.text())
def test_clean_text_is_printable_as_long_as_it_was_and_stays_as_it_is(text: str) -> None:
    """Nothing is added or dropped, and what is clean is left alone."""
    clean = clean_text(text)
    assert clean.isprintable()
    assert len(clean) == len(text)
    assert clean_text(clean) == clean
    if text.isprintable():
        assert clean == text
