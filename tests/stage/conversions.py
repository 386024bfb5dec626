"""Conversions, reversals and activities as other systems report them, and what redirectors journal of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import httpx2

from link_events.events import Activity, Conversion, Event, Reversal
from link_events.identity import EventId
from stage.click_ids import split_location
from stage.journals import events_in
from stage.redirectors import RunningRedirector

LONG_AGO: Final = "2026-03-01T12:00:00Z"

CONVERSION: Final[dict[str, Any]] = {
    "source": "shop",
    "kind": "sale",
    "external_id": "A-1001",
    "time": LONG_AGO,
    "customer_id": "ada@example.com",
}
REVERSAL: Final[dict[str, Any]] = {
    "source": "shop",
    "kind": "sale",
    "external_id": "A-1001",
    "reversal_id": "R-1",
    "time": LONG_AGO,
}
ACTIVITY: Final[dict[str, Any]] = {
    "source": "board",
    "external_id": "s-77",
    "kind": "share",
    "advocate_id": "ada",
    "time": LONG_AGO,
}
REPORTS: Final[dict[str, dict[str, Any]]] = {
    "/v1/conversions": CONVERSION,
    "/v1/reversals": REVERSAL,
    "/v1/activities": ACTIVITY,
}
"""Path → a row that it takes."""


def now_text() -> str:
    """This instant, as a caller writes it."""
    return datetime.now(UTC).isoformat()


async def click_id_of(redirector: RunningRedirector, code: str) -> str:
    """The id of a new click on a link."""
    return split_location((await redirector.click(code)).headers["location"])[1]


def event_ids(answer: httpx2.Response) -> list[EventId]:
    """The ids that `answer` gives for the rows that were received; for a single row, its one."""
    assert answer.status_code == httpx2.codes.ACCEPTED, answer.text
    told = answer.json()
    return [row["event_id"] for row in told.get("rows", [told]) if row["status"] == "received"]


def facts_in(redirector: RunningRedirector) -> dict[EventId, Event]:
    """What was reported and is in its journal, by event id."""
    return {
        event.origin.event_id: event
        for event in events_in(redirector.journal_directory)
        if isinstance(event.data, Conversion | Reversal | Activity)
    }


async def reported(redirector: RunningRedirector, path: str, rows: Sequence[Mapping[str, Any]]) -> list[Event]:
    """Report `rows` together; what is journaled of those that are received."""
    ids = event_ids(await redirector.ask("POST", path, json={"rows": list(rows)}))
    facts = facts_in(redirector)
    return [facts[event_id] for event_id in ids]
