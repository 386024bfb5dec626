"""End to end in a real Chromium: a short link is clicked, leads to a shop, something is bought, and credit appears.

The shop's pages are made of the HTML of docs/conversions.md.
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from link_events.click_ids import CLICK_ID_NAME
from stage.api import Api
from stage.chromium import Chromium
from stage.markdown import blocks, read
from stage.up import Up, data_directory, started_up
from stage.waiting import eventually
from stage.web_shop import Page, WebShop

pytestmark = pytest.mark.timeout(240)

TAG, THANKS, _, PICTURE = (block.text for block in blocks(read("docs/conversions.md")) if block.language == "html")
"""The script, what thanks for an order, the hook for consent, the picture."""

INLINE_ONLY: Final = {"Content-Security-Policy": "script-src 'unsafe-inline'"}
"""A page that lets no script in but its own: what somebody's blocker does to track.js."""

PRICE: Final = {"value_minor": 4990, "currency": "EUR"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A stack whose links may lead to this machine."""
    folder, option = tmp_path_factory.mktemp("shop"), "--allow-private-destinations=127.0.0.1"
    with data_directory(folder) as data, started_up(data, option) as up:
        up.until_up()
        yield up


@pytest.fixture
def api(stack: Up, shop: WebShop) -> Iterator[Api]:
    """Its API; the shop's pages may report, with money."""
    opened = Api(stack)
    programme = {"browser_origins": [shop.origin], "browser_money": True}
    opened.aggregator.put("/v1/programme", json=programme).raise_for_status()
    opened.pages_may_report(shop.origin)
    yield opened
    opened.close()


class Sale:
    """One sale: somebody follows an advocate's link into the shop, and buys."""

    def __init__(self, api: Api, shop: WebShop) -> None:
        number = secrets.token_hex(4)
        self.advocate, self.order = f"ada-{number}", f"order-{number}"
        self._api, self._shop = api, shop
        api.redirector.put(f"/v1/advocates/{self.advocate}", json={}).raise_for_status()
        link = api.issue({"advocate_id": self.advocate, "destination": f"{shop.origin}/spring"})
        self.short_url = str(api.redirector.base_url.join(f"/{link['code']}"))

    def show(self, headers: Mapping[str, str] | None = None) -> None:
        """Open the shop: a page that the link leads to, and one that thanks for the order."""
        tag = self._here(TAG)
        self._shop.put_script("/spring", 'location.href = "/thanks"', head=tag, headers=headers)
        self._shop.put_script("/thanks", "await tell(typeof advolink)", head=tag + self._here(THANKS), headers=headers)

    def show_picture(self) -> str:
        """A page without scripts that thanks for the order, as the shop's server writes it; its address."""
        page = self._here(PICTURE).replace("{click_id}", self.click_id)
        return self._shop.put("/thanks", Page(f"<!doctype html>{page}".encode()))

    @property
    def click_id(self) -> str:
        """The click id that the shop's server was asked with."""
        return next(found[1] for asked in self._shop.asked if (found := re.search(rf"{CLICK_ID_NAME}=([\w-]+)", asked)))

    def report(self) -> None:
        """Report the sale from the shop's server."""
        named = {"source": "shop", "kind": "sale", "external_id": self.order, "click_ids": [self.click_id]}
        row = {**named, **PRICE, "time": datetime.now(UTC).isoformat()}
        self._api.redirector.post("/v1/conversions", json=row).raise_for_status()

    def reports(self, count: int = 1) -> list[dict[str, Any]]:
        """What was reported of the sale, once it is as much as that and the first is credited."""

        def settled() -> list[dict[str, Any]]:
            params = {"source": "shop", "kind": "sale", "external_id": self.order}
            rows: list[dict[str, Any]] = self._api.aggregator.get("/v1/conversions", params=params).json()["rows"]
            return rows if len(rows) == count and rows[0]["state"] == "credited" else []

        return eventually(settled, seconds_max=60, what=f"{count} reports of {self.order}, one of them credited")

    def counted(self) -> tuple[int, int]:
        """Credited millionths and value of the advocate."""
        (row,) = [row for row in self._api.counts() if row["advocate_id"] == self.advocate]
        return row["credited_millionths"], row["value_minor"]

    def _here(self, html: str) -> str:
        """HTML of the document, for this redirector and this order."""
        go = str(self._api.redirector.base_url).rstrip("/")
        names = f"source=shop&kind=sale&external_id={self.order}"
        html = html.replace("order-1042", self.order).replace("source=site&kind=lead&external_id=form-7", names)
        return html.replace("https://go.example.com", go)


ALL_OF_IT: Final = (1_000_000, PRICE["value_minor"])


@pytest.fixture
def sale(api: Api, shop: WebShop) -> Sale:
    """A sale that has yet to happen."""
    return Sale(api, shop)


def test_what_the_script_reports_is_credited(chromium: Chromium, sale: Sale) -> None:
    """To whoever's link it was, with what it was worth."""
    sale.show()
    chromium.open(sale.short_url)
    (report,) = sale.reports()
    (touch,) = report["touches"]
    assert (report["via"], touch["advocate_id"], touch["outcome"]) == ("script", sale.advocate, "earns")
    assert sale.counted() == ALL_OF_IT


def test_what_a_picture_reports_is_credited(chromium: Chromium, shop: WebShop, sale: Sale) -> None:
    """Without any script on the shop's pages."""
    shop.put("/spring", Page(b"<!doctype html><title>Spring</title>"))
    chromium.open(sale.short_url)
    chromium.open(sale.show_picture())
    (report,) = sale.reports()
    assert (report["via"], report["touches"][0]["advocate_id"]) == ("pixel", sale.advocate)
    assert sale.counted() == (1_000_000, 0)


def test_with_the_script_blocked_the_server_brings_the_same_credit(
    chromium: Chromium, shop: WebShop, sale: Sale
) -> None:
    """And the shop's pages are whole."""
    sale.show(INLINE_ONLY)
    chromium.open(sale.short_url)
    assert shop.told() == ["undefined"]
    sale.report()
    (report,) = sale.reports()
    (touch,) = report["touches"]
    assert (report["via"], touch["advocate_id"], touch["outcome"]) == ("api", sale.advocate, "earns")
    assert sale.counted() == ALL_OF_IT


def test_what_both_report_is_credited_once(chromium: Chromium, sale: Sale) -> None:
    """The server's report stands, whichever was first."""
    sale.show()
    chromium.open(sale.short_url)
    sale.reports()
    sale.report()
    reports = sale.reports(2)
    assert [(report["via"], report["state"]) for report in reports] == [("api", "credited"), ("script", "duplicate")]
    assert sale.counted() == ALL_OF_IT
