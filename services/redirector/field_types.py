"""Fields as callers write them, alike in every body of the redirector's API."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, StringConstraints

from link_events.identity import ADVOCATE_ID_PATTERN

Word = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
AdvocateIdText = Annotated[str, StringConstraints(pattern=f"^{ADVOCATE_ID_PATTERN}$")]


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is beyond the years 1 to 9999 in UTC") from error


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
