"""Who may ask what: keys, their scopes, and the programme that only an admin changes."""

import base64
import json
from typing import Any, Final

import httpx2
import pytest

from aggregator.app import build_public_app
from database.keys import KeyStore, Scope
from stage.asking import asked, fields_at_fault
from stage.pipe import Pipe

JSON = {"Content-Type": "application/json"}

Request = tuple[str, str, object]

READING: list[Request] = [
    ("GET", "/v1/counts?group_by=advocate", None),
    ("GET", "/v1/advocates/ada/counts", None),
    ("GET", "/v1/clicks?advocate_id=ada&day=2022-02-14", None),
    ("GET", "/v1/clicks/00c0ffee00c0ffee-c7-42", None),
    ("GET", "/v1/programme", None),
]
CHANGING: list[Request] = [
    ("PUT", "/v1/programme", {"timezone": "Asia/Tokyo"}),
    ("POST", "/v1/keys", {"name": "portal", "scopes": ["stats:read"]}),
    ("GET", "/v1/keys", None),
    ("DELETE", "/v1/keys/0123456789ab", None),
]


@pytest.mark.parametrize("scope", Scope)
async def test_a_key_may_do_what_its_scope_names_and_nothing_else(pipe: Pipe, scope: Scope) -> None:
    """Stats for whoever may read them, keys and programme for admins; a refusal names the scope that lacks."""
    key = await KeyStore(pipe.pool).create("key", [scope])
    async with asked(build_public_app(pipe.pool), key) as api:
        for requests, needed in ((READING, Scope.STATS_READ), (CHANGING, Scope.ADMIN)):
            for method, path, body in requests:
                answer = await api.request(method, path, json=body)
                if scope in (needed, Scope.ADMIN):
                    assert answer.status_code in (200, 201, 404), (path, answer.text)
                else:
                    assert answer.status_code == 403, path
                    assert needed in answer.json()["detail"]


@pytest.mark.parametrize(("method", "path", "body"), READING + CHANGING)
async def test_nobody_asks_without_a_key(season: httpx2.AsyncClient, method: str, path: str, body: object) -> None:
    """Whatever is asked, and however wrongly."""
    for header in ("", f"Bearer adv_0123456789ab_{'s' * 43}", "Basic YTpi"):
        answer = await season.request(method, path, json=body, headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="advolink"'
        assert answer.json()["type"] == "urn:advolink:problem:bad-key"


async def test_a_key_is_made_used_listed_and_ended(pipe: Pipe, admin: httpx2.AsyncClient) -> None:
    """It is shown once; ended, it stays in the list."""
    made = await admin.post("/v1/keys", json={"name": " portal ", "scopes": ["stats:read", "stats:read"]})
    assert made.status_code == 201
    key = made.json()
    assert (key["name"], key["scopes"]) == ("portal", ["stats:read"])
    app = build_public_app(pipe.pool)
    async with asked(app, key["api_key"]) as api:
        assert (await api.get("/v1/programme")).status_code == 200
    listed = (await admin.get("/v1/keys")).json()["rows"]
    assert (listed[0]["name"], listed[0]["key_id"], listed[0]["revoked_at"]) == ("portal", key["key_id"], None)
    assert key["api_key"] not in str(listed)
    ended = await admin.delete(f"/v1/keys/{key['key_id']}")
    assert (ended.status_code, ended.content) == (204, b"")
    assert (await admin.get("/v1/keys")).json()["rows"][0]["revoked_at"] is not None
    async with asked(build_public_app(pipe.pool), key["api_key"]) as api:
        assert (await api.get("/v1/programme")).status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["admin"]}, "name"),
        ({"name": "portal"}, "scopes"),
        ({"name": "portal", "scopes": []}, "scopes"),
        ({"name": "portal", "scopes": ["everything"]}, "scopes/0"),
        ({"name": "", "scopes": ["admin"]}, "name"),
        ({"name": " ", "scopes": ["admin"]}, "name"),
        ({"name": "a" * 101, "scopes": ["admin"]}, "name"),
        ({"name": "a\0b", "scopes": ["admin"]}, "name"),
        ({"name": "a\nb", "scopes": ["admin"]}, "name"),
        ({"name": "a\ud800b", "scopes": ["admin"]}, "name"),
        ({"name": "portal", "scopes": ["admin"], "key_id": "0123456789ab"}, "key_id"),
    ],
)
async def test_a_key_that_cannot_be_made_is_refused_by_name(
    season_admin: httpx2.AsyncClient, body: dict[str, Any], field: str
) -> None:
    """Nothing is made."""
    before = (await season_admin.get("/v1/keys")).json()
    answer = await season_admin.post("/v1/keys", content=json.dumps(body), headers=JSON)
    assert (answer.status_code, fields_at_fault(answer)) == (422, [field])
    assert (await season_admin.get("/v1/keys")).json() == before


@pytest.mark.parametrize("key_id", ["0123456789ab", "nonsense", "%00", "%F0%9F%98%80", "0" * 2_000])
async def test_a_key_that_there_is_not_cannot_be_ended(season_admin: httpx2.AsyncClient, key_id: str) -> None:
    """Whatever its name."""
    assert (await season_admin.delete(f"/v1/keys/{key_id}")).status_code == 404


UNSET: Final = {
    "timezone": "UTC",
    "first_weekday": "monday",
    "repeats": "day",
    "click_ids": True,
    "click_id_name": "advolink_click_id",
    "currency": "EUR",
    "attribution_model": "last",
    "attribution_window_s": 2_592_000,
    "attribution_windows_s": {},
    "half_life_s": 604_800,
    "earning": "counted",
    "pending_s": 604_800,
    "browser_origins": [],
    "browser_money": False,
}
"""The programme that nobody has set."""


async def test_the_programme_is_read_and_set(admin: httpx2.AsyncClient) -> None:
    """What is left out takes its default."""
    assert (await admin.get("/v1/programme")).json() == UNSET
    wanted = {
        "timezone": "America/New_York",
        "first_weekday": "sunday",
        "repeats": "none",
        "click_ids": False,
        "click_id_name": "c-l.i~c_K",
        "currency": "KWD",
        "attribution_model": "position",
        "attribution_window_s": 1,
        "attribution_windows_s": {"lead.b2b": 604_800},
        "half_life_s": 1,
        "earning": "any",
        "pending_s": 60,
        "browser_origins": ["http://localhost:3000"],
        "browser_money": True,
    }
    assert (await admin.put("/v1/programme", json=wanted)).json() == wanted
    assert (await admin.get("/v1/programme")).json() == wanted
    answer = await admin.put("/v1/programme", json={"timezone": "Asia/Tokyo"})
    assert answer.json() == {**UNSET, "timezone": "Asia/Tokyo"}


async def test_the_zone_is_not_changed_once_clicks_are_stored(season_admin: httpx2.AsyncClient) -> None:
    """A conflict that says which zone holds; the rest may be set."""
    refused = await season_admin.put("/v1/programme", json={"timezone": "Asia/Tokyo"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:advolink:problem:zone-in-use")
    assert "UTC" in refused.json()["detail"]
    rest = UNSET | {"first_weekday": "saturday", "repeats": "none", "click_ids": False, "currency": "JPY"}
    kept = await season_admin.put("/v1/programme", json=rest)
    assert kept.status_code == 200
    assert (await season_admin.get("/v1/programme")).json() == rest


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"timezone": "Middle/Earth"}, "timezone"),
        ({"timezone": "utc"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": "/etc/localtime"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"timezone": "A\0B"}, "timezone"),
        ({"timezone": "A\ud800B"}, "timezone"),
        ({"timezone": "A" * 65}, "timezone"),
        ({"timezone": None}, "timezone"),
        ({"timezone": "UTC", "first_weekday": "Monday"}, "first_weekday"),
        ({"timezone": "UTC", "first_weekday": 0}, "first_weekday"),
        ({"timezone": "UTC", "zone": "UTC"}, "zone"),
        ({"click_ids": None}, "click_ids"),
        ({"click_id_name": ""}, "click_id_name"),
        ({"click_id_name": "a" * 65}, "click_id_name"),
        ({"click_id_name": "a=b"}, "click_id_name"),
        ({"click_id_name": "a\n"}, "click_id_name"),
        ({"click_id_name": "ä"}, "click_id_name"),
        ({"click_id_name": "a%20b"}, "click_id_name"),
        ({"click_id_name": None}, "click_id_name"),
        ({"currency": "eur"}, "currency"),
        ({"currency": "XXX"}, "currency"),
        ({"currency": "EURO"}, "currency"),
        ({"attribution_model": "middle"}, "attribution_model"),
        ({"attribution_window_s": 0}, "attribution_window_s"),
        ({"attribution_window_s": 10**10}, "attribution_window_s"),
        ({"attribution_windows_s": {"a/b": 1}}, "attribution_windows_s/a/b/[key]"),
        ({"attribution_windows_s": {"lead": 0}}, "attribution_windows_s/lead"),
        ({"attribution_windows_s": {f"kind-{number}": 1 for number in range(101)}}, "attribution_windows_s"),
        ({"half_life_s": -1}, "half_life_s"),
        ({"earning": "none"}, "earning"),
        ({"pending_s": -1}, "pending_s"),
        ({"browser_origins": ["https://shop.example.com/"]}, "browser_origins/0"),
        ({"browser_origins": ["https://shop.example.com", "*"]}, "browser_origins/1"),
        ({"browser_origins": "https://shop.example.com"}, "browser_origins"),
        ({"browser_money": None}, "browser_money"),
    ],
)
async def test_a_programme_that_is_none_is_refused_by_name(
    season_admin: httpx2.AsyncClient, body: dict[str, Any], field: str
) -> None:
    """An IANA zone as it is written there, a day of the week, a parameter that no encoding changes; nothing else."""
    answer = await season_admin.put("/v1/programme", content=json.dumps(body), headers=JSON)
    assert (answer.status_code, fields_at_fault(answer)) == (422, [field])
    assert (await season_admin.get("/v1/programme")).json()["timezone"] == "UTC"


CURSORS = {
    "/v1/counts?group_by=advocate": ["bo", "2022-01-01"],
    "/v1/counts?group_by=link": [3, "2022-01-01"],
    "/v1/clicks?advocate_id=ada&day=2022-01-01": [0, 3],
}


def _cursor(content: str) -> str:
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


@pytest.mark.parametrize("path", CURSORS)
async def test_a_hostile_cursor_is_refused_or_answered(season: httpx2.AsyncClient, path: str) -> None:
    """No text that stands for a cursor is a mistake of ours: keys of another list, NULs, numbers beyond 64 bits."""
    texts = ["%", "a", "nonsense", "é", "%00", "%F0%9F%98%80", "a" * 513, _cursor("[" * 200)]
    keys = ['"bo"', '"\\u0000"', '"\U0010ffff"', "1", "-1", str(2**31), str(2**63 - 1), str(2**63), "1e308", "null"]
    places = ['"2022-01-01"', '"0001-01-01"', '"9999-12-31"', '"2022-W01-1"', '"\\u0000"', '""', *keys]
    texts += [_cursor(f"[{key}, {place}]") for key in keys for place in places]
    statuses: dict[int, int] = {}
    for text in texts:
        answer = await season.get(f"{path}&cursor={text}")
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert answer.status_code == 200 or fields_at_fault(answer) == ["query/cursor"], (text, answer.text)
    assert statuses.keys() == {200, 422}
