"""What redirects are measured against does what the figures claim, and a redirect that is not recorded is noticed."""

from pathlib import Path

import pytest

from browsers import codes, each_code_once
from candidates import DESTINATION, QUERY, Candidate, Running, Site, candidates
from looking import look_at_answers
from redirects import Contender, Rounds, chosen

LOOKED_AT = 200
YARDSTICKS = [one for one in candidates() if not one.ours]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    links = tmp_path / "links.txt"
    links.write_text("".join(f"{code} {DESTINATION}{code}{QUERY}\n" for code in codes()), encoding="utf-8")
    return Site("", tmp_path, links)


@pytest.mark.parametrize("yardstick", YARDSTICKS, ids=lambda one: one.name)
def test_a_yardstick_redirects_each_code_and_records_what_it_says(yardstick: Candidate, site: Site) -> None:
    with yardstick.start(site) as running:
        before = running.clicks() if running.clicks else 0
        assert look_at_answers(running.url, each_code_once()[:LOOKED_AT]) == LOOKED_AT
        assert running.clicks is None or running.clicks() - before == LOOKED_AT


@pytest.mark.parametrize(("only", "names"), [("go net", ["Go net/http, a JSON line a click"]), ("nobody", [])])
def test_candidates_are_named_in_part_in_capitals_or_not(only: str, names: list[str]) -> None:
    assert [one.name for one in chosen(Rounds(only=[only]))] == names


def test_an_answer_that_leads_elsewhere_is_noticed(site: Site) -> None:
    (fastapi,) = [one for one in YARDSTICKS if "FastAPI" in one.name]
    site.links.write_text(f"{codes()[0]} https://elsewhere.example\n", encoding="utf-8")
    with fastapi.start(site) as running, pytest.raises(RuntimeError, match="elsewhere"):
        look_at_answers(running.url, [f"GET /{codes()[0]} HTTP/1.1\r\nHost: go.example.com\r\n\r\n".encode()])


@pytest.mark.parametrize("clicks", [99, 100 + 2 * 64 + 1])
def test_a_redirect_without_a_click_or_a_click_without_a_redirect_is_noticed(clicks: int) -> None:
    with pytest.raises(RuntimeError, match=f"100 redirects, but {clicks} clicks"):
        having_recorded(clicks).expect_every_click()


@pytest.mark.parametrize("clicks", [100, 100 + 2 * 64])
def test_what_was_under_way_when_the_load_ended_may_be_recorded_or_not(clicks: int) -> None:
    having_recorded(clicks).expect_every_click()


def having_recorded(clicks: int) -> Contender:
    """A contender that answered 100 requests in two loads, and recorded so many clicks, beside seven of before."""
    running = Running("http://127.0.0.1:1", 1, lambda: 7 + clicks)
    return Contender("it", running, Path(), clicks_before=7, answered=100, loads=2)
