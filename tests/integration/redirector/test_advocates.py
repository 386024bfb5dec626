"""Advocates are put one by one or many at once; their history is kept, and nobody changes what was said."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import asyncpg
import pytest

from stage.asking import fields_at_fault
from stage.redirectors import RunningRedirector
from stage.sql import execute, fetch

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTHING_SAID: Final[dict[str, Any]] = {"team": None, "roles": [], "excluded": False, "active": True}


def _today() -> date:
    """In the programme's zone, which is UTC unless set."""
    return datetime.now(UTC).date()


async def _put(shared: RunningRedirector, advocate_id: str, **said: Any) -> dict[str, Any]:
    answer = await shared.ask("PUT", f"/v1/advocates/{advocate_id}", json=said)
    assert answer.status_code in (HTTPStatus.OK, HTTPStatus.CREATED), answer.text
    return dict(answer.json())


async def _history(shared: RunningRedirector, advocate_id: str) -> list[tuple[Any, ...]]:
    rows = (await shared.ask("GET", f"/v1/advocates/{advocate_id}")).json()["rows"]
    return [(row["from"], row["team"], row["roles"], row["excluded"], row["active"]) for row in rows]


async def test_what_is_left_out_stays(shared: RunningRedirector) -> None:
    """A name is no history; null says that there is none."""
    first = await _put(shared, "left.out", display_name="Lee", team="sales", roles=["executive", "executive"])
    assert first["roles"] == ["executive"]
    again = await _put(shared, "left.out", public_standings=False)
    assert {**first, "public_standings": False, "updated_at": again["updated_at"]} == again
    cleared = await _put(shared, "left.out", display_name=None, team=None)
    assert (cleared["display_name"], cleared["team"], cleared["roles"]) == (None, None, ["executive"])


async def test_history_is_told_by_days(shared: RunningRedirector) -> None:
    """What holds from which day on, and what holds today; who said it and when."""
    for said in (
        {"from": "2022-01-01", "team": "sales"},
        {"from": "2022-02-15", "team": "it"},
        {"from": "2022-04-01", "active": False},
        {"from": "2022-02-01", "roles": ["organiser"]},
        {"from": "2022-02-15", "team": "legal"},
    ):
        await _put(shared, "by.days", **said)
    assert await _history(shared, "by.days") == [
        ("2022-01-01", "sales", [], False, True),
        ("2022-02-01", "sales", ["organiser"], False, True),
        ("2022-02-15", "legal", [], False, True),
        ("2022-04-01", "it", [], False, False),
    ]
    told = (await shared.ask("GET", "/v1/advocates/by.days")).json()
    assert (told["team"], told["active"]) == ("it", False)
    assert all(row["set_by"] and row["set_at"] for row in told["rows"])


async def test_saying_the_same_again_writes_nothing(shared: RunningRedirector, module_dsn: str) -> None:
    """A company's directory may send everybody every night."""
    said = {"display_name": "Sam", "team": "sales", "roles": ["b", "a"], "from": "2022-01-01"}
    first = await _put(shared, "same.again", **said)
    again = await _put(shared, "same.again", **said | {"roles": ["a", "b"]})
    assert first == again
    query = "SELECT count(*) FROM advocate_state WHERE advocate_id = 'same.again'"
    assert await fetch(module_dsn, query) == [(1,)]


async def test_an_advocate_of_whom_nothing_was_said_takes_part(shared: RunningRedirector) -> None:
    """In no team, with no role."""
    await shared.put_advocate("plain")
    told = (await shared.ask("GET", "/v1/advocates/plain")).json()
    assert {name: told[name] for name in NOTHING_SAID} == NOTHING_SAID
    assert (told["rows"], told["public_standings"]) == ([], True)
    assert (await shared.ask("GET", "/v1/advocates/nobody")).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"from": "1999-12-31"}, "from"),
        ({"from": "20220214"}, "from"),
        ({"from": 1_644_796_800}, "from"),
        ({"from": "2022-02-30"}, "from"),
        ({"team": ""}, "team"),
        ({"team": "a\nb"}, "team"),
        ({"roles": "executive"}, "roles"),
        ({"roles": [""]}, "roles/0"),
        ({"roles": [f"role {number}" for number in range(21)]}, "roles"),
        ({"excluded": "yes"}, "excluded"),
        ({"active": None}, "active"),
        ({"public_standings": 1}, "public_standings"),
        ({"valid_from": "2022-02-14"}, "valid_from"),
        ({"nickname": "Lee"}, "nickname"),
    ],
)
async def test_what_cannot_be_said_is_refused_by_its_field(
    shared: RunningRedirector, said: dict[str, Any], field: str
) -> None:
    """Alone and among others, and nobody is made for it."""
    alone = await shared.ask("PUT", "/v1/advocates/refused", json=said)
    assert (alone.status_code, fields_at_fault(alone)) == (HTTPStatus.UNPROCESSABLE_ENTITY, [field])
    body = {"rows": [{"advocate_id": "refused", **said}]}
    (row,) = (await shared.ask("POST", "/v1/advocates/bulk", json=body)).json()["rows"]
    assert (row["outcome"], [error["field"] for error in row["errors"]]) == ("invalid", [field])
    assert (await shared.ask("GET", "/v1/advocates/refused")).status_code == HTTPStatus.NOT_FOUND


async def test_a_change_may_be_said_a_year_ahead(shared: RunningRedirector) -> None:
    """It holds when its day has come."""
    today = _today()
    told = await _put(shared, "ahead", team="sales", **{"from": str(today + timedelta(days=300))})
    assert told["team"] == "sales"
    assert (await shared.ask("GET", "/v1/advocates/ahead")).json()["team"] is None
    late = await shared.ask("PUT", "/v1/advocates/ahead", json={"from": str(today + timedelta(days=400))})
    assert fields_at_fault(late) == ["from"]


async def test_many_are_put_at_once_and_each_is_answered(shared: RunningRedirector) -> None:
    """In their order; a wrong one hinders no other, and two of one advocate are taken one after the other."""
    rows: list[Any] = [
        {"advocate_id": "many.a", "team": "sales", "from": "2022-01-01"},
        {"advocate_id": "many b"},
        {"team": "sales"},
        7,
        {"advocate_id": "many.a", "team": "it", "from": "2022-03-01"},
        {"advocate_id": "many.a", "team": "it", "from": "2022-03-01"},
    ]
    answer = (await shared.ask("POST", "/v1/advocates/bulk", json={"rows": rows})).json()
    assert [(row["advocate_id"], row["outcome"]) for row in answer["rows"]] == [
        ("many.a", "created"),
        ("many b", "invalid"),
        (None, "invalid"),
        (None, "invalid"),
        ("many.a", "changed"),
        ("many.a", "same"),
    ]
    assert answer["rows"][1]["errors"][0]["detail"] == "Text should be 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'"
    assert [row[1] for row in await _history(shared, "many.a")] == ["sales", "it"]


async def test_a_dry_run_tells_what_would_be(shared: RunningRedirector) -> None:
    """And changes nothing."""
    await shared.put_advocate("dry.old")
    rows = [{"advocate_id": "dry.old"}, {"advocate_id": "dry.old", "excluded": True}, {"advocate_id": "dry.new"}]
    body = {"rows": rows, "dry_run": True}
    dry = (await shared.ask("POST", "/v1/advocates/bulk", json=body)).json()
    assert (dry["dry_run"], [row["outcome"] for row in dry["rows"]]) == (True, ["same", "changed", "created"])
    assert (await shared.ask("GET", "/v1/advocates/dry.new")).status_code == HTTPStatus.NOT_FOUND
    assert await _history(shared, "dry.old") == []
    wet = (await shared.ask("POST", "/v1/advocates/bulk", json={"rows": rows})).json()
    assert wet["rows"] == dry["rows"]


async def test_two_thousand_are_put_at_once(shared: RunningRedirector, module_dsn: str) -> None:
    """The most that one request may have; one more is refused whole."""
    rows = [{"advocate_id": f"crowd.{number}", "team": f"team {number % 7}"} for number in range(2_001)]
    refused = await shared.ask("POST", "/v1/advocates/bulk", json={"rows": rows})
    assert fields_at_fault(refused) == ["rows"]
    answer = (await shared.ask("POST", "/v1/advocates/bulk", json={"rows": rows[:2_000]})).json()
    assert {row["outcome"] for row in answer["rows"]} == {"created"}
    count = "SELECT count(*), count(DISTINCT advocate_id) FROM advocate_state WHERE advocate_id LIKE 'crowd.%'"
    assert await fetch(module_dsn, count) == [(2_000, 2_000)]


async def test_two_at_once_wait_for_each_other(shared: RunningRedirector) -> None:
    """Whoever comes second says it on top of what the first has said: nothing is lost, nothing stands twice."""
    day = {"from": "2022-01-01"}
    sayings: list[dict[str, Any]] = [{"team": "sales"}, {"roles": ["organiser"]}, {"excluded": True}] * 5
    await asyncio.gather(*(_put(shared, "at.once", **said, **day) for said in sayings))
    assert await _history(shared, "at.once") == [("2022-01-01", "sales", ["organiser"], True, True)]


@pytest.mark.parametrize(
    "change",
    ["UPDATE advocate_state SET team = 'it'", "DELETE FROM advocate_state", "TRUNCATE advocate_state"],
)
async def test_what_was_said_stays_said(shared: RunningRedirector, module_dsn: str, change: str) -> None:
    """Nobody changes it, not even the owner of the database."""
    await _put(shared, "stays", team="sales")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="advocate_state is only ever added to"):
        await execute(module_dsn, change)


async def test_a_leavers_links_keep_redirecting(shared: RunningRedirector) -> None:
    """What they earned stays theirs, and whoever clicks is led on."""
    link = await shared.issue("leaver")
    await _put(shared, "leaver", active=False, excluded=True, team=None)
    assert (await shared.click(link["code"])).status_code == HTTPStatus.FOUND
