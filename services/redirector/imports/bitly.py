"""One line of bitly's public click feed (JSON lines). Pure.

Fields: `l` who made the link, `h` their code, `u` destination, `t` time in seconds since 1970, `a` user agent,
`r` referrer, `al` accepted languages, `c` country. Lines with `_heartbeat_` are no clicks.
"""

from datetime import UTC, datetime
from typing import Any, Final

import orjson

from link_events.identity import AdvocateId, Code, is_advocate_id
from redirector.codes import alias_fault
from redirector.destinations import DestinationPolicy, DestinationRefusedError, canonical_destination
from redirector.imports.lines import BadLine, ClickLine, Line, NoClick, RefusedLine

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Raw clicks are kept by date from here on."""

COUNTRY_CHARS: Final = 2

QUOTED_CHARS_MAX: Final = 80
"""A refusal names what is wrong in a line; a thousand of them make one answer."""


def read_bitly_line(line: bytes, policy: DestinationPolicy, latest: datetime) -> Line:
    """What `line` is. A click after `latest` has not happened."""
    if not line.strip():
        return NoClick()
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return BadLine(RefusedLine.NOT_JSON, str(error))
    if not isinstance(fields, dict):
        return BadLine(RefusedLine.NOT_AN_OBJECT, f"a JSON {type(fields).__name__}")
    if "_heartbeat_" in fields:
        return NoClick()
    try:
        return _click(fields, policy, latest)
    except _BadFieldError as error:
        return BadLine(error.reason, str(error))


def read_planned_bitly_line(line: bytes) -> ClickLine:
    """A line that the first import of its file took: what its event needs, by no rule that may have changed since.

    Its destination is its link's by now, and left empty.
    """
    fields = orjson.loads(line)
    return ClickLine(
        code=Code(fields["h"]),
        advocate_id=AdvocateId(fields["l"]),
        destination="",
        occurred_at=datetime.fromtimestamp(fields["t"], UTC),
        **_said_by_browser(fields),
    )


class _BadFieldError(ValueError):
    def __init__(self, reason: RefusedLine, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def _click(fields: dict[str, Any], policy: DestinationPolicy, latest: datetime) -> ClickLine:
    advocate_id = fields.get("l")
    if not isinstance(advocate_id, str) or not is_advocate_id(advocate_id):
        raise _BadFieldError(RefusedLine.BAD_ADVOCATE, f"l: {_quoted(advocate_id)} is no advocate id")
    code = fields.get("h")
    if not isinstance(code, str) or (fault := alias_fault(code)) is not None:
        raise _BadFieldError(RefusedLine.BAD_CODE, f"h: {fault if isinstance(code, str) else 'missing or no text'}")
    return ClickLine(
        code=Code(code),
        advocate_id=AdvocateId(advocate_id),
        destination=_destination(fields.get("u"), policy),
        occurred_at=_occurred_at(fields.get("t"), latest),
        **_said_by_browser(fields),
    )


def _said_by_browser(fields: dict[str, Any]) -> dict[str, Any]:
    country = fields.get("c")
    is_country = isinstance(country, str) and len(country) == COUNTRY_CHARS and country.isalpha()
    return {
        "user_agent": _text(fields.get("a")),
        "referrer": _text(fields.get("r")),
        "language": _text(fields.get("al")),
        "country": country if is_country else None,
    }


def _destination(destination: Any, policy: DestinationPolicy) -> str:
    if not isinstance(destination, str):
        raise _BadFieldError(RefusedLine.BAD_DESTINATION, "u: missing or no text")
    try:
        return canonical_destination(destination, policy)
    except DestinationRefusedError as error:
        raise _BadFieldError(RefusedLine.BAD_DESTINATION, f"u: {error}") from error


def _occurred_at(seconds: Any, latest: datetime) -> datetime:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise _BadFieldError(RefusedLine.BAD_TIME, "t: missing or no number")
    try:
        instant = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _BadFieldError(RefusedLine.BAD_TIME, f"t: {seconds!r} is no time") from error
    if not EARLIEST <= instant <= latest:
        raise _BadFieldError(RefusedLine.BAD_TIME, f"t: {instant.isoformat()} is before 2000 or has yet to come")
    return instant


def _quoted(value: Any) -> str:
    """`value` as a refusal shows it: texts cut, and nothing else, which may be as deep as the line is long."""
    if not isinstance(value, str):
        return f"a JSON {type(value).__name__}"
    return repr(value if len(value) <= QUOTED_CHARS_MAX else f"{value[:QUOTED_CHARS_MAX]}…")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
