"""From which page a browser asks: what it says of itself, else the page's address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redirector.browser.origins import asking_origin

SHOP = "https://shop.example.com"


def test_what_the_browser_says_decides() -> None:
    """Whatever else the request carries."""
    assert asking_origin(SHOP, "https://evil.example/") == SHOP
    assert asking_origin("null", f"{SHOP}/") is None


@pytest.mark.parametrize(
    ("referrer", "origin"),
    [
        ("https://shop.example.com/", SHOP),
        ("https://SHOP.example.com:443/thanks?order=1", SHOP),
        ("https://shop.example.com:8443/", "https://shop.example.com:8443"),
        ("http://shop.example.com/", "http://shop.example.com"),
        ("http://[::1]:3000/a", "http://[::1]:3000"),
        ("https://shop.example.com@evil.example/", "https://evil.example"),
        ("https://shop.example.com.evil.example/", "https://shop.example.com.evil.example"),
        *((nothing, None) for nothing in (None, "", "shop.example.com", "about:blank", "data:,x", "android-app://x/")),
    ],
)
def test_the_address_of_a_page_says_its_origin(referrer: str | None, origin: str | None) -> None:
    assert asking_origin(None, referrer) == origin


@given(st.text())
def test_no_text_makes_it_fail(text: str) -> None:
    assert asking_origin(None, text) != "null"
