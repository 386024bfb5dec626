"""What those buy whom the load lets click, and how it is reported. Pure: what is bought follows from numbers alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from stage.chaos.fates import RequestId

SOURCE: Final = "chaos"
KIND: Final = "sale"

BUY_EVERY: Final = 4
"""Of so many requests, one leads to something being bought, where it was redirected."""

CLICKS_NAMED_MAX: Final = 3

SALES_PER_CUSTOMER: Final = 4
"""The first names no click, and happens after the others although it is reported before: they bind it afterwards."""

VALUE_MINOR: Final = 1_000
"""Of a first report. The second of the same sale says twice as much: they are in conflict, and can be told apart."""

REVERSED_BEFORE, REVERSED_AFTER, REPORTED_TWICE = 5, 2, 6
"""One in so many sales is taken back in part before it is reported, or whole afterwards; is reported twice.

Afterwards is when the next one is reported: an attributor that stands still has the sale in its hands just then.
"""

LATER: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Report:
    """One request to the API. Its id is found again in what is stored of it."""

    request: RequestId
    path: str
    row: Mapping[str, Any]


def reports(worker: int, asked: int, click_ids: Sequence[str], now: datetime) -> Iterator[Report]:
    """How a sale is reported that comes of a worker's so many-th request and of these clicks, the last of all."""
    number = worker + asked // BUY_EVERY  # workers keep step: what happens to a sale is another thing with each of them
    name = f"{worker}-{asked}"
    key = {"source": SOURCE, "kind": KIND, "external_id": name}
    back = {**key, "reversal_id": "R-1", "time": (now + LATER).isoformat()}
    customer = f"customer-{worker}-{number // SALES_PER_CUSTOMER}"
    sale: dict[str, Any] = {**key, "time": now.isoformat(), "customer_id": customer, "currency": "EUR"}
    if number % SALES_PER_CUSTOMER:
        sale["click_ids"] = list(click_ids[-CLICKS_NAMED_MAX:])
    else:
        sale["time"] = (now + LATER).isoformat()
    if number % REVERSED_BEFORE == 0:
        yield Report(RequestId(f"r{name}"), "/v1/reversals", {**back, "value_minor": VALUE_MINOR // 3})
    for time in range(1, 3 if number % REPORTED_TWICE == 0 else 2):
        yield Report(RequestId(f"v{name}.{time}"), "/v1/conversions", {**sale, "value_minor": time * VALUE_MINOR})
    if asked >= BUY_EVERY and (number - 1) % REVERSED_BEFORE and (number - 1) % REVERSED_AFTER == 0:
        before = f"{worker}-{asked - BUY_EVERY}"
        yield Report(RequestId(f"r{before}"), "/v1/reversals", {**back, "external_id": before})
