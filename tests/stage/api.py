"""A running stack as its callers use it: over HTTP, with the key of up.json, patient with restarts."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import httpx2

from stage.up import Up
from stage.waiting import eventually

CAUGHT_UP_SECONDS_MAX = 90.0
"""After a kill: restart, recovery, reconnecting, and what was journaled meanwhile."""


class Api:
    """The two services of one stack."""

    def __init__(self, up: Up) -> None:
        content = up.content
        headers = {"Authorization": f"Bearer {content['api_key']}"}
        self.redirector = httpx2.Client(base_url=content["redirector"], headers=headers, timeout=10)
        self.aggregator = httpx2.Client(base_url=content["aggregator"], headers=headers, timeout=10)
        self.content = content

    def close(self) -> None:
        """Close connections."""
        self.redirector.close()
        self.aggregator.close()

    def counts(self, group_by: str = "advocate", granularity: str = "total") -> list[dict[str, Any]]:
        """Every row, page by page."""
        rows: list[dict[str, Any]] = []
        params: dict[str, Any] = {"group_by": group_by, "granularity": granularity, "limit": 100}
        while True:
            answer = self.aggregator.get("/v1/counts", params=params)
            answer.raise_for_status()
            page = answer.json()
            rows += page["rows"]
            if page["next_cursor"] is None:
                return rows
            params["cursor"] = page["next_cursor"]

    def raw_by_advocate(self) -> Counter[str]:
        """Raw clicks by advocate."""
        return Counter({row["advocate_id"]: row["raw_clicks"] for row in self.counts()})

    def caught_up(self, seconds_max: float = CAUGHT_UP_SECONDS_MAX) -> None:
        """Wait until everything journaled before now is counted, as the answers themselves say it."""
        now = datetime.now(UTC)
        eventually(
            lambda: self._complete_through() > now,
            seconds_max=seconds_max,
            what=f"counts are complete through {now.isoformat()}",
        )

    def pages_may_report(self, origin: str) -> None:
        """Wait until the redirector knows that the programme names the pages of `origin`."""
        eventually(lambda: self._takes_reports(origin), what=f"pages of {origin} may report")

    def issue(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Issue a link."""
        answer = self.redirector.post("/v1/links", json=body)
        answer.raise_for_status()
        link: dict[str, Any] = answer.json()
        return link

    def _takes_reports(self, origin: str) -> bool:
        answer = self.redirector.post("/v1/beacon", content=b"{}", headers={"Origin": origin})
        return answer.status_code != HTTPStatus.FORBIDDEN

    def _complete_through(self) -> datetime:
        try:
            answer = self.aggregator.get("/v1/counts", params={"group_by": "advocate", "limit": 1})
            text = answer.json().get("complete_through") if answer.is_success else None
        except httpx2.TransportError:
            text = None
        return datetime.fromisoformat(text) if text else datetime.min.replace(tzinfo=UTC)
