"""The pages that people see where a link leads nowhere are small, plain and in one piece."""

from html.parser import HTMLParser
from http import HTTPStatus

import pytest

from redirector.pages import PAGES, ROBOTS_TXT


class Outline(HTMLParser):
    """Which tags a page opens and what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag."""
        self.tags.append(tag)
        self.attributes += attrs


def test_there_is_a_page_for_each_way_a_link_can_lead_nowhere() -> None:
    """Unknown, ended, one of too many that are unknown, and not to be had right now."""
    assert set(PAGES) == {
        HTTPStatus.NOT_FOUND,
        HTTPStatus.GONE,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
    }


@pytest.mark.parametrize("page", PAGES.values())
def test_a_page_loads_nothing_and_runs_nothing(page: str) -> None:
    """No script, no picture, no font: nothing that a visitor would be seen by."""
    outline = Outline()
    outline.feed(page)
    assert {"title", "h1", "p"} <= set(outline.tags)
    assert not {"script", "img", "link", "iframe", "a"} & set(outline.tags)
    assert not {"src", "href"} & {name for name, _ in outline.attributes}
    assert ("charset", "utf-8") in outline.attributes
    assert len(page.encode()) < 1500


def test_crawlers_are_let_through() -> None:
    """Previews on social posts are made by crawlers."""
    assert ROBOTS_TXT == "User-agent: *\nAllow: /\n"
