"""Advocates are put, links are issued, shown and changed; what is stored is what is answered."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest

from redirector.codes import ALPHABET, CODE_CHARS
from stage.redirectors import DESTINATION, PUBLIC_URL, RunningRedirector
from stage.sql import fetch

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_advocate_is_new_once(shared: RunningRedirector) -> None:
    """201, then 200; what is said of them the last time holds."""
    first = await shared.ask("PUT", "/v1/advocates/new.one", json={"display_name": "  Ada Lovelace "})
    again = await shared.ask("PUT", "/v1/advocates/new.one", json={"display_name": None})
    assert (first.status_code, again.status_code) == (HTTPStatus.CREATED, HTTPStatus.OK)
    assert (first.json()["display_name"], again.json()["display_name"]) == ("Ada Lovelace", None)
    assert first.json()["created_at"] == again.json()["created_at"] < again.json()["updated_at"]


async def test_a_link_is_answered_as_it_is_stored(shared: RunningRedirector) -> None:
    """201 with its code and its short URL; it is read again under both services' words."""
    await shared.put_advocate("ada")
    asked: dict[str, Any] = {
        "advocate_id": "ada",
        "destination": "HTTPS://www.Example.com/ä",
        "channel": " linkedin ",
        "content_id": "post-7",
        "category": "culture",
        "campaign": "Q1",
        "tags": ["b", "a", "b"],
        "expires_at": "2099-01-01T00:00:00+02:00",
        "test": True,
        "click_id": False,
    }
    answer = await shared.ask("POST", "/v1/links", json=asked)
    link = answer.json()
    assert answer.status_code == HTTPStatus.CREATED
    assert answer.headers["location"] == f"/v1/links/{link['code']}"
    assert link == {
        **asked,
        "link_id": link["link_id"],
        "code": link["code"],
        "short_url": f"{PUBLIC_URL}/{link['code']}",
        "destination": "https://www.example.com/%C3%A4",
        "channel": "linkedin",
        "tags": ["b", "a"],
        "expires_at": "2098-12-31T22:00:00Z",
        "disabled_at": None,
        "created_at": link["created_at"],
    }
    assert len(link["code"]) == CODE_CHARS
    assert set(link["code"]) <= set(ALPHABET)
    read = await shared.ask("GET", f"/v1/links/{link['code']}")
    assert (read.status_code, read.json()) == (HTTPStatus.OK, link)


async def test_only_advocate_and_destination_are_needed(shared: RunningRedirector) -> None:
    """Everything else is empty, and the link redirects at once, from memory."""
    link = await shared.issue()
    empty = {"channel", "content_id", "category", "campaign", "click_id", "expires_at", "disabled_at"}
    assert {name for name, value in link.items() if value is None} == empty
    assert (link["tags"], link["test"], link["destination"]) == ([], False, DESTINATION)
    assert (await shared.click(link["code"])).status_code == HTTPStatus.FOUND


async def test_an_alias_belongs_to_one_link_for_ever(shared: RunningRedirector) -> None:
    """A second link under it is a 409, whoever asks; the first stays as it was."""
    link = await shared.issue("ada", alias="Spring_Sale-22")
    assert link["code"] == "Spring_Sale-22"
    await shared.put_advocate("bob")
    for advocate_id in ("ada", "bob"):
        body = {"advocate_id": advocate_id, "destination": "https://other.example/", "alias": "Spring_Sale-22"}
        answer = await shared.ask("POST", "/v1/links", json=body)
        assert answer.status_code == HTTPStatus.CONFLICT
        assert answer.json()["type"] == "urn:advolink:problem:alias-taken"
        assert "'Spring_Sale-22' is taken" in answer.json()["detail"]
    assert (await shared.ask("GET", "/v1/links/Spring_Sale-22")).json() == link


async def test_only_what_is_given_changes(shared: RunningRedirector) -> None:
    """A field that is left out stays; null takes an end away; code and advocate are for ever."""
    end = (datetime.now(UTC) + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    link = await shared.issue(expires_at=end)
    code = link["code"]

    async def changed(**fields: Any) -> dict[str, Any]:
        answer = await shared.ask("PATCH", f"/v1/links/{code}", json=fields)
        assert answer.status_code == HTTPStatus.OK
        shown: dict[str, Any] = answer.json()
        return shown

    assert await changed() == link
    assert await changed(destination="https://new.example") == {**link, "destination": "https://new.example/"}
    assert await changed(expires_at=None) == {**link, "destination": "https://new.example/", "expires_at": None}
    assert (await changed(click_id=False))["click_id"] is False
    assert (await changed(disabled=False))["click_id"] is False
    assert (await changed(click_id=None))["click_id"] is None
    off = await changed(disabled=True)
    assert off["disabled_at"] is not None
    assert (await changed(disabled=True))["disabled_at"] == off["disabled_at"]
    assert (await changed(destination="https://newer.example"))["disabled_at"] == off["disabled_at"]
    assert (await changed(disabled=False))["disabled_at"] is None


async def test_earlier_destinations_are_kept_with_who_set_them(shared: RunningRedirector, module_dsn: str) -> None:
    """What a link led to at the time of a click can always be told."""
    link = await shared.issue(destination="https://a.example/")
    for destination in ("https://b.example/", "https://b.example/", "https://c.example/"):
        await shared.change(link["code"], destination=destination)
    sql = "SELECT destination, set_by FROM link_destination WHERE link_id = $1 ORDER BY change"
    key_id = shared.key.split("_")[1]
    kept = await fetch(module_dsn, sql, link["link_id"])
    assert kept == [(f"https://{name}.example/", key_id) for name in "abc"]


async def test_changes_are_numbered_without_a_gap(shared: RunningRedirector, module_dsn: str) -> None:
    """Also where issuing failed: whoever follows the feed misses nothing."""
    first = await shared.issue(alias="gapless")
    for body in ({"advocate_id": "nobody"}, {"advocate_id": "ada", "alias": "gapless"}):
        answer = await shared.ask("POST", "/v1/links", json={"destination": DESTINATION, **body})
        assert answer.is_client_error
    last = await shared.issue()
    sql = "SELECT change FROM link WHERE link_id = ANY($1) UNION ALL SELECT last_change FROM link_change_counter"
    changes = [change for (change,) in await fetch(module_dsn, sql, [first["link_id"], last["link_id"]])]
    assert sorted(changes) == [changes[0], changes[0] + 1, changes[0] + 1]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_a_link_that_is_not_there_is_a_404(shared: RunningRedirector, method: str) -> None:
    """And named."""
    answer = await shared.ask(method, "/v1/links/nobodys1", json={} if method == "PATCH" else None)
    assert (answer.status_code, answer.json()["detail"]) == (HTTPStatus.NOT_FOUND, "there is no link nobodys1")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/advocates/ada"),
        ("POST", "/v1/links"),
        ("GET", "/v1/nothing"),
        ("DELETE", "/v1/links"),
        ("GET", "/"),
    ],
)
async def test_every_answer_keeps_search_engines_out(shared: RunningRedirector, method: str, path: str) -> None:
    """Answers and problems alike."""
    answer = await shared.ask(method, path, json={})
    assert answer.headers["x-robots-tag"] == "noindex"
