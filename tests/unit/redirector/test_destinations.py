"""A link leads to the public web over http or https, stored as browsers write it, and nowhere else."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from redirector.destinations import (
    DESTINATION_CHARS_MAX,
    DestinationPolicy,
    DestinationRefusedError,
    canonical_destination,
    compared_host,
)

POLICY = DestinationPolicy(own_hosts={"go.example.com"})


@pytest.mark.parametrize(
    ("given_as", "stored_as"),
    [
        ("https://www.example.com", "https://www.example.com/"),
        ("HTTPS://WWW.Example.COM/Path?Q=1#F", "https://www.example.com/Path?Q=1#F"),
        ("  https://www.example.com/  ", "https://www.example.com/"),
        ("http://www.example.com:80/", "http://www.example.com/"),
        ("https://www.example.com:443/", "https://www.example.com/"),
        ("https://www.example.com:8443/", "https://www.example.com:8443/"),
        ("http://www.example.com:/", "http://www.example.com/"),
        ("http:www.example.com", "http://www.example.com/"),
        ("http:///www.example.com", "http://www.example.com/"),
        (r"https:\\www.example.com\a\b", "https://www.example.com/a/b"),
        (r"https://www.example.com\@evil.example/", "https://www.example.com/@evil.example/"),
        ("https://www.example.com/a/../b/./c", "https://www.example.com/b/c"),
        ("https://www.example.com/%2e%2E/b", "https://www.example.com/b"),
        ("https://www.example.com/a b?c d#e f", "https://www.example.com/a%20b?c%20d#e%20f"),
        ("https://www.example.com/ä?ö#ü", "https://www.example.com/%C3%A4?%C3%B6#%C3%BC"),
        ("https://www.example.com/%e4%zz%", "https://www.example.com/%e4%zz%"),
        ("https://www.example.com/?a=1&a=2&=&b", "https://www.example.com/?a=1&a=2&=&b"),
        ("https://www.example.com?", "https://www.example.com/?"),
        ("https://www.example.com/#", "https://www.example.com/#"),
        ("https://www.example.com/<script>\"'", "https://www.example.com/%3Cscript%3E%22'"),
        ("https://Bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://faß.example/", "https://xn--fa-hia.example/"),
        ("https://ⓔⓧⓐⓜⓟⓛⓔ.com/", "https://example.com/"),
        ("https://www。example。com/", "https://www.example.com/"),
        ("https://ex%61mple.com/", "https://example.com/"),
        ("https://www.example.com./", "https://www.example.com./"),
        ("http://8.8.8.8/", "http://8.8.8.8/"),
        ("http://0x8.010.2056/", "http://8.8.8.8/"),
        ("http://134744072/", "http://8.8.8.8/"),
        ("http://[2606:4700:0:0::1111]/", "http://[2606:4700::1111]/"),
        ("http://[::ffff:8.8.8.8]/", "http://[::ffff:808:808]/"),
        ("https://@www.example.com/", "https://www.example.com/"),
        ("https://go.example.com.evil.example/", "https://go.example.com.evil.example/"),
        ("https://www.go.example.com/", "https://www.go.example.com/"),
    ],
)
def test_a_destination_is_stored_as_a_browser_writes_it(given_as: str, stored_as: str) -> None:
    """What is stored is what a browser will make of it: nobody is led elsewhere by a second reading."""
    assert canonical_destination(given_as, POLICY) == stored_as


@pytest.mark.parametrize(
    "text",
    [
        *(
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,<script>",
            "file:///etc/passwd",
            "ftp://a.example/",
        ),
        *(
            "mailto:ada@example.com",
            "about:blank",
            "blob:https://a.example/1",
            "ws://a.example/",
            "view-source:https://a.example",
        ),
        "httpss://a.example/",
    ],
)
def test_only_the_web_is_linked_to(text: str) -> None:
    """Whatever runs, reads or opens something else is refused."""
    assert refusal(text) == "must begin with http:// or https://"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "www.example.com", "/path", "//www.example.com/", "?q", "#f", "https://", "https:///", "http://?q"),
        *("http://a.example:65536/", "http://a.example:http/", "http://a b.example/", "http://a%00b.example/"),
        *("http://[::1/", "http://[::g]/", "http://1.2.3.4.5/", "http://0x100000000/", "http://256.1.1.1/"),
        *("http://a<b.example/", "http://a^b.example/", "https://a.example/\ud800"),
    ],
)
def test_what_no_browser_can_open_is_no_url(text: str) -> None:
    """Relative, broken and impossible addresses are refused."""
    assert refusal(text) == "is not a URL"


@pytest.mark.parametrize("char", ["\0", "\t", "\n", "\r", "\x0b", "\x1f", "\x7f"])
@pytest.mark.parametrize(
    "pattern", ["https://www.exa{}mple.com/", "https://www.example.com/a{}b", "{}https://a.example/"]
)
def test_control_characters_are_refused_though_browsers_drop_some(pattern: str, char: str) -> None:
    """What looks like one line in one place and like two in another is no destination."""
    assert refusal(pattern.format(char)) == "holds control characters"


@pytest.mark.parametrize("userinfo", ["ada@", "ada:secret@", ":secret@", "www.bank.example@", "a%40b@"])
def test_user_names_and_passwords_are_refused(userinfo: str) -> None:
    """`https://www.bank.example@evil.example/` leads to evil.example."""
    assert refusal(f"https://{userinfo}www.example.com/") == "must not hold a user name or password"


@pytest.mark.parametrize(
    "host",
    [
        *(
            "localhost",
            "LOCALHOST",
            "localhost.",
            "ⓛocalhost",
            "app.localhost",
            "app.localhost.",
            "intranet",
            "intranet.",
        ),
        *("printer.local", "db.internal", "router.home.arpa", "nas.lan", "wiki.intranet", "mail.corp", ".."),
        *("127.0.0.1", "127.1", "127.255.255.254", "0177.0.0.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001"),
        *("%31%32%37.0.0.1", "127。0。0。1", "\N{FULLWIDTH DIGIT ONE}27.0.0.1", "127.0.0.1.", "0", "10.1.2.3"),
        *("172.16.0.1", "0.0.0.0"),  # noqa: S104 - no socket is bound
        *("172.31.255.255", "192.168.1.1", "0xc0.0xa8.1", "169.254.169.254", "100.64.0.1", "198.18.0.1", "192.0.2.1"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::ffff:a9fe:a9fe]"),
        *("[::127.0.0.1]", "[64:ff9b::10.0.0.1]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[fe80::1]", "[fec0::1]"),
        *("[fc00::1]", "[fd12:3456::1]", "[ff02::1]", "[2001:db8::1]", "[100::1]"),
    ],
)
def test_private_hosts_are_refused_however_they_are_written(host: str) -> None:
    """A link of the company's leads into nobody's own network."""
    assert refusal(f"https://{host}/").startswith("leads to a private, loopback or link-local host (")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "https://go.example.com/abc",
            "http://GO.example.com",
            "https://go.example.com./abc",
            "https://go.example.com:8443/",
        ),
        *("https://ⓖⓞ.example.com/", "https://go%2Eexample.com/", r"https:\\go.example.com"),
    ],
)
def test_a_link_never_leads_back_to_our_own_links(text: str) -> None:
    """No loops, and no click that counts twice."""
    assert refusal(text) == "leads back to our own short links"


@pytest.mark.parametrize(
    ("exception", "text"),
    [
        ("127.0.0.1", "http://127.0.0.1:9000/"),
        ("127.0.0.1", "http://0x7f.1/"),
        ("::1", "http://[::1]/"),
        ("[::1]", "http://[0:0::1]/"),
        ("Wiki.Intranet.", "https://wiki.intranet/page"),
        ("intranet", "https://INTRANET./"),
        ("bücher.lan", "https://BÜCHER.lan/"),
    ],
)
def test_private_hosts_can_be_allowed_by_name(exception: str, text: str) -> None:
    """However either is written. Their neighbours stay refused."""
    policy = DestinationPolicy(POLICY.own_hosts, {compared_host(exception)})
    assert canonical_destination(text, policy)
    assert refusal("http://127.0.0.2/", policy)
    assert refusal("https://go.example.com/", policy)


@pytest.mark.parametrize("text", ["", "a b", "[::g]", "::g", "1.2.3.4.5"])
def test_an_exception_that_is_no_host_is_a_mistake(text: str) -> None:
    """A setting that would never match anything is not taken."""
    with pytest.raises(ValueError, match="Invalid input"):
        compared_host(text)


def test_a_destination_has_at_most_2048_characters_as_stored() -> None:
    """What counts is what is sent in Location, escapes and all."""
    start = "https://www.example.com/"
    fits = start + "x" * (DESTINATION_CHARS_MAX - len(start))
    assert canonical_destination(fits, POLICY) == fits
    assert refusal(fits + "x") == "is longer than 2048 characters"
    assert refusal(start + "ä" * 400) == "is longer than 2048 characters"
    assert refusal(start + "x" * 1_000_000) == "is longer than 2048 characters"


WEB_LIKE = st.builds(
    "{}{}{}".format,
    st.sampled_from(["http://", "https://", "http:", "https:/\\"]),
    st.sampled_from(["www.example.com", "8.8.8.8", "bücher.example", "a.example:81"]) | st.text(max_size=9),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40).map(lambda tail: f"/{tail}"),
)


@given(WEB_LIKE)
@example("https://a.example/\N{ZERO WIDTH SPACE}")
@example("https://xn--bcher-kva.example./?\N{LATIN SMALL LETTER U WITH DIAERESIS}")
def test_what_is_stored_is_safe_in_a_header_and_stays_as_it_is(text: str) -> None:
    """Printable ASCII of the web, not longer than allowed; read again, it is the same."""
    stored = accepted(text)
    if stored is None:
        return
    assert stored.isascii()
    assert stored.isprintable()
    assert stored.startswith(("http://", "https://"))
    assert len(stored) <= DESTINATION_CHARS_MAX
    assert accepted(stored) == stored


def accepted(text: str, policy: DestinationPolicy = POLICY) -> str | None:
    """The canonical form, or None where it is refused."""
    try:
        return canonical_destination(text, policy)
    except DestinationRefusedError:
        return None


def refusal(text: str, policy: DestinationPolicy = POLICY) -> str:
    """Why `text` is refused."""
    with pytest.raises(DestinationRefusedError) as refused:
        canonical_destination(text, policy)
    return str(refused.value)
