"""Fields as callers write them, alike in every body of the redirector's API."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, StringConstraints

from http_api.texts import NO_CONTROL_CHARACTERS, in_words

Word = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"),
    in_words(NO_CONTROL_CHARACTERS),
]
_NUMBER = re.compile(r"[-+]?[0-9.]+")


def _not_a_number(told: object) -> object:
    """Seconds or milliseconds since 1970: nobody can tell which."""
    if isinstance(told, (int, float)) or (isinstance(told, str) and _NUMBER.fullmatch(told.strip())):
        raise ValueError("is a number: write an instant with its offset, as 2026-11-26T12:00:00Z")
    return told


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is beyond the years 1 to 9999 in UTC") from error


Instant = Annotated[AwareDatetime, BeforeValidator(_not_a_number), AfterValidator(_in_utc)]
