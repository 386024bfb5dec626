"""The origins that a programme takes are those that a browser may send."""

import pytest

from aggregator.programme.origins import is_origin


@pytest.mark.parametrize(
    "text",
    [
        *("https://shop.example.com", "http://localhost:8000", "https://a", "https://xn--bcher-kva.example"),
        *("http://127.0.0.1:1", "https://[2001:db8::1]:8443", "https://shop.example.com:65535", "https://a_b.example"),
    ],
)
def test_what_a_browser_sends_is_one(text: str) -> None:
    assert is_origin(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "*", "null", "shop.example.com", "https://", "https://shop.example.com/", "https://shop.example.com/a"),
        *("https://Shop.example.com", "HTTPS://shop.example.com", "https://bücher.example", "ftp://shop.example.com"),
        *("https://shop.example.com:443", "http://shop.example.com:80", "https://a:0", "https://a:65536", "https://a:"),
        *("https://ada@shop.example.com", "https://*.example.com", "https://a..b", "https://-a", "https://a b"),
        *("https://shop.example.com\n", f"https://{'a.' * 130}a"),
    ],
)
def test_what_none_sends_is_none(text: str) -> None:
    """It would stand on the list and never match."""
    assert not is_origin(text)
