"""Our Markdown as the tests read it: headings, sections, code blocks, links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stage.requirements import REPOSITORY

_FENCE: Final = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING: Final = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_LINK: Final = re.compile(r"(?<!`)\]\(([^)\s]+)\)")
_NOT_IN_ANCHORS: Final = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Block:
    """A fenced block: what stands behind its opening fence, and what is in it."""

    language: str
    text: str


def documents() -> list[Path]:
    """Everything that is written for readers."""
    return [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def read(name: str) -> str:
    """The text of the document `name`, a path from the repository's root."""
    return (REPOSITORY / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """The fenced blocks of `text`, in order."""
    return [Block(found["language"], found["text"]) for found in _FENCE.finditer(text)]


def without_blocks(text: str) -> str:
    """`text` without its fenced blocks."""
    return _FENCE.sub("", text)


def sections(text: str) -> dict[str, str]:
    """Heading → what stands below it, up to the next heading of any level."""
    parts = _HEADING.split(without_blocks(text))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def links(text: str) -> Iterator[str]:
    """Where the links of `text` lead, pictures included."""
    for found in _LINK.finditer(without_blocks(text)):
        yield found[1]


def anchors(text: str) -> set[str]:
    """What `#…` may be in a link to `text`, as code forges make it of headings."""
    headings = _HEADING.findall(without_blocks(text))
    return {_NOT_IN_ANCHORS.sub("", heading.lower()).replace(" ", "-") for heading in headings}


def code_words(text: str) -> set[str]:
    """Everything that stands between single backticks."""
    return set(re.findall(r"`([^`\n]+)`", without_blocks(text)))
