"""The checker finds each thing that can be wrong, and nothing where nothing is."""

from dataclasses import replace

import pytest

from link_events.identity import EventId
from stage.chaos.fates import NO_STATUS, Fate, RequestId, Told
from stage.chaos.verdict import Found, StoredEvent, Violation, Wrong, violations

ACCEPTED = Told(RequestId("0-1"), Fate.ACCEPTED, 302, 1.0, 1.5)
REFUSED = Told(RequestId("0-2"), Fate.REFUSED, 503, 1.5, 1.6)
NEVER_SENT = Told(RequestId("0-3"), Fate.REFUSED, NO_STATUS, 1.6, 1.7)
UNKNOWN = Told(RequestId("0-4"), Fate.UNKNOWN, NO_STATUS, 1.7, 2.0)
FATES = (ACCEPTED, REFUSED, NEVER_SENT, UNKNOWN)


def _clicks(*requests: Told | None) -> list[StoredEvent]:
    return [
        StoredEvent(EventId(f"00c0ffee00c0ffee-c0-{seq}"), told.request if told else None)
        for seq, told in enumerate(requests, 1)
    ]


@pytest.mark.parametrize("clicks", [_clicks(ACCEPTED), _clicks(ACCEPTED, UNKNOWN)])
def test_an_answer_that_was_never_seen_may_have_a_click_or_none(clicks: list[StoredEvent]) -> None:
    assert violations(Found(FATES, clicks)) == []


@pytest.mark.parametrize(
    ("clicks", "wrong", "named"),
    [
        (_clicks(UNKNOWN), Wrong.LOST, ACCEPTED),
        (_clicks(ACCEPTED, ACCEPTED), Wrong.DOUBLED, ACCEPTED),
        (_clicks(ACCEPTED, UNKNOWN, UNKNOWN), Wrong.DOUBLED, UNKNOWN),
        (_clicks(ACCEPTED, REFUSED), Wrong.REFUSED, REFUSED),
        (_clicks(ACCEPTED, NEVER_SENT), Wrong.REFUSED, NEVER_SENT),
        (_clicks(ACCEPTED, replace(ACCEPTED, request=RequestId("9-9"))), Wrong.STRANGER, None),
        (_clicks(ACCEPTED, None), Wrong.STRANGER, None),
    ],
)
def test_clicks_that_do_not_go_with_their_requests_are_found(
    clicks: list[StoredEvent], wrong: Wrong, named: Told | None
) -> None:
    """And named, with the request's fate and its clicks."""
    (found,) = violations(Found(FATES, clicks))
    assert found.wrong is wrong
    if named is not None:
        assert f"request {named.request} ({named.fate}" in found.what
    assert all(click.event in found.what for click in clicks if named and click.request == named.request)


def test_each_lost_click_is_told_of_by_itself() -> None:
    fates = [replace(ACCEPTED, request=RequestId(f"1-{number}")) for number in range(3)]
    assert [one.wrong for one in violations(Found(fates, []))] == [Wrong.LOST] * 3


def test_an_answer_other_than_a_redirect_or_a_pause_is_wrong() -> None:
    """A link that exists is never 404, whoever is away."""
    (found,) = violations(Found([replace(REFUSED, status=404)], []))
    assert found == Violation(Wrong.ANSWER, "request 0-2 was answered 404")


@pytest.mark.parametrize("wrong", [Wrong.DRIFT, Wrong.HOLE, Wrong.DEAD_LETTER, Wrong.STOPPED, Wrong.LAG, Wrong.ENDED])
def test_what_the_database_shows_is_passed_on(wrong: Wrong) -> None:
    assert violations(Found([], [], {wrong: ["one", "two"]})) == [Violation(wrong, "one"), Violation(wrong, "two")]


def test_what_is_stored_is_told_apart_by_what_was_asked() -> None:
    """A strange click, of no request, is a click."""
    requests = map(RequestId, ("0-1", "v0-4.1", "v0-4.2", "r0-4"))
    told = [replace(ACCEPTED, request=request) for request in requests]
    assert Found([], _clicks(*told, None)).counted() == {"clicks": 2, "conversions": 2, "reversals": 1}
