"""What is written hangs together: links lead somewhere, words mean one thing, the changelog keeps its form."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from link_events.events import EventType
from link_events.reasons import HoleKind, Verdict
from link_events.streams import Stream
from stage.markdown import anchors, documents, links, read, without_blocks
from stage.requirements import REPOSITORY

GLOSSARY: Final = read("docs/glossary.md")
CHANGELOG: Final = read("CHANGELOG.md")

KINDS_OF_CHANGE: Final = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
"""Of Keep a Changelog 1.1.0."""

NOT_OUR_WORDS: Final = {"hit": r"\bhits?\b", "visit": r"\bvisits?\b"}
"""What the glossary says otherwise for clicks."""


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for link in links(text):
        path, _, anchor = link.partition("#")
        if not re.match(r"[a-z]+:", path):
            target = (document.parent / path).resolve() if path else document
            assert target.exists(), link
            if anchor:
                assert anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_a_document_has_one_title_and_closes_its_blocks(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert len(re.findall(r"^# .+$", without_blocks(text), re.MULTILINE)) == 1
    assert text.startswith("# ")
    assert text.endswith("\n")
    assert len(re.findall(r"^```", text, re.MULTILINE)) % 2 == 0


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.relative_to(REPOSITORY).as_posix())
@pytest.mark.parametrize("word", NOT_OUR_WORDS)
def test_words_that_mean_a_click_elsewhere_are_left_out(document: Path, word: str) -> None:
    text = without_blocks(document.read_text(encoding="utf-8"))
    text = re.sub(r"\(Not: [^)]*\)", "", text)
    assert not re.findall(NOT_OUR_WORDS[word], text, re.IGNORECASE)


def test_every_word_of_the_glossary_is_defined_once() -> None:
    words = defined_words()
    assert len(words) == len(set(words))


@pytest.mark.parametrize("event_type", EventType)
def test_every_event_is_in_the_glossary(event_type: EventType) -> None:
    assert event_type.split(".")[1] in defined_words()


@pytest.mark.parametrize("stream", Stream)
def test_what_a_stream_carries_is_in_the_glossary(stream: Stream) -> None:
    assert re.sub(r"ies$", "y", stream).removesuffix("s") in defined_words()


def test_verdicts_and_holes_are_told_of_by_their_names() -> None:
    assert not [word for word in (*Verdict, *HoleKind) if f"`{word}`" not in GLOSSARY]


def test_the_changelog_begins_with_what_is_not_released() -> None:
    assert releases()[0] == ("Unreleased", "")


def test_every_release_has_its_number_and_its_day() -> None:
    for name, day in releases()[1:]:
        assert re.fullmatch(r"\d+\.\d+\.\d+", name), name
        assert re.fullmatch(r" - \d{4}-\d{2}-\d{2}", day), name


def test_releases_stand_newest_first() -> None:
    numbers = [tuple(map(int, name.split("."))) for name, _ in releases()[1:]]
    assert all(newer > older for newer, older in pairwise(numbers))


def test_changes_stand_under_their_kind_as_a_list() -> None:
    kinds = re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE)
    assert kinds
    assert set(kinds) <= KINDS_OF_CHANGE
    for part in re.split(r"^### .+$", CHANGELOG, flags=re.MULTILINE)[1:]:
        lines = part.split("\n## ")[0].strip().splitlines()
        assert lines
        assert all(line.startswith(("- ", "  ")) or not line for line in lines), lines


def releases() -> list[tuple[str, str]]:
    """Each release of the changelog: its name in brackets, and what stands behind it."""
    return re.findall(r"^## \[([^\]]+)\](.*)$", CHANGELOG, re.MULTILINE)


def defined_words() -> list[str]:
    """Every word in bold."""
    return re.findall(r"\*\*([^*]+)\*\*", GLOSSARY)
