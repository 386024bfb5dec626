"""A self link marks an advocate's browser; clicks on their own links that come from it say so."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Final

import httpx2
import pytest

from database.keys import Scope, create_key
from link_events.identity import AdvocateId
from link_events.signing import Keyring, Purpose
from redirector.self_clicks.own_clicks import COOKIE_LIFE, COOKIE_NAME, TOKEN_LIFE
from redirector.self_clicks.proofs import sign_proof
from stage.proxy import proxied
from stage.redirectors import PUBLIC_URL, RunningRedirector, running_redirector
from stage.waiting import eventually_async

ADA: Final = AdvocateId("ada")


def ring_of(redirector: RunningRedirector) -> Keyring:
    ring = redirector.service.keys.ring
    assert ring is not None
    return ring


async def self_link(redirector: RunningRedirector, advocate_id: str = "ada") -> str:
    """The path of a new self link, for an advocate who is made where there is none."""
    await eventually_async(redirector.signs, what="there is a signing key")
    await redirector.put_advocate(advocate_id)
    answer = await redirector.ask("POST", f"/v1/advocates/{advocate_id}/self-link")
    assert answer.status_code == HTTPStatus.CREATED
    url: str = answer.json()["url"]
    assert url.startswith(f"{PUBLIC_URL}/v1/self?token=")
    return url.removeprefix(PUBLIC_URL)


async def cookie_of(redirector: RunningRedirector, advocate_id: str = "ada") -> dict[str, str]:
    """The Cookie header of a browser that has opened one."""
    answer = await redirector.client.get(await self_link(redirector, advocate_id))
    assert answer.status_code == HTTPStatus.OK
    redirector.client.cookies.clear()
    return {"Cookie": f"theme=dark; {answer.headers['set-cookie'].split(';')[0]}"}


def text_of(page: str) -> str:
    """What a person reads."""
    return " ".join(re.sub(r"<style>.*</style>|<[^>]*>", " ", page, flags=re.DOTALL).split())


async def test_a_self_link_sets_a_cookie_and_says_what_it_is_for(redirector: RunningRedirector) -> None:
    """Signed, out of reach of scripts, sent along when somebody follows a link from elsewhere, and bounded."""
    answer = await redirector.client.get(await self_link(redirector))
    cookie = SimpleCookie(answer.headers["set-cookie"])[COOKIE_NAME]
    assert (cookie["path"], cookie["samesite"], cookie["httponly"], cookie["secure"]) == ("/", "lax", True, True)
    assert (int(cookie["max-age"]), cookie["domain"]) == (COOKIE_LIFE.total_seconds(), "")
    assert "links of ada are known to be your own" in text_of(answer.text)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["referrer-policy"] == "no-referrer", "the token is told to no other site"
    assert answer.headers["x-robots-tag"] == "noindex"


async def test_without_https_the_cookie_is_sent_without_it_too(database_dsn: str, journals: Path, key: str) -> None:
    """As on one machine: browsers would drop a cookie that asks for https."""
    async with running_redirector(database_dsn, journals, key, public_url="http://127.0.0.1:8080") as redirector:
        await eventually_async(redirector.signs, what="there is a signing key")
        await redirector.put_advocate()
        url = (await redirector.ask("POST", "/v1/advocates/ada/self-link")).json()["url"]
        answer = await redirector.client.get(url.removeprefix("http://127.0.0.1:8080"))
    assert not SimpleCookie(answer.headers["set-cookie"])[COOKIE_NAME]["secure"]


async def test_a_self_link_works_for_ten_minutes(redirector: RunningRedirector) -> None:
    """In more than one browser meanwhile."""
    path = await self_link(redirector)
    answer = await redirector.ask("POST", "/v1/advocates/ada/self-link")
    left = datetime.fromisoformat(answer.json()["expires_at"]) - datetime.now(UTC)
    assert TOKEN_LIFE - timedelta(seconds=30) < left <= TOKEN_LIFE
    assert [(await redirector.client.get(path)).status_code for _ in range(2)] == [HTTPStatus.OK, HTTPStatus.OK]


async def test_a_click_on_ones_own_link_says_so(redirector: RunningRedirector) -> None:
    """On anybody else's it is a click like any other, and so is one without the cookie."""
    mine, theirs = (await redirector.issue("ada"))["code"], (await redirector.issue("bob"))["code"]
    cookie = await cookie_of(redirector)
    redirector.new_clicks()
    for code, headers in ((mine, cookie), (theirs, cookie), (mine, {}), (mine, {"Cookie": f"{COOKIE_NAME}=ada"})):
        assert (await redirector.click(code, headers=headers)).status_code == HTTPStatus.FOUND
    assert [click.self_click for click in redirector.new_clicks()] == [True, False, False, False]


async def test_whoever_opened_a_self_link_last_has_the_browser(redirector: RunningRedirector) -> None:
    """Several people at one browser: each marks it anew."""
    codes = [(await redirector.issue(advocate_id))["code"] for advocate_id in ("ada", "bob")]
    for advocate_id in ("ada", "bob"):
        assert (await redirector.client.get(await self_link(redirector, advocate_id))).is_success
    redirector.new_clicks()
    for code in codes:  # with the cookies that the client has kept, as a browser does
        await redirector.click(code)
    assert [click.self_click for click in redirector.new_clicks()] == [False, True]


async def test_a_cookie_ends(redirector: RunningRedirector) -> None:
    """Whatever a browser does with it after its time."""
    code = (await redirector.issue())["code"]
    now = datetime.now(UTC)
    for expires_at, expected in ((now + timedelta(minutes=1), True), (now - timedelta(seconds=1), False)):
        value = sign_proof(ring_of(redirector), Purpose.SELF_COOKIE, ADA, expires_at)
        await redirector.click(code, headers={"Cookie": f"{COOKIE_NAME}={value}"})
        assert redirector.new_clicks()[-1].self_click is expected


async def test_a_token_that_is_late_or_none_of_ours_sets_nothing(redirector: RunningRedirector) -> None:
    """A clear page, and a status that says which."""
    path = await self_link(redirector)
    now = datetime.now(UTC)
    late = sign_proof(ring_of(redirector), Purpose.SELF_LINK, ADA, now - timedelta(seconds=1))
    cookie = sign_proof(ring_of(redirector), Purpose.SELF_COOKIE, ADA, now + timedelta(hours=1))
    token = path.partition("=")[2]
    forged = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    for wrong, status in (
        (f"/v1/self?token={late}", HTTPStatus.GONE),
        (f"/v1/self?token={cookie}", HTTPStatus.BAD_REQUEST),
        (f"/v1/self?token={forged}", HTTPStatus.BAD_REQUEST),
        (path[:-5], HTTPStatus.BAD_REQUEST),
        ("/v1/self?token=", HTTPStatus.BAD_REQUEST),
        ("/v1/self", HTTPStatus.BAD_REQUEST),
        ("/v1/self?token=<script>%00", HTTPStatus.BAD_REQUEST),
        ("/v1/self?token=" + "A" * 10_000, HTTPStatus.BAD_REQUEST),
    ):
        answer = await redirector.client.get(wrong)
        assert answer.status_code == status, wrong
        assert "set-cookie" not in answer.headers
        assert "This link does not work" in text_of(answer.text)
        assert "<script>" not in answer.text
        assert answer.headers["cache-control"] == "private, no-store"


async def test_there_is_no_self_link_for_nobody(redirector: RunningRedirector) -> None:
    """An advocate that nobody has put, or that can be none."""
    unknown = await redirector.ask("POST", "/v1/advocates/nobody/self-link")
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "there is no advocate nobody")
    assert (await redirector.ask("POST", "/v1/advocates/a@b/self-link")).status_code == 422


async def test_a_self_link_takes_a_key_that_may_write_links(redirector: RunningRedirector, database_dsn: str) -> None:
    await redirector.put_advocate()
    reader = await create_key(database_dsn, name="reader", scopes=[Scope.STATS_READ])
    path = "/v1/advocates/ada/self-link"
    assert (await redirector.client.post(path)).status_code == HTTPStatus.UNAUTHORIZED
    answer = await redirector.client.post(path, headers={"Authorization": f"Bearer {reader}"})
    assert answer.status_code == HTTPStatus.FORBIDDEN


async def test_a_self_link_is_opened_and_known_again_without_postgres(
    database_dsn: str, journals: Path, key: str
) -> None:
    """After a restart, by the keys that are kept. Making one asks Postgres for the advocate."""
    async with running_redirector(database_dsn, journals, key) as redirector:
        code = (await redirector.issue())["code"]
        path = await self_link(redirector)
        kept = journals / "kept" / "signing-keys"
        await eventually_async(lambda: asyncio.to_thread(kept.exists), what="the keys are on the disk")
    async with proxied(database_dsn) as (way, dsn):
        await way.close()
        async with running_redirector(dsn, journals, key, drain_seconds=0.1) as redirector:
            assert (await redirector.client.get(path)).status_code == HTTPStatus.OK
            await way.open()
            await eventually_async(redirector.knows_postgres, what="the links' changes are followed")
            redirector.new_clicks()
            await redirector.click(code)
            assert [click.self_click for click in redirector.new_clicks()] == [True]


async def test_without_any_signing_key_a_self_link_is_a_matter_of_a_moment(redirector: RunningRedirector) -> None:
    """503, for making one and for opening one; a click is a click."""
    code, path = (await redirector.issue())["code"], await self_link(redirector)
    cookie = await cookie_of(redirector)
    redirector.service.keys.ring = None  # as where none was ever heard of
    answers: list[httpx2.Response] = [
        await redirector.ask("POST", "/v1/advocates/ada/self-link"),
        await redirector.client.get(path),
    ]
    assert [(answer.status_code, answer.headers["retry-after"]) for answer in answers] == [(503, "2")] * 2
    redirector.new_clicks()
    assert (await redirector.click(code, headers=cookie)).status_code == HTTPStatus.FOUND
    assert [click.self_click for click in redirector.new_clicks()] == [False]


async def test_no_token_and_no_cookie_is_in_the_logs(
    redirector: RunningRedirector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="redirector")
    path = await self_link(redirector)
    answer = await redirector.client.get(path)
    code = (await redirector.issue())["code"]
    await redirector.click(code)
    cookie = answer.headers["set-cookie"].split(";")[0].partition("=")[2]
    told = [record.getMessage() for record in caplog.records if record.name.startswith("redirector")]
    assert not [line for line in told if path.partition("=")[2] in line or cookie in line]
    journal = b"".join(segment.read_bytes() for segment in redirector.journal_directory.glob("*.segment"))
    assert cookie.encode() not in journal
