"""track.js in a real Chromium: what it keeps, what it sends, when it does neither, and that no page breaks on it."""

import json
from collections.abc import Sequence
from typing import Any, Final

import pytest

from link_events.click_ids import CLICK_ID_NAME
from redirector.browser.track_script import track_script
from stage.chromium import Chromium
from stage.waiting import eventually
from stage.web_shop import Page, WebShop

DAY_S: Final = 86_400
ID, OTHER_ID = "A" * 40, "b-_9" * 10
SALE: Final = '{source: "shop", kind: "sale", external_id: "1042"}'
TAG: Final = '<script src="/v1/track.js"></script>'

GPC: Final = '<script>Object.defineProperty(navigator, "globalPrivacyControl", {value: true})</script>'
NO_STORAGE: Final = """<script>
    Object.defineProperty(window, "localStorage", {get() { throw new DOMException("no", "SecurityError") }})
</script>"""


@pytest.fixture(autouse=True)
def _serves_the_script(shop: WebShop) -> None:
    script = track_script(CLICK_ID_NAME, 30 * DAY_S)
    shop.put("/v1/track.js", Page(script.body, "text/javascript"))


def landing(shop: WebShop, then: str, *, head: str = TAG, click_id: str = ID, path: str = "/landing") -> str:
    """A page that a short link leads to, and what it does."""
    return f"{shop.put_script(path, then, head=head)}?{CLICK_ID_NAME}={click_id}&size=9"


def reports(shop: WebShop, count: int) -> list[Any]:
    """What was reported, once it is as much as that."""
    eventually(lambda: len(shop.sent_to("/v1/beacon")) >= count, what=f"{count} reports have come")
    return shop.sent_to("/v1/beacon")


def test_a_click_is_kept_and_what_comes_of_it_later_is_reported(chromium: Chromium, shop: WebShop) -> None:
    """On another page of the shop, and in another week: the browser was closed meanwhile."""
    shop.put_script("/bought", f"await tell(advolink.convert({SALE}))", head=TAG)
    chromium.open(landing(shop, ""))
    chromium.open(f"{shop.origin}/bought")
    (report,) = reports(shop, 1)
    assert report == {"source": "shop", "kind": "sale", "external_id": "1042", "click_ids": [ID]}
    assert shop.told() == [True]


def test_a_report_is_text_that_needs_no_permission_beforehand(chromium: Chromium, shop: WebShop) -> None:
    chromium.open(landing(shop, f"advolink.convert({SALE})"))
    reports(shop, 1)
    (beacon,) = [sent for sent in shop.sent if sent.path == "/v1/beacon"]
    assert beacon.headers["content-type"].startswith("text/plain")
    assert beacon.headers["origin"] == shop.origin


def test_without_a_click_there_is_nothing_to_report(chromium: Chromium, shop: WebShop) -> None:
    """Nor is anything of another address kept that is no click id."""
    script = f"await tell([advolink.convert({SALE}), JSON.parse(localStorage.advolink).touches])"
    chromium.open(landing(shop, script, click_id="<script>alert(1)</script>"))
    assert shop.told() == [[False, []]]
    assert not shop.sent_to("/v1/beacon")


def test_the_latest_touches_are_kept_and_those_that_are_too_old_go(chromium: Chromium, shop: WebShop) -> None:
    """The one that it has just landed with among them; landing again with one is no further touch."""
    seed = f"""<script>
        const day = {DAY_S * 1000}, now = Date.now(), id = (n) => String(n).padStart(40, "x");
        const touches = [[id(99), now - 30 * day]];
        for (let n = 0; n < 24; n++) touches.push([id(n), now - (29 - n) * day]);
        localStorage.advolink = JSON.stringify({{touches, reports: []}});
    </script>"""
    again = f"advolink.convert({SALE}); location.href = '/again?{CLICK_ID_NAME}={ID}'"
    shop.put_script("/again", f"advolink.convert({SALE})", head=TAG)
    chromium.open(landing(shop, again, head=seed + TAG))
    kept = [*(str(number).rjust(40, "x") for number in range(5, 24)), ID]
    assert [report["click_ids"] for report in reports(shop, 2)] == [kept, kept]


def test_a_browser_that_asks_not_to_be_followed_is_not(chromium: Chromium, shop: WebShop) -> None:
    """By Global Privacy Control; what was kept before it was asked for is forgotten."""
    chromium.open(landing(shop, "await tell(localStorage.length)"))
    script = f"await tell([advolink.convert({SALE}), localStorage.length])"
    chromium.open(landing(shop, script, head=GPC + TAG, click_id=OTHER_ID))
    assert shop.told() == [1, [False, 0]]
    assert not shop.sent_to("/v1/beacon")


def test_nothing_is_kept_or_sent_before_there_is_consent(chromium: Chromium, shop: WebShop) -> None:
    """Once there is, the click that led here counts; where it is refused, what was kept is forgotten."""
    hook = "<script>let said; window.advolinkConsent = () => said</script>"
    script = f"""
        const before = [advolink.convert({SALE}), localStorage.length];
        said = true; advolink.consented();
        const then = [advolink.convert({SALE}), localStorage.length];
        said = false; advolink.consented();
        await tell([before, then, [advolink.convert({SALE}), localStorage.length]]);
    """
    chromium.open(landing(shop, script, head=hook + TAG))
    assert shop.told() == [[[False, 0], [True, 1], [False, 0]]]
    assert [report["click_ids"] for report in reports(shop, 1)] == [[ID]]


def test_consent_may_be_said_without_a_function(chromium: Chromium, shop: WebShop) -> None:
    """Only true is consent; a page that says nothing of it needs none."""
    hooks = ("true", "false", "undefined", "'later'")
    heads = [f"<script>window.advolinkConsent = {hook}</script>" for hook in hooks]
    chromium.open(one_after_the_other(shop, heads, "await tell(localStorage.length)"))
    assert shop.told() == [1, 0, 1, 0]


def test_what_the_browser_does_not_take_is_sent_again(chromium: Chromium, shop: WebShop) -> None:
    """By the next page, and when the browser is online again."""
    refusing = "<script>navigator.sendBeacon = () => false</script>"
    chromium.open(landing(shop, f"await tell(advolink.convert({SALE}))", head=refusing + TAG))
    assert shop.told() == [True]
    assert not shop.sent_to("/v1/beacon")
    offline = "<script>let online = false; Object.defineProperty(navigator, 'onLine', {get: () => online})</script>"
    script = """
        const waiting = () => JSON.parse(localStorage.advolink).reports.length;
        const before = waiting();
        online = true; dispatchEvent(new Event("online"));
        await tell([before, waiting()]);
    """
    chromium.open(shop.put_script("/next", script, head=offline + TAG))
    assert [report["external_id"] for report in reports(shop, 1)] == ["1042"]
    assert shop.told()[1:] == [[1, 0]]


def test_without_a_storage_that_can_be_read_the_page_alone_is_known(chromium: Chromium, shop: WebShop) -> None:
    """There is none, what is in it is no JSON, or it is another's."""
    spoilt = ("spoilt", '{"touches": [null], "reports": []}', '{"touches": [], "reports": 7}', "null")
    heads = [NO_STORAGE, *(f"<script>localStorage.advolink = {json.dumps(text)}</script>" for text in spoilt)]
    chromium.open(one_after_the_other(shop, heads, f"await tell(advolink.convert({SALE}))"))
    assert shop.told() == [True] * len(heads)
    assert [report["click_ids"] for report in reports(shop, len(heads))] == [[ID]] * len(heads)


def test_no_page_breaks_on_it(chromium: Chromium, shop: WebShop) -> None:
    """Whatever the page's hook does, and whatever the browser lacks."""
    throws = "<script>window.advolinkConsent = () => { throw new Error('not loaded yet') }</script>"
    heads = [throws, "<script>navigator.sendBeacon = undefined</script>"]
    chromium.open(one_after_the_other(shop, heads, f"await tell(advolink.convert({SALE}))"))
    assert shop.told() == [False, True]


def test_no_page_breaks_where_it_cannot_tell_where_it_came_from(chromium: Chromium, shop: WebShop) -> None:
    """As a module, which knows no tag of its own: it does nothing, and says nothing."""
    head = "<script>window.errors = 0; addEventListener('error', () => errors++)</script>"
    module = TAG.replace("<script ", '<script type="module" ')
    chromium.open(landing(shop, "await tell([errors, typeof window.advolink])", head=head + module))
    assert shop.told() == [[0, "undefined"]]


def one_after_the_other(shop: WebShop, heads: Sequence[str], then: str) -> str:
    """Pages that each begin with an empty storage, land with a click, and lead to the next; where the first one is."""
    address = "about:blank"
    for number, head in reversed(list(enumerate(heads))):
        script = f"{then}; location.href = {json.dumps(address)}"
        address = landing(shop, script, head=f"<script>localStorage.clear()</script>{head}{TAG}", path=f"/{number}")
    return address
