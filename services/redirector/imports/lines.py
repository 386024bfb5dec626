"""What a line of an import file can turn out to be. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from link_events.identity import AdvocateId, Code


class ImportFormat(StrEnum):
    """The formats an import understands."""

    BITLY = "bitly"


class RefusedLine(StrEnum):
    """Why a line is left out."""

    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    LINE_TOO_LONG = "line_too_long"
    BAD_ADVOCATE = "bad_advocate"
    BAD_CODE = "bad_code"
    BAD_DESTINATION = "bad_destination"
    BAD_TIME = "bad_time"
    CODE_TAKEN = "code_taken"


@dataclass(frozen=True, slots=True)
class ClickLine:
    """A line that is a click: whose link, where it led, when, and what was known of the browser."""

    code: Code
    advocate_id: AdvocateId
    destination: str
    occurred_at: datetime
    user_agent: str
    referrer: str
    language: str
    country: str | None


@dataclass(frozen=True, slots=True)
class NoClick:
    """A line that never was meant to be a click (a heartbeat, an empty line)."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is left out, and why."""

    reason: RefusedLine
    detail: str


Line = ClickLine | NoClick | BadLine
