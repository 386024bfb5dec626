"""How a dead letter is shown: as a row, in full, and for machines."""

from collections.abc import Iterator
from typing import Any, Final

from aggregator.commands import printable, shown_instant
from aggregator.dead_letters.stored import StoredDeadLetter

COLUMNS: Final = ("id", "where", "event", "reason", "state", "dead since", "detail")


def cells(dead: StoredDeadLetter) -> tuple[object, ...]:
    """One row of a list, by COLUMNS."""
    event = "" if dead.origin is None else dead.origin.event_id
    since = shown_instant(dead.dead_at)
    return (dead.dead_letter_id, _place(dead), event, dead.reason, dead.state, since, dead.detail)


def fields(dead: StoredDeadLetter) -> dict[str, Any]:
    """For machines. Bytes are `…_text` where they are UTF-8, else `…_hex`."""
    shown: dict[str, Any] = {
        "id": dead.dead_letter_id,
        "stream": dead.stream,
        "partition": dead.partition,
        "offset": dead.offset,
        "journal": None if dead.journal is None else dead.journal.hex(),
        "seq": dead.seq,
        "event_id": None if dead.origin is None else dead.origin.event_id,
        "reason": dead.reason,
        "detail": dead.detail,
        "logged_at": dead.logged_at,
        "dead_at": dead.dead_at,
        "state": dead.state,
        "closed_at": dead.closed_at,
        "closed_why": dead.closed_why,
        "relayed_at": dead.relayed_at,
    }
    for name, value in (("value", dead.value), ("replacement", dead.replacement)):
        if value is not None:
            text = _text(value)
            shown |= {f"{name}_hex": value.hex()} if text is None else {f"{name}_text": text}
    return shown


def lines(dead: StoredDeadLetter) -> Iterator[str]:
    """For people, a line a fact, the bytes last."""
    yield f"dead letter  {dead.dead_letter_id}"
    yield f"where        {_place(dead)}, logged {shown_instant(dead.logged_at)}"
    yield f"event        {'no readable origin' if dead.origin is None else dead.origin.event_id}"
    yield f"reason       {dead.reason}: {printable(dead.detail)}"
    yield f"dead since   {shown_instant(dead.dead_at)}"
    closed = "" if dead.closed_at is None else f", {shown_instant(dead.closed_at)}"
    yield f"state        {dead.state}{closed}"
    if dead.closed_why is not None:
        yield f"why          {printable(dead.closed_why)}"
    yield f"relayed      {shown_instant(dead.relayed_at) or 'not to a dead-letter topic'}"
    for name, value in (("value", dead.value), ("replacement", dead.replacement)):
        if value is not None:
            text = _text(value)
            form = "hex" if text is None else "text"
            yield f"{name}, {len(value)} bytes, as {form}:"
            yield value.hex() if text is None else printable(text)


def _place(dead: StoredDeadLetter) -> str:
    """Where it stands in the log."""
    return f"{dead.stream}/{dead.partition}@{dead.offset}"


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
