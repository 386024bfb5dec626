"""Codes are drawn from an alphabet that people can read aloud, and aliases are what a path segment can safely be."""

import secrets
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_events.identity import CODE_PATTERN, is_code
from redirector.codes import ALPHABET, CODE_CHARS, RESERVED, alias_fault, draw_code


def test_the_alphabet_has_no_look_alikes() -> None:
    """Base58: nobody has to tell 0 from O or I from l."""
    assert len(set(ALPHABET)) == len(ALPHABET) == 58
    assert not set("0OIl") & set(ALPHABET)


@given(st.lists(st.integers(0, 57), min_size=CODE_CHARS, max_size=CODE_CHARS))
def test_a_drawn_code_is_a_code_of_eight_characters(draws: list[int]) -> None:
    """Each character is drawn by itself, over the whole alphabet."""
    waiting = list(draws)
    code = draw_code(lambda _: waiting.pop(0))
    assert is_code(code)
    assert [ALPHABET.index(char) for char in code] == draws


def test_draws_are_below_the_size_of_the_alphabet() -> None:
    """The source of randomness is asked for what the alphabet holds, no more and no less."""
    asked: list[int] = []

    def first(bound: int) -> int:
        asked.append(bound)
        return 0

    assert draw_code(first) == ALPHABET[0] * CODE_CHARS
    assert asked == [len(ALPHABET)] * CODE_CHARS


def test_a_thousand_draws_never_meet() -> None:
    """58^8 codes: two in a thousand meet once in 260 million tries."""
    assert len({draw_code(secrets.randbelow) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("alias", ["a", "Spring-Sale_22", "_", "-", "0", "A" * 64, "v10", "metrics-", "contest"])
def test_an_alias_is_any_path_segment_without_surprises(alias: str) -> None:
    """1 to 64 letters, digits, `_` and `-`."""
    assert alias_fault(alias) is None


@pytest.mark.parametrize(
    "alias",
    [
        *("", "A" * 65, "a b", "a/b", "a.b", "robots.txt", "a%20b", "ä", "a\n", "\na", "a\0", "\ud800", "a+b", "a?b"),
        "\N{ARABIC-INDIC DIGIT TWO}",
        "\N{FULLWIDTH LATIN SMALL LETTER A}",
    ],
)
def test_what_would_surprise_is_no_alias(alias: str) -> None:
    """Nothing that a URL, a log line or a reader could take for something else."""
    assert alias_fault(alias) == "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -"


@pytest.mark.parametrize("change", [str.lower, str.upper, str.title])
@pytest.mark.parametrize("word", sorted(RESERVED))
def test_words_that_are_paths_of_our_own_are_reserved_in_any_case(word: str, change: Callable[[str], str]) -> None:
    """`/V1` reads like `/v1`."""
    alias = change(word)
    assert alias_fault(alias) == f"{alias!r} is reserved"


@given(st.from_regex(CODE_PATTERN, fullmatch=True))
def test_whatever_else_is_a_code_may_be_an_alias(alias: str) -> None:
    """Aliases and codes are one set, but for reserved words."""
    assert (alias_fault(alias) is None) == (alias.lower() not in RESERVED)
