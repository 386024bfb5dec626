"""An event's name says where it was journaled, and only a right name is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_events.identity import (
    SEQ_MAX,
    ConversionKey,
    JournalId,
    Origin,
    Seq,
    is_advocate_id,
    is_code,
    is_external_id,
    is_source,
    parse_event_id,
)
from link_events.streams import Partition, Stream
from stage.events import conversion_keys, external_ids, origins


def test_an_event_id_reads_as_the_design_says() -> None:
    """`<journal>-<c|v|a><partition>-<seq>`."""
    journal = JournalId(bytes.fromhex("00c0ffee00c0ffee"))
    assert Origin(journal, Stream.CLICKS, Partition(7), Seq(42)).event_id == "00c0ffee00c0ffee-c7-42"


@given(origins())
def test_an_event_id_names_its_origin(origin: Origin) -> None:
    """Every origin is found again by its event id."""
    assert parse_event_id(origin.event_id) == origin


@given(st.text() | st.from_regex(r"[0-9a-f]{15,17}-[a-d][0-9]{1,3}-[0-9]{1,16}", fullmatch=True))
def test_what_is_parsed_is_the_one_spelling_of_an_origin(text: str) -> None:
    """No two texts name the same event, so an id can be compared as text."""
    origin = parse_event_id(text)
    assert origin is None or origin.event_id == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00c0ffee00c0ffee-c7",
        "00C0FFEE00C0FFEE-c7-42",
        "00c0ffee00c0ffe-c7-42",
        "00c0ffee00c0ffee-x7-42",
        "00c0ffee00c0ffee-c07-42",
        "00c0ffee00c0ffee-c256-42",
        "00c0ffee00c0ffee-c7-0",
        "00c0ffee00c0ffee-c7-042",
        f"00c0ffee00c0ffee-c7-{SEQ_MAX + 1}",
        "00c0ffee00c0ffee-c7-9999999999999999",
        "00c0ffee00c0ffee-c7-42\n",
        " 00c0ffee00c0ffee-c7-42",
        "00c0ffee00c0ffee-c\N{ARABIC-INDIC DIGIT SEVEN}-42",
    ],
)
def test_what_is_no_event_id_names_nothing(text: str) -> None:
    """Other spellings, numbers that no event can have and rubbish are refused."""
    assert parse_event_id(text) is None


@pytest.mark.parametrize("text", ["a", "ada.lovelace", "A-1_b.2", "x" * 64])
def test_an_advocate_id_is_a_short_plain_word(text: str) -> None:
    """Letters, digits, dots, underscores and hyphens, at most 64."""
    assert is_advocate_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "x" * 65, "ada@example.com", "ada lovelace", "ada/lovelace", "ada\n", "adé", "\N{ARABIC-INDIC DIGIT SEVEN}"],
)
def test_an_advocate_id_stands_in_urls_and_keys_as_it_is(text: str) -> None:
    """No address, no blank, no slash, nothing that would have to be encoded."""
    assert not is_advocate_id(text)


@pytest.mark.parametrize("text", ["a", "kB7xQ2mT", "spring-sale_2022", "x" * 64])
def test_a_code_is_a_path_segment(text: str) -> None:
    """Letters, digits, underscores and hyphens, at most 64."""
    assert is_code(text)


@pytest.mark.parametrize("text", ["", "x" * 65, "robots.txt", "a/b", "a b", "a%20b", "a\n", "é"])
def test_a_code_needs_no_encoding_and_has_no_dot(text: str) -> None:
    """What browsers and proxies would rewrite is no code, and no code is taken for a file."""
    assert not is_code(text)


@given(conversion_keys(), conversion_keys())
def test_two_conversions_never_have_one_key_as_text(one: ConversionKey, other: ConversionKey) -> None:
    """Slashes may stand in the last part alone."""
    assert (one.text == other.text) == (one == other)
    assert ConversionKey(*one.text.split("/", 2)) == one


@given(external_ids())
def test_any_text_without_control_characters_is_an_external_id(text: str) -> None:
    assert is_external_id(text)
    assert not is_external_id(text + "\n")
    assert not is_external_id(text + "x" * 200)


@pytest.mark.parametrize(("text", "expected"), [("shop.eu-1_a", True), ("s" * 65, False), ("", False), ("a/b", False)])
def test_a_source_stands_in_keys(text: str, *, expected: bool) -> None:
    assert is_source(text) is expected
