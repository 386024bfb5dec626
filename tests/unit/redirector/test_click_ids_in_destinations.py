"""A click id is added to a destination, and nothing else of it changes, as browsers read addresses."""

from typing import Final
from urllib.parse import parse_qsl, unquote_plus

import ada_url
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from link_events.click_ids import CLICK_ID_CHARS, CLICK_ID_NAME, CLICK_ID_NAME_PATTERN
from redirector.destinations import (
    DESTINATION_CHARS_MAX,
    DestinationPolicy,
    DestinationRefusedError,
    around_click_id,
    canonical_destination,
)

ID: Final = "AADA_-4AwP_uBwAAAAAAKlEvIr8m19KtFBsscvQK"
SITE: Final = "https://www.example.com/"


def destination_with(destination: str, name: str, click_id: str) -> str:
    """`destination` as a redirect leads there."""
    return click_id.join(around_click_id(destination, name))


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        ("", f"?cid={ID}"),
        ("?", f"?cid={ID}"),
        ("?a=1", f"?a=1&cid={ID}"),
        ("?a=1&", f"?a=1&cid={ID}"),
        ("?a=1&&b", f"?a=1&&b&cid={ID}"),
        ("?a=%20+%2B&b=%zz", f"?a=%20+%2B&b=%zz&cid={ID}"),
        ("?a?b=/;c", f"?a?b=/;c&cid={ID}"),
        ("?=", f"?=&cid={ID}"),
        ("#part", f"?cid={ID}#part"),
        ("#", f"?cid={ID}#"),
        ("?a=1#/route?cid=2&b#c", f"?a=1&cid={ID}#/route?cid=2&b#c"),
        ("?a=1#", f"?a=1&cid={ID}#"),
    ],
)
def test_an_id_is_the_last_parameter_and_stands_before_the_fragment(tail: str, expected: str) -> None:
    assert destination_with(f"{SITE}{tail}", "cid", ID) == f"{SITE}{expected}"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("cid=old", f"cid={ID}"),
        ("cid", f"cid={ID}"),
        ("cid=", f"cid={ID}"),
        ("cid=old&a=1", f"a=1&cid={ID}"),
        ("a=1&cid=old&b=2&cid=older", f"a=1&b=2&cid={ID}"),
        ("%63id=old&c%69d=older&a=1", f"a=1&cid={ID}"),
        ("CID=1&cid2=2&xcid=3&a=cid", f"CID=1&cid2=2&xcid=3&a=cid&cid={ID}"),
        ("+cid=1&cid+=2&cid%00=3&c%FFid=4", f"+cid=1&cid+=2&cid%00=3&c%FFid=4&cid={ID}"),
    ],
)
def test_the_id_of_an_earlier_click_gives_way_and_what_only_looks_like_one_stays(query: str, expected: str) -> None:
    """Somebody copied the address from their browser: the click to come is another one."""
    assert destination_with(f"{SITE}?{query}", "cid", ID) == f"{SITE}?{expected}"


def test_following_a_link_that_was_made_of_a_followed_link_adds_one_id() -> None:
    once = destination_with(f"{SITE}?a=1#b", CLICK_ID_NAME, ID)
    assert destination_with(once, CLICK_ID_NAME, ID[::-1]) == once.replace(ID, ID[::-1])


ADDRESSES: Final = st.builds(
    "{}{}{}".format,
    st.sampled_from(["http://www.example.com", "https://bücher.example:81", "https://8.8.8.8"]),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20).map(lambda path: f"/{path}"),
    st.text(st.sampled_from("?&=#+;%c1id2/é .~"), max_size=40) | st.just(f"?a&cid={ID}#"),
)


@given(ADDRESSES, st.from_regex(CLICK_ID_NAME_PATTERN, fullmatch=True) | st.sampled_from(["cid", "1", "c~"]))
@example(f"{SITE}?%63id=1&a=%26cid=2", "cid")
@example(f"{SITE}?a= &b='", "a")
@example(f"{SITE}?%c1=1&%c1", "cid")
def test_a_browser_reads_everything_else_as_before(text: str, name: str) -> None:
    """WHATWG's reading: path, host and fragment are the same, and so are all other parameters, in their order."""
    try:
        destination = canonical_destination(text, DestinationPolicy(frozenset()))
    except DestinationRefusedError:
        assume(False)  # noqa: FBT003 - hypothesis's own
    before, after = ada_url.URL(destination), ada_url.URL(destination_with(destination, name, ID))
    for part in ("protocol", "host", "pathname", "hash"):
        assert getattr(after, part) == getattr(before, part)
    assert after.href == destination_with(destination, name, ID), "it is what a browser would send"
    others = [pair for pair in parameters(before.search) if pair[0] != name]
    assert parameters(after.search) == [*others, (name, ID)]
    as_written = [part for part in before.search[1:].split("&") if unquote_plus(part.split("=")[0]) != name]
    assert [part for part in after.search[1:].split("&") if part][:-1] == [part for part in as_written if part]


def parameters(search: str) -> list[tuple[str, str]]:
    """The parameters as forms are read; ada_url's own reading has no answer to bytes that are no UTF-8."""
    return parse_qsl(search.removeprefix("?"), keep_blank_values=True)


def test_the_longest_destination_takes_the_id_as_well() -> None:
    """Nothing is cut: servers take request lines of 8 000 bytes, and this is the most there can be."""
    longest = SITE + "x" * (DESTINATION_CHARS_MAX - len(SITE))
    before, behind = around_click_id(longest, "n" * 64)
    assert before.startswith(longest)
    assert len(before) + CLICK_ID_CHARS + len(behind) == DESTINATION_CHARS_MAX + 106
