"""What people and programs that follow a link are answered, and what is journaled of them first."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import httpx2
import pytest

from link_events.events import Click
from link_events.reasons import LinkState
from redirector.pages import PAGES
from stage.events import BROWSER
from stage.journals import clicks_in
from stage.redirectors import DESTINATION, PUBLIC_URL, RunningRedirector

NEVER_KEPT = {
    "cache-control": "private, no-store",
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-robots-tag": "noindex",
}
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.asyncio(loop_scope="module")


def clicks(shared: RunningRedirector) -> list[Click]:
    return clicks_in(shared.journal_directory)


def is_page(answer: httpx2.Response, status: HTTPStatus) -> bool:
    """Whether `answer` is the readable page for `status`, kept by nobody."""
    expected = {
        **NEVER_KEPT,
        "content-type": "text/html; charset=utf-8",
        "content-length": str(len(PAGES[status].encode())),
    }
    return (answer.status_code, answer.text, dict(answer.headers)) == (status, PAGES[status], expected)


async def test_a_link_redirects_to_its_destination(shared: RunningRedirector) -> None:
    """302, so that browsers ask again; the headers are exactly these."""
    link = await shared.issue(destination="https://www.example.com/a?b=1&c=%20#d")
    answer = await shared.click(link["code"])
    assert answer.status_code == HTTPStatus.FOUND
    assert shared.led_to(answer) == "https://www.example.com/a?b=1&c=%20#d"
    location = answer.headers["location"]
    assert dict(answer.headers) == {**NEVER_KEPT, "location": location, "content-length": "0"}
    assert answer.content == b""


async def test_the_click_says_whose_link_was_followed_and_how(shared: RunningRedirector) -> None:
    """One click a request, in the partition of its advocate, at the instant of its capture."""
    before = datetime.now(UTC)
    link = await shared.issue("ada")
    await shared.click(link["code"], headers={"Referer": "https://t.co/x?y=1", "Sec-Fetch-Mode": "navigate"})
    (click,) = shared.new_clicks()
    assert before <= click.occurred_at <= datetime.now(UTC)
    assert click == Click(
        occurred_at=click.occurred_at,
        link_id=link["link_id"],
        code=link["code"],
        advocate_id=link["advocate_id"],
        link_state=LinkState.ACTIVE,
        method="GET",
        user_agent=BROWSER,
        referrer_origin="https://t.co",
        signals={"sec-fetch-mode": "navigate"},
        network_key=click.network_key,
        visitor=click.visitor,
        visitor_local=click.visitor_local,
    )
    assert re.fullmatch("[0-9a-f]{32} [0-9a-f]{16}", f"{click.visitor} {click.network_key}")


async def test_the_click_is_in_the_journal_before_the_answer_begins(shared: RunningRedirector) -> None:
    """Guarantee 2: what the file holds is looked up in the moment the first byte would go out."""
    link = await shared.issue()
    in_journal: list[int] = []
    before = len(clicks_in(shared.journal_directory))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def looking_send(message: Any) -> None:
            if message["type"] == "http.response.start":
                in_journal.append(len(clicks_in(shared.journal_directory)) - before)
            await send(message)

        await shared.service.public(scope, receive, looking_send)

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=PUBLIC_URL) as client:
        for _ in range(5):
            assert (await client.get(f"/{link['code']}")).status_code == HTTPStatus.FOUND
    assert in_journal == [1, 2, 3, 4, 5]


async def test_every_one_of_many_at_once_is_kept(shared: RunningRedirector) -> None:
    """In the order in which they were taken, over all links."""
    codes = [(await shared.issue(f"advocate{number}"))["code"] for number in range(5)]
    answers = await asyncio.gather(*(shared.click(codes[number % 5]) for number in range(200)))
    assert {answer.status_code for answer in answers} == {HTTPStatus.FOUND}
    kept = shared.new_clicks()
    assert {code: sum(click.code == code for click in kept) for code in codes} == dict.fromkeys(codes, 40)
    assert [click.occurred_at for click in kept] == sorted(click.occurred_at for click in kept)


async def test_head_is_answered_as_get_and_kept_as_head(shared: RunningRedirector) -> None:
    """Previews ask so; whether it counts is not for the redirector to say."""
    code = (await shared.issue())["code"]
    got, headed = await shared.click(code), await shared.click(code, "HEAD")
    assert shared.led_to(headed) == shared.led_to(got)
    for answer in (got, headed):
        del answer.headers["location"]  # each click has an id of its own
    assert (headed.status_code, dict(headed.headers), headed.content) == (got.status_code, dict(got.headers), b"")
    assert [click.method for click in shared.new_clicks()] == ["GET", "HEAD"]


async def test_a_slash_at_the_end_does_no_harm(shared: RunningRedirector) -> None:
    """People and mail programs add one."""
    code = (await shared.issue())["code"]
    assert shared.led_to(await shared.click(f"{code}/")) == DESTINATION
    assert [click.code for click in shared.new_clicks()] == [code]


@pytest.mark.parametrize(
    "code", ["nobodys1", "a", "A" * 64, "A" * 65, "%C3%A4", "a.b", "favicon.ico", "a%20b", "%00", "%ff"]
)
async def test_an_unknown_code_is_a_readable_404_and_no_click(shared: RunningRedirector, code: str) -> None:
    """Whether it could be a code or not."""
    assert is_page(await shared.click(code), HTTPStatus.NOT_FOUND)
    assert is_page(await shared.click(f"{code}/"), HTTPStatus.NOT_FOUND)
    assert shared.new_clicks() == []


async def test_codes_differ_in_case(shared: RunningRedirector) -> None:
    """`Sale` and `sale` are two links."""
    for alias in ("Sale", "sale"):
        await shared.issue(alias=alias, destination=f"https://www.example.com/{alias}")
    assert shared.led_to(await shared.click("Sale")) == "https://www.example.com/Sale"
    assert shared.led_to(await shared.click("sale")) == "https://www.example.com/sale"
    assert is_page(await shared.click("SALE"), HTTPStatus.NOT_FOUND)


async def test_a_disabled_link_is_gone_its_click_is_kept_and_it_comes_back(shared: RunningRedirector) -> None:
    """410 and a click that says what the link was."""
    code = (await shared.issue())["code"]
    await shared.change(code, disabled=True)
    assert is_page(await shared.click(code), HTTPStatus.GONE)
    await shared.change(code, disabled=False)
    assert (await shared.click(code)).status_code == HTTPStatus.FOUND
    assert [click.link_state for click in shared.new_clicks()] == [LinkState.DISABLED, LinkState.ACTIVE]


async def test_an_expired_link_is_gone_and_its_click_is_kept(shared: RunningRedirector) -> None:
    """From the instant of its end on; one that ends later redirects."""
    now = datetime.now(UTC)
    ended = await shared.issue(expires_at=(now - HOUR).isoformat())
    ends = await shared.issue(expires_at=(now + HOUR).isoformat())
    assert is_page(await shared.click(ended["code"]), HTTPStatus.GONE)
    assert (await shared.click(ends["code"])).status_code == HTTPStatus.FOUND
    await shared.change(ends["code"], expires_at=(now - HOUR).isoformat())
    assert (await shared.click(ends["code"], "HEAD")).status_code == HTTPStatus.GONE
    await shared.change(ends["code"], expires_at=None)
    assert (await shared.click(ends["code"])).status_code == HTTPStatus.FOUND
    states = [click.link_state for click in shared.new_clicks()]
    assert states == [LinkState.EXPIRED, LinkState.ACTIVE, LinkState.EXPIRED, LinkState.ACTIVE]


async def test_a_changed_destination_is_followed_at_once(shared: RunningRedirector) -> None:
    """On the redirector that was asked to change it."""
    code = (await shared.issue())["code"]
    await shared.click(code)
    await shared.change(code, destination="https://www.example.com/new")
    assert shared.led_to(await shared.click(code)) == "https://www.example.com/new"


async def test_a_test_links_clicks_say_so(shared: RunningRedirector) -> None:
    """They are kept and never counted."""
    await shared.click((await shared.issue(test=True))["code"])
    assert [click.test for click in shared.new_clicks()] == [True]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_crawlers_are_let_through(shared: RunningRedirector, method: str) -> None:
    """Previews on social posts depend on it; it is no click."""
    answer = await shared.click("robots.txt", method)
    assert answer.status_code == HTTPStatus.OK
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert method == "HEAD" or answer.text == "User-agent: *\nAllow: /\n"
    assert shared.new_clicks() == []


HOSTILE: list[tuple[bytes, bytes]] = [
    (b"user-agent", b"\xff\xfe\x80 \xc3\xa4"),
    (b"user-agent", b"a\tb\x7f\x85"),
    (b"user-agent", b"x" * 1_000_000),
    (b"user-agent", b'"}}\n{"specversion"'),
    (b"referer", b"http://[::1"),
    (b"referer", b"http://\xe2\x84\x80.example/"),
    (b"referer", b"http://" + b"h" * 100_000),
    (b"referer", b"\x00"),
    (b"accept-language", b"\x00" * 10_000),
    (b"sec-purpose", b"prefetch" * 1_000),
    (b"cookie", b"\xff" * 1_000),
    (b"host", b"evil.example"),
    (b"x-forwarded-for", b"not an address"),
    (b"content-length", b"-1"),
    (b"", b""),
]


@pytest.mark.parametrize(("name", "value"), HOSTILE)
async def test_no_header_keeps_anybody_from_being_redirected(
    shared: RunningRedirector, name: bytes, value: bytes
) -> None:
    """Whatever it holds, handed to the app as bytes; the click is one that every reader can read."""
    code = (await shared.issue())["code"]
    status: list[int] = []

    async def nothing() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def note(message: Any) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": f"/{code}",
        "headers": [(name, value), (name, value)],
    }
    scope |= {"query_string": b"", "root_path": "", "scheme": "https", "server": ("go.example.com", 443)}
    await shared.service.public(scope, nothing, note)
    assert status == [HTTPStatus.FOUND]
    assert [click.code for click in shared.new_clicks()] == [code]


async def test_no_address_reaches_the_journal_or_the_log(
    shared: RunningRedirector, caplog: pytest.LogCaptureFixture
) -> None:
    """Guarantee 8: neither the connection's nor what proxies say of it."""
    code = (await shared.issue())["code"]
    named = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP", "Via")
    transport = httpx2.ASGITransport(shared.service.public, client=("203.0.113.9", 4711))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        with caplog.at_level("DEBUG"):
            for path in (f"/{code}", "/unknown1", "/v1/links"):
                await client.get(path, headers=dict.fromkeys(named, "203.0.113.77"))
    assert len(shared.new_clicks()) == 1
    written = b"".join(path.read_bytes() for path in shared.journal_directory.glob("*.segment"))
    assert b"203.0.113." not in written
    assert "203.0.113." not in caplog.text


async def test_requests_are_told_by_status(shared: RunningRedirector) -> None:
    """What /metrics shows of redirects is what happened."""
    names = ('redirects_total{status="302"}', 'redirects_total{status="404"}', "redirect_duration_seconds_count")
    before = [await shared.metric(f"advolink_{name}") for name in names]
    code = (await shared.issue())["code"]
    for path in (code, code, "unknown1"):
        await shared.click(path)
    after = [await shared.metric(f"advolink_{name}") for name in names]
    assert [late - early for early, late in zip(before, after, strict=True)] == [2, 1, 3]
    assert await shared.metric("advolink_clicks_unrecorded_total") == 0
