"""Who clicked, as requests say it that come over the wire: by their peer, and by what trusted proxies add."""

from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from database.keys import Scope, create_key
from link_events.events import Click
from stage.events import BROWSER
from stage.redirectors import PUBLIC_URL, RunningRedirector, running_redirector
from stage.waiting import eventually_async

CLIENT = "203.0.113.9"
PROXY = "10.1.0.9"
TRUSTED = ["10.1.0.0/16", "2001:db8:7::/48"]
INTERNAL = ["192.168.0.0/16"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def behind_proxies(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningRedirector]:
    """A redirector with trusted proxies, that has its salts."""
    key = await create_key(module_dsn, name="test", scopes=[Scope.ADMIN])
    journals: Path = tmp_path_factory.mktemp("journals")
    settings = {"trusted_proxies": TRUSTED, "internal_networks": INTERNAL, "unknown_codes_burst": 3}
    async with running_redirector(module_dsn, journals, key, **settings) as one:
        await eventually_async(lambda: has_salts(one), what="there are shared salts")
        yield one


async def has_salts(redirector: RunningRedirector) -> bool:
    return await redirector.metric("advolink_visitor_salt_local") == 0


async def asked(
    redirector: RunningRedirector, peer: str | None, path: str, forwarded_for: Sequence[str] = (), method: str = "GET"
) -> int:
    """The status of a request from `peer`, with an X-Forwarded-For header for each of `forwarded_for`."""
    transport = httpx2.ASGITransport(redirector.service.public, client=(peer, 4711) if peer else None)  # type: ignore[arg-type]
    headers = [("User-Agent", BROWSER), *(("X-Forwarded-For", said) for said in forwarded_for)]
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        return (await client.request(method, path, headers=headers)).status_code


async def clicked(redirector: RunningRedirector, peer: str | None, *forwarded_for: str, method: str = "GET") -> Click:
    """The click that such a request makes."""
    code = (await redirector.issue())["code"]
    redirector.new_clicks()
    assert await asked(redirector, peer, f"/{code}", forwarded_for, method) == HTTPStatus.FOUND
    (click,) = redirector.new_clicks()
    return click


@pytest.mark.parametrize(
    ("peer", "forwarded_for"),
    [
        (CLIENT, ()),
        (f"::ffff:{CLIENT}", ()),
        (PROXY, (CLIENT,)),
        (PROXY, ("6.6.6.6", CLIENT)),
        (PROXY, (f"6.6.6.6, {CLIENT}", "10.1.0.8")),
        (PROXY, ("", f"{CLIENT}:443,[2001:db8:7::1]:443")),
        ("2001:db8:7::1", (CLIENT,)),
    ],
)
async def test_a_client_is_one_visitor_by_whatever_way_it_comes(
    behind_proxies: RunningRedirector, peer: str, forwarded_for: tuple[str, ...]
) -> None:
    """Directly, through one proxy or several, with one header or several, whatever stands left of its address."""
    direct = await clicked(behind_proxies, CLIENT)
    click = await clicked(behind_proxies, peer, *forwarded_for)
    assert (click.visitor, click.network_key) == (direct.visitor, direct.network_key)
    assert (click.networks, click.visitor_local) == ((), False)


async def test_two_clients_of_one_proxy_are_two_visitors(behind_proxies: RunningRedirector) -> None:
    """Of one network, where they are."""
    clicks = [await clicked(behind_proxies, PROXY, address) for address in (CLIENT, "203.0.113.10", "198.51.100.1")]
    assert len({click.visitor for click in clicks}) == 3
    assert len({click.network_key for click in clicks}) == 2


async def test_a_head_request_has_a_visitor_too(behind_proxies: RunningRedirector) -> None:
    assert (await clicked(behind_proxies, CLIENT, method="HEAD")).visitor == (
        await clicked(behind_proxies, CLIENT)
    ).visitor


@pytest.mark.parametrize(
    ("peer", "forwarded_for"), [(None, ()), (PROXY, ()), (PROXY, ("unknown",)), (PROXY, (CLIENT, "x"))]
)
async def test_a_click_of_nobody_is_redirected_recorded_and_counted(
    behind_proxies: RunningRedirector, peer: str | None, forwarded_for: tuple[str, ...]
) -> None:
    """It says so."""
    before = await behind_proxies.metric("advolink_clicks_unresolved_total")
    click = await clicked(behind_proxies, peer, *forwarded_for)
    assert (click.visitor, click.network_key, click.networks) == (None, None, ("unresolved",))
    assert await behind_proxies.metric("advolink_clicks_unresolved_total") == before + 1


async def test_a_stranger_is_not_heard_and_counted(behind_proxies: RunningRedirector) -> None:
    """Whoever it says it asks for."""
    before = await behind_proxies.metric("advolink_clicks_forwarded_by_strangers_total")
    clicks = [await clicked(behind_proxies, CLIENT, *said) for said in ((), ("6.6.6.6",), ("unknown",), (PROXY,))]
    assert len({click.visitor for click in clicks}) == 1
    assert await behind_proxies.metric("advolink_clicks_forwarded_by_strangers_total") == before + 3


async def test_a_colleague_is_marked_as_such(behind_proxies: RunningRedirector) -> None:
    """Directly and through a proxy; nobody can pretend to be one."""
    for peer, forwarded_for in (("192.168.3.4", ()), (PROXY, ("192.168.3.4",))):
        assert (await clicked(behind_proxies, peer, *forwarded_for)).networks == ("internal",)
    assert (await clicked(behind_proxies, CLIENT, "192.168.3.4")).networks == ()


async def test_unknown_codes_are_limited_for_the_network_behind_the_proxy(behind_proxies: RunningRedirector) -> None:
    """Another network behind the same proxy may go on, however the first one spells its address."""
    limited = [await asked(behind_proxies, PROXY, "/unknown1", (f"203.0.113.{number}",)) for number in range(6)]
    assert HTTPStatus.TOO_MANY_REQUESTS in limited
    assert await asked(behind_proxies, PROXY, "/unknown1", ("198.51.100.1",)) == HTTPStatus.NOT_FOUND
