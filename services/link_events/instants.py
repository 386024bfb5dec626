"""Instants as events write them: one form, and no other is read."""

import re
from typing import Final

INSTANT_PATTERN: Final = (
    r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?Z"
)
"""RFC 3339 in UTC, to the microsecond: the one form that is written, hence the one that is read."""

matches_instant: Final = re.compile(INSTANT_PATTERN).fullmatch
"""Asked before `datetime.fromisoformat`, which also reads week dates, compact forms and offsets: which of them depends
on the Python."""
