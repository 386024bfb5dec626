"""Bad input is answered with a problem that names what was wrong: never a traceback, never a change."""

import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import asyncpg
import httpx2
import pytest
import pytest_asyncio

from database.keys import Scope, create_key
from http_api.bodies import BODY_BYTES_MAX
from http_api.problems import PROBLEM_JSON
from stage.redirectors import DESTINATION, RunningRedirector
from stage.sql import session

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD = {"advocate_id": "ada", "destination": DESTINATION}
AS_JSON = {"Content-Type": "application/json"}
STORED = """
SELECT (SELECT count(*) FROM advocate), (SELECT count(*) FROM link), (SELECT count(*) FROM link_destination),
       (SELECT count(*) FROM click_import), (SELECT last_change FROM link_change_counter)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(module_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A look at what is stored."""
    async with session(module_dsn) as connection:
        yield connection


@pytest_asyncio.fixture(loop_scope="module")
async def unchanged(shared: RunningRedirector, database: asyncpg.Connection) -> AsyncIterator[None]:
    """Whatever a test sends, nothing is stored and nothing is journaled."""
    await shared.put_advocate("ada")
    before = await database.fetchrow(STORED)
    yield
    assert await database.fetchrow(STORED) == before
    assert shared.new_clicks() == []


def problem(answer: httpx2.Response, status: HTTPStatus, kind: str) -> dict[str, Any]:
    """The problem that `answer` is."""
    assert answer.headers["content-type"] == PROBLEM_JSON
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["status"], body["type"]) == (status, status, f"urn:advolink:problem:{kind}")
    assert body["title"] == status.phrase
    assert body["detail"]
    return body


def fields(answer: httpx2.Response) -> list[str]:
    """The fields that an invalid-field problem names."""
    return [error["field"] for error in problem(answer, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-field")["errors"]]


@pytest.mark.parametrize("path", ["/v1/links", "/v1/advocates/ada", "/v1/conversions"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "not-json"),
        (b'{"advocate_id": "ada",}', "not-json"),
        (b"{'advocate_id': 'ada'}", "not-json"),
        (b"rubbish", "not-json"),
        (b"\xff\xfe", "not-json"),
        (b"\0", "not-json"),
        (b'{"display_name": "\xff"}', "bad-request"),
        (b"[" * 100_000, "bad-request"),
        (b"[" * 100_000 + b"]" * 100_000, "bad-request"),
        (b'{"test": ' + b"9" * 5_000 + b"}", "bad-request"),
    ],
)
async def test_malformed_json_is_a_400(
    shared: RunningRedirector, unchanged: None, path: str, body: bytes, kind: str
) -> None:
    """However it is broken."""
    method = "PUT" if path == "/v1/advocates/ada" else "POST"
    problem(await shared.ask(method, path, content=body, headers=AS_JSON), HTTPStatus.BAD_REQUEST, kind)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"7", b'"text"', b"NaN"])
async def test_json_that_is_no_object_is_a_422(shared: RunningRedirector, unchanged: None, body: bytes) -> None:
    """There is nothing to take fields from."""
    assert fields(await shared.ask("POST", "/v1/links", content=body, headers=AS_JSON)) == ["body"]


async def test_json_under_another_name_is_a_422(shared: RunningRedirector, unchanged: None) -> None:
    """A form of another site's cannot speak for its visitors."""
    content = json.dumps(GOOD).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert fields(await shared.ask("POST", "/v1/links", content=content, headers={"Content-Type": kind})) == [
            "body"
        ]


TEXTS = [7, "", "  ", "a\0b", "a\nb", "\ud800", "x" * 201, []]
BAD_VALUES: dict[str, list[Any]] = {
    "advocate_id": [None, 7, "", "a b", "a@b", "ä", "a\n", "a\0", "\ud800", "a" * 65, [], {}],
    "destination": [
        *(None, 7, "", "x", "ftp://a.example/", "http://localhost/", "a\0b", "\ud800", DESTINATION + "x" * 2048),
        *(f"https://{host}/" for host in ("ada:x@a.example", "10.0.0.1", "go.example.com", "a\tb.example")),
    ],
    "alias": [7, "", "a b", "a.b", "a/b", "v1", "METRICS", "a\0", "\ud800", "a" * 65],
    **dict.fromkeys(["channel", "content_id", "category", "campaign"], TEXTS),
    "tags": [None, "a", 7, {}, ["a"] * 33],
    "expires_at": [
        *("", "soon", "2022-01-01", "2022-01-01T00:00:00", "2022-02-30T00:00:00Z", [], 1e300, -1e300),
        *("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"),
    ],
    "test": [None, "maybe", 7, []],
}


@pytest.mark.parametrize("field", BAD_VALUES)
async def test_a_bad_field_of_a_link_is_named(shared: RunningRedirector, unchanged: None, field: str) -> None:
    """And it alone, whatever is wrong with it."""
    for value in BAD_VALUES[field]:
        body = json.dumps(GOOD | {field: value}).encode()
        answer = await shared.ask("POST", "/v1/links", content=body, headers=AS_JSON)
        assert fields(answer) == [field], value


async def test_every_bad_field_is_named_at_once(shared: RunningRedirector, unchanged: None) -> None:
    """Also the place of one in a list, and fields that nobody knows."""
    body = {"tags": ["a", "", 7], "test": "maybe", "destination_url": DESTINATION, "": 1, "a\0": 1}
    named = fields(await shared.ask("POST", "/v1/links", json=body))
    assert set(named) == {"advocate_id", "destination", "tags/1", "tags/2", "test", "destination_url", "", "a\0"}


async def test_a_field_whose_name_is_no_text_is_refused(shared: RunningRedirector, unchanged: None) -> None:
    """Half a surrogate pair can be written in JSON and nowhere else."""
    body = json.dumps(GOOD | {"\ud800": 1}).encode()
    assert fields(await shared.ask("POST", "/v1/links", content=body, headers=AS_JSON)) == ["body"]


async def test_an_unknown_advocate_is_a_422(shared: RunningRedirector, unchanged: None) -> None:
    """It says what to do."""
    answer = await shared.ask("POST", "/v1/links", json=GOOD | {"advocate_id": "nobody"})
    assert fields(answer) == ["advocate_id"]
    assert "PUT /v1/advocates/nobody first" in answer.json()["detail"]


@pytest.mark.parametrize(
    "fields_given", [{"code": "x"}, {"advocate_id": "bob"}, {"disabled": None}, {"destination": "x"}]
)
async def test_what_cannot_change_of_a_link_is_refused(shared: RunningRedirector, fields_given: dict[str, Any]) -> None:
    """Code and advocate are for ever."""
    link = await shared.issue()
    assert fields(await shared.ask("PATCH", f"/v1/links/{link['code']}", json=fields_given)) == list(fields_given)
    assert (await shared.ask("GET", f"/v1/links/{link['code']}")).json() == link


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        *(
            ("PUT", f"/v1/advocates/{name}", "path/advocate_id")
            for name in ("a@b", "a%20b", "ada%0A", "a%00", "%ff", "a" * 65)
        ),
        *(("GET", f"/v1/links/{name}", "path/code") for name in ("a.b", "a%20b", "ada%0A", "a%00", "%ff", "a" * 65)),
        ("PATCH", "/v1/links/a.b", "path/code"),
        ("POST", "/v1/clicks/import?format=csv", "query/format"),
        ("POST", "/v1/clicks/import?format=", "query/format"),
    ],
)
async def test_what_stands_in_the_url_is_named_too(
    shared: RunningRedirector, unchanged: None, method: str, path: str, field: str
) -> None:
    """With where it stands."""
    assert fields(await shared.ask(method, path, json={})) == [field]


@pytest.mark.parametrize("excess", [1, BODY_BYTES_MAX])
async def test_a_body_that_says_it_is_too_large_is_not_read(
    shared: RunningRedirector, unchanged: None, excess: int
) -> None:
    """413 by its Content-Length."""
    content = b'{"display_name": "' + b"x" * (BODY_BYTES_MAX + excess) + b'"}'
    for method, path in (("PUT", "/v1/advocates/ada"), ("POST", "/v1/links"), ("GET", "/some-code")):
        answer = await shared.ask(method, path, content=content, headers=AS_JSON)
        problem(answer, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large")


async def test_a_body_that_turns_out_too_large_is_read_no_further(shared: RunningRedirector, unchanged: None) -> None:
    """413 where it comes in chunks, whatever it said before."""
    sent: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            sent.append(1)
            yield b" " * 65_536

    answer = await shared.ask("POST", "/v1/links", content=chunks(), headers=AS_JSON)
    problem(answer, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large")
    assert len(sent) <= BODY_BYTES_MAX // 65_536 + 2


async def test_a_body_at_the_limit_is_taken(shared: RunningRedirector) -> None:
    """A thousand rows of a kilobyte fit; here it is spaces."""
    content = json.dumps({"display_name": "Ada"}).encode().ljust(BODY_BYTES_MAX)
    assert (await shared.ask("PUT", "/v1/advocates/ada", content=content, headers=AS_JSON)).is_success


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("PUT", "/v1/advocates/ada"), ("POST", "/v1/links"), ("GET", "/v1/links/x"), ("PATCH", "/v1/links/x")),
        *(("POST", "/v1/clicks/import"), ("GET", "/v1/clicks/import/x")),
        *(("POST", "/v1/conversions"), ("POST", "/v1/reversals"), ("POST", "/v1/activities")),
    ],
)
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer nonsense", "Basic YTpi", f"Bearer adv_{'0' * 12}_{'s' * 43}"]
)
async def test_without_a_good_key_nothing_is_told(
    shared: RunningRedirector, unchanged: None, method: str, path: str, header: str | None
) -> None:
    """401, on every path of the API, before anything else is looked at."""
    headers = {} if header is None else {"Authorization": header}
    answer = await shared.client.request(method, path, headers=headers, json={})
    problem(answer, HTTPStatus.UNAUTHORIZED, "bad-key")
    assert answer.headers["www-authenticate"] == 'Bearer realm="advolink"'


async def test_a_key_of_another_scope_is_a_403(shared: RunningRedirector, unchanged: None, module_dsn: str) -> None:
    """It names the scope that is missing; a key with that scope alone suffices."""
    reader = await create_key(module_dsn, name="reader", scopes=[Scope.STATS_READ, Scope.CONVERSIONS_WRITE])
    writer = await create_key(module_dsn, name="writer", scopes=[Scope.LINKS_WRITE])
    for method, path in (("PUT", "/v1/advocates/ada"), ("POST", "/v1/links"), ("POST", "/v1/clicks/import")):
        answer = await shared.ask(method, path, json={}, headers={"Authorization": f"Bearer {reader}"})
        assert "links:write" in problem(answer, HTTPStatus.FORBIDDEN, "missing-scope")["detail"]
    answer = await shared.ask("PUT", "/v1/advocates/ada", json={}, headers={"Authorization": f"Bearer {writer}"})
    assert answer.status_code == HTTPStatus.OK


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/clicks/import/0123456789abcdef", "/v1/links/nobodys1"])
async def test_what_is_not_there_is_a_problem_too(shared: RunningRedirector, unchanged: None, path: str) -> None:
    """For programs, as JSON."""
    problem(await shared.ask("GET", path), HTTPStatus.NOT_FOUND, "not-found")


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/v1/links"), ("POST", "/some-code"), ("PUT", "/robots.txt")])
async def test_a_wrong_method_is_a_problem_too(
    shared: RunningRedirector, unchanged: None, method: str, path: str
) -> None:
    """A form that is posted to a link is no click."""
    problem(await shared.ask(method, path), HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed")
